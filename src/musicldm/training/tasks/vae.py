"""VAE: AutoencoderKL over log-mels, L1 with a gradient term, KL, and PatchGAN from a set share of the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor, nn

from musicldm.data.store import ClipStore
from musicldm.errors import InvalidInputError
from musicldm.training.loop.task import Batch, Losses, Schedule, Turn, Validation
from musicldm.training.networks.discriminators import PatchDiscriminator, adversarial_loss, discriminator_loss
from musicldm.training.setup import Setup, check_bins, split


@dataclass(frozen=True)
class VaeRecipe:
    """Sizes and weights of a VAE training; the defaults make the shipped model's.

    Args:
        mel_bins: that the data must have; None takes any.
        channels: widths from the full resolution down; each step but the last halves time and frequency.
        mel_mean, mel_deviation: folded into the first and last convolution, so that the folder takes raw log-mels.
        crop_frames: length of a training crop.
        gradient_weight: of the L1 between differences along time and along frequency.
        kl_weight: of the KL divergence per latent element.
        betas: of the autoencoder's AdamW.
        adversarial_from: share of the run from which the PatchGAN trains.
    """

    mel_bins: int | None = None
    channels: tuple[int, ...] = (32, 64, 96, 128)
    layers: int = 1
    groups: int = 16
    latent_channels: int = 8
    mel_mean: float = -3.5
    mel_deviation: float = 2.2
    batch_size: int = 4
    crop_frames: int = 192
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)
    discriminator_rate: float = 4e-4
    gradient_weight: float = 0.5
    kl_weight: float = 0.01
    adversarial_from: float = 0.8
    adversarial_weight: float = 0.02
    patch_channels: tuple[int, ...] = (16, 32, 64)


_PUBLISHED = VaeRecipe(
    channels=(128, 256, 512),
    layers=2,
    groups=32,
    learning_rate=1e-4,
    betas=(0.5, 0.9),
    adversarial_weight=0.5,
    patch_channels=(64, 128, 256),
)
"""Sizes, betas and the discriminator's weight are the published ones; the rest is not published, and ours."""

RECIPES: Mapping[str, VaeRecipe] = {
    "default": VaeRecipe(),
    "published": _PUBLISHED,
    "appendix": replace(_PUBLISHED, mel_bins=128, channels=(128, 256, 512, 512), latent_channels=16),
}


_SHOWN = 2
"""Clips of a validation that are kept to look at."""


def build_vae(recipe: VaeRecipe) -> AutoencoderKL:
    """An autoencoder with random weights over raw log-mels (B, 1, frames, bins)."""
    levels = len(recipe.channels)
    vae = AutoencoderKL(
        in_channels=1,
        out_channels=1,
        down_block_types=("DownEncoderBlock2D",) * levels,
        up_block_types=("UpDecoderBlock2D",) * levels,
        block_out_channels=recipe.channels,
        layers_per_block=recipe.layers,
        latent_channels=recipe.latent_channels,
        norm_num_groups=recipe.groups,
        mid_block_add_attention=False,
        sample_size=1024,
        scaling_factor=1.0,
    )
    _fold_normalisation(vae, recipe.mel_mean, recipe.mel_deviation)
    return vae


@torch.no_grad()
def _fold_normalisation(vae: AutoencoderKL, mean: float, deviation: float) -> None:
    """Starts the first and last convolution such that inside the network log-mels have zero mean, unit deviation."""
    first, last = vae.encoder.conv_in, vae.decoder.conv_out
    first.weight /= deviation
    first.bias -= mean * first.weight.sum(dim=(1, 2, 3))
    last.weight *= deviation
    last.bias.mul_(deviation).add_(mean)


class VaeTask:
    """Trains the autoencoder on crops of clips."""

    name = "vae"
    ema: tuple[str, ...] = ("vae",)
    goal = "log_mel_l1"
    schedule = Schedule()
    compiled = ("vae.encoder", "vae.decoder", "discriminator")

    def __init__(
        self, recipe: VaeRecipe, train: ClipStore, held_out: ClipStore, *, vae: AutoencoderKL | None = None
    ) -> None:
        self.recipe, self.train, self.held_out = recipe, train, held_out
        self.batch_size, self.sample_rate = recipe.batch_size, train.spec.sample_rate
        model = vae if vae is not None else build_vae(recipe)
        self.vae: Any = model
        self.discriminator = PatchDiscriminator(recipe.patch_channels)
        self.modules = nn.ModuleDict({"vae": model, "discriminator": self.discriminator})
        self.turns: tuple[Turn, ...] = (
            Turn("discriminator", ("discriminator",), recipe.discriminator_rate, (0.5, 0.9), 0.0, 1.0),
            Turn("generator", ("vae",), recipe.learning_rate, recipe.betas, 0.0, 1.0),
        )

    def __len__(self) -> int:
        return len(self.train)

    def batch(self, clips: npt.NDArray[np.int64], rng: np.random.Generator) -> Batch:
        """`mel` (B, 1, frames, bins): one random crop a clip."""
        length = min(self.recipe.crop_frames, self.train.mels.shape[1])
        starts = rng.integers(0, self.train.mels.shape[1] - length + 1, size=len(clips))
        crops = [self.train.mels[clip, start : start + length] for clip, start in zip(clips, starts, strict=True)]
        return {"mel": torch.from_numpy(np.stack(crops).astype(np.float32))[:, None]}

    def losses(self, batch: Batch, progress: float) -> Iterator[Losses | None]:
        """Of the discriminator, then of the autoencoder on the same reconstructions."""
        real = batch["mel"]
        is_adversarial = progress >= self.recipe.adversarial_from
        posterior = self.vae.encode(real).latent_dist
        fake = self.vae.decode(posterior.sample()).sample
        kl = posterior.kl().mean() / posterior.mean[0].numel()
        yield self._discriminator_losses(real, fake.detach()) if is_adversarial else None
        yield self.generator_losses(real, fake, kl, is_adversarial=is_adversarial)

    def _discriminator_losses(self, real: Tensor, fake: Tensor) -> Losses:
        judge = self.discriminator
        return {"loss": discriminator_loss(judge(self._inside(real)), judge(self._inside(fake)))}

    def generator_losses(self, real: Tensor, fake: Tensor, kl: Tensor, *, is_adversarial: bool) -> Losses:
        """Terms of log-mels (B, 1, frames, bins), their reconstructions, and the posterior's divergence."""
        error = self._inside(fake) - self._inside(real)
        terms = {
            "l1": error.abs().mean(),
            "gradient": error.diff(dim=2).abs().mean() + error.diff(dim=3).abs().mean(),
            "kl": kl,
        }
        loss = terms["l1"] + self.recipe.gradient_weight * terms["gradient"] + self.recipe.kl_weight * terms["kl"]
        if is_adversarial:
            terms["adversarial"] = adversarial_loss(self.discriminator(self._inside(fake)))
            loss = loss + self.recipe.adversarial_weight * terms["adversarial"]
        return {"loss": loss, **terms}

    def _inside(self, mel: Tensor) -> Tensor:
        return (mel.float() - self.recipe.mel_mean) / self.recipe.mel_deviation

    def validate(self) -> Validation:
        """Log-mel L1 in nats and the latents' deviation on whole held-out clips; two of them and what is left."""
        errors, deviations = [], []
        samples: dict[str, npt.NDArray[np.float32]] = {}
        for index, (mel, seen, latent) in enumerate(self._reconstructions(min(24, len(self.held_out)))):
            errors.append(float(F.l1_loss(seen, mel)))
            deviations.append(float(latent.std()))
            if index < _SHOWN:
                samples[f"clip{index}/true"] = mel[0, 0].T.cpu().numpy()
                samples[f"clip{index}/seen"] = seen[0, 0].T.cpu().numpy()
        figures = {"log_mel_l1": float(np.mean(errors)), "latent_deviation": float(np.mean(deviations))}
        return Validation(figures, samples)

    def _reconstructions(self, count: int) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Log-mels (1, 1, frames, bins), what the VAE makes of them, and latents of the first held-out clips."""
        device = next(self.modules.parameters()).device
        out = []
        for index in range(count):
            mel = torch.from_numpy(np.asarray(self.held_out.mels[index], np.float32))[None, None].to(device)
            latent = self.vae.encode(mel).latent_dist.mode()
            out.append((mel, self.vae.decode(latent).sample, latent))
        return out

    @torch.no_grad()
    def export(self, folder: Path) -> None:
        """Writes the folder with `scaling_factor` such that scaled latents of held-out clips have unit deviation."""
        latents = torch.cat([latent.flatten() for _, _, latent in self._reconstructions(min(64, len(self.held_out)))])
        self.vae.register_to_config(scaling_factor=float(1 / latents.std()))
        self.vae.save_pretrained(folder / "vae")


def make_task(setup: Setup) -> VaeTask:
    """The training of a new VAE, or of that in the model folder `init`.

    Raises:
        InvalidInputError: log-mels that the recipe or the model folder is not for.
        CheckpointError: a model folder without VAE.
    """
    recipe = setup.recipe_of(RECIPES)
    check_bins(recipe.mel_bins, setup.store)
    setup.check_mels()
    vae = setup.load_init(AutoencoderKL, "vae")
    channels = recipe.channels if vae is None else vae.config.block_out_channels
    check_divisible(setup.store, 2 ** (len(channels) - 1))
    return VaeTask(recipe, *split(setup.store), vae=vae)


def check_divisible(store: ClipStore, scale: int) -> None:
    """Nothing where a VAE of this scale takes whole clips.

    Raises:
        InvalidInputError: their frames or bins are no multiples of it.
    """
    frames, bins = store.mels.shape[1:]
    if frames % scale or bins % scale:
        raise InvalidInputError(
            f"{store.folder} has clips of {frames} frames with {bins} mel bins, and this VAE takes multiples of "
            f"{scale}: prepare with other --seconds or --mel-bins"
        )

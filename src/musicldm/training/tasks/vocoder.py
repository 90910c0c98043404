"""Vocoder: HiFi-GAN (arXiv 2010.05646) from log-mel to waveform, spectral losses first, discriminators later."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized, remove_parametrizations
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

from musicldm.audio.mel import MelSpec, log_mel
from musicldm.data.cutting import FULL_SCALE
from musicldm.data.store import ClipStore
from musicldm.errors import InvalidInputError
from musicldm.model.mels import MEL_KEY, beside_configuration
from musicldm.model.vae import Vae
from musicldm.model.vocoder import HifiGan
from musicldm.training.loop.task import Batch, Losses, Schedule, Turn, Validation
from musicldm.training.networks.discriminators import (
    WaveDiscriminators,
    adversarial_loss,
    discriminator_loss,
    feature_matching_loss,
)
from musicldm.training.setup import Setup, check_bins, split
from musicldm.training.spectral_losses import spectral_loss


@dataclass(frozen=True)
class VocoderRecipe:
    """Sizes and weights of a vocoder training; the defaults make the shipped model's.

    Args:
        mel_bins: that the data must have; None takes any.
        segment_frames: length of a training segment in mel frames.
        optimizer: of the generator's hidden weights; HiFi-GAN has "adamw", as the discriminators have here.
        mel_weight: of the L1 between log-mels (HiFi-GAN's λ_mel is 45).
        spectral_weight: of `spectral_loss`, which sees what mel bins blur: a hum at the frame rate, say.
        adversarial_from: share of the run from which the discriminators train.
        feature_weight: of feature matching (HiFi-GAN's λ_fm is 2).
        reconstructions_from: share of the run from which inputs are the VAE's reconstructions, smoother than true mels.
        reconstructed: share of the inputs of which this is so.
        dither: deviation in nats of the noise on the inputs, which goes into the checkpoint's configuration: without
            it a smooth input makes a sound that repeats every frame, and hums.
        schedule: of the rate and the averages.
        mel_mean, mel_deviation: the generator's input is shifted and scaled by these, inside the checkpoint.
    """

    mel_bins: int | None = None
    initial_channels: int = 256
    upsample_rates: tuple[int, ...] = (5, 4, 4, 2)
    upsample_kernels: tuple[int, ...] = (11, 8, 8, 4)
    res_kernels: tuple[int, ...] = (3, 7)
    res_dilations: tuple[int, ...] = (1, 3)
    dither: float = 0.25
    mel_mean: float = -3.5
    mel_deviation: float = 2.2
    batch_size: int = 6
    segment_frames: int = 48
    optimizer: Literal["muon", "adamw"] = "muon"
    learning_rate: float = 1e-3
    discriminator_rate: float = 4e-4
    betas: tuple[float, float] = (0.8, 0.99)
    mel_weight: float = 45.0
    spectral_weight: float = 15.0
    adversarial_from: float = 0.4
    adversarial_weight: float = 1.0
    feature_weight: float = 2.0
    reconstructions_from: float = 0.6
    reconstructed: float = 0.75
    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    period_channels: tuple[int, ...] = (8, 16, 32, 64, 64)
    scales: int = 2
    scale_channels: tuple[int, ...] = (8, 16, 32, 64)
    schedule: Schedule = Schedule()  # noqa: RUF009 - frozen


_PUBLISHED = VocoderRecipe(
    initial_channels=1024,
    upsample_rates=(5, 4, 2, 2, 2),
    upsample_kernels=(16, 16, 8, 4, 4),
    res_kernels=(3, 7, 11),
    res_dilations=(1, 3, 5),
    dither=0.0,
    batch_size=16,
    segment_frames=51,
    optimizer="adamw",
    learning_rate=2e-4,
    discriminator_rate=2e-4,
    spectral_weight=0.0,
    adversarial_from=0.0,
    reconstructions_from=1.0,
    period_channels=(32, 128, 512, 1024, 1024),
    scales=3,
    scale_channels=(128, 128, 256, 512, 1024, 1024, 1024),
    schedule=Schedule(warmup=0),
)
"""HiFi-GAN V1 (arXiv 2010.05646) at the released vocoder's frame rate; learning falls linearly, there by epochs."""

RECIPES: Mapping[str, VocoderRecipe] = {
    "default": VocoderRecipe(),
    "published": _PUBLISHED,
    "appendix": replace(_PUBLISHED, mel_bins=128),
}

_SHOWN = 2
"""Clips of a validation that are kept to listen to."""


def build_vocoder(recipe: VocoderRecipe, spec: MelSpec) -> SpeechT5HifiGan:
    """A generator with random weights; its input (B, frames, bins) is the raw log-mel of `spec`.

    Raises:
        InvalidInputError: the upsampling rates do not make the hop.
    """
    hop = math.prod(recipe.upsample_rates)
    if hop != spec.hop_length:
        raise InvalidInputError(
            f"upsample_rates {recipe.upsample_rates} make {hop} samples a frame, and the data have a hop of "
            f"{spec.hop_length}: prepare with --hop {hop}, or give a recipe with other rates"
        )
    config = SpeechT5HifiGanConfig(
        model_in_dim=spec.n_mels,
        sampling_rate=spec.sample_rate,
        upsample_initial_channel=recipe.initial_channels,
        upsample_rates=list(recipe.upsample_rates),
        upsample_kernel_sizes=list(recipe.upsample_kernels),
        resblock_kernel_sizes=list(recipe.res_kernels),
        resblock_dilation_sizes=[list(recipe.res_dilations)] * len(recipe.res_kernels),
        normalize_before=True,
    )
    vocoder = SpeechT5HifiGan(config)
    for module in vocoder.modules():
        if isinstance(module, nn.Conv1d | nn.ConvTranspose1d):
            # The class starts so small that all output lies under the log-mel's floor, where gradients vanish.
            module.reset_parameters()
    vocoder.mean.fill_(recipe.mel_mean)
    vocoder.scale.fill_(recipe.mel_deviation)
    return vocoder


class VocoderTask:
    """Trains the generator on segments of clips; `vae`, where given, makes the inputs it will meet in the end."""

    name = "vocoder"
    ema: tuple[str, ...] = ("generator",)
    compiled = ("generator", "discriminators")

    def __init__(
        self,
        recipe: VocoderRecipe,
        train: ClipStore,
        held_out: ClipStore,
        *,
        vocoder: SpeechT5HifiGan | None = None,
        vae: Vae | None = None,
    ) -> None:
        self.recipe, self.train, self.held_out = recipe, train, held_out
        self.spec = train.spec
        self.batch_size, self.sample_rate = recipe.batch_size, self.spec.sample_rate
        self.schedule = recipe.schedule
        self.goal = "log_mel_l1" if vae is None else "log_mel_l1_from_vae"
        generator = vocoder if vocoder is not None else build_vocoder(recipe, self.spec)
        generator.apply_weight_norm()
        generator.config.mel_dither = recipe.dither
        setattr(generator.config, MEL_KEY, beside_configuration(self.spec))
        discriminators = WaveDiscriminators(
            recipe.periods, recipe.period_channels, recipe.scales, recipe.scale_channels
        )
        self.generator: Any = generator
        self.discriminators = discriminators
        self.modules = nn.ModuleDict({"generator": generator, "discriminators": discriminators})
        self.vae = vae
        if vae is not None:
            vae.model.requires_grad_(False).eval()
        self.turns = self._turns()

    def _turns(self) -> tuple[Turn, ...]:
        recipe = self.recipe
        return (
            Turn("discriminator", ("discriminators",), recipe.discriminator_rate, recipe.betas, 0.0, 10.0),
            Turn(
                "generator",
                ("generator",),
                recipe.learning_rate,
                recipe.betas,
                0.0,
                100.0,
                optimizer=recipe.optimizer,
                outer=("generator.conv_pre", "generator.conv_post"),
            ),
        )

    def __len__(self) -> int:
        return len(self.train)

    def batch(self, clips: npt.NDArray[np.int64], rng: np.random.Generator) -> Batch:
        """`wave` (B, samples) and `mel` (B, frames, bins) of random segments."""
        hop, length = self.spec.hop_length, self.recipe.segment_frames
        waves, mels = [], []
        for clip in clips:
            start = int(rng.integers(0, self.train.mels.shape[1] - length + 1))
            waves.append(
                np.asarray(self.train.waves[clip, start * hop : (start + length) * hop], np.float32) / FULL_SCALE
            )
            mels.append(np.asarray(self.train.mels[clip, start : start + length], np.float32))
        return {"wave": torch.from_numpy(np.stack(waves)), "mel": torch.from_numpy(np.stack(mels))}

    def _input(self, batch: Batch, progress: float) -> Tensor:
        mel = self._seen(batch["mel"], progress)
        return mel + self.recipe.dither * torch.randn(mel.shape).to(mel.device)

    def _seen(self, mel: Tensor, progress: float) -> Tensor:
        """A batch of log-mels, from a share of the run on partly as the VAE makes them."""
        if self.vae is None or progress < self.recipe.reconstructions_from:
            return mel
        count = round(self.recipe.reconstructed * len(mel))
        with torch.no_grad():
            return torch.cat([self._reconstructed(self.vae, mel[:count]), mel[count:]])

    def _reconstructed(self, vae: Vae, mel: Tensor) -> Tensor:
        vae.model.to(mel.device)
        return vae.decode(vae.encode(mel)[0])

    def losses(self, batch: Batch, progress: float) -> Iterator[Losses | None]:
        """Of the discriminators, then of the generator on the same sound."""
        is_adversarial = progress >= self.recipe.adversarial_from
        real = batch["wave"]
        # The published kernels make a few samples more than the frames have.
        fake = self.generator(self._input(batch, progress)).float()[:, : real.shape[1]]
        if is_adversarial:
            yield {"loss": discriminator_loss(self.discriminators(real), self.discriminators(fake.detach()))}
        else:
            yield None
        yield self._generator_losses(real, fake, is_adversarial=is_adversarial)

    def _generator_losses(self, real: Tensor, fake: Tensor, *, is_adversarial: bool) -> Losses:
        """Terms of waves (B, samples) and what the generator made of their log-mels."""
        terms = {"mel": F.l1_loss(log_mel(fake, self.spec), log_mel(real, self.spec))}
        terms["spectral"] = spectral_loss(fake, real)
        loss = self.recipe.mel_weight * terms["mel"] + self.recipe.spectral_weight * terms["spectral"]
        if is_adversarial:
            verdicts = self.discriminators(fake)
            with torch.no_grad():
                reference = self.discriminators(real)
            terms["adversarial"] = adversarial_loss(verdicts)
            terms["features"] = feature_matching_loss(reference, verdicts)
            loss = loss + self.recipe.adversarial_weight * terms["adversarial"]
            loss = loss + self.recipe.feature_weight * terms["features"]
        return {"loss": loss, **terms}

    def validate(self) -> Validation:
        """Log-mel L1 in nats on whole held-out clips, from true mels and (where there is a VAE) from its own."""
        errors: dict[str, list[float]] = {"log_mel_l1": [], "log_mel_l1_from_vae": []}
        samples: dict[str, npt.NDArray[np.float32]] = {}
        for index in range(min(24, len(self.held_out))):
            mel = self._held_out_mel(index)
            wave = self._wave(mel)
            errors["log_mel_l1"].append(self._error(wave, mel))
            if self.vae is not None:
                errors["log_mel_l1_from_vae"].append(self._error(self._wave(self._reconstructed(self.vae, mel)), mel))
            if index < _SHOWN:
                samples[f"clip{index}/wave"] = wave[0].cpu().numpy()
                samples[f"clip{index}/mel"] = log_mel(wave, self.spec)[0].T.cpu().numpy()
        return Validation({name: float(np.mean(values)) for name, values in errors.items() if values}, samples)

    def _held_out_mel(self, index: int) -> Tensor:
        device = next(self.modules.parameters()).device
        return torch.from_numpy(np.asarray(self.held_out.mels[index], np.float32))[None].to(device)

    def _wave(self, mel: Tensor) -> Tensor:
        """Log-mels (1, frames, bins) to waves (1, samples)."""
        return HifiGan(self.generator)(mel)[:, : mel.shape[1] * self.spec.hop_length]

    def _error(self, wave: Tensor, wanted: Tensor) -> float:
        return float(F.l1_loss(log_mel(wave, self.spec), wanted))

    def export(self, folder: Path) -> None:
        generator = self.generator
        plain = SpeechT5HifiGan(generator.config)
        plain.apply_weight_norm()
        plain.load_state_dict(generator.state_dict())
        for module in plain.modules():
            if is_parametrized(module, "weight"):
                remove_parametrizations(module, "weight")
        plain.save_pretrained(folder / "vocoder")


def make_task(setup: Setup) -> VocoderTask:
    """The training of a new vocoder, or of that in `init`; with a `model`, also on what its VAE makes of log-mels.

    Raises:
        InvalidInputError: log-mels that the recipe or a model folder is not for.
        CheckpointError: a model folder that lacks the part.
    """
    recipe = setup.recipe_of(RECIPES)
    check_bins(recipe.mel_bins, setup.store)
    setup.check_mels()
    vocoder, vae = setup.load_init(SpeechT5HifiGan, "vocoder"), setup.load_model(AutoencoderKL, "vae")
    return VocoderTask(recipe, *split(setup.store), vocoder=vocoder, vae=None if vae is None else Vae(vae))

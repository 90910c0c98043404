"""Decoder: latents to waves at the sound's own rate, spectral losses first, discriminators on short windows later."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.nn.functional as F
from diffusers import AutoencoderKL
from torch import Tensor, nn

from musicldm.audio.mel import MelSpec, log_mel
from musicldm.audio.resampling import resample
from musicldm.data.cutting import FULL_SCALE
from musicldm.data.embeddings import stored_latents
from musicldm.data.manifest import HifiSpec
from musicldm.data.store import ClipStore
from musicldm.errors import DataError, InvalidInputError
from musicldm.model.decoder import Decoder
from musicldm.model.identity import latents_name
from musicldm.model.parts import load_part
from musicldm.model.vae import Vae
from musicldm.training.loop.task import Batch, Losses, Turn, Validation
from musicldm.training.networks.discriminators import (
    SoundDiscriminators,
    adversarial_loss,
    discriminator_loss,
    feature_matching_loss,
)
from musicldm.training.setup import Setup, split
from musicldm.training.spectral_losses import Bands, Resolution, spectral_distance
from musicldm.training.tasks.decoder_start import (
    RECIPES,
    DecoderRecipe,
    Latent,
    build_decoder,
    check_fit,
    outer_layers,
    set_levels,
    widened,
)

_LEVEL_CLIPS = 16
_VALIDATED = 12
_SHOWN = 2
"""Clips of a validation that are kept to listen to."""


@dataclass(frozen=True)
class _Made:
    """A step's sound, mid and side where there is one, (B, 1 or 2, samples): made, true; and what is judged of it."""

    fake: Tensor
    real: Tensor
    window: Tensor


class DecoderTask:
    """Trains the decoder on crops of clips and the latents that a VAE made of them."""

    name = "decoder"
    ema: tuple[str, ...] = ("decoder",)
    compiled = ("decoder", "discriminators")
    goal = "log_mel_l1_16k"

    def __init__(
        self,
        recipe: DecoderRecipe,
        train: ClipStore,
        held_out: ClipStore,
        latents: str,
        *,
        decoder: Decoder | None = None,
    ) -> None:
        """Opens the arrays.

        Args:
            recipe: sizes and weights.
            train: clips of a folder that was prepared with its sound at full rate.
            held_out: others of it.
            latents: name of the array of latents, means and then deviations.
            decoder: to start from; None for random weights.

        Raises:
            DataError: no sound at full rate, or another rate than the decoder's.
        """
        self.recipe, self.train, self.held_out, self.latents = recipe, train, held_out, latents
        hifi = check_data(train)
        self.sample_rate, self.channels = hifi.sample_rate, hifi.channels
        self.waves, self.codes = train.array("hifi"), train.array(latents)
        _, doubled, frames, bins = self.codes.shape
        latent = Latent(doubled // 2, bins, train.mels.shape[1] // frames)
        if decoder is None:
            decoder = build_decoder(recipe, train.spec, latent, self.sample_rate, self.channels)
            some = np.asarray(self.waves[:_LEVEL_CLIPS], np.float32) / FULL_SCALE
            set_levels(decoder, mid_and_side(torch.from_numpy(some))[:, 0])
        decoder = widened(decoder, self.channels)
        check_fit(decoder, latent, self.sample_rate)
        self.decoder: Any = decoder
        self.discriminators = SoundDiscriminators(
            recipe.periods,
            recipe.period_channels,
            recipe.spectrum_windows,
            recipe.spectrum_bands,
            recipe.spectrum_channels,
        )
        self.modules = nn.ModuleDict({"decoder": decoder, "discriminators": self.discriminators})
        self.batch_size, self.schedule = recipe.batch_size, recipe.schedule
        self.turns = self._turns()
        scale = self.sample_rate / 48000
        self.resolutions = [Resolution(round(r.window * scale), round(r.hop * scale)) for r in recipe.resolutions]
        self.bands = mel_bands(self.sample_rate, train.spec)

    def _turns(self) -> tuple[Turn, ...]:
        recipe = self.recipe
        return (
            Turn("discriminator", ("discriminators",), recipe.discriminator_rate, (0.8, 0.99), 0.0, 10.0),
            Turn(
                "generator",
                ("decoder",),
                recipe.learning_rate,
                recipe.betas,
                0.0,
                1.0,
                optimizer=recipe.optimizer,
                outer=tuple(f"decoder.{name}" for name in outer_layers(self.decoder)),
            ),
        )

    def __len__(self) -> int:
        return len(self.train)

    def batch(self, clips: npt.NDArray[np.int64], rng: np.random.Generator) -> Batch:
        """Of random crops: `wave` (B, channels, samples), and `mean` and `deviation` (B, C, T, bins) of latents."""
        length, hop = min(self.recipe.crop_latents, self.codes.shape[2]), self.decoder.samples_a_frame
        waves, codes = [], []
        for clip in clips:
            start = int(rng.integers(0, self.codes.shape[2] - length + 1))
            waves.append(np.asarray(self.waves[clip, :, start * hop : (start + length) * hop], np.float32) / FULL_SCALE)
            codes.append(np.asarray(self.codes[clip, :, start : start + length], np.float32))
        mean, deviation = torch.from_numpy(np.stack(codes)).chunk(2, dim=1)
        return {"wave": torch.from_numpy(np.stack(waves)), "mean": mean, "deviation": deviation}

    def _noised(self, batch: Batch) -> Tensor:
        """Latents as the UNet leaves them, near what the encoder makes: some with noise of a deviation of their own."""
        mean = batch["mean"]
        amount = torch.rand(len(mean), 1, 1, 1) * (torch.rand(len(mean), 1, 1, 1) < self.recipe.noised)
        noise: Tensor = self.recipe.noise * amount.to(mean) * torch.randn(mean.shape).to(mean)
        return mean + noise

    def losses(self, batch: Batch, progress: float) -> Iterator[Losses | None]:
        """Of the discriminators, then of the decoder on the same sound."""
        is_adversarial = progress >= self.recipe.adversarial_from
        made = self._made(batch)
        if is_adversarial:
            fake, real = (_heard(x, made.window) for x in (made.fake, made.real))
            yield {"loss": discriminator_loss(self.discriminators(real), self.discriminators(fake.detach()))}
        else:
            yield None
        yield self._decoder_losses(made, is_adversarial=is_adversarial)

    def _made(self, batch: Batch) -> _Made:
        latents = self._noised(batch)
        frames = latents.shape[2] * self.decoder.config.frames_a_latent
        noise = torch.randn(len(latents), frames, self.recipe.noise_channels) if self.recipe.noise_channels else None
        mid, side = self.decoder.mid_and_side(latents, noise=noise)
        fake = mid[:, None] if side is None else torch.stack([mid, side], dim=1)
        size = min(self.recipe.adversarial_samples, mid.shape[1])
        start = int(torch.randint(0, mid.shape[1] - size + 1, ()))
        return _Made(fake, mid_and_side(batch["wave"]), torch.arange(start, start + size, device=mid.device))

    def _decoder_losses(self, made: _Made, *, is_adversarial: bool) -> Losses:
        recipe, terms = self.recipe, self._distances(made.fake, made.real)
        weights = {"convergence": recipe.convergence_weight, "magnitude": recipe.magnitude_weight}
        parts = [
            weights.get(name.removeprefix("side_"), recipe.mel_weight) * self._weight(name) * value
            for name, value in terms.items()
        ]
        loss = torch.stack(parts).sum()
        if is_adversarial:
            more = self._adversarial(made)
            loss = loss + recipe.adversarial_weight * more["adversarial"] + recipe.feature_weight * more["features"]
            terms |= more
        return {"loss": loss, **terms}

    def _adversarial(self, made: _Made) -> Losses:
        verdicts = self.discriminators(_heard(made.fake, made.window))
        with torch.no_grad():
            reference = self.discriminators(_heard(made.real, made.window))
        return {"adversarial": adversarial_loss(verdicts), "features": feature_matching_loss(reference, verdicts)}

    def _distances(self, fake: Tensor, real: Tensor) -> Losses:
        """Of mids, and of sides where there are any."""
        with torch.autocast(fake.device.type, enabled=False):
            terms = spectral_distance(fake[:, 0], real[:, 0], self.resolutions, self.bands, self.sample_rate)
            if self.channels == 2:
                side = spectral_distance(fake[:, 1], real[:, 1], self.resolutions, self.bands, self.sample_rate)
                terms |= {f"side_{name}": value for name, value in side.items()}
        return terms

    def _weight(self, name: str) -> float:
        return self.recipe.side_weight if name.startswith("side_") else 1.0

    def validate(self) -> Validation:
        """Distances on whole held-out clips; the log-mel L1 in nats after resampling to the log-mels' own rate."""
        sums: dict[str, list[float]] = {}
        samples: dict[str, npt.NDArray[np.float32]] = {}
        for index in range(min(_VALIDATED, len(self.held_out))):
            fake, real = self._decoded(index)
            terms = {name: float(value) for name, value in self._distances(fake, real).items()}
            terms["log_mel_l1_16k"] = self._error(fake[0, 0], index)
            for name, value in terms.items():
                sums.setdefault(name, []).append(value)
            if index < _SHOWN:
                samples[f"clip{index}/wave"] = fake[0, 0].clamp(-1, 1).cpu().numpy()
                for name, wave in (("made", fake), ("true", real)):
                    samples[f"clip{index}/{name}"] = log_spectrum(wave[0, 0])
        return Validation({name: float(np.mean(values)) for name, values in sums.items()}, samples)

    def _decoded(self, index: int) -> tuple[Tensor, Tensor]:
        """Mid, and side where there is one, (1, 1 or 2, samples) of a held-out clip: made and true."""
        device = next(self.decoder.parameters()).device
        mean, _ = np.split(np.asarray(self.held_out.array(self.latents)[index], np.float32), 2)
        wave = torch.from_numpy(np.asarray(self.held_out.array("hifi")[index], np.float32) / FULL_SCALE)
        parts = self.decoder.mid_and_side(torch.from_numpy(mean)[None].to(device))
        fake = torch.stack([part for part in parts if part is not None], dim=1)
        return fake, mid_and_side(wave[None].to(device))[..., : fake.shape[-1]]

    def _error(self, wave: Tensor, index: int) -> float:
        spec = self.train.spec
        low = resample(wave.cpu().numpy(), self.sample_rate, spec.sample_rate)
        mel = log_mel(torch.from_numpy(low), spec)
        true = torch.from_numpy(np.asarray(self.held_out.mels[index], np.float32))
        return float(F.l1_loss(mel[: len(true)], true[: len(mel)]))

    def export(self, folder: Path) -> None:
        self.decoder.save_pretrained(folder / "decoder")


def check_data(store: ClipStore) -> HifiSpec:
    """Rate and channels of the sound at full rate; raises DataError where the folder has none."""
    if store.hifi is None:
        command = f"musicldm prepare {store.source} --out {store.folder} --hifi-rate 48000"
        raise DataError(f"{store.folder} has no sound at full rate: {command}")
    return store.hifi


def mel_bands(rate: int, spec: MelSpec) -> dict[str, Bands]:
    """Bands of the whole sound, and those of the log-mels that the latents are made of."""
    like = round(spec.n_fft * rate / spec.sample_rate)
    return {"mel": Bands(round(2048 * rate / 48000), 128, rate / 2), "mel_16k": Bands(like, spec.n_mels, spec.f_max)}


def mid_and_side(wave: Tensor) -> Tensor:
    """Mono (B, 1, n) as it is; left and right (B, 2, n) to half their sum and half their difference."""
    if wave.shape[1] == 1:
        return wave
    left, right = wave.unbind(1)
    return torch.stack([(left + right) / 2, (left - right) / 2], dim=1)


def _heard(mid_side: Tensor, window: Tensor) -> Tensor:
    """What discriminators see (B, samples): the mid; of stereo left and right below each other (2 B, samples)."""
    x = mid_side[..., window].float()
    return x[:, 0] if x.shape[1] == 1 else torch.cat([x[:, 0] + x[:, 1], x[:, 0] - x[:, 1]])


def log_spectrum(wave: Tensor) -> npt.NDArray[np.float32]:
    """A wave (samples,) to a picture (256 bands to half the rate, frames) in decibels, from -100 to 0."""
    window = torch.hann_window(2048, device=wave.device)
    spectrum = torch.stft(wave, 2048, 1024, window=window / window.sum(), return_complex=True).abs()[:1024]
    power = spectrum.square().reshape(256, 4, -1).mean(1)
    return np.asarray((10 * power.clamp_min(1e-10).log10()).cpu(), np.float32)


def make_task(setup: Setup) -> DecoderTask:
    """The training of a new decoder, or of that in `init`, on latents by the `model`'s VAE.

    Raises:
        InvalidInputError: no model, or one for other log-mels.
        DataError: no sound at full rate, or data that the decoder of `init` is not for.
        CheckpointError: a model folder that lacks the part.
    """
    recipe = setup.recipe_of(RECIPES)
    if setup.model is None:
        raise InvalidInputError("training of decoder needs --model: a folder with the vae/ whose latents it decodes")
    check_data(setup.store)
    setup.check_mels()
    decoder = setup.load_init(Decoder, "decoder")
    vae = Vae(load_part(AutoencoderKL, setup.model, "vae").to(setup.device).eval())
    stored_latents(setup.store, vae, setup.listen)
    return DecoderTask(recipe, *split(setup.store), latents_name(vae.model), decoder=decoder)

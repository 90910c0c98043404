"""What a decoder's training begins with: its recipe, and weights that are random, or those of another decoder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from musicldm.audio.mel import MelSpec
from musicldm.errors import DataError, InvalidInputError
from musicldm.model.decoder import Decoder
from musicldm.training.loop.task import Schedule
from musicldm.training.spectral_losses import Resolution


@dataclass(frozen=True)
class Latent:
    """What latents are like.

    Args:
        channels, bins: of each frame.
        frames: log-mel frames to one of them.
    """

    channels: int
    bins: int
    frames: int


@dataclass(frozen=True)
class DecoderRecipe:
    """Sizes and weights of a decoder training; the defaults make the shipped model's.

    Rate and channels of the sound are the data's; frames follow from the log-mels' hop, one to one.

    Args:
        latent_width, latent_hidden, latent_layers, width, hidden, layers, noise_channels: see `Decoder`.
        windows_a_hop: n_fft in hops.
        crop_latents: length of a training crop in latent frames.
        noised: share of the crops whose latents get noise.
        noise: its largest deviation; each such crop draws its own, from zero.
        optimizer: of the hidden weights.
        resolutions: of the spectra compared; windows in samples at 48 kHz, scaled with the rate.
        convergence_weight, magnitude_weight, mel_weight: of the terms of `spectral_distance`.
        side_weight: of the side's terms, where the mid's have 1.
        adversarial_from: share of the run from which the discriminators train; 1 for never.
        adversarial_samples: of the window that they see of each crop.
    """

    latent_width: int = 384
    latent_hidden: int = 1152
    latent_layers: int = 4
    width: int = 384
    hidden: int = 1152
    layers: int = 6
    noise_channels: int = 16
    windows_a_hop: int = 4
    batch_size: int = 4
    crop_latents: int = 24
    noised: float = 0.5
    noise: float = 0.15
    optimizer: Literal["muon", "adamw"] = "adamw"
    learning_rate: float = 1e-3
    betas: tuple[float, float] = (0.9, 0.99)
    resolutions: tuple[Resolution, ...] = (
        Resolution(512, 128),
        Resolution(1024, 256),
        Resolution(2048, 512),
        Resolution(3072, 768),
        Resolution(4096, 1024),
    )
    convergence_weight: float = 1.0
    magnitude_weight: float = 1.0
    mel_weight: float = 1.0
    side_weight: float = 0.5
    adversarial_from: float = 1.0
    adversarial_weight: float = 0.1
    feature_weight: float = 0.2
    adversarial_samples: int = 16384
    discriminator_rate: float = 4e-4
    periods: tuple[int, ...] = (2, 3, 5, 7, 11)
    period_channels: tuple[int, ...] = (8, 16, 32, 64, 64)
    spectrum_windows: tuple[int, ...] = (2048, 1024, 512)
    spectrum_bands: tuple[float, ...] = (0.0, 0.1, 0.25, 0.5, 1.0)
    spectrum_channels: tuple[int, ...] = (8, 16, 16, 16)
    schedule: Schedule = Schedule()  # noqa: RUF009 - frozen


RECIPES: Mapping[str, DecoderRecipe] = {
    "default": DecoderRecipe(),
    "published": DecoderRecipe(
        latent_width=512,
        latent_hidden=1536,
        width=512,
        hidden=1536,
        layers=8,
        batch_size=16,
        optimizer="adamw",
        learning_rate=5e-4,
        crop_latents=8,
        mel_weight=45.0,
        adversarial_from=0.0,
        adversarial_weight=1.0,
        feature_weight=1.0,
        adversarial_samples=30720,
        discriminator_rate=5e-4,
        period_channels=(32, 128, 512, 1024, 1024),
        spectrum_channels=(32, 32, 32, 32),
        schedule=Schedule(warmup=0, decay=1.0),
    ),
}
"""`published` has of Vocos (arXiv 2306.00814) sizes, batch, length of crops, rate, weight of the mels and widths of the
discriminators, and wants a large GPU; the losses on linear bins and the rest are ours."""


def build_decoder(recipe: DecoderRecipe, spec: MelSpec, latent: Latent, rate: int, channels: int) -> Decoder:
    """A decoder with random weights.

    Args:
        recipe: its sizes.
        spec: log-mels that the latents are of; a frame of the spectrum is as long as theirs.
        latent: what it decodes.
        rate: of the sound, in Hz.
        channels: of the sound.
    """
    hop = spec.hop_length * rate // spec.sample_rate
    decoder: Decoder = Decoder(
        in_channels=latent.channels,
        in_bins=latent.bins,
        frames_a_latent=latent.frames,
        latent_width=recipe.latent_width,
        latent_hidden=recipe.latent_hidden,
        latent_layers=recipe.latent_layers,
        width=recipe.width,
        hidden=recipe.hidden,
        layers=recipe.layers,
        noise_channels=recipe.noise_channels,
        n_fft=recipe.windows_a_hop * hop,
        hop_length=hop,
        sample_rate=rate,
        channels=channels,
    )
    return decoder


def widened(decoder: Decoder, channels: int) -> Decoder:
    """The decoder with as many channels: to two, silent sides are added to a mono one, whose sound they leave.

    Raises:
        InvalidInputError: a stereo decoder for mono sound.
    """
    if decoder.config.channels == channels:
        return decoder
    if channels == 1:
        raise InvalidInputError("the decoder of --init is stereo and the data are mono: prepare them with --channels 2")
    wide: Decoder = Decoder.from_config({**decoder.config, "channels": channels})
    missing = wide.load_state_dict(decoder.state_dict(), strict=False).missing_keys
    assert all(name.startswith("side.") for name in missing), missing
    return wide


def check_fit(decoder: Decoder, latent: Latent, rate: int) -> None:
    """Raises DataError where decoder and data do not belong together."""
    config = decoder.config
    wanted = {
        "latent channels": config.in_channels,
        "latent bins": config.in_bins,
        "frames a latent": config.frames_a_latent,
        "Hz": config.sample_rate,
    }
    given = (latent.channels, latent.bins, latent.frames, rate)
    wrong = [
        f"{found} {name}, not {want}"
        for (name, want), found in zip(wanted.items(), given, strict=True)
        if found != want
    ]
    if wrong:
        raise DataError(f"the data have {', '.join(wrong)} as the decoder of --init: prepare them for it")


def outer_layers(decoder: Decoder) -> list[str]:
    """First and last layers and depthwise kernels, whose matrices are none that Muon would make orthogonal."""
    blocks = [
        f"{stack}.{i}.depthwise" for stack in ("latent_blocks", "blocks") for i in range(len(getattr(decoder, stack)))
    ]
    ends = [name for name in ("embed", "add_noise", "mid", "side") if getattr(decoder, name) is not None]
    return ends + blocks


@torch.no_grad()
def set_levels(decoder: Decoder, waves: Tensor) -> None:
    """Starts the decoder at the mean spectrum of waves (n, samples), in the logarithm, instead of at white noise."""
    size, hop = decoder.config.n_fft, decoder.config.hop_length
    window = torch.hann_window(size)
    spectrum = torch.stft(waves, size, hop, window=window, normalized=True, return_complex=True).abs()
    decoder.mid.bias[: size // 2 + 1] = spectrum.clamp_min(1e-5).log().mean(dim=(0, 2))

"""Seconds to samples, mel frames and latent shapes, from the configurations of a checkpoint's parts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from musicldm.errors import CheckpointError
from musicldm.model.vocoder import Vocoder

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, UNet2DConditionModel

FALLBACK_SECONDS = 10.24


@dataclass(frozen=True)
class AudioGeometry:
    """How long things are in a checkpoint.

    Args:
        sample_rate: samples a second.
        hop_length: samples a mel frame.
        bins: mel bins a frame.
        vae_scale: mel frames (and bins) a latent frame (and bin).
        latent_channels: channels of a latent.
        latent_frames: latent frames that the UNet was made for; None where its configuration does not say.
        channels: of the waves: 1 for mono.
    """

    sample_rate: int
    hop_length: int
    bins: int
    vae_scale: int
    latent_channels: int
    latent_frames: int | None
    channels: int = 1

    def __post_init__(self) -> None:
        if self.bins % self.vae_scale:
            raise CheckpointError(
                f"the vocoder's {self.bins} mel bins are not a multiple of the VAE's scale {self.vae_scale}: "
                "these parts do not belong together"
            )

    @classmethod
    def of(cls, unet: UNet2DConditionModel, vae: AutoencoderKL, vocoder: Vocoder) -> AudioGeometry:
        """What the three parts say of themselves."""
        size = unet.config.sample_size
        return cls(
            sample_rate=vocoder.sample_rate,
            hop_length=vocoder.hop_length,
            bins=vocoder.bins,
            vae_scale=vae_scale(vae),
            latent_channels=int(unet.config.in_channels),
            latent_frames=size[0] if isinstance(size, (list, tuple)) else size,
            channels=vocoder.channels,
        )

    @property
    def trained_seconds(self) -> float:
        """Length of the clips that the UNet was made for."""
        if self.latent_frames is None:
            return FALLBACK_SECONDS
        return self.latent_frames * self.vae_scale * self.hop_length / self.sample_rate

    def samples(self, seconds: float) -> int:
        """Samples in a clip: the nearest whole number, at least 1."""
        return max(1, round(seconds * self.sample_rate))

    def latent_shape(self, batch: int, seconds: float) -> tuple[int, int, int, int]:
        """Shape (batch, channels, frames, bins) of the latents that cover a clip wholly."""
        frames = -(-self.samples(seconds) // (self.hop_length * self.vae_scale))
        return batch, self.latent_channels, frames, self.bins // self.vae_scale


def vae_scale(vae: AutoencoderKL) -> int:
    """Mel frames (and bins) to one latent frame (and bin)."""
    return int(2 ** (len(vae.config.block_out_channels) - 1))

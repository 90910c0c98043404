"""Seconds to samples, mel frames and latent shapes, from the configurations of a checkpoint's parts."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from musicldm.errors import CheckpointError

FALLBACK_SECONDS = 10.24


@dataclass(frozen=True)
class AudioGeometry:
    """How long things are in a checkpoint.

    Args:
        sample_rate: samples a second.
        hop_length: samples a mel frame, the product of the vocoder's upsampling rates.
        bins: mel bins a frame.
        vae_scale: mel frames (and bins) a latent frame (and bin).
        latent_channels: channels of a latent.
        latent_frames: latent frames that the UNet was made for; None where its configuration does not say.
    """

    sample_rate: int
    hop_length: int
    bins: int
    vae_scale: int
    latent_channels: int
    latent_frames: int | None

    def __post_init__(self) -> None:
        if self.bins % self.vae_scale:
            raise CheckpointError(
                f"the vocoder's {self.bins} mel bins are not a multiple of the VAE's scale {self.vae_scale}: "
                "these parts do not belong together"
            )

    @classmethod
    def of(cls, unet: Any, vae: Any, vocoder: Any) -> AudioGeometry:
        """Reads the configurations of the three parts."""
        size = unet.config.sample_size
        return cls(
            sample_rate=int(vocoder.config.sampling_rate),
            hop_length=math.prod(vocoder.config.upsample_rates),
            bins=int(vocoder.config.model_in_dim),
            vae_scale=2 ** (len(vae.config.block_out_channels) - 1),
            latent_channels=int(unet.config.in_channels),
            latent_frames=size[0] if isinstance(size, (list, tuple)) else size,
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

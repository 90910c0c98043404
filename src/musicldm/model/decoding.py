"""Latents to waves, a bounded part of a batch at a time."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch

from musicldm.model.vae import MelDecoder
from musicldm.model.vocoder import Vocoder

_CHUNK_SECONDS = 40.0
"""Audio decoded at once by a GPU: bounds the memory of large batches, which the decoder's first layers would fill."""


class WaveDecoder(Protocol):
    """What turns the denoiser's latents into waves."""

    @property
    def sample_rate(self) -> int:
        """Samples a second of the waves."""

    @property
    def channels(self) -> int:
        """Of the waves: 1 for mono, 2 for left and right."""

    def __call__(self, latents: torch.Tensor, samples: int) -> torch.Tensor:
        """Latents to waves.

        Args:
            latents: (n, C, T, F), scaled as the denoiser has them.
            samples: of each wave; what the latents give beyond is cut off.

        Returns:
            Waves (n, samples), or (n, channels, samples) where those are more than one: float32 on the CPU, full
            scale ±1.
        """


@dataclass(frozen=True)
class VaeAndVocoder:
    """MusicLDM's own way: latents to log-mels by the VAE's decoder, and those to waves by a vocoder.

    Args:
        vae: the decoder.
        vocoder: of the same mel bins.
        frames_a_latent: mel frames a latent frame.
    """

    vae: MelDecoder
    vocoder: Vocoder
    frames_a_latent: int

    @property
    def sample_rate(self) -> int:
        """That of the vocoder."""
        return self.vocoder.sample_rate

    @property
    def channels(self) -> int:
        """Those of the vocoder."""
        return self.vocoder.channels

    def __call__(self, latents: torch.Tensor, samples: int) -> torch.Tensor:
        """See `WaveDecoder`."""
        seconds = latents.shape[2] * self.frames_a_latent * self.vocoder.hop_length / self.sample_rate
        chunks = torch.split(latents, _clips_at_once(latents.device, seconds))
        return torch.cat([self._decode_chunk(chunk, samples) for chunk in chunks])

    def _decode_chunk(self, latents: torch.Tensor, samples: int) -> torch.Tensor:
        mels = self.vae.decode(latents.to(self.vae.dtype) / self.vae.scaling_factor)
        return self.vocoder(mels)[..., :samples].float().cpu()


def _clips_at_once(device: torch.device, seconds: float) -> int:
    """How many clips of a length are decoded together: on a CPU one, whose layers then stay in its caches."""
    return 1 if device.type == "cpu" else max(1, int(_CHUNK_SECONDS / seconds))

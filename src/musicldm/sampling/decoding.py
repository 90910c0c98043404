"""Latents to waves: VAE decoder and vocoder, a bounded piece of the batch at a time."""

from __future__ import annotations

from typing import Any

import torch

from musicldm.sampling.geometry import AudioGeometry

_CHUNK_SECONDS = 40.0
"""Audio decoded at once: bounds the memory of large batches, which the decoder's first layers would fill."""


def decode(vae: Any, vocoder: Any, latents: torch.Tensor, geometry: AudioGeometry, samples: int) -> torch.Tensor:
    """Latents (n, channels, frames, bins) to waves (n, samples), float32 on the CPU."""
    seconds = latents.shape[2] * geometry.vae_scale * geometry.hop_length / geometry.sample_rate
    chunk = max(1, int(_CHUNK_SECONDS / seconds))
    return torch.cat([_decode_chunk(vae, vocoder, part, samples) for part in torch.split(latents, chunk)])


def _decode_chunk(vae: Any, vocoder: Any, latents: torch.Tensor, samples: int) -> torch.Tensor:
    mel = vae.decode(latents.to(vae.dtype) / vae.config.scaling_factor, return_dict=False)[0]
    wave: torch.Tensor = vocoder(mel.squeeze(1).to(vocoder.dtype))
    return wave[:, :samples].float().cpu()

"""Latents to waves: VAE decoder and vocoder, a bounded piece of the batch at a time."""

from __future__ import annotations

from typing import Any

import torch

from musicldm.sampling.geometry import AudioGeometry

_CHUNK_SECONDS = 40.0
"""Audio decoded at once by a GPU: bounds the memory of large batches, which the decoder's first layers would fill."""


def decode(vae: Any, vocoder: Any, latents: torch.Tensor, geometry: AudioGeometry, samples: int) -> torch.Tensor:
    """Latents (n, channels, frames, bins) to waves (n, samples), float32 on the CPU."""
    seconds = latents.shape[2] * geometry.vae_scale * geometry.hop_length / geometry.sample_rate
    parts = torch.split(latents, _clips_at_once(latents.device, seconds))
    return torch.cat([_decode_chunk(vae, vocoder, part, samples) for part in parts])


def _clips_at_once(device: torch.device, seconds: float) -> int:
    """How many clips of a length are decoded together: on a CPU one, whose layers then stay in its caches."""
    return 1 if device.type == "cpu" else max(1, int(_CHUNK_SECONDS / seconds))


def vocode(vocoder: Any, mel: torch.Tensor) -> torch.Tensor:
    """Log-mels (n, frames, bins) to waves (n, samples).

    A vocoder repeats itself every frame where its input stays the same, and hums at the frame rate. One trained on
    dithered input has `mel_dither` in its configuration: the deviation in nats of the noise, the same in every call,
    that it makes breath and cymbals of.
    """
    amount = getattr(vocoder.config, "mel_dither", 0.0)
    if amount:
        noise = torch.randn(mel.shape[1:], generator=torch.Generator().manual_seed(0))
        mel = mel + amount * noise.to(mel)
    wave: torch.Tensor = vocoder(mel)
    return wave


def _decode_chunk(vae: Any, vocoder: Any, latents: torch.Tensor, samples: int) -> torch.Tensor:
    mel = vae.decode(latents.to(vae.dtype) / vae.config.scaling_factor, return_dict=False)[0]
    return vocode(vocoder, mel.squeeze(1).to(vocoder.dtype))[:, :samples].float().cpu()

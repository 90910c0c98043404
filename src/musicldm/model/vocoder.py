"""Latents to waves: VAE decoder and vocoder, a bounded piece of the batch and of a long clip at a time."""

from __future__ import annotations

import math
from typing import Any

import torch

from musicldm.machine.flat_convolutions import FlatConvolutions
from musicldm.model.geometry import AudioGeometry

_CHUNK_SECONDS = 40.0
"""Audio decoded at once by a GPU: bounds the memory of large batches, which the decoder's first layers would fill."""
_VOCODER_FRAMES = 1024
"""Frames vocoded at once: bounds the memory of long clips. Shorter pieces would repeat more of each other's margins."""
_MARGINS_A_PIECE = 20
"""Length of a vocoder's pieces in bfloat16 on a CPU, in margins. oneDNN prepares the products of a layer in bfloat16
sample by sample, which for ten seconds takes over ten times as long as the products do: pieces of one length share
that (`benchmarks/speed/cold_start.py`)."""
_VOCODER_VALUES = 3 << 20
"""Of a layer, for all pieces of a clip that are computed at once."""


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
    return _vocode_in_pieces(vocoder, mel)


def _vocode_in_pieces(vocoder: Any, mel: torch.Tensor) -> torch.Tensor:
    """Each piece is vocoded with what is heard of its neighbours, so that the seams are those of the whole.

    All are of one length, so that a layer is prepared for it once.
    """
    config, frames = vocoder.config, mel.shape[1]
    hop, margin = math.prod(config.upsample_rates), receptive_frames(config)
    slow_to_prepare = mel.device.type == "cpu" and mel.dtype == torch.bfloat16
    longest = _MARGINS_A_PIECE * margin if slow_to_prepare else _VOCODER_FRAMES
    length = math.ceil(frames / math.ceil(frames / longest))
    width = min(frames, length + 2 * margin)
    begins = range(0, frames, length)
    firsts = [max(0, min(begin - margin, frames - width)) for begin in begins]
    at_once = max(1, _VOCODER_VALUES // (_widest_layer(config) * width))
    pieces = []
    for start in range(0, len(begins), at_once):
        some = firsts[start : start + at_once]
        with FlatConvolutions():
            waves = vocoder(torch.cat([mel[:, first : first + width] for first in some]))
        for begin, first, wave in zip(begins[start:], some, waves.chunk(len(some)), strict=False):
            end = min(begin + length, frames)
            pieces.append(wave[:, (begin - first) * hop : None if end == frames else (end - first) * hop])
    return torch.cat(pieces, dim=1)


def _widest_layer(config: Any) -> int:
    """Values a frame of the largest layer of a HiFi-GAN: the last, as channels halve and samples at least double."""
    samples = math.prod(config.upsample_rates)
    return int(samples * config.upsample_initial_channel // 2 ** len(config.upsample_rates))


def receptive_frames(config: Any) -> int:
    """How many frames to each side of a frame a HiFi-GAN hears, of the configuration of a `SpeechT5HifiGan`."""
    reach = 3  # of the last convolution, of seven samples
    blocks = zip(config.resblock_kernel_sizes, config.resblock_dilation_sizes, strict=True)
    widest = max(sum((kernel - 1) // 2 * (dilation + 1) for dilation in dilations) for kernel, dilations in blocks)
    upsamplers = list(zip(config.upsample_rates, config.upsample_kernel_sizes, strict=True))
    for rate, kernel in reversed(upsamplers):
        padding = (kernel - rate) // 2
        reach = math.ceil((reach + widest + max(padding, kernel - 1 - padding)) / rate)
    return reach + 3  # of the first


def _decode_chunk(vae: Any, vocoder: Any, latents: torch.Tensor, samples: int) -> torch.Tensor:
    mel = vae.decode(latents.to(vae.dtype) / vae.config.scaling_factor, return_dict=False)[0]
    return vocode(vocoder, mel.squeeze(1).to(vocoder.dtype))[:, :samples].float().cpu()

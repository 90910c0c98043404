"""A wave as beat_this sees it: 50 frames a second of 128 mel bins, log(1 + 1000 x).

The front end of beat_this 1.1.0 (arXiv 2407.21658, section 3.1; its `LogMelSpect`) without torchaudio: 22,050 Hz,
centred frames of 1024 samples under a periodic Hann window, magnitudes divided by the root of the frame's length,
triangles of height 1 on Slaney's scale from 30 to 11,000 Hz.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from musicldm.audio.mel import MelSpec, hz_to_mel, mel_filters, mel_to_hz

SPEC = MelSpec(
    sample_rate=22050, n_fft=1024, win_length=1024, hop_length=441, n_mels=128, f_min=30.0, f_max=11000.0, floor=1e-9
)
FRAMES_PER_SECOND = SPEC.sample_rate // SPEC.hop_length
SHORTEST = SPEC.n_fft // 2 + 1
"""Samples at 22,050 Hz that the reflection at the ends needs."""
LOG_FACTOR = 1000.0


@lru_cache(maxsize=8)
def _constants(device: torch.device) -> tuple[Tensor, Tensor]:
    """Window (1024,) and filters (513, 128)."""
    edges = mel_to_hz(np.linspace(hz_to_mel(SPEC.f_min), hz_to_mel(SPEC.f_max), SPEC.n_mels + 2))
    triangles = mel_filters(SPEC) * ((edges[2:] - edges[:-2]) / 2)[:, None]
    with torch.inference_mode(mode=False):
        window = torch.hann_window(SPEC.n_fft, device=device)
        return window, torch.tensor(triangles.T, dtype=torch.float32, device=device).contiguous()


def bins_below(hertz: float) -> int:
    """How many of the lowest mel bins end at or below a frequency."""
    edges = mel_to_hz(np.linspace(hz_to_mel(SPEC.f_min), hz_to_mel(SPEC.f_max), SPEC.n_mels + 2))
    return int(np.searchsorted(edges[2:], hertz * (1 + 1e-9), side="right"))


def frame_count(samples: int) -> int:
    """Frames of a wave of `samples` at 22,050 Hz; frame f is centred at f / 50 s."""
    return samples // SPEC.hop_length + 1


def reflected(wave: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A wave (samples,) of at least `SHORTEST` with half a frame reflected at both ends, as `magnitudes` takes it."""
    return np.pad(wave, SPEC.n_fft // 2, mode="reflect")


def magnitudes(padded: Tensor) -> Tensor:
    """Reflected wave (..., samples + 1024) at 22,050 Hz to mel magnitudes (..., frames, 128)."""
    window, filters = _constants(padded.device)
    flat = padded.float().reshape(-1, padded.shape[-1])
    spectrum = torch.stft(
        flat, SPEC.n_fft, SPEC.hop_length, window=window, center=False, normalized=True, return_complex=True
    )
    mel = spectrum.abs().transpose(-1, -2) @ filters
    return mel.reshape(*padded.shape[:-1], *mel.shape[-2:])


def compress(mel: Tensor) -> Tensor:
    """Magnitudes to what the network takes."""
    return torch.log1p(LOG_FACTOR * mel)

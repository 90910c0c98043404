"""What CLAP's audio tower takes: the log-mels of a checkpoint's feature extractor, computed by torch.

transformers' `ClapFeatureExtractor` goes through its frames one by one in Python, which takes longer than a small audio
tower does; its settings and filters are taken from it, and its values are these to a thousandth of a decibel.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from musicldm.audio import Wave
from musicldm.audio.resampling import resample

_QUIETEST = 1e-10
"""Power (-100 dB) below which nothing is told apart."""


def clap_input(extractor: Any, waves: Wave, sample_rate: int) -> dict[str, torch.Tensor]:
    """Waves (n, samples) at a rate in Hz to `input_features` (n, 1 or 4, frames, bins) in dB, and `is_longer` (n, 1).

    The extractor would cut a random piece out of a wave longer than it takes, and a fusing one calls a short wave long
    at random: here the middle is cut beforehand, and no wave is long, so that the same waves give the same values.
    Shorter ones are repeated or padded as the extractor does.
    """
    length = int(extractor.nb_max_samples)
    heard = np.stack([_middle(resample(wave, sample_rate, extractor.sampling_rate), length) for wave in waves])
    sound = _filled(torch.from_numpy(heard).double(), length, extractor.padding)
    window = torch.hann_window(extractor.fft_window_size, dtype=sound.dtype)
    spectrum = torch.stft(
        sound, extractor.fft_window_size, extractor.hop_length, window=window, center=True, return_complex=True
    )
    fuses = extractor.truncation == "fusion"
    filters = torch.from_numpy(extractor.mel_filters if fuses else extractor.mel_filters_slaney).double()
    mel = spectrum.abs().square().transpose(1, 2) @ filters
    decibels = 10 * mel.clamp(min=_QUIETEST).log10()
    features = decibels.float()[:, None].expand(-1, 4 if fuses else 1, -1, -1).contiguous()
    return {"input_features": features, "is_longer": torch.zeros(len(waves), 1, dtype=torch.bool)}


def _middle(wave: Wave, samples: int) -> Wave:
    start = max(0, (len(wave) - samples) // 2)
    return wave[start : start + samples]


def _filled(sound: torch.Tensor, length: int, padding: str) -> torch.Tensor:
    """Waves (n, samples) as ones (n, length): repeated as often as fits, or cut at the end, where that is wanted."""
    missing = length - sound.shape[1]
    if missing and padding == "repeat":
        return sound.repeat(1, length // sound.shape[1] + 1)[:, :length]
    if missing and padding == "repeatpad":
        sound = sound.repeat(1, length // sound.shape[1])
    return torch.nn.functional.pad(sound, (0, length - sound.shape[1]))

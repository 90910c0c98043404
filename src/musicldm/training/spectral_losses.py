"""How far two waves' spectra are apart, at several resolutions on linear bins and in mel bands, in float32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from musicldm.audio import MelSpec, mel_filters

FLOOR = 1.5e-5
"""Added to magnitudes over the root of their window's power: that of white noise 96 dB below full scale."""


@dataclass(frozen=True)
class Resolution:
    """A short-time spectrum: periodic Hann window and hop in samples."""

    window: int
    hop: int


@dataclass(frozen=True)
class Bands:
    """Mel bands of one of the spectra.

    Args:
        window: of the spectrum, in samples; its hop is that of the `Resolution`.
        n_mels: number of bands.
        f_max: upper edge of the last one, in Hz.
    """

    window: int
    n_mels: int
    f_max: float


def spectral_distance(
    fake: Tensor, real: Tensor, resolutions: Sequence[Resolution], bands: Mapping[str, Bands], sample_rate: int
) -> dict[str, Tensor]:
    """Distances of waves (B, samples), each a mean.

    "convergence" and "magnitude" are spectral convergence and L1 of log magnitudes, in nats, over the resolutions
    (Yamamoto et al., arXiv 1910.11480, eqs. 4 and 5); each of `bands` gives the L1 of its log-mels, in nats.
    """
    convergence, magnitude = [], []
    mels: dict[str, Tensor] = {}
    for resolution in resolutions:
        f = _spectrum(fake, resolution)
        with torch.no_grad():
            r = _spectrum(real, resolution)
        size = torch.linalg.vector_norm(r, dim=(1, 2)).clamp_min(FLOOR)
        convergence.append((torch.linalg.vector_norm(r - f, dim=(1, 2)) / size).mean())
        magnitude.append(F.l1_loss(_log(f), _log(r)))
        for name, band in bands.items():
            if band.window == resolution.window:
                filters = _filters(band, sample_rate, fake.device)
                mels[name] = F.l1_loss(_log(f @ filters), _log(r @ filters))
    return {"convergence": torch.stack(convergence).mean(), "magnitude": torch.stack(magnitude).mean(), **mels}


def _spectrum(wave: Tensor, resolution: Resolution) -> Tensor:
    """Magnitudes (B, frames, bins) over the root of the window's power."""
    window = _window(resolution.window, wave.device)
    spectrum = torch.stft(
        wave.float(), resolution.window, resolution.hop, window=window, center=True, return_complex=True
    )
    power = spectrum.real.square() + spectrum.imag.square()
    return (power + 1e-12).sqrt().mT  # the root of zero has no gradient


def _log(magnitude: Tensor) -> Tensor:
    """With the floor added: a part that is too quiet is to be raised, which under a limit it would not be."""
    return (magnitude + FLOOR).log()


@lru_cache(maxsize=32)
def _window(length: int, device: torch.device) -> Tensor:
    with torch.inference_mode(mode=False):
        window = torch.hann_window(length, device=device)
        return window / window.square().sum().sqrt()


@lru_cache(maxsize=32)
def _filters(band: Bands, sample_rate: int, device: torch.device) -> Tensor:
    """(bins, n_mels) whose columns sum to one: a band is the mean of its magnitudes."""
    spec = MelSpec(sample_rate, band.window, band.window, band.window // 4, band.n_mels, 0.0, band.f_max)
    with torch.inference_mode(mode=False):
        filters = torch.tensor(mel_filters(spec).T, dtype=torch.float32)
        return (filters / filters.sum(0, keepdim=True).clamp_min(1e-9)).contiguous().to(device)

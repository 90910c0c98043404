"""How far two waves' spectra are apart, at several resolutions on linear bins and in mel bands, in float32."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache

import torch
import torch.nn.functional as F
from torch import Tensor

from musicldm.audio.mel import MelSpec, mel_filters

FLOOR = 1.5e-5
"""Added to magnitudes over the root of their window's power: that of white noise 96 dB below full scale."""


@dataclass(frozen=True)
class Resolution:
    """A short-time spectrum: periodic Hann window and hop in samples."""

    window: int
    hop: int


VOCODER_RESOLUTIONS = (Resolution(512, 128), Resolution(1024, 256), Resolution(2048, 512))
_VOCODER_FLOOR = 1e-3
"""Least magnitude, of a sum over the window, that `spectral_loss` knows."""


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


def spectral_loss(fake: Tensor, real: Tensor) -> Tensor:
    """Of waves (B, samples), as the vocoder is trained: spectral convergence and L1 of log magnitudes, on linear bins.

    Yamamoto et al., arXiv 1910.11480, eqs. 3 to 6; the mean over the resolutions. Magnitudes below a floor count as the
    floor, which belongs to the shipped vocoder's training; `spectral_distance` has a gradient there too.
    """
    terms = []
    for resolution in VOCODER_RESOLUTIONS:
        shape = torch.hann_window(resolution.window, device=fake.device)
        f, r = (
            torch.stft(x, resolution.window, resolution.hop, window=shape, return_complex=True).abs()
            for x in (fake, real)
        )
        convergence, magnitude = _apart(f, r, _VOCODER_FLOOR, lambda x: x.clamp_min(_VOCODER_FLOOR).log())
        terms.append(convergence + magnitude)
    return torch.stack(terms).mean()


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
        converging, apart = _apart(f, r, FLOOR, _log)
        convergence.append(converging)
        magnitude.append(apart)
        for name, band in bands.items():
            if band.window == resolution.window:
                filters = _filters(band, sample_rate, fake.device)
                mels[name] = F.l1_loss(_log(f @ filters), _log(r @ filters))
    return {"convergence": torch.stack(convergence).mean(), "magnitude": torch.stack(magnitude).mean(), **mels}


def _apart(fake: Tensor, real: Tensor, floor: float, log: Callable[[Tensor], Tensor]) -> tuple[Tensor, Tensor]:
    """Spectral convergence and L1 of log magnitudes of magnitudes (B, ·, ·); eqs. 4 and 5 of arXiv 1910.11480."""
    size = torch.linalg.vector_norm(real, dim=(1, 2)).clamp_min(floor)
    convergence = (torch.linalg.vector_norm(real - fake, dim=(1, 2)) / size).mean()
    return convergence, F.l1_loss(log(fake), log(real))


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

"""Named ways in which a recording sounds bad."""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, sosfilt

from musicldm.audio import Wave
from musicldm.corpus.truth import QUALITIES
from musicldm.errors import unknown_choice

Samples = npt.NDArray[np.float64]


def degrade(wave: Wave, quality: str, sample_rate: int, rng: np.random.Generator) -> Wave:
    """The wave, (n,) or (channels, n), as `quality` leaves it, with its largest absolute sample kept (0 to 1).

    quality: one of `truth.QUALITIES`; "clean" returns the wave itself. Raises InvalidInputError for another.
    """
    if quality not in QUALITIES:
        raise unknown_choice("quality", quality, QUALITIES)
    if quality == "clean" or not wave.any():
        return wave
    peak = np.abs(wave).max()
    spoiled = _WAYS[quality](wave.astype(np.float64), sample_rate, rng)
    levelled: Wave = (spoiled * (peak / np.abs(spoiled).max())).astype(np.float32)
    return levelled


def _muffled(wave: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
    """Low-pass at 0.9-2 kHz."""
    return _filtered(wave, "low", rng.uniform(900, 2000), sample_rate)


def _thin(wave: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
    """High-pass at 500-1200 Hz, as a telephone or a tiny speaker."""
    return _filtered(wave, "high", rng.uniform(500, 1200), sample_rate)


def _noisy(wave: Samples, _: int, rng: np.random.Generator) -> Samples:
    """White noise 8-18 dB below the music."""
    return np.asarray(wave + _scaled(rng.standard_normal(wave.shape), wave, rng.uniform(8, 18)))


def _hissing(wave: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
    """Tape hiss: noise above some 3 kHz, 14-22 dB below the music."""
    hiss = _filtered(rng.standard_normal(wave.shape), "high", min(3000.0, 0.4 * sample_rate), sample_rate)
    return np.asarray(wave + _scaled(hiss, wave, rng.uniform(14, 22)))


def _clipped(wave: Samples, _: int, rng: np.random.Generator) -> Samples:
    """Driven 10-18 dB over full scale and cut flat."""
    return np.asarray(np.clip(wave / np.abs(wave).max() * 10 ** (rng.uniform(10, 18) / 20), -1, 1))


def _low_bit_rate(wave: Samples, sample_rate: int, rng: np.random.Generator) -> Samples:
    """Every sample held until 4-6 kHz remain, without a filter against aliasing, and rounded to 4-6 bits."""
    hold = sample_rate / rng.uniform(4000, 6000)
    held = wave[..., (np.floor(np.arange(wave.shape[-1]) / hold) * hold).astype(int)]
    levels = 2.0 ** (int(rng.integers(4, 7)) - 1)
    return np.asarray(np.round(held / np.abs(held).max() * levels) / levels)


def _filtered(wave: Samples, kind: str, cutoff: float, sample_rate: int) -> Samples:
    return np.asarray(sosfilt(butter(4, cutoff, kind, fs=sample_rate, output="sos"), wave))


def _scaled(noise: Samples, wave: Samples, below: float) -> Samples:
    """`noise` at `below` decibels under the wave's power."""
    gain = float(np.sqrt(np.mean(wave**2) / np.mean(noise**2)))
    return np.asarray(noise * gain * 10 ** (-below / 20))


_WAYS: dict[str, Callable[[Samples, int, np.random.Generator], Samples]] = {
    "muffled": _muffled,
    "thin": _thin,
    "noisy": _noisy,
    "clipped": _clipped,
    "hissing": _hissing,
    "low bit-rate": _low_bit_rate,
}

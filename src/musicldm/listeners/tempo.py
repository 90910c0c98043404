"""Tempo of a recording by librosa's onset strength.

Source: the autocorrelation of the onset strength under a log-normal prior, as in Ellis (JNMR 36(1), 2007). Conventions:
tempi in beats a minute (BPM).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musicldm.errors import InvalidInputError, MissingDependencyError

SLOWEST, FASTEST = 45.0, 220.0
_ONSET_RATE = 100
_HARMONICS = 4


@dataclass(frozen=True)
class TempoRange:
    """A log-normal range of tempi: its middle in BPM, its deviation in octaves, and its weight beside others."""

    bpm: float
    octaves: float
    weight: float = 1.0


# Listeners tap near 115 BPM, most within an octave of it (a log-normal prior as in Ellis, JNMR 36(1), 2007).
ANY_MUSIC = TempoRange(115.0, 0.8)


def tempo_of(wave: npt.NDArray[np.float32], sample_rate: int, prior: Sequence[TempoRange] = (ANY_MUSIC,)) -> float:
    """Tempo in BPM of a wave (samples,) of at least 3 s; nan where nothing recurs (silence, a drone).

    The onset strength's autocorrelation is summed at one to four beats' lag for every tempo on a grid of 0.25 % and
    weighted by a prior; multiples make the estimate four times finer than a single lag of 10 ms would.

    Args:
        wave: samples, full scale ±1.
        sample_rate: in Hz.
        prior: where the tempo may lie; decides between a tempo, its half and its double, which sound alike.

    Raises:
        InvalidInputError: a wave of another shape or shorter.
        MissingDependencyError: librosa is not installed.
    """
    if wave.ndim != 1 or len(wave) < 3 * sample_rate:
        raise InvalidInputError(f"wave of shape {wave.shape} at {sample_rate} Hz: tempo needs one wave of at least 3 s")
    envelope = onset_envelope(wave, sample_rate)
    if not envelope.any():
        return float("nan")
    correlation = _autocorrelation(envelope)
    tempi = SLOWEST * 1.0025 ** np.arange(np.log(FASTEST / SLOWEST) / np.log(1.0025))
    beat = 60 * _ONSET_RATE / tempi
    lags = np.arange(len(correlation))
    score = np.zeros_like(tempi)
    for multiple in range(1, _HARMONICS + 1):
        score += np.interp(multiple * beat, lags, correlation, right=0.0) / _HARMONICS
    score -= score.min()
    if not score.any():
        return float("nan")
    likely = sum(r.weight * np.exp(-0.5 * (np.log2(tempi / r.bpm) / r.octaves) ** 2) for r in prior)
    return float(tempi[np.argmax(score * likely)])


def onset_envelope(wave: npt.NDArray[np.float32], sample_rate: int) -> npt.NDArray[np.float64]:
    """Onset strength (frames,), 100 frames a second, without its local mean and its negative part."""
    try:
        from librosa.onset import onset_strength
    except ImportError as error:
        raise MissingDependencyError("librosa", "eval") from error
    strength = onset_strength(
        y=wave, sr=sample_rate, hop_length=sample_rate // _ONSET_RATE, n_fft=1024, n_mels=80, aggregate=np.mean
    ).astype(np.float64)
    window = np.ones(_ONSET_RATE) / _ONSET_RATE
    return np.asarray(np.maximum(strength - np.convolve(strength, window, mode="same"), 0))


def _autocorrelation(envelope: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Unbiased autocorrelation of the centred envelope, 1 at lag 0, for lags up to three quarters of its length."""
    centred = envelope - envelope.mean()
    size = len(centred)
    spectrum = np.fft.rfft(centred, 2 * size)
    raw = np.fft.irfft(np.abs(spectrum) ** 2)[: 3 * size // 4]
    return np.asarray(raw / (size - np.arange(len(raw))) / max(raw[0] / size, 1e-12))

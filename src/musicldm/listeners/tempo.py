"""Tempo of a recording by librosa's onset strength, whether it meets a named tempo, and how steady its beats are.

Conventions: tempi in beats a minute (BPM); a tempo is met within 4 % of the named one, as in the accuracy 1 of
Gouyon et al. (IEEE TASLP 14(5), 2006); folded (their accuracy 2) it may also be half, double, two thirds, three halves.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musicldm.errors import InvalidInputError, MissingDependencyError

TOLERANCE = 0.04
FOLDS = (1.0, 0.5, 2.0, 2 / 3, 3 / 2)
SLOWEST, FASTEST = 45.0, 220.0
_NAMED = re.compile(
    r"\b(\d{2,3}(?:\.\d+)?)[\s-]*bpm\b|\b(?:tempo|bpm)[:\s]+(?:of\s+|at\s+)?(\d{2,3}(?:\.\d+)?)\b", re.I
)
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


def tempo_error(estimated: float, named: float, *, folded: bool = False) -> float:
    """Relative distance |estimated / named − 1|, of the nearest of `FOLDS` when `folded`.

    Raises:
        InvalidInputError: a tempo that is not a positive number.
    """
    for name, value in (("estimated", estimated), ("named", named)):
        if not (np.isfinite(value) and value > 0):
            raise InvalidInputError(f"{name} tempo is {value}: it must be above 0 BPM")
    folds = FOLDS if folded else FOLDS[:1]
    return min(abs(estimated / (named * fold) - 1) for fold in folds)


def tempo_met(estimated: float, named: float, *, folded: bool = False) -> bool:
    """Whether a tempo is within `TOLERANCE` of the named one."""
    return tempo_error(estimated, named, folded=folded) <= TOLERANCE


@dataclass(frozen=True)
class BeatStability:
    """How evenly beats follow each other.

    Attributes:
        variation: deviation of the distances between neighbouring beats over their mean (coefficient of variation), 0
            and up, 0 is a machine; a missed or doubled beat counts as heavily as it is off.
        steady: share (0 to 1) of the distances within `TOLERANCE` of their median.
        drift: tempo of the second half over that of the first, minus 1; above 0 it gets faster.
        beats: how many beats there are.
    """

    variation: float
    steady: float
    drift: float
    beats: int


def beat_stability(beats: npt.ArrayLike) -> BeatStability | None:
    """Stability of ascending beat times in seconds, such as a `BeatTracker` gives; None with fewer than four beats.

    Raises:
        InvalidInputError: times that do not ascend, or that are not finite.
    """
    times = np.asarray(beats, dtype=np.float64)
    gaps = np.diff(times)
    if times.ndim != 1 or not np.isfinite(times).all() or not (gaps > 0).all():
        raise InvalidInputError(f"beats of shape {times.shape}: ascending times in seconds are needed")
    if len(gaps) < 3:
        return None
    half = len(gaps) // 2
    return BeatStability(
        variation=float(gaps.std() / gaps.mean()),
        steady=float(np.mean(np.abs(gaps / np.median(gaps) - 1) <= TOLERANCE)),
        drift=float(np.median(gaps[:half]) / np.median(gaps[-half:]) - 1),
        beats=len(times),
    )


def named_tempo(text: str) -> float | None:
    """The tempo in BPM that a text names, as in "128 BPM" or "tempo: 90"; None where it names none, or several."""
    found = {float(one or other) for one, other in _NAMED.findall(text)}
    return found.pop() if len(found) == 1 and all(SLOWEST / 2 <= bpm <= 2 * FASTEST for bpm in found) else None


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

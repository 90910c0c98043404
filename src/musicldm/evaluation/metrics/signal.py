"""What can be measured of a wave without any network: level, silence, clipping, bandwidth, and how clear its key is.

Source: loudness ITU-R BS.1770-4; key Krumhansl & Kessler (Psychological Review 89(4), 1982), correlated with a chroma
as Krumhansl's key finding does (Cognitive Foundations of Musical Pitch, 1990, chapter 4).
Conventions: mono waves (samples,) with full scale ±1 at their own rate, before any resampling. None of these is better
high or low by itself: they are set beside a reference's.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musicldm.audio import Wave
from musicldm.audio.levels import loudness
from musicldm.errors import InvalidInputError

SHORTEST = 0.5
"""Seconds that are needed."""
SILENT_DB = -60.0
"""Level of a piece of 50 ms, in dB of full scale, below which it is silent."""
_PIECE = 0.05
_FLAT_RUN, _FLAT = 3, 1e-4
ENERGY = 0.99
_CHROMA_SECONDS, _CHROMA_HZ = 0.25, (55.0, 5000.0)
_A4 = 440.0
MAJOR = (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88)
MINOR = (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17)
PITCHES = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
Spectrum = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Signal:
    """Measures of one wave.

    Attributes:
        loudness: integrated, in LUFS; −inf for silence.
        peak: largest magnitude in dB of full scale; −inf for silence.
        silence: share (0 to 1) of pieces of 50 ms whose RMS is below `SILENT_DB`.
        clipping: share (0 to 1) of samples in flat tops: three or more in a row of one sign within 1e-4 of the wave's
            own peak, so that a clipped wave that was made softer counts too; lossy coding hides it.
        bandwidth: frequency in Hz below which 99 % of the energy lies; 0 for silence.
        key: the likeliest, as in "A minor".
        key_clarity: correlation (−1 to 1) of the chroma with that key's profile; 0 for silence, near 0.25 for noise.
    """

    loudness: float
    peak: float
    silence: float
    clipping: float
    bandwidth: float
    key: str
    key_clarity: float


def measure(wave: Wave, sample_rate: int) -> Signal:
    """All measures of a wave.

    Raises:
        InvalidInputError: another shape, less than `SHORTEST`, or samples that are not finite.
    """
    if wave.ndim != 1 or len(wave) < SHORTEST * sample_rate:
        raise InvalidInputError(f"wave of shape {wave.shape} at {sample_rate} Hz: one wave of at least {SHORTEST} s")
    if not np.isfinite(wave).all():
        raise InvalidInputError("the wave holds samples that are not finite")
    peak = float(np.abs(wave).max())
    spectrum, frequencies = mean_spectrum(wave, sample_rate)
    key, clarity = key_of(chroma(spectrum, frequencies))
    return Signal(
        loudness=loudness(wave, sample_rate),
        peak=20 * float(np.log10(peak)) if peak else -np.inf,
        silence=silence_share(wave, sample_rate),
        clipping=clipping_share(wave),
        bandwidth=bandwidth(spectrum, frequencies),
        key=key,
        key_clarity=clarity,
    )


def silence_share(wave: Wave, sample_rate: int) -> float:
    """See `Signal.silence`; a last piece that is not whole is left out."""
    size = round(_PIECE * sample_rate)
    pieces = wave[: len(wave) // size * size].reshape(-1, size).astype(np.float64)
    return float(np.mean((pieces**2).mean(axis=1) < 10 ** (SILENT_DB / 10)))


def clipping_share(wave: Wave) -> float:
    """See `Signal.clipping`."""
    peak = np.abs(wave).max()
    if not peak:
        return 0.0
    at_top = np.where(np.abs(wave) >= (1 - _FLAT) * peak, np.sign(wave), 0)
    edges = np.flatnonzero(np.diff(at_top)) + 1
    starts = np.concatenate([[0], edges])
    lengths = np.diff(np.concatenate([starts, [len(wave)]]))
    flat = (at_top[starts] != 0) & (lengths >= _FLAT_RUN)
    return float(lengths[flat].sum() / len(wave))


def mean_spectrum(wave: Wave, sample_rate: int) -> tuple[Spectrum, Spectrum]:
    """Mean power spectrum (bins,) of Hann-windowed pieces of about a quarter second, half overlapping, and its Hz."""
    size = 2 ** int(np.ceil(np.log2(_CHROMA_SECONDS * sample_rate)))
    size = min(size, 2 ** int(np.log2(len(wave))))
    pieces = np.lib.stride_tricks.sliding_window_view(wave.astype(np.float64), size)[:: size // 2]
    total = np.zeros(size // 2 + 1)
    window = np.hanning(size + 1)[:-1]
    for piece in pieces:
        total += np.abs(np.fft.rfft(piece * window)) ** 2
    return total / len(pieces), np.arange(size // 2 + 1) * sample_rate / size


def bandwidth(spectrum: Spectrum, frequencies: Spectrum) -> float:
    """See `Signal.bandwidth`."""
    total = np.cumsum(spectrum)
    return float(frequencies[np.searchsorted(total, ENERGY * total[-1])]) if total[-1] > 0 else 0.0


def chroma(spectrum: Spectrum, frequencies: Spectrum) -> Spectrum:
    """Mean magnitude (12,) of each pitch class from 55 to 5000 Hz, C first; each bin goes to its nearest pitch."""
    low, high = _CHROMA_HZ
    heard = (frequencies >= low) & (frequencies <= high)
    pitch = np.round(12 * np.log2(frequencies[heard] / _A4)).astype(int) + 9
    return np.asarray(np.bincount(pitch % 12, weights=np.sqrt(spectrum[heard]), minlength=12), dtype=np.float64)


def key_of(chroma: Spectrum) -> tuple[str, float]:
    """The key whose profile correlates best with a chroma (12,), and that correlation; 0.0 for an even chroma."""
    if chroma.shape != (12,):
        raise InvalidInputError(f"chroma of shape {chroma.shape}: twelve pitch classes are needed")
    if not np.ptp(chroma):
        return "none", 0.0
    best = max(
        (float(np.corrcoef(chroma, np.roll(profile, tonic))[0, 1]), f"{PITCHES[tonic]} {mode}")
        for mode, profile in (("major", MAJOR), ("minor", MINOR))
        for tonic in range(12)
    )
    return best[1], best[0]

"""Levels: loudness, peaks, and bringing a wave to either."""

from __future__ import annotations

import math

import numpy as np

from musicldm.audio import Wave
from musicldm.errors import InvalidInputError

PEAK = 10 ** (-1 / 20)
"""Largest sample that leaves a file, -1 dB below full scale: lossy decoders overshoot a little."""


MAX_GAIN = 10 ** (40 / 20)
"""A nearly silent wave is not raised further than this factor: what is left in it is noise."""


LUFS_RANGE = (-60.0, -5.0)


def loudness(wave: Wave, sample_rate: int) -> float:
    """Integrated loudness in LUFS (ITU-R BS.1770-4), -inf for silence; under 0.4 s, that of the wave repeated."""
    import pyloudnorm

    wave = np.asarray(wave, dtype=np.float64)
    if not wave.any():
        return -math.inf
    block = math.ceil(0.4 * sample_rate) + 1
    if len(wave) < block:
        wave = np.tile(wave, -(-block // len(wave)))
    with np.errstate(divide="ignore"):
        return float(pyloudnorm.Meter(sample_rate).integrated_loudness(wave))


def check_loudness(target: str | float) -> str | float:
    """`"peak"` or a number of LUFS as number or text, to `"peak"` or a float; anything else is an InvalidInputError."""
    low, high = LUFS_RANGE
    wrong = InvalidInputError(f"loudness {target!r}: valid is 'peak' or LUFS from {low:g} to {high:g}")
    if target == "peak":
        return "peak"
    try:
        lufs = float(target)
    except ValueError:
        raise wrong from None
    if not low <= lufs <= high:
        raise wrong
    return lufs


def normalise(wave: Wave, sample_rate: int, target: str | float = "peak") -> Wave:
    """Wave to a stated level; silence stays silence, and no sample of the result exceeds -1 dB of full scale.

    Args:
        wave: samples (n,).
        sample_rate: in Hz.
        target: `"peak"` scales the largest sample to -1 dB; a number is the integrated loudness in LUFS, where
            samples that would go over -1 dB are held by a look-ahead limiter.

    Raises:
        InvalidInputError: see `check_loudness`.
    """
    target = check_loudness(target)
    peak = float(np.abs(wave).max(initial=0.0))
    if peak == 0.0:
        return wave
    if isinstance(target, str):
        return (wave * np.float32(min(PEAK / peak, MAX_GAIN))).clip(-PEAK, PEAK)
    current = loudness(wave, sample_rate)
    gain = MAX_GAIN if current == -math.inf else min(10 ** ((target - current) / 20), MAX_GAIN)
    return limit(wave * np.float32(gain), sample_rate)


def limit(wave: Wave, sample_rate: int, ceiling: float = PEAK, seconds: float = 0.005) -> Wave:
    """Wave held at or under `ceiling` by a gain that falls and rises within `seconds` around each peak.

    The gain wanted at each sample is spread to its neighbourhood by a running minimum and then smoothed by a Hann
    window of the same length: an average of values that are each low enough is low enough.
    """
    if np.abs(wave).max(initial=0.0) <= ceiling:
        return wave
    from scipy.ndimage import convolve1d, minimum_filter1d

    width = 2 * max(1, round(seconds * sample_rate / 2)) + 1
    wanted = np.minimum(1.0, ceiling / np.maximum(np.abs(wave.astype(np.float64)), 1e-12))
    window = np.hanning(width + 2)[1:-1]
    gain = convolve1d(minimum_filter1d(wanted, width, mode="nearest"), window / window.sum(), mode="nearest")
    return np.asarray(wave * gain, dtype=np.float32).clip(-ceiling, ceiling)

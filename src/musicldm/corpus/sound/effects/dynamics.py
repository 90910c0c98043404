"""Gains that follow the music: bus compression, side-chain pumping, lifted attacks, a limiter for the true peak.

Each gives a gain per sample, (n,), so that stems can be given the gain of the whole mix.
"""

from functools import cache

import numpy as np
from scipy.ndimage import maximum_filter1d, minimum_filter1d, uniform_filter1d

from musicldm.audio import Wave
from musicldm.corpus.sound.waves import Samples

_COMPRESSOR_SECONDS = 0.01
_LIMITER_BLOCK = 32
_LOOKAHEAD_SECONDS = 0.002
_RELEASE_DECIBELS = 60.0
_TAPS = 12
_OVERSAMPLING = 4
_OVERSHOOT = 0.6
_PUMP_SECONDS = 0.28


def compressor_gain(wave: Wave, squeeze: float, sample_rate: int) -> Wave:
    """Gain that takes back `squeeze` (0-1) of what exceeds the mean level, in decibels; it moves over some 30 ms."""
    block = max(1, round(_COMPRESSOR_SECONDS * sample_rate))
    power = block_means(wave[0] * wave[0] + wave[1] * wave[1], block)
    over = np.maximum(np.sqrt((power + 1e-12) / (power.mean() + 1e-12)), 1.0)
    gain = over ** -np.clip(squeeze, 0, 1)
    gain = np.convolve(np.pad(gain, 1, mode="edge"), [0.25, 0.5, 0.25], "valid")
    return ramps(gain, block, wave.shape[1])


def block_means(values: Wave, block: int) -> Samples:
    """Means of blocks of `block` samples; a last short block is filled with zeros."""
    count = -(-values.size // block)
    padded = np.pad(values, (0, count * block - values.size)).reshape(count, block)
    return np.asarray(padded.mean(axis=1, dtype=np.float64))


def ramps(points: Samples, block: int, count: int) -> Wave:
    """Values at the middles of blocks, joined by straight lines: (count,)."""
    first = block // 2
    slope = np.arange(block, dtype=np.float32) / np.float32(block)
    points = points.astype(np.float32)
    lines = points[:-1, None] + (points[1:] - points[:-1])[:, None] * slope
    return np.concatenate(
        [np.full(first, points[0]), lines.reshape(-1), np.full(count, points[-1], np.float32)]
    )[:count].astype(np.float32)  # fmt: skip


def pump_gain(kicks: tuple[float, ...], depth: float, start: float, count: int, sample_rate: int) -> Wave:
    """Gain that dips by `depth` (0-1) at each bass drum and recovers within an eighth note or so.

    kicks: seconds; start: the time of the first sample in seconds.
    """
    gain = np.ones(count, np.float32)
    length = round(_PUMP_SECONDS * sample_rate)
    dip = 1 - np.float32(depth) * np.cos(np.linspace(0, np.pi / 2, length, dtype=np.float32)) ** 2
    for kick in kicks:
        at = round((kick - start) * sample_rate)
        if 0 <= at < count:
            size = min(length, count - at)
            gain[at : at + size] = np.minimum(gain[at : at + size], dip[:size])
    return gain


def punch_gain(wave: Wave, depth: float, sample_rate: int) -> Wave:
    """Gain that lifts attacks: up to 9 dB × `depth` where 5 ms are louder than the 120 ms around them."""
    block = max(1, round(0.005 * sample_rate))
    power = block_means(wave[0] * wave[0] + wave[1] * wave[1], block)
    around = uniform_filter1d(power, 25, mode="nearest")
    rise = np.clip(10 * np.log10((power + 1e-9) / (around + 1e-9)), 0.0, 9.0)
    return ramps(10 ** (depth * rise / 20), block, wave.shape[1])


@cache
def _interpolator(block: int) -> Wave:
    """(block + taps - 1, 4 × block): windows of samples to the signal at four times the rate."""
    reach = np.arange(_TAPS) - (_TAPS // 2 - 1)
    matrix = np.zeros((block + _TAPS - 1, block, _OVERSAMPLING), np.float32)
    for phase in range(_OVERSAMPLING):
        distance = reach - phase / _OVERSAMPLING
        taps = np.sinc(distance) * np.i0(5.0 * np.sqrt(np.maximum(0, 1 - (distance / (_TAPS / 2)) ** 2))) / np.i0(5.0)
        for sample in range(block):
            matrix[sample : sample + _TAPS, sample, phase] = taps
    return matrix.reshape(block + _TAPS - 1, -1)


def true_peaks(wave: Wave, above: float = 0.0, block: int = _LIMITER_BLOCK) -> Wave:
    """Largest absolute value of each block of (2, n) at four times the rate (ITU-R BS.1770-5, Annex 2).

    Blocks whose samples say that they cannot come near `above` keep the largest of their samples.
    """
    count = -(-wave.shape[1] // block)
    before = _TAPS // 2 - 1
    padded = np.pad(wave, ((0, 0), (before, count * block - wave.shape[1] + _TAPS - before)))
    largest = np.abs(padded[:, before : before + count * block]).max(axis=0)
    peaks: Wave = np.maximum.reduceat(largest, np.arange(0, largest.size, block))
    # A wave between its samples exceeds them by less than this, but for signals made to do so.
    near = np.flatnonzero(maximum_filter1d(peaks, 3, mode="nearest") >= _OVERSHOOT * above)
    for channel in padded:
        windows = np.lib.stride_tricks.sliding_window_view(channel, block + _TAPS - 1)[::block]
        dense = windows[near] @ _interpolator(block)
        peaks[near] = np.maximum(peaks[near], np.abs(dense, out=dense).max(axis=1))
    return peaks


def limiter_gain(wave: Wave, drive: float, sample_rate: int) -> tuple[Wave, float]:
    """Gain that takes the true peak of (2, n) down by `drive` decibels, 2 ms ahead, back at 60 dB/s; the new peak.

    The least gain within the window, averaged over the same window, is never above what each block needs.
    """
    floor = float(np.abs(wave).max()) * 10 ** (-drive / 20)
    peaks = np.maximum(true_peaks(wave, floor), np.float32(1e-9)).astype(np.float64)
    ceiling = float(peaks.max()) * 10 ** (-drive / 20)
    needed = -20 * np.log10(np.minimum(1.0, ceiling / peaks))
    window = 2 * max(1, round(_LOOKAHEAD_SECONDS * sample_rate / _LIMITER_BLOCK)) + 1
    fall = _RELEASE_DECIBELS * _LIMITER_BLOCK / sample_rate * np.arange(needed.size)
    released = np.maximum.accumulate(needed + fall) - fall
    gain = minimum_filter1d(10 ** (-released / 20), window + 2, mode="nearest")
    return ramps(uniform_filter1d(gain, window, mode="nearest"), _LIMITER_BLOCK, wave.shape[1]), ceiling

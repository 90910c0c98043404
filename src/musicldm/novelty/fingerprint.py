"""A wave to its fingerprint: the strongest note onsets as points in time and pitch, and hashes of pairs of them.

Source: A. Wang, An industrial-strength audio search algorithm, ISMIR 2003, from which this differs in three ways. The
points are peaks of an onset map (spectral flux with a maximum filter over pitch: Böck and Widmer, Maximum filter
vibrato suppression for onset detection, DAFx 2013) on a scale of pitch, above 130 Hz and with a long window, so that
bass drums and held notes leave no points; on that scale a transposition is a shift by whole bins; and magnitudes are
compressed by a square root where a logarithm would be usual, which makes of the noise in quiet bins onsets as strong
as any note's.
Conventions: waves are (samples,) float32 at `RATE`; peaks are (n, 2) int32 of frame and bin, ascending.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import numpy.typing as npt

from musicldm.audio import Wave
from musicldm.audio.resampling import resample

RATE = 16000
"""Hz."""
WINDOW, HOP = 4096, 512
"""Samples: 256 ms, and a frame every 32 ms."""
FRAMES_PER_SECOND = RATE / HOP
BINS_PER_SEMITONE = 3
LOWEST = 130.0
"""Hz of the first bin."""
BINS = 196
"""Up to 5.5 kHz."""
PEAKS_AROUND = 10
FAN = 4
"""Pairs that a peak begins."""
REACH = 40
"""Frames from the first to the second peak of a pair, at most: 1.28 s."""
SPREAD = 60
"""Bins between the peaks of a pair, at most: 20 semitones."""
_COARSE = 2
_COARSE_BINS = BINS // _COARSE
HASHES = _COARSE_BINS * _COARSE_BINS * (REACH + 1)
"""Number of different hashes."""
_LAG = 3
_AROUND = 15
_AHEAD = 48
_NEIGHBOURHOOD = (7, 9)
_LEAST_RISE = 0.02
_SMOOTH = 18
_FLOOR = 0.02

Peaks = npt.NDArray[np.int32]
Ints = npt.NDArray[np.int64]


@lru_cache(maxsize=1)
def _pitch_scale() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """For each bin the Fourier bin below its frequency, and how far it lies above that."""
    position = LOWEST * 2 ** (np.arange(BINS) / (12 * BINS_PER_SEMITONE)) * WINDOW / RATE
    below = position.astype(np.int64)
    return below, (position - below).astype(np.float32)


def spectrum(wave: Wave) -> npt.NDArray[np.float32]:
    """Square roots of magnitudes (frames, BINS) on the scale of pitch; frame t is centred on sample t · HOP.

    Magnitudes are divided by the geometric mean of the sound's loudness and its envelope over pitch, so that they do
    not depend on how loud it is, and only half on how it is filtered.
    """
    from scipy.ndimage import gaussian_filter1d

    padded = np.pad(np.asarray(wave, np.float32), WINDOW // 2)
    window = np.hanning(WINDOW + 1)[:-1].astype(np.float32)
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    magnitude = np.abs(np.fft.rfft(frames * window, axis=1)).astype(np.float32)
    below, above = _pitch_scale()
    on_scale = magnitude[:, below] * (1 - above) + magnitude[:, below + 1] * above
    loudness = float(np.sqrt(np.mean(np.square(magnitude), dtype=np.float64)))
    envelope = gaussian_filter1d(on_scale.mean(axis=0), _SMOOTH) + _FLOOR * loudness
    return np.asarray(np.sqrt(on_scale / (np.sqrt(envelope * loudness) + 1e-9)), np.float32)


def onsets(levels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """How much higher each point of (frames, BINS) is than 3 frames before, in its own or the next bins.

    Zero where the point is not above the mean of its surroundings in pitch: a drum is loud everywhere, a note is not.
    """
    from scipy.ndimage import gaussian_filter1d, maximum_filter1d

    before = maximum_filter1d(levels, 3, axis=1)
    rise = np.zeros_like(levels)
    rise[_LAG:] = np.maximum(levels[_LAG:] - before[:-_LAG], 0)
    return np.where(levels > gaussian_filter1d(levels, _SMOOTH, axis=1), rise, np.float32(0))


def peaks_of(wave: Wave, sample_rate: int = RATE) -> Peaks:
    """The strongest onsets of a wave of any rate; none in silence.

    An onset stays if fewer than 10 of those within half a second before and after it are stronger, so that a cut takes
    away onsets near its ends and leaves all others.
    """
    from scipy.ndimage import maximum_filter

    if sample_rate != RATE:
        wave = resample(wave, sample_rate, RATE)
    rise = onsets(spectrum(wave))
    is_peak = (maximum_filter(rise, _NEIGHBOURHOOD) == rise) & (rise > _LEAST_RISE)
    is_peak[:, :2] = is_peak[:, -2:] = False
    frame, pitch = np.nonzero(is_peak)
    kept = _stronger_around(frame, rise[frame, pitch]) < PEAKS_AROUND
    return np.stack([frame[kept], pitch[kept]], axis=1).astype(np.int32)


def _stronger_around(frame: Ints, rise: npt.NDArray[np.float32]) -> Ints:
    """How many onsets within `_AROUND` frames are stronger, for each (n,); frames ascend, the first wins a tie."""
    count = np.zeros(len(frame), np.int64)
    for ahead in range(1, len(frame)):
        near = frame[ahead:] - frame[:-ahead] <= _AROUND
        if not near.any():
            break
        later = rise[ahead:] > rise[:-ahead]
        count[:-ahead] += near & later
        count[ahead:] += near & ~later
    return count


def pairs_of(peaks: Peaks, clips: Ints | None = None, reach: int = REACH) -> tuple[Ints, Ints]:
    """Row numbers of the first and of the second peak of each pair, (m,) each.

    A peak is paired with the first `FAN` that follow it within `reach` frames and `SPREAD` bins.

    Args:
        peaks: (n, 2); those of several clips one after the other.
        clips: (n,) the clip of each peak, so that no pair crosses from one to the next; None for one clip.
        reach: frames.
    """
    frame, pitch = peaks[:, 0].astype(np.int64), peaks[:, 1].astype(np.int64)
    count = len(peaks)
    begun = np.zeros(count, np.int8)
    firsts, seconds = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for ahead in range(1, min(_AHEAD, count)):
        gap = frame[ahead:] - frame[:-ahead]
        fits = (gap >= 1) & (gap <= reach) & (np.abs(pitch[ahead:] - pitch[:-ahead]) <= SPREAD)
        fits &= begun[:-ahead] < FAN
        if clips is not None:
            fits &= clips[ahead:] == clips[:-ahead]
        first = np.flatnonzero(fits)
        begun[first] += 1
        firsts.append(first)
        seconds.append(first + ahead)
    return np.concatenate(firsts), np.concatenate(seconds)


def hashes_of(first: Ints, second: Ints, gap: Ints) -> Ints:
    """Two bins and the frames between them to a number below `HASHES`; bins that differ by 1 often share it."""
    return np.asarray((first // _COARSE * _COARSE_BINS + second // _COARSE) * (REACH + 1) + gap)

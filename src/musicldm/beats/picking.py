"""From a network's logits to beats and downbeats.

Beats are the likeliest sequence of steady or slowly changing distances, by a Viterbi search as in the bar pointer model
(Krebs, Böck and Widmer, ISMIR 2015), moved to the peaks that beat_this would pick (arXiv 2407.21658, section 3.4).
Downbeats are the likeliest sequence of bars over these beats.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from musicldm.beats.spectrum import FRAMES_PER_SECOND

Floats = npt.NDArray[np.float64]
Frames = npt.NDArray[np.int64]

SLOWEST, FASTEST = 45.0, 215.0
"""Beats a minute."""
REACH = 3
"""Frames on either side in which a peak is the largest, and in which a beat looks for its peak and its downbeat."""
_MOST_SURE = 6.0
_STEADINESS = 40.0
_WITHOUT_PEAK_IN_A_ROW = 2
_SILENCE = 150
"""Frames without a peak, more than two of the slowest beats, after which the search begins anew."""
_EDGE = 30
"""Frames around the first and last peak in which one more beat may be expected."""
METERS = (2, 3, 4, 5, 6, 7)
METER_LOG_PRIOR = (-1.5, -1.5, 0.0, -4.0, -4.0, -5.0)
NEW_METER, BROKEN_BAR = -9.0, -7.0
"""Log-probabilities of another meter, and of a bar that is cut short."""
_WEIGHT_OF_TRAINING = 2.0
"""Training weighs frames of downbeats so much that a doubtful one has a logit of about this, not of 0."""

GAPS = np.arange(
    int(60 * FRAMES_PER_SECOND / FASTEST), int(np.ceil(60 * FRAMES_PER_SECOND / SLOWEST)) + 1, dtype=np.int64
)
"""Frames from one beat to the next. The states of a gap stand in a row, its first state the beat itself."""
_LAST = np.cumsum(GAPS) - 1
_FIRST = _LAST - GAPS + 1


def _changes() -> Floats:
    """Log-probability of every gap (columns) after every other (rows)."""
    scores = -_STEADINESS * np.abs(GAPS[None, :] / GAPS[:, None] - 1)
    return np.asarray(scores - np.log(np.exp(scores).sum(axis=1, keepdims=True)))


GAP_CHANGES = _changes()


def pick_beats(beat: npt.NDArray[np.float32], downbeat: npt.NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Logits (frames,) each to frames, not always whole, of the beats and of those among them that are downbeats."""
    peaks = pick_peaks(beat)
    if not len(peaks):
        return peaks, peaks
    evidence = beat_evidence(beat)
    passages = [
        _with_peaks(start + steady_frames(evidence[start:stop]), peaks) for start, stop in _passages(peaks, len(beat))
    ]
    beats = np.concatenate(passages)
    return beats, beats[bar_positions(downbeat_evidence(beats, downbeat)) == 0]


def _passages(peaks: Floats, count: int) -> list[tuple[int, int]]:
    """First and last frames of what lies between silences, and a little more at either end."""
    breaks = np.flatnonzero(np.diff(peaks) > _SILENCE)
    starts, ends = peaks[np.r_[0, breaks + 1]], peaks[np.r_[breaks, len(peaks) - 1]]
    return [(max(int(a) - _EDGE, 0), min(int(b) + _EDGE, count)) for a, b in zip(starts, ends, strict=True)]


def beat_evidence(beat: npt.NDArray[np.float32]) -> Floats:
    """For every frame the largest logit of it and its neighbours, held to ±6."""
    padded = np.pad(beat.astype(np.float64), 1, constant_values=-np.inf)
    near = np.maximum(np.maximum(padded[:-2], padded[1:-1]), padded[2:])
    return np.asarray(near.clip(-_MOST_SURE, _MOST_SURE))


def steady_frames(evidence: Floats) -> Frames:
    """Log-odds (frames,) of a beat to the frames of the likeliest sequence of beats.

    The score is the sum of the evidence at the beats and of the log-probability of every gap after the one before it,
    which falls by 40 times their relative difference.
    """
    score = np.repeat(-np.log(GAPS), GAPS)
    score[_FIRST] += evidence[0]
    before = np.zeros((len(evidence), len(GAPS)), dtype=np.uint8)
    every = np.arange(len(GAPS))
    for frame in range(1, len(evidence)):
        ends = score[_LAST][:, None] + GAP_CHANGES
        best = ends.argmax(axis=0)
        score[1:] = score[:-1].copy()
        score[_FIRST] = ends[best, every] + evidence[frame]
        before[frame] = best
    return _followed_back(int(score.argmax()), before)


def _followed_back(state: int, before: npt.NDArray[np.uint8]) -> Frames:
    """The beats on the way to a state at the last frame; `before` (frames, gaps) says which gap came before a beat."""
    gap = int(np.searchsorted(_LAST, state))
    frame = len(before) - 1 - (state - int(_FIRST[gap]))
    frames: list[int] = []
    while frame >= 0:
        frames.append(frame)
        gap = int(before[frame, gap])
        frame -= int(GAPS[gap])
    return np.array(frames[::-1], dtype=np.int64)


def _with_peaks(frames: Frames, peaks: Floats) -> Floats:
    """Beats moved to the peak within `REACH`; those without one stay only up to two beats from one that has."""
    nearest = _nearest(frames, peaks)
    has_peak = np.abs(nearest - frames) <= REACH
    at = np.flatnonzero(has_peak)
    if not len(at):
        return np.empty(0, dtype=np.float64)
    distance = np.abs(_nearest(np.arange(len(frames)), at.astype(np.float64)) - np.arange(len(frames)))
    return np.where(has_peak, nearest, frames)[distance <= _WITHOUT_PEAK_IN_A_ROW]


def _nearest(values: Frames, to: Floats) -> Floats:
    """For every value the nearest of an ascending row."""
    right = np.searchsorted(to, values).clip(0, len(to) - 1)
    left = np.maximum(right - 1, 0)
    return np.asarray(np.where(np.abs(to[left] - values) <= np.abs(to[right] - values), to[left], to[right]))


def pick_peaks(logits: npt.NDArray[np.float32]) -> Floats:
    """Frames whose logit is above 0 and the largest within `REACH` frames; equal neighbours become their mean."""
    if not len(logits):
        return np.empty(0, dtype=np.float64)
    padded = np.pad(logits, REACH, constant_values=-np.inf)
    largest = np.lib.stride_tricks.sliding_window_view(padded, 2 * REACH + 1).max(axis=1)
    frames = np.flatnonzero((logits == largest) & (logits > 0))
    groups: list[list[int]] = []
    for frame in frames.tolist():
        if groups and frame - sum(groups[-1]) / len(groups[-1]) <= 1:
            groups[-1].append(frame)
        else:
            groups.append([frame])
    return np.array([sum(group) / len(group) for group in groups], dtype=np.float64)


def downbeat_evidence(beats: Floats, downbeat: npt.NDArray[np.float32]) -> Floats:
    """For every beat the largest downbeat logit within `REACH` frames, less what training adds to it, held to ±6."""
    at = np.round(beats).astype(np.int64)
    padded = np.pad(downbeat, REACH, constant_values=-np.inf)
    near = padded[at[:, None] + np.arange(2 * REACH + 1)].max(axis=1)
    return np.asarray(np.clip(near.astype(np.float64) - _WEIGHT_OF_TRAINING, -_MOST_SURE, _MOST_SURE))


def _states() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
    """Meter and position in the bar of every state, and the log-prior of its meter."""
    meters = np.concatenate([np.full(meter, meter) for meter in METERS])
    positions = np.concatenate([np.arange(meter) for meter in METERS])
    priors = np.concatenate([np.full(m, p - np.log(m)) for m, p in zip(METERS, METER_LOG_PRIOR, strict=True)])
    return meters, positions, priors


_METER, _POSITION, _PRIOR = _states()
_BEFORE = np.array(
    [np.flatnonzero((m == _METER) & (((p - 1) % m) == _POSITION))[0] for m, p in zip(_METER, _POSITION, strict=True)]
)
"""For every state the one that is before it in an unbroken bar."""


def bar_positions(evidence: Floats) -> npt.NDArray[np.int64]:
    """Log-odds (beats,) of being a downbeat to each beat's position in its bar, 0 the downbeat: the likeliest sequence.

    Bars have 2 to 7 beats. From one beat to the next the position goes on; at a price a bar breaks off to a downbeat in
    the same meter, at a larger one in another.
    """
    score = _PRIOR + np.where(_POSITION == 0, evidence[0], 0.0)
    came_from = np.zeros((len(evidence), len(score)), dtype=np.int64)
    downbeats = _POSITION == 0
    for index in range(1, len(evidence)):
        best = score[_BEFORE].copy()
        origin = _BEFORE.copy()
        anyone = int(np.argmax(score))
        for state in np.flatnonzero(downbeats):
            same = np.flatnonzero(_METER[state] == _METER)
            within = int(same[np.argmax(score[same])])
            for candidate, price in ((within, BROKEN_BAR), (anyone, NEW_METER + _PRIOR[state])):
                if score[candidate] + price > best[state]:
                    best[state], origin[state] = score[candidate] + price, candidate
        score = best + np.where(downbeats, evidence[index], 0.0)
        came_from[index] = origin
    path = np.empty(len(evidence), dtype=np.int64)
    path[-1] = int(np.argmax(score))
    for index in range(len(evidence) - 1, 0, -1):
        path[index - 1] = came_from[index, path[index]]
    return np.asarray(_POSITION[path])

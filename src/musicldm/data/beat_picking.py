"""From a network's logits to beats and downbeats.

Beats are peaks as beat_this picks them (arXiv 2407.21658, section 3.4). Downbeats are the likeliest sequence of bars
over these beats, by a Viterbi search in the manner of the bar pointer model (Krebs, Böck and Widmer, ISMIR 2015).
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

REACH = 3
"""Frames on either side in which a peak is the largest, and in which a beat looks for its downbeat."""
METERS = (2, 3, 4, 5, 6, 7)
_METER_LOG_PRIOR = (-1.5, -1.5, 0.0, -4.0, -4.0, -5.0)
_NEW_METER = -9.0
_BROKEN_BAR = -7.0
_MOST_SURE = 6.0


def pick_beats(beat: npt.NDArray[np.float32], downbeat: npt.NDArray[np.float32]) -> tuple[Floats, Floats]:
    """Logits (frames,) each to frames, not always whole, of the beats and of those among them that are downbeats."""
    beats = pick_peaks(beat)
    if not len(beats):
        return beats, beats
    return beats, beats[bar_positions(downbeat_evidence(beats, downbeat)) == 0]


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
    """For every beat the largest downbeat logit within `REACH` frames, held to ±6."""
    at = np.round(beats).astype(np.int64)
    padded = np.pad(downbeat, REACH, constant_values=-np.inf)
    near = padded[at[:, None] + np.arange(2 * REACH + 1)].max(axis=1)
    return np.asarray(np.clip(near.astype(np.float64), -_MOST_SURE, _MOST_SURE))


def _states() -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
    """Meter and place in the bar of every state, and the log-prior of its meter."""
    meters = np.concatenate([np.full(meter, meter) for meter in METERS])
    places = np.concatenate([np.arange(meter) for meter in METERS])
    priors = np.concatenate([np.full(m, p - np.log(m)) for m, p in zip(METERS, _METER_LOG_PRIOR, strict=True)])
    return meters, places, priors


_METER, _PLACE, _PRIOR = _states()
_BEFORE = np.array(
    [np.flatnonzero((m == _METER) & (((p - 1) % m) == _PLACE))[0] for m, p in zip(_METER, _PLACE, strict=True)]
)
"""For every state the one that is before it in an unbroken bar."""


def bar_positions(evidence: Floats) -> npt.NDArray[np.int64]:
    """Log-odds (beats,) of being a downbeat to each beat's place in its bar, 0 the downbeat: the likeliest sequence.

    Bars have 2 to 7 beats. From one beat to the next the place goes on; at a price a bar breaks off to a downbeat in
    the same meter, at a larger one in another.
    """
    score = _PRIOR + np.where(_PLACE == 0, evidence[0], 0.0)
    came_from = np.zeros((len(evidence), len(score)), dtype=np.int64)
    downbeats = _PLACE == 0
    for index in range(1, len(evidence)):
        best = score[_BEFORE].copy()
        origin = _BEFORE.copy()
        anyone = int(np.argmax(score))
        for state in np.flatnonzero(downbeats):
            same = np.flatnonzero(_METER[state] == _METER)
            within = int(same[np.argmax(score[same])])
            for candidate, price in ((within, _BROKEN_BAR), (anyone, _NEW_METER + _PRIOR[state])):
                if score[candidate] + price > best[state]:
                    best[state], origin[state] = score[candidate] + price, candidate
        score = best + np.where(downbeats, evidence[index], 0.0)
        came_from[index] = origin
    path = np.empty(len(evidence), dtype=np.int64)
    path[-1] = int(np.argmax(score))
    for index in range(len(evidence) - 1, 0, -1):
        path[index - 1] = came_from[index, path[index]]
    return np.asarray(_PLACE[path])

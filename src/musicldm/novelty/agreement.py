"""How strongly the peaks of a query agree with those of a clip at one offset, beyond what chance and style give.

A query's peak agrees if the clip has one within a frame and a bin. In the clip's row of pitch that happens at any
other time with probability p, so a note that the clip repeats all the time is little evidence. If a share c of the
query is copied, a peak agrees with probability q(c) = p + (1 − p) c. Pieces of one style that nobody copied share some
of their onsets too (the same chords in the same rhythm), up to a share `STYLE`. The evidence is the logarithm (nats)
of the likelihood ratio of q(c) to q(STYLE) over all peaks, at the c above it that fits their number: the generalised
likelihood ratio.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musicldm.novelty.fingerprint import BINS, Peaks
from musicldm.novelty.landmarks import Candidate, Landmarks, Variant, candidates

STYLE = 0.15
FEWEST = 8
"""Peaks of the query that must fall within the clip."""
_PRIOR_FRAMES = 20
_PROBABILITIES = 0.02, 0.9
_MOST_COPIED = 0.95


@dataclass(frozen=True)
class Agreement:
    """What a query and a clip have in common at their best offset.

    Args:
        clip: its number.
        variant: how the query was changed from it.
        offset: frame of the clip, as the original runs, that the query begins on.
        evidence: nats.
        share: of the query's onsets within the clip that are copied, chance taken off, 0 to 1.
    """

    clip: int
    variant: Variant
    offset: int
    evidence: float
    share: float


def occupied(peaks: Peaks) -> npt.NDArray[np.bool_]:
    """(frames, BINS + 2) whether a peak lies within a frame and a bin; column f is bin f − 1."""
    frames = int(peaks[:, 0].max(initial=0)) + 3
    out = np.zeros((frames, BINS + 2), np.bool_)
    for later in (-1, 0, 1):
        for higher in (0, 1, 2):
            out[np.maximum(peaks[:, 0] + later, 0), peaks[:, 1] + higher] = True
    return out


def evidence(
    frame: npt.NDArray[np.int64], pitch: npt.NDArray[np.int64], there: npt.NDArray[np.bool_]
) -> tuple[float, float]:
    """Evidence in nats and copied share, of peaks at frames and bins (n,) against an `occupied` clip."""
    frames = len(there)
    inside = (frame >= 0) & (frame < frames) & (pitch >= 0) & (pitch < BINS)
    frame, column = frame[inside], pitch[inside] + 1
    if len(frame) < FEWEST:
        return 0.0, 0.0
    agrees = there[frame, column]
    rows = there.mean(axis=0)
    p = np.clip((rows * frames + rows.mean() * _PRIOR_FRAMES) / (frames + _PRIOR_FRAMES), *_PROBABILITIES)[column]
    copied = min((agrees.mean() - p.mean()) / (1 - p.mean()), _MOST_COPIED)
    if copied <= STYLE:
        return 0.0, 0.0
    ratio = np.where(agrees, np.log((p + (1 - p) * copied) / (p + (1 - p) * STYLE)), np.log((1 - copied) / (1 - STYLE)))
    return max(float(ratio.sum()), 0.0), float(copied)


def best_agreement(
    query: Peaks,
    landmarks: Landmarks,
    peaks_of_clip: Callable[[int], Peaks],
    excluded: Sequence[int] = (),
    top: int = 20,
) -> Agreement | None:
    """The clip and offset with the most evidence; None where nothing agrees beyond chance.

    Args:
        query: its peaks.
        landmarks: of the index.
        peaks_of_clip: number of a clip to its peaks.
        excluded: clips that do not count.
        top: candidates to look at.
    """
    best: Agreement | None = None
    maps: dict[int, npt.NDArray[np.bool_]] = {}
    for candidate in candidates(landmarks, query, excluded, top=top):
        if candidate.clip not in maps:
            maps[candidate.clip] = occupied(peaks_of_clip(candidate.clip))
        agreement = _around(query, candidate, maps[candidate.clip])
        if agreement.evidence > (best.evidence if best is not None else 0.0):
            best = agreement
    return best


def _around(query: Peaks, candidate: Candidate, there: npt.NDArray[np.bool_]) -> Agreement:
    """The best of the candidate's offset and the two beside it."""
    frame, pitch = candidate.variant.undone(query)
    offsets = [candidate.offset + step for step in (-1, 0, 1)]
    results = [evidence(frame + offset, pitch, there) for offset in offsets]
    best = max(range(3), key=lambda number: results[number][0])
    return Agreement(candidate.clip, candidate.variant, offsets[best], *results[best])

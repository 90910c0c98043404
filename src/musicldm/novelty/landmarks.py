"""Which clips share hashes with a query, and where: an inverted file from hashes to clips and frames.

A vote for a clip at an offset counts log(1 + clips / clips with that hash), the idf of text retrieval (Spärck Jones
1972), so that what many clips share (a drum loop, a bass note of the same sound font) hardly counts; and only the
rarest hashes are looked up, which bounds the work however large the index is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musicldm.novelty.fingerprint import (
    BINS,
    BINS_PER_SEMITONE,
    HASHES,
    REACH,
    Ints,
    Peaks,
    hashes_of,
    pairs_of,
)

LOOKED_UP = 12_000
"""Entries of the inverted file that are read for one variant of a query."""
_SLACK = 1.07
_OFFSETS = 1 << 16


@dataclass(frozen=True)
class Variant:
    """How a query may have been changed from what it copies.

    Args:
        semitones: that it lies above it.
        stretch: seconds of it for a second of the original; above 1 it is slower.
    """

    semitones: int = 0
    stretch: float = 1.0

    def undone(self, peaks: Peaks) -> tuple[Ints, Ints]:
        """Frames and bins (n,) of the peaks as they would be in the original; bins may lie outside the scale."""
        frame = np.rint(peaks[:, 0] / self.stretch).astype(np.int64)
        return frame, peaks[:, 1].astype(np.int64) - BINS_PER_SEMITONE * self.semitones


_SEMITONE = 2 ** (1 / 12)
VARIANTS = (
    Variant(),
    *(Variant(semitones) for semitones in (-2, -1, 1, 2)),
    *(Variant(0, stretch) for stretch in (1 / 1.06, 1 / 1.03, 1.03, 1.06)),
    # a record or tape that runs too fast or too slow by a semitone
    Variant(1, 1 / _SEMITONE),
    Variant(-1, _SEMITONE),
)


@dataclass(frozen=True)
class Landmarks:
    """An inverted file over the hashes of many clips, of pairs of peaks or of anything else with a time.

    Args:
        starts: (hashes + 1,) where the entries of each hash begin.
        clips: (m,) uint32, the clip of each entry.
        frames: (m,) uint16, where in it that is, of a pair the frame of its first peak.
        count: number of clips.
    """

    starts: npt.NDArray[np.int64]
    clips: npt.NDArray[np.uint32]
    frames: npt.NDArray[np.uint16]
    count: int


@dataclass(frozen=True)
class Candidate:
    """A clip that may hold what the query holds.

    Args:
        clip: its number.
        variant: how the query was changed.
        offset: frame of the clip that the query's first frame falls on, to ±1; negative where the query begins before.
        votes: sum of the weights of the pairs that agree.
    """

    clip: int
    variant: Variant
    offset: int
    votes: float


def build_landmarks(peaks: Sequence[Peaks]) -> Landmarks:
    """The inverted file of clips in order."""
    counts = [len(clip) for clip in peaks]
    clips = np.repeat(np.arange(len(peaks)), counts)
    joined = np.concatenate([*peaks, np.zeros((0, 2), np.int32)])
    first, second = pairs_of(joined, clips)
    frame, pitch = joined[:, 0].astype(np.int64), joined[:, 1].astype(np.int64)
    hashes = hashes_of(pitch[first], pitch[second], frame[second] - frame[first])
    return inverted(hashes, clips[first], frame[first], HASHES, len(peaks))


def inverted(hashes: Ints, clips: Ints, frames: Ints, size: int, count: int) -> Landmarks:
    """The inverted file of entries (m,): their hashes below `size`, clips and frames; of `count` clips."""
    order = np.argsort(hashes.astype(np.int32), kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(hashes, minlength=size))])
    return Landmarks(starts.astype(np.int64), clips[order].astype(np.uint32), frames[order].astype(np.uint16), count)


def candidates(
    landmarks: Landmarks,
    peaks: Peaks,
    excluded: Sequence[int] = (),
    variants: Sequence[Variant] = VARIANTS,
    top: int = 20,
) -> list[Candidate]:
    """The `top` clips and offsets with the most votes, best first; fewer where fewer agree at all.

    Excluded clips are left out.
    """
    pairs = pairs_of(peaks, reach=int(REACH * _SLACK))
    keys, weights = [np.zeros(0, np.int64)], [np.zeros(0, np.float32)]
    for number, variant in enumerate(variants):
        key, weight = votes(landmarks, *_hashes(peaks, pairs, variant))
        keys.append(key + number * landmarks.count * _OFFSETS)
        weights.append(weight)
    numbers, offsets, strength = tally(np.concatenate(keys), np.concatenate(weights), landmarks.count, excluded, top)
    return [
        Candidate(number % landmarks.count, variants[number // landmarks.count], offset, voted)
        for number, offset, voted in zip(numbers.tolist(), offsets.tolist(), strength.tolist(), strict=True)
    ]


def _hashes(peaks: Peaks, pairs: tuple[Ints, Ints], variant: Variant) -> tuple[Ints, Ints]:
    """Hashes of a query's pairs as they would be in the original, and the frame of each one's first peak."""
    first, second = pairs
    frame, pitch = variant.undone(peaks)
    gap = frame[second] - frame[first]
    inside = (pitch >= 0) & (pitch < BINS)
    kept = inside[first] & inside[second] & (gap >= 1) & (gap <= REACH)
    first, second, gap = first[kept], second[kept], gap[kept]
    return hashes_of(pitch[first], pitch[second], gap), frame[first]


def votes(landmarks: Landmarks, hashes: Ints, anchors: Ints) -> tuple[Ints, npt.NDArray[np.float32]]:
    """Keys (clip and offset) that the rarest of a query's hashes point to, and the weight of each.

    Args:
        landmarks: of the index.
        hashes: (n,) of the query.
        anchors: (n,) frame of each.
    """
    begin = landmarks.starts[hashes]
    count = landmarks.starts[hashes + 1] - begin
    order = np.argsort(count, kind="stable")
    order = order[(np.cumsum(count[order]) <= LOOKED_UP) & (count[order] > 0)]
    begin, count, anchors = begin[order], count[order], anchors[order]
    within = np.arange(int(count.sum())) - np.repeat(np.cumsum(count) - count, count)
    entry = np.repeat(begin, count) + within
    offset = landmarks.frames[entry].astype(np.int64) - np.repeat(anchors, count) + _OFFSETS // 2
    weight = np.log1p(landmarks.count / np.maximum(count, 1)).astype(np.float32)
    return landmarks.clips[entry].astype(np.int64) * _OFFSETS + offset, np.repeat(weight, count)


def tally(
    keys: Ints, weights: npt.NDArray[np.float32], count: int, excluded: Sequence[int], top: int
) -> tuple[Ints, Ints, npt.NDArray[np.float64]]:
    """The `top` keys with the most votes, best first: clips, offsets, and the votes for each.

    The votes for the next offset, which jitter fills, count for both.

    Args:
        keys: (m,) of all votes; those of a query's n-th variant have n · `count` added to their clips, from 0 on.
        weights: (m,) of the votes.
        count: clips of the index.
        excluded: clips that are left out, in all variants.
        top: how many of them.
    """
    if not len(keys):
        return keys, keys, np.zeros(0)
    different, inverse = np.unique(keys, return_inverse=True)
    voted = np.bincount(inverse, weights).astype(np.float64)
    neighbour = np.append(different[1:] == different[:-1] + 1, False)
    voted += np.where(neighbour, np.append(voted[1:], 0), 0)
    clips, offsets = np.divmod(different, _OFFSETS)
    if len(excluded):
        kept = ~np.isin(clips % count, excluded)
        clips, offsets, voted = clips[kept], offsets[kept], voted[kept]
    best = np.argsort(-voted, kind="stable")[:top]
    return clips[best], offsets[best] - _OFFSETS // 2, voted[best]

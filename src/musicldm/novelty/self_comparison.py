"""A training set compared with itself: what is usual within it, against which other music is measured."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from musicldm.errors import DataError
from musicldm.events import Listener, Progress
from musicldm.listeners.embedders import Floats
from musicldm.novelty.agreement import best_agreement
from musicldm.novelty.calibration import Calibration
from musicldm.novelty.index import NoveltyIndex
from musicldm.novelty.landmarks import Landmarks
from musicldm.novelty.outline import Outline, best_outlined

_BLOCK = 512
_MOST_OF_A_SOURCE = 64


def calibrate(
    index: NoveltyIndex,
    landmarks: Landmarks,
    whole: Floats,
    outlines: list[Outline],
    count: int,
    seed: int,
    listen: Listener,
) -> Calibration:
    """Compares each training clip with the others, but for those of the same file.

    Args:
        index: of them.
        landmarks: its inverted file.
        whole: (n, D) their embeddings.
        outlines: every step of them.
        count: clips that are compared with all others by fingerprint and outline, at most.
        seed: which these are.
        listen: gets progress, in these clips.
    """
    sources: dict[str, list[int]] = {}
    for number, clip in enumerate(index.clips):
        sources.setdefault(clip.source, []).append(number)
    if len(sources) < 2:
        raise DataError("all clips are of one file: an index needs clips of at least 2 to know what is usual")
    chosen = np.random.default_rng(seed).permutation(len(index.clips))[:count].tolist()
    evidence, scores = np.zeros(len(chosen)), np.zeros(len(chosen))
    for row, number in enumerate(chosen):
        same = sources[index.clips[number].source]
        onsets = best_agreement(index.peaks[number], landmarks, index.peaks.__getitem__, same)
        evidence[row] = 0.0 if onsets is None else onsets.evidence
        outline = best_outlined(outlines[number], index.words, index.outlines.__getitem__, same)
        scores[row] = 0.0 if outline is None else outline.score
        listen(Progress(row + 1, len(chosen), "Comparing the training set with itself"))
    return Calibration.of(_nearest_others(index, whole, sources), evidence, scores)


def _nearest_others(index: NoveltyIndex, whole: Floats, sources: dict[str, list[int]]) -> npt.NDArray[np.float64]:
    """The largest cosine (n,) of each clip with one of another file.

    Where the 64 nearest are all of its own file, the cosine of the last of them: no other can be nearer.
    """
    source = np.zeros(len(index.clips), np.int64)
    for number, members in enumerate(sources.values()):
        source[members] = number
    count = min(1 + max(map(len, sources.values())), _MOST_OF_A_SOURCE)
    out = np.zeros(len(whole))
    for start in range(0, len(whole), _BLOCK):
        block = whole[start : start + _BLOCK]
        cosines, numbers = index.nearest_clips(block, count)
        others = source[numbers] != source[start : start + len(block), None]
        others[:, -1] = True
        out[start : start + len(block)] = np.take_along_axis(cosines, others.argmax(axis=1)[:, None], axis=1)[:, 0]
    return out

"""A wave to its outline: a byte every 20 ms that says how the coarse shape of its spectrum moves.

A codec that makes sound anew from coarse mel bands, as a generator's VAE and vocoder do, shifts every partial and
leaves few peaks of the fingerprint in their place. What it keeps is the level of these bands over time. The bits of
the outline are the signs of eight cosines of it, over two thirds of a second and 16 bands. They differ from those of
Haitsma and Kalker (A highly robust audio fingerprinting system, ISMIR 2002), signs of differences between neighbouring
bands and frames, in that they are smoother: they are to survive more than MP3. Two outlines are compared by the bits
in which they agree, and clips that are worth comparing are found by words of two bytes (theirs: of 32 bits).
Conventions: waves are (samples,) float32; outlines are (n,) uint8, those of an index every `KEPT` steps.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musicldm.audio import Wave
from musicldm.audio.mel import MelSpec, log_mel
from musicldm.audio.resampling import resample
from musicldm.novelty.landmarks import Landmarks, inverted, tally, votes

STEPS_PER_SECOND = 50
KEPT = 16
"""Steps from one byte that an index keeps to the next: 0.32 s."""
SHORTEST = 200
"""Steps that must be heard for a comparison: 4 s."""
_SPEC = MelSpec()
_FRAMES = round(_SPEC.sample_rate / _SPEC.hop_length / STEPS_PER_SECOND)
_BANDS = 16
_QUIETEST = 6.0
"""Nats below the mean band of the whole wave at which nothing is told apart any more."""
_SMOOTH = 4
_TAPS = np.arange(-16, 17, 4)
"""Steps around each at which the cosines over time are sampled."""
_ORDERS = ((0, 0), (1, 0), (2, 0), (3, 0), (4, 0), (0, 1), (0, 2), (1, 1))
"""Half waves of each cosine over time and over bands; the first bit is the lowest of these."""
_WORDS = 1 << 16
_JITTER = 3
_USUAL = 6.0
_TOP = 60

Outline = npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Outlined:
    """The clip whose outline agrees most with a query's.

    Args:
        clip: its number.
        offset: step of the clip that the query begins on; negative where the query begins before it.
        score: how far the agreement lies above chance, in standard deviations of as many fair coins, less half of what
            the runner-up's does: what many clips share is style.
        share: of the bits that agree, 0.5 by chance.
    """

    clip: int
    offset: int
    score: float
    share: float


def outline_of(wave: Wave, sample_rate: int = _SPEC.sample_rate) -> Outline:
    """The outline of a wave of any rate, (n,), as it is heard every 20 ms."""
    import torch
    from scipy.ndimage import uniform_filter1d

    if sample_rate != _SPEC.sample_rate:
        wave = resample(wave, sample_rate, _SPEC.sample_rate)
    mel = log_mel(torch.from_numpy(np.ascontiguousarray(wave, np.float32)), _SPEC).numpy()
    mel = np.maximum(mel, np.log(np.exp(mel).mean()) - _QUIETEST)
    steps = len(mel) // _FRAMES
    bands = mel[: steps * _FRAMES].reshape(steps, _FRAMES, _BANDS, -1).mean(axis=(1, 3))
    levels = uniform_filter1d(bands - bands.mean(axis=0), _SMOOTH, axis=0, mode="nearest")
    over, across = np.array(_ORDERS).T
    tilts = levels @ _cosines(_BANDS, int(across.max())).T
    around = tilts[np.clip(np.arange(steps)[:, None] + _TAPS, 0, steps - 1)]
    shapes = np.einsum("ntb,ot->nob", around, _cosines(len(_TAPS), int(over.max())))
    return np.packbits(shapes[:, over, across] > 0, axis=1, bitorder="little")[:, 0]


def _cosines(count: int, highest: int) -> npt.NDArray[np.float32]:
    """(highest + 1, count), of so many half waves over `count` points, from none on (DCT-II)."""
    orders = np.arange(highest + 1)[:, None]
    return np.asarray(np.cos(np.pi * orders * (np.arange(count) + 0.5) / count), np.float32)


def build_words(kept: Sequence[Outline]) -> Landmarks:
    """The inverted file of clips in order, from words of two bytes that follow each other to clips and steps."""
    words = [outline[:-1].astype(np.int64) << 8 | outline[1:] for outline in kept]
    counts = [len(word) for word in words]
    steps = [KEPT * np.arange(count) for count in counts]
    empty = np.zeros(0, np.int64)
    return inverted(
        np.concatenate([*words, empty]),
        np.repeat(np.arange(len(kept)), counts),
        np.concatenate([*steps, empty]),
        _WORDS,
        len(kept),
    )


def best_outlined(
    query: Outline, words: Landmarks, kept_of_clip: Callable[[int], Outline], excluded: Sequence[int] = ()
) -> Outlined | None:
    """The clip and offset where most bits agree; None for a query below 4 s, or where no clip shares a word with it.

    Args:
        query: every step of it.
        words: of the index.
        kept_of_clip: number of a clip to its outline as the index keeps it.
        excluded: clips that do not count.
    """
    if len(query) < SHORTEST:
        return None
    asked = query[:-KEPT].astype(np.int64) << 8 | query[KEPT:]
    clips, offsets, _ = tally(*votes(words, asked, np.arange(len(asked))), words.count, excluded, _TOP)
    best: dict[int, tuple[float, int, float]] = {}
    for clip, voted in zip(clips.tolist(), offsets.tolist(), strict=True):
        kept = kept_of_clip(clip)
        for offset in range(voted - _JITTER, voted + _JITTER + 1):
            deviations, share = agreement(query, kept, offset)
            if deviations > best.get(clip, (0.0, 0, 0.0))[0]:
                best[clip] = deviations, offset, share
    if not best:
        return None
    clip = max(best, key=lambda number: best[number][0])
    deviations, offset, share = best.pop(clip)
    usual = max([_USUAL, *(other[0] for other in best.values())])
    return Outlined(clip, offset, deviations - usual / 2, share)


def agreement(query: Outline, kept: Outline, offset: int) -> tuple[float, float]:
    """Standard deviations above chance, and share, of the bits in which a query and a clip agree.

    Args:
        query: (n,) every step of it.
        kept: (m,) of the clip.
        offset: step of the clip that the query begins on.
    """
    steps = KEPT * np.arange(len(kept)) - offset
    inside = (steps >= 0) & (steps < len(query))
    bits = 8 * int(inside.sum())
    if bits * KEPT < 8 * (SHORTEST - KEPT):
        return 0.0, 0.0
    agreed = bits - int(np.bitwise_count(query[steps[inside]] ^ kept[inside]).sum())
    return float((2 * agreed - bits) / bits**0.5), agreed / bits

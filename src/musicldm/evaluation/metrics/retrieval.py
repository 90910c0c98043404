"""Retrieval: at which rank a clip finds its own prompt among all prompts.

Source: the text-audio retrieval of arXiv 2211.06687, here from sound to text. Conventions: unit embeddings; each
different prompt counts once; rank 1 is best, and prompts as near as the right one go before it; R@k is the share of
clips whose rank is at most k, 0 to 1, higher is better. By chance R@k is k over the number of prompts, so figures over
pools of different sizes cannot be compared.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musicldm.errors import InvalidInputError
from musicldm.evaluation.metrics.clap_score import validated_units
from musicldm.evaluation.metrics.estimate import Estimate, estimate, spread_around

DEPTHS = (1, 5, 10)
FEWEST_PROMPTS = 50
_BLOCK, _RESAMPLES = 256, 1000


@dataclass(frozen=True)
class Retrieval:
    """Recall at each of `DEPTHS` below the number of `prompts`, and the median rank.

    `notes` say what makes them weak: fewer prompts than `FEWEST_PROMPTS`.
    """

    recall: Mapping[int, Estimate]
    median_rank: Estimate
    prompts: int
    notes: tuple[str, ...] = ()


def ranks(sounds: npt.ArrayLike, prompts: npt.ArrayLike, right: Sequence[int]) -> npt.NDArray[np.int64]:
    """Rank (n,) of prompt `right[i]` for sound i.

    Args:
        sounds: unit embeddings (n, D).
        prompts: unit embeddings (m, D) of different prompts.
        right: for each sound the row of its prompt.

    Raises:
        InvalidInputError: embeddings that do not fit each other, or a row that is not there.
    """
    s, p, own = validated_units(sounds), validated_units(prompts), np.asarray(right, dtype=np.int64)
    if s.shape[1] != p.shape[1] or own.shape != (len(s),) or not ((own >= 0) & (own < len(p))).all():
        raise InvalidInputError(f"sounds {s.shape}, prompts {p.shape}, {own.size} right ones: they do not fit together")
    found = np.zeros(len(s), np.int64)
    for start in range(0, len(s), _BLOCK):
        cosine = s[start : start + _BLOCK] @ p.T
        mine = cosine[np.arange(len(cosine)), own[start : start + _BLOCK]]
        found[start : start + _BLOCK] = (cosine >= mine[:, None]).sum(axis=1)
    return found


def retrieval(sounds: npt.ArrayLike, prompts: npt.ArrayLike, right: Sequence[int], *, seed: int = 0) -> Retrieval:
    """Recalls and median rank with their intervals over clips.

    Raises:
        InvalidInputError: fewer than two prompts, and see `ranks`.
    """
    found, pool = ranks(sounds, prompts, right), len(np.asarray(prompts))
    if pool < 2 or not len(found):
        raise InvalidInputError(f"{len(found)} clips and {pool} different prompts: retrieval needs two prompts")
    recall = {k: estimate((found <= k).tolist(), seed) for k in DEPTHS if k < pool}
    rng = np.random.default_rng(seed)
    draws = [np.median(found[rng.integers(0, len(found), len(found))]) for _ in range(_RESAMPLES)]
    median = spread_around(float(np.median(found)), draws, len(found), (1, pool))
    return Retrieval({k: value for k, value in recall.items() if value is not None}, median, pool, _notes_on_few(pool))


def _notes_on_few(prompts: int) -> tuple[str, ...]:
    if prompts >= FEWEST_PROMPTS:
        return ()
    return (
        f"retrieval: {prompts} different prompts to choose from: {FEWEST_PROMPTS} are needed for a figure to compare",
    )

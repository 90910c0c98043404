"""Inception score: how surely a classifier hears one class in each clip, and how many classes in all.

Source: Salimans et al. (arXiv 1606.03498), section 4. Conventions: probabilities (n, K); exp of the mean
KL(p(y|x) ‖ p(y)), p(y) being the mean of the split; with several splits, the mean of their scores. From 1 (all clips
alike, or nothing known) to K, higher is better. It never looks at a reference, and a classifier that is sure of noise
gives noise a high one. With fewer than some ten clips a class p(y) is not known, and the score falls short.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musicldm.errors import InvalidInputError
from musicldm.evaluation.metrics.divergence import validated_classes
from musicldm.evaluation.metrics.estimate import Estimate, spread_around

RESAMPLES = 500
_CLIPS_A_CLASS = 10


@dataclass(frozen=True)
class Inception:
    """The score, over how many splits it is the mean, and what makes it weak: fewer than ten clips a class."""

    score: Estimate
    splits: int
    notes: tuple[str, ...] = ()


def inception_score(probabilities: npt.ArrayLike, splits: int = 1) -> float:
    """Mean score of `splits` runs of clips of (nearly) equal length.

    Raises:
        InvalidInputError: rows that are no probabilities, or more splits than clips.
    """
    table = validated_classes(probabilities)
    if not 1 <= splits <= len(table):
        raise InvalidInputError(f"{splits} splits of {len(table)} clips: valid is 1 to the number of clips")
    return float(np.mean([_score(part) for part in np.array_split(table, splits)]))


def inception(probabilities: npt.ArrayLike, *, splits: int = 1, seed: int = 0) -> Inception:
    """The score with its interval; clips are dealt to the splits by `seed`.

    Raises:
        InvalidInputError: see `inception_score`.
    """
    table = validated_classes(probabilities)
    rng = np.random.default_rng(seed)
    dealt = table[rng.permutation(len(table))] if splits > 1 else table
    value = inception_score(dealt, splits)
    n = len(table)
    draws = [inception_score(dealt[rng.integers(0, n, n)], splits) for _ in range(RESAMPLES)]
    return Inception(
        spread_around(value, draws, n, (1, table.shape[1])), splits, _notes_on_few(n, table.shape[1], splits)
    )


def _notes_on_few(clips: int, classes: int, splits: int) -> tuple[str, ...]:
    needed = _CLIPS_A_CLASS * classes * splits
    if clips >= needed:
        return ()
    return (f"inception score: {clips} clips for {classes} classes in {splits} split(s): some {needed} are needed",)


def _score(table: npt.NDArray[np.float64]) -> float:
    """exp(H(y) − H(y|x)), which is the same as the mean divergence."""
    return float(np.exp(_entropy(table.mean(axis=0)[None])[0] - _entropy(table).mean()))


def _entropy(table: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Of each row (n, K), in nats."""
    return np.asarray(-(table * np.log(np.where(table > 0, table, 1))).sum(axis=1))

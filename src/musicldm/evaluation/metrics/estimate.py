"""A mean, a share or another statistic of clips, with its confidence interval.

Source: the percentile bootstrap (Efron 1979). Conventions: 95 % intervals over clips; yes/no outcomes count 1 and 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musicldm.errors import InvalidInputError

RESAMPLES = 4000
_TAILS = (2.5, 97.5)


@dataclass(frozen=True)
class Estimate:
    """A mean (or another statistic) of n values and its 95 % confidence interval."""

    mean: float
    low: float
    high: float
    n: int


def estimate(values: Sequence[float] | Sequence[bool], seed: int = 0, *, at_once: int = 1 << 20) -> Estimate | None:
    """Mean of values (yes/no outcomes count 1 and 0) with its interval; None where there are none.

    Args:
        values: of the clips.
        seed: of the resamples.
        at_once: numbers that are drawn at once, so that memory does not grow with n; does not change the result.

    Raises:
        InvalidInputError: values that are not finite.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.size == 0:
        return None
    if table.ndim != 1 or not np.isfinite(table).all():
        raise InvalidInputError(f"values of shape {table.shape}: an estimate needs a list of finite numbers")
    rng = np.random.default_rng(seed)
    size = max(1, at_once // len(table))
    counts = [min(size, RESAMPLES - start) for start in range(0, RESAMPLES, size)]
    means = [table[rng.integers(0, len(table), (count, len(table)))].mean(axis=1) for count in counts]
    low, high = np.percentile(np.concatenate(means), _TAILS)
    return Estimate(float(table.mean()), float(low), float(high), len(table))


def spread_around(
    value: float, draws: npt.ArrayLike, n: int, valid: tuple[float, float] = (-np.inf, np.inf)
) -> Estimate:
    """A statistic of n clips that is no mean, with the spread of its resampled values.

    Such a statistic (a Fréchet distance, an inception score) has a bias that grows as fewer different clips go in, and
    a resample holds fewer: its values lie on one side. So their distances from their mean are laid around the value,
    within the range that is `valid`.
    """
    table = np.asarray(draws, dtype=np.float64)
    low, high = (value + np.percentile(table - table.mean(), _TAILS)).clip(*valid)
    return Estimate(value, float(low), float(high), n)


def difference(values: Sequence[float], baseline: Sequence[float], seed: int = 0) -> Estimate | None:
    """Mean of `values - baseline`, pair by pair.

    Raises:
        InvalidInputError: different numbers of values.
    """
    if len(values) != len(baseline):
        raise InvalidInputError(f"{len(values)} values and {len(baseline)} to compare with: pairs need equally many")
    return estimate((np.asarray(values, dtype=np.float64) - np.asarray(baseline, dtype=np.float64)).tolist(), seed)

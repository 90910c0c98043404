"""Shares of yes/no outcomes and differences of paired ones, with bootstrap confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from musicldm.errors import InvalidInputError

RESAMPLES = 4000
_TAILS = (2.5, 97.5)


@dataclass(frozen=True)
class Estimate:
    """A mean of n values and its 95 % confidence interval (percentile bootstrap, Efron 1979)."""

    mean: float
    low: float
    high: float
    n: int


def estimate(values: Sequence[float] | Sequence[bool], seed: int = 0) -> Estimate | None:
    """Mean of values (yes/no outcomes count 1 and 0) with its interval; None where there are none.

    Raises:
        InvalidInputError: values that are not finite.
    """
    table = np.asarray(values, dtype=np.float64)
    if table.size == 0:
        return None
    if table.ndim != 1 or not np.isfinite(table).all():
        raise InvalidInputError(f"values of shape {table.shape}: an estimate needs a list of finite numbers")
    drawn = np.random.default_rng(seed).integers(0, len(table), (RESAMPLES, len(table)))
    low, high = np.percentile(table[drawn].mean(axis=1), _TAILS)
    return Estimate(float(table.mean()), float(low), float(high), len(table))


def difference(values: Sequence[float], baseline: Sequence[float], seed: int = 0) -> Estimate | None:
    """Mean of `values - baseline`, pair by pair.

    Raises:
        InvalidInputError: different numbers of values.
    """
    if len(values) != len(baseline):
        raise InvalidInputError(f"{len(values)} values and {len(baseline)} to compare with: pairs need equally many")
    return estimate((np.asarray(values, dtype=np.float64) - np.asarray(baseline, dtype=np.float64)).tolist(), seed)

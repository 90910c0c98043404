"""Tempo accuracy: whether a tempo is the named one.

Source: Gouyon et al. (IEEE TASLP 14(5), 2006). Conventions: tempi in beats a minute (BPM); a tempo is met within 4 %
of the named one (their accuracy 1); folded (their accuracy 2) also of its half, double, two thirds or three halves.
Errors are relative, 0 for the named tempo, lower is better.
"""

from __future__ import annotations

import numpy as np

from musicldm.errors import InvalidInputError

TOLERANCE = 0.04
FOLDS = (1.0, 0.5, 2.0, 2 / 3, 3 / 2)


def tempo_error(estimated: float, named: float, *, folded: bool = False) -> float:
    """Relative distance |estimated / named − 1|, of the nearest of `FOLDS` when `folded`.

    Raises:
        InvalidInputError: a tempo that is not a positive number.
    """
    for name, value in (("estimated", estimated), ("named", named)):
        if not (np.isfinite(value) and value > 0):
            raise InvalidInputError(f"{name} tempo is {value}: it must be above 0 BPM")
    folds = FOLDS if folded else FOLDS[:1]
    return min(abs(estimated / (named * fold) - 1) for fold in folds)


def tempo_met(estimated: float, named: float, *, folded: bool = False) -> bool:
    """Whether a tempo is within `TOLERANCE` of the named one."""
    return tempo_error(estimated, named, folded=folded) <= TOLERANCE

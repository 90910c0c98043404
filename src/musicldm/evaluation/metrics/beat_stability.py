"""Beat stability: how evenly beats follow each other.

Source: the coefficient of variation of inter-beat intervals, as in studies of timing; the share of steady intervals
has the tolerance of tempo accuracy (`metrics.tempo`). Conventions: ascending beat times in seconds, at least four.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musicldm.errors import InvalidInputError
from musicldm.evaluation.metrics.tempo import TOLERANCE


@dataclass(frozen=True)
class BeatStability:
    """How evenly beats follow each other.

    Attributes:
        variation: deviation of the distances between neighbouring beats over their mean (coefficient of variation), 0
            and up, 0 is a machine; a missed or doubled beat counts as heavily as it is off.
        steady: share (0 to 1) of the distances within `TOLERANCE` of their median.
        drift: tempo of the second half over that of the first, minus 1; above 0 it gets faster.
        beats: how many beats there are.
    """

    variation: float
    steady: float
    drift: float
    beats: int


def beat_stability(beats: npt.ArrayLike) -> BeatStability | None:
    """Stability of ascending beat times in seconds, such as a `BeatTracker` gives; None with fewer than four beats.

    Raises:
        InvalidInputError: times that do not ascend, or that are not finite.
    """
    times = np.asarray(beats, dtype=np.float64)
    gaps = np.diff(times)
    if times.ndim != 1 or not np.isfinite(times).all() or not (gaps > 0).all():
        raise InvalidInputError(f"beats of shape {times.shape}: ascending times in seconds are needed")
    if len(gaps) < 3:
        return None
    half = len(gaps) // 2
    return BeatStability(
        variation=float(gaps.std() / gaps.mean()),
        steady=float(np.mean(np.abs(gaps / np.median(gaps) - 1) <= TOLERANCE)),
        drift=float(np.median(gaps[:half]) / np.median(gaps[-half:]) - 1),
        beats=len(times),
    )

"""SIM_AA: how near generations come to the nearest training clip.

Source: arXiv 2308.01546 (SIM_AA@90, SIM_AA@95). Conventions: unit embeddings of whole clips; the similarity of a
generation is its largest cosine with any training clip, −1 to 1; SIM_AA@t is the share of generations whose similarity
is above t, 0 to 1, lower is more novel. The same threshold means something else in another CLAP: the similarity of
clips that nobody generated (a reference that was not trained on) is what to compare with.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musicldm.errors import InvalidInputError
from musicldm.evaluation.metrics.clap_score import validated_units
from musicldm.evaluation.metrics.estimate import Estimate, estimate

THRESHOLDS = (0.90, 0.95)
_BLOCK = 1024


@dataclass(frozen=True)
class Nearest:
    """For each of n generations the largest cosine (n,) and the number of that training clip (n,), of `clips`."""

    similarity: npt.NDArray[np.float64]
    index: npt.NDArray[np.int64]
    clips: int

    def share_above(self, threshold: float) -> Estimate | None:
        """SIM_AA@threshold."""
        return estimate((self.similarity > threshold).tolist())

    def mean(self) -> Estimate | None:
        """Mean similarity."""
        return estimate(self.similarity.tolist())


def nearest(generated: npt.ArrayLike, training: Iterable[npt.ArrayLike]) -> Nearest:
    """The nearest training clips; memory does not grow with the training set.

    Args:
        generated: unit embeddings (n, D).
        training: blocks of unit embeddings (m, D), of any sizes, one after the other.

    Raises:
        InvalidInputError: no training clip, other widths, or embeddings that are not of unit norm.
    """
    table = validated_units(generated)
    best, index, clips = np.full(len(table), -np.inf), np.zeros(len(table), np.int64), 0
    for block in training:
        units = validated_units(block)
        if units.shape[1] != table.shape[1]:
            raise InvalidInputError(f"embeddings of {table.shape[1]} and {units.shape[1]} numbers cannot be compared")
        for start in range(0, len(units), _BLOCK):
            cosine = table @ units[start : start + _BLOCK].T
            place = cosine.argmax(axis=1)
            value = cosine[np.arange(len(table)), place]
            better = value > best
            best[better], index[better] = value[better], (clips + start + place)[better]
        clips += len(units)
    if not clips:
        raise InvalidInputError("there is no training clip to compare with")
    return Nearest(best.clip(-1, 1), index, clips)

"""Paired Kullback-Leibler divergence of what a classifier hears in a reference and in a generation.

Source: as in the evaluation of AudioLDM and MusicLDM (audioldm_eval, `kullback_leibler_divergence_softmax`).
Conventions: rows are class probabilities (n, K) that add to 1, row i of both from the same prompt; the direction is
KL(reference ‖ generated) = Σ r (ln r − ln(g + ε)), ε = 1e-6, mean over pairs. Unit: nats; 0 for equal rows, lower is
better, at most about 13.8 by ε.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from musicldm.errors import InvalidInputError
from musicldm.evaluation.metrics.estimate import Estimate, estimate

EPSILON = 1e-6


def paired_divergence(
    generated: npt.ArrayLike, reference: npt.ArrayLike, *, epsilon: float = EPSILON
) -> npt.NDArray[np.float64]:
    """KL(reference ‖ generated) in nats of each pair, (n,).

    Raises:
        InvalidInputError: rows that are no probabilities, or sets of different shapes.
    """
    g, r = validated_classes(generated), validated_classes(reference)
    if g.shape != r.shape:
        raise InvalidInputError(f"class probabilities of shapes {g.shape} and {r.shape}: pairs need the same")
    terms = np.where(r > 0, r * (np.log(np.where(r > 0, r, 1)) - np.log(g + epsilon)), 0)
    return np.asarray(terms.sum(axis=1))


def divergence(generated: npt.ArrayLike, reference: npt.ArrayLike, *, seed: int = 0) -> Estimate | None:
    """Mean of `paired_divergence`, with its interval over pairs; None where there are none."""
    return estimate(paired_divergence(generated, reference).tolist(), seed)


def validated_classes(probabilities: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Class probabilities (n, K) as doubles.

    Raises:
        InvalidInputError: another shape, negative values, or rows that do not add to 1.
    """
    table = np.asarray(probabilities, dtype=np.float64)
    if table.ndim != 2 or table.shape[1] < 2:
        raise InvalidInputError(f"class probabilities of shape {table.shape}: (n, classes) with 2 or more is needed")
    if not (table >= 0).all() or not np.allclose(table.sum(axis=1), 1, atol=1e-3):
        raise InvalidInputError("class probabilities must not be negative, and each row must add to 1")
    return table

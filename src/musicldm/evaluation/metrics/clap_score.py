"""CLAP score: how near a clip is to its prompt in an embedding of texts and sounds.

Source: the "text-audio similarity" of arXiv 2308.01546; CLAP is arXiv 2211.06687. Conventions: unit embeddings
(n, D), row i of both from one clip; cosine, −1 to 1, higher is better. Its size means nothing by itself and differs
from CLAP to CLAP: beside it stands the cosine with other clips' prompts, and what tells is the gap between the two.
A model that was trained towards a CLAP scores well in that CLAP.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musicldm.errors import InvalidInputError
from musicldm.evaluation.metrics.estimate import Estimate, estimate

_UNIT = 1e-2


@dataclass(frozen=True)
class ClapScore:
    """Mean cosine with the own prompt, and with the prompts of other clips (None with a single prompt)."""

    own: Estimate
    others: Estimate | None


def cosines(texts: npt.ArrayLike, sounds: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Cosine of each row's text and sound, (n,).

    Raises:
        InvalidInputError: sets of different shapes, or embeddings that are not of unit norm.
    """
    t, s = validated_units(texts), validated_units(sounds)
    if t.shape != s.shape:
        raise InvalidInputError(f"embeddings of shapes {t.shape} and {s.shape}: texts and sounds must pair")
    return np.asarray((t * s).sum(axis=1))


def clap_score(texts: npt.ArrayLike, sounds: npt.ArrayLike, *, seed: int = 0) -> ClapScore:
    """Scores of at least one clip.

    Raises:
        InvalidInputError: no clip, and see `cosines`.
    """
    own = estimate(cosines(texts, sounds).tolist(), seed)
    if own is None:
        raise InvalidInputError("a CLAP score needs at least one clip with a prompt")
    t, s = validated_units(texts), validated_units(sounds)
    unique, which = np.unique(t, axis=0, return_inverse=True)
    if len(unique) == 1:
        return ClapScore(own, None)
    total, rest = s @ unique.sum(axis=0), (s * unique[which.ravel()]).sum(axis=1)
    return ClapScore(own, estimate(((total - rest) / (len(unique) - 1)).tolist(), seed))


def validated_units(embeddings: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Unit embeddings (n, D) as doubles of exactly unit norm.

    Raises:
        InvalidInputError: another shape, or a norm more than a hundredth off 1.
    """
    table = np.asarray(embeddings, dtype=np.float64)
    norms = np.linalg.norm(table, axis=-1, keepdims=True) if table.ndim == 2 else np.zeros(0)
    if table.ndim != 2 or not (np.abs(norms - 1) < _UNIT).all():
        raise InvalidInputError(f"embeddings of shape {table.shape}: (n, width) of unit norm is needed")
    return np.asarray(table / norms)

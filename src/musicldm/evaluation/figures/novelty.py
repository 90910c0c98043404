"""How new clips are: how near they come to the training set, beside the same of music that was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from musicldm.evaluation.collection import Collection
from musicldm.evaluation.figures.figure import Baseline, Figure, mean_figure
from musicldm.evaluation.metrics.similarity import THRESHOLDS, Nearest
from musicldm.listeners.embedders import Floats
from musicldm.novelty.calibration import Calibration

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def nearest_of_both(
    generated: Collection, reference: Collection | None, search: Callable[[Floats], Nearest], embedder: str
) -> tuple[Nearest, Nearest]:
    """The nearest training clips of generated clips and of a reference (none without one), in one search.

    Args:
        generated: what is asked about.
        reference: other music, None for none.
        search: unit embeddings (n, D) to the nearest training clips.
        embedder: name under which the embeddings are kept.
    """
    mine = generated.embeddings(embedder)
    others = mine[:0] if reference is None else reference.embeddings(embedder)
    both = search(np.concatenate([mine, others]))
    return (
        Nearest(both.similarity[: len(mine)], both.index[: len(mine)], both.clips),
        Nearest(both.similarity[len(mine) :], both.index[len(mine) :], both.clips),
    )


def similarity_figures(near: Nearest, real: Nearest, by: str) -> Iterator[Figure]:
    """SIM_AA@90 and @95, and the mean similarity with its distribution.

    Args:
        near: of generated clips.
        real: of the reference's, possibly none.
        by: the embedder.
    """
    note = f"nearest of {near.clips} training clips"
    for threshold in THRESHOLDS:
        share, beside = near.share_above(threshold), real.share_above(threshold)
        assert share is not None
        value, what = (beside.mean, "reference") if beside else (None, "")
        yield Figure("novelty", f"SIM_AA@{100 * threshold:.0f}", share, "lower", by, "", value, what, note)
    quantiles = ", ".join(f"{100 * q:.0f} % {np.quantile(near.similarity, q):.3f}" for q in _QUANTILES)
    yield from mean_figure(
        "novelty",
        "similarity to the nearest",
        near.similarity.tolist(),
        Baseline.mean(real.similarity.tolist()),
        better="lower",
        by=by,
        note=f"quantiles: {quantiles}",
    )


def percentile_figures(near: Nearest, real: Nearest, usual: Calibration, by: str) -> Iterator[Figure]:
    """Where the similarities lie among those of training clips with each other: 50 and 5 per cent are usual.

    Args:
        near: of generated clips.
        real: of the reference's, possibly none.
        usual: what training clips have in common with each other.
        by: the embedder.
    """
    note = f"among {usual.clips} training clips and their nearest others"
    for metric, unit, of in (
        ("percentile of the similarity", "%", usual.percentile),
        ("nearer than 19 in 20 training clips", "", lambda cosine: float(cosine > usual.close)),
    ):
        values, theirs = ([of(cosine) for cosine in side.similarity] for side in (near, real))
        yield from mean_figure(
            "novelty", metric, values, Baseline.mean(theirs), better="lower", by=by, unit=unit, note=note
        )

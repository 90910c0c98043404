"""Generated clips beside other clips: distances from a reference, and nearness to the training set."""

from __future__ import annotations

import posixpath
import warnings
from collections.abc import Callable, Iterator

import numpy as np

from musicldm.evaluation.metrics.divergence import divergence
from musicldm.evaluation.metrics.frechet import Gaussian, frechet
from musicldm.evaluation.metrics.similarity import THRESHOLDS, Nearest
from musicldm.evaluation.report.figures import Collection, Figure, mean_figure
from musicldm.listeners.embedders import Floats
from musicldm.novelty.calibration import Calibration

_QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def distance_figures(generated: Collection, reference: Collection, embedder: str, by: str) -> list[Figure]:
    """Fréchet distance and its extrapolation, in one embedder; nothing where either side has a single clip."""
    if min(len(generated.heard), len(reference.heard)) < 2:
        warnings.warn("Fréchet distance: 2 clips on each side are needed", UserWarning, stacklevel=2)
        return []
    rows, clips = generated.rows(embedder)
    known, _ = reference.rows(embedder)
    found = frechet(rows, Gaussian.of(known), clips)
    of = f"{len(rows)} and {len(known)} embeddings of {rows.shape[1]} numbers"
    figures = [
        Figure(
            "quality", "Fréchet distance (FAD)", found.distance, "lower", by, note=f"{of}; {found.resamples} resamples"
        )
    ]
    if found.infinite is not None:
        note = f"straight line in 1/n explains {found.fit:.2f} of the variance"
        figures.append(Figure("quality", "FAD∞", found.infinite, "lower", by, note=note))
    return figures


def divergence_figures(generated: Collection, reference: Collection, embedder: str, by: str) -> list[Figure]:
    """KL of pairs that have the same name in both folders, endings aside."""
    pairs = pairs_by_name(generated, reference)
    if not pairs:
        warnings.warn(
            f"KL: no file of {reference.folder} has the name of a generated one, and pairs are found by name",
            UserWarning,
            stacklevel=2,
        )
        return []
    mine, theirs = np.array(pairs).T
    found = divergence(generated.classes(embedder)[mine], reference.classes(embedder)[theirs])
    assert found is not None
    classes = generated.classes(embedder).shape[1]
    note = f"KL(reference ‖ generated), pairs by name, {classes} classes"
    return [Figure("quality", "KL", found, "lower", by, "nats", note=note)]


def pairs_by_name(generated: Collection, reference: Collection) -> list[tuple[int, int]]:
    """Numbers of the clips of both that have the same path, endings aside; the same name where that is unique."""
    mine, theirs = ([one.piece.stem for one in clips.heard] for clips in (generated, reference))
    short = [[posixpath.basename(stem) for stem in stems] for stems in (mine, theirs)]
    if all(len(set(names)) == len(names) for names in short):
        mine, theirs = short
    places = {name: place for place, name in enumerate(theirs)}
    return [(number, places[name]) for number, name in enumerate(mine) if name in places]


def novelty(
    generated: Collection,
    reference: Collection | None,
    find: Callable[[Floats], Nearest],
    embedder: str,
    by: str,
    usual: Calibration | None = None,
) -> tuple[list[Figure], Nearest]:
    """SIM_AA@90 and @95 with the distribution, beside the same of a reference that was not trained on.

    Args:
        generated: what is asked about.
        reference: other music, None for none.
        find: unit embeddings (n, D) to the nearest training clips.
        embedder: whose embeddings.
        by: who that is.
        usual: what training clips have in common with each other, where that is known.
    """
    mine = generated.embeddings(embedder)
    others = mine[:0] if reference is None else reference.embeddings(embedder)
    both = find(np.concatenate([mine, others]))
    near = Nearest(both.similarity[: len(mine)], both.index[: len(mine)], both.clips)
    real = Nearest(both.similarity[len(mine) :], both.index[len(mine) :], both.clips)
    figures = list(_novelty_figures(near, real, by))
    return figures + (list(_percentile_figures(near, real, usual, by)) if usual is not None else []), near


def _percentile_figures(near: Nearest, real: Nearest, usual: Calibration, by: str) -> Iterator[Figure]:
    """Where the similarities lie among those of training clips with each other: 50 and 5 per cent are usual."""
    for metric, unit, of in (
        ("percentile of the similarity", "%", usual.percentile),
        ("nearer than 19 in 20 training clips", "", lambda cosine: float(cosine > usual.close)),
    ):
        values, beside = ([of(cosine) for cosine in one.similarity] for one in (near, real))
        note = f"among {usual.clips} training clips and their nearest others"
        mean, what = (float(np.mean(beside)), "reference") if beside else (None, "")
        yield from mean_figure(
            "novelty", metric, values, better="lower", by=by, unit=unit, beside=mean, beside_what=what, note=note
        )


def _novelty_figures(near: Nearest, real: Nearest, by: str) -> Iterator[Figure]:
    note = f"nearest of {near.clips} training clips"
    for threshold in THRESHOLDS:
        found, beside = near.share_above(threshold), real.share_above(threshold)
        assert found is not None
        value, what = (beside.mean, "reference") if beside else (None, "")
        yield Figure("novelty", f"SIM_AA@{100 * threshold:.0f}", found, "lower", by, "", value, what, note)
    quantiles = ", ".join(f"{100 * q:.0f} % {np.quantile(near.similarity, q):.3f}" for q in _QUANTILES)
    mean = real.mean()
    yield from mean_figure(
        "novelty",
        "similarity to the nearest",
        near.similarity.tolist(),
        better="lower",
        by=by,
        beside=mean.mean if mean else None,
        beside_what="reference" if mean else "",
        note=f"quantiles: {quantiles}",
    )

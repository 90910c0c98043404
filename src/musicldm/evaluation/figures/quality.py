"""How good clips are: distances from a reference, how varied they are, how many are judged clean."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from musicldm.evaluation.collection import Collection, pairs_by_name
from musicldm.evaluation.figures.figure import Baseline, Figure, mean_figure
from musicldm.evaluation.metrics.divergence import divergence
from musicldm.evaluation.metrics.frechet import Gaussian, frechet
from musicldm.evaluation.metrics.inception import inception
from musicldm.events import Note
from musicldm.listeners.embedders import Embedder

CLEAN = "clean"
SPLITS, _CLIPS_FOR_SPLITS = 10, 1000


def embedder_figures(
    generated: Collection, reference: Collection | None, embedders: Mapping[str, Embedder]
) -> Iterator[Figure | Note]:
    """All that embedders and their classes tell without prompts, embedder by embedder."""
    for name, embedder in embedders.items():
        by = embedder.identity.name
        if reference is not None:
            yield from distance_figures(generated, reference, name, by)
        if embedder.classes is not None:
            if reference is not None:
                yield from divergence_figures(generated, reference, name, by)
            yield from variety_figures(generated, name, by)


def distance_figures(generated: Collection, reference: Collection, embedder: str, by: str) -> Iterator[Figure | Note]:
    """Fréchet distance and its extrapolation, in one embedder; only a note where either side has a single clip."""
    if min(len(generated.clips), len(reference.clips)) < 2:
        yield Note("Fréchet distance: 2 clips on each side are needed")
        return
    rows, clips = generated.rows(embedder)
    known, _ = reference.rows(embedder)
    result = frechet(rows, Gaussian.of(known), clips)
    yield from map(Note, result.notes)
    note = f"{len(rows)} and {len(known)} embeddings of {rows.shape[1]} numbers; {result.resamples} resamples"
    yield Figure("quality", "Fréchet distance (FAD)", result.distance, "lower", by, note=note)
    if result.infinite is not None:
        note = f"straight line in 1/n explains {result.fit:.2f} of the variance"
        yield Figure("quality", "FAD∞", result.infinite, "lower", by, note=note)


def divergence_figures(generated: Collection, reference: Collection, embedder: str, by: str) -> Iterator[Figure | Note]:
    """KL of pairs that have the same name in both folders, endings aside; only a note where there are none."""
    pairs = pairs_by_name(generated, reference)
    if not pairs:
        yield Note(f"KL: no file of {reference.folder} has the name of a generated one, and pairs are found by name")
        return
    mine, theirs = np.array(pairs).T
    mean = divergence(generated.classes(embedder)[mine], reference.classes(embedder)[theirs])
    assert mean is not None
    classes = generated.classes(embedder).shape[1]
    note = f"KL(reference ‖ generated), pairs by name, {classes} classes"
    yield Figure("quality", "KL", mean, "lower", by, "nats", note=note)


def variety_figures(generated: Collection, embedder: str, by: str) -> Iterator[Figure | Note]:
    """Inception score over an embedder's classes; in ten splits, as published, from 1,000 clips on."""
    splits = SPLITS if len(generated.clips) >= _CLIPS_FOR_SPLITS else 1
    classes = generated.classes(embedder)
    result = inception(classes, splits=splits)
    yield from map(Note, result.notes)
    note = f"{classes.shape[1]} classes, {splits} split{'s' if splits > 1 else ''}"
    yield Figure("quality", "inception score", result.score, "higher", by, note=note)


def clean_figure(generated: Collection, reference: Collection | None, by: str) -> Iterator[Figure]:
    """Share of clips that the judges call clean."""
    mine, theirs = (
        [clip.verdict["quality"] == CLEAN for clip in (folder.clips if folder else ())]
        for folder in (generated, reference)
    )
    yield from mean_figure("quality", "judged clean", mine, Baseline.mean(theirs), better="higher", by=by)

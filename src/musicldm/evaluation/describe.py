"""What clips are by themselves: how varied, how steady in beat, and what can be measured of the wave."""

from __future__ import annotations

from collections.abc import Iterator

from musicldm.evaluation.metrics.inception import inception
from musicldm.evaluation.metrics.shares import estimate
from musicldm.evaluation.report.figures import Better, Collection, Figure, mean_figure

SPLITS, _CLIPS_FOR_SPLITS = 10, 1000
_SIGNAL: tuple[tuple[str, str, str, float], ...] = (
    ("loudness", "loudness", "LUFS", 1),
    ("peak", "peak", "dB", 1),
    ("silence", "silent share", "%", 100),
    ("clipping", "clipped share", "%", 100),
    ("bandwidth", "bandwidth", "Hz", 1),
    ("key_clarity", "key clarity", "", 1),
)
_STABILITY: tuple[tuple[str, str, str, float, Better], ...] = (
    ("variation", "variation of beat distances", "%", 100, "lower"),
    ("steady", "beat distances within 4 %", "%", 100, "higher"),
    ("drift", "tempo drift", "%", 100, ""),
)


def variety_figures(generated: Collection, embedder: str, by: str) -> list[Figure]:
    """Inception score over an embedder's classes; in ten splits, as published, from 1,000 clips on."""
    splits = SPLITS if len(generated.heard) >= _CLIPS_FOR_SPLITS else 1
    classes = generated.classes(embedder)
    found = inception(classes, splits=splits)
    note = f"{classes.shape[1]} classes, {splits} split{'s' if splits > 1 else ''}"
    return [Figure("quality", "inception score", found.score, "higher", by, note=note)]


def stability_figures(generated: Collection, reference: Collection | None, by: str) -> Iterator[Figure]:
    """How even beats are, of the clips in which at least four are heard."""
    for attribute, metric, unit, scale, better in _STABILITY:
        mine, theirs = (
            [scale * getattr(one.stability, attribute) for one in clips.heard if one.stability is not None]
            for clips in (generated, reference or Collection(generated.folder, ()))
        )
        beside = estimate(theirs)
        yield from mean_figure(
            "rhythm",
            metric,
            mine,
            better=better,
            by=by,
            unit=unit,
            beside=beside.mean if beside else None,
            beside_what="reference" if beside else "",
        )


def sound_figures(generated: Collection, reference: Collection | None) -> Iterator[Figure]:
    """Means of the signal measures, beside the reference's."""
    for attribute, metric, unit, scale in _SIGNAL:
        mine, theirs = (
            [scale * getattr(one.signal, attribute) for one in clips.heard if one.signal is not None]
            for clips in (generated, reference or Collection(generated.folder, ()))
        )
        beside = next((figure.estimate for figure in mean_figure("sound", metric, theirs)), None)
        yield from mean_figure(
            "sound",
            metric,
            mine,
            unit=unit,
            beside=beside.mean if beside else None,
            beside_what="reference" if beside else "",
        )

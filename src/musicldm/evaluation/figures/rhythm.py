"""How steady clips are, and whether their tempo is the one that is asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np

from musicldm.evaluation.collection import Collection
from musicldm.evaluation.figures.figure import Baseline, Better, Figure, mean_figure
from musicldm.evaluation.metrics.tempo import tempo_error, tempo_met

_FOLDINGS = (("", False), (", octaves folded", True))
_STABILITY: tuple[tuple[str, str, str, float, Better], ...] = (
    ("variation", "variation of beat distances", "%", 100, "lower"),
    ("steady", "beat distances within 4 %", "%", 100, "higher"),
    ("drift", "tempo drift", "%", 100, ""),
)


def tempo_figures(
    generated: Collection, reference: Collection | None, attribute: Literal["tempo", "tracked"], by: str
) -> Iterator[Figure]:
    """Tempo against the named one, where one is named; a clip without a tempo is a miss.

    Beside it the same of a reference whose tempi are known: what this way of measuring gives on real music.

    Args:
        generated: the clips.
        reference: real music; None for none.
        attribute: which estimate: "tempo" by librosa, or "tracked" by the beat tracker.
        by: who that is.
    """
    mine, theirs = _tempi(generated, attribute), _tempi(reference, attribute)
    for suffix, folded in _FOLDINGS:
        met, real = (
            [math.isfinite(bpm) and tempo_met(bpm, asked, folded=folded) for bpm, asked in pairs]
            for pairs in (mine, theirs)
        )
        yield from mean_figure("rhythm", f"tempo within 4 %{suffix}", met, Baseline.mean(real), better="higher", by=by)
    for suffix, folded in _FOLDINGS:
        errors, real_errors = (
            [100 * tempo_error(bpm, asked, folded=folded) for bpm, asked in pairs if math.isfinite(bpm)]
            for pairs in (mine, theirs)
        )
        note = f"median {np.median(errors):.2f} %" if errors else ""
        beside = Baseline.mean(real_errors)
        yield from mean_figure(
            "rhythm", f"tempo error{suffix}", errors, beside, better="lower", by=by, unit="%", note=note
        )


def _tempi(collection: Collection | None, attribute: Literal["tempo", "tracked"]) -> list[tuple[float, float]]:
    """Estimated (nan where there is none) and asked tempo in BPM of the clips for which a tempo is named."""
    clips = () if collection is None else collection.clips
    pairs = [(clip.tempo if attribute == "tempo" else clip.tracked, clip.bpm) for clip in clips]
    return [(bpm, asked) for bpm, asked in pairs if bpm is not None and asked]


def stability_figures(generated: Collection, reference: Collection | None, by: str) -> Iterator[Figure]:
    """How even beats are, of the clips with at least four."""
    for attribute, metric, unit, scale, better in _STABILITY:
        mine, theirs = (
            [scale * getattr(clip.stability, attribute) for clip in folder.clips if clip.stability is not None]
            for folder in (generated, reference or Collection(generated.folder, ()))
        )
        yield from mean_figure("rhythm", metric, mine, Baseline.mean(theirs), better=better, by=by, unit=unit)

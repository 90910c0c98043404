"""What can be measured of the waves themselves: level, silence, clipping, bandwidth, key."""

from __future__ import annotations

from collections.abc import Iterator

from musicldm.evaluation.collection import Collection
from musicldm.evaluation.figures.figure import Baseline, Figure, mean_figure

_SIGNAL: tuple[tuple[str, str, str, float], ...] = (
    ("loudness", "loudness", "LUFS", 1),
    ("peak", "peak", "dB", 1),
    ("silence", "silent share", "%", 100),
    ("clipping", "clipped share", "%", 100),
    ("bandwidth", "bandwidth", "Hz", 1),
    ("key_clarity", "key clarity", "", 1),
)


def sound_figures(generated: Collection, reference: Collection | None) -> Iterator[Figure]:
    """Means of the signal measures, beside the reference's."""
    for attribute, metric, unit, scale in _SIGNAL:
        mine, theirs = (
            [scale * getattr(clip.signal, attribute) for clip in folder.clips if clip.signal is not None]
            for folder in (generated, reference or Collection(generated.folder, ()))
        )
        yield from mean_figure("sound", metric, mine, Baseline.mean(theirs), unit=unit)

"""Small plots as SVG text, for pages that load nothing."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 360, 200, 40, 40, 24
_BINS = 30
MINE, THEIRS = "#2563a8", "#c9803a"


@dataclass(frozen=True)
class Histogram:
    """Shares of values in bins, of generated clips and, where there are any, of others.

    Attributes:
        title: above it.
        axis: below it, with the unit.
        values: of generated clips.
        others: of a reference.
        marks: places on the axis with a line each.
    """

    title: str
    axis: str
    values: Sequence[float]
    others: Sequence[float] = ()
    marks: Sequence[float] = ()


def histogram(plot: Histogram) -> str:
    """A histogram as an `<svg>` element; empty where no value is finite."""
    mine, theirs = (np.asarray(v, dtype=float)[np.isfinite(v)] for v in (plot.values, plot.others))
    if not len(mine):
        return ""
    everything = np.concatenate([mine, theirs, np.asarray(plot.marks, dtype=float)])
    low, high = float(everything.min()), float(everything.max())
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, _BINS + 1)
    shares = [(np.histogram(values, edges)[0] / len(values)).tolist() for values in (mine, theirs) if len(values)]
    top = max(max(share) for share in shares)
    body = [
        _bars(share, top, colour, opacity)
        for share, colour, opacity in zip(shares, (MINE, THEIRS), (0.85, 0.55), strict=False)
    ]
    body += [_mark((mark - low) / (high - low)) for mark in plot.marks]
    body += [_text(_LEFT, _HEIGHT - 24, f"{low:.3g}"), _text(_WIDTH - 8, _HEIGHT - 24, f"{high:.3g}", "end")]
    body += [
        _text((_LEFT + _WIDTH) / 2, _HEIGHT - 8, plot.axis, "middle"),
        _text(_LEFT - 4, _TOP + 4, f"{top:.0%}", "end"),
    ]
    label = html.escape(f"{plot.title}: {len(mine)} clips from {mine.min():.3g} to {mine.max():.3g}")
    return (
        f'<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" role="img" aria-label="{label}">'
        f"{_text(_LEFT, 14, plot.title, size=13)}{''.join(body)}</svg>"
    )


def _bars(shares: Sequence[float], top: float, colour: str, opacity: float) -> str:
    width = (_WIDTH - _LEFT - 8) / len(shares)
    room = _HEIGHT - _BOTTOM - _TOP
    bars = []
    for index, share in enumerate(shares):
        height = room * share / top
        if height:
            x, y = _LEFT + index * width, _HEIGHT - _BOTTOM - height
            bars.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{width - 0.5:.1f}" height="{height:.1f}"/>')
    return f'<g fill="{colour}" opacity="{opacity}">{"".join(bars)}</g>'


def _mark(place: float) -> str:
    x = _LEFT + place * (_WIDTH - _LEFT - 8)
    return f'<path d="M{x:.1f} {_TOP}V{_HEIGHT - _BOTTOM}" stroke="currentColor" stroke-dasharray="3 3"/>'


def _text(x: float, y: float, text: str, anchor: str = "start", size: int = 11) -> str:
    return (
        f'<text x="{x:.0f}" y="{y:.0f}" font-size="{size}" text-anchor="{anchor}" fill="currentColor">'
        f"{html.escape(text)}</text>"
    )

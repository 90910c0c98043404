"""Beats as text, as labels, as clicks to hear and as a picture."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from musicldm.audio import Wave
from musicldm.beats.tracker import Beats
from musicldm.errors import MissingDependencyError

_CLICK_HERTZ, _DOWNBEAT_HERTZ = 1000.0, 2000.0
_CLICK_SECONDS = 0.04
_MUSIC_SHARE, _CLICK_PEAK = 0.6, 0.3
_PICTURE_COLUMNS = 4000


def beats_text(beats: Beats) -> str:
    """The .beats form of beat_this: a line a beat, seconds, tab, number in the bar (1 a downbeat)."""
    return "".join(f"{time:.3f}\t{number}\n" for time, number in zip(beats.beats, beats.numbers(), strict=True))


def audacity_labels(beats: Beats) -> str:
    """A label track for Audacity: a line a beat, start, end (the same) and number in the bar, tabs between."""
    rows = zip(beats.beats, beats.numbers(), strict=True)
    return "".join(f"{time:.6f}\t{time:.6f}\t{number}\n" for time, number in rows)


def with_clicks(wave: Wave, sample_rate: int, beats: Beats) -> Wave:
    """The wave (samples,) at 0.6 of its level with a click on every beat, an octave higher on downbeats; at most ±1."""
    out = _MUSIC_SHARE * wave / max(float(np.abs(wave).max(initial=0.0)), 1.0)
    time = np.arange(round(_CLICK_SECONDS * sample_rate)) / sample_rate
    fade = _CLICK_PEAK * np.exp(-time / (_CLICK_SECONDS / 5))
    clicks = {hertz: fade * np.sin(2 * np.pi * hertz * time) for hertz in (_CLICK_HERTZ, _DOWNBEAT_HERTZ)}
    first = set(beats.downbeats)
    for moment in beats.beats:
        start = round(moment * sample_rate)
        click = clicks[_DOWNBEAT_HERTZ if moment in first else _CLICK_HERTZ][: max(len(out) - start, 0)]
        out[start : start + len(click)] += click
    return np.asarray(out.clip(-1, 1), dtype=np.float32)


def picture(wave: Wave, sample_rate: int, beats: Beats, title: str) -> bytes:
    """The wave's outline with its beats and downbeats as lines, as a PNG.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MissingDependencyError("matplotlib", "beats") from error
    seconds = len(wave) / sample_rate
    figure = Figure(figsize=(min(max(seconds, 8), 60), 3), dpi=100, layout="constrained")
    axes = figure.add_subplot(xlim=(0, max(seconds, 0.1)), ylim=(-1.05, 1.05), xlabel="seconds", yticks=[], title=title)
    draw_wave(axes, wave, sample_rate)
    others = [moment for moment in beats.beats if moment not in set(beats.downbeats)]
    axes.vlines(others, -0.7, 0.7, color="tab:blue", linewidth=1)
    axes.vlines(beats.downbeats, -1.05, 1.05, color="tab:red", linewidth=2)
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def draw_wave(axes: Any, wave: Wave, sample_rate: int) -> None:
    """The outline of a wave (samples,) over seconds into matplotlib's axes."""
    block = max(1, len(wave) // _PICTURE_COLUMNS)
    whole = wave[: len(wave) // block * block].reshape(-1, block)
    at = (np.arange(len(whole)) + 0.5) * block / sample_rate
    axes.fill_between(at, whole.min(axis=1), whole.max(axis=1), color="0.7", step="mid")

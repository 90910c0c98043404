"""A picture of a wave and its beats."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np

from musicldm.audio import Wave
from musicldm.beats.beats import Beats
from musicldm.errors import MissingDependencyError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLUMNS = 4000


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


def draw_wave(axes: Axes, wave: Wave, sample_rate: int) -> None:
    """The outline of a wave (samples,) over seconds into matplotlib's axes."""
    block = max(1, len(wave) // _COLUMNS)
    whole = wave[: len(wave) // block * block].reshape(-1, block)
    at = (np.arange(len(whole)) + 0.5) * block / sample_rate
    axes.fill_between(at, whole.min(axis=1), whole.max(axis=1), color="0.7", step="mid")

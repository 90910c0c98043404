"""A picture of what music has in common with its nearest training clips."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from musicldm.audio import Wave
from musicldm.errors import MissingDependencyError
from musicldm.novelty.calibration import Calibration
from musicldm.novelty.check import Copied, NoveltyReport
from musicldm.novelty.fingerprint import BINS, BINS_PER_SEMITONE, FRAMES_PER_SECOND, LOWEST, peaks_of
from musicldm.novelty.index import NoveltyIndex

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def picture(index: NoveltyIndex, report: NoveltyReport, wave: Wave, sample_rate: int, title: str) -> bytes:
    """Similarity of each segment over time, and the onsets of the music over those of what it agrees with, as PNG.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError("matplotlib", "novelty") from None
    seconds = len(wave) / sample_rate
    figure = Figure(figsize=(min(max(seconds, 9), 60), 6), dpi=100, layout="constrained")
    above, below = figure.subplots(2, sharex=True, height_ratios=(1, 2))
    figure.suptitle(f"{title}: {report.verdict}")
    _draw_similarity(above, report, index.calibration)
    peaks = peaks_of(wave, sample_rate)
    below.scatter(peaks[:, 0] / FRAMES_PER_SECOND, _midi(peaks[:, 1]), s=14, color="0.5", label="onsets")
    if report.copied is not None:
        _draw_copied(below, index, report.copied)
    below.set(xlim=(0, seconds), ylim=(_midi(0) - 1, _midi(BINS) + 1), xlabel="seconds", ylabel="pitch (MIDI)")
    below.legend(loc="upper right", fontsize="small")
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _draw_similarity(axes: Axes, report: NoveltyReport, usual: Calibration) -> None:
    """That of each segment over time, and what is usual."""
    for passage in report.passages:
        axes.plot((passage.start, passage.end), (passage.similarity, passage.similarity), color="tab:blue", linewidth=3)
    axes.axhline(usual.close, color="tab:orange", linestyle=":", label="1 in 20 training clips is as near to another")
    axes.axhline(usual.very_close, color="tab:red", linestyle=":", label="1 in 100")
    lowest = min(0.5, *(passage.similarity for passage in report.passages))
    axes.set(ylabel="similarity", ylim=(lowest, 1.02))
    axes.legend(loc="lower right", fontsize="small")


def _draw_copied(axes: Axes, index: NoveltyIndex, copied: Copied) -> None:
    """The onsets of the training clip that the music agrees with, where they would be in the music."""
    passage = copied.place
    number = next(
        number
        for number, clip in enumerate(index.clips)
        if clip.source == passage.source and clip.start <= passage.start <= clip.start + clip.seconds
    )
    peaks = index.peaks[number]
    seconds = peaks[:, 0] / FRAMES_PER_SECOND + index.clips[number].start - passage.start
    agree = "agree beyond chance" if copied.by == "onsets" else "of the outline agrees"
    axes.scatter(
        copied.start + seconds * copied.stretch,
        _midi(peaks[:, 1]) + copied.semitones,
        s=40,
        facecolors="none",
        edgecolors="tab:red",
        label=f"onsets of {passage.source} ({copied.share:.0%} {agree})",
    )


def _midi(pitch_bin: Any) -> Any:
    """Bins to MIDI numbers of pitch, where 69 is 440 Hz."""
    return 69 + 12 * np.log2(LOWEST / 440) + pitch_bin / BINS_PER_SEMITONE

"""A picture of what music has in common with its nearest training clips."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

from musicldm.audio import Wave
from musicldm.errors import MissingDependencyError
from musicldm.novelty.check import Report
from musicldm.novelty.fingerprint import BINS, BINS_PER_SEMITONE, FRAMES_PER_SECOND, LOWEST, peaks_of
from musicldm.novelty.index import NoveltyIndex


def picture(index: NoveltyIndex, report: Report, wave: Wave, sample_rate: int, title: str) -> bytes:
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
    for one in report.passages:
        above.plot((one.start, one.end), (one.similarity, one.similarity), color="tab:blue", linewidth=3)
    usual = index.calibration
    above.axhline(usual.close, color="tab:orange", linestyle=":", label="1 in 20 training clips is as near to another")
    above.axhline(usual.very_close, color="tab:red", linestyle=":", label="1 in 100")
    above.set(ylabel="similarity", ylim=(min(0.5, *(one.similarity for one in report.passages)), 1.02))
    above.legend(loc="lower right", fontsize="small")
    peaks = peaks_of(wave, sample_rate)
    below.scatter(peaks[:, 0] / FRAMES_PER_SECOND, _midi(peaks[:, 1]), s=14, color="0.5", label="onsets")
    copied = report.copied
    if copied is not None:
        clip = next(
            number
            for number, one in enumerate(index.clips)
            if one.source == copied.place.source and one.start <= copied.place.start <= one.start + one.seconds
        )
        there = index.peaks[clip]
        time = there[:, 0] / FRAMES_PER_SECOND + index.clips[clip].start - copied.place.start
        at = copied.start + time * copied.stretch
        pitch = _midi(there[:, 1]) + copied.semitones
        agree = "agree beyond chance" if copied.by == "onsets" else "of the outline agrees"
        label = f"onsets of {copied.place.source} ({copied.share:.0%} {agree})"
        below.scatter(at, pitch, s=40, facecolors="none", edgecolors="tab:red", label=label)
    below.set(xlim=(0, seconds), ylim=(_midi(0) - 1, _midi(BINS) + 1), xlabel="seconds", ylabel="pitch (MIDI)")
    below.legend(loc="upper right", fontsize="small")
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def _midi(pitch_bin: Any) -> Any:
    """Bins to MIDI numbers of pitch, where 69 is 440 Hz."""
    return 69 + 12 * np.log2(LOWEST / 440) + pitch_bin / BINS_PER_SEMITONE

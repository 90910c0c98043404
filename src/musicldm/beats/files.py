"""Beats as text, as labels and as clicks."""

from __future__ import annotations

import numpy as np

from musicldm.audio import Wave
from musicldm.beats.beats import Beats

_CLICK_HERTZ, _DOWNBEAT_HERTZ = 1000.0, 2000.0
_CLICK_SECONDS = 0.04
_MUSIC_SHARE, _CLICK_PEAK = 0.6, 0.3


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

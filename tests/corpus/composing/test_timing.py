"""Bars and beats in seconds, where 120 beats a minute make a beat half a second."""

from __future__ import annotations

import pytest

from musicldm.corpus.composing.timing import Grid


@pytest.mark.parametrize(("seconds", "beats", "downbeats"), [(8.0, 16, 4), (7.0, 14, 4), (6.0, 12, 3), (6.5, 13, 4)])
def test_a_beat_on_the_clips_end_is_not_in_the_clip(seconds: float, beats: int, downbeats: int) -> None:
    grid = Grid("4/4", 120.0, 0.0, seconds)
    assert grid.beats() == tuple(0.5 * beat for beat in range(beats))
    assert grid.downbeats() == tuple(2.0 * bar for bar in range(downbeats))
    assert len(grid.beat_places()) == beats


def test_a_clip_that_begins_within_a_bar_has_the_rest_of_its_beats() -> None:
    grid = Grid("4/4", 120.0, -1.25, 3.0)
    assert grid.beats() == (0.25, 0.75, 1.25, 1.75, 2.25, 2.75)
    assert grid.downbeats() == (0.75, 2.75)
    assert grid.beat_places() == ((0, 12), (1, 0), (1, 4), (1, 8), (1, 12), (2, 0))

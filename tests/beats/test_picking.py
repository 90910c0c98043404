"""Logits to beats and bars, from constructed logits."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from musicldm.beats import picking as beat_picking
from musicldm.beats.picking import bar_positions, downbeat_evidence, pick_beats, pick_peaks, steady_frames
from musicldm.training.tasks.beats import f_measure


def logits(length: int, peaks: dict[int, float], floor: float = -8.0) -> np.ndarray:
    out = np.full(length, floor, np.float32)
    for frame, value in peaks.items():
        out[frame] = value
    return out


def test_peaks_are_those_that_beat_this_picks() -> None:
    postprocessor = pytest.importorskip("beat_this.model.postprocessor")
    rng = np.random.default_rng(0)
    for _ in range(20):
        # Rounded, so that equal neighbours occur, which both replace by their mean.
        beat = np.round(rng.normal(0, 2, 300)).astype(np.float32)
        downbeat = np.full(300, -1000.0, np.float32)
        expected, _ = postprocessor.Postprocessor("minimal")(torch.from_numpy(beat), torch.from_numpy(downbeat))
        assert np.array_equal(pick_peaks(beat) / 50, expected)


def test_a_peak_is_the_highest_nearby_and_above_zero() -> None:
    found = pick_peaks(logits(100, {0: 2.0, 10: 1.0, 13: 3.0, 30: 1.0, 31: 1.0, 50: -0.1, 70: 0.1, 99: 4.0}))
    assert found.tolist() == [0.0, 13.0, 30.5, 70.0, 99.0]
    assert pick_peaks(logits(50, {})).size == 0
    beats, downbeats = pick_beats(logits(50, {}), logits(50, {}))
    assert beats.size == downbeats.size == 0


@pytest.mark.parametrize("gap", [15, 25, 40, 60])
def test_steady_beats_are_kept_where_one_is_weak_or_one_more_is_strong(gap: int) -> None:
    true = np.arange(7, 500, gap)
    beat = logits(500, dict.fromkeys(true.tolist(), 3.0))
    beat[true[3]] = -8.0
    beat[true[5] + gap // 2] = 2.0
    beats, _ = pick_beats(beat, logits(500, {}))
    assert np.abs(beats - true).max() <= 2


def test_a_jump_in_tempo_is_followed() -> None:
    true = np.concatenate([np.arange(5, 400, 24), np.arange(400, 800, 33)])
    beats, _ = pick_beats(logits(800, dict.fromkeys(true.tolist(), 4.0)), logits(800, {}))
    assert f_measure(beats, true.astype(float), 3.0) > 0.97


def test_a_long_silence_has_no_beats_but_near_its_ends() -> None:
    true = [*range(100, 300, 25), *range(600, 700, 25)]
    beats, _ = pick_beats(logits(1000, dict.fromkeys(true, 5.0)), logits(1000, {}))
    assert set(true) <= set(beats.tolist())
    assert len(beats) <= len(true) + 4 * 2
    assert all(min(abs(frame - one) for one in true) <= 30 for frame in beats)


def test_the_beats_found_are_the_likeliest() -> None:
    """Against a search that knows only the definition: the best score of a beat at a frame, by the gap before it."""
    rng = np.random.default_rng(0)
    gaps, changes = beat_picking.GAPS.tolist(), beat_picking.GAP_CHANGES
    for length, scale in ((5, 3.0), (40, 3.0), (150, 15.0)):
        evidence = rng.normal(-1, scale, length)
        best: dict[tuple[int, int], tuple[float, list[int]]] = {}
        for frame in range(length):
            for index, gap in enumerate(gaps):
                # The first beat, at any place of a gap that began before the first frame, or one after another.
                options: list[tuple[float, list[int]]] = []
                for earlier, width in enumerate(gaps):
                    if frame - width >= 0:
                        value, path = best[frame - width, earlier]
                        options.append((value + changes[earlier, index], path))
                    elif frame > 0:
                        options.append((-np.log(width) + changes[earlier, index], []))
                    else:
                        options.append((-np.log(gap), []))
                value, path = max(options, key=lambda option: option[0])
                best[frame, index] = (value + evidence[frame], [*path, frame])
        ends = []
        for index, gap in enumerate(gaps):
            ends += [best[frame, index] for frame in range(max(length - gap, 0), length)]
            if gap > length:
                ends.append((-np.log(gap), []))
        expected = max(ends, key=lambda end: end[0])[1]
        assert steady_frames(evidence).tolist() == expected
    assert len(set(np.diff(expected).tolist())) > 1


def test_a_downbeat_some_frames_off_counts_for_its_beat() -> None:
    evidence = downbeat_evidence(np.array([10.0, 20.5, 40.0]), logits(42, {12: 3.0, 23: 2.0, 41: 50.0, 30: 5.0}))
    assert evidence.tolist() == [1.0, 0.0, 6.0]


@pytest.mark.parametrize("meter", [2, 3, 4, 5, 6, 7])
@pytest.mark.parametrize("first", [0, 1])
def test_a_steady_meter_is_followed(meter: int, first: int) -> None:
    places = (np.arange(8 * meter) - first) % meter
    assert np.array_equal(bar_positions(np.where(places == 0, 2.0, -3.0)), places)


def test_a_weak_downbeat_is_kept_and_a_false_one_left_out() -> None:
    evidence = np.where(np.arange(32) % 4 == 0, 3.0, -3.0)
    evidence[12], evidence[18] = -1.0, 0.5
    assert np.array_equal(bar_positions(evidence), np.arange(32) % 4)


def test_a_change_of_meter_and_a_bar_cut_short_are_followed() -> None:
    changed = np.concatenate([np.arange(24) % 4, np.arange(24) % 3])
    assert np.array_equal(bar_positions(np.where(changed == 0, 4.0, -4.0)), changed)
    cut = np.concatenate([np.arange(18) % 4, np.arange(24) % 4])
    assert np.array_equal(bar_positions(np.where(cut == 0, 4.0, -4.0)), cut)


def test_the_bars_found_are_the_likeliest() -> None:
    """Against every sequence of states of a few beats, with the prices of the definition."""
    rng = np.random.default_rng(1)
    states = [(meter, place) for meter in beat_picking.METERS for place in range(meter)]
    priors = dict(zip(beat_picking.METERS, beat_picking.METER_LOG_PRIOR, strict=True))

    def price(before: tuple[int, int], after: tuple[int, int]) -> float:
        options = []
        if before[0] == after[0] and after[1] == (before[1] + 1) % after[0]:
            options.append(0.0)
        if after[1] == 0:
            if before[0] == after[0]:
                options.append(beat_picking.BROKEN_BAR)
            options.append(beat_picking.NEW_METER + priors[after[0]] - np.log(after[0]))
        return max(options, default=-np.inf)

    for _ in range(5):
        evidence = rng.normal(0, 8, 3)
        best, value = None, -np.inf
        for path in itertools.product(states, repeat=3):
            total = priors[path[0][0]] - np.log(path[0][0])
            total += sum(e for e, (_, place) in zip(evidence, path, strict=True) if place == 0)
            total += sum(price(a, b) for a, b in itertools.pairwise(path))
            if total > value:
                best, value = path, total
        assert best is not None
        assert bar_positions(evidence).tolist() == [place for _, place in best]

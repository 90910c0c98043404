"""Varied excerpts: where clicks are heard, their beats must be."""

from __future__ import annotations

from dataclasses import fields, replace

import numpy as np
import pytest

from musicldm.errors import InvalidInputError
from musicldm.training.tasks.beat_variation import Variation, plain_excerpt, varied_excerpt

RATE = 16000
STILL = Variation(
    speed=0, tempo=0, mix=0, cut=0, noise=0, gap=0, curve_decibels=0.0, gain_decibels=(0.0, 0.0)
)  # fmt: skip
BEATS = np.arange(0.3, 10.0, 0.5)
TIMES = (BEATS, BEATS[::4])


@pytest.fixture(scope="module")
def clicks() -> np.ndarray:
    wave = np.zeros(round(10.24 * RATE), np.float32)
    wave[np.round(BEATS * RATE).astype(int)] = 0.9
    return wave


def excerpt(clicks: np.ndarray, variation: Variation, seed: int, frames: int = 300):
    other = np.zeros_like(clicks)
    mel, times = varied_excerpt(clicks, RATE, TIMES, other, frames, variation, np.random.default_rng(seed))
    return mel.numpy(), times


def loudest_near(mel: np.ndarray, moment: float) -> float:
    """Seconds from a moment to the loudest frame within 0.15 s of it."""
    at = round(moment * 50)
    start = max(at - 7, 0)
    return abs(start + int(mel[start : at + 8].sum(axis=1).argmax()) - moment * 50) / 50


VARIED = {
    "still": STILL,
    "speed": replace(STILL, speed=1.0),
    "tempo": replace(STILL, tempo=1.0, change=0.0),
    "change": replace(STILL, tempo=1.0, change=1.0),
    "colour": replace(STILL, curve_decibels=8.0, cut=1.0, gain_decibels=(-18.0, 6.0)),
    "all": Variation(noise=0, gap=0),
}


@pytest.mark.parametrize("name", VARIED)
def test_beats_move_with_the_sound(name: str, clicks: np.ndarray) -> None:
    for seed in range(12):
        mel, (beats, downbeats) = excerpt(clicks, VARIED[name], seed)
        inside = beats[(beats > 0.15) & (beats < len(mel) / 50 - 0.15)]
        assert len(inside) >= 5
        assert max(loudest_near(mel, moment) for moment in inside) <= 0.03
        assert set(downbeats) <= set(beats)
        assert (beats >= 0).all()
        assert (beats <= len(mel) / 50).all()


def test_the_tempo_stays_within_the_range_that_it_is_drawn_from(clicks: np.ndarray) -> None:
    faster = replace(STILL, speed=1.0, speed_octaves=0.3)
    tempi = [float(np.diff(excerpt(clicks, faster, seed)[1][0]).mean()) for seed in range(40)]
    assert 0.5 * 2**-0.3 <= min(tempi) < 0.45
    assert 0.55 < max(tempi) <= 0.5 * 2**0.3 + 1e-9
    changed = [np.diff(excerpt(clicks, VARIED["change"], seed)[1][0]) for seed in range(12)]
    assert 1.2 < max(gaps.max() / gaps.min() for gaps in changed) <= 2**0.5 * 1.001
    steady = [np.diff(excerpt(clicks, VARIED["tempo"], seed)[1][0]) for seed in range(12)]
    assert all(np.allclose(gaps, gaps[0]) for gaps in steady)


def test_an_unvaried_excerpt_is_a_part_of_the_clip(clicks: np.ndarray) -> None:
    mel, (beats, _) = excerpt(clicks, STILL, 0)
    whole = plain_excerpt(clicks, RATE).numpy()
    loud = np.flatnonzero(whole.sum(axis=1) > 0.5 * whole.sum(axis=1).max())
    assert mel.shape == (300, 128)
    assert whole.shape == (513, 128)
    assert np.allclose(np.diff(beats), 0.5)
    assert np.abs(loud / 50 - BEATS[np.abs(loud[:, None] / 50 - BEATS).argmin(axis=1)]).max() <= 0.02


def test_a_gap_is_silent_and_noise_is_added(clicks: np.ndarray) -> None:
    loud = np.random.default_rng(0).normal(0, 0.1, len(clicks)).astype(np.float32)
    gap = replace(STILL, gap=1.0, gap_seconds=1.5)
    silent = [int((excerpt(loud, gap, seed)[0].sum(axis=1) == 0).sum()) for seed in range(20)]
    assert 50 < max(silent) <= 75
    noisy = replace(STILL, noise=1.0)
    assert (excerpt(clicks, noisy, 0)[0].min(axis=1) >= 0).all()
    assert np.median(excerpt(clicks, noisy, 0)[0]) > 100 * np.median(excerpt(clicks, STILL, 0)[0] + 1e-12)


def test_another_clip_is_mixed_in_at_its_level(clicks: np.ndarray) -> None:
    other = np.full_like(clicks, 0.0)
    other += np.sin(2 * np.pi * 440 * np.arange(len(other)) / RATE).astype(np.float32)
    mixed = replace(STILL, mix=1.0, mix_decibels=(-10.0, -10.0))
    draw = np.random.default_rng(0)
    mel, _ = varied_excerpt(np.zeros_like(clicks), RATE, TIMES, other, 300, mixed, draw)
    alone = plain_excerpt(other, RATE).numpy()[50:250].mean(axis=0).max()
    assert mel.numpy()[50:250].mean(axis=0).max() == pytest.approx(alone * 10 ** (-10 / 20), rel=0.02)


def test_a_clip_shorter_than_the_excerpt_keeps_its_length(clicks: np.ndarray) -> None:
    mel, (beats, _) = excerpt(clicks[: 2 * RATE], STILL, 0, frames=400)
    assert len(mel) == 101
    assert (beats <= 2.0).all()


def test_shares_above_one_are_refused() -> None:
    for name in ("speed", "gap"):
        with pytest.raises(InvalidInputError, match=f"variation {name} is 1.5"):
            Variation(**{name: 1.5})
    assert len(fields(Variation)) == 14

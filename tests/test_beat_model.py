"""The beat tracker that ships: whole, small enough, and hearing what it must."""

from __future__ import annotations

import numpy as np
import pytest

from musicldm.beats.network import CONFIG, DEFAULT_FOLDER, WEIGHTS
from musicldm.beats.tracker import BeatTracker
from musicldm.model.checksums import read_sums, verify


def test_the_folder_is_small_enough_and_its_files_are_listed() -> None:
    assert sum(path.stat().st_size for path in DEFAULT_FOLDER.iterdir()) <= 9e6
    assert {CONFIG, WEIGHTS} <= set(read_sums(DEFAULT_FOLDER))
    verify(DEFAULT_FOLDER)


def test_a_plain_drum_beat_is_found() -> None:
    """Kick and snare in turn, hats between: noise and decays, no sound font."""
    pytest.importorskip("beat_this")
    rate, rng = 44100, np.random.default_rng(0)
    times = np.arange(0.4, 14.5, 60 / 112)
    wave = 0.001 * rng.standard_normal(15 * rate)
    time = np.arange(rate // 5) / rate
    for index, moment in enumerate(times):
        at = round(moment * rate)
        kick = np.exp(-time / 0.06) * np.sin(2 * np.pi * 60 * time)
        wave[at : at + len(time)] += (
            0.8 * kick if index % 2 == 0 else 0.4 * np.exp(-time / 0.04) * rng.standard_normal(len(time))
        )
        half = at + round(30 / 112 * rate)
        wave[half : half + len(time)] += 0.05 * np.exp(-time / 0.01) * rng.standard_normal(len(time))
    found = BeatTracker.from_pretrained()(wave.astype(np.float32), rate)
    inside = times[(times > 1) & (times < 14)]
    assert np.mean([min(abs(moment - beat) for beat in found.beats) <= 0.07 for moment in inside]) > 0.9
    assert found.tempo == pytest.approx(112, rel=0.02)

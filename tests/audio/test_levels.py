"""Levels against the standard's own signals."""

from __future__ import annotations

import math

import numpy as np
import pytest

from musicldm.audio import Wave, levels
from musicldm.errors import InvalidInputError


def sine(frequency: float, seconds: float = 1.0, rate: int = 16000, amplitude: float = 0.5) -> Wave:
    time = np.arange(round(seconds * rate)) / rate
    return (amplitude * np.sin(2 * np.pi * frequency * time)).astype(np.float32)


def noise(samples: int, seed: int = 0, level: float = 0.1) -> Wave:
    return (level * np.random.default_rng(seed).standard_normal(samples)).astype(np.float32)


@pytest.mark.parametrize("rate", [16000, 44100, 48000])
def test_a_full_scale_sine_of_997_hz_is_at_minus_3_lufs(rate: int) -> None:
    """The reference tone of ITU-R BS.1770-4: 0 dB on one channel reads -3.01 LUFS."""
    assert levels.loudness(sine(997, 3.0, rate, 1.0), rate) == pytest.approx(-3.01, abs=0.1)


def test_a_wave_shorter_than_a_block_has_a_loudness() -> None:
    assert levels.loudness(sine(1000, 0.1, amplitude=1.0), 16000) == pytest.approx(-3.0, abs=0.3)
    assert levels.loudness(np.zeros(100, np.float32), 16000) == -math.inf


def test_normalising_a_sine_to_lufs_gives_the_amplitude_that_follows() -> None:
    wave = levels.normalise(sine(997, 3.0, amplitude=0.01), 16000, -23)
    assert np.abs(wave).max() == pytest.approx(10 ** ((-23 + 3.01) / 20), rel=0.01)


def test_peak_normalisation_reaches_minus_one_decibel() -> None:
    for level in (0.02, 0.5, 3.0):
        assert np.abs(levels.normalise(sine(440, amplitude=level), 16000)).max() == pytest.approx(10 ** (-1 / 20))


@pytest.mark.parametrize("target", ["peak", -14.0])
def test_silence_stays_silent_and_near_silence_is_raised_within_a_limit(target: str | float) -> None:
    assert not levels.normalise(np.zeros(8000, np.float32), 16000, target).any()
    faint = levels.normalise(noise(8000, level=1e-6), 16000, target)
    assert np.abs(faint).max() <= 100.01 * np.abs(noise(8000, level=1e-6)).max()


def test_loud_lufs_are_reached_without_clipping() -> None:
    wave = noise(48000, level=0.05)
    wave[24000] = 0.9
    loud = levels.normalise(wave, 16000, -14)
    assert np.abs(loud).max() <= levels.PEAK
    assert levels.loudness(loud, 16000) == pytest.approx(-14, abs=0.2)


def test_the_limiter_holds_every_peak_and_changes_nothing_far_from_one() -> None:
    wave = noise(16000, level=0.1)
    wave[[3000, 8000, 8003, 15999]] = [1.5, -1.2, 1.9, 1.0]
    held = levels.limit(wave, 16000, 0.8)
    assert np.abs(held).max() <= np.float32(0.8)
    far = np.ones(16000, bool)
    for peak in (3000, 8000, 8003, 15999):
        far[max(0, peak - 82) : peak + 83] = False
    assert np.array_equal(held[far], wave[far])
    quiet = sine(440, amplitude=0.5)
    assert levels.limit(quiet, 16000, 0.8) is quiet


def test_the_limiter_turns_a_loud_passage_down_and_does_not_cut_its_crests() -> None:
    """A sine that is too loud throughout stays a sine: its gain may move, but nothing is left for the final clip."""
    wave = sine(440, amplitude=1.0)
    held = levels.limit(wave, 16000, 0.5)
    inside = slice(200, -200)
    np.testing.assert_allclose(held[inside], 0.5 * wave[inside] / np.abs(wave[inside]).max(), atol=0.005)


@pytest.mark.parametrize("target", ["loud", "", -61, 0.0, math.nan])
def test_a_meaningless_loudness_is_refused(target: str | float) -> None:
    with pytest.raises(InvalidInputError, match="valid is 'peak' or LUFS from -60 to -5"):
        levels.check_loudness(target)

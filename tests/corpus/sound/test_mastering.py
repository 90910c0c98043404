"""What the master does to a mix beside its level: tone, tape, vinyl."""

import numpy as np
import pytest
from scipy.signal import welch

from musicldm.corpus.composing.score import Mix
from musicldm.corpus.sound.mastering import age, master, tone

RATE = 48000
PLAIN = Mix(room=0.2, wet=0.0, top=None, tilt=0.0, duck=0.0, crackle=0.0, squeeze=0.0, peak=0.8)


def noise() -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal((2, 4 * RATE))).astype(np.float32)


def change(before: np.ndarray, after: np.ndarray, frequency: float) -> float:
    """Decibels gained around a frequency."""
    axis, first = welch(before[0], RATE, nperseg=4096)
    _, second = welch(after[0], RATE, nperseg=4096)
    inside = (axis > 0.9 * frequency) & (axis < 1.1 * frequency)
    return float(10 * np.log10(second[inside].sum() / first[inside].sum()))


@pytest.mark.parametrize("tilt", [-6.0, 4.0])
def test_tilt_lifts_or_lowers_the_treble_and_leaves_the_bass(tilt):
    """Against the shelf's response: the wave and (g - 1) times what a pole at 1200 Hz takes from it."""
    pole = np.exp(-2 * np.pi * 1200 / RATE)
    high = 1 - (1 - pole) / (1 - pole * np.exp(-2j * np.pi * np.array([150, 10000]) / RATE))
    low, top = 20 * np.log10(np.abs(1 + (10 ** (tilt / 20) - 1) * high))
    wave = noise()
    tilted = tone(wave, Mix(**{**vars(PLAIN), "tilt": tilt}), RATE)
    assert change(wave, tilted, 10000) == pytest.approx(top, abs=0.15)
    assert change(wave, tilted, 150) == pytest.approx(low, abs=0.15)
    assert abs(top) > 0.8 * abs(tilt)
    assert abs(low) < 0.4


def test_a_top_takes_what_is_above_it():
    wave = noise()
    closed = tone(wave, Mix(**{**vars(PLAIN), "top": 4000.0}), RATE)
    assert change(wave, closed, 4000) == pytest.approx(-3, abs=0.7)
    assert change(wave, closed, 12000) < -25


def test_tape_takes_treble_and_moves_no_sound_by_two_milliseconds():
    wave = noise()
    taped = age(wave, Mix(**{**vars(PLAIN), "tape": 1.0}), RATE, np.random.default_rng(1))
    assert change(wave, taped, 15000) < -3
    assert change(wave, taped, 1000) == pytest.approx(0, abs=1.5)
    for at in range(RATE // 2, 3 * RATE, RATE // 2):
        likeness = np.correlate(taped[0, at - 200 : at + 4200], wave[0, at : at + 4000], "valid")
        assert 0 <= int(np.argmax(likeness)) - 200 <= 0.002 * RATE


def test_vinyl_adds_clicks_on_both_sides_and_rumble_between_them():
    wave = noise()
    played = age(wave, Mix(**{**vars(PLAIN), "crackle": 1.0}), RATE, np.random.default_rng(1))
    added = played - wave
    level = np.sqrt(np.mean(wave**2))
    assert 0.003 < np.sqrt(np.mean(added**2)) / level < 0.1
    assert np.abs(added).max() > 8 * np.sqrt(np.mean(added**2)), "clicks"
    low = np.abs(np.fft.rfft(added))[:, (20 * 4) : (60 * 4)]
    side = np.abs(np.fft.rfft(added[0] - added[1]))[(20 * 4) : (60 * 4)]
    assert np.sum(side**2) > np.sum(low**2)


def test_silence_stays_silent():
    wave = np.zeros((2, RATE), np.float32)
    assert not master(wave, PLAIN, RATE, np.random.default_rng(0)).wave.any()


def test_the_gain_of_the_master_is_what_its_stems_need():
    wave = noise() * np.linspace(0.2, 1, 4 * RATE, dtype=np.float32)
    mix = Mix(**{**vars(PLAIN), "squeeze": 0.6, "tilt": 3.0})
    done = master(wave, mix, RATE, np.random.default_rng(0))
    parts = [tone(share * wave, mix, RATE) * done.gain for share in (np.float32(0.3), np.float32(0.7))]
    np.testing.assert_allclose(parts[0] + parts[1], done.wave, atol=2e-6)

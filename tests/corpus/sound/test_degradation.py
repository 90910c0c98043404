"""Each way of spoiling a wave, measured on signals whose spectrum is known."""

import numpy as np
import pytest
from scipy.signal import welch

from musicldm.corpus.sound.degradation import degrade
from musicldm.corpus.truth import QUALITIES
from musicldm.errors import InvalidInputError

RATE = 16000


def pink(seed: int = 0) -> np.ndarray:
    """Noise whose power falls with frequency, as music's does; peak 0.8."""
    spectrum = np.fft.rfft(np.random.default_rng(seed).standard_normal(RATE * 4))
    wave = np.fft.irfft(spectrum / np.sqrt(np.maximum(np.arange(spectrum.size), 20)))
    return (0.8 * wave / np.abs(wave).max()).astype(np.float32)


def tone(frequency: float = 440.0) -> np.ndarray:
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(RATE * 4) / RATE)).astype(np.float32)


def decibels(wave: np.ndarray, low: float, high: float) -> float:
    """Power between two frequencies by Welch's method."""
    frequencies, density = welch(wave, RATE, nperseg=2048)
    inside = (frequencies >= low) & (frequencies < high)
    return float(10 * np.log10(density[inside].sum() + 1e-20))


def spoil(wave: np.ndarray, quality: str, seed: int = 0) -> np.ndarray:
    return degrade(wave, quality, RATE, np.random.default_rng(seed))


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_length_type_and_peak_are_kept(quality, seed):
    wave = pink(seed)
    spoiled = spoil(wave, quality, seed)
    assert spoiled.shape == wave.shape
    assert spoiled.dtype == np.float32
    assert np.abs(spoiled).max() == pytest.approx(0.8, rel=1e-5)


@pytest.mark.parametrize("quality", QUALITIES)
@pytest.mark.parametrize("rate", [8000, 48000])
def test_both_sides_are_spoiled_at_any_rate(quality, rate):
    wave = np.stack([pink(1), 0.5 * pink(2)])
    spoiled = degrade(wave, quality, rate, np.random.default_rng(3))
    assert spoiled.shape == wave.shape
    assert spoiled.dtype == np.float32
    assert np.abs(spoiled).max() == pytest.approx(np.abs(wave).max(), rel=1e-5)
    balance = np.sqrt(np.mean(spoiled[1] ** 2) / np.mean(spoiled[0] ** 2))
    assert 0.35 < balance < 0.95
    if quality != "clean":
        assert not np.array_equal(spoiled, wave)


def test_noise_differs_from_side_to_side():
    spoiled = degrade(np.stack([tone(), tone()]), "noisy", RATE, np.random.default_rng(3))
    added = spoiled - np.stack([tone(), tone()]) * (np.abs(spoiled).max() / 0.5)
    assert abs(np.corrcoef(added - added.mean(axis=1, keepdims=True))[0, 1]) < 0.9
    assert np.mean((spoiled[0] - spoiled[1]) ** 2) > 0


def test_clean_is_the_wave_itself():
    wave = pink()
    assert spoil(wave, "clean") is wave


def test_silence_stays_silent():
    assert not spoil(np.zeros(RATE, np.float32), "noisy").any()


def test_muffled_loses_the_treble_and_keeps_the_bass():
    before, after = pink(), spoil(pink(), "muffled")
    fall = (decibels(before, 4000, 8000) - decibels(before, 50, 500)) - (
        decibels(after, 4000, 8000) - decibels(after, 50, 500)
    )
    assert fall > 20


def test_thin_loses_the_bass_and_keeps_the_treble():
    before, after = pink(), spoil(pink(), "thin")
    fall = (decibels(before, 30, 200) - decibels(before, 2000, 8000)) - (
        decibels(after, 30, 200) - decibels(after, 2000, 8000)
    )
    assert fall > 25


@pytest.mark.parametrize("seed", range(5))
def test_noise_lies_8_to_18_decibels_below_the_tone(seed):
    spoiled = spoil(tone(), "noisy", seed)
    ratio = decibels(spoiled, 400, 480) - decibels(spoiled, 600, 8000)
    assert 7.5 < ratio < 19


@pytest.mark.parametrize("seed", range(5))
def test_hiss_is_treble_alone(seed):
    spoiled = spoil(tone(), "hissing", seed)
    assert decibels(spoiled, 3500, 8000) - decibels(spoiled, 600, 1500) > 20
    assert 13 < decibels(spoiled, 400, 480) - decibels(spoiled, 2500, 8000) < 23


def test_clipped_is_flat_at_the_top_and_louder():
    spoiled = spoil(tone(), "clipped")
    assert np.mean(np.abs(spoiled) > 0.999 * np.abs(spoiled).max()) > 0.4
    third_harmonic = decibels(spoiled, 1290, 1350) - decibels(spoiled, 400, 480)
    assert third_harmonic > -20


def test_low_bit_rate_has_few_levels_and_mirrors_the_tone_above_its_nyquist():
    spoiled = spoil(tone(1000.0), "low bit-rate")
    assert len(np.unique(spoiled)) <= 2**6 + 1
    assert decibels(spoiled, 2600, 8000) - decibels(spoiled, 900, 1100) > -25
    assert decibels(tone(1000.0), 2600, 8000) - decibels(tone(1000.0), 900, 1100) < -60


def test_an_unknown_quality_is_refused_with_the_choices():
    with pytest.raises(InvalidInputError, match="unknown quality 'crunchy': choose one of clean, muffled"):
        spoil(pink(), "crunchy")

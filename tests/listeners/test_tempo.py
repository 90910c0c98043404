import numpy as np
import pytest

from musicldm.errors import InvalidInputError
from musicldm.evaluation.metrics.tempo import tempo_error
from musicldm.listeners.tempo import TempoRange, tempo_of

RATE = 16000


def clicks(
    bpm: float, *, accent: int = 1, seconds: float = 10.24, offset: float = 0.1, halves: float = 0.15
) -> np.ndarray:
    """Short noise bursts on every beat, softer ones on the halves; every `accent`-th beat is louder."""
    rng = np.random.default_rng(0)
    wave = 0.001 * rng.standard_normal(int(seconds * RATE))
    for index, time in enumerate(np.arange(offset, seconds - 0.1, 30 / bpm)):
        level = halves if index % 2 else (0.8 if index // 2 % accent == 0 else 0.6)
        burst = level * rng.standard_normal(800) * np.exp(-np.arange(800) / 120)
        wave[int(time * RATE) : int(time * RATE) + 800] += burst
    return wave.astype(np.float32)


@pytest.mark.parametrize("bpm", [84.0, 89.3, 104.0, 120.0, 128.0, 143.7])
def test_the_tempo_of_clicks_is_found_within_one_percent(bpm):
    assert tempo_of(clicks(bpm), RATE) == pytest.approx(bpm, rel=0.01)


@pytest.mark.parametrize("bpm", [60.0, 174.0])
def test_extreme_tempi_are_found_up_to_an_octave(bpm):
    assert tempo_error(tempo_of(clicks(bpm), RATE), bpm, folded=True) < 0.01


@pytest.mark.parametrize("seconds", [4.0, 5.0, 6.0])
def test_a_slow_tempo_is_not_doubled_where_few_beats_are_heard(seconds):
    """Long lags have fewer pairs of frames; their mean, unlike their sum, is no smaller for that."""
    assert tempo_of(clicks(65.0, seconds=seconds, halves=0.0), RATE) == pytest.approx(65.0, rel=0.01)


@pytest.mark.parametrize(("expected", "heard"), [(87.0, 87.0), (174.0, 174.0)])
def test_the_prior_decides_between_a_tempo_and_its_double(expected, heard):
    assert tempo_of(clicks(87.0), RATE, (TempoRange(expected, 0.3),)) == pytest.approx(heard, rel=0.01)


def test_the_prior_does_not_draw_a_tempo_to_its_middle():
    assert tempo_of(clicks(104.0), RATE, (TempoRange(120.0, 1 / 3),)) == pytest.approx(104.0, rel=0.01)


def test_the_level_and_the_sample_rate_do_not_change_the_tempo():
    wave = clicks(110.0)
    quiet = tempo_of(0.01 * wave, RATE)
    assert quiet == pytest.approx(110.0, rel=0.01)
    assert tempo_of(np.repeat(wave, 2), 2 * RATE) == pytest.approx(110.0, rel=0.01)


def test_silence_has_no_tempo():
    assert np.isnan(tempo_of(np.zeros(5 * RATE, dtype=np.float32), RATE))


@pytest.mark.parametrize("wave", [np.zeros(RATE, dtype=np.float32), np.zeros((1, 5 * RATE), dtype=np.float32)])
def test_waves_without_a_tempo_to_find_are_refused(wave):
    with pytest.raises(InvalidInputError, match="at least 3 s"):
        tempo_of(wave, RATE)

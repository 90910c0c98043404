import numpy as np
import pytest
from scipy.stats import variation

from musicldm.errors import InvalidInputError
from musicldm.listeners.tempo import TempoRange, beat_stability, named_tempo, tempo_error, tempo_met, tempo_of

RATE = 16000


def clicks(bpm: float, *, accent: int = 1, seconds: float = 10.24, offset: float = 0.1) -> np.ndarray:
    """Short noise bursts on every beat, softer ones on the halves; every `accent`-th beat is louder."""
    rng = np.random.default_rng(0)
    wave = 0.001 * rng.standard_normal(int(seconds * RATE))
    for index, time in enumerate(np.arange(offset, seconds - 0.1, 30 / bpm)):
        level = 0.15 if index % 2 else (0.8 if index // 2 % accent == 0 else 0.6)
        burst = level * rng.standard_normal(800) * np.exp(-np.arange(800) / 120)
        wave[int(time * RATE) : int(time * RATE) + 800] += burst
    return wave.astype(np.float32)


@pytest.mark.parametrize("bpm", [84.0, 89.3, 104.0, 120.0, 128.0, 143.7])
def test_the_tempo_of_clicks_is_found_within_one_percent(bpm):
    assert tempo_of(clicks(bpm), RATE) == pytest.approx(bpm, rel=0.01)


@pytest.mark.parametrize("bpm", [60.0, 174.0])
def test_extreme_tempi_are_found_up_to_an_octave(bpm):
    assert tempo_error(tempo_of(clicks(bpm), RATE), bpm, folded=True) < 0.01


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


def test_strict_and_folded_errors_are_those_of_the_closed_form():
    assert tempo_error(126.0, 120.0) == pytest.approx(0.05)
    assert tempo_error(60.0, 120.0) == pytest.approx(0.5)
    for fold in (0.5, 2.0, 2 / 3, 3 / 2):
        assert tempo_error(120.0 * fold * 1.01, 120.0, folded=True) == pytest.approx(0.01)
    assert tempo_error(160.0, 120.0, folded=True) == pytest.approx(1 / 9)


def test_four_percent_is_met_and_a_little_more_is_not():
    assert tempo_met(124.79, 120.0)
    assert not tempo_met(124.81, 120.0)
    assert not tempo_met(60.0, 120.0)
    assert tempo_met(60.0, 120.0, folded=True)


@pytest.mark.parametrize(("estimated", "named"), [(0.0, 120.0), (120.0, -1.0), (float("nan"), 120.0)])
def test_tempi_that_are_not_above_zero_are_refused(estimated, named):
    with pytest.raises(InvalidInputError, match="above 0"):
        tempo_error(estimated, named)


@pytest.mark.parametrize("wave", [np.zeros(RATE, dtype=np.float32), np.zeros((1, 5 * RATE), dtype=np.float32)])
def test_waves_without_a_tempo_to_find_are_refused(wave):
    with pytest.raises(InvalidInputError, match="at least 3 s"):
        tempo_of(wave, RATE)


def test_a_machine_is_steady():
    found = beat_stability(np.arange(20) * 0.5 + 0.1)
    assert (found.variation, found.steady, found.drift) == (pytest.approx(0, abs=1e-12), 1, pytest.approx(0))
    assert found.beats == 20


def test_the_variation_is_scipys_and_the_steady_share_is_counted():
    gaps = np.array([0.5, 0.51, 0.5, 1.0, 0.49, 0.55])
    found = beat_stability(np.concatenate([[3.0], 3 + np.cumsum(gaps)]))
    assert found.variation == pytest.approx(variation(gaps))
    assert found.steady == pytest.approx(4 / 6)


def test_a_player_who_hurries_drifts():
    gaps = np.repeat([0.5, 0.4], 8)
    assert beat_stability(np.concatenate([[0], np.cumsum(gaps)])).drift == pytest.approx(0.25)


def test_too_few_beats_have_no_stability_and_wrong_ones_are_refused():
    assert beat_stability([0.0, 0.5, 1.0]) is None
    assert beat_stability([]) is None
    for bad in ([0, 1, 1, 2], [0, np.nan, 1, 2], [[0, 1, 2, 3]]):
        with pytest.raises(InvalidInputError, match="ascending times"):
            beat_stability(bad)


@pytest.mark.parametrize(
    ("text", "bpm"),
    [
        ("techno at 132 BPM", 132.0),
        ("a 97.5bpm groove", 97.5),
        ("85-bpm reggae", 85.0),
        ("slow, tempo: 72, piano", 72.0),
        ("bpm 115 - sunny", 115.0),
        ("a song from 1975 with 12 strings", None),
        ("between 120 BPM and 140 BPM", None),
        ("at 120 BPM, tempo 120", 120.0),
        ("music at 999 BPM", None),
    ],
)
def test_a_named_tempo_is_found_and_none_is_made_up(text, bpm):
    assert named_tempo(text) == bpm

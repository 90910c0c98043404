import mir_eval
import numpy as np
import pyloudnorm
import pytest
from librosa.feature import chroma_stft, spectral_rolloff

from musicldm.errors import InvalidInputError
from musicldm.evaluation.metrics.signal import (
    MAJOR,
    MINOR,
    PITCHES,
    bandwidth,
    chroma,
    clipping_share,
    key_of,
    mean_spectrum,
    measure,
    silence_share,
)

RATE = 16000


def tones(*hertz: float, seconds: float = 2.0, peak: float = 0.5) -> np.ndarray:
    time = np.arange(round(seconds * RATE)) / RATE
    return (peak * np.mean([np.sin(2 * np.pi * hz * time) for hz in hertz], axis=0)).astype(np.float32)


def midi(*notes: int) -> list[float]:
    return [440 * 2 ** ((note - 69) / 12) for note in notes]


def noise(seconds: float = 3.0) -> np.ndarray:
    return (0.1 * np.random.default_rng(0).standard_normal(round(seconds * RATE))).astype(np.float32)


def test_silent_pieces_are_counted():
    wave = np.concatenate([tones(440, seconds=1), np.zeros(3 * RATE, np.float32)])
    assert silence_share(wave, RATE) == pytest.approx(0.75)
    level = np.float32(10 ** (-60 / 20))
    assert silence_share(np.full(RATE, 0.99 * level), RATE) == 1
    assert silence_share(np.full(RATE, 1.01 * level), RATE) == 0


def test_flat_tops_are_counted_sample_by_sample():
    wave = np.array([0, 1, 1, 1, 0, -1, -1, 0, 1, -1, 1, -1, -1, -1, -1, 0], np.float32)
    assert clipping_share(wave) == 7 / 16
    assert clipping_share(0.1 * wave) == 7 / 16
    assert clipping_share(np.zeros(10, np.float32)) == 0


def test_a_low_note_does_not_count_as_clipped_and_a_clipped_one_does():
    assert clipping_share(tones(40)) == 0
    clipped = np.clip(2 * tones(440), -0.5, 0.5)
    beyond = np.mean(np.abs(2 * tones(440)) >= 0.5)
    assert clipping_share(clipped) == pytest.approx(beyond, rel=0.02)


def test_the_bandwidth_is_where_the_energy_ends():
    assert measure(tones(3000), RATE).bandwidth == pytest.approx(3000, abs=8)
    assert measure(noise(), RATE).bandwidth == pytest.approx(0.99 * RATE / 2, rel=0.01)


def test_the_bandwidth_is_librosas_rolloff_of_the_mean_spectrum():
    spectrum, frequencies = mean_spectrum(noise() + tones(700, seconds=3), RATE)
    found = spectral_rolloff(S=spectrum[:, None], freq=frequencies, roll_percent=0.99)[0, 0]
    assert bandwidth(spectrum, frequencies) == pytest.approx(found, abs=2 * frequencies[1])


def test_a_spectrum_has_the_power_of_its_wave():
    spectrum, frequencies = mean_spectrum(noise(), RATE)
    size = 2 * (len(spectrum) - 1)
    whole = (2 * spectrum.sum() - spectrum[0] - spectrum[-1]) / size
    assert whole / np.sum(np.hanning(size + 1)[:-1] ** 2) == pytest.approx(float(np.mean(noise() ** 2)), rel=0.02)
    assert frequencies[-1] == RATE / 2


def test_chroma_puts_tones_into_the_classes_of_librosa():
    wave = tones(*midi(60, 64, 67, 70))
    mine = chroma(*mean_spectrum(wave, RATE))
    theirs = chroma_stft(y=wave, sr=RATE, n_fft=4096, tuning=0.0).mean(axis=1)
    assert np.corrcoef(mine, theirs)[0, 1] > 0.95
    assert set(np.argsort(mine)[-4:]) == {0, 4, 7, 10}


@pytest.mark.parametrize("tonic", range(12))
def test_a_profile_has_its_own_key(tonic):
    for profile, mode in ((MAJOR, "major"), (MINOR, "minor")):
        assert key_of(np.roll(profile, tonic)) == (f"{PITCHES[tonic]} {mode}", pytest.approx(1))


@pytest.mark.parametrize(("tonic", "mode"), [(0, "major"), (9, "minor"), (6, "major"), (4, "minor")])
def test_a_cadence_has_the_key_of_mir_eval(tonic, mode):
    third = 4 if mode == "major" else 3
    chords = [(0, third, 7), (5, 5 + third, 12), (7, 11, 14), (0, third, 7)]
    wave = np.concatenate([tones(*midi(*(60 + tonic + note for note in chord))) for chord in chords])
    found = measure(wave, RATE)
    assert mir_eval.key.weighted_score(f"{PITCHES[tonic]} {mode}", found.key) == 1
    assert found.key_clarity > 0.7


def test_an_even_chroma_has_no_clear_key():
    assert key_of(np.ones(12)) == ("none", 0.0)
    assert measure(noise(), RATE).key_clarity < 0.5


def test_loudness_and_peak_are_those_of_the_standard():
    wave = tones(997, peak=1.0, seconds=3)
    found = measure(wave, RATE)
    assert found.loudness == pytest.approx(-3.01, abs=0.1)  # BS.1770-4: a full-scale sine of 997 Hz
    assert found.loudness == pytest.approx(pyloudnorm.Meter(RATE).integrated_loudness(wave.astype(float)), abs=1e-6)
    assert measure(0.5 * wave, RATE).peak == pytest.approx(-6.02, abs=0.01)


def test_silence_has_no_loudness_bandwidth_or_key_and_is_no_error():
    found = measure(np.zeros(RATE, np.float32), RATE)
    assert (found.loudness, found.peak, found.silence, found.bandwidth) == (-np.inf, -np.inf, 1, 0)
    assert (found.key, found.key_clarity, found.clipping) == ("none", 0, 0)


@pytest.mark.parametrize("wave", [np.zeros((2, RATE), np.float32), np.zeros(RATE // 3, np.float32)])
def test_stereo_and_too_short_waves_are_refused(wave):
    with pytest.raises(InvalidInputError, match=r"at least 0\.5 s"):
        measure(wave, RATE)


def test_samples_that_are_not_finite_are_refused():
    with pytest.raises(InvalidInputError, match="not finite"):
        measure(np.full(RATE, np.nan, np.float32), RATE)

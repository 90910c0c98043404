"""Effects against closed forms and SciPy: filters, delays, drive, dynamics, rooms."""

import itertools
import math

import numpy as np
import pytest
from scipy.signal import butter as butterworth
from scipy.signal import chirp, freqz, lfilter, resample_poly, sosfilt

from musicldm.corpus.sound.effects import INSERTS, Setting, insert
from musicldm.corpus.sound.effects.delays import chorus, cycle, delayed, echo, swayed, wow_and_flutter
from musicldm.corpus.sound.effects.drive import cabinet, crush, minimum_phase, shaped
from musicldm.corpus.sound.effects.dynamics import (
    compressor_gain,
    limiter_gain,
    pump_gain,
    punch_gain,
    ramps,
    true_peaks,
)
from musicldm.corpus.sound.effects.filters import KINDS, biquad, one_pole, swept
from musicldm.corpus.sound.effects.rooms import SPACES, response, reverberate
from musicldm.errors import InvalidInputError

RATE = 48000


def noise(count: int = RATE, seed: int = 0, channels: int = 2) -> np.ndarray:
    return (0.2 * np.random.default_rng(seed).standard_normal((channels, count))).astype(np.float32)


def sine(frequency: float, count: int = RATE, level: float = 0.5) -> np.ndarray:
    return (level * np.sin(2 * math.pi * frequency / RATE * np.arange(count))).astype(np.float32)


def decibels(value: float) -> float:
    return 20 * math.log10(value + 1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_a_moving_filter_that_stands_still_is_lfilter(kind):
    """Across the borders of its blocks, too."""
    wave = noise(20000)
    b, a = biquad(kind, np.array([700.0]), 2.0, RATE)
    expected = lfilter(b[:, 0], a[:, 0], wave.astype(np.float64))
    moved = swept(wave, kind, np.full(20000, 700.0), (2.0,), RATE)
    # The moving one takes its sines in float32.
    np.testing.assert_allclose(moved, expected, atol=2e-6)
    np.testing.assert_allclose(swept(wave, kind, np.array([700.0]), (2.0,), RATE), expected, atol=1e-12)


@pytest.mark.parametrize("resonance", [0.7071, 4.0])
@pytest.mark.parametrize("cutoff", [200.0, 3000.0])
def test_a_low_pass_is_as_high_as_its_q_at_its_cutoff(cutoff, resonance):
    b, a = biquad("low", np.array([cutoff]), resonance, RATE)
    _, (at, far) = freqz(b[:, 0], a[:, 0], [cutoff, 8 * cutoff], fs=RATE)
    assert abs(at) == pytest.approx(resonance, rel=1e-3)
    assert decibels(abs(far)) < -34


def test_a_filter_that_falls_lets_less_and_less_through():
    wave = noise(RATE, channels=1)
    cutoff = np.geomspace(8000, 100, RATE)
    out = swept(wave, "low", cutoff, (1.0, 0.7), RATE)[0]
    levels = [np.mean(part**2) for part in np.split(out, 8)]
    assert all(after < before for before, after in itertools.pairwise(levels))
    tail = np.abs(np.fft.rfft(out[-4800:]))
    assert np.sum(tail[: round(500 / 10)] ** 2) > 0.98 * np.sum(tail**2)


def test_one_pole_is_3_decibels_down_at_its_corner():
    for rate in (16000, 48000):
        impulse = np.zeros((1, 8192), np.float32)
        impulse[0, 0] = 1
        answer = np.abs(np.fft.rfft(one_pole(impulse, 300, rate)[0]))
        at = answer[round(300 * 8192 / rate)] / answer[0]
        assert decibels(at) == pytest.approx(-3.01, abs=0.1)


def test_a_fixed_delay_of_whole_and_of_half_samples():
    wave = sine(1000)
    np.testing.assert_allclose(delayed(wave, np.full(RATE, 7.0))[7:], wave[:-7], atol=1e-6)
    exact = (0.5 * np.sin(2 * math.pi * 1000 / RATE * (np.arange(RATE) - 7.5))).astype(np.float32)
    np.testing.assert_allclose(delayed(wave, np.full(RATE, 7.5))[20:], exact[20:], atol=1e-4)
    np.testing.assert_allclose(swayed(wave, np.full(RATE, 7.5, np.float32))[20:], exact[20:], atol=3e-3)


def test_a_cycle_is_a_sine():
    np.testing.assert_allclose(
        cycle(5000, 3.0, 1000, 0.25), np.cos(2 * math.pi * 3 * np.arange(5000) / 1000), atol=2e-6
    )


@pytest.mark.parametrize("seconds", [0.125, 0.3333])
def test_an_echo_comes_after_its_time_in_samples_with_its_level_and_changes_sides(seconds):
    wave = np.zeros((2, 2 * RATE), np.float32)
    wave[:, 100] = 1.0
    out = echo(wave, 0.5, seconds, RATE)
    delay = round(seconds * RATE)
    assert not out[:, 101 : 100 + delay].any()
    levels = []
    for turn in (1, 2):
        window = out[:, 100 + turn * delay : 100 + turn * delay + 400]
        assert window[0].argmax() == window[1].argmax() == 0
        levels.append(window.sum(axis=1))
    assert levels[0].mean() == pytest.approx(0.5, rel=0.02)
    assert levels[1].mean() == pytest.approx(0.25, rel=0.02)
    assert (levels[0][1] - levels[0][0]) * (levels[1][1] - levels[1][0]) < 0


def test_a_chorus_makes_two_equal_sides_differ_and_moves_the_pitch():
    wave = np.repeat(sine(1000, 2 * RATE)[None], 2, axis=0)
    out = chorus(wave, RATE)
    assert np.mean((out[0] - out[1]) ** 2) > 0.05 * np.mean(out**2)
    band = np.abs(np.fft.rfft(out[0] * np.hanning(2 * RATE)))
    near = band[1980:2021].copy()
    near[18:23] = 0
    assert decibels(float(near.max() / band.max())) > -40


def test_wow_keeps_times_within_two_milliseconds_and_both_sides_together():
    clicks = np.zeros((2, 4 * RATE), np.float32)
    clicks[:, 1000::4800] = 1.0
    out = wow_and_flutter(clicks, 1.0, RATE, 0.3)
    np.testing.assert_array_equal(out[0], out[1])
    for at in range(1000, 4 * RATE - 4800, 4800):
        assert 0 <= np.argmax(out[0, at : at + 400]) <= 0.002 * RATE


@pytest.mark.parametrize("rate", [16000, 48000])
def test_drive_makes_the_harmonics_of_tanh_and_hardly_any_other(rate):
    frequency, count = 0.1123 * rate, rate
    turns = np.round(frequency) / rate * np.arange(count)
    out = shaped(np.sin(2 * math.pi * turns).astype(np.float32), 2.0, 0.0, rate)
    size = np.abs(np.fft.rfft(out[count // 4 : count // 4 + count // 2] * np.blackman(count // 2)))
    bin_ = round(frequency) * (count // 2) / rate
    third = size[round(3 * bin_) - 2 : round(3 * bin_) + 3].max()
    first = size[round(bin_) - 2 : round(bin_) + 3].max()
    t = np.linspace(0, 2 * math.pi, 4096, endpoint=False)
    lines = np.abs(np.fft.rfft(np.tanh(2 * np.sin(t))))
    assert third / first == pytest.approx(lines[3] / lines[1], rel=0.02)
    for k in (1, 3):
        size[round(k * bin_) - 4 : round(k * bin_) + 5] = 0
    assert decibels(float(size.max() / first)) < -40


def test_a_minimum_phase_response_has_its_magnitudes_and_comes_at_once():
    frequency = np.fft.rfftfreq(4096, 1 / RATE)
    magnitude = 1 / np.sqrt(1 + (frequency / 2000) ** 4)
    answer = minimum_phase(magnitude)
    np.testing.assert_allclose(np.abs(np.fft.rfft(answer)), magnitude, atol=2e-3)
    assert np.sum(answer[:200] ** 2) > 0.999 * np.sum(answer**2)


def test_a_cabinet_takes_the_treble_and_a_doubled_one_is_wide():
    wave = np.repeat(noise(channels=1), 2, axis=0)
    single, double = cabinet(wave, RATE), cabinet(wave, RATE, doubled=True)
    np.testing.assert_array_equal(single[0], single[1])
    size = np.abs(np.fft.rfft(single[0]))
    assert decibels(float(size[10000:12000].mean() / size[1000:3000].mean())) < -25
    assert np.corrcoef(double[0], double[1])[0, 1] < 0.5


def test_crushed_samples_have_few_levels():
    assert len(np.unique(crush(noise(), RATE, bits=4)[0])) <= 17


@pytest.mark.parametrize("name", INSERTS)
def test_every_insert_keeps_shape_and_is_finite(name):
    wave = noise(RATE // 2)
    for rate in (8000, 48000):
        out = insert(wave, name, Setting(rate, 0.5, 0.4))
        assert out.shape == wave.shape
        assert out.dtype == np.float32
        assert np.isfinite(out).all()
        assert 0.05 < np.sqrt(np.mean(out**2) / np.mean(wave**2)) < 20
        assert insert(wave, name, Setting(rate, 0.5, 0.4)).tobytes() == out.tobytes()


def test_an_unknown_insert_is_refused_with_the_choices():
    with pytest.raises(InvalidInputError, match="unknown effect 'fuzz': choose one of chorus"):
        insert(noise(), "fuzz", Setting(RATE, 0.5, 0.0))


def test_ramps_join_the_middles_of_blocks():
    points = np.array([1.0, 3.0, 2.0])
    np.testing.assert_allclose(ramps(points, 10, 30), np.interp(np.arange(30), [5, 15, 25], points), atol=1e-6)


def test_a_compressor_takes_back_its_share_of_what_is_too_loud():
    """A tone that is 12 dB louder for half of its time comes out 6 dB louder at half the squeeze."""
    step = np.where(np.arange(4 * RATE) < 2 * RATE, 0.1, 0.1 * 10 ** (12 / 20)).astype(np.float32)
    wave = np.repeat((step * np.sin(0.2 * np.arange(4 * RATE)))[None], 2, axis=0).astype(np.float32)
    gain = compressor_gain(wave, 0.5, RATE)
    mean = 10 * math.log10((1 + 10**1.2) / 2)
    assert decibels(float(gain[RATE])) == pytest.approx(0, abs=0.05)
    assert decibels(float(gain[3 * RATE])) == pytest.approx(-0.5 * (12 - mean), abs=0.1)


def test_pumping_dips_at_the_kick_and_recovers():
    gain = pump_gain((1.0,), 0.6, 0.0, 2 * RATE, RATE)
    assert gain[RATE - 1] == 1
    assert gain[RATE] == pytest.approx(0.4)
    assert gain[round(1.3 * RATE)] == 1


def test_punch_lifts_attacks_and_not_what_sounds_on():
    wave = np.repeat(sine(200)[None], 2, axis=0) * np.exp(-6 * (np.arange(RATE) % 24000) / RATE).astype(np.float32)
    gain = punch_gain(wave, 0.5, RATE)
    assert decibels(float(gain[24240])) > 1.0
    assert decibels(float(gain[40000])) < 0.2


def test_the_true_peak_of_a_tone_between_samples():
    """A quarter of the rate, shifted by 45 degrees: samples reach 0.707, the wave 1."""
    wave = np.repeat(np.sin(math.pi / 2 * np.arange(4800) + math.pi / 4)[None], 2, axis=0).astype(np.float32)
    assert np.abs(wave).max() == pytest.approx(0.7071, abs=1e-3)
    assert true_peaks(wave)[10:-10].max() == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("drive", [3.0, 9.0])
def test_the_limiter_keeps_the_true_peak_at_eight_times_the_rate(drive):
    wave = noise(2 * RATE) * (1 + 3 * (np.arange(2 * RATE) % 9600 < 300)).astype(np.float32)
    wave = sosfilt(butterworth(4, 15000, fs=RATE, output="sos"), wave).astype(np.float32)
    gain, ceiling = limiter_gain(wave, drive, RATE)
    dense = np.abs(resample_poly(wave * gain, 8, 1, axis=1)).max()
    assert decibels(float(dense / ceiling)) < 0.3
    assert decibels(ceiling / float(true_peaks(wave).max())) == pytest.approx(-drive, abs=1e-3)
    assert gain.max() <= 1 + 1e-6


def test_a_limiter_with_nothing_to_do_does_nothing():
    gain, _ = limiter_gain(noise(), 0.0, RATE)
    np.testing.assert_allclose(gain, 1, atol=1e-6)


@pytest.mark.parametrize("space", SPACES)
@pytest.mark.parametrize("seconds", [0.6, 2.0])
def test_a_room_decays_by_60_decibels_in_its_time(space, seconds):
    """Schroeder's backward integral from -5 to -25 dB, in the octave around 500 Hz."""
    rate = 24000
    answer = response(space, seconds, rate, np.random.default_rng(1))
    assert np.mean(np.sum(answer.astype(np.float64) ** 2, axis=1)) == pytest.approx(1, rel=1e-3)
    band = sosfilt(butterworth(4, [350, 710], "band", fs=rate, output="sos"), answer[0])
    curve = 10 * np.log10(np.cumsum(band[::-1] ** 2)[::-1] + 1e-20)
    curve -= curve[0]
    t5, t25 = (int(np.argmax(curve < level)) / rate for level in (-5, -25))
    assert 3 * (t25 - t5) == pytest.approx(seconds, rel=0.25)


@pytest.mark.parametrize("space", SPACES)
def test_a_rooms_two_sides_are_not_alike(space):
    answer = response(space, 1.0, 24000, np.random.default_rng(1))
    assert abs(np.corrcoef(answer)[0, 1]) < 0.3


def test_reverberation_is_convolution():
    send, answer = noise(5000), noise(700, 1)
    expected = [np.convolve(send.mean(axis=0), side)[:5000] for side in answer]
    np.testing.assert_allclose(reverberate(send, answer), expected, atol=1e-4)


def test_a_room_at_half_the_rate_is_the_room_below_half_its_band():
    """A sweep through an impulse answers with the sweep, its treble gone."""
    wave = np.repeat(chirp(np.arange(RATE) / RATE, 100, 1, 20000)[None], 2, axis=0).astype(np.float32)
    answer = np.zeros((2, 1000), np.float32)
    answer[:, 0] = 1.0
    wet = reverberate(wave, answer, 2)
    np.testing.assert_allclose(wet[:, 2000 : RATE // 2], wave[:, 2000 : RATE // 2], atol=0.02)
    assert np.abs(wet[:, 40000:-500]).max() < 0.05

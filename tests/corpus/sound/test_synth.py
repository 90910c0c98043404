"""The synthesiser against closed forms: pitch, aliasing, envelopes, strings, frequency modulation, drums."""

import itertools
import math

import numpy as np
import pytest
from scipy.signal import lfilter, resample_poly
from scipy.special import jv

from musicldm.corpus.sound.instruments import INSTRUMENTS
from musicldm.corpus.sound.synth import KITS, PATCHES, TRANSITION_KEYS, strike, transition
from musicldm.corpus.sound.synth.envelopes import Envelope
from musicldm.corpus.sound.synth.fm import Fm, Operator
from musicldm.corpus.sound.synth.percussion import Tone
from musicldm.corpus.sound.synth.strings import String, pluck
from musicldm.corpus.sound.synth.subtractive import Subtractive
from musicldm.corpus.sound.synth.tables import Oscillator, read, table
from musicldm.corpus.sound.waves import Hit

RATE = 48000
STEADY = Envelope(0.001, 1.0, 1.0, 0.01)


def spectrum(wave: np.ndarray, size: int = 1 << 18, rate: int = RATE) -> tuple[np.ndarray, np.ndarray]:
    """(Hz, magnitude) through a Blackman window."""
    return np.fft.rfftfreq(size, 1 / rate), np.abs(np.fft.rfft(wave * np.blackman(wave.size), size))


def peak_near(wave: np.ndarray, frequency: float, cents: float = 80.0) -> float:
    """Frequency of the largest magnitude within `cents`, between bins by a parabola."""
    axis, size = spectrum(wave)
    low, high = frequency * 2 ** (-cents / 1200), frequency * 2 ** (cents / 1200)
    inside = np.flatnonzero((axis > low) & (axis < high))
    at = inside[size[inside].argmax()]
    a, b, c = np.log(size[at - 1 : at + 2] + 1e-20)
    return float(axis[at] + (axis[1] - axis[0]) * 0.5 * (a - c) / (a - 2 * b + c))


def middle_of(name: str) -> int:
    users = [i for i in INSTRUMENTS.values() if i.patch == name]
    return (users[0].low + users[0].high) // 2 if users else 60


def gravity(wave: np.ndarray, frequency: float) -> float:
    """Power-weighted mean of the spectrum within 60 cents: the pitch of a detuned unison."""
    axis, size = spectrum(wave)
    inside = (axis > frequency * 2 ** (-60 / 1200)) & (axis < frequency * 2 ** (60 / 1200))
    return float(np.sum(axis[inside] * size[inside] ** 2) / np.sum(size[inside] ** 2))


@pytest.mark.parametrize("name", PATCHES)
def test_each_patch_is_in_tune_within_eight_cents(name):
    pitch = middle_of(name)
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    wave = PATCHES[name].play(Hit(pitch, 104, 2.0), RATE).mean(axis=0)[4800:91200]
    assert 1200 * abs(math.log2(gravity(wave, frequency) / frequency)) < 8


@pytest.mark.parametrize("name", PATCHES)
@pytest.mark.parametrize("rate", [8000, 44100])
def test_each_patch_plays_finite_sound_at_any_rate_and_the_same_twice(name, rate):
    hit = Hit(middle_of(name), 72, 0.5, bend=-1.0, vibrato=0.2)
    wave = PATCHES[name].play(hit, rate)
    assert wave.dtype == np.float32
    assert wave.shape[0] in (1, 2)
    assert wave.shape[1] >= 0.25 * rate
    assert np.isfinite(wave).all()
    assert 0.005 < np.sqrt(np.mean(wave**2)) < 1.0
    assert PATCHES[name].play(hit, rate).tobytes() == wave.tobytes()


def test_a_bent_hit_starts_at_its_bend_and_arrives():
    wave = Subtractive((Oscillator("sine"),), STEADY).play(Hit(69, 100, 1.0, bend=-2.0, glide=0.1), RATE)[0]
    crossings = np.flatnonzero(np.diff(np.signbit(wave)))
    periods = np.diff(crossings) * 2 / RATE
    assert 1 / periods[1:4].mean() < 400
    assert 1 / periods[-40:].mean() == pytest.approx(440, rel=2e-3)


@pytest.mark.parametrize("pitch", [60, 84, 96])
def test_a_saw_has_its_harmonics_and_nothing_between_them(pitch):
    """Everything that is no harmonic, which is where aliases fall, is 80 dB below the first."""
    frequency = 440 * 2 ** ((pitch - 69) / 12)
    source = table((Oscillator("saw"),), frequency, RATE)
    wave = read(source, source.wave.shape[1])[0]
    size = np.abs(np.fft.rfft(wave.astype(np.float64)))
    harmonics = np.arange(source.turns, size.size, source.turns)
    between = np.delete(size, harmonics)
    assert 20 * np.log10(between.max() / size[source.turns]) < -80
    low = harmonics[: int(0.44 * RATE / frequency)]
    np.testing.assert_allclose(size[low] / size[low[0]], 1 / np.arange(1, low.size + 1), rtol=1e-3)


def test_a_bent_saw_keeps_aliases_70_decibels_down():
    """A saw read half a semitone off its table: what lies between its harmonics stays small."""
    frequency = 440.0
    source = table((Oscillator("saw"),), frequency, RATE)
    wave = read(source, 1 << 16, np.full(1 << 16, 2 ** (0.5 / 12)))[0]
    axis, size = spectrum(wave, 1 << 16)
    bent = frequency * 2 ** (0.5 / 12)
    distance = np.abs(axis / bent - np.round(axis / bent)) * bent
    assert 20 * np.log10(size[(distance > 60) & (axis < 16000)].max() / size.max()) < -70


@pytest.mark.parametrize("width", [0.125, 0.25, 0.5])
def test_a_pulse_has_the_harmonics_of_its_width(width):
    source = table((Oscillator("pulse", width=width),), 220.0, RATE)
    size = np.abs(np.fft.rfft(source.wave[0].astype(np.float64)))
    k = np.arange(1, 30)
    expected = np.abs(np.sin(math.pi * k * width)) / k
    measured = size[k * source.turns]
    np.testing.assert_allclose(measured / measured[0], expected / expected[0], atol=2e-3)


def test_a_table_is_within_half_a_cent_of_its_pitch():
    for pitch in range(24, 109, 5):
        frequency = 440 * 2 ** ((pitch - 69) / 12)
        for oscillator in (Oscillator("saw"), Oscillator("saw", voices=7, detune=20)):
            source = table((oscillator,), frequency, RATE)
            real = source.turns * RATE / source.wave.shape[1]
            assert 1200 * abs(math.log2(real / frequency)) < 0.5


def test_a_unison_is_wide_and_its_mid_is_not_silent():
    left, right = table((Oscillator("saw", voices=7, detune=20, spread=0.8),), 220.0, RATE).wave
    mid, side = left + right, left - right
    ratio = 10 * np.log10(np.mean(side**2) / np.mean(mid**2))
    assert -9 < ratio < 0


def test_an_envelope_follows_its_closed_form():
    shape = Envelope(attack=0.1, decay=0.5, sustain=0.4, release=0.2)
    curve = shape.curve(1.0, shape.samples(1.0, 1000), 1000)
    assert curve.size == 1200
    assert curve[50] == pytest.approx(0.5, abs=1e-5)
    assert curve[100] == pytest.approx(1.0, abs=1e-5)
    for time in (0.2, 0.6, 0.99):
        assert curve[round(time * 1000)] == pytest.approx(0.4 + 0.6 * 10 ** (-3 * (time - 0.1) / 0.5), rel=1e-4)
    end = 0.4 + 0.6 * 10 ** (-3 * 0.9 / 0.5)
    for time in (1.0, 1.1, 1.19):
        assert curve[round(time * 1000)] == pytest.approx(end * 10 ** (-3 * (time - 1.0) / 0.2), rel=1e-3)


def test_a_string_is_the_karplus_strong_loop():
    """Against the recursion of 1983, y[n] = x[n] + g (y[n-P] + y[n-P-1]) / 2, run by lfilter."""
    turn, fade, count = 200, 2.0, 24000
    string = String(damping=0.5, place=0.25, noise=0.0)
    frequency = RATE / (turn + 0.5)
    wave = pluck(string, frequency, fade, 1000.0, 0, count, RATE).astype(np.float64)
    lowest = abs(1 + np.exp(-2j * math.pi * frequency / RATE)) / 2
    gain = 10 ** (-3 * (turn + 0.5) / (RATE * fade)) / lowest
    feedback = np.zeros(turn + 2)
    feedback[0], feedback[turn], feedback[turn + 1] = 1, -gain / 2, -gain / 2
    force = np.zeros(count)
    pole = math.exp(-2 * math.pi * 1000 / RATE)
    force[0] = 1
    force = lfilter([1 - pole], [1, -pole], force)
    place = 0.25 * (turn + 0.5)
    late = np.interp(np.arange(count) - place, np.arange(count), force, left=0.0)
    loop = lfilter([1.0], feedback, force - late)

    def level(wave_: np.ndarray, partial: int, at: int) -> float:
        turns = np.exp(-2j * math.pi * partial * frequency / RATE * np.arange(4020))
        return float(np.abs(np.sum(wave_[at : at + 4020] * np.hanning(4020) * turns)))

    # The same partials with the same decay, whatever the exact shape of the pluck.
    for partial in (1, 2, 3, 5):
        for wave_, name in ((wave, "ours"), (loop, "recursion")):
            axis, size = spectrum(wave_[:16384])
            inside = np.abs(axis - partial * frequency) < 20
            assert axis[inside][size[inside].argmax()] == pytest.approx(partial * frequency, abs=0.4), name
        fall = []
        for wave_ in (wave, loop):
            fall.append(20 * math.log10(level(wave_, partial, 18000) / level(wave_, partial, 2000)))
        assert fall[0] == pytest.approx(fall[1], abs=0.5)


def test_a_string_decays_by_60_decibels_in_its_time():
    wave = pluck(String(damping=0.1, noise=0.0), 220.0, 1.5, 4000.0, 0, 2 * RATE, RATE).astype(np.float64)

    def level(at: float) -> float:
        piece = wave[round(at * RATE) :][:4800]
        return abs(np.sum(piece * np.hanning(4800) * np.exp(-2j * math.pi * 220 / RATE * np.arange(4800))))

    assert 20 * math.log10(level(0.85) / level(0.1)) == pytest.approx(-30, abs=1.0)


def test_stiffness_stretches_the_partials():
    wave = pluck(String(damping=0.05, noise=0.0, stiffness=0.0005), 110.0, 4.0, 8000.0, 0, RATE, RATE)
    for k in (1, 4, 9):
        expected = 110 * k * math.sqrt(1 + 0.0005 * k**2)
        assert peak_near(wave, expected, 40) == pytest.approx(expected, rel=1e-3)


def test_two_sines_modulate_as_bessel_says():
    """sin(w t + I sin(w t)) at ratio 1:3: the carrier J0, its sidebands J1, at index 1.5."""
    operator = Operator(1.0, 1.0, STEADY, (Operator(3.0, 1.5, STEADY, darkening=1.0),))
    wave = Fm((operator,)).play(Hit(69, 127, 1.0), RATE)[0]
    axis, size = spectrum(wave[4800 : 4800 + 38400])

    def magnitude(frequency: float) -> float:
        return float(size[np.abs(axis - frequency) < 15].max())

    assert magnitude(440 * 4) / magnitude(440) == pytest.approx(abs(jv(1, 1.5) / jv(0, 1.5)), rel=0.01)
    assert magnitude(440 * 7) / magnitude(440 * 4) == pytest.approx(abs(jv(2, 1.5) / jv(1, 1.5)), rel=0.01)


def test_high_notes_are_modulated_less_so_that_no_sideband_folds_back():
    operator = Operator(1.0, 1.0, STEADY, (Operator(3.53, 6.0, STEADY, darkening=1.0),))
    wave = Fm((operator,)).play(Hit(100, 127, 1.0), RATE)[0]
    axis, size = spectrum(wave[4800:43200])
    frequency = 440 * 2 ** (31 / 12)
    real = np.min([np.abs(axis - abs(1 + 3.53 * n) * frequency) for n in range(-12, 12)], axis=0) < 20
    assert 20 * np.log10(size[~real].max() / size.max()) < -45


def test_the_808_kick_glides_as_its_parameters_say():
    """The period between zero crossings against the closed form of the falling frequency."""
    tone = next(layer for layer in KITS["808"][36] if isinstance(layer, Tone))
    wave = tone.wave(RATE, RATE, np.random.default_rng(0))
    crossings = np.flatnonzero(np.diff(np.signbit(wave)))
    for first, second in ((0, 2), (4, 6), (20, 22)):
        begin, end = crossings[first] / RATE, crossings[second] / RATE
        mean = tone.end + (tone.start - tone.end) * tone.glide * (
            math.exp(-begin / tone.glide) - math.exp(-end / tone.glide)
        ) / (end - begin)
        assert 1 / (end - begin) == pytest.approx(mean, rel=0.01)


@pytest.mark.parametrize("kit", KITS)
def test_every_drum_of_a_kit_sounds_at_once_and_dies_away(kit):
    for key, drum in KITS[kit].items():
        wave = strike(drum, key, 104, 24000)
        assert np.isfinite(wave).all()
        peak = np.abs(wave).max()
        assert peak > 0.02, key
        assert np.argmax(np.abs(wave).max(axis=0) > 0.2 * peak) < 0.035 * 24000, key
        assert np.abs(wave[:, -24:]).max() < 0.03 * peak, key


def test_kits_differ_from_one_another():
    """Snare spectra in thirds of an octave: no two of the drum machines are alike."""
    machines = ("808", "909", "linn", "trap", "chip")
    edges = 100 * 2 ** (np.arange(23) / 3)
    profiles = []
    for name in machines:
        wave = strike(KITS[name][38], 38, 104, RATE).mean(axis=0)
        axis, size = spectrum(wave[:9600])
        bands = [np.sum(size[(axis >= a) & (axis < b)] ** 2) for a, b in itertools.pairwise(edges)]
        profiles.append(10 * np.log10(np.array(bands) / np.sum(bands) + 1e-6))
    for i, first in enumerate(profiles):
        for second in profiles[i + 1 :]:
            assert np.abs(first - second).mean() > 1.5


@pytest.mark.parametrize("seconds", [0.75, 3.0])
def test_a_riser_grows_and_lasts_as_long_as_it_is_written(seconds):
    riser, _, _, fall, reverse = TRANSITION_KEYS
    for key, grows in ((riser, True), (fall, False), (reverse, True)):
        wave = transition(Hit(key, 104, seconds), 24000)
        assert wave.shape == (2, round(seconds * 24000))
        first, last = (np.mean(part**2) for part in np.array_split(wave, 3, axis=1)[::2])
        assert (last > 4 * first) if grows else (first > 4 * last)


def test_every_instrument_has_something_that_plays_it():
    for instrument in INSTRUMENTS.values():
        known = KITS if instrument.family == "drums" else PATCHES
        assert instrument.patch is None or instrument.patch in known, instrument.name
        assert instrument.patch is not None or instrument.program is not None, instrument.name
        assert 0 <= instrument.patch_share <= 1
        assert instrument.low < instrument.high


def test_downsampling_agrees_with_a_lower_rate():
    """A patch at 16 kHz is what remains of it at 48 kHz below 6 kHz."""
    hit = Hit(57, 104, 0.6)
    patch = Subtractive((Oscillator("saw"),), STEADY, cutoff=2000.0)
    low = patch.play(hit, 16000)[0][:8000]
    high = resample_poly(patch.play(hit, 48000)[0], 1, 3)[:8000]
    a, b = np.abs(np.fft.rfft(low[800:7200])), np.abs(np.fft.rfft(high[800:7200]))
    used = slice(40, 2000)
    assert 20 * np.log10(np.linalg.norm(a[used] - b[used]) / np.linalg.norm(b[used])) < -20

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import butter, resample_poly, sosfilt, welch

from musicldm.corpus.composing.arrangement import compose
from musicldm.corpus.composing.score import Mix, Note, Score, Stem
from musicldm.corpus.sound.instruments import INSTRUMENTS
from musicldm.corpus.sound.mixing import loudness
from musicldm.corpus.sound.players import legato
from musicldm.corpus.sound.rendering import REST, render, render_stems
from musicldm.corpus.sound.soundfont import SoundFont
from musicldm.corpus.sound.waves import Clock, schedule
from musicldm.corpus.truth import Part
from musicldm.errors import DataError, InvalidInputError

RATE = 16000
DRY = Mix(room=0.2, wet=0.0, top=None, tilt=0.0, duck=0.0, crackle=0.0, squeeze=0.0, peak=0.8)
FULL = Mix(
    room=1.2, wet=0.2, top=None, tilt=2.0, duck=0.4, crackle=0.0, squeeze=0.5, peak=0.95, space="plate", punch=0.5
)


def stem(name: str, notes: list[Note], level: float = 0.0, role: str = "lead") -> Stem:
    instrument = INSTRUMENTS[name]
    return Stem(Part(name, instrument.family, role), instrument, tuple(notes), level, 0.0)


def score_of(*stems: Stem, mix: Mix = DRY, seconds: float = 4.0) -> Score:
    truth = replace(compose(0).truth, duration=seconds, bpm=120.0)
    return Score(truth, stems, mix, ())


def band(mix: Mix = FULL) -> Score:
    """Five synthesised parts, so that no font is needed."""
    beats = [0.5 * k for k in range(8)]
    parts = [
        stem("pulse lead", [Note(t, t + 0.4, 72 + k, 100) for k, t in enumerate(beats)]),
        stem("analog pad", [Note(0.0, 4.0, key, 80) for key in (57, 60, 64)], -9, "pad"),
        stem("combo organ", [Note(t, t + 0.3, key, 84) for t in beats for key in (57, 60)], -9, "chords"),
        stem("analog bass", [Note(t, t + 0.25, 33, 100) for t in beats], -4, "bass"),
        stem("909 drum machine", [Note(t, t + 0.1, key, 110) for t in beats for key in (36, 42)], -2, "drums"),
    ]
    return replace(score_of(*(replace(part, send=0.7) for part in parts), mix=mix), kicks=tuple(beats))


def decibels(value: float) -> float:
    return float(20 * np.log10(value + 1e-12))


@pytest.mark.parametrize(
    ("name", "pitch", "rate"),
    [
        ("808 drum machine", 36, 16000),
        ("909 drum machine", 36, 48000),
        ("pluck synth", 72, 16000),
        ("mandolin", 72, 48000),
        ("FM bells", 76, 44100),
    ],
)
def test_a_synthesised_note_sounds_within_5_ms_of_its_time(name, pitch, rate):
    check_onsets(None, name, pitch, rate)


@pytest.mark.parametrize(
    ("name", "pitch", "rate"),
    [
        ("jazz drum kit", 37, 16000),
        ("acoustic piano", 72, 16000),
        ("marimba", 72, 16000),
        ("marimba", 72, 48000),
    ],
)
def test_a_note_of_the_font_sounds_within_5_ms_of_its_time(font, name, pitch, rate):
    check_onsets(font, name, pitch, rate)


def check_onsets(font: SoundFont | None, name: str, pitch: int, rate: int) -> None:
    times = [0.5, 1.2345, 2.0, 3.3]
    role = "drums" if INSTRUMENTS[name].family == "drums" else "lead"
    notes = [Note(t, t + 0.2, pitch, 110) for t in times]
    wave = render(score_of(stem(name, notes, role=role)), font, sample_rate=rate)
    assert wave.shape == (4 * rate,)
    for time in times:
        before = wave[round((time - 0.05) * rate) : round(time * rate)]
        after = np.abs(wave[round(time * rate) : round((time + 0.1) * rate)])
        onset = int(np.argmax(after > max(0.1 * after.max(), 3 * np.abs(before).max())))
        assert onset / rate < 0.005


def test_what_began_before_the_clip_sounds_on_into_it():
    held = render(score_of(stem("drawbar organ", [Note(-1.0, 3.0, 60, 100)])), None)
    assert np.abs(held[:800]).max() > 0.1


def test_a_clip_does_not_depend_on_the_one_rendered_before(font):
    first, second = compose(11), compose(12)
    alone = render(first, font)
    render(second, font)
    np.testing.assert_array_equal(render(first, font), alone)


def test_a_second_copy_of_the_font_gives_the_same_samples(font, font_path):
    score = compose(5)
    np.testing.assert_array_equal(render(score, SoundFont(font_path)), render(score, font))


@pytest.mark.parametrize("rate", [8000, 16000, 44100, 48000])
def test_mono_is_the_mid_of_the_stereo_at_any_rate(rate):
    stereo = render(band(), None, sample_rate=rate, channels=2)
    mono = render(band(), None, sample_rate=rate, channels=1)
    assert stereo.shape == (2, 4 * rate)
    assert stereo.dtype == mono.dtype == np.float32
    np.testing.assert_array_equal(mono, np.float32(0.5) * (stereo[0] + stereo[1]))


def test_the_same_score_gives_the_same_bytes_twice():
    assert render(band(), None, channels=2).tobytes() == render(band(), None, channels=2).tobytes()


@pytest.mark.parametrize("peak", [0.5, 0.99])
@pytest.mark.parametrize("rate", [16000, 48000])
def test_the_true_peak_at_eight_times_the_rate_is_the_mixs_and_below_minus_1_dbtp(peak, rate):
    wave = render(band(replace(FULL, peak=peak)), None, sample_rate=rate, channels=2)
    dense = float(np.abs(resample_poly(wave, 8, 1, axis=1)).max())
    aim = min(peak, 10 ** (-1 / 20))
    assert decibels(dense / aim) < 0
    assert decibels(dense / aim) > -0.6
    assert np.abs(wave).max() <= aim


@pytest.mark.parametrize("mix", [FULL, replace(FULL, tape=0.7, crackle=0.5)], ids=["clean", "tape and vinyl"])
def test_stems_and_the_rest_add_up_to_the_mix(mix):
    score = band(mix)
    made = render_stems(score, None, sample_rate=24000, channels=2)
    assert set(made.stems) == {"lead", "pad", "chords", "bass", "drums", REST}
    np.testing.assert_array_equal(made.wave, render(score, None, sample_rate=24000, channels=2))
    np.testing.assert_allclose(sum(made.stems.values()), made.wave, atol=1e-5)
    rest = decibels(float(np.sqrt(np.mean(made.stems[REST] ** 2) / np.mean(made.wave**2))))
    assert rest < -90 if mix is FULL else rest > -60


def test_mono_stems_are_the_mids_of_the_stereo_ones():
    mono, stereo = (render_stems(band(), None, channels=channels).stems for channels in (1, 2))
    for role, wave in mono.items():
        np.testing.assert_allclose(wave, stereo[role].mean(axis=0), atol=1e-6)


def test_the_middle_holds_kick_and_bass_and_the_side_hats_and_pads():
    stems = render_stems(band(replace(FULL, wet=0.0)), None, sample_rate=48000, channels=2).stems

    def side(wave: np.ndarray) -> float:
        return decibels(float(np.linalg.norm(wave[0] - wave[1]) / np.linalg.norm(wave[0] + wave[1])))

    assert side(stems["bass"]) < -80
    assert side(stems["pad"]) > -12
    treble = sosfilt(butter(4, 6000, "high", fs=48000, output="sos"), stems["drums"])
    low = sosfilt(butter(4, 150, "low", fs=48000, output="sos"), stems["drums"])
    assert side(low) < -25
    assert decibels(float(np.linalg.norm(treble[1]) / np.linalg.norm(treble[0]))) > 3


@pytest.mark.parametrize(("width", "low", "high"), [(0.0, -300, -100), (1.0, -25, -3), (1.5, -20, 0)])
def test_a_mix_is_as_wide_as_it_says(width, low, high):
    wave = render(band(replace(FULL, width=width)), None, channels=2)
    ratio = decibels(float(np.linalg.norm(wave[0] - wave[1]) / np.linalg.norm(wave[0] + wave[1])))
    assert low < ratio < high


def test_there_is_music_above_8_khz_at_48_khz():
    wave = render(band(), None, sample_rate=48000)
    frequencies, density = welch(wave, 48000, nperseg=4096)

    def power(low: float, high: float) -> float:
        return float(10 * np.log10(density[(frequencies >= low) & (frequencies < high)].sum()))

    assert power(8000, 12000) > power(200, 4000) - 40
    assert power(12000, 18000) > power(200, 4000) - 55


def test_a_part_is_as_loud_at_every_rate_and_two_equal_sides_as_one():
    for frequency in (60, 700, 5000):
        for rate in (16000, 44100, 48000):
            wave = (0.3 * np.sin(2 * np.pi * frequency / rate * np.arange(2 * rate))).astype(np.float32)
            expected = 0.3 / np.sqrt(2) * np.sqrt(1.36 - 1.2 * np.cos(np.pi * frequency / 8000))
            assert loudness(wave, rate) == pytest.approx(expected, rel=0.03)
            assert loudness(np.stack([wave, wave]), rate) == pytest.approx(loudness(wave, rate), rel=1e-6)


def test_peak_length_and_offset_of_whole_clips(font):
    for seed in range(8):
        score = compose(seed)
        wave = render(score, font, channels=2)
        assert wave.dtype == np.float32
        assert wave.shape == (2, 163840)
        assert 0.9 * min(score.mix.peak, 0.89) < np.abs(wave).max() <= min(score.mix.peak, 0.8913)
        assert np.abs(wave.mean(axis=1)).max() < 4e-3
        blocks = np.sqrt(np.mean(wave[0, :163200].reshape(-1, 8160) ** 2, axis=1))
        assert blocks.max() > 0.02
        assert np.mean(blocks > 0.02 * blocks.max()) > 0.8, "mostly silence"


def test_stems_are_mixed_by_loudness_whatever_plays_them():
    """A note of one instrument 12 dB below another's is so in the mix."""
    waves = []
    for name, level in (("theremin", 0.0), ("theremin", -12.0), ("erhu", -12.0)):
        lead = stem("mandolin", [Note(0.1, 1.5, 64, 100)])
        late = stem(name, [Note(2.0, 3.8, 72, 100)], level, "counter")
        wave = render(score_of(lead, late), None)
        waves.append(20 * np.log10(loudness(wave[32800:60000], RATE) / loudness(wave[1600:20000], RATE)))
    assert waves[0] - waves[1] == pytest.approx(12, abs=1.0)
    assert waves[1] == pytest.approx(waves[2], abs=2.5)


@pytest.mark.parametrize("name", ["saw lead", "violin"])
def test_a_bend_starts_flat_and_arrives_at_the_pitch(font, name):
    bent = render(score_of(stem(name, [Note(0.5, 2.5, 69, 100, bend=-2.0)])), font)

    def frequency(start: float, length: float) -> float:
        piece = bent[round(start * RATE) : round((start + length) * RATE)]
        spectrum = np.abs(np.fft.rfft(piece * np.hanning(piece.size), 1 << 17))
        axis = np.fft.rfftfreq(1 << 17, 1 / RATE)
        band = (axis > 350) & (axis < 500)
        return float(axis[band][spectrum[band].argmax()])

    assert frequency(0.51, 0.03) < 430
    assert frequency(1.0, 0.5) == pytest.approx(440, rel=0.01)


def test_ducking_dips_at_every_kick():
    pad = stem("combo organ", [Note(0.0, 4.0, 60, 90)], role="pad")
    score = replace(score_of(pad, mix=replace(DRY, duck=0.8)), kicks=(2.0, 3.0))
    wave = render(score, None)
    level = [loudness(wave[round(t * RATE) : round((t + 0.1) * RATE)], RATE) for t in (1.85, 2.0, 2.85, 3.0)]
    assert level[1] < 0.6 * level[0]
    assert level[3] < 0.6 * level[2]


def test_an_echo_repeats_at_its_distance():
    hit = replace(stem("pluck synth", [Note(0.2, 0.3, 84, 110)]), echo=0.5)
    wave = render(score_of(hit, mix=replace(DRY, echo_seconds=0.75)), None)
    envelope = [loudness(wave[round(t * RATE) : round((t + 0.1) * RATE)], RATE) for t in (0.2, 0.95, 1.7)]
    assert envelope[1] / envelope[0] == pytest.approx(0.5, rel=0.25)
    assert envelope[2] / envelope[0] == pytest.approx(0.25, rel=0.3)


def test_an_opening_sweep_brightens():
    saw = replace(stem("saw lead", [Note(0.0, 4.0, 60, 100)]), sweep=(0.0, 1.0))
    treble = sosfilt(butter(4, 2000, "high", fs=RATE, output="sos"), render(score_of(saw), None))
    assert loudness(treble[48000:], RATE) > 3 * loudness(treble[3200:16000], RATE)


def test_a_stems_effects_are_heard():
    plain = stem("erhu", [Note(0.2, 3.0, 67, 100)], role="chords")
    chorus = replace(plain, effects=("chorus",))
    assert not np.allclose(render(score_of(plain), None), render(score_of(chorus), None), atol=0.01)


def test_an_open_hat_ends_with_the_next_stroke_of_the_hat():
    clock = Clock(RATE, 0, 4 * RATE)
    notes = [Note(0.0, 0.1, 46, 100), Note(0.2, 0.3, 36, 100), Note(0.5, 0.6, 42, 100), Note(1.0, 1.1, 46, 100)]
    lengths = [hit.length for _, _, hit in schedule(notes, clock, drums=True)]
    assert lengths == [0.5, None, 0.5, None]


def test_equal_notes_in_other_places_are_one_hit():
    clock = Clock(RATE, 0, 8 * RATE)
    notes = [Note(k + 0.0013 * k, k + 0.3 + 0.0013 * k, 60, 98 + k % 3) for k in range(6)]
    plan = schedule(notes, clock)
    assert len({hit for _, _, hit in plan}) == 1
    assert [gain for _, gain, _ in plan] == pytest.approx([(98 + k % 3) / plan[0][2].velocity for k in range(6)])


def test_notes_without_a_gap_glide_and_others_do_not():
    notes = [Note(0.0, 0.5, 60, 100), Note(0.5, 1.0, 64, 100), Note(1.2, 1.5, 62, 100), Note(1.5, 2.0, 80, 100)]
    assert [note.bend for note in legato(notes)] == [0, -4, 0, 0]


def test_a_part_that_needs_a_font_says_so():
    with pytest.raises(DataError, match="violin: played by a sound font, and none is given"):
        render(score_of(stem("violin", [Note(0, 1, 70, 90)])), None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"sample_rate": 96000}, "sample rate 96000: from 8000 to 48000 Hz"),
        ({"sample_rate": 4000}, "sample rate 4000: from 8000 to 48000 Hz"),
        ({"channels": 6}, "unknown channels '6': choose one of 1, 2"),
    ],
)
def test_rates_and_channels_outside_the_range_are_refused(arguments, message):
    with pytest.raises(InvalidInputError, match=message):
        render(band(), None, **arguments)


def test_an_unknown_space_is_refused():
    with pytest.raises(InvalidInputError, match="unknown space 'cave': choose one of room, hall, plate, spring"):
        render(band(replace(DRY, space="cave")), None)


def test_a_missing_font_is_named():
    with pytest.raises(DataError, match=r"sound font no.sf2: no such file"):
        render(score_of(stem("violin", [Note(0, 1, 70, 90)])), SoundFont(Path("no.sf2")))


def test_a_file_that_is_no_font_is_named(tmp_path):
    path = tmp_path / "text.sf2"
    path.write_text("not a font")
    with pytest.raises(DataError, match=r"text.sf2: cannot be read"):
        render(score_of(stem("violin", [Note(0, 1, 70, 90)])), SoundFont(path))

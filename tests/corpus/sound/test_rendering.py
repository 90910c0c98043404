from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy.signal import butter, sosfilt

from musicldm.corpus.composing.arrangement import compose
from musicldm.corpus.composing.score import Mix, Note, Score, Stem
from musicldm.corpus.sound.mixing import loudness
from musicldm.corpus.sound.rendering import render
from musicldm.corpus.sound.soundfont import SoundFont
from musicldm.corpus.styles import INSTRUMENTS
from musicldm.corpus.truth import Part
from musicldm.errors import DataError

RATE = 16000
DRY = Mix(room=0.2, wet=0.0, top=None, tilt=0.0, duck=0.0, crackle=0.0, squeeze=0.0, peak=0.8)


def stem(name: str, notes: list[Note], level: float = 0.0, role: str = "lead") -> Stem:
    instrument = INSTRUMENTS[name]
    return Stem(Part(name, instrument.family, role), instrument, tuple(notes), level, 0.0)


def score_of(*stems: Stem, mix: Mix = DRY, seconds: float = 4.0) -> Score:
    truth = replace(compose(0).truth, duration=seconds)
    return Score(truth, stems, mix, ())


@pytest.mark.parametrize(
    ("name", "pitch", "rate"),
    [
        ("808 drum machine", 36, 16000),
        ("jazz drum kit", 37, 16000),
        ("acoustic piano", 72, 16000),
        ("marimba", 72, 16000),
        ("marimba", 72, 32000),
    ],
)
def test_a_note_sounds_within_5_ms_of_its_time(font, name, pitch, rate):
    times = [0.5, 1.2345, 2.0, 3.3]
    wave = render(score_of(stem(name, [Note(t, t + 0.2, pitch, 110) for t in times])), font, sample_rate=rate)
    assert wave.shape == (4 * rate,)
    for time in times:
        before = wave[round((time - 0.05) * rate) : round(time * rate)]
        after = np.abs(wave[round(time * rate) : round((time + 0.1) * rate)])
        onset = int(np.argmax(after > max(0.1 * after.max(), 3 * np.abs(before).max())))
        assert onset / rate < 0.005


def test_what_began_before_the_clip_sounds_on_into_it(font):
    held = render(score_of(stem("hammond organ", [Note(-1.0, 3.0, 60, 100)])), font)
    assert np.abs(held[:800]).max() > 0.1


def test_a_clip_does_not_depend_on_the_one_rendered_before(font):
    first, second = compose(11), compose(12)
    alone = render(first, font)
    render(second, font)
    np.testing.assert_array_equal(render(first, font), alone)


def test_a_second_copy_of_the_font_gives_the_same_samples(font, font_path):
    score = compose(5)
    np.testing.assert_array_equal(render(score, SoundFont(font_path)), render(score, font))


def test_peak_length_and_offset_of_whole_clips(font):
    for seed in range(8):
        score = compose(seed)
        wave = render(score, font)
        assert wave.dtype == np.float32
        assert wave.shape == (163840,)
        assert np.abs(wave).max() == pytest.approx(score.mix.peak, rel=1e-4)
        assert abs(wave.mean()) < 1e-3
        blocks = np.sqrt(np.mean(wave[:163200].reshape(-1, 8160) ** 2, axis=1))
        assert blocks.max() > 0.03
        assert np.mean(blocks > 0.02 * blocks.max()) > 0.8, "mostly silence"


def test_stems_are_mixed_by_loudness_whatever_the_font_recorded(font):
    """A note of one instrument 12 dB below another's is so in the mix."""
    waves = []
    for name, level in (("flute", 0.0), ("flute", -12.0), ("trumpet", -12.0)):
        lead = stem("harp", [Note(0.1, 1.5, 64, 100)])
        late = stem(name, [Note(2.0, 3.8, 72, 100)], level, "counter")
        wave = render(score_of(lead, late), font)
        waves.append(20 * np.log10(loudness(wave[32800:60000], RATE) / loudness(wave[1600:20000], RATE)))
    assert waves[0] - waves[1] == pytest.approx(12, abs=1.0)
    assert waves[1] == pytest.approx(waves[2], abs=2.5)


def test_a_bend_starts_flat_and_arrives_at_the_pitch(font):
    bent = render(score_of(stem("saw lead", [Note(0.5, 2.5, 69, 100, bend=-2.0)])), font)

    def frequency(start: float, length: float) -> float:
        piece = bent[round(start * RATE) : round((start + length) * RATE)]
        spectrum = np.abs(np.fft.rfft(piece * np.hanning(piece.size), 1 << 17))
        axis = np.fft.rfftfreq(1 << 17, 1 / RATE)
        band = (axis > 350) & (axis < 500)
        return float(axis[band][spectrum[band].argmax()])

    assert frequency(0.51, 0.03) < 425
    assert frequency(1.0, 0.5) == pytest.approx(440, rel=0.01)


def test_ducking_dips_at_every_kick(font):
    pad = stem("hammond organ", [Note(0.0, 4.0, 60, 90)], role="pad")
    score = replace(score_of(pad, mix=replace(DRY, duck=0.8)), kicks=(2.0, 3.0))
    wave = render(score, font)
    level = [loudness(wave[round(t * RATE) : round((t + 0.1) * RATE)], RATE) for t in (1.85, 2.0, 2.85, 3.0)]
    assert level[1] < 0.6 * level[0]
    assert level[3] < 0.6 * level[2]


def test_reverberation_rings_for_about_the_rooms_time(font):
    """Schroeder's backward integral of the tail falls by 30 dB in half the reverberation time, within a third."""
    click = replace(stem("808 drum machine", [Note(0.1, 0.2, 75, 120)]), send=1.0)
    for seconds in (0.8, 2.4):
        wave = render(score_of(click, mix=replace(DRY, room=seconds, wet=1.0)), font)
        tail = sosfilt(butter(2, 200, "high", fs=RATE, output="sos"), wave)[round(0.25 * RATE) :]
        curve = np.cumsum(tail[::-1] ** 2)[::-1]
        curve = 10 * np.log10(curve / curve[0] + 1e-12)
        assert int(np.argmax(curve < -30)) / RATE * 2 == pytest.approx(seconds, rel=0.34)


def test_an_echo_repeats_at_its_distance(font):
    hit = replace(stem("marimba", [Note(0.2, 0.4, 84, 110)]), echo=0.5)
    wave = render(score_of(hit, mix=replace(DRY, echo_seconds=0.75)), font)
    envelope = [loudness(wave[round(t * RATE) : round((t + 0.1) * RATE)], RATE) for t in (0.2, 0.95, 1.7)]
    assert envelope[1] / envelope[0] == pytest.approx(0.5, rel=0.15)
    assert envelope[2] / envelope[0] == pytest.approx(0.25, rel=0.2)


def test_an_opening_sweep_brightens(font):
    saw = replace(stem("saw lead", [Note(0.0, 4.0, 60, 100)]), sweep=(0.0, 1.0))
    treble = sosfilt(butter(4, 2000, "high", fs=RATE, output="sos"), render(score_of(saw), font))
    assert loudness(treble[48000:], RATE) > 3 * loudness(treble[3200:16000], RATE)


def test_a_missing_font_is_named():
    with pytest.raises(DataError, match=r"sound font no.sf2: no such file"):
        render(compose(0), SoundFont(Path("no.sf2")))


def test_a_file_that_is_no_font_is_named(tmp_path):
    path = tmp_path / "text.sf2"
    path.write_text("not a font")
    with pytest.raises(DataError, match=r"text.sf2: cannot be read"):
        render(compose(0), SoundFont(path))

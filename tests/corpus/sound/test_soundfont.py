"""What Debian's fonts give, as far as they are installed."""

from pathlib import Path

import numpy as np
import pytest

from musicldm.corpus.sound.instruments import INSTRUMENTS
from musicldm.corpus.sound.mixing import balance, loudness
from musicldm.corpus.sound.players import font_for
from musicldm.corpus.sound.soundfont import SoundFont
from musicldm.corpus.sound.soundfonts import FONT_NAMES, font_folders
from musicldm.corpus.sound.waves import Hit

RATE = 24000
SF2 = [name for name in FONT_NAMES if name.endswith(".sf2")]


@pytest.fixture(scope="module", params=SF2)
def each_font(request) -> SoundFont:
    found = next((path for folder in font_folders() if (path := folder / request.param).is_file()), None)
    if found is None:
        pytest.skip(f"needs {request.param}")
    return SoundFont(found)


def test_every_program_in_use_sounds_and_can_be_brought_to_the_level_of_the_others(each_font):
    for instrument in INSTRUMENTS.values():
        if instrument.program is None or instrument.family == "drums" or not each_font.fits(instrument):
            continue
        pitch = (instrument.low + instrument.high) // 2
        wave = each_font.play(instrument, Hit(pitch, 104, 0.5), RATE)
        assert np.isfinite(wave).all(), instrument.name
        # None lies so low that its rounding would be heard once it is as loud as the rest.
        assert 20 * np.log10(loudness(wave, RATE)) > -62, instrument.name
        assert loudness(balance(wave, 0.0, RATE), RATE) == pytest.approx(1.0, rel=1e-4), instrument.name


def test_louder_strokes_are_louder_and_no_program_leaves_that_to_chance(each_font):
    for name in ("acoustic piano", "bright piano", "honky-tonk piano", "violin", "trumpet"):
        instrument = INSTRUMENTS[name]
        if not each_font.fits(instrument):
            continue
        soft, hard = (loudness(each_font.play(instrument, Hit(70, v, 0.5), RATE), RATE) for v in (48, 112))
        assert 1.5 < hard / soft < 10, name


def test_pianos_of_musescore_general_are_left_to_another_font():
    muse, fluid = SoundFont(Path("MuseScore_General_Full.sf2")), SoundFont(Path("FluidR3_GM.sf2"))
    assert font_for(INSTRUMENTS["acoustic piano"], [muse, fluid]) is fluid
    assert font_for(INSTRUMENTS["acoustic piano"], muse) is muse
    assert font_for(INSTRUMENTS["violin"], [muse, fluid]) is muse
    assert font_for(INSTRUMENTS["acoustic drum kit"], [muse, fluid]) is muse
    assert font_for(INSTRUMENTS["violin"], None) is None


def test_kits_have_cymbals_loud_enough_to_carry_a_beat(each_font):
    for instrument in INSTRUMENTS.values():
        if instrument.family != "drums" or instrument.program is None or instrument.patch_share == 1:
            continue
        kick, hat = (
            loudness(each_font.play(instrument, Hit(key, 104, None), RATE)[:, : RATE // 4], RATE) for key in (36, 42)
        )
        assert -22 < 20 * np.log10(hat / kick) < 12, instrument.name


def test_a_hit_does_not_depend_on_the_one_before(each_font):
    piano, organ = INSTRUMENTS["vibraphone"], INSTRUMENTS["church organ"]
    alone = each_font.play(piano, Hit(64, 84, 0.4), RATE)
    each_font.play(organ, Hit(64, 100, 1.0, bend=-2.0), RATE)
    np.testing.assert_array_equal(each_font.play(piano, Hit(64, 84, 0.4), RATE), alone)

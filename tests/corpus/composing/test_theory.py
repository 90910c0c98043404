import pytest

from musicldm.corpus.composing.theory import (
    SCALES,
    Chord,
    nearest,
    parse_chord,
    scale_pitches,
    voice_chord,
)
from musicldm.errors import InvalidInputError

C, D, E, F, G, A, B = 0, 2, 4, 5, 7, 9, 11


@pytest.mark.parametrize(
    ("symbol", "tonic", "classes"),
    [
        ("I", C, {C, E, G}),
        ("V7", C, {G, B, D, F}),
        ("ii7", C, {D, F, A, C}),
        ("vi", G, {E, G, B}),
        ("bVImaj7", A, {F, A, C, E}),
        ("iim7b5", A, {B, D, F, A}),
        ("i5", D, {D, A}),
        ("bII5", E, {F, C}),
        ("vii", F, {E, G, B}),
    ],
)
def test_a_roman_numeral_names_the_chord_that_a_textbook_does(symbol, tonic, classes):
    assert set(parse_chord(symbol, tonic).pitch_classes) == classes


def test_an_unknown_quality_is_refused_with_the_choices():
    with pytest.raises(InvalidInputError, match=r"chord quality '77' in 'V77'.*maj7"):
        parse_chord("V77", 0)


def test_text_that_is_no_numeral_is_refused():
    with pytest.raises(InvalidInputError, match="Roman numeral"):
        parse_chord("H7", 0)


def test_modes_are_rotations_of_the_major_scale():
    major = SCALES["major"]
    for mode, degree in (("dorian", 1), ("phrygian", 2), ("lydian", 3), ("mixolydian", 4), ("minor", 5)):
        rotated = sorted((note - major[degree]) % 12 for note in major)
        assert list(SCALES[mode]) == rotated, mode


def test_scale_pitches_of_d_major_have_two_sharps():
    assert scale_pitches(D, SCALES["major"], 62, 74) == (62, 64, 66, 67, 69, 71, 73, 74)


def test_nearest_never_leaps_more_than_a_tritone():
    for pitch_class in range(12):
        for pitch in range(40, 90):
            found = nearest(pitch_class, pitch)
            assert found % 12 == pitch_class
            assert abs(found - pitch) <= 6


def test_voicings_hold_exactly_the_chords_tones_and_move_little():
    voicing: tuple[int, ...] = ()
    for symbol in ("I", "vi", "IV", "V7", "I"):
        chord = parse_chord(symbol, C)
        before, voicing = voicing, voice_chord(chord, 60.0, voicing)
        assert {pitch % 12 for pitch in voicing} == set(chord.pitch_classes)
        assert list(voicing) == sorted(set(voicing))
        if before:
            assert abs(sum(voicing) / len(voicing) - sum(before) / len(before)) <= 4


def test_third_and_fifth_of_altered_chords():
    assert Chord(0, (0, 3, 6)).third == 3
    assert Chord(0, (0, 3, 6)).fifth == 6
    assert Chord(0, (0, 7)).third == 7

import pytest

from musicldm.corpus.composing.drums import parse_drums
from musicldm.corpus.composing.feels import FEELS, parse_cell
from musicldm.corpus.composing.theory import MODES, SCALES, parse_chord
from musicldm.corpus.styles import INSTRUMENTS, STYLES, Style
from musicldm.corpus.styles.style import BEAT_STEPS, COMPOUND_METERS, DRUM_KEYS, STEPS_PER_BAR, STEPS_PER_BEAT
from musicldm.corpus.truth import FAMILIES, GENRES, METERS, MOODS, ROLES

EVERY = pytest.mark.parametrize("style", STYLES.values(), ids=list(STYLES))


def tables(style: Style) -> list[dict[str, float]]:
    return [dict(t) for t in (style.leads, style.basses, style.keys, style.pads, style.counters, style.kits)]


def test_there_are_fifty_one_styles_and_those_of_the_first_edition_are_among_them():
    first = (
        "ambient, blues, bossa nova, celtic, cinematic, classical, country, drum and bass, funk, hip hop, house, jazz, "
        "lo-fi, metal, reggae, rock, synthwave, techno"
    )
    assert len(STYLES) == 51
    assert set(first.split(", ")) <= set(STYLES)


def test_every_genre_has_a_table_under_its_own_name():
    assert sorted(STYLES) == sorted(GENRES)
    assert all(style.name == name for name, style in STYLES.items())


def test_at_least_forty_general_midi_instruments_are_in_use():
    used = {name for style in STYLES.values() for table in tables(style) for name in table}
    assert used <= set(INSTRUMENTS)
    programs = {INSTRUMENTS[name].program for name in used if INSTRUMENTS[name].family != "drums"}
    assert len(programs) >= 40
    assert set(FAMILIES) == {INSTRUMENTS[name].family for name in used}


def test_leads_spread_over_families():
    families = {INSTRUMENTS[name].family for style in STYLES.values() for name in style.leads}
    assert len(families) >= 10


def test_all_meters_are_in_use():
    assert {meter for style in STYLES.values() for meter in style.meters} == set(METERS)


@EVERY
def test_patterns_fill_their_bar(style):
    for meter in style.meters:
        for pattern in (*style.bass[meter], *style.comping[meter], *style.lines.get(meter, ())):
            assert len(pattern) == STEPS_PER_BAR[meter], pattern
        assert bool(style.kits) == (meter in style.drums)
        for pattern in style.drums.get(meter, ()):
            for row, marks in parse_drums(pattern).items():
                assert row in DRUM_KEYS
                assert len(marks) == STEPS_PER_BAR[meter], pattern
                assert set(marks) <= set("Xxo.23"), pattern


@EVERY
def test_marks_are_in_the_language_of_the_part(style):
    for patterns in style.bass.values():
        assert set("".join(patterns)) <= set("R35678LanW-."), patterns
    for patterns in (*style.comping.values(), *style.lines.values()):
        assert set("".join(patterns)) <= set("xubfz123456789-."), patterns


@EVERY
def test_progressions_exist_for_every_mode_and_can_be_read(style):
    for mode in style.modes:
        assert mode in MODES
        for line in style.progressions[mode]:
            for symbol in line.split():
                parse_chord(symbol, 0)


@EVERY
def test_attributes_are_known_and_tempos_are_musical(style):
    assert set(style.moods) <= set(MOODS)
    assert set(style.presence) <= set(ROLES)
    assert set(style.feels) <= set(FEELS)
    assert 40 <= style.tempo[0] < style.tempo[1] <= 220
    if set(style.meters) & set(COMPOUND_METERS):
        assert style.compound_tempo is not None, "bpm counts dotted quarters in 6/8 and 12/8: the range must say so"
    for form in style.forms:
        assert set(form) <= set("ABC")


@EVERY
def test_a_lead_has_a_feel_in_every_meter(style):
    for meter in style.meters:
        assert any(meter in FEELS[name].cells for name in style.feels), meter


def test_lead_rhythms_fill_their_bar():
    for feel in FEELS.values():
        for meter, cells in feel.cells.items():
            for cell in cells:
                assert len(cell) == STEPS_PER_BAR[meter]
                assert sum(length for _, length in parse_cell(cell)) + cell.count(".") <= len(cell)


def test_genres_do_not_share_a_drum_pattern():
    seen: dict[str, str] = {}
    for style in STYLES.values():
        for patterns in style.drums.values():
            for pattern in patterns:
                assert seen.setdefault(pattern, style.name) == style.name, pattern


def test_scales_of_melodies_exist():
    for style in STYLES.values():
        assert set(style.melody_scale) <= set(style.modes)
        assert set(style.melody_scale.values()) <= set(SCALES)


def test_beats_add_up_to_the_bar():
    for meter, steps in STEPS_PER_BAR.items():
        beats = BEAT_STEPS[meter]
        gaps = [b - a for a, b in zip(beats, (*beats[1:], steps), strict=True)]
        assert sum(gaps) == steps
        numerator, unit = (int(part) for part in meter.split("/"))
        assert steps == numerator * (4 if unit == 4 else 2)
        if meter != "7/8":
            assert set(gaps) == {STEPS_PER_BEAT[meter]}
    assert BEAT_STEPS["7/8"] == (0, 4, 8)

import dataclasses

import pytest

from musicldm.corpus.lexicon import ATTRIBUTES, Lexicon, split_held_out, tempo_word, words
from musicldm.corpus.styles import INSTRUMENTS, STYLES
from musicldm.corpus.truth import ENERGIES, GENRES, METERS, MOODS, PRODUCTIONS, QUALITIES
from musicldm.errors import InvalidInputError

LEXICON = Lexicon.load()
PAIRS = [(attribute, value) for attribute in ATTRIBUTES for value in LEXICON.values(attribute)]


@pytest.mark.parametrize(
    ("attribute", "values"),
    [
        ("genre", GENRES),
        ("mood", MOODS),
        ("energy", ENERGIES),
        ("quality", QUALITIES),
        ("meter", METERS),
        ("production", PRODUCTIONS),
        ("drums", ("with drums", "without drums")),
        ("tempo", ("very slow", "slow", "moderate", "fast", "very fast")),
    ],
)
def test_every_attribute_value_has_a_table_and_there_is_no_other(attribute, values):
    assert set(LEXICON.values(attribute)) == set(values)


def test_every_mode_and_instrument_of_the_styles_has_a_table():
    assert {mode for style in STYLES.values() for mode in style.modes} <= set(LEXICON.values("mode"))
    assert set(INSTRUMENTS) == set(LEXICON.values("instrument"))


@pytest.mark.parametrize("genre", GENRES)
def test_a_genre_has_sixty_expressions_seventeen_names_among_them_and_shares_none(genre):
    expressions = LEXICON.all("genre", genre)
    assert len(LEXICON.direct[genre]) >= 17
    assert len(expressions) >= 60
    assert len(set(expressions)) == len(expressions)
    for other in set(GENRES) - {genre}:
        assert not set(expressions) & set(LEXICON.all("genre", other)), other


@pytest.mark.parametrize("attribute", ["genre", "instrument", "meter", "production"])
def test_no_expression_belongs_to_two_values(attribute):
    owner: dict[str, str] = {}
    for value in LEXICON.values(attribute):
        for expression in LEXICON.all(attribute, value):
            assert owner.setdefault(expression, value) == value, expression


def test_indirect_expressions_do_not_name_their_genre():
    for genre in GENRES:
        for expression in set(LEXICON.all("genre", genre)) - set(LEXICON.direct[genre]):
            assert f" {genre} " not in f" {' '.join(words(expression))} ", expression


@pytest.mark.parametrize("attribute", sorted(set(ATTRIBUTES) - {"genre"}))
def test_every_other_value_has_twenty_expressions_without_repetition(attribute):
    for value in LEXICON.values(attribute):
        expressions = LEXICON.all(attribute, value)
        assert len(expressions) >= 20, value
        assert len(set(expressions)) == len(expressions), value


@pytest.mark.parametrize(("attribute", "value"), PAIRS)
def test_known_and_held_out_part_the_expressions(attribute, value):
    known, held_out = LEXICON.known(attribute, value), LEXICON.held_out(attribute, value)
    assert not set(known) & set(held_out)
    assert set(known) | set(held_out) == set(LEXICON.all(attribute, value))
    assert len(held_out) <= len(LEXICON.all(attribute, value)) // 5
    assert len(held_out) >= len(LEXICON.all(attribute, value)) // 8


@pytest.mark.parametrize("genre", GENRES)
def test_a_full_fifth_of_each_genre_is_held_out_but_never_its_bare_name(genre):
    assert len(LEXICON.held_out("genre", genre)) == len(LEXICON.all("genre", genre)) // 5
    assert genre in LEXICON.known("genre", genre)


def test_no_known_expression_contains_a_held_out_one():
    for attribute, value in PAIRS:
        for expression in LEXICON.known(attribute, value):
            assert not LEXICON.gives_away(expression), expression


def test_another_value_does_not_change_what_is_held_out():
    table = {"rock": tuple(f"rock number {i}" for i in range(20)), "folk": tuple(f"folk number {i}" for i in range(20))}
    one, both = split_held_out({"genre": {"rock": table["rock"]}}), split_held_out({"genre": table})
    assert len(one["genre"]["rock"]) == 4
    assert one["genre"]["rock"] == both["genre"]["rock"]


def test_an_expression_inside_another_is_not_held_out():
    table = {"rock": ("loud", "very loud", *(f"filler {i}" for i in range(3)))}
    for suffix in range(20):
        held_out = split_held_out({"genre": {f"rock{suffix}": table["rock"]}})["genre"][f"rock{suffix}"]
        assert len(held_out) == 1
        assert held_out != ("loud",)


def test_gives_away_sees_an_expression_at_word_borders_whatever_casing_and_commas():
    lexicon = Lexicon.of({"mood": {"sad": ("grey sky", "in tears", "a", "b", "sad")}}, {})
    (hidden,) = lexicon.held_out("mood", "sad")
    lexicon = dataclasses.replace(lexicon, forbidden=frozenset({("grey", "sky")}))
    assert hidden
    assert lexicon.gives_away("Music like a GREY, sky!")
    assert not lexicon.gives_away("a grey skyline")


@pytest.mark.parametrize(
    ("bpm", "word"),
    [
        (69.9, "very slow"),
        (70, "slow"),
        (94.9, "slow"),
        (95, "moderate"),
        (120, "fast"),
        (144.9, "fast"),
        (145, "very fast"),
    ],
)
def test_tempo_words_change_at_their_limits(bpm, word):
    assert tempo_word(bpm) == word


def test_unknown_attributes_and_values_are_named_with_the_choices():
    with pytest.raises(InvalidInputError, match=r"unknown attribute 'colour'.*genre"):
        LEXICON.known("colour", "red")
    with pytest.raises(InvalidInputError, match=r"unknown genre 'polka'.*techno"):
        LEXICON.held_out("genre", "polka")


def test_a_lexicon_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        LEXICON.forbidden = frozenset()

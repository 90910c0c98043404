"""A clip follows from its seed and its style: other styles, and other decisions, do not move it."""

from collections import Counter
from dataclasses import replace

import numpy as np
from scipy import stats

from musicldm.corpus.composing.arrangement import compose
from musicldm.corpus.composing.seeds import choose_style, stream
from musicldm.corpus.styles import STYLES

NEW = replace(STYLES["rock"], name="polka")
MORE = {**STYLES, "polka": NEW}


def test_a_new_style_changes_only_the_clips_that_go_to_it():
    moved = 0
    for seed in range(120):
        before, after = compose(seed, seconds=2.0), compose(seed, seconds=2.0, styles=MORE)
        if after.truth.genre == "polka":
            moved += 1
        else:
            assert after == before
    assert 1 <= moved <= 120 * 5 / len(MORE)


def test_a_new_style_changes_no_clip_of_a_named_genre():
    for genre in STYLES:
        assert compose(5, seconds=2.0, genre=genre, styles=MORE) == compose(5, seconds=2.0, genre=genre)


def test_a_clip_drawn_and_the_same_clip_named_are_equal():
    drawn = compose(11)
    assert compose(11, genre=drawn.truth.genre) == drawn


def test_styles_are_drawn_evenly():
    counts = Counter(choose_style(seed, STYLES) for seed in range(100 * len(STYLES)))
    assert stats.chisquare([counts[name] for name in STYLES]).pvalue > 0.001


def test_streams_of_another_seed_style_or_purpose_differ_and_the_same_repeat():
    first = stream(3, "rock", "bass").random(4)
    np.testing.assert_array_equal(stream(3, "rock", "bass").random(4), first)
    for other in ((4, "rock", "bass"), (3, "jazz", "bass"), (3, "rock", "lead")):
        assert not np.array_equal(stream(*other).random(4), first)


def test_another_instrument_in_one_part_leaves_the_other_parts_notes():
    other = replace(STYLES["house"], leads={"clarinet": 1.0})
    for seed in range(6):
        before = compose(seed, genre="house")
        after = compose(seed, genre="house", styles={"house": other})
        drums = [[stem.notes for stem in score.stems if stem.part.role == "drums"] for score in (before, after)]
        assert drums[0] == drums[1]

"""Words of production are true of the mix, and each of them is drawn often enough to be learned."""

from collections import Counter

from musicldm.corpus.composing.arrangement import compose
from musicldm.corpus.styles import STYLES
from musicldm.corpus.truth import PRODUCTIONS

SCORES = [compose(seed, seconds=2.0) for seed in range(400)]


def test_words_are_known_and_do_not_contradict_each_other():
    for score in SCORES:
        words = set(score.truth.production)
        assert words <= set(PRODUCTIONS)
        for pair in ({"bright", "warm"}, {"dry", "spacious"}, {"wide", "narrow"}):
            assert not pair <= words


def test_every_word_is_true_of_some_clips_and_not_of_most():
    counts = Counter(word for score in SCORES for word in score.truth.production)
    for word in PRODUCTIONS:
        assert 0.04 * len(SCORES) < counts[word] < 0.5 * len(SCORES), word


def test_words_follow_from_the_mix():
    for score in SCORES:
        words, mix = score.truth.production, score.mix
        assert ("bright" in words) == (mix.tilt >= 4 and mix.top is None)
        assert ("dry" in words) == (mix.wet <= 0.05)
        assert ("wide" in words) == (mix.width >= 1.25)
        assert ("narrow" in words) == (mix.width <= 0.5)
        assert not ("punchy" in words and not score.truth.drums)


def test_one_style_has_both_ends_of_every_scale():
    for genre in ("rock", "house", "orchestral"):
        assert genre in STYLES
        seen = {word for seed in range(60) for word in compose(seed, seconds=1.0, genre=genre).truth.production}
        assert {"bright", "dry", "spacious", "wide", "narrow"} <= seen

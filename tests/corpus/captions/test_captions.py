import random
import re
from dataclasses import replace

import pytest

from musicldm.corpus.captions import caption, captions, evaluation_prompts, frames
from musicldm.corpus.captions.phrases import choose, fits, with_article
from musicldm.corpus.lexicon import ATTRIBUTES, Lexicon, words
from musicldm.corpus.styles import INSTRUMENTS, STYLES
from musicldm.corpus.truth import GENRES, KEYS, PRODUCTIONS, QUALITIES, Part, Truth
from musicldm.errors import InvalidInputError

LEXICON = Lexicon.load()
BPM = re.compile(r"(\d+) ?(?:bpm|beats per minute)|(?:tempo:?|bpm) (\d+)", re.IGNORECASE)


def part(name, role):
    return Part(name, INSTRUMENTS[name].family, role)


def truths(count):
    """Clips of all genres with attributes drawn from their tables, half of them degraded."""
    rng = random.Random(7)
    for number in range(count):
        style = STYLES[GENRES[number % len(GENRES)]]
        drums = bool(style.kits) and rng.random() < 0.5
        names = [
            (rng.choice(list(style.leads)), "lead"),
            (rng.choice([*style.basses, "upright bass"]), "bass"),
            (rng.choice(list(style.keys)), "chords"),
        ]
        parts = [part(name, role) for name, role in names if rng.random() < 0.85]
        parts += [part(rng.choice(list(style.kits)), "drums")] if drums else []
        yield Truth(
            genre=style.name,
            bpm=rng.uniform(*style.tempo),
            meter=rng.choice(list(style.meters)),
            key=rng.choice(KEYS),
            mode=rng.choice(list(style.modes)),
            drums=drums,
            instruments=tuple(parts),
            mood=rng.choice(list(style.moods)),
            energy=rng.choice(("low", "medium", "high")),
            quality="clean" if number % 2 else rng.choice(QUALITIES[1:]),
            beats=(),
            downbeats=(),
            duration=10.24,
            seed=number,
            production=tuple(rng.sample(PRODUCTIONS, k=rng.choice((0, 0, 1, 2)))),
        )


@pytest.fixture(scope="module")
def written():
    """5,000 training captions with their truths."""
    return [(truth, text) for truth in truths(1000) for text in captions(truth, truth.seed, 5)]


def contains(text, expressions):
    """The expressions that occur in a text as runs of whole words, ignoring commas and casing."""
    spaced = f" {' '.join(words(text))} "
    return [e for e in expressions if f" {' '.join(words(e))} " in spaced]


def runs(text, longest, least=4):
    """All runs of `least` to `longest` words of a text."""
    tokens = words(text)
    return {" ".join(tokens[i : i + n]) for n in range(least, longest + 1) for i in range(len(tokens) - n + 1)}


def share(rows):
    rows = list(rows)
    return sum(rows) / len(rows)


def test_no_held_out_expression_occurs_in_five_thousand_training_captions(written):
    text = " \n ".join(" ".join(words(text)) for _, text in written)
    for attribute in ATTRIBUTES:
        for value in LEXICON.values(attribute):
            for expression in LEXICON.held_out(attribute, value):
                assert f" {' '.join(words(expression))} " not in f" {text} ", (attribute, value, expression)


def test_every_number_of_beats_is_the_rounded_truth(written):
    numbers = [(int(a or b), truth.bpm) for truth, text in written for a, b in BPM.findall(text)]
    assert len(numbers) > 1500
    assert all(number == round(bpm) for number, bpm in numbers)


def test_an_indirect_genre_expression_belongs_to_the_clips_genre(written):
    owner = {e: genre for genre in GENRES for e in LEXICON.known("genre", genre) if len(words(e)) >= 4}
    owner = {" ".join(words(e)): genre for e, genre in owner.items()}
    longest = max(len(e.split()) for e in owner)
    found = [(owner[run], truth.genre) for truth, text in written for run in runs(text, longest) if run in owner]
    assert len(found) > 500
    assert all(genre == truth for genre, truth in found)


def test_no_genre_word_but_those_of_the_clips_genre_or_instruments_is_heard(written):
    genre_words = {genre for genre in GENRES if " " not in genre} - {w for name in INSTRUMENTS for w in words(name)}
    own = {genre: {w for e in LEXICON.all("genre", genre) for w in words(e)} for genre in GENRES}
    assert {"techno", "blues", "metal"} <= genre_words
    for truth, text in written:
        assert not (set(words(text)) & genre_words) - own[truth.genre], (truth.genre, text)


def test_drums_are_named_only_where_they_are_and_denied_only_where_they_are_not(written):
    denied = LEXICON.known("drums", "without drums")
    named = [e for e in LEXICON.known("drums", "with drums") if len(words(e)) > 1]
    for truth, text in written:
        assert not (truth.drums and contains(text, denied)), text
        assert not (not truth.drums and contains(text, named) and not contains(text, denied)), text


def test_quality_words_follow_the_truth(written):
    for truth, text in written:
        if truth.quality == "clean":
            assert not contains(text, ["low quality", "poor quality", "bad quality"]), text
        else:
            assert not contains(text, LEXICON.known("quality", "clean")), text


def test_production_is_named_only_where_it_is_true_and_the_recording_clean(written):
    owner = {e: word for word in PRODUCTIONS for e in LEXICON.known("production", word) if len(words(e)) > 1}
    elsewhere = {e for a in ATTRIBUTES if a != "production" for v in LEXICON.values(a) for e in LEXICON.known(a, v)}
    only = {" ".join(words(e)): word for e, word in owner.items() if not any(e in other for other in elsewhere)}
    found = 0
    for truth, text in written:
        for run in runs(text, 6, least=2) & set(only):
            assert only[run] in truth.production, (run, text)
            assert truth.quality == "clean", text
            found += 1
    assert found > 80


def test_every_word_of_production_is_learned(written):
    for word in PRODUCTIONS:
        expressions = LEXICON.known("production", word)
        assert sum(bool(contains(text, expressions)) for t, text in written if word in t.production) > 10, word


def test_one_option_less_changes_only_the_draws_that_fell_on_it():
    options = [f"option {number}" for number in range(12)]
    for seed in range(200):
        drawn = choose(random.Random(seed), options)
        rest = [option for option in options if option != "option 3"]
        if drawn != "option 3":
            assert choose(random.Random(seed), rest) == drawn
    counts = [sum(choose(random.Random(seed), options) == option for seed in range(1200)) for option in options]
    assert 60 < min(counts) <= max(counts) < 150


def test_prompts_can_be_of_some_genres_only():
    prompts = evaluation_prompts(1, 30, held_out=True, genres=("salsa", "trap"))
    assert {prompt.genre for prompt in prompts} == {"salsa", "trap"}
    with pytest.raises(InvalidInputError, match="unknown genre 'hyperpop'"):
        evaluation_prompts(1, 3, held_out=True, genres=("hyperpop",))


def test_a_lead_is_never_an_instrument_that_another_part_or_nobody_plays(written):
    plain = {name.lower() for name in INSTRUMENTS if "lead" not in name}
    for truth, text in written:
        if not re.search("lead|solo", text, re.I):
            continue
        here = [name for name in plain if name in text.lower()]
        claimed = {n for n in here if re.search(rf"\b{n} (lead|solo)\b(?!:)|\blead {n}\b", text, re.I)}
        lead = truth.lead
        for name in claimed:
            expressions = LEXICON.known("instrument", lead.name) if lead else ()
            assert lead, text
            assert name in (lead.name.lower(), lead.family) or contains(" ".join(expressions), [name]), text


def test_captions_have_two_to_forty_words(written):
    lengths = [len(text.split()) for _, text in written]
    assert min(lengths) >= 2
    assert max(lengths) <= 40


def test_shares_of_what_is_named_are_as_stated(written):
    # a share p, and for the 35 % that are thorough p ** 0.25
    assert 0.48 <= share(bool(BPM.search(text)) for _, text in written) <= 0.57
    genre = share(bool(contains(text, LEXICON.known("genre", truth.genre))) for truth, text in written)
    assert 0.81 <= genre <= 0.9
    dull = [(t, x) for t, x in written if t.quality != "clean"]
    assert (
        0.76 <= share(bool(contains(x, (*LEXICON.known("quality", t.quality), "low quality"))) for t, x in dull) <= 0.88
    )
    clean = [(t, x) for t, x in written if t.quality == "clean"]
    assert 0.36 <= share(bool(contains(x, LEXICON.known("quality", "clean"))) for _, x in clean) <= 0.46


def test_captions_are_varied_and_the_same_for_the_same_seed(written):
    assert len({text for _, text in written}) > 4900
    truth = written[0][0]
    assert captions(truth, 3, 6) == captions(truth, 3, 6)
    assert captions(truth, 3, 6) != captions(truth, 4, 6)
    assert len(set(captions(truth, 3, 40))) == 40


def test_fewer_than_one_caption_or_prompt_is_an_error(written):
    with pytest.raises(InvalidInputError, match="caption count 0"):
        captions(written[0][0], 0, 0)
    with pytest.raises(InvalidInputError, match="prompt count 0"):
        evaluation_prompts(0, 0, held_out=True)


def test_an_expression_that_contradicts_the_clip_does_not_fit():
    base = next(truths(1))
    techno = replace(base, genre="techno", drums=True, meter="4/4", bpm=130.0, mood="dark", energy="high")
    assert fits("a pounding kick in a concrete bunker", techno)
    assert not fits("a pounding kick in a concrete bunker", replace(techno, drums=False))
    assert not fits("a waltz for orchestra", techno)
    assert not fits("a jazz waltz", replace(techno, meter="6/8"))
    assert fits("a jazz waltz", replace(techno, meter="3/4"))
    trio = replace(techno, instruments=(part("trumpet", "lead"),))
    assert not fits("sheets of sound from a saxophone", trio)
    assert fits("sheets of sound from a saxophone", replace(trio, instruments=(part("tenor sax", "lead"),)))


def test_held_out_captions_name_a_held_out_genre_expression():
    for truth in truths(200):
        text = caption(truth, random.Random(truth.seed), held_out=True)
        hidden = [e for e in LEXICON.held_out("genre", truth.genre) if fits(e, truth)]
        bare = [e.removeprefix("a ").removeprefix("an ") for e in hidden]
        assert contains(text, bare or [truth.genre]), text


def test_evaluation_prompts_name_no_genre_outside_the_genre_expression():
    genre_words = {genre for genre in GENRES if " " not in genre} - {w for name in INSTRUMENTS for w in words(name)}
    for prompt in evaluation_prompts(5, 900, held_out=True):
        expressions = LEXICON.held_out("genre", prompt.genre)
        own = {
            w
            for e in contains(prompt.text, [e.removeprefix("a ").removeprefix("an ") for e in expressions])
            for w in words(e)
        }
        assert not (set(words(prompt.text)) & genre_words) - own, prompt


def test_training_and_evaluation_share_no_frame(written):
    for kind in ("requests", "questions"):
        training = [frame.split("{what}")[0].lower() for frame in frames("training")[kind]]
        evaluation = [frame.split("{what}")[0].lower() for frame in frames("evaluation")[kind]]
        assert not set(training) & set(evaluation)
        for _, text in written[:1500]:
            assert not text.lower().startswith(tuple(evaluation)), text


@pytest.mark.parametrize("held_out", [False, True])
def test_evaluation_prompts_are_even_plausible_and_new(held_out, written):
    prompts = evaluation_prompts(3, 720, held_out=held_out)
    seen = {text.lower().strip(".!") for _, text in written}
    assert len({p.text for p in prompts}) == 720
    assert share(p.text.lower() in seen for p in prompts) < 0.02
    for genre in GENRES:
        assert sum(p.genre == genre for p in prompts) >= 720 // len(GENRES) - 2
    for prompt in prompts:
        style = STYLES[prompt.genre]
        expressions = LEXICON.held_out("genre", prompt.genre) if held_out else LEXICON.known("genre", prompt.genre)
        assert contains(prompt.text, expressions), prompt
        assert prompt.lead_name is None or prompt.lead_name in style.leads
        assert prompt.bpm is None or style.tempo[0] - 1 <= prompt.bpm <= style.tempo[1] + 1
        assert (prompt.bpm is not None) == bool(BPM.search(prompt.text))
    assert 0.45 <= share(p.bpm is not None for p in prompts) <= 0.55
    assert 0.55 <= share(p.lead_family is not None for p in prompts) <= 0.65
    assert 0.25 <= share(p.drums is not None for p in prompts) <= 0.35


@pytest.mark.parametrize(
    ("noun", "expected"),
    [
        ("saw lead", "a saw lead"),
        ("electric piano", "an electric piano"),
        ("FM electric piano", "an FM electric piano"),
        ("a rhodes", "a rhodes"),
        ("strings", "strings"),
        ("upright bass", "an upright bass"),
        ("808 drum machine", "an 808 drum machine"),
    ],
)
def test_the_article_suits_the_noun(noun, expected):
    assert with_article(noun) == expected

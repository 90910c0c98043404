"""The truth of a clip → what people would write about it."""

import itertools
import random
from collections.abc import Mapping
from types import MappingProxyType

from musicldm.corpus.captions.phrases import Phrases, has_article, starts_with_preposition, table, with_article
from musicldm.corpus.lexicon import Lexicon
from musicldm.corpus.truth import Truth
from musicldm.errors import InvalidInputError

MIN_WORDS, MAX_WORDS = 2, 40
# How often a training caption names each attribute; the rest are left to the listener.
_SHARES = MappingProxyType(
    {
        "genre": 0.8,
        "bpm": 0.375,
        "tempo": 0.25,
        "lead": 0.45,
        "others": 0.2,
        "mood": 0.35,
        "energy": 0.25,
        "mode": 0.12,
        "drums": 0.25,
        "production": 0.3,
    }
)
_COMMON_METER_SHARE, _METER_SHARE = 0.05, 0.4
_CLEAN_SHARE, _DEGRADED_SHARE = 0.25, 0.75
# Some training captions are thorough: what others name with probability p, they name with p ** _THOROUGH_POWER.
_THOROUGH_SHARE, _THOROUGH_POWER = 0.35, 0.25
_ADJECTIVES = ("mood", "energy", "tempo")

Frames = Mapping[str, list[str]]


def frames(kind: str) -> Frames:
    """The sentence frames of "training" or "evaluation"."""
    return table("frames")[kind]  # type: ignore[no-any-return]


def caption(truth: Truth, rng: random.Random, lexicon: Lexicon | None = None, held_out: bool = False) -> str:
    """One caption of a clip, of 2 to 40 words, true to it.

    `held_out`: an evaluation sentence, with a held-out genre expression and in frames that training never uses;
    otherwise no held-out expression of any attribute occurs in it.
    """
    lexicon = lexicon or Lexicon.load()
    phrases = Phrases(truth, rng, lexicon, neutral=held_out)
    while True:
        text = (
            evaluation_text(phrases, _chosen(truth, rng) | {"genre"}, held_out=True)
            if held_out
            else _training_text(phrases)
        )
        if MIN_WORDS <= len(text.split()) <= MAX_WORDS and (held_out or not lexicon.gives_away(text)):
            return text


def captions(truth: Truth, seed: int, count: int) -> list[str]:
    """`count` different training captions of a clip, the same for the same seed. Raises InvalidInputError below 1."""
    if count < 1:
        raise InvalidInputError(f"caption count {count}: choose 1 or more")
    found: dict[str, None] = {}
    draws = (random.Random(f"{seed}|{number}") for number in itertools.count())
    while len(found) < count:
        found.setdefault(caption(truth, next(draws)))
    return list(found)


def _chosen(truth: Truth, rng: random.Random, *, thorough: bool = False) -> set[str]:
    """The attributes that a caption names."""
    shares = dict(
        _SHARES,
        meter=_COMMON_METER_SHARE if truth.meter == "4/4" else _METER_SHARE,
        quality=_CLEAN_SHARE if truth.quality == "clean" else _DEGRADED_SHARE,
    )
    power = _THOROUGH_POWER if thorough else 1.0
    chosen = {attribute for attribute, share in shares.items() if rng.random() < share**power}
    if truth.lead is None:
        chosen.discard("lead")
    if not truth.production or truth.quality != "clean":
        # What spoiled the recording spoiled how it was mixed.
        chosen.discard("production")
    if not any(part.role not in ("lead", "drums") for part in truth.instruments):
        chosen.discard("others")
    return chosen


def _training_text(phrases: Phrases) -> str:
    """Tags, bare keywords or a sentence, then the small liberties of casing and punctuation."""
    rng = phrases.rng
    chosen = _chosen(phrases.truth, rng, thorough=rng.random() < _THOROUGH_SHARE)
    if not chosen:
        return ""
    roll = rng.random()
    if roll < 0.24:
        return _cased(_tags(phrases, chosen), rng)
    if roll < 0.34:
        return _cased(_keywords(phrases, chosen), rng)
    return _cased(_sentence(phrases, chosen, frames("training"), phrases.genre()), rng)


def evaluation_text(phrases: Phrases, chosen: set[str], *, held_out: bool) -> str:
    """A sentence in frames that training never uses, about the chosen attributes."""
    return _sentence(phrases, chosen, frames("evaluation"), phrases.genre(held_out=held_out))


def _tags(phrases: Phrases, chosen: set[str]) -> str:
    """A list of tags; the genre stands first more often than not."""
    tags = [_tag(phrases, attribute) for attribute in sorted(chosen - {"genre"})]
    phrases.rng.shuffle(tags)
    if "genre" in chosen:
        tags.insert(0 if phrases.rng.random() < 0.7 else phrases.rng.randrange(len(tags) + 1), phrases.genre())
    return phrases.rng.choice((", ", ", ", ", ", ", ", " / ", "; ", " - ", " | ")).join(tags)


def _tag(phrases: Phrases, attribute: str) -> str:
    return phrases.lead(short=True) if attribute == "lead" else str(getattr(phrases, attribute)())


def _keywords(phrases: Phrases, chosen: set[str]) -> str:
    """Plain values without commas: "dark techno 128 bpm saw lead"."""
    adjectives = [
        word for a in sorted(chosen & {"mood", "tempo"}) if not starts_with_preposition(word := _tag(phrases, a))
    ]
    genre = [phrases.truth.genre] if "genre" in chosen else []
    rest = [_tag(phrases, a) for a in sorted(chosen & {"bpm", "lead", "drums", "production", "quality"})]
    return " ".join(adjectives + genre + rest).replace(",", "")


def _sentence(phrases: Phrases, chosen: set[str], use: Frames, genre: str) -> str:
    """A statement, request or question; now and then with the details in a second sentence."""
    rng = phrases.rng
    adjectives = [_tag(phrases, a) for a in rng.sample(_ADJECTIVES, k=3) if a in chosen]
    clauses = [_tag(phrases, a) for a in ("bpm", "others", "drums", "meter", "mode", "production") if a in chosen]
    clauses += [phrases.lead()] if "lead" in chosen else []
    rng.shuffle(clauses)
    if "quality" in chosen:
        clauses.insert(len(clauses) if rng.random() < 0.7 else 0, phrases.quality())
    core, late = _core(genre if "genre" in chosen else None, adjectives, use, phrases)
    clauses = late + clauses
    split = len(clauses) if rng.random() < 0.8 else rng.randrange(len(clauses) + 1)
    what = _joined(core, clauses[:split])
    frame = rng.choice(use[rng.choices(("statements", "requests", "questions"), (0.5, 0.32, 0.18))[0]])
    text = frame.format(what=what)
    if clauses[split:]:
        second = ", ".join(clauses[split:])
        return f"{text if text.endswith('?') else text + '.'} {second[0].upper()}{second[1:]}"
    return text


def _core(genre: str | None, adjectives: list[str], use: Frames, phrases: Phrases) -> tuple[str, list[str]]:
    """The noun with the adjectives that can stand before it, and those that must follow."""
    rng = phrases.rng
    before = [a for a in adjectives if len(a.split()) == 1 and not starts_with_preposition(a)]
    if genre and genre not in phrases.lexicon.direct[phrases.truth.genre]:
        return rng.choice(use["scenes"]).format(core=genre), adjectives
    noun = genre or rng.choice(use["heads"])
    if noun == "something":
        return " ".join(["something", " and ".join(adjectives)]).strip(), []
    if not before:
        return noun, adjectives
    after = [a for a in adjectives if a not in before]
    front = ", ".join(before)
    if has_article(noun):
        article, noun = noun.split(" ", 1)
        front = with_article(front) if article in ("a", "an") else f"{article} {front}"
    return f"{front} {noun}", after


def _joined(core: str, clauses: list[str]) -> str:
    """Clauses after a noun: those with a preposition directly, others after a comma."""
    return core + "".join(f" {c}" if starts_with_preposition(c) else f", {c}" for c in clauses)


def _cased(text: str, rng: random.Random) -> str:
    """Lower case, a capital at the start, Title Case or capitals; with or without a mark at the end."""
    roll = rng.random()
    if roll < 0.5:
        text = text[:1].upper() + text[1:]
    elif roll < 0.53:
        text = text.upper()
    elif roll < 0.56:
        text = text.title()
    elif roll < 0.85:
        text = text.lower()
    return text if text.endswith("?") else text + rng.choices(("", ".", "!"), (0.66, 0.3, 0.04))[0]

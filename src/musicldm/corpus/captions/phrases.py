"""One attribute of a clip → one phrase about it, true to the clip."""

import hashlib
import random
import re
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from musicldm.corpus import lexicon as lexicon_package
from musicldm.corpus.composing.theory import DARK_MODES
from musicldm.corpus.lexicon import Lexicon, tempo_word
from musicldm.corpus.truth import GENRES, Part, Truth

_SIMPLE_PREPOSITIONS = (
    "with",
    "without",
    "at",
    "in",
    "on",
    "over",
    "under",
    "as",
    "like",
    "from",
    "to",
    "for",
    "of",
    "around",
)
_PREPOSITIONS = frozenset((*_SIMPLE_PREPOSITIONS, "backed", "driven", "featuring", "led", "carried", "built", "free"))
_LEAD_WORDS = frozenset(("lead", "solo"))
_ARTICLES = frozenset(("a", "an", "the", "some", "my"))
_CONDITIONS: Mapping[str, Callable[[Truth], bool]] = {
    "drums": lambda t: t.drums,
    "no drums": lambda t: not t.drums,
    "3/4": lambda t: t.meter == "3/4",
    "6/8": lambda t: t.meter in ("6/8", "12/8"),
    "7/8": lambda t: t.meter == "7/8",
    "12/8": lambda t: t.meter == "12/8",
    "4/4": lambda t: t.meter == "4/4",
    "slow": lambda t: t.bpm < 100,
    "fast": lambda t: t.bpm >= 110,
    "minor": lambda t: t.mode in DARK_MODES,
    "not cheerful": lambda t: t.mood not in ("happy", "playful"),
    "not gloomy": lambda t: t.mood not in ("sad", "dark", "tense"),
    "not quiet": lambda t: t.energy != "low",
}
# Other modes are named alone: nobody writes "in a blues" of a key.
_KEYED_MODES = frozenset(
    ("major", "minor", "dorian", "mixolydian", "phrygian", "lydian", "harmonic minor", "phrygian dominant")
)
_FLATS = {"C#": "D", "D#": "E", "F#": "G", "G#": "A", "A#": "B"}


def choose(rng: random.Random, options: Iterable[str]) -> str:
    """One of the options, each as likely as another.

    The draw picks the option with the highest hash: one option more or less changes only the draws that fall on it, so
    that a new style leaves most captions of the others as they were.
    """
    draw = str(rng.random())
    return max(options, key=lambda option: hashlib.blake2b(f"{draw}|{option}".encode(), digest_size=8).digest())


@cache
def table(file: str) -> dict[str, Any]:
    """A file of the lexicon's folder that holds no attribute: "frames" or "implied"."""
    return tomllib.loads((resources.files(lexicon_package) / f"{file}.toml").read_text(encoding="utf-8"))


def plain_name(instrument: str) -> str:
    """The instrument's name as it stands inside a sentence."""
    return instrument if instrument.startswith("FM") else instrument.lower()


def starts_with_preposition(phrase: str) -> bool:
    """Whether a phrase can follow a noun without a comma."""
    return phrase.split(" ", 1)[0].lower() in _PREPOSITIONS


def has_article(phrase: str) -> bool:
    return phrase.split(" ", 1)[0].lower() in _ARTICLES


def with_article(phrase: str) -> str:
    """A noun with "a" or "an" before it, unless it has an article or is a plural or a mass noun."""
    plural = phrase.endswith(("s", "music")) and (phrase.endswith("brass") or not phrase.endswith("ss"))
    if has_article(phrase) or plural:
        return phrase
    vowel = phrase[0].lower() in "aeiou" or phrase.startswith(("FM ", "fm ", "8"))
    return f"{'an' if vowel else 'a'} {phrase}"


def _words(expression: str) -> set[str]:
    return set(re.findall(r"[\w-]+", expression))


@cache
def _parts(text: str) -> frozenset[str]:
    """Words without hyphens, so that "stadium-rock drums" names rock."""
    return frozenset(re.findall(r"\w+", text.lower()))


@cache
def _implied(expression: str) -> tuple[Callable[[Truth], bool], ...]:
    found = _words(expression)
    return tuple(
        _CONDITIONS[name] for name, triggers in table("implied")["conditions"].items() if found & set(triggers)
    )


@cache
def _named_instruments(expression: str) -> tuple[tuple[str, ...], ...]:
    played = table("implied")["played"]
    return tuple(tuple(played[word]) for word in sorted(_words(expression)) if word in played)


def fits(expression: str, truth: Truth) -> bool:
    """Whether what a genre expression implies (a beat, a meter, a tempo, an instrument) is so in the clip."""
    heard = [f"{part.name.lower()} {part.family}" for part in truth.instruments]
    return all(holds(truth) for holds in _implied(expression)) and all(
        any(option in text for option in options for text in heard) for options in _named_instruments(expression)
    )


@cache
def _genres_named(text: str) -> frozenset[str]:
    """The genres all of whose words stand in a text."""
    return frozenset(genre for genre in GENRES if _parts(genre) <= _parts(text))


@cache
def _own(expressions: tuple[str, ...], value: str, genre: str) -> tuple[str, ...]:
    """The expressions that name no other genre, unless the value does ("rock mixolydian" misleads in a funk clip).

    An empty `genre` leaves out every genre's word.
    """
    allowed = _genres_named(value) | {genre}
    return tuple(e for e in expressions if _genres_named(e) <= allowed)


@dataclass(frozen=True)
class Phrases:
    """Draws phrases about one clip. Every method may be called many times; each call draws anew.

    `neutral`: only `genre` itself names a genre; no instrument or mode does ("a techno lead").
    """

    truth: Truth
    rng: random.Random
    lexicon: Lexicon
    neutral: bool = False

    def _pick(self, attribute: str, value: str, unless: frozenset[str] = frozenset()) -> str:
        """An expression of the value in which none of the words `unless` stands."""
        if value not in self.lexicon.values(attribute):
            return value
        own = _own(self.lexicon.known(attribute, value), value, "" if self.neutral else self.truth.genre)
        return choose(self.rng, [e for e in own if not unless & _parts(e)] or (value,))

    def _frame(self, kind: str) -> str:
        return str(self.rng.choice(table("frames")["phrases"][kind]))

    def genre(self, *, held_out: bool = False) -> str:
        """A name or an indirect expression of the genre."""
        genre = self.truth.genre
        if held_out:
            return self._fitting(self.lexicon.held_out("genre", genre))
        roll = self.rng.random()
        if roll < 0.22:
            return genre
        return self._fitting(self.lexicon.names(genre) if roll < 0.48 else self.lexicon.known("genre", genre))

    def _fitting(self, expressions: Sequence[str]) -> str:
        """An expression that does not contradict the clip, or the bare genre where there is none."""
        return choose(self.rng, [e for e in expressions if fits(e, self.truth)] or [self.truth.genre])

    def mood(self) -> str:
        return self._pick("mood", self.truth.mood)

    def energy(self) -> str:
        return self._pick("energy", self.truth.energy)

    def tempo(self) -> str:
        return self._pick("tempo", tempo_word(self.truth.bpm))

    def bpm(self) -> str:
        return self._frame("bpm").format(n=round(self.truth.bpm))

    def meter(self) -> str:
        return self._pick("meter", self.truth.meter)

    def drums(self) -> str:
        """Drums or none; now and then the kit itself."""
        kit = next((part for part in self.truth.instruments if part.family == "drums"), None)
        if self.truth.drums and kit and self.rng.random() < 0.25:
            return f"with {with_article(self._pick('instrument', kit.name))}"
        return self._pick("drums", "with drums" if self.truth.drums else "without drums")

    def quality(self) -> str:
        """A quality phrase; the plain words "low quality" stand before many of those about a degraded sound."""
        phrase = self._pick("quality", self.truth.quality)
        if self.truth.quality == "clean" or "quality" in phrase or self.rng.random() < 0.5:
            return phrase
        return f"{self.rng.choice(('low quality', 'low quality', 'poor quality', 'bad quality'))}, {phrase}"

    def production(self) -> str:
        """A word about how the clip was mixed. There must be one that is true."""
        return self._pick("production", self.rng.choice(self.truth.production))

    def mode(self) -> str:
        """Key and mode ("in a minor", "key of f# dorian"), or the mode alone."""
        mode, key = self.truth.mode, self.truth.key
        if mode not in _KEYED_MODES or self.rng.random() < 0.25:
            return self._pick("mode", mode)
        spelled = self.rng.choice(self._spellings(key))
        return self.rng.choice(("in {} {}", "in {} {}", "key of {} {}", "in the key of {} {}", "{} {}")).format(
            spelled, mode
        )

    @staticmethod
    def _spellings(key: str) -> tuple[str, ...]:
        if key not in _FLATS:
            return (key.lower(), key)
        flat = _FLATS[key]
        return key, key.lower(), f"{key[0].lower()} sharp", f"{flat.lower()} flat", f"{flat}b", f"{flat} flat"

    def instrument(self, part: Part) -> str:
        """What people call an instrument: its plain name, an expression of its own, or its family's common name.

        Only the lead is called one ("a heavily distorted guitar lead", "a trumpet solo").
        """
        roll, families = self.rng.random(), table("frames")["families"]
        if roll < 0.15 and part.family in families:
            return str(self.rng.choice(families[part.family]))
        if roll < 0.5:
            return plain_name(part.name)
        return self._pick("instrument", part.name, frozenset() if part.role == "lead" else _LEAD_WORDS)

    def lead(self, *, short: bool = False) -> str:
        """A phrase that gives the melody to the lead instrument. The clip must have one."""
        part = self.truth.lead
        assert part is not None
        name = self.instrument(part)
        if has_article(name):
            frame = "{a}" if short else self._frame("lead_with_article")
        elif (_LEAD_WORDS | {"melody"}) & _words(name):
            frame = "{bare}" if short else self._frame("lead_named_lead")
        else:
            frame = self._frame("lead_tags" if short else "lead")
        return frame.format(a=with_article(name), bare=name)

    def others(self) -> str:
        """One or two instruments beside lead and drums. The clip must have one."""
        parts = self.accompaniment()
        chosen = self.rng.sample(parts, k=min(len(parts), self.rng.choice((1, 1, 2))))
        return self._frame("others").format(names=" and ".join(self.instrument(part) for part in chosen))

    def accompaniment(self) -> list[Part]:
        return [
            part for part in self.truth.instruments if part.role not in ("lead", "drums") and part.family != "drums"
        ]

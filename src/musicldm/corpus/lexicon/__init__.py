"""The words behind the captions: what people call each attribute value, a fifth of it kept from all training."""

import hashlib
import re
import tomllib
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from musicldm.errors import unknown_choice

ATTRIBUTES = ("genre", "instrument", "mood", "energy", "quality", "production", "tempo", "meter", "mode", "drums")
HELD_OUT_SHARE = 5  # one in five
HELD_OUT_SEED = 20261124
# Upper limits in BPM, exclusive; from the last one on it is "very fast".
TEMPO_LIMITS = ((70.0, "very slow"), (95.0, "slow"), (120.0, "moderate"), (145.0, "fast"))

Tables = Mapping[str, Mapping[str, tuple[str, ...]]]


def tempo_word(bpm: float) -> str:
    """The tempo value ("very slow" … "very fast") of a number of beats a minute."""
    return next((word for limit, word in TEMPO_LIMITS if bpm < limit), "very fast")


def words(text: str) -> tuple[str, ...]:
    """Lower-case words of a text; hyphens, apostrophes and the signs in "drum & bass", "c#" and "3/4" stay."""
    return tuple(re.findall(r"[\w&#][\w&#/'-]*", text.lower()))


def _runs(tokens: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """All contiguous runs of tokens, the whole among them."""
    for start in range(len(tokens)):
        for stop in range(start + 1, len(tokens) + 1):
            yield tokens[start:stop]


def _hash(attribute: str, value: str, expression: str) -> bytes:
    return hashlib.sha256(f"{HELD_OUT_SEED}|{attribute}|{value}|{expression}".encode()).digest()


def split_held_out(tables: Tables) -> dict[str, dict[str, tuple[str, ...]]]:
    """Held-out expressions of every value: the fifth with the smallest hashes, so that other values do not matter.

    An expression that is the value itself or a part of another expression stays known: it would be heard in training.
    """
    inner: set[tuple[str, ...]] = set()
    for values in tables.values():
        for expressions in values.values():
            for tokens in map(words, expressions):
                inner.update(run for run in _runs(tokens) if len(run) < len(tokens))

    def fifth(attribute: str, value: str, expressions: tuple[str, ...]) -> tuple[str, ...]:
        free = [e for e in expressions if e != value and words(e) not in inner]
        chosen = sorted(free, key=lambda e: _hash(attribute, value, e))[: len(expressions) // HELD_OUT_SHARE]
        return tuple(e for e in expressions if e in chosen)

    return {a: {v: fifth(a, v, e) for v, e in values.items()} for a, values in tables.items()}


def _read(attribute: str) -> dict[str, dict[str, list[str]]]:
    """One attribute's file or folder of files: value → {"expressions": […]} and, for genres, {"names": […]} too."""
    here = resources.files(__name__)
    folder = here / attribute
    files = sorted(folder.iterdir(), key=lambda file: file.name) if folder.is_dir() else [here / f"{attribute}.toml"]
    tables: dict[str, dict[str, list[str]]] = {}
    for file in files:
        if file.name.endswith(".toml"):
            tables |= tomllib.loads(file.read_text(encoding="utf-8"))
    return tables


@cache
def _by_rarest_word(runs: frozenset[tuple[str, ...]]) -> dict[str, list[tuple[int, tuple[str, ...]]]]:
    """Each run with the place of its rarest word, under that word: few need to be compared with a text."""
    counts = Counter(word for run in runs for word in set(run))
    found: dict[str, list[tuple[int, tuple[str, ...]]]] = {}
    for run in runs:
        word = min(run, key=lambda word: counts[word])
        found.setdefault(word, []).append((run.index(word), run))
    return found


@dataclass(frozen=True)
class Lexicon:
    """Expressions by attribute and value, in the order of the files.

    `usable` and `withheld` part all expressions of a value in two; `direct` holds the direct names of each genre;
    `forbidden` is the withheld expressions as runs of words.
    """

    usable: Tables
    withheld: Tables
    direct: Mapping[str, tuple[str, ...]]
    forbidden: frozenset[tuple[str, ...]]

    @classmethod
    def of(cls, tables: Tables, direct: Mapping[str, tuple[str, ...]]) -> "Lexicon":
        """A lexicon over the given tables, its held-out fifth drawn."""
        withheld = split_held_out(tables)
        usable = {
            a: {v: tuple(x for x in e if x not in withheld[a][v]) for v, e in t.items()} for a, t in tables.items()
        }
        forbidden = frozenset(words(e) for values in withheld.values() for hidden in values.values() for e in hidden)
        return cls(usable, withheld, direct, forbidden)

    @classmethod
    @cache
    def load(cls) -> "Lexicon":
        """The lexicon that ships with the package, read once."""
        files = {attribute: _read(attribute) for attribute in ATTRIBUTES}
        direct = {value: tuple(table["names"]) for value, table in files["genre"].items()}
        tables = {
            attribute: {
                value: tuple(table.get("names", [])) + tuple(table["expressions"]) for value, table in file.items()
            }
            for attribute, file in files.items()
        }
        return cls.of(tables, direct)

    def values(self, attribute: str) -> tuple[str, ...]:
        """The values that have expressions. Raises InvalidInputError for an unknown attribute."""
        if attribute not in self.usable:
            raise unknown_choice("attribute", attribute, self.usable)
        return tuple(self.usable[attribute])

    def known(self, attribute: str, value: str) -> tuple[str, ...]:
        """What training captions may use. Raises InvalidInputError for an unknown attribute or value."""
        if value not in self.values(attribute):
            raise unknown_choice(attribute, value, self.usable[attribute])
        return self.usable[attribute][value]

    def held_out(self, attribute: str, value: str) -> tuple[str, ...]:
        """The expressions that no training caption contains. Raises InvalidInputError as `known` does."""
        self.known(attribute, value)
        return self.withheld[attribute][value]

    def all(self, attribute: str, value: str) -> tuple[str, ...]:
        """Every expression of a value. Raises InvalidInputError as `known` does."""
        return self.known(attribute, value) + self.held_out(attribute, value)

    def names(self, genre: str) -> tuple[str, ...]:
        """The direct names of a genre that training captions may use, the bare word first in the file among them."""
        usable = set(self.known("genre", genre))
        return tuple(name for name in self.direct[genre] if name in usable)

    def gives_away(self, text: str) -> bool:
        """Whether a text contains a held-out expression of any attribute."""
        tokens, rare = words(text), _by_rarest_word(self.forbidden)
        return any(
            at >= offset and tokens[at - offset : at - offset + len(run)] == run
            for at, token in enumerate(tokens)
            for offset, run in rare.get(token, ())
        )

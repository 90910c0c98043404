"""Sections: which letter of the form a bar belongs to, and when each part enters, leaves and rests."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from musicldm.corpus.styles.style import Style

SHAPES = {"full": 0.34, "build": 0.2, "late lead": 0.12, "thin end": 0.12, "late rhythm": 0.08, "break": 0.14}
_AT_THE_START = 0.4
_LONGEST_BREAK = 2.6
_LATEST_ENTRY = 8
_BREAK_EVERY = 16


@dataclass(frozen=True)
class Passage:
    """The clip's bars of one section of the form. `first`: the bar in which it began, perhaps before the clip."""

    bars: range
    letter: str
    first: int

    @property
    def rank(self) -> int:
        """0 for A, 1 for B and so on."""
        return ord(self.letter) - ord("A")


@dataclass(frozen=True)
class Presence:
    """The bars that a part plays, some of them silent, and how much it grows, 0-1."""

    bars: range
    rests: frozenset[int] = frozenset()
    rise: float = 0.0


def draw_passages(rng: np.random.Generator, style: Style, bars: int) -> tuple[Passage, ...]:
    """The sections that a clip of so many bars touches; it begins anywhere in the form."""
    form = style.forms[int(rng.integers(len(style.forms)))]
    index = int(rng.integers(len(form)))
    late = 0 if rng.random() < _AT_THE_START else 2 * int(rng.integers(max(1, style.section_bars // 2)))
    passages: list[Passage] = []
    first = -late
    while first < bars:
        span = range(max(first, 0), min(first + style.section_bars, bars))
        passages.append(Passage(span, form[index % len(form)], first))
        first, index = first + style.section_bars, index + 1
    return tuple(passages)


def draw_presence(
    rng: np.random.Generator, style: Style, roles: Iterable[str], bars: int, bar_seconds: float
) -> dict[str, Presence]:
    """Parts enter, leave and pause on bar lines; lead and drums stay for most of the clip."""
    here = {role: Presence(range(bars)) for role in roles}
    weights = style.shapes or SHAPES
    shape = str(rng.choice(list(weights), p=np.array(list(weights.values())) / sum(weights.values())))
    if bars < 4 or len(here) < 3 or shape == "full":
        return here
    changes = _changes(rng, shape, bars, bar_seconds, here)
    return here | {role: presence for role, presence in changes.items() if role in here}


def _changes(
    rng: np.random.Generator, shape: str, bars: int, bar_seconds: float, here: Mapping[str, Presence]
) -> dict[str, Presence]:
    early = min(max(1, int(bars * 0.25)), _LATEST_ENTRY)
    short = early * bar_seconds <= _LONGEST_BREAK
    if shape == "build":
        late = range(int(rng.integers(1, early + 2)), bars)
        shy = "bass" if rng.random() < 0.5 else "chords"
        grown = {role: Presence(range(bars), rise=0.35) for role in ("lead", "drums", "chords")}
        return grown | {role: Presence(late, rise=0.35) for role in ("pad", "counter", shy)}
    if shape == "late lead":
        return {"lead": Presence(range(early, bars))}
    if shape == "thin end":
        shy = "chords" if rng.random() < 0.5 or "pad" not in here else "pad"
        return {shy: Presence(range(bars - early))}
    if shape == "late rhythm":
        return {"bass": Presence(range(early, bars))} | ({"drums": Presence(range(early, bars))} if short else {})
    if shape == "drop":
        # Drums and bass come in together after a short build; the rest has been there.
        late = range(early, bars) if short else range(bars)
        return {"drums": Presence(late), "bass": Presence(range(early, bars)), "counter": Presence(range(early, bars))}
    if bar_seconds <= _LONGEST_BREAK and "drums" in here:
        starts = range(1, bars - 1, _BREAK_EVERY)
        rests = frozenset(int(rng.integers(start, min(start + _BREAK_EVERY, bars - 1))) for start in starts)
        return {"drums": Presence(range(bars), rests), "bass": Presence(range(bars), rests)}
    return {}

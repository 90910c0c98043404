"""Pitch, scales and chords. Pitch classes are 0 = C … 11 = B; pitches are MIDI note numbers (60 = middle C)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from musicldm.errors import InvalidInputError

SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11),
    "minor": (0, 2, 3, 5, 7, 8, 10),
    "dorian": (0, 2, 3, 5, 7, 9, 10),
    "mixolydian": (0, 2, 4, 5, 7, 9, 10),
    "lydian": (0, 2, 4, 6, 7, 9, 11),
    "phrygian": (0, 1, 3, 5, 7, 8, 10),
    "harmonic minor": (0, 2, 3, 5, 7, 8, 11),
    "phrygian dominant": (0, 1, 4, 5, 7, 8, 10),
    "double harmonic": (0, 1, 4, 5, 7, 8, 11),
    "major pentatonic": (0, 2, 4, 7, 9),
    "minor pentatonic": (0, 3, 5, 7, 10),
    "hirajoshi": (0, 2, 3, 7, 8),
    "major blues": (0, 2, 3, 4, 7, 9, 10),
    "minor blues": (0, 3, 5, 6, 7, 10),
}
"""Semitones above the tonic. The last two are scales of melodies only, no clip's mode."""
MODES = tuple(name for name in SCALES if not name.endswith("blues"))
DARK_MODES = frozenset(
    ("minor", "dorian", "phrygian", "harmonic minor", "phrygian dominant", "minor pentatonic", "hirajoshi")
)

_QUALITIES = {
    "": (0, 4, 7),
    "m": (0, 3, 7),
    "5": (0, 7),
    "6": (0, 4, 7, 9),
    "m6": (0, 3, 7, 9),
    "69": (0, 4, 9, 14),
    "7": (0, 4, 7, 10),
    "m7": (0, 3, 7, 10),
    "maj7": (0, 4, 7, 11),
    "9": (0, 4, 10, 14),
    "m9": (0, 3, 10, 14),
    "maj9": (0, 4, 11, 14),
    "13": (0, 4, 10, 21),
    "add9": (0, 4, 7, 14),
    "madd9": (0, 3, 7, 14),
    "m11": (0, 3, 10, 17),
    "sus2": (0, 2, 7),
    "sus4": (0, 5, 7),
    "7sus4": (0, 5, 7, 10),
    "dim": (0, 3, 6),
    "dim7": (0, 3, 6, 9),
    "m7b5": (0, 3, 6, 10),
    "7b9": (0, 4, 10, 13),
    "aug": (0, 4, 8),
}
# The same in the notation of Harte et al. (ISMIR 2005), which mir_eval reads.
_HARTE = {
    "": "maj",
    "m": "min",
    "5": "5",
    "6": "maj6",
    "m6": "min6",
    "69": "maj6(9)",
    "7": "7",
    "m7": "min7",
    "maj7": "maj7",
    "9": "9",
    "m9": "min9",
    "maj9": "maj9",
    "13": "13",
    "add9": "maj(9)",
    "madd9": "min(9)",
    "m11": "min11",
    "sus2": "sus2",
    "sus4": "sus4",
    "7sus4": "sus4(b7)",
    "dim": "dim",
    "dim7": "dim7",
    "m7b5": "hdim7",
    "7b9": "7(b9)",
    "aug": "aug",
}
_NUMERALS = {"i": 0, "ii": 2, "iii": 4, "iv": 5, "v": 7, "vi": 9, "vii": 11}
_SYMBOL = re.compile(r"([b#]?)(VII|VI|IV|V|III|II|I|vii|vi|iv|v|iii|ii|i)(.*)")


@dataclass(frozen=True)
class Chord:
    """A root (pitch class), the intervals in semitones above it, of which the first is 0, and Harte's name of these."""

    root: int
    intervals: tuple[int, ...]
    quality: str = ""

    @property
    def pitch_classes(self) -> tuple[int, ...]:
        return tuple((self.root + interval) % 12 for interval in self.intervals)

    @property
    def third(self) -> int:
        """Semitones from the root to the third; to the fifth where the chord has none."""
        return next((i for i in self.intervals if i in (3, 4)), 7)

    @property
    def fifth(self) -> int:
        return 6 if 6 in self.intervals else 8 if 8 in self.intervals else 7


def parse_chord(symbol: str, tonic: int) -> Chord:
    """The chord of a Roman numeral such as "I", "vi7", "bVII", "V7b9" in a key.

    Numerals count from the major scale of `tonic` whatever the mode, so a minor key's sixth chord is "bVI";
    lower case adds "m" to the quality ("ii7" = minor seventh chord on the second degree).
    """
    match = _SYMBOL.fullmatch(symbol)
    if match is None:
        raise InvalidInputError(f"chord symbol {symbol!r}: a Roman numeral I to VII with a quality, such as 'bVImaj7'")
    accidental, numeral, quality = match.groups()
    if numeral.islower() and not quality.startswith(("m", "dim", "sus", "5")):
        quality = "m" + quality
    if quality not in _QUALITIES:
        raise InvalidInputError(f"chord quality {quality!r} in {symbol!r}: choose one of {', '.join(_QUALITIES)}")
    shift = {"": 0, "b": -1, "#": 1}[accidental]
    return Chord((tonic + _NUMERALS[numeral.lower()] + shift) % 12, _QUALITIES[quality], _HARTE[quality])


def nearest(pitch_class: int, pitch: float) -> int:
    """The pitch of `pitch_class` nearest to `pitch`."""
    return round((pitch - pitch_class) / 12) * 12 + pitch_class


def scale_pitches(tonic: int, steps: Sequence[int], low: int, high: int) -> tuple[int, ...]:
    """All pitches of the scale between `low` and `high`, both included, rising."""
    members = {(tonic + step) % 12 for step in steps}
    return tuple(pitch for pitch in range(low, high + 1) if pitch % 12 in members)


def voice_chord(chord: Chord, centre: float, previous: tuple[int, ...] = ()) -> tuple[int, ...]:
    """Close-position pitches of `chord` around `centre`, in the inversion that moves least from `previous`."""
    goal = sum(previous) / len(previous) * 0.5 + centre * 0.5 if previous else centre
    candidates = []
    classes = chord.pitch_classes
    for turn in range(len(classes)):
        rotated = classes[turn:] + classes[:turn]
        voicing = [nearest(rotated[0], goal - 5)]
        for pitch_class in rotated[1:]:
            voicing.append(voicing[-1] + ((pitch_class - voicing[-1]) % 12 or 12))
        candidates.append(tuple(voicing))
    return min(candidates, key=lambda v: (abs(sum(v) / len(v) - goal), v))

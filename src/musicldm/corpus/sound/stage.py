"""Where a part stands between the loudspeakers: from its role, instrument and drum, with a little drawn from the seed.

The listener sits in front of the band: hi-hats and high toms to the right, floor tom and ride to the left, as records
have it; bass drum, snare, bass and lead in the middle. Strings sit as an orchestra does, high ones to the left.
"""

import math
from dataclasses import dataclass, replace

import numpy as np

from musicldm.audio import Wave
from musicldm.corpus.sound.instruments import Instrument

_SPREAD = 0.05


@dataclass(frozen=True)
class Place:
    """pan: -1 left to 1 right; width: factor on the sound's own difference between left and right, from 0."""

    pan: float = 0.0
    width: float = 1.0


CENTRE = Place(0.0, 0.5)
# A role that has a place of its own whatever plays it.
_ROLES = {"lead": CENTRE, "bass": Place(0.0, 0.0)}
_FAMILIES = {
    "piano": Place(-0.1, 0.9),
    "organ": Place(-0.25, 0.9),
    "guitar": Place(0.45, 0.4),
    "bass": Place(0.0, 0.0),
    "strings": Place(-0.2, 1.2),
    "brass": Place(0.35, 0.8),
    "reed": Place(0.25, 0.6),
    "flute": Place(-0.3, 0.6),
    "synth lead": Place(0.2, 1.0),
    "synth pad": Place(0.0, 1.3),
    "mallets": Place(0.35, 0.9),
    "plucked": Place(-0.4, 0.7),
    "voice": Place(0.0, 1.2),
}
_NAMES = {
    "cello": Place(0.4, 0.6),
    "viola": Place(0.2, 0.6),
    "violin": Place(-0.35, 0.6),
    "french horn": Place(-0.3, 0.8),
    "tuba": Place(0.45, 0.5),
    "clean guitar": Place(-0.45, 0.6),
    "muted guitar": Place(-0.5, 0.4),
    "distorted guitar": Place(0.0, 1.2),
    "overdriven guitar": Place(0.0, 1.1),
    "accordion": Place(-0.3, 0.8),
    "bandoneon": Place(0.3, 0.8),
    "harp": Place(-0.5, 0.8),
    "pizzicato strings": Place(-0.25, 1.0),
    "supersaw chords": Place(0.0, 1.3),
    "chip chords": Place(-0.3, 0.5),
}
# GM drum key → pan. What is not named stands in the middle.
_DRUMS = {
    29: 0.0, 37: 0.08, 38: 0.04, 39: -0.05, 40: -0.04, 41: -0.5, 43: -0.35, 45: -0.15, 47: 0.1, 48: 0.3, 50: 0.45,
    42: 0.4, 44: 0.4, 46: 0.4, 49: 0.55, 57: -0.55, 52: -0.6, 55: 0.35, 51: -0.45, 53: -0.45, 59: -0.45,
    54: 0.35, 56: 0.25, 60: 0.5, 61: 0.4, 62: -0.35, 63: -0.4, 64: -0.5, 65: 0.45, 66: 0.3, 67: -0.55, 68: -0.5,
    69: -0.35, 70: -0.4, 71: 0.3, 72: 0.3, 73: 0.5, 74: 0.5, 75: 0.3, 76: 0.45, 77: 0.35, 78: -0.3, 79: -0.3,
    80: 0.5, 81: 0.5, 82: -0.4, 83: 0.6, 85: 0.3, 86: -0.1, 87: -0.1,
}  # fmt: skip
_DRUM_WIDTH = 0.35


def place_of(role: str, instrument: Instrument, rng: np.random.Generator, width: float = 1.0) -> Place:
    """A part's place. `width`: of the whole stage, 0 mono, 1 as records."""
    place = _ROLES.get(role) or _NAMES.get(instrument.name) or _FAMILIES.get(instrument.family, CENTRE)
    if role == "counter" and abs(place.pan) < 0.3 and instrument.family != "synth pad":
        place = replace(place, pan=0.4)
    moved = place.pan + (float(rng.normal(0, _SPREAD)) if role not in _ROLES else 0.0)
    return Place(min(max(moved * width, -1.0), 1.0), place.width * width)


def drum_place(key: int, width: float = 1.0) -> Place:
    """The place of a drum, by its GM key."""
    return Place(min(max(_DRUMS.get(key, 0.0) * width, -1.0), 1.0), _DRUM_WIDTH * width)


def stand(wave: Wave, place: Place) -> Wave:
    """A wave, (1, n) or (2, n), put at a place: (2, n). Its mid is panned at constant power, its side scaled."""
    angle = (place.pan + 1) * math.pi / 4
    left, right = math.sqrt(2) * math.cos(angle), math.sqrt(2) * math.sin(angle)
    if len(wave) == 1:
        return np.concatenate([np.float32(left) * wave, np.float32(right) * wave])
    mid = np.float32(0.5) * (wave[0] + wave[1])
    side = np.float32(0.5 * place.width) * (wave[0] - wave[1])
    return np.stack([np.float32(left) * mid + side, np.float32(right) * mid - side])

"""What the composer hands to the renderer: notes in seconds, stem by stem."""

from dataclasses import dataclass

from musicldm.corpus.instruments import Instrument
from musicldm.corpus.truth import Part, Truth


@dataclass(frozen=True)
class Note:
    """Starts and ends in seconds from the clip's first sample (negative: it began before); MIDI pitch and velocity."""

    start: float
    end: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Stem:
    """One part's notes, its loudness against the loudest role in decibels, and its share of reverberation (0-2)."""

    part: Part
    instrument: Instrument
    notes: tuple[Note, ...]
    level: float
    send: float


@dataclass(frozen=True)
class Mix:
    """How the stems become one signal.

    room: reverberation time in seconds; wet: reverberation against dry, 0-1; top: low-pass in Hz or None; tilt:
    treble against bass in decibels; duck: depth of pumping, 0-1; crackle: vinyl noise, 0-1; squeeze: compression,
    0-1; peak: largest absolute sample, 0-1.
    """

    room: float
    wet: float
    top: float | None
    tilt: float
    duck: float
    crackle: float
    squeeze: float
    peak: float


@dataclass(frozen=True)
class Score:
    truth: Truth
    stems: tuple[Stem, ...]
    mix: Mix
    kicks: tuple[float, ...]
    """Seconds at which the bass drum sounds, for `Mix.duck`."""

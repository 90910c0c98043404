"""What the composer hands to the renderer: notes in seconds, stem by stem."""

from dataclasses import dataclass

from musicldm.corpus.sound.instruments import Instrument
from musicldm.corpus.truth import Part, Truth


@dataclass(frozen=True)
class Tone:
    """A note as written: bar, step and length in steps, pitch, weight 0-1."""

    bar: int
    step: float
    length: float
    pitch: int
    weight: float


@dataclass(frozen=True)
class Note:
    """Starts and ends in seconds from the clip's first sample (negative: it began before); MIDI pitch and velocity.

    bend: semitones from the pitch at which the note starts before it slides there; vibrato: semitones up and down.
    """

    start: float
    end: float
    pitch: int
    velocity: int
    bend: float = 0.0
    vibrato: float = 0.0


@dataclass(frozen=True)
class Stem:
    """One part's notes, its loudness against the other stems in decibels, and its share of reverberation (0-2).

    echo: level of its tempo echo, 0-1; sweep: how open its filter is at the start and at the end, 0-1, or None;
    effects: names of `sound.effects.INSERTS` that follow those of the instrument itself.
    """

    part: Part
    instrument: Instrument
    notes: tuple[Note, ...]
    level: float
    send: float
    echo: float = 0.0
    sweep: tuple[float, float] | None = None
    effects: tuple[str, ...] = ()


@dataclass(frozen=True)
class Mix:
    """How the stems become one signal.

    room: reverberation time in seconds; wet: reverberation against dry, 0-1; top: low-pass in Hz or None; tilt:
    treble against bass in decibels; duck: depth of pumping, 0-1; crackle: vinyl noise, 0-1; squeeze: compression,
    0-1; peak: true peak, 0-1; echo_seconds: distance of the tempo echo; space: one of `sound.rooms.SPACES`; width: of
    the stereo field, 0 mono, 1 as records, up to 1.5; tape: saturation, wow and flutter, 0-1; punch: how far the drums'
    attacks are lifted, 0-1.
    """

    room: float
    wet: float
    top: float | None
    tilt: float
    duck: float
    crackle: float
    squeeze: float
    peak: float
    echo_seconds: float = 0.3
    space: str = "room"
    width: float = 1.0
    tape: float = 0.0
    punch: float = 0.0


@dataclass(frozen=True)
class Score:
    truth: Truth
    stems: tuple[Stem, ...]
    mix: Mix
    kicks: tuple[float, ...]
    """Seconds at which the bass drum sounds, for `Mix.duck`."""

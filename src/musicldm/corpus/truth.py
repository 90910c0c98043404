"""What is known exactly of a composed clip."""

from dataclasses import dataclass, field

from musicldm.corpus.styles import STYLES

GENRES = tuple(STYLES)
METERS = ("4/4", "3/4", "6/8", "5/4", "7/8", "12/8")
KEYS = ("C", "C#", "D", "D#", "E", "F", "F#", "G", "G#", "A", "A#", "B")
MOODS = ("happy", "sad", "calm", "tense", "dreamy", "dark", "playful", "epic")
ENERGIES = ("low", "medium", "high")
QUALITIES = ("clean", "muffled", "thin", "noisy", "clipped", "hissing", "low bit-rate")
FAMILIES = (
    "piano",
    "organ",
    "guitar",
    "bass",
    "strings",
    "brass",
    "reed",
    "flute",
    "synth lead",
    "synth pad",
    "mallets",
    "plucked",
    "voice",
    "drums",
)
PRODUCTIONS = ("bright", "warm", "dry", "spacious", "punchy", "wide", "narrow", "vintage")
# What only a file of two channels can be.
STEREO_PRODUCTIONS = ("wide", "narrow")
ROLES = ("lead", "bass", "chords", "pad", "counter", "drums")


@dataclass(frozen=True)
class Part:
    """One instrument of a clip and what it does there."""

    name: str
    family: str
    role: str


@dataclass(frozen=True)
class Section:
    """Seconds between which neither the form's letter nor the playing parts change. `label`: A, B, …"""

    start: float
    end: float
    label: str
    roles: tuple[str, ...]


@dataclass(frozen=True)
class Truth:
    """The attributes of a clip; times are seconds.

    `bpm` counts quarters, in 6/8 and 12/8 dotted quarters. So do `beats`, except in 7/8, where they are the first,
    third and fifth eighth of the bar. `production`: words of `PRODUCTIONS` that are true of the mix. `chords`: the
    chord on each beat ("A:min7": the notation of Harte et al., ISMIR 2005). `bass`: the pitch class of the bass note on
    each beat (0 = C), -1 where there is none. `melody`: (start, end, MIDI pitch) of the lead's notes. `onsets`: when
    each kind of drum is struck ("kick", "snare", "closed hat", …).
    """

    genre: str
    bpm: float
    meter: str
    key: str
    mode: str
    drums: bool
    instruments: tuple[Part, ...]
    mood: str
    energy: str
    quality: str
    beats: tuple[float, ...]
    downbeats: tuple[float, ...]
    duration: float
    seed: int
    production: tuple[str, ...] = ()
    sections: tuple[Section, ...] = ()
    chords: tuple[str, ...] = ()
    bass: tuple[int, ...] = ()
    melody: tuple[tuple[float, float, int], ...] = ()
    onsets: dict[str, tuple[float, ...]] = field(default_factory=dict)

    @property
    def lead(self) -> Part | None:
        """The instrument that carries the melody, if one does."""
        return next((part for part in self.instruments if part.role == "lead"), None)

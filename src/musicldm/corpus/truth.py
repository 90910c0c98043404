"""What is known exactly of a composed clip."""

from dataclasses import dataclass

GENRES = (
    "ambient",
    "blues",
    "bossa nova",
    "celtic",
    "cinematic",
    "classical",
    "country",
    "drum and bass",
    "funk",
    "hip hop",
    "house",
    "jazz",
    "lo-fi",
    "metal",
    "reggae",
    "rock",
    "synthwave",
    "techno",
)
METERS = ("4/4", "3/4", "6/8")
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
ROLES = ("lead", "bass", "chords", "pad", "counter", "drums")


@dataclass(frozen=True)
class Part:
    """One instrument of a clip and what it does there."""

    name: str
    family: str
    role: str


@dataclass(frozen=True)
class Truth:
    """The attributes of a clip. `bpm` counts `beats` a minute: quarters, in 6/8 dotted quarters; times are seconds."""

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

    @property
    def lead(self) -> Part | None:
        """The instrument that carries the melody, if one does."""
        return next((part for part in self.instruments if part.role == "lead"), None)

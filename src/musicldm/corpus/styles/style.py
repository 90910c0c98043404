"""What a genre's table says.

Patterns are strings of one bar in steps: a sixteenth note in 4/4 (16 steps) and 3/4 (12), a sixth of the dotted
quarter in 6/8 (12).

Drums   "k x...x...|s ....X..." one row a drum: X accent, x stroke, o ghost, . rest; the letters stand in `DRUM_KEYS`.
Bass    R root, 3 third, 5 fifth, 7 seventh, 8 octave, L fifth below, a half a tone below the next root, W a step of a
        walking line; - holds, . rests.
Chords  x strike, u softer strike, 1-6 one tone of the chord from below; - holds, . rests.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

STEPS_PER_BAR = {"4/4": 16, "3/4": 12, "6/8": 12}
STEPS_PER_BEAT = {"4/4": 4, "3/4": 4, "6/8": 6}
DRUM_KEYS = {
    "k": 36,
    "s": 38,
    "r": 37,
    "c": 39,
    "h": 42,
    "p": 44,
    "o": 46,
    "y": 49,
    "d": 51,
    "b": 53,
    "m": 54,
    "w": 56,
    "1": 48,
    "2": 45,
    "3": 41,
    "B": 60,
    "g": 61,
    "q": 62,
    "C": 63,
    "G": 64,
    "z": 70,
    "v": 75,
    "t": 81,
}

Weights = Mapping[str, float]


@dataclass(frozen=True)
class Swing:
    """Long-short playing: the first of each pair of `unit` notes (8 or 16) takes `low`-`high` of the pair."""

    unit: int
    low: float
    high: float


@dataclass(frozen=True)
class Sound:
    """How a genre is mixed.

    `room`: reverberation time, low and high, in seconds; `wet`: its level against the dry sound, 0-1. `top`: low-pass
    of the mix in Hz, low and high (None: open). `tilt`: treble against bass in decibels. `duck`: how far the bass drum
    pushes down bass, chords and pads, 0-1. `crackle`: vinyl crackle level, 0-1. `levels`: decibels added to a role's
    usual level. `echo`: level of a tempo echo, 0-1, on `echoed` roles, `echo_steps` apart. `sweep`: probability that
    a filter opens or closes over chords and pads.
    """

    room: tuple[float, float] = (0.4, 1.0)
    wet: float = 0.15
    top: tuple[float, float] | None = None
    duck: float = 0.0
    crackle: float = 0.0
    levels: Weights = field(default_factory=dict)
    echo: float = 0.0
    echo_steps: int = 3
    echoed: tuple[str, ...] = ("lead",)
    sweep: float = 0.0
    tilt: float = 0.0


@dataclass(frozen=True)
class Style:
    """One genre. Weights are relative; `presence` is the probability that a role is filled.

    `ornament`, `bend`, `harmony`: how often the lead takes a grace note, is bent up into its pitch, goes in thirds.
    `energy_bias`: towards high (above 0) or low energy. `human`: spread of the timing in milliseconds.
    """

    name: str
    tempo: tuple[float, float]
    modes: Weights
    progressions: Mapping[str, tuple[str, ...]]
    moods: Weights
    leads: Weights
    basses: Weights
    keys: Weights
    kits: Weights
    drums: Mapping[str, tuple[str, ...]]
    bass: Mapping[str, tuple[str, ...]]
    comping: Mapping[str, tuple[str, ...]]
    feels: Weights
    pads: Weights = field(default_factory=dict)
    counters: Weights = field(default_factory=dict)
    meters: Weights = field(default_factory=lambda: {"4/4": 1.0})
    tempo_68: tuple[float, float] | None = None
    presence: Weights = field(default_factory=dict)
    chord_bars: tuple[float, ...] = (1.0,)
    voicing: str = "close"
    melody_scale: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    ornament: float = 0.0
    bend: float = 0.0
    harmony: float = 0.0
    fills: tuple[str, ...] = ("toms", "snare")
    swing: Swing | None = None
    energy_bias: float = 0.0
    human: float = 5.0
    sound: Sound = Sound()

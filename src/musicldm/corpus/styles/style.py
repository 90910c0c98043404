"""What a style's table says.

Patterns are strings of one bar in steps: a sixteenth note where the beat is a quarter (4/4: 16 steps, 3/4: 12, 5/4: 20,
7/8: 14), a sixth of the dotted quarter in 6/8 (12) and 12/8 (24).

Drums   "k x...x...|s ....X..." one row a drum: X accent, x stroke, o ghost, 2 or 3 strokes in the step,
        . rest; the letters stand in `DRUM_KEYS`.
Bass    R root, 3 third, 5 fifth, 6 sixth, 7 seventh, 8 octave, L fifth below, n the next chord's root, a half a tone
        below the next root, W a step of a walking line; - holds, . rests.
Chords  x strike, u softer strike, 1-9 one tone of the chord from below, b the root and f the fifth in the left hand,
        z a held chord as a fast arpeggio; - holds, . rests. Figures of counter-melodies use the same language.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

STEPS_PER_BAR = {"4/4": 16, "3/4": 12, "6/8": 12, "5/4": 20, "7/8": 14, "12/8": 24}
# Of the beat that `bpm` counts: the quarter, in 6/8 and 12/8 the dotted quarter.
STEPS_PER_BEAT = {"4/4": 4, "3/4": 4, "6/8": 6, "5/4": 4, "7/8": 4, "12/8": 6}
# Where the beats of a bar lie. 7/8 is counted 2 + 2 + 3: its third beat is longer by an eighth.
BEAT_STEPS = {
    "4/4": (0, 4, 8, 12),
    "3/4": (0, 4, 8),
    "6/8": (0, 6),
    "5/4": (0, 4, 8, 12, 16),
    "7/8": (0, 4, 8),
    "12/8": (0, 6, 12, 18),
}
COMPOUND_METERS = ("6/8", "12/8")
# General MIDI percussion, and from 82 on what Roland's GS adds to it.
DRUM_KEYS = {
    "k": 36,  # bass drum
    "s": 38,  # snare
    "r": 37,  # side stick
    "c": 39,  # claps
    "h": 42,  # closed hi-hat
    "p": 44,  # pedal hi-hat
    "o": 46,  # open hi-hat
    "y": 49,  # crash
    "Y": 52,  # china
    "d": 51,  # ride
    "b": 53,  # ride bell
    "m": 54,  # tambourine
    "w": 56,  # cowbell
    "1": 48,  # high tom
    "2": 45,  # low tom
    "3": 41,  # floor tom
    "B": 60,  # high bongo
    "g": 61,  # low bongo
    "q": 62,  # muted conga
    "C": 63,  # open conga
    "G": 64,  # low conga
    "T": 65,  # high timbale
    "t": 66,  # low timbale
    "A": 67,  # high agogo
    "a": 68,  # low agogo
    "e": 69,  # cabasa
    "z": 70,  # maracas
    "i": 73,  # short guiro
    "I": 74,  # long guiro
    "v": 75,  # claves
    "W": 76,  # high wood block
    "V": 77,  # low wood block
    "u": 79,  # open cuica
    "l": 81,  # triangle
    "L": 80,  # muted triangle
    "E": 82,  # shaker
    "K": 85,  # castanets
    "U": 86,  # muted surdo
    "S": 87,  # open surdo
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
    a filter opens or closes over chords and pads. `space`: kind of reverberation, "room", "hall", "plate" or "spring".
    `tape`: saturation and wow, 0-1. `punch`: lift of the drums' onsets, 0-1. `effects`: further effects by role.
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
    space: str = "room"
    tape: float = 0.0
    punch: float = 0.0
    effects: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True)
class Style:
    """One style. Weights are relative; `presence` is the probability that a role is filled.

    `drums`, `bass`, `comping`, `lines`: figures by meter, the last for counter-melodies (without them these are long
    chord tones). `forms`: letters of sections of `section_bars` bars; another letter has other figures, and another
    progression if there is one. `shapes`: weights of how parts enter and leave, in place of the usual ones.
    `ornament`, `bend`, `trill`, `tremolo`, `harmony`: how often the lead takes a grace note, is bent up into its pitch,
    trills or repeats a long note, goes in thirds. `slide`: how often the bass slides into its note. `drone`: pads hold
    tonic and fifth. `strum`: seconds between the strings of a strummed chord. `arpeggio_hertz`: notes a second of "z".
    `risers`: how often a noise rises into a new section and a blow begins it.
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
    lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    pads: Weights = field(default_factory=dict)
    counters: Weights = field(default_factory=dict)
    meters: Weights = field(default_factory=lambda: {"4/4": 1.0})
    compound_tempo: tuple[float, float] | None = None
    presence: Weights = field(default_factory=dict)
    chord_bars: tuple[float, ...] = (1.0,)
    forms: tuple[str, ...] = ("AABA", "AABB")
    section_bars: int = 8
    shapes: Weights = field(default_factory=dict)
    voicing: str = "close"
    melody_scale: Mapping[str, str] = field(default_factory=dict)
    ornament: float = 0.0
    bend: float = 0.0
    trill: float = 0.0
    tremolo: float = 0.0
    harmony: float = 0.0
    slide: float = 0.0
    drone: bool = False
    strum: float = 0.0
    arpeggio_hertz: float = 50.0
    fills: tuple[str, ...] = ("toms", "snare")
    risers: float = 0.0
    swing: Swing | None = None
    energy_bias: float = 0.0
    human: float = 5.0
    sound: Sound = Sound()

    def tempo_in(self, meter: str) -> tuple[float, float]:
        """Lowest and highest tempo in beats a minute: of the compound meters where the style has its own for them."""
        return self.compound_tempo if meter in COMPOUND_METERS and self.compound_tempo else self.tempo

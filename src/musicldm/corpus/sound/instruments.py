"""The instruments in use. `low`/`high` bound the range in which a lead plays, as MIDI notes."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType

DRUM_BANK = 128


@dataclass(frozen=True)
class Instrument:
    """A musician's name, what plays it, the family of `truth.FAMILIES` and how it plays.

    `program`: General MIDI program of a sound font, counted from 0, or None; `patch`: one of `synth.PATCHES`, for drums
    of `synth.KITS`, or None. Where both are given, a clip's seed draws the patch with the chance `patch_share`.
    `sustain`: notes last as long as they are held (winds, bows, organs), rather than die away (plucked, struck).
    `metals`: the kit from which a drum kit takes hi-hats, cymbals and small percussion, and their loudness, because
    several General MIDI kits have cymbals too faint to carry a beat.
    """

    name: str
    program: int | None
    family: str
    low: int = 60
    high: int = 84
    sustain: bool = False
    metals: tuple[int, float] | None = None
    patch: str | None = None
    patch_share: float = 0.0

    @property
    def bank(self) -> int:
        return DRUM_BANK if self.family == "drums" else 0


_PITCHED = (
    ("acoustic piano", 0, "piano", 62, 88, False),
    ("bright piano", 1, "piano", 62, 88, False),
    ("honky-tonk piano", 3, "piano", 62, 86, False),
    ("electric piano", 4, "piano", 60, 84, False),
    ("FM electric piano", 5, "piano", 60, 84, False),
    ("clavinet", 7, "piano", 55, 79, False),
    ("celesta", 8, "mallets", 72, 96, False),
    ("glockenspiel", 9, "mallets", 76, 98, False),
    ("music box", 10, "mallets", 72, 94, False),
    ("vibraphone", 11, "mallets", 62, 86, False),
    ("marimba", 12, "mallets", 60, 86, False),
    ("xylophone", 13, "mallets", 70, 94, False),
    ("kalimba", 108, "mallets", 64, 86, False),
    ("steel drums", 114, "mallets", 62, 84, False),
    ("hammond organ", 16, "organ", 60, 84, True),
    ("rock organ", 18, "organ", 60, 84, True),
    ("church organ", 19, "organ", 60, 84, True),
    ("accordion", 21, "reed", 62, 84, True),
    ("harmonica", 22, "reed", 64, 86, True),
    ("nylon guitar", 24, "guitar", 57, 81, False),
    ("steel guitar", 25, "guitar", 57, 82, False),
    ("jazz guitar", 26, "guitar", 57, 82, False),
    ("clean guitar", 27, "guitar", 57, 83, False),
    ("muted guitar", 28, "guitar", 52, 76, False),
    ("overdriven guitar", 29, "guitar", 57, 83, True),
    ("distorted guitar", 30, "guitar", 57, 85, True),
    ("upright bass", 32, "bass", 28, 52, False),
    ("electric bass", 33, "bass", 28, 52, False),
    ("picked bass", 34, "bass", 28, 52, False),
    ("fretless bass", 35, "bass", 28, 52, False),
    ("slap bass", 36, "bass", 28, 52, False),
    ("synth bass", 38, "bass", 28, 52, True),
    ("sub bass", 39, "bass", 26, 48, True),
    ("violin", 40, "strings", 64, 90, True),
    ("cello", 42, "strings", 48, 72, True),
    ("double bass section", 43, "bass", 28, 50, True),
    ("tremolo strings", 44, "strings", 55, 82, True),
    ("string section", 48, "strings", 60, 86, True),
    ("slow strings", 49, "strings", 55, 82, True),
    ("synth strings", 50, "strings", 55, 82, True),
    ("fiddle", 110, "strings", 62, 88, True),
    ("pizzicato strings", 45, "plucked", 60, 84, False),
    ("harp", 46, "plucked", 60, 88, False),
    ("harpsichord", 6, "plucked", 60, 84, False),
    ("hammered dulcimer", 15, "plucked", 60, 84, False),
    ("sitar", 104, "plucked", 57, 79, False),
    ("banjo", 105, "plucked", 57, 80, False),
    ("choir", 52, "voice", 60, 81, True),
    ("voice oohs", 53, "voice", 60, 81, True),
    ("synth voice", 54, "voice", 60, 82, True),
    ("trumpet", 56, "brass", 60, 83, True),
    ("trombone", 57, "brass", 48, 70, True),
    ("muted trumpet", 59, "brass", 60, 83, True),
    ("french horn", 60, "brass", 53, 76, True),
    ("brass section", 61, "brass", 58, 80, True),
    ("synth brass", 62, "brass", 57, 80, True),
    ("soprano sax", 64, "reed", 62, 85, True),
    ("alto sax", 65, "reed", 58, 81, True),
    ("tenor sax", 66, "reed", 52, 76, True),
    ("oboe", 68, "reed", 62, 86, True),
    ("clarinet", 71, "reed", 58, 84, True),
    ("bagpipes", 109, "reed", 62, 79, True),
    ("piccolo", 72, "flute", 76, 98, True),
    ("flute", 73, "flute", 67, 92, True),
    ("recorder", 74, "flute", 69, 91, True),
    ("pan flute", 75, "flute", 65, 88, True),
    ("tin whistle", 78, "flute", 72, 93, True),
    ("square lead", 80, "synth lead", 60, 86, True),
    ("saw lead", 81, "synth lead", 60, 86, True),
    ("fifths lead", 86, "synth lead", 57, 79, True),
    ("charang lead", 84, "synth lead", 60, 84, True),
    ("fantasia pad", 88, "synth pad", 60, 84, False),
    ("warm pad", 89, "synth pad", 57, 81, True),
    ("polysynth", 90, "synth pad", 57, 81, True),
    ("glass pad", 92, "synth pad", 60, 84, True),
    ("halo pad", 94, "synth pad", 57, 81, True),
    ("sweep pad", 95, "synth pad", 57, 81, True),
    ("electric grand piano", 2, "piano", 62, 88, False),
    ("tubular bells", 14, "mallets", 60, 77, False),
    ("timpani", 47, "mallets", 40, 55, False),
    ("percussive organ", 17, "organ", 60, 84, True),
    ("harmonium", 20, "organ", 57, 81, True),
    ("bandoneon", 23, "reed", 60, 84, True),
    ("viola", 41, "strings", 55, 79, True),
    ("tuba", 58, "brass", 29, 53, True),
    ("baritone sax", 67, "reed", 44, 68, True),
    ("english horn", 69, "reed", 55, 79, True),
    ("bassoon", 70, "reed", 41, 65, True),
    ("shehnai", 111, "reed", 62, 83, True),
    ("shakuhachi", 77, "flute", 62, 86, True),
    ("ocarina", 79, "flute", 67, 89, True),
    ("shamisen", 106, "plucked", 57, 79, False),
    ("koto", 107, "plucked", 57, 84, False),
)
# Names whose sound comes from the synthesiser alone: (name, patch, family, low, high, sustain).
_SYNTHESISED = (
    ("supersaw lead", "supersaw", "synth lead", 60, 86, True),
    ("pluck synth", "pluck", "synth lead", 60, 88, False),
    ("acid lead", "acid lead", "synth lead", 55, 79, True),
    ("pulse lead", "pulse lead", "synth lead", 60, 86, True),
    ("hoover lead", "hoover", "synth lead", 52, 76, True),
    ("talkbox lead", "talkbox", "synth lead", 55, 79, True),
    ("theremin", "theremin", "synth lead", 60, 84, True),
    ("chip lead", "chip lead", "synth lead", 60, 91, True),
    ("chip chords", "chip chords", "synth lead", 57, 84, True),
    ("supersaw chords", "supersaw chords", "synth lead", 55, 82, True),
    ("synth stab", "stab", "synth lead", 55, 79, False),
    ("acid bass", "acid bass", "bass", 28, 52, True),
    ("reese bass", "reese", "bass", 26, 50, True),
    ("808 sub bass", "808 sub", "bass", 26, 48, False),
    ("analog bass", "analog bass", "bass", 28, 52, True),
    ("FM bass", "fm bass", "bass", 28, 52, False),
    ("wobble bass", "wobble", "bass", 26, 50, True),
    ("organ bass", "organ bass", "bass", 28, 52, True),
    ("chip bass", "chip bass", "bass", 33, 57, True),
    ("analog pad", "analog pad", "synth pad", 55, 81, True),
    ("string machine", "string machine", "synth pad", 55, 84, True),
    ("shimmer pad", "shimmer pad", "synth pad", 60, 88, True),
    ("drone pad", "drone", "synth pad", 45, 72, True),
    ("synth choir", "synth choir", "voice", 55, 81, True),
    ("FM bells", "fm bells", "mallets", 67, 93, False),
    ("reed electric piano", "reed piano", "piano", 57, 84, False),
    ("drawbar organ", "drawbar organ", "organ", 57, 84, True),
    ("combo organ", "combo organ", "organ", 60, 84, True),
    ("oud", "oud", "plucked", 48, 72, False),
    ("pipa", "pipa", "plucked", 57, 81, False),
    ("mandolin", "mandolin", "plucked", 62, 86, False),
    ("twelve-string guitar", "twelve string", "guitar", 55, 81, False),
    ("erhu", "erhu", "strings", 62, 86, True),
)
# Names that the synthesiser plays too: (patch, how often), or always.
_MODELLED = {
    "FM electric piano": ("fm electric piano", 0.7),
    "electric piano": ("reed piano", 0.2),
    "clavinet": ("clavinet string", 0.5),
    "harpsichord": ("harpsichord string", 0.3),
    "hammond organ": ("jazz organ", 0.5),
    "percussive organ": ("jazz organ", 0.3),
    "rock organ": ("rock organ", 0.5),
    "nylon guitar": ("nylon string", 0.25),
    "steel guitar": ("steel string", 0.25),
    "clean guitar": ("clean string", 0.35),
    "overdriven guitar": ("crunch string", 0.6),
    "distorted guitar": ("distorted string", 0.6),
    "picked bass": ("bass string", 0.25),
    "harp": ("harp string", 0.25),
    "sitar": ("sitar string", 0.3),
    "banjo": ("banjo string", 0.3),
    "koto": ("koto string", 0.4),
    "synth bass": ("synth bass", 1.0),
    "sub bass": ("sub", 1.0),
    "synth strings": ("synth strings", 1.0),
    "synth brass": ("synth brass", 1.0),
    "synth voice": ("choir oh", 0.7),
    "saw lead": ("saw", 1.0),
    "square lead": ("square", 1.0),
    "fifths lead": ("fifths", 1.0),
    "charang lead": ("charang", 1.0),
    "polysynth": ("polysynth", 1.0),
    "warm pad": ("warm pad", 1.0),
    "glass pad": ("glass pad", 1.0),
    "halo pad": ("halo pad", 1.0),
    "sweep pad": ("sweep pad", 1.0),
    "808 drum machine": ("808", 1.0),
    "electronic drum kit": ("909", 0.5),
}
_KITS = (
    ("acoustic drum kit", 0, (8, 0.8)),
    ("room drum kit", 8, None),
    ("power drum kit", 16, (8, 1.0)),
    ("electronic drum kit", 24, (25, 0.52)),
    ("808 drum machine", 25, (25, 0.65)),
    ("jazz drum kit", 32, None),
    ("brush drum kit", 40, None),
    ("orchestral percussion", 48, None),
)

_MACHINES = (
    ("909 drum machine", "909"),
    ("80s drum machine", "linn"),
    ("chip drums", "chip"),
    ("trap drum machine", "trap"),
    ("tabla", "tabla"),
    ("taiko drums", "taiko"),
    ("cajon and claps", "cajon"),
    ("samba percussion", "samba"),
    ("latin percussion", "latin"),
    ("hand drums", "hand"),
)


def _modelled(instrument: Instrument) -> Instrument:
    patch, share = _MODELLED.get(instrument.name, (None, 0.0))
    return replace(instrument, patch=patch, patch_share=share)


INSTRUMENTS: Mapping[str, Instrument] = MappingProxyType(
    {row[0]: _modelled(Instrument(*row)) for row in _PITCHED}
    | {
        name: Instrument(name, None, family, low, high, sustain, patch=patch)
        for name, patch, family, low, high, sustain in _SYNTHESISED
    }
    | {name: _modelled(Instrument(name, kit, "drums", metals=metals)) for name, kit, metals in _KITS}
    | {name: Instrument(name, None, "drums", patch=kit) for name, kit in _MACHINES}
)

"""The synthesiser's patches by name."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from musicldm.corpus.sound.synth.envelopes import Envelope
from musicldm.corpus.sound.synth.fm import Fm, Operator
from musicldm.corpus.sound.synth.strings import String
from musicldm.corpus.sound.synth.subtractive import Subtractive
from musicldm.corpus.sound.synth.tables import Oscillator
from musicldm.corpus.sound.waves import Hit, Wave


class Patch(Protocol):
    """Plays hits. glide: seconds from the note before (0: none); inserts: effects on the whole part."""

    @property
    def glide(self) -> float: ...

    @property
    def inserts(self) -> tuple[str, ...]: ...

    def play(self, hit: Hit, sample_rate: int) -> Wave:
        """The hit, without the part's inserts: (2, n)."""
        ...


def _drawbars(*pulls: int) -> Oscillator:
    """An organ's nine drawbars, 0-8 each, 3 dB a step: 16', 5 1/3', 8', 4', 2 2/3', 2', 1 3/5', 1 1/3', 1'."""
    harmonics = [0.0] * 16
    for pull, harmonic in zip(pulls, (1, 3, 2, 4, 6, 8, 10, 12, 16), strict=True):
        harmonics[harmonic - 1] = 10 ** (-3 * (8 - pull) / 20) if pull else 0.0
    return Oscillator("harmonics", semitones=-12, harmonics=tuple(harmonics))


_SUPER = Oscillator("saw", voices=7, detune=22, spread=0.8)
_AH = ((700, 0, 110), (1150, -4, 120), (2700, -12, 170), (3400, -14, 200), (200, -6, 300))
_OH = ((430, 0, 90), (820, -6, 100), (2600, -20, 170), (3200, -22, 200), (200, -4, 300))
_ERHU = ((480, 0, 250), (1100, -2, 300), (2200, -4, 500), (3400, -10, 800), (300, -2, 300))
_ACOUSTIC = ((105, 6.0, 0.25), (210, 5.0, 0.35), (420, 3.0, 0.5), (3000, 2.0, 1.0), (9000, -8.0, 1.0))
_LUTE = ((140, 6.0, 0.3), (320, 6.0, 0.4), (700, 3.0, 0.4), (6000, -8.0, 1.0))
_SMALL = ((330, 6.0, 0.35), (620, 5.0, 0.4), (1400, 3.0, 0.5), (9000, -5.0, 1.0))
_HELD = Envelope(0.004, 0.5, 0.85, 0.06)
_PAD = Envelope(0.35, 1.5, 0.8, 0.9)

_LEADS: dict[str, Patch] = {
    "supersaw": Subtractive((_SUPER, Oscillator("saw", -12, 0.35)), Envelope(0.004, 0.6, 0.85, 0.25), cutoff=9000,
                            touch=1.0, sweep=0.8, shape=Envelope(0.002, 0.4, 0.0, 0.2)),
    "pluck": Subtractive((Oscillator("saw", voices=3, detune=9, spread=0.7),), Envelope(0.002, 0.7, 0.0, 0.25),
                         cutoff=500, resonance=1.6, slopes=2, follow=0.6, sweep=3.8,
                         shape=Envelope(0.001, 0.3, 0.0, 0.2), touch=1.2),
    "acid lead": Subtractive((Oscillator("saw"),), Envelope(0.003, 0.4, 0.8, 0.05), cutoff=420, resonance=7.0, slopes=2,
                             sweep=3.2, shape=Envelope(0.002, 0.35, 0.05, 0.1), touch=1.5, glide=0.06,
                             inserts=("distortion",)),
    "saw": Subtractive((Oscillator("saw", voices=2, detune=6, spread=0.3), Oscillator("saw", -12, 0.4)), _HELD,
                       cutoff=5200, resonance=1.1, sweep=1.3, touch=1.0, glide=0.04),
    "square": Subtractive((Oscillator("pulse", width=0.5), Oscillator("pulse", 0.06, 0.5, width=0.46)), _HELD, cutoff=4500,
                          resonance=1.0, sweep=1.0, touch=1.0, glide=0.04),
    "pulse lead": Subtractive((Oscillator("saw"),), _HELD, cutoff=5000, resonance=1.2, sweep=1.0, touch=0.8, glide=0.04,
                              pulse_swing=(0.9, 0.32)),
    "fifths": Subtractive((Oscillator("saw", voices=2, detune=5, spread=0.4), Oscillator("saw", 7, 0.8)), _HELD,
                          cutoff=5000, sweep=1.0, touch=0.8),
    "hoover": Subtractive((Oscillator("saw", voices=3, detune=30, spread=0.6), Oscillator("saw", -12, 0.9),
                           Oscillator("pulse", -24, 0.6, width=0.3)), Envelope(0.02, 0.8, 0.8, 0.2), cutoff=3500,
                          resonance=1.1, sweep=0.8, glide=0.09, inserts=("ensemble",)),
    "charang": Subtractive((Oscillator("saw"), Oscillator("pulse", 12, 0.5, width=0.2)), _HELD, cutoff=3800, resonance=2.0,
                           sweep=1.2, touch=0.8, inserts=("distortion", "chorus")),
    "talkbox": Subtractive((Oscillator("saw"), Oscillator("pulse", width=0.3)), _HELD, kind="band", cutoff=1100,
                           resonance=2.2, follow=0.2, sweep=1.1, shape=Envelope(0.09, 0.5, 0.35, 0.1), glide=0.07,
                           inserts=("distortion", "chorus")),
    "theremin": Subtractive((Oscillator("harmonics", harmonics=(1.0, 0.18, 0.06, 0.02)),), Envelope(0.08, 0.5, 0.95, 0.12),
                            glide=0.14),
    "chip lead": Subtractive((Oscillator("pulse", width=0.25),), Envelope(0.001, 0.25, 0.7, 0.02)),
    "chip chords": Subtractive((Oscillator("pulse", width=0.5),), Envelope(0.001, 0.2, 0.5, 0.02)),
    "supersaw chords": Subtractive((_SUPER,), Envelope(0.003, 0.5, 0.75, 0.2), cutoff=6000, touch=1.0, sweep=1.2,
                                   shape=Envelope(0.002, 0.35, 0.1, 0.2)),
    "stab": Subtractive((Oscillator("saw", voices=3, detune=12, spread=0.6), Oscillator("saw", 12, 0.5)),
                        Envelope(0.002, 0.45, 0.0, 0.12), cutoff=900, resonance=1.8, slopes=2, sweep=2.6,
                        shape=Envelope(0.001, 0.3, 0.0, 0.1), touch=1.0),
    "polysynth": Subtractive((Oscillator("saw", voices=3, detune=10, spread=0.6), Oscillator("pulse", -12, 0.4, width=0.4)),
                             Envelope(0.006, 0.8, 0.7, 0.25), cutoff=2600, resonance=1.0, sweep=1.4,
                             shape=Envelope(0.004, 0.6, 0.2, 0.3), touch=0.8, inserts=("chorus",)),
    "synth brass": Subtractive((Oscillator("saw", voices=3, detune=9, spread=0.5),), Envelope(0.03, 0.5, 0.85, 0.15),
                               cutoff=900, resonance=1.1, sweep=2.6, shape=Envelope(0.07, 0.8, 0.55, 0.15), touch=1.2),
}  # fmt: skip

_BASSES: dict[str, Patch] = {
    "acid bass": Subtractive((Oscillator("saw"),), Envelope(0.002, 0.3, 0.7, 0.03), cutoff=260, resonance=8.0, slopes=2,
                             follow=0.3, sweep=3.4, shape=Envelope(0.001, 0.25, 0.02, 0.05), touch=1.8, glide=0.05,
                             inserts=("distortion",)),
    "reese": Subtractive((Oscillator("saw", voices=3, detune=28, spread=0.3), Oscillator("sine", -12, 0.8)),
                         Envelope(0.008, 0.5, 0.95, 0.1), cutoff=900, resonance=1.2, follow=0.3, wander=(0.23, 0.9)),
    "808 sub": Fm((Operator(1.0, 1.0, Envelope(0.002, 2.2, 0.0, 0.25),
                            (Operator(1.0, 0.35, Envelope(0.001, 0.3, 0.2, 0.2)),)),
                   Operator(2.0, 0.12, Envelope(0.001, 0.12, 0.0, 0.05))), glide=0.07),
    "sub": Fm((Operator(1.0, 1.0, Envelope(0.005, 0.5, 0.95, 0.06), (Operator(1.0, 0.25, Envelope(0.002, 0.4, 0.6, 0.1)),)),)),
    "analog bass": Subtractive((Oscillator("saw"), Oscillator("pulse", -12, 0.8, width=0.45)), Envelope(0.003, 0.5, 0.75, 0.06),
                               cutoff=420, resonance=1.6, slopes=2, follow=0.4, sweep=2.4,
                               shape=Envelope(0.002, 0.35, 0.15, 0.1), touch=1.0),
    "synth bass": Subtractive((Oscillator("saw", voices=2, detune=7), Oscillator("saw", -12, 0.7)),
                              Envelope(0.003, 0.4, 0.8, 0.05), cutoff=700, resonance=1.3, slopes=2, sweep=2.0,
                              shape=Envelope(0.002, 0.3, 0.2, 0.1), touch=0.8),
    "fm bass": Fm((Operator(1.0, 1.0, Envelope(0.002, 1.2, 0.3, 0.08),
                            (Operator(1.0, 2.6, Envelope(0.001, 0.35, 0.15, 0.1), touch=0.5, darkening=0.9),
                             Operator(3.0, 0.8, Envelope(0.001, 0.1, 0.0, 0.1), touch=0.7))),)),
    "wobble": Subtractive((Oscillator("saw", voices=3, detune=14), Oscillator("pulse", -12, 0.8, width=0.4),
                           Oscillator("sine", -12, 0.8)), Envelope(0.006, 0.5, 0.95, 0.08), inserts=("wobble", "distortion")),
    "organ bass": Fm((Operator(1.0, 1.0, Envelope(0.003, 0.4, 0.7, 0.05),
                               (Operator(2.0, 0.9, Envelope(0.001, 0.2, 0.35, 0.05)),)),
                      Operator(2.0, 0.35, Envelope(0.003, 0.3, 0.4, 0.05)), Operator(3.0, 0.2, Envelope(0.002, 0.12, 0.1, 0.05)))),
    "chip bass": Subtractive((Oscillator("chip triangle"),), Envelope(0.001, 0.3, 0.95, 0.015)),
}  # fmt: skip

_PADS: dict[str, Patch] = {
    "analog pad": Subtractive((Oscillator("saw", voices=4, detune=11, spread=0.9), Oscillator("pulse", -12, 0.4, width=0.4)),
                              _PAD, cutoff=1500, resonance=0.9, wander=(0.13, 0.6), inserts=("chorus",)),
    "warm pad": Subtractive((Oscillator("saw", voices=4, detune=9, spread=0.9), Oscillator("sine", -12, 0.5)), _PAD,
                            cutoff=900, wander=(0.17, 0.35), inserts=("chorus",)),
    "halo pad": Subtractive((Oscillator("saw", voices=7, detune=14, spread=1.0),), Envelope(0.5, 1.5, 0.85, 1.2),
                            formants=_AH, noise=0.01, inserts=("phaser",)),
    "sweep pad": Subtractive((Oscillator("saw", voices=7, detune=18, spread=1.0),), Envelope(0.3, 1.5, 0.85, 1.0),
                             cutoff=700, resonance=2.2, sweep=2.2, shape=Envelope(1.4, 3.0, 0.3, 1.0), inserts=("phaser",)),
    "string machine": Subtractive((Oscillator("saw", voices=2, detune=4, spread=0.7), Oscillator("saw", 12, 0.6)),
                                  Envelope(0.07, 0.8, 0.9, 0.5), cutoff=4200, follow=0.2, inserts=("ensemble",)),
    "synth strings": Subtractive((Oscillator("saw", voices=7, detune=13, spread=0.9),), Envelope(0.12, 1.0, 0.9, 0.45),
                                 cutoff=3400, inserts=("chorus",)),
    "shimmer pad": Fm((Operator(1.0, 0.6, _PAD, (Operator(1.0, 0.8, _PAD, offset=0.4),)),
                       Operator(2.0, 0.4, Envelope(0.6, 1.5, 0.8, 1.2), (Operator(3.0, 0.3, _PAD, offset=0.7),)),
                       Operator(3.0, 0.22, Envelope(0.9, 1.5, 0.8, 1.4), offset=0.9),
                       Operator(4.0, 0.18, Envelope(1.1, 1.5, 0.8, 1.6), offset=-1.1)), spread=0.7, inserts=("chorus",)),
    "drone": Subtractive((Oscillator("saw", voices=7, detune=16, spread=1.0), Oscillator("saw", -12, 0.8), Oscillator("sine", -12, 0.6)),
                         Envelope(0.9, 2.0, 0.95, 1.6), cutoff=380, resonance=1.6, wander=(0.09, 1.3), noise=0.02),
    "glass pad": Fm((Operator(1.0, 0.7, Envelope(0.12, 2.0, 0.7, 1.4), (Operator(3.5, 0.5, Envelope(0.1, 2.0, 0.4, 1.0), offset=0.5),)),
                     Operator(4.0, 0.25, Envelope(0.2, 2.5, 0.4, 1.6), offset=-0.8)), spread=0.6, inserts=("chorus",)),
    "synth choir": Subtractive((Oscillator("saw", voices=7, detune=13, spread=0.9),), Envelope(0.14, 1.0, 0.95, 0.5),
                               formants=_AH, noise=0.006, inserts=("chorus",)),
    "choir oh": Subtractive((Oscillator("saw", voices=7, detune=11, spread=0.9),), Envelope(0.18, 1.0, 0.95, 0.6),
                            formants=_OH, noise=0.004, inserts=("chorus",)),
    "erhu": Subtractive((Oscillator("saw"),), Envelope(0.06, 0.6, 0.9, 0.12), formants=_ERHU, noise=0.012, glide=0.07),
}  # fmt: skip

_KEYS: dict[str, Patch] = {
    "fm electric piano": Fm((Operator(1.0, 0.8, Envelope(0.002, 3.5, 0.0, 0.25), (Operator(1.0, 0.7, Envelope(0.002, 1.6, 0.0, 0.2), touch=0.6),)),
                             Operator(1.0, 0.35, Envelope(0.002, 2.0, 0.0, 0.2),
                                      (Operator(14.0, 0.65, Envelope(0.001, 0.45, 0.0, 0.1), touch=0.8, darkening=0.5),), offset=0.35)),
                            spread=0.25, inserts=("chorus",)),
    "reed piano": Fm((Operator(1.0, 0.9, Envelope(0.002, 2.2, 0.0, 0.18), (Operator(1.0, 1.3, Envelope(0.001, 1.1, 0.15, 0.2), touch=0.8),)),
                      Operator(2.0, 0.2, Envelope(0.001, 0.8, 0.0, 0.15), (Operator(5.0, 0.5, Envelope(0.001, 0.15, 0.0, 0.1), touch=0.7),))),
                     inserts=("tremolo",)),
    "fm bells": Fm((Operator(1.0, 0.7, Envelope(0.001, 4.0, 0.0, 2.5), (Operator(3.53, 1.8, Envelope(0.001, 2.2, 0.0, 1.5), touch=0.4, darkening=0.6),)),
                    Operator(2.0, 0.35, Envelope(0.001, 2.2, 0.0, 1.5), (Operator(5.13, 1.0, Envelope(0.001, 1.0, 0.0, 1.0), darkening=0.6),), offset=0.6)),
                   spread=0.5),
    "drawbar organ": Subtractive((_drawbars(8, 8, 8, 5, 2, 3, 1, 0, 2),), Envelope(0.004, 0.2, 0.92, 0.04), inserts=("rotary",)),
    "jazz organ": Subtractive((_drawbars(8, 8, 8, 0, 0, 0, 0, 0, 0),), Envelope(0.003, 0.2, 0.85, 0.04), inserts=("slow rotary",)),
    "rock organ": Subtractive((_drawbars(8, 8, 8, 8, 6, 6, 4, 4, 6),), Envelope(0.004, 0.2, 0.95, 0.04), inserts=("distortion", "rotary")),
    "combo organ": Subtractive((Oscillator("pulse", 0.0, 0.7), Oscillator("pulse", 12, 0.5), Oscillator("pulse", 24, 0.25)),
                               Envelope(0.002, 0.2, 0.98, 0.03), cutoff=6000, follow=0.1, inserts=("tremolo",)),
}  # fmt: skip

_STRINGS: dict[str, Patch] = {
    "nylon string": String(4.0, 0.35, 0.2, 2200, 0.15, 0.00004, _ACOUSTIC, release=0.3),
    "steel string": String(6.0, 0.12, 0.14, 7000, 0.3, 0.00008, _ACOUSTIC, release=0.3),
    "twelve string": String(6.0, 0.12, 0.14, 7500, 0.3, 0.00008, _ACOUSTIC, (-0.04, 12.05), release=0.3, spread=0.4),
    "clean string": String(5.0, 0.22, 0.12, 4500, 0.2, 0.00006, ((2800, 4.0, 0.6), (90, -4.0, 0.8)), release=0.2),
    "distorted string": String(6.0, 0.25, 0.12, 4500, 0.2, 0.00006, release=0.08, inserts=("amp",)),
    "crunch string": String(6.0, 0.22, 0.13, 4800, 0.2, 0.00006, release=0.1, inserts=("crunch amp",)),
    "bass string": String(5.0, 0.35, 0.16, 1700, 0.2, 0.0001, ((100, 3.0, 0.8),), release=0.12),
    "harp string": String(5.0, 0.3, 0.35, 3200, 0.1, 0.00003, ((250, 4.0, 0.6),), release=2.0),
    "harpsichord string": String(3.5, 0.1, 0.1, 12000, 0.5, 0.00005, _SMALL, (-0.03, 12.0), release=0.1, spread=0.2),
    "banjo string": String(1.1, 0.2, 0.08, 8000, 0.4, 0.00005, _SMALL, release=0.15),
    "koto string": String(3.0, 0.22, 0.09, 6500, 0.35, 0.00006, _SMALL, release=1.2),
    "sitar string": String(4.0, 0.03, 0.06, 11000, 0.3, 0.00012, _LUTE, (0.0, 0.07), release=0.8, inserts=("flanger",)),
    "oud": String(2.2, 0.35, 0.12, 3200, 0.35, 0.00005, _LUTE, (-0.03, 0.04), release=0.3, spread=0.2),
    "pipa": String(1.6, 0.18, 0.08, 8000, 0.45, 0.00006, _SMALL, release=0.3),
    "mandolin": String(2.2, 0.15, 0.12, 9000, 0.4, 0.00006, _SMALL, (-0.04, 0.05), release=0.2, spread=0.3),
    "clavinet string": String(2.6, 0.12, 0.05, 9000, 0.3, 0.00008, ((1800, 5.0, 0.7), (90, -6.0, 0.8)), release=0.05),
}  # fmt: skip

PATCHES: Mapping[str, Patch] = MappingProxyType({**_LEADS, **_BASSES, **_PADS, **_KEYS, **_STRINGS})

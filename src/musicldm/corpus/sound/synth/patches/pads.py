"""Pads, string machines and choirs."""

from musicldm.corpus.sound.synth.envelopes import Envelope
from musicldm.corpus.sound.synth.fm import Fm, Operator
from musicldm.corpus.sound.synth.patches.patch import Patch
from musicldm.corpus.sound.synth.subtractive import Subtractive
from musicldm.corpus.sound.synth.tables import Oscillator

_AH = ((700, 0, 110), (1150, -4, 120), (2700, -12, 170), (3400, -14, 200), (200, -6, 300))
_OH = ((430, 0, 90), (820, -6, 100), (2600, -20, 170), (3200, -22, 200), (200, -4, 300))
_ERHU = ((480, 0, 250), (1100, -2, 300), (2200, -4, 500), (3400, -10, 800), (300, -2, 300))
_PAD = Envelope(0.35, 1.5, 0.8, 0.9)

PADS: dict[str, Patch] = {
    "analog pad": Subtractive(
        (Oscillator("saw", voices=4, detune=11, spread=0.9), Oscillator("pulse", -12, 0.4, width=0.4)),
        _PAD,
        cutoff=1500,
        resonance=0.9,
        wander=(0.13, 0.6),
        inserts=("chorus",),
    ),
    "warm pad": Subtractive(
        (Oscillator("saw", voices=4, detune=9, spread=0.9), Oscillator("sine", -12, 0.5)),
        _PAD,
        cutoff=900,
        wander=(0.17, 0.35),
        inserts=("chorus",),
    ),
    "halo pad": Subtractive(
        (Oscillator("saw", voices=7, detune=14, spread=1.0),),
        Envelope(0.5, 1.5, 0.85, 1.2),
        formants=_AH,
        noise=0.01,
        inserts=("phaser",),
    ),
    "sweep pad": Subtractive(
        (Oscillator("saw", voices=7, detune=18, spread=1.0),),
        Envelope(0.3, 1.5, 0.85, 1.0),
        cutoff=1300,
        resonance=2.2,
        wander=(0.16, 1.5),
        inserts=("phaser",),
    ),
    "string machine": Subtractive(
        (Oscillator("saw", voices=2, detune=4, spread=0.7), Oscillator("saw", 12, 0.6)),
        Envelope(0.07, 0.8, 0.9, 0.5),
        cutoff=4200,
        follow=0.2,
        inserts=("ensemble",),
    ),
    "synth strings": Subtractive(
        (Oscillator("saw", voices=7, detune=13, spread=0.9),),
        Envelope(0.12, 1.0, 0.9, 0.45),
        cutoff=3400,
        inserts=("chorus",),
    ),
    "shimmer pad": Fm(
        (
            Operator(1.0, 0.6, _PAD, (Operator(1.0, 0.8, _PAD, offset=0.4),)),
            Operator(2.0, 0.4, Envelope(0.6, 1.5, 0.8, 1.2), (Operator(3.0, 0.3, _PAD, offset=0.7),)),
            Operator(3.0, 0.22, Envelope(0.9, 1.5, 0.8, 1.4), offset=0.9),
            Operator(4.0, 0.18, Envelope(1.1, 1.5, 0.8, 1.6), offset=-1.1),
        ),
        spread=0.7,
        inserts=("chorus",),
    ),
    "drone": Subtractive(
        (Oscillator("saw", voices=7, detune=16, spread=1.0), Oscillator("saw", -12, 0.8), Oscillator("sine", -12, 0.6)),
        Envelope(0.9, 2.0, 0.95, 1.6),
        cutoff=380,
        resonance=1.6,
        wander=(0.09, 1.3),
        noise=0.02,
    ),
    "glass pad": Fm(
        (
            Operator(
                1.0, 0.7, Envelope(0.12, 2.0, 0.7, 1.4), (Operator(3.5, 0.5, Envelope(0.1, 2.0, 0.4, 1.0), offset=0.5),)
            ),
            Operator(4.0, 0.25, Envelope(0.2, 2.5, 0.4, 1.6), offset=-0.8),
        ),
        spread=0.6,
        inserts=("chorus",),
    ),
    "synth choir": Subtractive(
        (Oscillator("saw", voices=7, detune=13, spread=0.9),),
        Envelope(0.14, 1.0, 0.95, 0.5),
        formants=_AH,
        noise=0.006,
        inserts=("chorus",),
    ),
    "choir oh": Subtractive(
        (Oscillator("saw", voices=7, detune=11, spread=0.9),),
        Envelope(0.18, 1.0, 0.95, 0.6),
        formants=_OH,
        noise=0.004,
        inserts=("chorus",),
    ),
    "erhu": Subtractive((Oscillator("saw"),), Envelope(0.06, 0.6, 0.9, 0.12), formants=_ERHU, noise=0.012, glide=0.07),
}

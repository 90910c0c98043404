"""Leads and chords of synthesisers."""

from musicldm.corpus.sound.synth.envelopes import Envelope
from musicldm.corpus.sound.synth.patches.patch import Patch
from musicldm.corpus.sound.synth.subtractive import Subtractive
from musicldm.corpus.sound.synth.tables import Oscillator

_SUPER = Oscillator("saw", voices=7, detune=22, spread=0.8)
_HELD = Envelope(0.004, 0.5, 0.85, 0.06)

LEADS: dict[str, Patch] = {
    "supersaw": Subtractive(
        (_SUPER, Oscillator("saw", -12, 0.35)),
        Envelope(0.004, 0.6, 0.85, 0.25),
        cutoff=9000,
        touch=1.0,
        sweep=0.8,
        shape=Envelope(0.002, 0.4, 0.0, 0.2),
    ),
    "pluck": Subtractive(
        (Oscillator("saw", voices=3, detune=9, spread=0.7),),
        Envelope(0.002, 0.7, 0.0, 0.25),
        cutoff=500,
        resonance=1.6,
        slopes=2,
        follow=0.6,
        sweep=3.8,
        shape=Envelope(0.001, 0.3, 0.0, 0.2),
        touch=1.2,
    ),
    "acid lead": Subtractive(
        (Oscillator("saw"),),
        Envelope(0.003, 0.4, 0.8, 0.05),
        cutoff=420,
        resonance=7.0,
        slopes=2,
        sweep=3.2,
        shape=Envelope(0.002, 0.35, 0.05, 0.1),
        touch=1.5,
        glide=0.06,
        inserts=("distortion",),
    ),
    "saw": Subtractive(
        (Oscillator("saw", voices=2, detune=6, spread=0.3), Oscillator("saw", -12, 0.4)),
        _HELD,
        cutoff=5200,
        resonance=1.1,
        sweep=1.3,
        touch=1.0,
    ),
    "square": Subtractive(
        (Oscillator("pulse", width=0.5), Oscillator("pulse", 0.06, 0.5, width=0.46)),
        _HELD,
        cutoff=4500,
        resonance=1.0,
        sweep=1.0,
        touch=1.0,
    ),
    "pulse lead": Subtractive(
        (Oscillator("saw"),), _HELD, cutoff=5000, resonance=1.2, sweep=1.0, touch=0.8, pulse_swing=(0.9, 0.32)
    ),
    "fifths": Subtractive(
        (Oscillator("saw", voices=2, detune=5, spread=0.4), Oscillator("saw", 7, 0.8)),
        _HELD,
        cutoff=5000,
        sweep=1.0,
        touch=0.8,
    ),
    "hoover": Subtractive(
        (
            Oscillator("saw", voices=3, detune=30, spread=0.6),
            Oscillator("saw", -12, 0.9),
            Oscillator("pulse", -24, 0.6, width=0.3),
        ),
        Envelope(0.02, 0.8, 0.8, 0.2),
        cutoff=3500,
        resonance=1.1,
        sweep=0.8,
        glide=0.09,
        inserts=("ensemble",),
    ),
    "charang": Subtractive(
        (Oscillator("saw"), Oscillator("pulse", 12, 0.5, width=0.2)),
        _HELD,
        cutoff=3800,
        resonance=2.0,
        sweep=1.2,
        touch=0.8,
        inserts=("distortion", "chorus"),
    ),
    "talkbox": Subtractive(
        (Oscillator("saw"), Oscillator("pulse", width=0.3)),
        _HELD,
        kind="band",
        cutoff=1100,
        resonance=2.2,
        follow=0.2,
        sweep=1.1,
        shape=Envelope(0.09, 0.5, 0.35, 0.1),
        glide=0.07,
        inserts=("distortion", "chorus"),
    ),
    "theremin": Subtractive(
        (Oscillator("harmonics", harmonics=(1.0, 0.18, 0.06, 0.02)),), Envelope(0.08, 0.5, 0.95, 0.12), glide=0.14
    ),
    "chip lead": Subtractive((Oscillator("pulse", width=0.25),), Envelope(0.001, 0.25, 0.7, 0.02)),
    "chip chords": Subtractive((Oscillator("pulse", width=0.5),), Envelope(0.001, 0.2, 0.5, 0.02)),
    "supersaw chords": Subtractive(
        (_SUPER,),
        Envelope(0.003, 0.5, 0.75, 0.2),
        cutoff=6000,
        touch=1.0,
        sweep=1.2,
        shape=Envelope(0.002, 0.35, 0.1, 0.2),
    ),
    "stab": Subtractive(
        (Oscillator("saw", voices=3, detune=12, spread=0.6), Oscillator("saw", 12, 0.5)),
        Envelope(0.002, 0.45, 0.0, 0.12),
        cutoff=900,
        resonance=1.8,
        slopes=2,
        sweep=2.6,
        shape=Envelope(0.001, 0.3, 0.0, 0.1),
        touch=1.0,
    ),
    "polysynth": Subtractive(
        (Oscillator("saw", voices=3, detune=10, spread=0.6), Oscillator("pulse", -12, 0.4, width=0.4)),
        Envelope(0.006, 0.8, 0.7, 0.25),
        cutoff=2600,
        resonance=1.0,
        sweep=1.4,
        shape=Envelope(0.004, 0.6, 0.2, 0.3),
        touch=0.8,
        inserts=("chorus",),
    ),
    "synth brass": Subtractive(
        (Oscillator("saw", voices=3, detune=9, spread=0.5),),
        Envelope(0.03, 0.5, 0.85, 0.15),
        cutoff=900,
        resonance=1.1,
        sweep=2.6,
        shape=Envelope(0.07, 0.8, 0.55, 0.15),
        touch=1.2,
    ),
}

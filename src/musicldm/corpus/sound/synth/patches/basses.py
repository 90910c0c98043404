"""Basses."""

from musicldm.corpus.sound.synth.envelopes import Envelope
from musicldm.corpus.sound.synth.fm import Fm, Operator
from musicldm.corpus.sound.synth.patches.patch import Patch
from musicldm.corpus.sound.synth.subtractive import Subtractive
from musicldm.corpus.sound.synth.tables import Oscillator

BASSES: dict[str, Patch] = {
    "acid bass": Subtractive(
        (Oscillator("saw"),),
        Envelope(0.002, 0.3, 0.7, 0.03),
        cutoff=260,
        resonance=8.0,
        slopes=2,
        follow=0.3,
        sweep=3.4,
        shape=Envelope(0.001, 0.25, 0.02, 0.05),
        touch=1.8,
        glide=0.05,
        inserts=("distortion",),
    ),
    "reese": Subtractive(
        (Oscillator("saw", voices=3, detune=28, spread=0.3), Oscillator("sine", -12, 0.8)),
        Envelope(0.008, 0.5, 0.95, 0.1),
        cutoff=900,
        resonance=1.2,
        follow=0.3,
        wander=(0.23, 0.9),
    ),
    "808 sub": Fm(
        (
            Operator(1.0, 1.0, Envelope(0.002, 2.2, 0.0, 0.25), (Operator(1.0, 0.35, Envelope(0.001, 0.3, 0.2, 0.2)),)),
            Operator(2.0, 0.12, Envelope(0.001, 0.12, 0.0, 0.05)),
        ),
        glide=0.07,
    ),
    "sub": Fm(
        (Operator(1.0, 1.0, Envelope(0.005, 0.5, 0.95, 0.06), (Operator(1.0, 0.25, Envelope(0.002, 0.4, 0.6, 0.1)),)),)
    ),
    "analog bass": Subtractive(
        (Oscillator("saw"), Oscillator("pulse", -12, 0.8, width=0.45)),
        Envelope(0.003, 0.5, 0.75, 0.06),
        cutoff=420,
        resonance=1.6,
        slopes=2,
        follow=0.4,
        sweep=2.4,
        shape=Envelope(0.002, 0.35, 0.15, 0.1),
        touch=1.0,
    ),
    "synth bass": Subtractive(
        (Oscillator("saw", voices=2, detune=7), Oscillator("saw", -12, 0.7)),
        Envelope(0.003, 0.4, 0.8, 0.05),
        cutoff=700,
        resonance=1.3,
        slopes=2,
        sweep=2.0,
        shape=Envelope(0.002, 0.3, 0.2, 0.1),
        touch=0.8,
    ),
    "fm bass": Fm(
        (
            Operator(
                1.0,
                1.0,
                Envelope(0.002, 1.2, 0.3, 0.08),
                (
                    Operator(1.0, 2.6, Envelope(0.001, 0.35, 0.15, 0.1), touch=0.5, darkening=0.9),
                    Operator(3.0, 0.8, Envelope(0.001, 0.1, 0.0, 0.1), touch=0.7),
                ),
            ),
        )
    ),
    "wobble": Subtractive(
        (
            Oscillator("saw", voices=3, detune=14),
            Oscillator("pulse", -12, 0.8, width=0.4),
            Oscillator("sine", -12, 0.8),
        ),
        Envelope(0.006, 0.5, 0.95, 0.08),
        inserts=("wobble", "distortion"),
    ),
    "organ bass": Fm(
        (
            Operator(
                1.0, 1.0, Envelope(0.003, 0.4, 0.7, 0.05), (Operator(2.0, 0.9, Envelope(0.001, 0.2, 0.35, 0.05)),)
            ),
            Operator(2.0, 0.35, Envelope(0.003, 0.3, 0.4, 0.05)),
            Operator(3.0, 0.2, Envelope(0.002, 0.12, 0.1, 0.05)),
        )
    ),
    "chip bass": Subtractive((Oscillator("chip triangle"),), Envelope(0.001, 0.3, 0.95, 0.015)),
}

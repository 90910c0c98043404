"""Electric pianos, bells and organs."""

from musicldm.corpus.sound.synth.envelopes import Envelope
from musicldm.corpus.sound.synth.fm import Fm, Operator
from musicldm.corpus.sound.synth.patches.patch import Patch
from musicldm.corpus.sound.synth.subtractive import Subtractive
from musicldm.corpus.sound.synth.tables import Oscillator


def _drawbars(*pulls: int) -> Oscillator:
    """An organ's nine drawbars, 0-8 each, 3 dB a step: 16', 5 1/3', 8', 4', 2 2/3', 2', 1 3/5', 1 1/3', 1'."""
    harmonics = [0.0] * 16
    for pull, harmonic in zip(pulls, (1, 3, 2, 4, 6, 8, 10, 12, 16), strict=True):
        harmonics[harmonic - 1] = 10 ** (-3 * (8 - pull) / 20) if pull else 0.0
    return Oscillator("harmonics", semitones=-12, harmonics=tuple(harmonics))


KEYS: dict[str, Patch] = {
    "fm electric piano": Fm(
        (
            Operator(
                1.0,
                0.8,
                Envelope(0.002, 3.5, 0.0, 0.25),
                (Operator(1.0, 0.7, Envelope(0.002, 1.6, 0.0, 0.2), touch=0.6),),
            ),
            Operator(
                1.0,
                0.35,
                Envelope(0.002, 2.0, 0.0, 0.2),
                (Operator(14.0, 0.65, Envelope(0.001, 0.45, 0.0, 0.1), touch=0.8, darkening=0.5),),
                offset=0.35,
            ),
        ),
        spread=0.25,
        inserts=("chorus",),
    ),
    "reed piano": Fm(
        (
            Operator(
                1.0,
                0.9,
                Envelope(0.002, 2.2, 0.0, 0.18),
                (Operator(1.0, 1.3, Envelope(0.001, 1.1, 0.15, 0.2), touch=0.8),),
            ),
            Operator(
                2.0,
                0.2,
                Envelope(0.001, 0.8, 0.0, 0.15),
                (Operator(5.0, 0.5, Envelope(0.001, 0.15, 0.0, 0.1), touch=0.7),),
            ),
        ),
        inserts=("tremolo",),
    ),
    "fm bells": Fm(
        (
            Operator(
                1.0,
                0.7,
                Envelope(0.001, 4.0, 0.0, 2.5),
                (Operator(3.53, 1.8, Envelope(0.001, 2.2, 0.0, 1.5), touch=0.4, darkening=0.6),),
            ),
            Operator(
                2.0,
                0.35,
                Envelope(0.001, 2.2, 0.0, 1.5),
                (Operator(5.13, 1.0, Envelope(0.001, 1.0, 0.0, 1.0), darkening=0.6),),
                offset=0.6,
            ),
        ),
        spread=0.5,
    ),
    "drawbar organ": Subtractive(
        (_drawbars(8, 8, 8, 5, 2, 3, 1, 0, 2),), Envelope(0.004, 0.2, 0.92, 0.04), inserts=("rotary",)
    ),
    "jazz organ": Subtractive(
        (_drawbars(8, 8, 8, 0, 0, 0, 0, 0, 0),), Envelope(0.003, 0.2, 0.85, 0.04), inserts=("slow rotary",)
    ),
    "rock organ": Subtractive(
        (_drawbars(8, 8, 8, 8, 6, 6, 4, 4, 6),), Envelope(0.004, 0.2, 0.95, 0.04), inserts=("distortion", "rotary")
    ),
    "combo organ": Subtractive(
        (Oscillator("pulse", 0.0, 0.7), Oscillator("pulse", 12, 0.5), Oscillator("pulse", 24, 0.25)),
        Envelope(0.002, 0.2, 0.98, 0.03),
        cutoff=6000,
        follow=0.1,
        inserts=("tremolo",),
    ),
}

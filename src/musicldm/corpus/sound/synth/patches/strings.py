"""Plucked strings of guitars, lutes, zithers and harpsichords."""

from musicldm.corpus.sound.synth.patches.patch import Patch
from musicldm.corpus.sound.synth.strings import String

_ACOUSTIC = ((105, 6.0, 0.25), (210, 5.0, 0.35), (420, 3.0, 0.5), (3000, 2.0, 1.0), (9000, -8.0, 1.0))
_LUTE = ((140, 6.0, 0.3), (320, 6.0, 0.4), (700, 3.0, 0.4), (6000, -8.0, 1.0))
_SMALL = ((330, 6.0, 0.35), (620, 5.0, 0.4), (1400, 3.0, 0.5), (9000, -5.0, 1.0))

STRINGS: dict[str, Patch] = {
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
}

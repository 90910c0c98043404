"""The synthesiser's patches by name."""

from collections.abc import Mapping
from types import MappingProxyType

from musicldm.corpus.sound.synth.patches.basses import BASSES
from musicldm.corpus.sound.synth.patches.keys import KEYS
from musicldm.corpus.sound.synth.patches.leads import LEADS
from musicldm.corpus.sound.synth.patches.pads import PADS
from musicldm.corpus.sound.synth.patches.patch import Patch
from musicldm.corpus.sound.synth.patches.strings import STRINGS

PATCHES: Mapping[str, Patch] = MappingProxyType({**LEADS, **BASSES, **PADS, **KEYS, **STRINGS})

__all__ = ["PATCHES", "Patch"]

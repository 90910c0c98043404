"""A synthesiser in NumPy: `PATCHES` play notes, `KITS` drums, `transition` what lies between sections."""

from musicldm.corpus.sound.synth.kits import KITS
from musicldm.corpus.sound.synth.patches import PATCHES, Patch
from musicldm.corpus.sound.synth.percussion import strike
from musicldm.corpus.sound.synth.transitions import TRANSITION_KEYS, transition

__all__ = ["KITS", "PATCHES", "TRANSITION_KEYS", "Patch", "strike", "transition"]

"""The genres as tables: `STYLES` by name, and the instruments they use."""

from collections.abc import Mapping
from types import MappingProxyType

from musicldm.corpus.sound.instruments import INSTRUMENTS, Instrument
from musicldm.corpus.styles.acoustic import ACOUSTIC
from musicldm.corpus.styles.band import BAND
from musicldm.corpus.styles.electronic import ELECTRONIC
from musicldm.corpus.styles.style import Sound, Style, Swing

STYLES: Mapping[str, Style] = MappingProxyType(
    {style.name: style for style in sorted((*ACOUSTIC, *BAND, *ELECTRONIC), key=lambda style: style.name)}
)

__all__ = ["INSTRUMENTS", "STYLES", "Instrument", "Sound", "Style", "Swing"]

"""The styles as tables: `STYLES` by name, and the instruments they use."""

from collections.abc import Mapping
from types import MappingProxyType

from musicldm.corpus.sound.instruments import INSTRUMENTS, Instrument
from musicldm.corpus.styles.acoustic import ACOUSTIC
from musicldm.corpus.styles.band import BAND
from musicldm.corpus.styles.club import CLUB
from musicldm.corpus.styles.concert import CONCERT
from musicldm.corpus.styles.electronic import ELECTRONIC
from musicldm.corpus.styles.guitars import GUITARS
from musicldm.corpus.styles.latin import LATIN
from musicldm.corpus.styles.songs import SONGS
from musicldm.corpus.styles.style import Sound, Style, Swing
from musicldm.corpus.styles.world import WORLD

_FAMILIES = (ACOUSTIC, BAND, CLUB, CONCERT, ELECTRONIC, GUITARS, LATIN, SONGS, WORLD)

STYLES: Mapping[str, Style] = MappingProxyType(
    {style.name: style for style in sorted((s for family in _FAMILIES for s in family), key=lambda s: s.name)}
)

__all__ = ["INSTRUMENTS", "STYLES", "Instrument", "Sound", "Style", "Swing"]

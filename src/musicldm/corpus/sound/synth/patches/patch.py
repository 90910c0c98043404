"""What a patch is."""

from typing import Protocol

from musicldm.audio import Wave
from musicldm.corpus.sound.waves import Hit


class Patch(Protocol):
    """Plays hits. glide: seconds from the note before (0: none); inserts: effects on the whole part."""

    @property
    def glide(self) -> float: ...

    @property
    def inserts(self) -> tuple[str, ...]: ...

    def play(self, hit: Hit, sample_rate: int) -> Wave:
        """The hit, without what `finish` and inserts do: (1, n) or (2, n), the same for all hits."""
        ...

    def finish(self, wave: Wave, sample_rate: int, phase: float) -> Wave:
        """The whole part (channels, n) through what its notes share; phase: where what swings begins, 0-1."""
        ...

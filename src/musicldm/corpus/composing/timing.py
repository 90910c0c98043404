"""Bars and steps to seconds."""

import math
from dataclasses import dataclass

from musicldm.corpus.styles.style import BEAT_STEPS, STEPS_PER_BAR, STEPS_PER_BEAT, Swing

# Elsewhere the steps cannot be paired, or are triplets already.
_SWUNG = ("4/4", "3/4", "5/4")


@dataclass(frozen=True)
class Grid:
    """The clip's bars: bar 0 starts at `origin` seconds (≤ 0), the clip ends at `seconds`.

    `swing` is the share of a pair of notes that the first takes (0.5 = even); `unit` says whether eighths or
    sixteenths are paired.
    """

    meter: str
    bpm: float
    origin: float
    seconds: float
    swing: float = 0.5
    unit: int = 8

    @property
    def steps(self) -> int:
        return STEPS_PER_BAR[self.meter]

    @property
    def steps_per_beat(self) -> int:
        return STEPS_PER_BEAT[self.meter]

    @property
    def step_seconds(self) -> float:
        return 60 / self.bpm / self.steps_per_beat

    @property
    def bar_seconds(self) -> float:
        return self.step_seconds * self.steps

    @property
    def bars(self) -> int:
        """Bars that the clip touches."""
        return max(1, math.ceil((self.seconds - self.origin) / self.bar_seconds - 1e-9))

    def time(self, bar: int, step: float) -> float:
        """Seconds of a step of a bar, swung. Swing moves the inside of each pair and never the beat itself."""
        pair = 4 if self.unit == 8 else 2
        if self.meter in _SWUNG and self.swing != 0.5:
            whole, inside = divmod(step, pair)
            half = inside / pair
            moved = 2 * half * self.swing if half < 0.5 else self.swing + (2 * half - 1) * (1 - self.swing)
            step = (whole + moved) * pair
        return self.origin + bar * self.bar_seconds + step * self.step_seconds

    @property
    def beat_steps(self) -> tuple[int, ...]:
        """The steps of a bar on which its beats lie."""
        return BEAT_STEPS[self.meter]

    def beats(self) -> tuple[float, ...]:
        """Seconds of the beats inside the clip."""
        return self._inside(self.beat_steps)

    def downbeats(self) -> tuple[float, ...]:
        """Seconds of the first beats of bars inside the clip."""
        return self._inside((0,))

    def beat_places(self) -> tuple[tuple[int, int], ...]:
        """(bar, step) of each of `beats`."""
        return tuple((bar, step) for bar in range(self.bars) for step in self.beat_steps if self._holds(bar, step))

    def _inside(self, steps: tuple[int, ...]) -> tuple[float, ...]:
        places = ((bar, step) for bar in range(self.bars) for step in steps if self._holds(bar, step))
        return tuple(round(self.time(bar, step), 6) for bar, step in places)

    def _holds(self, bar: int, step: int) -> bool:
        return -1e-9 <= self.time(bar, step) < self.seconds


def swing_for(swing: Swing | None, draw: float) -> tuple[float, int]:
    """(share of the first note of a pair, unit) for a `draw` in 0-1."""
    if swing is None:
        return 0.5, 8
    return swing.low + draw * (swing.high - swing.low), swing.unit

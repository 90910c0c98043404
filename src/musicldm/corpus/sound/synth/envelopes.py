"""Levels over time, in closed form."""

import math
from dataclasses import dataclass

import numpy as np

from musicldm.audio import Wave

SIXTY_DECIBELS = 3 * math.log(10)


@dataclass(frozen=True)
class Envelope:
    """Seconds to rise in a straight line, to fall by 60 dB towards `sustain` (0-1), and by 60 dB after the release."""

    attack: float = 0.003
    decay: float = 0.3
    sustain: float = 1.0
    release: float = 0.08

    def samples(self, held: float, sample_rate: int) -> int:
        """How long a note sounds that is held for `held` seconds; what has no sustain ends with its decay."""
        down = held if self.sustain > 0 else min(held, self.attack + self.decay)
        return max(1, round((down + self.release) * sample_rate))

    def curve(self, held: float, count: int, sample_rate: int) -> Wave:
        """The level, 0 to 1, at `count` samples of a note held for `held` seconds."""
        time = np.arange(count, dtype=np.float32) / np.float32(sample_rate)
        down = self._down(np.minimum(time, np.float32(held)))
        first = min(count, math.ceil(held * sample_rate))
        after = time[first:] - np.float32(held)
        down[first:] *= np.exp(np.float32(-SIXTY_DECIBELS / self.release) * after)
        return down

    def _down(self, time: Wave) -> Wave:
        fall = np.exp(np.float32(-SIXTY_DECIBELS / self.decay) * np.maximum(time - np.float32(self.attack), 0))
        level = np.float32(self.sustain) + np.float32(1 - self.sustain) * fall
        return np.asarray(np.minimum(time / np.float32(self.attack), 1) * level)

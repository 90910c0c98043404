"""Frequency modulation after J. Chowning (1973): sines that bend the phase of other sines."""

import math
from dataclasses import dataclass

import numpy as np

from musicldm.audio import Wave
from musicldm.corpus.sound.synth.envelopes import Envelope
from musicldm.corpus.sound.waves import Hit, Samples, pitch_ratio

_TOP = 0.45
_FOLDED = 0.003
_MIDDLE = 60


@dataclass(frozen=True)
class Operator:
    """A sine at `ratio` times the pitch plus `offset` Hz, its phase bent by others.

    level: as a carrier its amplitude, as a modulator the index in radians at middle C and full velocity; touch: how
    much of that the softest touch takes away, 0-1; darkening: what an octave makes of a modulator's index.
    """

    ratio: float
    level: float
    envelope: Envelope
    modulators: tuple["Operator", ...] = ()
    offset: float = 0.0
    touch: float = 0.0
    darkening: float = 0.7

    @property
    def reach(self) -> float:
        """Multiples of the pitch up to which it has much of its power (Carson's rule, modulators first)."""
        return self.ratio + sum((1 + m.level) * m.reach for m in self.modulators)


@dataclass(frozen=True)
class Fm:
    """A patch of carriers that sound side by side, to the left and right by turns as far as `spread` (0-1)."""

    carriers: tuple[Operator, ...]
    spread: float = 0.0
    glide: float = 0.0
    inserts: tuple[str, ...] = ()

    def play(self, hit: Hit, sample_rate: int) -> Wave:
        """The hit, without the part's inserts: (1, n), or (2, n) if its carriers are spread."""
        longest = max(self.carriers, key=lambda carrier: carrier.envelope.release + carrier.envelope.decay)
        held = hit.length if hit.length is not None else longest.envelope.decay
        count = max(carrier.envelope.samples(held, sample_rate) for carrier in self.carriers)
        frequency = 440 * 2 ** ((hit.pitch - 69) / 12)
        turns = np.arange(count, dtype=np.float64) * (frequency / sample_rate)
        if not hit.steady:
            turns = np.cumsum(pitch_ratio(hit, count, sample_rate), dtype=np.float64) * (frequency / sample_rate)
        note = _Note(hit, held, sample_rate, turns, frequency)
        wave = np.zeros((2 if self.spread else 1, count), np.float32)
        for index, carrier in enumerate(self.carriers):
            lean = self.spread * (-1) ** index
            sound = note.sound(carrier) * np.float32(carrier.level * hit.velocity / 127)
            wave += np.array([[1 - lean], [1 + lean]], np.float32)[: len(wave)] * sound
        return wave

    def finish(self, wave: Wave, sample_rate: int, phase: float) -> Wave:  # noqa: ARG002
        """The part as it is: this patch has no filter for all its notes."""
        return wave


@dataclass(frozen=True)
class _Note:
    hit: Hit
    held: float
    sample_rate: int
    turns: Samples
    frequency: float

    def sound(self, operator: Operator) -> Wave:
        """The operator at unit level: its sine, bent, under its envelope; (n,)."""
        offset = np.arange(self.turns.size) * (operator.offset / self.sample_rate) if operator.offset else 0.0
        # Whole turns are dropped before the phase becomes a float32.
        turns = operator.ratio * self.turns + offset
        phase = (turns - np.floor(turns)).astype(np.float32) * np.float32(2 * math.pi)
        for modulator in operator.modulators:
            phase += np.float32(self._index(operator, modulator)) * self.sound(modulator)
        level = operator.envelope.curve(self.held, self.turns.size, self.sample_rate).astype(np.float32)
        return np.asarray(np.sin(phase) * level)

    def _index(self, carrier: Operator, modulator: Operator) -> float:
        """The modulation index: duller for soft and high notes, and never so high that sidebands would alias."""
        index = modulator.level * modulator.darkening ** ((self.hit.pitch - _MIDDLE) / 12)
        index *= 1 - modulator.touch * (1 - self.hit.velocity / 127)
        room = max(0.0, _TOP * self.sample_rate / self.frequency - carrier.ratio)
        # The first sideband that would fold back is the n-th, and |J_n(I)| ≤ (I / 2)^n / n!.
        n = math.floor(room / modulator.reach) + 1
        most = 2 * math.exp((math.lgamma(n + 1) + math.log(_FOLDED)) / n)
        return float(min(max(index, 0.0), most))

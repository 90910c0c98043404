"""Drums as small models: tones that fall, filtered noise, metal, one after another or together.

A drum is a tuple of layers; a kit maps General MIDI drum keys to drums.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from scipy.fft import irfft, next_fast_len

from musicldm.audio import Wave
from musicldm.corpus.sound.effects.filters import swept
from musicldm.corpus.sound.synth.envelopes import SIXTY_DECIBELS
from musicldm.corpus.sound.waves import Samples

_TOP = 0.45
_EDGE = 0.0004


@dataclass(frozen=True)
class Tone:
    """A sine that falls from `start` to `end` Hz with the time constant `glide` and dies away by 60 dB in `decay`.

    drive: how far it is pressed towards a square (tanh); level 0-1; after: seconds before it begins.
    """

    start: float
    end: float
    glide: float
    decay: float
    level: float = 1.0
    drive: float = 0.0
    attack: float = _EDGE
    after: float = 0.0

    def wave(self, count: int, sample_rate: int, _: np.random.Generator) -> Samples:
        """(count,) samples; the phase is the integral of the frequency, in closed form."""
        time = np.arange(count) / sample_rate
        fallen = (self.start - self.end) * self.glide * (1 - np.exp(-time / self.glide))
        sound = np.sin(2 * math.pi * (self.end * time + fallen))
        if self.drive:
            sound = np.tanh((1 + self.drive) * sound) / math.tanh(1 + self.drive)
        return np.asarray(sound * _fall(time, self.attack, self.decay) * self.level)


@dataclass(frozen=True)
class Noise:
    """White noise through a filter, dying away by 60 dB in `decay`.

    kind: "low", "high" or "band" at `cutoff` Hz with resonance `q`; bursts: seconds at which it begins anew, the last
    with the whole decay; wide: different on the two sides; grain: Hz at which samples are held (0: none), as in a chip.
    """

    cutoff: float
    decay: float
    level: float = 1.0
    kind: str = "high"
    q: float = 0.7
    attack: float = _EDGE
    bursts: tuple[float, ...] = (0.0,)
    burst_decay: float = 0.02
    wide: bool = False
    grain: float = 0.0
    after: float = 0.0

    def wave(self, count: int, sample_rate: int, rng: np.random.Generator) -> Samples:
        """(count,) or, if wide, (2, count) samples."""
        noise = rng.standard_normal((2, count) if self.wide else count)
        if self.grain:
            held = np.floor(np.arange(count) * min(1.0, self.grain / sample_rate)).astype(np.int64)
            noise = np.sign(rng.standard_normal(count))[held]
        noise = swept(np.atleast_2d(noise), self.kind, np.array([self.cutoff]), (self.q,), sample_rate)
        time = np.arange(count) / sample_rate
        level = np.zeros(count)
        for index, burst in enumerate(self.bursts):
            decay = self.decay if index == len(self.bursts) - 1 else self.burst_decay
            level = np.maximum(level, np.where(time >= burst, _fall(time - burst, self.attack, decay), 0))
        return np.asarray(np.squeeze(noise) * level * self.level)


@dataclass(frozen=True)
class Metal:
    """Square waves at frequencies that share no fundamental, above `cutoff` Hz: hats, cymbals, bells.

    noise: how much white noise rings with them, 0-1.
    """

    frequencies: tuple[float, ...]
    cutoff: float
    decay: float
    level: float = 1.0
    kind: str = "high"
    q: float = 0.7
    noise: float = 0.0
    attack: float = _EDGE
    wide: bool = False
    after: float = 0.0

    def wave(self, count: int, sample_rate: int, rng: np.random.Generator) -> Samples:
        """(count,) or (2, count) samples, made from their partials so that none folds back."""
        size = next_fast_len(max(count, sample_rate // 4), real=True)
        spectrum = np.zeros((2 if self.wide else 1, size // 2 + 1), np.complex128)
        for frequency in self.frequencies:
            k = np.arange(1, max(2, int(_TOP * sample_rate / frequency)), 2)
            lines = np.round(k * frequency * size / sample_rate).astype(np.int64)
            for side in spectrum:
                np.add.at(side, lines, -1j * np.exp(2j * math.pi * k * rng.random()) / k)
        sound = irfft(spectrum, size)[:, :count]
        sound = sound / (np.sqrt(np.mean(np.square(sound))) + 1e-12)
        if self.noise:
            sound = (1 - self.noise) * sound + self.noise * rng.standard_normal(sound.shape)
        sound = swept(sound, self.kind, np.array([self.cutoff]), (self.q, self.q), sample_rate)
        fall = _fall(np.arange(count) / sample_rate, self.attack, self.decay)
        return np.asarray(np.squeeze(sound * fall * self.level))


@dataclass(frozen=True)
class Modes:
    """What a struck bar, bell or skin sings: partials at `ratios` of a frequency, higher ones shorter.

    glide: share by which the pitch starts higher and settles with the time constant 50 ms (negative: lower).
    """

    frequency: float
    ratios: tuple[float, ...]
    decay: float
    level: float = 1.0
    tilt: float = 0.7
    shortening: float = 0.5
    glide: float = 0.0
    settle: float = 0.05
    attack: float = _EDGE
    after: float = 0.0

    def wave(self, count: int, sample_rate: int, _: np.random.Generator) -> Samples:
        """(count,) samples."""
        time = np.arange(count) / sample_rate
        turns = self.frequency * (time + self.glide * self.settle * (1 - np.exp(-time / self.settle)))
        sound = np.zeros(count)
        for index, ratio in enumerate(self.ratios):
            if ratio * self.frequency * (1 + max(self.glide, 0)) < _TOP * sample_rate:
                decay = self.decay * ratio**-self.shortening
                sound += self.tilt**index * np.sin(2 * math.pi * ratio * turns) * _fall(time, self.attack, decay)
        return np.asarray(sound * self.level)


Layer = Tone | Noise | Metal | Modes
Drum = tuple[Layer, ...]
Kit = Mapping[int, Drum]


def _fall(time: Samples, attack: float, decay: float) -> Samples:
    return np.minimum(time / attack, 1) * np.exp(-SIXTY_DECIBELS / decay * np.maximum(time - attack, 0))


def _length(layer: Layer) -> float:
    bursts = layer.bursts[-1] if isinstance(layer, Noise) else 0.0
    return layer.after + bursts + layer.attack + layer.decay


@lru_cache(maxsize=400)
def strike(drum: Drum, key: int, velocity: int, sample_rate: int) -> Wave:
    """One hit (2, n): louder with velocity, and its noise a little more so. Kept, as clips hit the same drums."""
    count = max(1, round(max(map(_length, drum)) * sample_rate))
    rng = np.random.default_rng(key)
    force = velocity / 127
    wave = np.zeros((2, count))
    for layer in drum:
        first = round(layer.after * sample_rate)
        bright = force**1.4 if isinstance(layer, Noise | Metal) else force
        wave[:, first:] += bright * layer.wave(count - first, sample_rate, rng)
    # The last 5 ms fade, so that 60 dB below the peak is not a click.
    edge = min(count, round(0.005 * sample_rate))
    wave[:, count - edge :] *= np.linspace(1, 0, edge)
    return wave.astype(np.float32)

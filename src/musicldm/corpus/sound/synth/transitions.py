"""What leads from one section to the next: risers, drops, impacts, sweeps. Drum keys 27 to 31, on any kit."""

from functools import lru_cache

import numpy as np

from musicldm.audio import Wave
from musicldm.corpus.sound.effects.filters import swept
from musicldm.corpus.sound.synth.kits import KITS
from musicldm.corpus.sound.synth.percussion import Metal, Modes, Noise, Tone, strike
from musicldm.corpus.sound.synth.tables import Oscillator, read, table
from musicldm.corpus.sound.waves import TIMED, Hit, Samples

RISER, SUB_DROP, IMPACT, DOWN_SWEEP, REVERSE_CYMBAL = TRANSITION_KEYS = TIMED
_SAWS = (Oscillator("saw", voices=7, detune=25, spread=0.8),)
_IMPACT = (
    Tone(90, 32, 0.12, 2.2, 1.0, drive=0.3),
    Noise(1800, 1.8, 0.35, "low", wide=True),
    Modes(61, (1.0, 1.7, 2.6), 1.5, 0.4),
    Metal((233.0, 377.0, 619.0), 900, 2.0, 0.08, wide=True),
)
_SUB_DROP = (Tone(110, 28, 0.5, 2.4, 1.0, drive=0.4, attack=0.005),)
_SHORTEST = 0.2


def transition(hit: Hit, sample_rate: int) -> Wave:
    """A transition of `hit.length` seconds, (2, n); impacts and drops last as long as they do."""
    seconds = max(hit.length or 1.0, _SHORTEST)
    level = np.float32(hit.velocity / 127)
    if hit.pitch == RISER:
        return level * _rise(seconds, sample_rate)
    if hit.pitch == DOWN_SWEEP:
        return level * _fall(seconds, sample_rate)
    if hit.pitch == REVERSE_CYMBAL:
        return level * _reverse(seconds, sample_rate)
    drum = _SUB_DROP if hit.pitch == SUB_DROP else _IMPACT
    return strike(drum, hit.pitch, hit.velocity, sample_rate)


@lru_cache(maxsize=8)
def _rise(seconds: float, sample_rate: int) -> Wave:
    """Noise whose band climbs from 300 Hz to 9 kHz, and saws that climb two octaves, ever louder."""
    count = round(seconds * sample_rate)
    way = np.linspace(0, 1, count)
    noise = 0.4 * _band(300 * 30**way, count, sample_rate)
    saws = read(table(_SAWS, 110.0, sample_rate), count, np.asarray(2 ** (2 * way)))
    climbing = swept(0.5 * saws, "high", np.array([400.0]), (0.7,), sample_rate)
    level = (0.05 + 0.95 * way**2) * _edges(count, sample_rate)
    return np.asarray((noise + climbing) * level, np.float32)


@lru_cache(maxsize=8)
def _fall(seconds: float, sample_rate: int) -> Wave:
    """Noise whose band sinks from 10 kHz to 200 Hz, dying away."""
    count = round(seconds * sample_rate)
    way = np.linspace(0, 1, count)
    return np.asarray(0.6 * _band(10000 * 50**-way, count, sample_rate) * (1 - way) ** 1.5, np.float32)


@lru_cache(maxsize=8)
def _reverse(seconds: float, sample_rate: int) -> Wave:
    """A crash cymbal backwards, ending on the beat."""
    count = round(seconds * sample_rate)
    crash = strike(KITS["909"][49], 49, 127, sample_rate)[:, :count][:, ::-1]
    whole = np.zeros((2, count), np.float32)
    whole[:, count - crash.shape[1] :] = crash
    return whole * _edges(count, sample_rate)


def _band(centre: Samples, count: int, sample_rate: int) -> Samples:
    noise = np.random.default_rng(count).standard_normal((2, count))
    return swept(noise, "band", np.minimum(centre, 0.4 * sample_rate), (1.5,), sample_rate)


def _edges(count: int, sample_rate: int) -> Wave:
    """A fade of 10 ms at the end: what stops on the beat must not click."""
    return np.minimum(1, (count - np.arange(count)) / (0.01 * sample_rate)).astype(np.float32)

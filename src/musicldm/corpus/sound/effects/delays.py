"""Delays, fixed and moving: tempo echo, chorus, flanger, rotary loudspeaker, wow and flutter."""

import math

import numpy as np

from musicldm.audio import Wave
from musicldm.corpus.sound.effects.filters import one_pole
from musicldm.corpus.sound.waves import Samples

_BLOCK = 16384
_ECHOES = 4
_ECHO_CORNER = 6000.0
_CROSSING = 0.7


def delayed(wave: Wave, samples: Wave | Samples) -> Wave:
    """The wave (n,) heard `samples` (n,) ≥ 1 later, not whole numbers: cubic interpolation after Catmull and Rom."""
    padded = np.concatenate([np.zeros(2, np.float32), wave, np.zeros(3, np.float32)])
    out = np.empty(wave.size, np.float32)
    for first in range(0, wave.size, _BLOCK):
        late = samples[first : first + _BLOCK]
        position = np.arange(first, first + late.size) - late
        index = np.floor(position)
        part = (position - index).astype(np.float32)
        at = np.clip(index, -1, wave.size).astype(np.int64) + 2
        before, here, after, beyond = padded[at - 1], padded[at], padded[at + 1], padded[at + 2]
        curve = 2 * before - 5 * here + 4 * after - beyond + part * (3 * (here - after) + beyond - before)
        out[first : first + _BLOCK] = here + np.float32(0.5) * part * (after - before + part * curve)
    return out


def swayed(wave: Wave, samples: Wave) -> Wave:
    """As `delayed`, by linear interpolation: three times as fast, and dull as the chips of choruses are."""
    padded = np.concatenate([np.zeros(2, np.float32), wave])
    out = np.empty(wave.size, np.float32)
    for first in range(0, wave.size, _BLOCK):
        late = samples[first : first + _BLOCK]
        whole = np.floor(late)
        at = np.maximum(np.arange(first + 2, first + 2 + late.size) - whole.astype(np.int64), 1)
        here = padded[at]
        out[first : first + _BLOCK] = here + (late - whole) * (padded[at - 1] - here)
    return out


def cycle(count: int, hertz: float, sample_rate: int, phase: float = 0.0) -> Wave:
    """A sine, -1 to 1, that begins at `phase` turns."""
    turns = np.arange(count) * (hertz / sample_rate) + phase
    turns -= np.floor(turns)
    # Whole turns are gone, so float32 is exact enough, and its sine ten times as fast.
    return np.asarray(np.sin(turns.astype(np.float32) * np.float32(2 * math.pi)))


def echo(wave: Wave, level: float, seconds: float, sample_rate: int) -> Wave:
    """The wave (2, n) and repetitions of its mid, each `level` times the one before, duller, and from side to side."""
    delay = round(seconds * sample_rate)
    if level <= 0 or delay <= 0:
        return wave
    echoed = wave.copy()
    source = one_pole(np.float32(0.5) * (wave[0] + wave[1]), _ECHO_CORNER, sample_rate)
    for turn in range(1, _ECHOES + 1):
        if turn * delay >= source.size:
            break
        lean = _CROSSING if turn % 2 else -_CROSSING
        for channel, gain in zip(echoed, (1 - lean / 2, 1 + lean / 2), strict=True):
            channel[turn * delay :] += np.float32(gain * level**turn) * source[: -turn * delay]
    return echoed


def chorus(wave: Wave, sample_rate: int, *, depth: float = 0.0025, hertz: float = 0.7, mix: float = 0.5) -> Wave:
    """Each side with a copy of itself that is 8 ms ± `depth` seconds late; the copies move against each other."""
    count = wave.shape[1]

    def swing(phase: float) -> Wave:
        return cycle(count, hertz, sample_rate, phase)

    copies = [
        swayed(side, np.float32(sample_rate) * (np.float32(0.008) + np.float32(depth) * swing(phase)))
        for side, phase in zip(wave, (0.0, 0.5), strict=True)
    ]
    return np.asarray(wave + np.float32(mix) * (np.stack(copies) - np.float32(0.3) * wave), np.float32)


def flanger(wave: Wave, sample_rate: int, *, hertz: float = 0.2, feedback: float = 0.6) -> Wave:
    """A comb that sweeps: copies 0.5 to 4.5 ms late, then twice and three times as late, each `feedback` weaker."""
    count = wave.shape[1]
    out = wave.copy()
    for side, phase in ((0, 0.0), (1, 0.25)):
        late = np.float32(sample_rate) * (
            np.float32(0.0025) + np.float32(0.002) * cycle(count, hertz, sample_rate, phase)
        )
        for turn in range(1, 4):
            out[side] += np.float32(feedback**turn) * swayed(wave[side], np.float32(turn) * late)
    return out * np.float32(0.7)


def rotary(wave: Wave, sample_rate: int, *, hertz: float = 6.4) -> Wave:
    """A Leslie loudspeaker: above 800 Hz pitch and level of the mid sway, apart on the two sides; less below."""
    count = wave.shape[1]
    mid = np.float32(0.5) * (wave[0] + wave[1])
    low = one_pole(mid, 800, sample_rate)
    horn = mid - low
    slow = cycle(count, 0.9 * hertz, sample_rate)
    sides = []
    for phase in (0.0, 0.42):
        turn = cycle(count, hertz, sample_rate, phase)
        swung = swayed(horn, np.float32(sample_rate) * (np.float32(0.0012) + np.float32(0.0004) * turn))
        sides.append(swung * (1 + np.float32(0.35) * turn) + low * (1 + np.float32(0.12) * slow))
    return np.stack(sides)


def wow_and_flutter(wave: Wave, amount: float, sample_rate: int, phase: float) -> Wave:
    """Speed that sways by up to 0.25 % slowly and 0.1 % fast, on both sides alike. Times move by less than 1.5 ms."""
    count = wave.shape[1]
    wow = 0.0025 * amount / (2 * math.pi * 0.55) * (1 + cycle(count, 0.55, sample_rate, phase))
    flutter = 0.001 * amount / (2 * math.pi * 7.3) * (1 + cycle(count, 7.3, sample_rate, phase))
    late = (wow + flutter) * sample_rate + 1
    return np.stack([delayed(side, late) for side in wave])

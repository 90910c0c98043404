"""Rooms as stereo impulse responses, one set of echoes for each clip: noise that decays by 60 dB in the room's time."""

import math

import numpy as np
from scipy.fft import irfft, next_fast_len, rfft

from musicldm.audio import Wave
from musicldm.corpus.sound.effects.filters import one_pole

SPACES = ("room", "hall", "plate", "spring")
LONGEST = 6.0
# Seconds before the first echo, seconds in which echoes become dense, corner of the dull part in Hz, share of the
# bright part, and how much sooner that is gone.
_SHAPES = {
    "room": (0.008, 0.0, 1800.0, 0.5, 1.7),
    "hall": (0.024, 0.06, 1100.0, 0.35, 2.0),
    "plate": (0.0, 0.004, 3500.0, 0.8, 1.3),
}
_REFLECTIONS = 9
_TIGHTNESS = 0.15


def response(space: str, seconds: float, sample_rate: int, rng: np.random.Generator) -> Wave:
    """Impulse response (2, n) of unit energy. space: one of `SPACES`; seconds: reverberation time, RT60."""
    seconds = min(seconds, LONGEST)
    count = max(2, round(seconds * sample_rate))
    made = _spring(seconds, count, sample_rate) if space == "spring" else _diffuse(space, count, sample_rate, rng)
    return made / np.float32(math.sqrt(float(np.sum(np.square(made))) / 2) + 1e-12)


def _diffuse(space: str, count: int, sample_rate: int, rng: np.random.Generator) -> Wave:
    delay, build, corner, bright, sooner = _SHAPES[space]
    time = np.arange(count, dtype=np.float32) / np.float32(count)
    noise = rng.standard_normal((2, count), dtype=np.float32)
    slow = np.exp(np.float32(-3 * math.log(10)) * time)
    tail = one_pole(noise, corner, sample_rate) * np.float32(math.sqrt(sample_rate / corner / 4)) * slow
    tail += np.float32(bright) * noise * np.exp(np.float32(-3 * math.log(10) * sooner) * time)
    if build:
        rise = np.minimum(1.0, np.arange(count, dtype=np.float32) / np.float32(build * sample_rate))
        tail *= rise
    first = min(round(delay * sample_rate), count - 1)
    made = np.zeros((2, count), np.float32)
    made[:, first:] = tail[:, : count - first]
    if space == "room":
        _reflect(made, first, sample_rate, rng)
    return made


def _reflect(made: Wave, first: int, sample_rate: int, rng: np.random.Generator) -> None:
    """A few walls near by: single echoes within 40 ms, each nearer to one side."""
    for _ in range(_REFLECTIONS):
        at = first + int(rng.integers(1, max(2, round(0.04 * sample_rate))))
        if at < made.shape[1]:
            pan = float(rng.uniform(-0.8, 0.8))
            made[:, at] += np.float32(6.0) * np.array([1 - pan, 1 + pan], np.float32) * np.float32(rng.choice([-1, 1]))


def _spring(seconds: float, count: int, sample_rate: int) -> Wave:
    """Two coils: echoes that come back every 40 ms or so, high frequencies later, nothing above 5 kHz."""
    frequency = np.fft.rfftfreq(2 * count, 1 / sample_rate)
    sides = []
    for turn in (0.037, 0.043):
        # The integral of the delay turn × (1 + (f / 4 kHz)²), as the phase it is.
        phase = 2 * math.pi * turn * frequency * (1 + (frequency / 4000) ** 2 / 3)
        loss = 10 ** (-3 * turn / seconds)
        once = np.exp(-1j * phase) * loss / np.sqrt(1 + (frequency / 5000) ** 16)
        sides.append(irfft(once / (1 - once), 2 * count)[:count])
    return np.asarray(sides, np.float32)


def reverberate(send: Wave, answer: Wave, rate_ratio: int = 1) -> Wave:
    """The mid of `send` (2, n) in the room `answer` (2, m): (2, n). The room has 1 / `rate_ratio` of its rate."""
    count = send.shape[1]
    half = next_fast_len(-(-(count + rate_ratio * answer.shape[1]) // rate_ratio), real=True)
    size = rate_ratio * half
    heard = rfft(np.float32(0.5) * (send[0] + send[1]), size)
    bins = half // 2 + 1
    heard[bins:] = 0
    wet = np.empty((2, count), np.float32)
    for channel, side in zip(wet, answer, strict=True):
        heard_side = heard.copy()
        heard_side[:bins] *= rfft(side, half)
        channel[:] = irfft(heard_side, size)[:count]
    return wet

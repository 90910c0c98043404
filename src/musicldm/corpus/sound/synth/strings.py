"""Plucked strings: the loop of K. Karplus and A. Strong (1983), solved in the frequency domain.

A string is a delay of one period with a filter G that takes a little at each turn; plucked by E it sounds as
E / (1 - G). Each partial's turns are exact there, so that pitch, stiffness and loss need no fractional delay. The
transform is taken on a circle outside the unit circle: what would wrap around the end of the note is 40 dB weaker.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft, next_fast_len, rfft

from musicldm.audio import Wave
from musicldm.corpus.sound.effects.drive import minimum_phase
from musicldm.corpus.sound.synth.envelopes import SIXTY_DECIBELS
from musicldm.corpus.sound.synth.tables import Table, read
from musicldm.corpus.sound.waves import Hit, Samples, pitch_ratio

_SUPPRESSION = 40 * math.log(10) / 20
_MIDDLE = 60
_NOISE_SECONDS = 0.004
_BODY_SECONDS = 0.04
_BODY_SIZE = 8192
_LEVEL = 0.25

Body = tuple[tuple[float, float, float], ...]


@dataclass(frozen=True)
class String:
    """A patch.

    decay: seconds in which the lowest partial of middle C falls by 60 dB; damping: treble lost at each turn, 0-0.5;
    place: where it is plucked, as a share of its length; hardness: corner in Hz of what plucks, at full velocity;
    noise: of the pick, 0-1; stiffness: B of f[k] = k f √(1 + B k²); body: (Hz, decibels, octaves wide) of what it is
    on; courses: semitones of the strings that are plucked as one; release: seconds to fall by 60 dB once let go.
    """

    decay: float = 4.0
    damping: float = 0.2
    place: float = 0.2
    hardness: float = 5000.0
    noise: float = 0.2
    stiffness: float = 0.0
    body: Body = ()
    courses: tuple[float, ...] = (0.0,)
    release: float = 0.25
    spread: float = 0.0
    glide: float = 0.0
    inserts: tuple[str, ...] = ()

    def play(self, hit: Hit, sample_rate: int) -> Wave:
        """The hit, without the part's inserts: (1, n), or (2, n) if its courses are spread."""
        fade = self.decay * 2 ** (-(hit.pitch - _MIDDLE) / 24)
        held = min(hit.length if hit.length is not None else fade, 1.2 * fade)
        count = max(1, round((held + self.release) * sample_rate))
        wave = np.zeros((2 if self.spread else 1, count), np.float32)
        for index, course in enumerate(self.courses):
            lean = self.spread * (-1) ** index if len(self.courses) > 1 else 0.0
            sound = self._string(hit, course, index, fade, count, sample_rate)
            wave += np.array([[1 - lean], [1 + lean]], np.float32)[: len(wave)] * sound
        after = np.maximum(np.arange(count) / sample_rate - held, 0)
        return np.asarray(wave * np.exp(-SIXTY_DECIBELS / self.release * after) * (hit.velocity / 127), np.float32)

    def _string(self, hit: Hit, course: float, index: int, fade: float, count: int, sample_rate: int) -> Wave:
        frequency = 440 * 2 ** ((hit.pitch + course - 69) / 12)
        seed = hit.pitch * 8 + index
        hardness = self.hardness * (0.25 + 0.75 * hit.velocity / 127)
        wave = pluck(self, frequency, fade, hardness, seed, count, sample_rate)
        if hit.steady:
            return wave
        # A bent string is the straight one played faster or slower.
        ratio = pitch_ratio(hit, count, sample_rate)
        return np.asarray(read(Table(wave[None], 1), count, ratio)[0])

    def finish(self, wave: Wave, sample_rate: int, phase: float) -> Wave:  # noqa: ARG002
        """The part as it is: this patch has no filter for all its notes."""
        return wave


def pluck(
    string: String, frequency: float, fade: float, hardness: float, seed: int, count: int, sample_rate: int
) -> Wave:
    """A string plucked at sample 0, `count` samples: (count,), 0.25 root mean square in its first fifth of a second.

    fade: seconds in which the lowest partial falls by 60 dB; hardness: corner in Hz of the pluck.
    """
    size = 2 * next_fast_len(-(-count // 2), real=True)
    shrink = _SUPPRESSION / size
    omega = np.arange(size // 2 + 1) * (2 * math.pi / size)
    period = sample_rate / frequency
    force = excitation(string, omega, shrink, period, hardness, seed, sample_rate)
    answer = force / (1 - loop(string, omega, shrink, period, fade, sample_rate))
    answer *= np.clip((0.95 * math.pi - omega) / (0.2 * math.pi), 0, 1).astype(np.float32) ** 2
    if string.body:
        answer *= _body(string.body, size, sample_rate)
    wave = irfft(answer, size)[:count] * np.exp(np.float32(shrink) * np.arange(count, dtype=np.float32))
    level = math.sqrt(float(np.mean(np.square(wave[: sample_rate // 5]))) + 1e-20)
    return np.asarray(wave * (_LEVEL / level), np.float32)


def loop(
    string: String, omega: Samples, shrink: float, period: float, fade: float, sample_rate: int
) -> npt.NDArray[np.complex64]:
    """G: one turn of the string. Its phase is 2π times the number k of the partial at this frequency, exactly."""
    ratio = omega * (period / (2 * math.pi))
    turns, slope = ratio, np.ones(1)
    if string.stiffness:
        root = np.sqrt(1 + 4 * string.stiffness * ratio**2)
        turns = np.sqrt((root - 1) / (2 * string.stiffness))
        slope = ratio / np.maximum(turns * root, 1e-9)
    damping = string.damping
    treble = np.sqrt((1 - damping) ** 2 + damping**2 + 2 * damping * (1 - damping) * np.cos(omega.astype(np.float32)))
    lowest = math.sqrt((1 - damping) ** 2 + damping**2 + 2 * damping * (1 - damping) * math.cos(2 * math.pi / period))
    loss = min(math.exp(-SIXTY_DECIBELS * period / (sample_rate * fade)) / lowest, 0.99995)
    gain = np.float32(loss) * treble * np.exp(-shrink * period * slope).astype(np.float32)
    return _turned(gain, turns)


def _turned(gain: Wave, turns: Samples) -> npt.NDArray[np.complex64]:
    """Gain × exp(-2πi turns): whole turns are dropped first, so that the sines can be in float32."""
    angle = (turns - np.floor(turns)).astype(np.float32) * np.float32(2 * math.pi)
    made = np.empty(angle.size, np.complex64)
    made.real = gain * np.cos(angle)
    made.imag = -gain * np.sin(angle)
    return made


def excitation(
    string: String, omega: Samples, shrink: float, period: float, hardness: float, seed: int, sample_rate: int
) -> npt.NDArray[np.complex64]:
    """E: a pluck at a place, so that partials with a node there are missing, no brighter than what plucks is hard."""
    delay = string.place * period
    comb = 1 - _turned(np.full(omega.size, math.exp(-shrink * delay), np.float32), omega * (delay / (2 * math.pi)))
    soft = comb / (1 + np.complex64(1j) * (omega * (sample_rate / (2 * math.pi * hardness))).astype(np.float32))
    if string.noise:
        short = np.random.default_rng(seed).standard_normal(round(_NOISE_SECONDS * sample_rate))
        short *= np.exp(-5 * np.arange(short.size) / short.size - shrink * np.arange(short.size))
        size = 2 * (omega.size - 1)
        soft = soft * (1 + string.noise * rfft(short[:size].astype(np.float32), size))
    return np.asarray(soft)


@lru_cache(maxsize=64)
def _body(body: Body, size: int, sample_rate: int) -> npt.NDArray[np.complex64]:
    frequency = np.maximum(np.fft.rfftfreq(_BODY_SIZE, 1 / sample_rate), 1.0)
    decibels = sum(gain * np.exp(-((np.log2(frequency / at) / width) ** 2)) for at, gain, width in body)
    answer = minimum_phase(np.asarray(10 ** (decibels / 20)))[: round(_BODY_SECONDS * sample_rate)]
    damped = answer[:size] * np.exp(-_SUPPRESSION / size * np.arange(answer[:size].size))
    return np.asarray(rfft(damped.astype(np.float32), size))

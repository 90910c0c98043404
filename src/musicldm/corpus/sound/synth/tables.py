"""Periodic waves without aliasing: a table of whole periods, made from its harmonics by one inverse transform.

A table holds `turns` periods of the pitch. Detuned voices of a unison turn a few times more or less often within it, so
that the whole ensemble comes back to its beginning, and a note of any length is read from it.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.fft import irfft

from musicldm.audio import Wave
from musicldm.corpus.sound.effects.filters import biquad
from musicldm.corpus.sound.waves import Samples

_TOP = 0.45
_SINGLE_SECONDS = (0.35, 0.8)
_UNISON_SECONDS = (1.8, 3.0)
_LEVEL = 0.25
# Positions of the seven voices of a supersaw (A. Szabo, "How to emulate the super saw", 2010), 1 the outermost.
_SUPERSAW = (-1.0, -0.5715, -0.1774, 0.0, 0.181, 0.565, 0.9767)
_CHIP_STEPS = 32


@dataclass(frozen=True)
class Oscillator:
    """One wave of a patch, and how many voices play it in unison.

    wave: "saw", "pulse", "triangle", "sine", "chip triangle" or "harmonics"; semitones: above the note; width: of a
    pulse, 0-1; detune: cents from the middle to the outermost voice; spread: of the voices between left and right, 0-1;
    harmonics: amplitudes of an additive wave, from the first; level: against the patch's other oscillators.
    """

    wave: str = "saw"
    semitones: float = 0.0
    level: float = 1.0
    width: float = 0.5
    voices: int = 1
    detune: float = 0.0
    spread: float = 0.0
    harmonics: tuple[float, ...] = ()


@dataclass(frozen=True)
class Table:
    """`turns` periods of the pitch: (1, n) or, where voices are spread, (2, n); 0.25 root mean square."""

    wave: Wave
    turns: int


Formants = tuple[tuple[float, float, float], ...]


def harmonics_of(oscillator: Oscillator, count: int) -> npt.NDArray[np.complex128]:
    """Fourier coefficients of harmonics 1 … count: the wave is the real part of Σ c[k] exp(2πi k t)."""
    k = np.arange(1, count + 1)
    saw = np.asarray(-2j / (math.pi * k), np.complex128)
    if oscillator.wave == "saw":
        return saw
    if oscillator.wave == "pulse":
        return np.asarray(saw * (1 - np.exp(-2j * math.pi * k * oscillator.width)))
    if oscillator.wave == "triangle":
        return np.asarray(np.where(k % 2, -1j * 8 / math.pi**2 * (-1.0) ** (k // 2) / k**2, 0))
    if oscillator.wave == "chip triangle":
        return _stepped(k)
    listed = (1.0,) if oscillator.wave == "sine" else oscillator.harmonics
    coefficients = np.zeros(count, np.complex128)
    coefficients[: len(listed)] = -1j * np.array(listed[:count])
    return coefficients


def _stepped(k: npt.NDArray[np.int_]) -> npt.NDArray[np.complex128]:
    """A triangle of 32 steps of 16 levels, as the sound chip of a games console makes it, without what would alias."""
    steps = np.concatenate([np.arange(15, -1, -1), np.arange(16)]) / 7.5 - 1
    spectrum = np.fft.fft(steps) / _CHIP_STEPS
    held = np.sinc(k / _CHIP_STEPS) * np.exp(-1j * math.pi * k / _CHIP_STEPS)
    return np.asarray(2 * spectrum[k % _CHIP_STEPS] * held)


@lru_cache(maxsize=80)
def table(
    oscillators: tuple[Oscillator, ...],
    frequency: float,
    sample_rate: int,
    formants: Formants = (),
    still: tuple[str, float, tuple[float, ...]] | None = None,
) -> Table:
    """The oscillators at a pitch in Hz.

    formants: (Hz, decibels, width in Hz) that shape the harmonics' levels; still: kind, cut-off in Hz and resonances of
    a filter that does not move, and so costs nothing here.
    """
    unison = any(oscillator.voices > 1 for oscillator in oscillators)
    size, turns = _size(frequency / sample_rate, _UNISON_SECONDS if unison else _SINGLE_SECONDS, sample_rate)
    spectrum = np.zeros((2 if any(o.spread for o in oscillators) else 1, size // 2 + 1), np.complex64)
    for oscillator in oscillators:
        _add(spectrum, oscillator, turns, size)
    if formants:
        spectrum *= _shape(np.arange(size // 2 + 1, dtype=np.float64) * (sample_rate / size), formants)
    if still is not None:
        kind, cutoff, resonances = still
        turns_a_sample = np.arange(size // 2 + 1) / size
        for resonance in resonances:
            b, a = biquad(kind, np.array([cutoff]), resonance, sample_rate)
            z = np.exp(-2j * math.pi * turns_a_sample)
            spectrum *= (b[0] + b[1] * z + b[2] * z * z) / (a[0] + a[1] * z + a[2] * z * z)
    spectrum[:, int(_TOP * size) :] = 0
    wave = irfft(spectrum, size)
    return Table(wave * np.float32(_LEVEL / math.sqrt(float(np.mean(np.square(wave))) + 1e-20)), turns)


def _add(spectrum: npt.NDArray[np.complex64], oscillator: Oscillator, turns: int, size: int) -> None:
    """Adds an oscillator's harmonics, each voice with its own number of turns and its own start."""
    rng = np.random.default_rng(oscillator.voices)
    base = turns * 2 ** (oscillator.semitones / 12)
    for index, position in enumerate(_positions(oscillator.voices)):
        own = max(1, round(base * 2 ** (oscillator.detune * position / 1200)))
        count = int(_TOP * size / own)
        k = np.arange(1, count + 1)
        start = rng.random() if oscillator.voices > 1 else 0.0
        lines = harmonics_of(oscillator, count) * np.exp(2j * math.pi * start * k)
        lean = oscillator.spread * position * (-1) ** index
        for channel, gain in enumerate((1 - lean, 1 + lean)[: len(spectrum)]):
            spectrum[channel, k * own] += gain * oscillator.level / math.sqrt(oscillator.voices) * lines


def _positions(voices: int) -> tuple[float, ...]:
    if voices == 7:
        return _SUPERSAW
    return tuple(np.linspace(-1, 1, voices)) if voices > 1 else (0.0,)


def _shape(frequency: Samples, formants: Formants) -> Samples:
    """Magnitudes of a vocal tract: resonances over a floor 40 dB lower."""
    decibels = [gain - 10 * np.log10(1 + ((frequency - at) / (width / 2)) ** 2) for at, gain, width in formants]
    return np.asarray(10 ** (np.maximum(np.max(decibels, axis=0), -40) / 20))


def _size(cycles: float, seconds: tuple[float, float], sample_rate: int) -> tuple[int, int]:
    """Samples that transform fast, and periods of `cycles` a sample that fill them best."""
    sizes = _smooth_sizes(round(seconds[0] * sample_rate), round(seconds[1] * sample_rate))
    turns = np.maximum(1, np.round(sizes * cycles))
    best = int(np.argmin(np.abs(turns / (sizes * cycles) - 1)))
    return int(sizes[best]), int(turns[best])


@lru_cache
def _smooth_sizes(low: int, high: int) -> npt.NDArray[np.int64]:
    """Even numbers from `low` to `high` without a prime factor above 7."""
    numbers = np.arange(low + low % 2, high + 1, 2)
    rest = numbers.copy()
    for prime in (2, 3, 5, 7):
        for _ in range(18):
            rest = np.where(rest % prime == 0, rest // prime, rest)
    return np.asarray(numbers[rest == 1])


def read(source: Table, count: int, ratio: Wave | Samples | None = None, start: float = 0.0) -> Wave:
    """`count` samples of a table, (channels, count), from `start` periods on; ratio (count,): of the pitch, moving."""
    wave, size = source.wave, source.wave.shape[1]
    first = start * size / source.turns
    if ratio is None:
        at = round(first) % size
        rounds = -(-(at + count) // size)
        return np.tile(wave, rounds)[:, at : at + count] if rounds > 1 else wave[:, at : at + count]
    position = np.cumsum(ratio, dtype=np.float64)
    position += first - position[0]
    position -= size * np.floor(position / size)
    index = position.astype(np.int64)
    part = (position - index).astype(np.float32)
    return np.stack([_between(channel, index, part) for channel in wave])


def _between(channel: Wave, index: npt.NDArray[np.int64], part: Wave) -> Wave:
    """A cyclic wave between its samples: cubic interpolation after Catmull and Rom."""
    around = np.concatenate([channel[-1:], channel, channel[:3]])
    before, here, after, beyond = (around[shift:].take(index) for shift in range(4))
    curve = 2 * before - 5 * here + 4 * after - beyond + part * (3 * (here - after) + beyond - before)
    return np.asarray(here + np.float32(0.5) * part * (after - before + part * curve))

"""The finished mix: tone, tape, vinyl, bus compression, limiter, true peak."""

import math
from dataclasses import dataclass

import numpy as np
from scipy.signal import butter, lfilter, sosfilt

from musicldm.audio import Wave
from musicldm.corpus.composing.score import Mix
from musicldm.corpus.sound.effects.delays import wow_and_flutter
from musicldm.corpus.sound.effects.dynamics import compressor_gain, limiter_gain, ramps
from musicldm.corpus.sound.effects.filters import one_pole

CEILING = 10 ** (-1 / 20)
# What four times the rate may miss of the true peak.
_MARGIN = 10 ** (-0.25 / 20)
_DRIVE_DECIBELS = 6.0
_TILT_HERTZ = 1200.0
_CLICK_SECONDS = 0.006
_RUMBLE_RATE = 1000
_RUMBLE = 0.06


@dataclass(frozen=True)
class Mastered:
    """The master (2, n), and the gain (n,) by which its tone-corrected stems came to their level in it."""

    wave: Wave
    gain: Wave


def master(wave: Wave, mix: Mix, sample_rate: int, rng: np.random.Generator) -> Mastered:
    """The mix (2, n) with its tone, medium and level; silence stays.

    Its true peak is `mix.peak`, at most -1 dBTP, or up to 0.6 dB less.
    """
    wave = age(tone(wave, mix, sample_rate), mix, sample_rate, rng)
    gain = compressor_gain(wave, mix.squeeze, sample_rate)
    pressed = wave * gain
    if not pressed.any():
        return Mastered(wave, gain)
    limit, ceiling = limiter_gain(pressed, _DRIVE_DECIBELS * max(mix.squeeze, 0.0), sample_rate)
    limit *= np.float32(min(mix.peak, CEILING) * _MARGIN / ceiling)
    return Mastered(pressed * limit, gain * limit)


def tone(wave: Wave, mix: Mix, sample_rate: int) -> Wave:
    """Treble against bass, a top, and no offset: a linear filter, so that stems can take it one by one."""
    if mix.tilt:
        wave = wave + np.float32(10 ** (mix.tilt / 20) - 1) * one_pole(wave, _TILT_HERTZ, sample_rate, high=True)
    if mix.top is not None and mix.top < 0.45 * sample_rate:
        wave = sosfilt(butter(3, mix.top, fs=sample_rate, output="sos"), wave).astype(np.float32)
    return np.asarray(wave - wave.mean(axis=1, keepdims=True), np.float32)


def age(wave: Wave, mix: Mix, sample_rate: int, rng: np.random.Generator) -> Wave:
    """Tape (saturation, wow and flutter, less treble) and vinyl (dust and rumble), as far as the mix has them."""
    phase = float(rng.random())
    if mix.tape > 0:
        # So gentle that only the third harmonic counts: nothing below 8 kHz folds back.
        level = np.float32(3 * math.sqrt(float(np.mean(np.square(wave)))) / (0.4 + 0.8 * mix.tape) + 1e-9)
        wave = level * np.tanh(wave / level)
        wave = one_pole(wave, 20000 - 11000 * mix.tape, sample_rate)
        wave = wow_and_flutter(wave, mix.tape, sample_rate, phase)
    if mix.crackle > 0:
        wave = wave + np.float32(mix.crackle) * _vinyl(wave, sample_rate, rng)
    return wave


def _vinyl(wave: Wave, sample_rate: int, rng: np.random.Generator) -> Wave:
    """A dozen or so faint clicks a second, each nearer to one side, and the turntable's rumble, mostly in the side."""
    size = wave.shape[1]
    click = np.zeros(round(_CLICK_SECONDS * sample_rate), np.float32)
    # A click lasts as long at any rate, so it is as high as there are samples in it.
    click[0] = math.sqrt(sample_rate / 16000)
    click = lfilter(*butter(1, [800, min(7000.0, 0.4 * sample_rate)], "band", fs=sample_rate), click)
    dust = np.zeros((2, size + click.size), np.float32)
    count = int(rng.poisson(14 * size / sample_rate))
    strength = rng.standard_normal(count) * rng.uniform(0.3, 2.0, count)
    pan = rng.uniform(-0.7, 0.7, count)
    for at, sides in zip(rng.integers(0, size, count), (np.stack([1 - pan, 1 + pan]) * strength).T, strict=True):
        dust[:, at : at + click.size] += np.multiply.outer(sides, click).astype(np.float32)
    rumble = _rumble(size, sample_rate, rng)
    dust[0, :size] += np.float32(0.25 * _RUMBLE) * rumble
    dust[1, :size] -= np.float32(0.2 * _RUMBLE) * rumble
    return np.asarray(dust[:, :size] * np.float32(math.sqrt(float(np.mean(np.square(wave))))))


def _rumble(size: int, sample_rate: int, rng: np.random.Generator) -> Wave:
    """Noise of 20 to 60 Hz, made at a low rate: (size,), 1 root mean square."""
    step = sample_rate // _RUMBLE_RATE
    slow = lfilter(*butter(2, [20, 60], "band", fs=sample_rate / step), rng.standard_normal(size // step + 2))
    return ramps(np.asarray(slow / (np.sqrt(np.mean(slow**2)) + 1e-9)), step, size)

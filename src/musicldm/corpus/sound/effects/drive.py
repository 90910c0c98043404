"""What bends a wave out of shape: saturation, guitar amplifier and cabinet, fewer bits."""

import math
from collections.abc import Callable
from functools import lru_cache

import numpy as np
from scipy.fft import irfft, rfft
from scipy.signal import firwin, oaconvolve, upfirdn

from musicldm.audio import Wave
from musicldm.corpus.sound.effects.filters import one_pole, swept
from musicldm.corpus.sound.waves import Samples

_INNER_RATE = 88200
_HALF = 8
_CABINET_TAPS = 0.02
_DOUBLE_SECONDS = 0.009


def shaped(wave: Wave, gain: float, bias: float, sample_rate: int) -> Wave:
    """tanh(gain × wave + bias), computed at 88 kHz or more so that its overtones do not fold back; (n,), no offset."""
    times = max(1, math.ceil(_INNER_RATE / sample_rate))
    taps = _lowpass(times)
    dense = upfirdn(taps * np.float32(times), wave, up=times)
    bent = np.tanh(np.float32(gain) * dense + np.float32(bias)) - np.float32(math.tanh(bias))
    delay = taps.size - 1
    return np.asarray(upfirdn(taps, bent, down=times)[delay // times : delay // times + wave.size], np.float32)


@lru_cache
def _lowpass(times: int) -> Wave:
    return np.asarray(firwin(2 * _HALF * times + 1, 0.92 / times if times > 1 else 0.98), np.float32)


def saturate(wave: Wave, gain: float, sample_rate: int) -> Wave:
    """Both sides through tanh, the level of small signals kept."""
    return both(wave, lambda side: shaped(side, gain, 0.0, sample_rate)) / np.float32(gain)


def both(wave: Wave, effect: Callable[[Wave], Wave]) -> Wave:
    """An effect (n,) → (n,) on both sides, computed once where they are the same."""
    first = effect(wave[0])
    return np.stack([first, first if np.array_equal(wave[0], wave[1]) else effect(wave[1])])


def amplify(wave: Wave, gain: float, sample_rate: int) -> Wave:
    """A guitar amplifier, one a side: bass cut before a valve stage, tone after it, then a second stage; (2, n)."""
    level = np.float32(1.0 / (np.sqrt(np.mean(np.square(wave))) * 4 + 1e-9))

    def stages(side: Wave) -> Wave:
        tight = one_pole(side, 150 if gain < 8 else 250, sample_rate, high=True)
        crunch = shaped(tight, gain, 0.15, sample_rate)
        return np.asarray(np.tanh(np.float32(1.3) * one_pole(crunch, 6000, sample_rate)))

    return both(wave * level, stages)


def cabinet(wave: Wave, sample_rate: int, *, doubled: bool = False) -> Wave:
    """A cabinet of four 12-inch speakers before a dynamic microphone.

    doubled: as if played twice: the right side 9 ms later, from another place of the microphone.
    """
    late = round(_DOUBLE_SECONDS * sample_rate) if doubled else 0
    right = np.concatenate([np.zeros(late, np.float32), wave[1, : wave.shape[1] - late]])
    sides = [(wave[0], _cabinet_response(sample_rate, 0)), (right, _cabinet_response(sample_rate, int(doubled)))]
    if not doubled and np.array_equal(wave[0], wave[1]):
        sides = sides[:1]
    heard = [oaconvolve(side, answer)[: wave.shape[1]] for side, answer in sides]
    return np.stack([heard[0], heard[-1]]).astype(np.float32)


@lru_cache
def _cabinet_response(sample_rate: int, voice: int) -> Wave:
    """Minimum-phase impulse response of the magnitudes that such cabinets have (after the real cepstrum)."""
    size = 1 << math.ceil(math.log2(4 * _CABINET_TAPS * sample_rate))
    frequency = np.fft.rfftfreq(size, 1 / sample_rate)
    octaves = np.log2(np.maximum(frequency, 1.0))
    peaks = ((110, 5.0, 0.5), (420, -4.0, 0.7), (2600, 6.0, 0.6), (3900, 4.0, 0.35))
    if voice:
        peaks = ((95, 6.0, 0.5), (500, -2.5, 0.8), (2100, 4.0, 0.7), (3300, 5.0, 0.4))
    decibels = sum(gain * np.exp(-(((octaves - math.log2(at)) / width) ** 2)) for at, gain, width in peaks)
    decibels = decibels - 10 * np.log10(1 + (70 / np.maximum(frequency, 1.0)) ** 4)
    decibels = decibels - 10 * np.log10(1 + (frequency / (4700 if voice else 5200)) ** 8)
    answer = minimum_phase(10 ** (decibels / 20))[: round(_CABINET_TAPS * sample_rate)]
    return np.asarray(answer / np.sqrt(np.sum(answer**2)), np.float32)


def minimum_phase(magnitude: Samples) -> Samples:
    """Impulse response of least delay with these magnitudes (size / 2 + 1,): its cepstrum folded onto later times."""
    cepstrum = irfft(np.log(np.maximum(magnitude, 1e-5)))
    half = cepstrum.size // 2
    cepstrum[1:half] *= 2
    cepstrum[half + 1 :] = 0
    return np.asarray(irfft(np.exp(rfft(cepstrum))))


def crush(wave: Wave, sample_rate: int, *, bits: int = 6, hertz: float = 11000.0) -> Wave:
    """Samples held at `hertz` and rounded to `bits`, as the converters of early samplers did."""
    hold = max(1.0, sample_rate / hertz)
    held = wave[:, (np.floor(np.arange(wave.shape[1]) / hold) * hold).astype(np.int64)]
    peak = np.abs(held).max() + 1e-9
    levels = 2.0 ** (bits - 1)
    return np.asarray(np.round(held / peak * levels) / levels * peak, np.float32)


def wah(wave: Wave, centre: Wave | Samples, sample_rate: int) -> Wave:
    """A resonant band-pass at `centre` Hz (n,) on top of some of the dry sound."""
    return np.asarray(0.25 * wave + 1.2 * swept(wave, "band", centre, (3.0,), sample_rate), np.float32)

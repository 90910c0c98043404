"""Levels of stems and how they are measured."""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt
from scipy.signal import butter, sosfilt

from musicldm.audio import Wave
from musicldm.corpus.sound.waves import Samples

_BLOCK_SECONDS = 0.1
_GATE = 0.1
_LAGS = 5
_SWEEP_CORNER = 500


@lru_cache
def _weights(sample_rate: int) -> Samples:
    """Cosine coefficients of the treble weighting of power: 0.16 at 0 Hz, rising to 2.56 at 8 kHz, level above.

    A power that is a sum of cosines is a sum of autocorrelations, so that no filter has to run. Five come within
    0.2 dB of it at 16 to 48 kHz (least squares of the relative error), within 0.4 dB at 8 kHz.
    """
    frequency = np.geomspace(30, sample_rate / 2, 600)
    power = 1.36 - 1.2 * np.cos(math.pi * np.minimum(frequency, 8000) / 8000)
    cosines = np.cos(2 * math.pi * np.outer(frequency, np.arange(_LAGS)) / sample_rate)
    cosines[:, 1:] *= 2
    return np.asarray(np.linalg.lstsq(cosines / power[:, None], np.ones(600), rcond=None)[0])


def loudness(wave: Wave, sample_rate: int) -> float:
    """Root mean square of (n,) or (2, n) while it sounds: treble weighted, in blocks of 0.1 s, gated.

    The gate is 10 dB below the mean, as in ITU-R BS.1770; the weighting rises over the whole treble. Two equal sides
    are as loud as one.
    """
    channels = np.atleast_2d(wave)
    if len(channels) == 2 and np.array_equal(channels[0], channels[1]):
        channels = channels[:1]
    power = np.mean([_block_powers(channel, sample_rate) for channel in channels], axis=0)
    if not power.any():
        return 0.0
    return float(np.sqrt(power[power >= _GATE * power.mean()].mean()))


def _block_powers(channel: Wave, sample_rate: int) -> npt.NDArray[np.float32]:
    weights = _weights(sample_rate)
    count = channel.size - len(weights) + 1
    block = min(round(_BLOCK_SECONDS * sample_rate), count)
    used = count // block * block
    rows = channel[:used].reshape(-1, block)
    total = np.zeros(len(rows), np.float32)
    for lag, weight in enumerate(weights):
        shifted = channel[lag : lag + used].reshape(-1, block)
        total += np.float32(weight if lag == 0 else 2 * weight) * np.einsum("ij,ij->i", rows, shifted)
    return np.maximum(total / block, 0)


def balance(wave: Wave, level: float, sample_rate: int) -> Wave:
    """Scaled so that its loudness is `level` decibels; silence stays."""
    heard = loudness(wave, sample_rate)
    if heard <= 0:
        return wave
    return wave * np.float32(10 ** (level / 20) / heard)


def sweep(wave: Wave, openness: tuple[float, float] | None, sample_rate: int) -> Wave:
    """A filter that opens or closes over the clip: a fade between the wave and its part below 500 Hz."""
    if openness is None:
        return wave
    low = sosfilt(butter(2, _SWEEP_CORNER, fs=sample_rate, output="sos"), wave).astype(np.float32)
    gain = np.linspace(openness[0], openness[1], wave.shape[1], dtype=np.float32)
    swept: Wave = low + gain * (wave - low)
    return swept

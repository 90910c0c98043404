"""An excerpt of a clip for training: varied in speed, tempo, colour and cleanness, its beats going along.

Speed is changed on the wave, by the same resampling that brings it to 22,050 Hz; all else on its mel magnitudes, where
it costs next to nothing: tempo by reading frames faster or slower, filters as curves over the bins, noise as such.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import soxr
import torch
from torch import Tensor

from musicldm.audio.resampling import resample
from musicldm.beats.spectrum import FRAMES_PER_SECOND, SPEC, magnitudes, reflected
from musicldm.errors import InvalidInputError

Floats = npt.NDArray[np.float64]
Times = tuple[Floats, Floats]
"""Beats and downbeats in seconds."""

_CURVE_POINTS = 6
_CUT_DECIBELS = -36.0


@dataclass(frozen=True)
class Variation:
    """How often, a share of the excerpts each, and how far they are varied.

    Args:
        speed, speed_octaves: tempo and pitch together, up to so many octaves up or down.
        tempo, tempo_octaves: tempo alone, steady within the excerpt.
        change: share of those of a varied tempo in which it changes at a random moment.
        mix: another clip under it, `mix_decibels` softer.
        curve_decibels: deviation of a random equaliser.
        cut: low-pass or high-pass.
        noise, noise_decibels: noise of a random slope, against the mean magnitude.
        gap, gap_seconds: silence for at most so long; the beats go on through it.
        gain_decibels: least and most gain.

    Raises:
        InvalidInputError: a share outside 0 to 1.
    """

    speed: float = 0.5
    speed_octaves: float = 0.25
    tempo: float = 0.3
    tempo_octaves: float = 0.25
    change: float = 0.3
    mix: float = 0.1
    mix_decibels: tuple[float, float] = (-20.0, -8.0)
    curve_decibels: float = 5.0
    cut: float = 0.2
    noise: float = 0.25
    noise_decibels: tuple[float, float] = (-35.0, -5.0)
    gap: float = 0.1
    gap_seconds: float = 1.5
    gain_decibels: tuple[float, float] = (-18.0, 6.0)

    def __post_init__(self) -> None:
        for name in ("speed", "tempo", "change", "mix", "cut", "noise", "gap"):
            if not 0 <= getattr(self, name) <= 1:
                raise InvalidInputError(f"variation {name} is {getattr(self, name)}: a share from 0 to 1")


def plain_excerpt(wave: npt.NDArray[np.float32], sample_rate: int) -> Tensor:
    """Wave (samples,) to its mel magnitudes (frames, 128), unvaried."""
    return magnitudes(torch.from_numpy(reflected(resample(wave, sample_rate, SPEC.sample_rate))))


def varied_excerpt(
    wave: npt.NDArray[np.float32],
    sample_rate: int,
    times: Times,
    other: npt.NDArray[np.float32],
    frames: int,
    variation: Variation,
    rng: np.random.Generator,
) -> tuple[Tensor, Times]:
    """Mel magnitudes (at most `frames`, 128) of a random excerpt, and its beats in seconds from its first frame.

    Args:
        wave: the clip (samples,).
        sample_rate: in Hz.
        times: the clip's beats and downbeats.
        other: a clip of the same length, mixed in where that is drawn.
        frames: 50 a second.
        variation: how often and how far.
        rng: of all draws.
    """
    if rng.random() < variation.mix:
        wave = wave + _decibels(rng.uniform(*variation.mix_decibels)) * np.roll(other, int(rng.integers(len(other))))
    speed = _octaves(rng, variation.speed, variation.speed_octaves)
    resampled = np.asarray(soxr.resample(wave, sample_rate * speed, SPEC.sample_rate, "LQ"), dtype=np.float32)
    mel = magnitudes(torch.from_numpy(reflected(resampled))).numpy()
    positions = _positions(len(mel), frames, variation, rng)
    mel = _read_at(mel, positions)
    beats, downbeats = (_moved(moments / speed, positions) for moments in times)
    mel *= _colour(mel.shape[1], variation, rng)
    _spoil(mel, variation, rng)
    return torch.from_numpy(mel), (beats, downbeats)


def _decibels(value: float) -> np.float32:
    return np.float32(10 ** (value / 20))


def _octaves(rng: np.random.Generator, share: float, octaves: float) -> float:
    """A factor up to so many octaves up or down in a share of the draws, else 1."""
    draw, power = rng.random(), rng.uniform(-octaves, octaves)
    return float(2**power) if draw < share else 1.0


def _positions(count: int, frames: int, variation: Variation, rng: np.random.Generator) -> Floats:
    """Which frame of `count`, between frames too, each frame of the excerpt is: ascending, at most `frames` of them."""
    first = _octaves(rng, variation.tempo, variation.tempo_octaves)
    rates = np.full(frames, first)
    if first != 1.0 and rng.random() < variation.change:
        rates[int(rng.integers(frames)) :] = _octaves(rng, 1.0, variation.tempo_octaves)
    offsets = np.concatenate([[0.0], np.cumsum(rates[:-1])])
    positions = offsets + rng.uniform(0, max(count - 1 - offsets[-1], 0))
    return np.asarray(positions[positions <= count - 1])


def _read_at(mel: npt.NDArray[np.float32], positions: Floats) -> npt.NDArray[np.float32]:
    low = np.minimum(positions.astype(np.int64), max(len(mel) - 2, 0))
    share = (positions - low).astype(np.float32)[:, None]
    return np.asarray((1 - share) * mel[low] + share * mel[np.minimum(low + 1, len(mel) - 1)])


def _moved(moments: Floats, positions: Floats) -> Floats:
    """Moments of the clip in seconds to those of the excerpt; those outside it are dropped."""
    at = moments * FRAMES_PER_SECOND
    inside = (at >= positions[0]) & (at <= positions[-1])
    return np.asarray(np.interp(at[inside], positions, np.arange(len(positions)))) / FRAMES_PER_SECOND


def _colour(bins: int, variation: Variation, rng: np.random.Generator) -> npt.NDArray[np.float32]:
    """Gain, equaliser and filter as one factor (bins,)."""
    points = rng.normal(0, variation.curve_decibels, _CURVE_POINTS)
    curve = np.interp(np.linspace(0, _CURVE_POINTS - 1, bins), np.arange(_CURVE_POINTS), points)
    curve += rng.uniform(*variation.gain_decibels)
    if rng.random() < variation.cut:
        edge = int(rng.integers(bins // 4, bins))
        low_pass, high = rng.random() < 0.6, int(rng.integers(1, bins // 4))
        curve[slice(edge, None) if low_pass else slice(0, high)] += _CUT_DECIBELS
    return (10 ** (curve / 20)).astype(np.float32)


def _spoil(mel: npt.NDArray[np.float32], variation: Variation, rng: np.random.Generator) -> None:
    """A gap and noise, in place."""
    if rng.random() < variation.gap:
        length = int(rng.uniform(0, variation.gap_seconds) * FRAMES_PER_SECOND)
        start = int(rng.integers(max(len(mel) - length, 1)))
        mel[start : start + length] = 0
    if rng.random() < variation.noise:
        level = _decibels(rng.uniform(*variation.noise_decibels)) * mel.mean()
        slope = 10 ** (np.linspace(-1, 1, mel.shape[1]) * rng.uniform(-15, 15) / 20)
        mel += level * slope.astype(np.float32) * np.abs(rng.standard_normal(mel.shape, dtype=np.float32))

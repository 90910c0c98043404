"""A wave to what is compared: embeddings of the whole and of overlapping segments, fingerprint peaks, and outline."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from musicldm.audio import Wave
from musicldm.audio.resampling import resample
from musicldm.errors import InvalidInputError
from musicldm.listeners.embedders import Embedder, Floats
from musicldm.novelty.fingerprint import RATE, Peaks, peaks_of
from musicldm.novelty.outline import Outline, outline_of

SHORTEST = 1.0
"""Seconds."""


@dataclass(frozen=True)
class Cutting:
    """How sound is cut for an index and for what is checked against it.

    Args:
        seconds: of a clip: what is longer is cut into these.
        segment: seconds of a segment.
        hop: seconds from one segment to the next.
    """

    seconds: float = 10.24
    segment: float = 3.0
    hop: float = 1.5

    def __post_init__(self) -> None:
        if not SHORTEST <= self.hop <= self.segment <= self.seconds <= 600:
            given = f"clips of {self.seconds:g} s, segments of {self.segment:g} s every {self.hop:g} s"
            raise InvalidInputError(f"{given}: valid is {SHORTEST:g} <= hop <= segment <= clip <= 600")

    def segments(self, seconds: float) -> list[float]:
        """Where the segments of a sound begin, in seconds; the last one ends with it. One where it is shorter."""
        last = seconds - self.segment
        if last <= 0:
            return [0.0]
        whole = [index * self.hop for index in range(int(last / self.hop) + 1)]
        # A remainder that a segment nearly covers already is no segment of its own.
        return whole if last - whole[-1] < self.hop / 4 else [*whole, last]

    def pieces(self, seconds: float) -> list[float]:
        """Where the pieces of `self.seconds` of a longer sound begin, overlapping by half; the last ends with it."""
        last = seconds - self.seconds
        if last <= 0:
            return [0.0]
        return [*np.arange(0, last, self.seconds / 2).tolist(), last]


@dataclass(frozen=True)
class Features:
    """What is compared of a sound of `seconds`.

    Args:
        seconds: its length.
        whole: (D,) its embedding.
        segments: (S, D) those of its segments.
        starts: (S,) where they begin, in seconds.
        peaks: (n, 2) of its fingerprint.
        outline: (m,) every step of it.
    """

    seconds: float
    whole: Floats
    segments: Floats
    starts: tuple[float, ...]
    peaks: Peaks
    outline: Outline


def features_of(wave: Wave, sample_rate: int, embedder: Embedder, cutting: Cutting) -> Features:
    """The features of a wave (samples,) of at least a second, of any rate.

    Raises:
        InvalidInputError: it is shorter.
    """
    seconds = len(wave) / sample_rate
    if seconds < SHORTEST:
        raise InvalidInputError(f"{seconds:.2f} s of sound: at least {SHORTEST:g} s is needed")
    rate = embedder.identity.sample_rate
    sound = resample(wave, sample_rate, rate)
    starts = cutting.segments(seconds)
    length = min(round(cutting.segment * rate), len(sound))
    firsts = [min(round(start * rate), len(sound) - length) for start in starts]
    segments = np.stack([sound[first : first + length] for first in firsts])
    whole = embedder.audio(sound[None])[0]
    parts = embedder.audio(segments) if len(starts) > 1 or length < len(sound) else whole[None]
    at_rate = resample(wave, sample_rate, RATE)
    return Features(seconds, whole, parts, tuple(starts), peaks_of(at_rate), outline_of(at_rate, RATE))

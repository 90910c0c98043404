"""What every part of the room agrees on: waves are float32, (2, n) for left and right; and how notes become one."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.linalg.blas import saxpy

from musicldm.audio import Wave
from musicldm.corpus.composing.score import Note

Samples = npt.NDArray[np.float64]

LAYERS = 8
# Drum keys that end one another: hi-hats, triangles, surdos, cuicas, guiros, whistles.
CHOKED = {42: 1, 44: 1, 46: 1, 80: 2, 81: 2, 86: 3, 87: 3, 78: 4, 79: 4, 73: 5, 74: 5, 71: 6, 72: 6}
# Drum keys of transitions, which last as long as they are written.
TIMED = range(27, 32)
_LENGTH_GRID = 0.005
_SHORTEST = 0.03
_SLIDE_SECONDS = 0.1
_VIBRATO_AFTER = 0.25
_VIBRATO_SWELL = 0.3
_VIBRATO_HERTZ = 5.5


@dataclass(frozen=True)
class Clock:
    """Samples a second, samples before the clip that are rendered too (`lead_in`), and samples in all (`count`)."""

    sample_rate: int
    lead_in: int
    count: int

    def at(self, seconds: float) -> int:
        """The sample of a time in the clip."""
        return self.lead_in + round(seconds * self.sample_rate)


@dataclass(frozen=True)
class Hit:
    """A note without its time: two equal ones sound the same, so that each is made once and added where it stands.

    length: seconds held, None for drums, which ring out; bend: semitones at its start; vibrato: semitones; glide:
    seconds that the bend takes; velocity: the middle of one of `LAYERS` equal steps.
    """

    pitch: int
    velocity: int
    length: float | None
    bend: float = 0.0
    vibrato: float = 0.0
    glide: float = _SLIDE_SECONDS

    @property
    def steady(self) -> bool:
        return not self.bend and not self.vibrato


Voice = Callable[[Hit], Wave]


def schedule(
    notes: Sequence[Note], clock: Clock, *, drums: bool = False, glide: float = 0.0
) -> list[tuple[int, float, Hit]]:
    """(first sample, gain, hit) of every note that begins inside the clock. A pitch struck again ends first.

    drums: they ring out, but an open hi-hat until the next stroke of the hi-hat, and transitions last as written;
    glide: seconds that bends take (0: 0.1 s).
    """
    plan: list[tuple[int, float, Hit]] = []
    latest: dict[int, int] = {}
    for note in reversed(notes):
        begin = clock.at(note.start)
        if not 0 <= begin < clock.count:
            continue
        group = CHOKED.get(note.pitch, 0) if drums else note.pitch
        end = min(clock.at(note.end), latest.get(group, clock.count))
        if drums and note.pitch not in TIMED:
            end = latest.get(group, 0) if group else 0
        latest[group] = begin
        length = _on_grid((end - begin) / clock.sample_rate) if end > begin else None
        layer = layer_of(note.velocity)
        hit = Hit(note.pitch, layer, length, note.bend, note.vibrato, glide or _SLIDE_SECONDS)
        plan.append((begin, note.velocity / layer, hit))
    return plan[::-1]


def layer_of(velocity: int) -> int:
    """The middle of the velocity's layer; what remains is a gain."""
    width = 128 // LAYERS
    return min(max(velocity, 0), 127) // width * width + width // 2


def _on_grid(seconds: float) -> float:
    """Lengths 5 ms apart, so that the same note in the next bar is the same hit."""
    return round(max(_SHORTEST, math.floor(seconds / _LENGTH_GRID + 1e-6) * _LENGTH_GRID), 4)


def assemble(plan: Sequence[tuple[int, float, Hit]], voice: Voice, count: int) -> Wave:
    """The hits of a schedule, each made once by `voice`, added up: (c, count) if the voice gives (c, n)."""
    made: dict[Hit, Wave] = {}
    for *_, hit in plan:
        if hit not in made:
            made[hit] = voice(hit)
    wave = np.zeros((len(next(iter(made.values()))) if made else 1, count), np.float32)
    for begin, gain, hit in plan:
        sound = made[hit]
        used = min(sound.shape[1], count - begin)
        for channel, row in zip(wave, sound, strict=True):
            # y += a x in place, one pass over memory.
            saxpy(row, channel, n=used, a=gain, offy=begin)
    return wave


def pitch_curve(hit: Hit, count: int, sample_rate: int) -> Wave:
    """Semitones from the hit's pitch over `count` samples: the slide into it, then vibrato after a quarter second."""
    time = np.arange(count, dtype=np.float32) / np.float32(sample_rate)
    slide = np.float32(hit.bend) * np.maximum(0, 1 - time / np.float32(hit.glide))
    if not hit.vibrato:
        return np.asarray(slide)
    swell = np.clip((time - np.float32(_VIBRATO_AFTER)) / np.float32(_VIBRATO_SWELL), 0, 1)
    return np.asarray(slide + np.float32(hit.vibrato) * swell * np.sin(np.float32(2 * math.pi * _VIBRATO_HERTZ) * time))


def pitch_ratio(hit: Hit, count: int, sample_rate: int) -> Wave:
    """The same as factors on the pitch."""
    return np.asarray(np.exp2(pitch_curve(hit, count, sample_rate) / np.float32(12)))

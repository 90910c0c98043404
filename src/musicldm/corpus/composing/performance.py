"""Written tones to played notes: swing, human timing and touch, articulation, ornaments, bends and vibrato."""

from collections.abc import Sequence

import numpy as np

from musicldm.corpus.composing.plan import Plan
from musicldm.corpus.composing.score import Note, Tone
from musicldm.corpus.sound.instruments import Instrument

_TOUCH = {"lead": 102, "counter": 78, "chords": 84, "pad": 76, "bass": 98, "drums": 112}
_DRUM_STEADINESS = 0.35
_GRACE_SECONDS = 0.07
_LONG_SECONDS = 0.35
_VIBRATO = {
    "strings": 0.18,
    "reed": 0.14,
    "brass": 0.1,
    "flute": 0.14,
    "voice": 0.16,
    "synth lead": 0.12,
    "guitar": 0.1,
}


def perform(
    rng: np.random.Generator, plan: Plan, role: str, player: Instrument, tones: Sequence[Tone], *, rise: float = 0.0
) -> tuple[Note, ...]:
    """The notes of one part in order of time. `rise`: how much louder it gets over the clip, 0-1."""
    spread = plan.style.human / 1000 * (_DRUM_STEADINESS if role == "drums" else 1.0)
    touch = _TOUCH[role] * plan.character.touch * (1 + 0.16 * plan.force)
    late = np.clip(rng.normal(0, spread, len(tones)), -2 * spread, 2 * spread)
    human = rng.normal(1, 0.012 * min(plan.style.human, 6), len(tones))
    notes: list[Note] = []
    for tone, delay, strength in zip(tones, late, human, strict=True):
        start = plan.grid.time(tone.bar, tone.step) + float(delay)
        growth = 1 + rise * (min(max(start / plan.grid.seconds, 0.0), 1.0) - 0.7)
        velocity = int(min(max(touch * tone.weight * strength * growth, 20), 127))
        end = start + _length(plan, role, tone)
        if role == "lead":
            notes += _adorned(rng, plan, player, Note(start, end, tone.pitch, velocity))
        else:
            notes.append(Note(start, end, tone.pitch, velocity))
    return tuple(sorted(notes, key=lambda note: (note.start, note.pitch)))


def _length(plan: Plan, role: str, tone: Tone) -> float:
    gate = plan.character.gate if role in ("lead", "chords", "counter") else 1.0
    return max(0.05, tone.length * plan.grid.step_seconds * gate)


def _adorned(rng: np.random.Generator, plan: Plan, player: Instrument, note: Note) -> list[Note]:
    """The note with a grace note before it, or bent up into its pitch, and vibrato if it is long."""
    grace, bend = rng.random(2)
    semitones = int(rng.integers(1, 3))
    length = note.end - note.start
    depth = _VIBRATO.get(player.family, 0.0) if player.sustain and length > _LONG_SECONDS else 0.0
    if bend < plan.style.bend and player.family in ("guitar", "reed", "brass", "strings", "synth lead", "voice"):
        return [Note(note.start, note.end, note.pitch, note.velocity, -float(semitones), depth)]
    main = Note(note.start, note.end, note.pitch, note.velocity, 0.0, depth)
    if grace < plan.style.ornament * 0.5 and length > 1.5 * _GRACE_SECONDS:
        before = Note(note.start - _GRACE_SECONDS, note.start, note.pitch - semitones, int(note.velocity * 0.8))
        return [before, main]
    return [main]

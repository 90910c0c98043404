"""Written tones to played notes: swing, human timing and touch, articulation, ornaments, bends and vibrato."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from musicldm.corpus.composing.plan import Plan
from musicldm.corpus.composing.score import Note, Tone
from musicldm.corpus.composing.theory import SCALES
from musicldm.corpus.sound.instruments import Instrument

_TOUCH = {"lead": 102, "counter": 78, "chords": 84, "pad": 76, "bass": 98, "drums": 112}
_DRUM_STEADINESS = 0.35
_GRACE_SECONDS = 0.07
_LONG_SECONDS = 0.35
_TRILL_SECONDS = 0.09
_TREMOLO_SECONDS = 0.085
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
    if role == "lead":
        # Its voices are one player's.
        first = {
            (tone.bar, tone.step): float(delay) for tone, delay in zip(reversed(tones), reversed(late), strict=True)
        }
        late = np.array([first[tone.bar, tone.step] for tone in tones])
    notes: list[Note] = []
    for tone, delay, strength in zip(tones, late, human, strict=True):
        start = plan.grid.time(tone.bar, tone.step) + float(delay)
        growth = 1 + rise * (min(max(start / plan.grid.seconds, 0.0), 1.0) - 0.7)
        velocity = int(min(max(touch * tone.weight * strength * growth, 20), 127))
        end = start + _length(plan, role, tone)
        note = Note(start, end, tone.pitch, velocity)
        if role == "lead":
            notes += _adorned(rng, plan, player, note)
        elif role == "bass" and plan.style.slide and rng.random() < plan.style.slide:
            notes.append(replace(note, bend=float(rng.choice([-2.0, 2.0]))))
        else:
            notes.append(note)
    if role == "chords" and plan.style.strum:
        notes = _strummed(notes, plan)
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
    if length > _LONG_SECONDS and rng.random() < plan.style.trill:
        return _repeated(note, _TRILL_SECONDS, (0, _step_up(plan, note.pitch)))
    if length > _LONG_SECONDS and not player.sustain and rng.random() < plan.style.tremolo:
        return _repeated(note, _TREMOLO_SECONDS, (0,))
    main = Note(note.start, note.end, note.pitch, note.velocity, 0.0, depth)
    if grace < plan.style.ornament * 0.5 and length > 1.5 * _GRACE_SECONDS:
        before = Note(note.start - _GRACE_SECONDS, note.start, note.pitch - semitones, int(note.velocity * 0.8))
        return [before, main]
    return [main]


def _step_up(plan: Plan, pitch: int) -> int:
    """Semitones to the scale's next degree above a pitch."""
    degrees = {(plan.tonic + step) % 12 for step in SCALES[plan.mode]}
    return next(up for up in (1, 2, 3) if (pitch + up) % 12 in degrees or up == 3)


def _repeated(note: Note, seconds: float, offsets: tuple[int, ...]) -> list[Note]:
    """The note as a run of short ones, its pitch moved by each of `offsets` in turn; it ends on its own pitch."""
    count = max(2, int((note.end - note.start) / seconds)) // len(offsets) * len(offsets) + len(offsets) - 1
    edges = np.linspace(note.start, note.end, count + 1)
    return [
        Note(float(edges[i]), float(edges[i + 1]), note.pitch + offsets[i % len(offsets)], note.velocity - 8 * (i % 2))
        for i in range(count)
    ]


def _strummed(notes: list[Note], plan: Plan) -> list[Note]:
    """The strings of a chord one after another: down on the beat, up between beats."""
    chords: dict[float, list[Note]] = {}
    for note in notes:
        chords.setdefault(round((note.start - plan.grid.origin) / plan.grid.step_seconds), []).append(note)
    played: list[Note] = []
    for step, strings in chords.items():
        down = step % plan.grid.steps in plan.grid.beat_steps
        for index, note in enumerate(sorted(strings, key=lambda n: n.pitch if down else -n.pitch)):
            late = index * plan.style.strum
            played.append(replace(note, start=note.start + late, end=max(note.end, note.start + late + 0.05)))
    return played

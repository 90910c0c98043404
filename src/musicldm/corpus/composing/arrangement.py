"""A seed to a score: attributes → parts → sections → notes in seconds. Pure and deterministic; no audio."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from musicldm.corpus.composing.accompaniment import write_bass, write_chords, write_counter, write_pad
from musicldm.corpus.composing.drums import write_drums
from musicldm.corpus.composing.melody import harmonise, write_melody
from musicldm.corpus.composing.performance import perform
from musicldm.corpus.composing.plan import Plan, draw_plan
from musicldm.corpus.composing.score import Mix, Score, Stem, Tone
from musicldm.corpus.styles.style import DRUM_KEYS
from musicldm.corpus.truth import GENRES, Part, Truth
from musicldm.errors import InvalidInputError, unknown_choice

_ORDER = ("lead", "counter", "chords", "pad", "bass", "drums")
_LEVELS = {"lead": 0.0, "counter": -12.0, "chords": -9.5, "pad": -12.5, "bass": -6.0, "drums": -3.5}
_SENDS = {"lead": 1.0, "counter": 1.2, "chords": 1.0, "pad": 1.3, "bass": 0.15, "drums": 0.5}
_ENERGY_LEVELS = {"drums": 2.0, "bass": 1.0, "chords": 0.5}
_SHAPES = {"full": 0.34, "build": 0.2, "late lead": 0.12, "thin end": 0.12, "late rhythm": 0.08, "break": 0.14}
_LONGEST_BREAK = 2.6


@dataclass(frozen=True)
class Section:
    """The bars that a part plays, a bar or two of them silent, and how much it grows, 0-1."""

    bars: range
    rests: frozenset[int] = frozenset()
    rise: float = 0.0


def compose(seed: int, *, seconds: float = 10.24, genre: str | None = None) -> Score:
    """The score of one clip.

    seed: ≥ 0, decides everything; seconds: 1 to 600; genre: one of `truth.GENRES`, or None to draw it.
    Raises InvalidInputError for a value outside these.
    """
    if seed < 0:
        raise InvalidInputError(f"seed {seed}: a whole number from 0 up")
    if not 1 <= seconds <= 600:
        raise InvalidInputError(f"seconds {seconds}: from 1 to 600")
    if genre is not None and genre not in GENRES:
        raise unknown_choice("genre", genre, GENRES)
    rng = np.random.default_rng([seed, 1])
    plan = draw_plan(rng, seconds=seconds, genre=genre)
    sections = _draw_sections(rng, plan)
    stems = tuple(_write_stem(rng, plan, role, sections) for role in _ORDER if role in plan.players)
    kicks = tuple(n.start for s in stems if s.part.role == "drums" for n in s.notes if n.pitch == DRUM_KEYS["k"])
    return Score(_truth(plan, stems, seed), stems, _draw_mix(rng, plan), kicks)


def _truth(plan: Plan, stems: tuple[Stem, ...], seed: int) -> Truth:
    return Truth(
        genre=plan.style.name,
        bpm=plan.grid.bpm,
        meter=plan.grid.meter,
        key=plan.key,
        mode=plan.mode,
        drums="drums" in plan.players,
        instruments=tuple(stem.part for stem in stems),
        mood=plan.mood,
        energy=plan.energy,
        quality=plan.quality,
        beats=plan.grid.beats(),
        downbeats=plan.grid.downbeats(),
        duration=plan.grid.seconds,
        seed=seed,
    )


def _draw_sections(rng: np.random.Generator, plan: Plan) -> Mapping[str, Section]:
    """Parts enter, leave and pause on bar lines; lead and drums stay for most of the clip."""
    bars = plan.grid.bars
    early = max(1, int(bars * 0.25))
    shape = str(rng.choice(list(_SHAPES), p=list(_SHAPES.values())))
    spans = {role: Section(range(bars)) for role in plan.players}
    if bars < 4 or len(spans) < 3 or shape == "full":
        return spans
    changes: dict[str, Section] = {}
    if shape == "build":
        late = range(int(rng.integers(1, early + 2)), bars)
        shy = "bass" if rng.random() < 0.5 else "chords"
        changes = {role: Section(range(bars), rise=0.35) for role in ("lead", "drums", "chords")}
        changes |= {role: Section(late, rise=0.35) for role in ("pad", "counter", shy)}
    elif shape == "late lead":
        changes = {"lead": Section(range(early, bars))}
    elif shape == "thin end":
        shy = "chords" if rng.random() < 0.5 or "pad" not in spans else "pad"
        changes = {shy: Section(range(bars - early))}
    elif shape == "late rhythm":
        changes = {"bass": Section(range(early, bars))}
        if early * plan.grid.bar_seconds <= _LONGEST_BREAK:
            changes["drums"] = Section(range(early, bars))
    elif plan.grid.bar_seconds <= _LONGEST_BREAK and "drums" in spans:
        rests = frozenset({int(rng.integers(1, bars - 1))})
        changes = {"drums": Section(range(bars), rests), "bass": Section(range(bars), rests)}
    return spans | {role: section for role, section in changes.items() if role in spans}


def _write_stem(rng: np.random.Generator, plan: Plan, role: str, sections: Mapping[str, Section]) -> Stem:
    player, section = plan.players[role], sections[role]
    tones = [tone for tone in _writers(rng, plan, role, sections)[role]() if tone.bar not in section.rests]
    sound = plan.style.sound
    level = _LEVELS[role] + sound.levels.get(role, 0.0) + float(rng.normal(0, 0.8))
    level += _ENERGY_LEVELS.get(role, 0.0) * plan.force
    sweep = None
    if role in ("chords", "pad") and rng.random() < sound.sweep:
        sweep = (0.1, 1.0) if rng.random() < 0.7 else (1.0, 0.15)
    return Stem(
        part=Part(player.name, player.family, role),
        instrument=player,
        notes=perform(rng, plan, role, player, tones, rise=section.rise),
        level=level,
        send=_SENDS[role],
        echo=sound.echo * float(rng.uniform(0.6, 1.2)) if role in sound.echoed else 0.0,
        sweep=sweep,
    )


def _writers(
    rng: np.random.Generator, plan: Plan, role: str, sections: Mapping[str, Section]
) -> Mapping[str, Callable[[], list[Tone]]]:
    player, bars = plan.players[role], sections[role].bars
    entries = {section.bars.start for section in sections.values()}
    returns = {bar + 1 for section in sections.values() for bar in section.rests}
    return {
        "lead": lambda: harmonise(rng, plan, player, write_melody(rng, plan, player, bars)),
        "counter": lambda: write_counter(rng, plan, player, bars),
        "chords": lambda: write_chords(rng, plan, player, bars),
        "pad": lambda: write_pad(plan, player, bars),
        "bass": lambda: write_bass(rng, plan, player, bars),
        "drums": lambda: write_drums(rng, plan, bars, frozenset(entries | returns)),
    }


def _draw_mix(rng: np.random.Generator, plan: Plan) -> Mix:
    sound, character = plan.style.sound, plan.character
    return Mix(
        room=float(rng.uniform(*sound.room)) * character.room,
        wet=sound.wet * float(rng.uniform(0.6, 1.4)) * (0.5 + 0.5 * character.room),
        top=None if sound.top is None else float(rng.uniform(*sound.top)),
        tilt=sound.tilt + character.tilt + 2.0 * plan.force + float(rng.normal(0, 0.8)),
        duck=sound.duck * float(rng.uniform(0.6, 1.2)),
        crackle=sound.crackle * float(rng.uniform(0.4, 1.0)),
        squeeze=float(rng.uniform(0.2, 0.6)) + 0.2 * plan.force,
        peak=float(rng.uniform(0.35, 0.7) + 0.125 * (1 + plan.force)),
        echo_seconds=sound.echo_steps * plan.grid.step_seconds,
    )

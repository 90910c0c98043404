"""A seed to a score: attributes → parts → sections → notes in seconds. Pure and deterministic; no audio."""

from collections.abc import Callable

import numpy as np

from musicldm.corpus.accompaniment import write_bass, write_chords, write_counter, write_pad
from musicldm.corpus.drums import write_drums
from musicldm.corpus.instruments import Instrument
from musicldm.corpus.melody import Tone, write_melody
from musicldm.corpus.plan import Plan, draw_plan
from musicldm.corpus.score import Mix, Note, Score, Stem
from musicldm.corpus.styles.style import DRUM_KEYS
from musicldm.corpus.truth import GENRES, Part, Truth
from musicldm.errors import InvalidInputError, unknown_choice

_ORDER = ("lead", "counter", "chords", "pad", "bass", "drums")
_LEVELS = {"lead": 0.0, "counter": -9.0, "chords": -7.5, "pad": -10.0, "bass": -4.5, "drums": -2.5}
_SENDS = {"lead": 1.0, "counter": 1.2, "chords": 1.0, "pad": 1.3, "bass": 0.15, "drums": 0.5}
_TOUCH = {"lead": 100, "counter": 78, "chords": 84, "pad": 76, "bass": 98, "drums": 112}


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


def _draw_sections(rng: np.random.Generator, plan: Plan) -> dict[str, range]:
    """Per role the bars in which it plays. Parts enter or leave on bar lines; lead and drums stay for most of a clip."""
    bars = plan.grid.bars
    early = max(1, int(bars * 0.25))
    spans = {role: range(bars) for role in plan.players}
    shape = rng.choice(["full", "build", "late lead", "thin end", "no bass intro"], p=[0.4, 0.2, 0.15, 0.15, 0.1])
    if bars < 4 or len(spans) < 3 or shape == "full":
        return spans
    if shape == "build":
        for role in ("pad", "counter", "bass" if rng.random() < 0.5 else "chords"):
            if role in spans:
                spans[role] = range(int(rng.integers(1, early + 2)), bars)
    elif shape == "late lead" and "lead" in spans:
        spans["lead"] = range(early, bars)
    elif shape == "thin end":
        role = "chords" if rng.random() < 0.5 or "pad" not in spans else "pad"
        if role in spans:
            spans[role] = range(bars - early)
    elif "bass" in spans:
        spans["bass"] = range(early, bars)
        if "drums" in spans and rng.random() < 0.4:
            spans["drums"] = range(early, bars)
    return spans


def _write_stem(rng: np.random.Generator, plan: Plan, role: str, sections: dict[str, range]) -> Stem:
    player, bars = plan.players[role], sections[role]
    accents = frozenset(span.start for span in sections.values()) | {0}
    writers: dict[str, Callable[[], list[Tone]]] = {
        "lead": lambda: write_melody(rng, plan, player, bars),
        "counter": lambda: write_counter(rng, plan, player, bars),
        "chords": lambda: write_chords(rng, plan, player, bars),
        "pad": lambda: write_pad(plan, player, bars),
        "bass": lambda: write_bass(rng, plan, player, bars),
        "drums": lambda: write_drums(rng, plan, bars, accents),
    }
    notes = _perform(rng, plan, role, player, writers[role]())
    level = _LEVELS[role] + plan.style.sound.levels.get(role, 0.0) + float(rng.normal(0, 1.0))
    return Stem(Part(player.name, player.family, role), player, notes, level, _SENDS[role])


def _perform(
    rng: np.random.Generator, plan: Plan, role: str, player: Instrument, tones: list[Tone]
) -> tuple[Note, ...]:
    """Written tones to played notes: swing, human timing and touch, articulation, grace notes."""
    spread = plan.style.human / 1000 * (0.35 if role == "drums" else 1.0)
    gate = plan.character.gate if role in ("lead", "chords", "counter") else 1.0
    touch = _TOUCH[role] * plan.character.touch * (1 + 0.12 * plan.force)
    jitter = np.clip(rng.normal(0, spread, len(tones)), -2 * spread, 2 * spread)
    weights = rng.normal(1, 0.012 * min(plan.style.human, 6), len(tones))
    notes: list[Note] = []
    for tone, late, human in zip(tones, jitter, weights, strict=True):
        written = plan.grid.time(tone.bar, tone.step)
        start = written + float(late)
        length = max(0.05, tone.length * plan.grid.step_seconds * gate)
        velocity = int(np.clip(touch * tone.weight * human, 20, 127))
        if role == "lead" and rng.random() < plan.style.ornament * 0.5 and tone.length >= 2:
            notes.append(Note(start - 0.07, start, tone.pitch - int(rng.integers(1, 3)), int(velocity * 0.8)))
        notes.append(Note(start, start + length, tone.pitch, velocity))
    return tuple(sorted(notes, key=lambda n: (n.start, n.pitch)))


def _draw_mix(rng: np.random.Generator, plan: Plan) -> Mix:
    sound, character = plan.style.sound, plan.character
    return Mix(
        room=float(rng.uniform(*sound.room)) * character.room,
        wet=sound.wet * float(rng.uniform(0.6, 1.4)) * (0.5 + 0.5 * character.room),
        top=None if sound.top is None else float(rng.uniform(*sound.top)),
        tilt=character.tilt + 1.5 * plan.force + float(rng.normal(0, 1.0)),
        duck=sound.duck * float(rng.uniform(0.6, 1.2)),
        crackle=sound.crackle * float(rng.uniform(0.4, 1.0)),
        squeeze=float(rng.uniform(0.2, 0.6)) + 0.2 * plan.force,
        peak=float(rng.uniform(0.35, 0.95)),
    )

"""A seed to a score: attributes → parts → sections → notes in seconds. Pure and deterministic; no audio."""

from collections.abc import Callable, Mapping

import numpy as np

from musicldm.corpus.composing.accompaniment import write_bass, write_chords, write_counter, write_pad
from musicldm.corpus.composing.annotation import describe
from musicldm.corpus.composing.drums import write_drums
from musicldm.corpus.composing.form import Presence, draw_presence
from musicldm.corpus.composing.melody import harmonise, write_melody
from musicldm.corpus.composing.performance import perform
from musicldm.corpus.composing.plan import Plan, draw_plan
from musicldm.corpus.composing.production import draw_mix, draw_push, drum_level, production_words
from musicldm.corpus.composing.score import Score, Stem, Tone
from musicldm.corpus.composing.seeds import choose_style, stream
from musicldm.corpus.styles import STYLES, Style
from musicldm.corpus.styles.style import DRUM_KEYS
from musicldm.corpus.truth import Part
from musicldm.errors import InvalidInputError, unknown_choice

_ORDER = ("lead", "counter", "chords", "pad", "bass", "drums")
_LEVELS = {"lead": 0.0, "counter": -12.0, "chords": -9.5, "pad": -12.5, "bass": -6.0, "drums": -3.5}
_SENDS = {"lead": 1.0, "counter": 1.2, "chords": 1.0, "pad": 1.3, "bass": 0.15, "drums": 0.5}
_ENERGY_LEVELS = {"drums": 2.0, "bass": 1.0, "chords": 0.5}


def compose(
    seed: int, *, seconds: float = 10.24, genre: str | None = None, styles: Mapping[str, Style] = STYLES
) -> Score:
    """The score of one clip.

    seed: ≥ 0; seconds: 1 to 600; genre: one of `truth.GENRES`, or None to let the seed choose among `styles`. The score
    follows from the seed, the seconds and the style, not from which other styles there are.
    Raises InvalidInputError for a value outside these.
    """
    if seed < 0:
        raise InvalidInputError(f"seed {seed}: a whole number from 0 up")
    if not 1 <= seconds <= 600:
        raise InvalidInputError(f"seconds {seconds}: from 1 to 600")
    if genre is not None and genre not in styles:
        raise unknown_choice("genre", genre, tuple(styles))
    style = styles[genre if genre is not None else choose_style(seed, styles)]
    plan = draw_plan(seed, style, seconds=seconds)
    rng = stream(seed, style.name, "sections")
    presence = draw_presence(rng, style, plan.players, plan.grid.bars, plan.grid.bar_seconds)
    push = draw_push(stream(seed, style.name, "production"))
    extra = {"drums": drum_level(push)}
    stems = tuple(
        _write_stem(stream(seed, style.name, role), plan, role, presence, extra.get(role, 0.0))
        for role in _ORDER
        if role in plan.players
    )
    mix = draw_mix(stream(seed, style.name, "mix"), plan, push)
    kicks = tuple(n.start for s in stems if s.part.role == "drums" for n in s.notes if n.pitch == DRUM_KEYS["k"])
    return Score(describe(plan, stems, presence, production_words(plan, mix), seed), stems, mix, kicks)


def _write_stem(
    rng: np.random.Generator, plan: Plan, role: str, presence: Mapping[str, Presence], extra: float
) -> Stem:
    player, here = plan.players[role], presence[role]
    tones = [tone for tone in _writers(rng, plan, role, presence)[role]() if tone.bar not in here.rests]
    sound = plan.style.sound
    level = _LEVELS[role] + sound.levels.get(role, 0.0) + extra + float(rng.normal(0, 0.8))
    level += _ENERGY_LEVELS.get(role, 0.0) * plan.force
    sweep = None
    if role in ("chords", "pad") and rng.random() < sound.sweep:
        sweep = (0.1, 1.0) if rng.random() < 0.7 else (1.0, 0.15)
    return Stem(
        part=Part(player.name, player.family, role),
        instrument=player,
        notes=perform(rng, plan, role, player, tones, rise=here.rise),
        level=level,
        send=_SENDS[role],
        echo=sound.echo * float(rng.uniform(0.6, 1.2)) if role in sound.echoed else 0.0,
        sweep=sweep,
        effects=tuple(sound.effects.get(role, ())),
    )


def _writers(
    rng: np.random.Generator, plan: Plan, role: str, presence: Mapping[str, Presence]
) -> Mapping[str, Callable[[], list[Tone]]]:
    player, bars = plan.players[role], presence[role].bars
    entries = {part.bars.start for part in presence.values()}
    entries |= {passage.first for passage in plan.passages}
    returns = {bar + 1 for part in presence.values() for bar in part.rests}
    return {
        "lead": lambda: harmonise(rng, plan, player, write_melody(rng, plan, player, bars)),
        "counter": lambda: write_counter(rng, plan, player, bars),
        "chords": lambda: write_chords(rng, plan, player, bars),
        "pad": lambda: write_pad(plan, player, bars),
        "bass": lambda: write_bass(rng, plan, player, bars),
        "drums": lambda: write_drums(rng, plan, bars, frozenset(entries | returns)),
    }

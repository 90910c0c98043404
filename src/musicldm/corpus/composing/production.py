"""How the mix is made, and the words of production that are true of it."""

from dataclasses import dataclass

import numpy as np

from musicldm.corpus.composing.plan import Plan
from musicldm.corpus.composing.score import Mix

_SHARE = 0.3
_TILT = 4.0
_BRIGHT, _WARM = 4.0, -4.0
_WARM_TOP = 5000.0
_DRY, _SPACIOUS = 0.05, 0.3
_LONG_ROOM = 1.8
_PUNCHY = 0.6
_TAPE = 0.3
_WIDE, _NARROW = 1.25, 0.5


@dataclass(frozen=True)
class Push:
    """Where an engineer pushes a clip's mix: -1, 0 or 1 for warm and bright, dry and spacious, soft and punchy, narrow
    and wide.
    """

    tone: int
    space: int
    punch: int
    width: int
    age: int = 0


def draw_push(rng: np.random.Generator) -> Push:
    """Mostly nowhere, so that a word of production stands for something out of the ordinary."""
    tone, space, punch, width, age = (int(rng.choice([-1, 1])) if rng.random() < _SHARE else 0 for _ in range(5))
    return Push(tone, space, punch, width, age=max(age, 0))


def draw_mix(rng: np.random.Generator, plan: Plan, push: Push) -> Mix:
    """The style's sound, moved by mood, energy, chance and the push."""
    sound, character = plan.style.sound, plan.character
    room = float(rng.uniform(*sound.room)) * character.room * (1.0, 1.6, 0.5)[push.space]
    wet = sound.wet * float(rng.uniform(0.6, 1.4)) * (0.5 + 0.5 * character.room)
    squeeze = float(rng.uniform(0.2, 0.6)) + 0.2 * plan.force + 0.35 * push.punch
    return Mix(
        room=max(room, _LONG_ROOM) if push.space > 0 else room,
        wet=(wet, max(2 * wet, 0.35), min(0.3 * wet, 0.05))[push.space],
        top=None if sound.top is None else float(rng.uniform(*sound.top)),
        tilt=sound.tilt + character.tilt + 2.0 * plan.force + float(rng.normal(0, 0.8)) + _TILT * push.tone,
        duck=sound.duck * float(rng.uniform(0.6, 1.2)),
        crackle=sound.crackle * float(rng.uniform(0.4, 1.0)),
        squeeze=float(np.clip(squeeze, 0.0, 1.0)),
        peak=float(rng.uniform(0.35, 0.7) + 0.125 * (1 + plan.force)),
        echo_seconds=sound.echo_steps * plan.grid.step_seconds,
        width=float(rng.uniform(0.85, 1.15)) * (1.0, 1.5, 0.3)[push.width],
        space=sound.space,
        tape=max(sound.tape * float(rng.uniform(0.6, 1.2)), 0.7 * push.age),
        punch=(0.4 * sound.punch, 0.7 + 0.3 * sound.punch, 0.0)[push.punch],
    )


def drum_level(push: Push) -> float:
    """Decibels that the push gives the drums."""
    return 2.0 * push.punch


def production_words(plan: Plan, mix: Mix) -> tuple[str, ...]:
    """What is true of a finished mix, of `truth.PRODUCTIONS`. "punchy" needs drums."""
    holds = {
        "bright": mix.top is None and mix.tilt >= _BRIGHT,
        "warm": mix.tilt <= _WARM or (mix.top is not None and mix.top <= _WARM_TOP),
        "dry": mix.wet <= _DRY,
        "spacious": mix.wet >= _SPACIOUS and mix.room >= _LONG_ROOM,
        "punchy": mix.punch >= _PUNCHY and "drums" in plan.players,
        "wide": mix.width >= _WIDE,
        "narrow": mix.width <= _NARROW,
        "vintage": mix.crackle > 0 or mix.tape >= _TAPE,
    }
    return tuple(word for word, true in holds.items() if true)

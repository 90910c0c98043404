"""Prompts that no training caption contains, to measure with."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from musicldm.corpus.captions.captions import evaluation_text
from musicldm.corpus.captions.phrases import Phrases
from musicldm.corpus.lexicon import Lexicon
from musicldm.corpus.styles import INSTRUMENTS, STYLES, Style
from musicldm.corpus.truth import GENRES, KEYS, Part, Truth
from musicldm.errors import InvalidInputError, unknown_choice


@dataclass(frozen=True)
class EvaluationPrompt:
    """A prompt and what it asks for; None: not said. `lead_name` is None where only the family is named."""

    text: str
    genre: str
    lead_family: str | None
    lead_name: str | None
    bpm: int | None
    drums: bool | None
    quality: str | None


def _weighted(weights: Mapping[str, float], rng: random.Random) -> str:
    return rng.choices(list(weights), list(weights.values()))[0]


def _wish(style: Style, rng: random.Random) -> Truth:
    """A clip as somebody might wish it: attributes within the genre's tables, without beats."""
    meter = "4/4" if "4/4" in style.meters else next(iter(style.meters))
    drums = meter in style.drums and rng.random() < style.presence.get("drums", 1.0)
    lead = INSTRUMENTS[_weighted(style.leads, rng)]
    parts: tuple[Part, ...] = (Part(lead.name, lead.family, "lead"),)
    if drums:
        parts += (Part(_weighted(style.kits, rng), "drums", "drums"),)
    return Truth(
        genre=style.name,
        bpm=float(rng.randint(*(round(limit) for limit in style.tempo))),
        meter=meter,
        key=rng.choice(KEYS),
        mode=_weighted(style.modes, rng),
        drums=drums,
        instruments=parts,
        mood=_weighted(style.moods, rng),
        energy="medium",
        quality="clean",
        beats=(),
        downbeats=(),
        duration=0.0,
        seed=0,
    )


def _wishes(seed: int, genres: Sequence[str]) -> Iterator[tuple[Truth, random.Random]]:
    """Genres in turn, so that any number of prompts covers them evenly."""
    rng = random.Random(seed)
    while True:
        for genre in rng.sample(genres, k=len(genres)):
            yield _wish(STYLES[genre], rng), rng


def evaluation_prompts(
    seed: int, count: int, *, held_out: bool, genres: Sequence[str] = GENRES
) -> list[EvaluationPrompt]:
    """Prompts that are no training captions, with known or held-out genre expressions, over the genres evenly.

    The genre is always named; the tempo as BPM in half of them, the lead in 60 %, drums or their absence in 30 %,
    high quality in 15 %. What is asked for lies within the genre's tables. Raises InvalidInputError
    for a count below 1 or an unknown genre.
    """
    if count < 1:
        raise InvalidInputError(f"prompt count {count}: choose 1 or more")
    for genre in genres:
        if genre not in GENRES:
            raise unknown_choice("genre", genre, GENRES)
    wishes = _wishes(seed, genres)
    found: dict[str, EvaluationPrompt] = {}
    while len(found) < count:
        truth, rng = next(wishes)
        prompt = _prompt(truth, rng, held_out)
        found.setdefault(prompt.text, prompt)
    return list(found.values())


def _prompt(truth: Truth, rng: random.Random, held_out: bool) -> EvaluationPrompt:
    shares = {"bpm": 0.5, "lead": 0.6, "drums": 0.3, "quality": 0.15}
    chosen = {attribute for attribute, share in shares.items() if rng.random() < share}
    text = evaluation_text(Phrases(truth, rng, Lexicon.load(), neutral=True), chosen | {"genre"}, held_out=held_out)
    lead = truth.lead if "lead" in chosen else None
    return EvaluationPrompt(
        text=text,
        genre=truth.genre,
        lead_family=lead.family if lead else None,
        lead_name=lead.name if lead else None,
        bpm=round(truth.bpm) if "bpm" in chosen else None,
        drums=truth.drums if "drums" in chosen else None,
        quality=truth.quality if "quality" in chosen else None,
    )

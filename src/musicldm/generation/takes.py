"""What is to be made and what was: rows, the batches they are computed in, and takes."""

from __future__ import annotations

import math
import secrets
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from typing import TYPE_CHECKING, Any

from musicldm.errors import InvalidInputError
from musicldm.generation.settings import SEED_LIMIT, Settings, seeds_for

if TYPE_CHECKING:
    from musicldm.audio import Wave
    from musicldm.generation.tags import StoredTake

BATCH = 8
"""Waves that are made at once where nothing was measured."""
_FRESH_SEED_LIMIT = 2**32


@dataclass(frozen=True)
class Row:
    """One wave to make.

    Args:
        piece: which of the prompts it is for, counted from 0; the same text twice makes two pieces.
        prompt: the text.
        seed: of the wave.
        kept: whether it is written; one that is not only fills a batch that is computed again.
    """

    piece: int
    prompt: str
    seed: int
    kept: bool = True


Batch = tuple[Row, ...]
"""Waves that are computed together. A wave is the same to the sample only at the same place of a batch as large."""


@dataclass(frozen=True)
class NoveltyCheck:
    """How near a take comes to the training set.

    Args:
        similarity: cosine to the nearest training clip.
        nearest: that clip's file.
        percentile: per cent of the training clips that have less in common with their nearest other one.
        verdict: "copy", "very close", "close" or "new".
        max_similarity: the largest that was allowed.
        too_close: whether it is a copy or above that.
        first_seed: the seed with which the piece was made first.
        attempt: which one this is, from 1.
        index: identity of the novelty index.
    """

    similarity: float
    nearest: str
    percentile: float
    verdict: str
    max_similarity: float
    too_close: bool
    first_seed: int
    attempt: int
    index: str


@dataclass(frozen=True)
class Take:
    """One wave of a row as the model made it.

    Args:
        wave: samples (n,).
        row: what it was made for.
        batch: the seeds it was computed with, in order.
        position: its own among them.
        score: how well it fits its prompt, a cosine; None if unknown.
        settings: those it was made with.
        novelty: None if nobody asked.
    """

    wave: Wave
    row: Row
    batch: tuple[int, ...]
    position: int
    score: float | None
    settings: Settings
    novelty: NoveltyCheck | None = None

    @property
    def seed(self) -> int:
        return self.row.seed


@dataclass(frozen=True)
class FinishedTake:
    """A take at its level, with all that its file says about itself.

    Args:
        prompt: the text.
        wave: samples (n,).
        sample_rate: in Hz.
        tags: what `musicldm info` shows of the file; JSON can hold it.
    """

    prompt: str
    wave: Wave
    sample_rate: int
    tags: dict[str, Any]

    @property
    def seconds(self) -> float:
        """Its length."""
        return len(self.wave) / self.sample_rate

    def encode(self, audio_format: str) -> bytes:
        """As a file; see `musicldm.audio.writing.encode`."""
        from musicldm.audio.writing import encode

        return encode(self.wave, self.sample_rate, audio_format, settings=self.tags, title=self.prompt)


def make_rows(
    prompts: Sequence[str], n: int | None = None, seed: int | None = None, stored: StoredTake | None = None
) -> list[Row]:
    """The waves to make for prompts, each from the same seeds, in the order of the prompts.

    Those of a file's batch where neither n nor seed is given.

    Args:
        prompts: texts; none takes the stored one.
        n: waves for each prompt; 1 where None.
        seed: the first one; -1 draws it.
        stored: the take that is repeated.

    Raises:
        InvalidInputError: no prompt, or seeds beyond `SEED_LIMIT`.
    """
    prompts = list(prompts) or ([] if stored is None else [stored.prompt])
    if not prompts:
        raise InvalidInputError('no prompt: give at least one, as in musicldm generate "calm piano", or --prompts-file')
    if stored is not None and n is None and seed is None:
        return [
            Row(piece, prompt, of_batch, index == stored.position)
            for piece, prompt in enumerate(prompts)
            for index, of_batch in enumerate(stored.batch)
        ]
    n = 1 if n is None else n
    first = _first_seed(n, (-1 if stored is None else stored.seed) if seed is None else seed)
    return [Row(piece, prompt, each) for piece, prompt in enumerate(prompts) for each in range(first, first + n)]


def _first_seed(n: int, seed: int) -> int:
    if not -1 <= seed < SEED_LIMIT - n:
        raise InvalidInputError(f"seed {seed}: it must be {seeds_for(n)}")
    return secrets.randbelow(_FRESH_SEED_LIMIT - n) if seed == -1 else seed


def in_batches(rows: Sequence[Row], size: int) -> list[Batch]:
    """Rows in batches of at most `size`; those of a file that is repeated stay in the batch it was computed in."""
    if any(not row.kept for row in rows):
        return [tuple(group) for _, group in groupby(rows, key=lambda row: row.piece)]
    return [tuple(rows[start : start + size]) for start in range(0, len(rows), size)]


def by_piece(batches: Sequence[Batch], make: Callable[[Batch], list[Take]]) -> Iterator[list[Take]]:
    """The takes of each prompt, best first, as soon as the last of them is made."""
    waiting: list[Take] = []
    for batch, following in zip(batches, [*batches[1:], ()], strict=True):
        waiting += make(batch)
        unfinished = following[0].piece if following else math.inf
        done = sum(take.row.piece < unfinished for take in waiting)
        for _, takes in groupby(waiting[:done], key=lambda take: take.row.piece):
            yield best_first(takes)
        waiting = waiting[done:]


def best_first(takes: Iterable[Take]) -> list[Take]:
    """By their scores; those without keep their order."""
    return sorted(takes, key=lambda take: -math.inf if take.score is None else -take.score)


def finish(takes: Sequence[Take], model_hash: str, sample_rate: int) -> Iterator[FinishedTake]:
    """The takes of one prompt, best first, as they go into files.

    Args:
        takes: all of the prompt.
        model_hash: see `musicldm.generation.tags.model_hash`.
        sample_rate: in Hz.
    """
    from musicldm.generation.tags import describe_run

    for rank, take in enumerate(takes, 1):
        tags = describe_run(take.settings, take.row.prompt, model_hash, sample_rate)
        tags |= {"n": len(takes), "seed": take.seed, "batch": list(take.batch), "place": take.position}
        tags |= {"rank": rank, "score": take.score}
        if take.novelty is not None:
            tags["novelty"] = asdict(take.novelty)
        yield FinishedTake(take.row.prompt, levelled(take, sample_rate), sample_rate, tags)


def levelled(take: Take, sample_rate: int) -> Wave:
    """The wave (n,) of a take at the level that was wanted."""
    from musicldm.audio.levels import normalise

    return normalise(take.wave, sample_rate, take.settings.loudness)

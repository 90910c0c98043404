"""Which of the tries of a piece is kept, of tries whose similarities are set by hand."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from musicldm.events import Event, Note
from musicldm.generation.rerolls import Checker, derived_seed, remake
from musicldm.generation.settings import Settings
from musicldm.generation.takes import Batch, Row, Take

FIRST = 5


def take(row: Row) -> Take:
    return Take(np.zeros(8, np.float32), row, (row.seed,), 0, None, Settings())


def kept_of(tries: list[tuple[float, str]]) -> tuple[Take, list[str]]:
    """What is kept of tries with these similarities and verdicts, where 0.5 is allowed, and the notes."""
    seeds = [FIRST, *(derived_seed(FIRST, attempt) for attempt in range(2, len(tries) + 1))]
    known = dict(zip(seeds, tries, strict=True))

    def compare(made: Take) -> SimpleNamespace:
        similarity, verdict = known[made.seed]
        nearest = [SimpleNamespace(place=SimpleNamespace(source="a.wav"))]
        return SimpleNamespace(similarity=similarity, verdict=verdict, nearest=nearest, percentile=50.0, index="i")

    def make(batch: Batch) -> list[Take]:
        return [take(row) for row in batch]

    notes: list[str] = []

    def listen(event: Event) -> None:
        assert isinstance(event, Note)
        notes.append(event.text)

    checker = Checker(None, None, highest=0.5, tries=len(tries))
    (kept,) = remake([take(Row(0, "jazz", FIRST))], make, compare, checker, listen)
    return kept, notes


@pytest.mark.parametrize(
    ("tries", "attempt"),
    [
        ([(0.9, "close"), (0.7, "close"), (0.8, "close")], 2),
        ([(0.6, "close"), (0.7, "close"), (0.8, "close")], 1),
        ([(0.9, "close"), (0.8, "close"), (0.7, "close")], 3),
        ([(0.9, "close"), (0.6, "copy"), (0.95, "close")], 1),
    ],
)
def test_of_tries_that_are_all_too_close_the_least_similar_that_is_no_copy_is_kept(
    tries: list[tuple[float, str]], attempt: int
) -> None:
    kept, notes = kept_of(tries)
    assert kept.novelty is not None
    assert (kept.novelty.attempt, kept.novelty.similarity) == (attempt, tries[attempt - 1][0])
    assert kept.novelty.too_close
    assert notes[-1].endswith("still too close after 3 tries; this is the least similar of them")


def test_the_first_try_that_is_allowed_is_kept_and_ends_the_search() -> None:
    kept, notes = kept_of([(0.9, "close"), (0.4, "new"), (0.1, "new")])
    assert kept.novelty is not None
    assert (kept.novelty.attempt, kept.novelty.too_close) == (2, False)
    assert [note.rpartition(" ")[2] for note in notes] == [str(derived_seed(FIRST, 2))]

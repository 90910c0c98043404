"""Rows, and the batches they are computed in."""

from __future__ import annotations

import pytest

from musicldm.errors import InvalidInputError
from musicldm.generation.tags import StoredTake
from musicldm.generation.takes import Row, in_batches, make_rows


def test_seeds_of_each_prompt_count_up_within_what_torch_takes() -> None:
    rows = make_rows(["x", "y"], 20, 100)
    assert [row.seed for row in rows] == 2 * list(range(100, 120))
    with pytest.raises(InvalidInputError, match="it must be -1"):
        make_rows(["x"], 2, 2**63 - 2)


def test_batches_hold_several_prompts_within_the_limit_and_in_order() -> None:
    rows = make_rows(["x", "y", "x"], 3, 5)
    batches = in_batches(rows, 4)
    assert [len(batch) for batch in batches] == [4, 4, 1]
    assert [row for batch in batches for row in batch] == rows
    assert [row.piece for row in rows] == [0, 0, 0, 1, 1, 1, 2, 2, 2]


def test_a_repeated_wave_keeps_its_batch_and_its_place() -> None:
    stored = StoredTake("x", 7, (6, 7, 7), 2, None, {})
    rows = make_rows([], stored=stored)
    assert rows == [Row(0, "x", 6, False), Row(0, "x", 7, False), Row(0, "x", 7)]
    both = make_rows(["y", "z"], stored=stored)
    assert [len(batch) for batch in in_batches(both, 2)] == [3, 3]

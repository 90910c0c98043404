"""Garbage collection around the loading of a model."""

from __future__ import annotations

import gc

import pytest

from musicldm.cli.startup import loading_for_good


class Node:
    """An object that can refer to itself."""


def collections() -> int:
    return sum(generation["collections"] for generation in gc.get_stats())


def test_objects_that_stay_are_searched_for_garbage() -> None:
    gc.collect()
    before, frozen = collections(), gc.get_freeze_count()
    with loading_for_good():
        kept = [Node() for _ in range(20_000)]
        assert collections() == before
    try:
        assert gc.get_freeze_count() - frozen >= len(kept)
        assert gc.isenabled()
    finally:
        gc.unfreeze()


def test_collecting_is_switched_on_where_it_was_off_or_stays_off_after_an_error() -> None:
    gc.disable()
    try:
        with loading_for_good():
            pass
        assert not gc.isenabled()
        gc.enable()
        with pytest.raises(ValueError, match="broken"), loading_for_good():
            raise ValueError("broken")
        assert gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()

"""Scores and order of candidates."""

from __future__ import annotations

import math

import pytest
import torch

from musicldm.sampling.ranking import cosines, order_within_prompts
from tests.tolerances import sums

pytestmark = pytest.mark.numeric


def test_the_best_comes_first_within_each_prompt_and_prompts_stay_in_order() -> None:
    assert order_within_prompts([0.1, 0.9, 0.5, 0.8, -0.2, 0.95], 3) == [1, 2, 0, 5, 3, 4]


def test_a_wave_of_another_prompt_never_takes_a_place_however_well_it_fits() -> None:
    assert order_within_prompts([0.1, 0.2, 0.9, 0.8], 2) == [1, 0, 2, 3]


def test_equal_scores_keep_their_order_and_what_has_none_comes_last() -> None:
    assert order_within_prompts([0.5, math.nan, 0.5, math.nan, 0.7], 5) == [4, 0, 2, 1, 3]


def test_cosines_are_those_of_rows_with_rows() -> None:
    heard = torch.tensor([[1.0, 0.0], [3.0, 4.0], [0.0, -2.0]])
    conditions = torch.tensor([[5.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    assert cosines(heard, conditions) == pytest.approx([1.0, 0.6, -1.0], abs=sums(6))

"""Seeds and first latents: what is reported repeats what was made."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from musicldm import InvalidInputError
from musicldm.sampling.noise import first_latents, settle_randomness

SHAPE = (3, 2, 5, 4)


def seeded(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def test_reported_seeds_make_the_same_latents_again_each_alone() -> None:
    randomness = settle_randomness(None, 3)
    latents = first_latents(SHAPE, randomness, torch.device("cpu"))
    assert len(set(randomness.seeds)) == 3
    for index, seed in enumerate(randomness.seeds):
        again = settle_randomness(seeded(seed), 1)
        assert torch.equal(first_latents((1, *SHAPE[1:]), again, torch.device("cpu"))[0], latents[index])


def test_fresh_seeds_are_fresh_and_fit_32_bits() -> None:
    seeds = [settle_randomness(None, 2).seeds for _ in range(20)]
    assert len({tuple(pair) for pair in seeds}) == 20
    assert all(0 <= seed < 2**32 for pair in seeds for seed in pair)


def test_one_generator_is_drawn_from_for_the_whole_batch_as_upstream() -> None:
    randomness = settle_randomness(seeded(5)[0], 3)
    assert randomness.seeds == [5, 5, 5]
    expected = torch.randn(SHAPE, generator=seeded(5)[0])
    assert torch.equal(first_latents(SHAPE, randomness, torch.device("cpu")), expected)


def test_a_list_of_generators_reports_their_seeds() -> None:
    assert settle_randomness(seeded(5, 6, 7), 3).seeds == [5, 6, 7]
    assert settle_randomness(tuple(seeded(5, 6)), 2).seeds == [5, 6]


def test_a_wrong_number_of_generators_gives_both_numbers() -> None:
    with pytest.raises(InvalidInputError, match=r"2 generators for 3 audios .*pass one generator, or a list of 3"):
        settle_randomness(seeded(1, 2), 3)


@pytest.mark.parametrize("wrong", [42, "seed", [1, 2], [None]])
def test_what_is_no_generator_is_refused(wrong: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"valid is one torch\.Generator or a list of one for each audio"):
        settle_randomness(wrong, 2)


def test_given_latents_are_taken_in_float32() -> None:
    given = torch.randn(SHAPE, dtype=torch.float64)
    latents = first_latents(SHAPE, settle_randomness(None, 3), torch.device("cpu"), given)
    assert latents.dtype == torch.float32
    assert torch.equal(latents, given.float())


@pytest.mark.parametrize("wrong", [torch.zeros(1, 2, 5, 4), torch.zeros(3, 2, 5), [[0.0]]])
def test_latents_of_another_shape_are_refused_with_both_shapes(wrong: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"latents are .*a tensor of shape \(3, 2, 5, 4\) is expected"):
        first_latents(SHAPE, settle_randomness(None, 3), torch.device("cpu"), wrong)

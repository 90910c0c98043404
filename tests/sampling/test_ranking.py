"""Scores and order of candidates."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from musicldm import MusicLDMPipeline
from musicldm.sampling.ranking import audio_embeddings, can_score, cosines, order_within_prompts
from tests.tolerances import embeddings, sums

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def pipe(tiny_model_dir: Path) -> MusicLDMPipeline:
    return MusicLDMPipeline.from_pretrained(tiny_model_dir)


def waves(count: int, seconds: float) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(0).standard_normal((count, int(16000 * seconds))).astype("f4")) * 0.2


def embed(pipe: MusicLDMPipeline, audio: torch.Tensor) -> torch.Tensor:
    with torch.no_grad():
        return audio_embeddings(pipe.text_encoder, pipe.feature_extractor, audio, 16000, torch.device("cpu"))


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


def test_embeddings_are_unit_and_tell_waves_apart(pipe: MusicLDMPipeline) -> None:
    heard = embed(pipe, waves(6, 0.5))
    assert heard.shape == (6, 32)
    assert heard.norm(dim=1) == pytest.approx(torch.ones(6), abs=sums(32))
    assert (heard @ heard.T).min() < 0.999


def test_an_embedding_does_not_depend_on_the_waves_beside_it(pipe: MusicLDMPipeline) -> None:
    audio = waves(6, 0.5)
    together = embed(pipe, audio)
    assert torch.cat([embed(pipe, one[None]) for one in audio]) == pytest.approx(together, abs=embeddings())


def test_a_wave_longer_than_the_extractor_takes_is_embedded_by_its_middle_every_time(pipe: MusicLDMPipeline) -> None:
    long = waves(1, 12.0)
    first = embed(pipe, long)
    assert torch.equal(first, embed(pipe, long))
    middle = embed(pipe, long[:, 16000:-16000])
    beginning = embed(pipe, long[:, : 10 * 16000])
    assert (first - middle).norm() < 0.2 * (first - beginning).norm()


def test_a_checkpoint_without_extractor_or_audio_tower_cannot_score(pipe: MusicLDMPipeline) -> None:
    assert can_score(pipe.text_encoder, pipe.feature_extractor)
    assert not can_score(pipe.text_encoder, None)
    assert not can_score(pipe.text_encoder.text_model, pipe.feature_extractor)

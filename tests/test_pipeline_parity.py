"""Ours on current libraries against diffusers' own MusicLDM pipeline on the last ones that it runs on."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from musicldm import MusicLDMPipeline
from tests.oracles.cases import CASES, PAIR, SECONDS, SEED, STEPS
from tests.tolerances import scores, waves

pytestmark = pytest.mark.numeric

ORACLES = Path(__file__).parent / "oracles"
TOLERANCE = waves(STEPS)
"""Of full scale, on waves that reach 0.9 of it."""


@pytest.fixture(scope="module")
def references() -> dict[str, np.ndarray]:
    with np.load(ORACLES / "references.npz") as stored:
        return dict(stored)


@pytest.fixture(scope="module")
def pipe() -> MusicLDMPipeline:
    pipeline = MusicLDMPipeline.from_pretrained(ORACLES / "checkpoint")
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def generate(pipe: MusicLDMPipeline, case: dict[str, Any], references: dict[str, np.ndarray]) -> Any:
    given = {key: torch.from_numpy(references[f"given_{key}"]) for key, value in case.items() if value is True}
    arguments = {"audio_length_in_s": SECONDS, "num_inference_steps": STEPS, **case, **given}
    return pipe(**arguments, generator=torch.Generator().manual_seed(SEED))


def test_references_come_from_the_last_versions_with_a_working_upstream_pipeline() -> None:
    versions = json.loads((ORACLES / "versions.json").read_text())
    assert (versions["diffusers"], versions["transformers"]) == ("0.39.0", "4.57.6")


def test_references_are_loud_and_differ_from_case_to_case_far_beyond_the_tolerance(references: Any) -> None:
    singles = [references[name] for name in CASES if references[name].shape == (1, 10000)]
    for index, one in enumerate(singles):
        assert np.abs(one).max() > 0.5
        for other in singles[index + 1 :]:
            assert np.abs(one - other).max() > 10 * TOLERANCE


@pytest.mark.parametrize("name", CASES)
def test_waves_equal_those_of_upstream(name: str, pipe: MusicLDMPipeline, references: Any) -> None:
    ours = generate(pipe, CASES[name], references).audios
    assert ours.shape == references[name].shape
    assert ours.dtype == np.float32
    assert np.abs(ours - references[name]).max() <= TOLERANCE


def test_waves_for_two_prompts_are_ranked_within_each_where_upstream_mixes_them(pipe: Any, references: Any) -> None:
    stored, cosines = references["pair_in_threes"], references["pair_in_threes_cosines"]
    order = [row * 3 + column for row in range(2) for column in np.argsort(-cosines[row, row * 3 : row * 3 + 3])]
    assert order != list(range(6)), "the stored waves come ranked already, so that this would test nothing"
    ours = generate(pipe, {"prompt": PAIR, "num_waveforms_per_prompt": 3}, references)
    assert np.abs(ours.audios - stored[order]).max() <= TOLERANCE
    assert ours.scores == pytest.approx([cosines[index // 3, index] for index in order], abs=scores(STEPS))

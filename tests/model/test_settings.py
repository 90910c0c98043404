"""generation_config.json: what is written comes back, and what is wrong is named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from musicldm import CheckpointError, InvalidInputError
from musicldm.model.settings import FILE_NAME, GenerationDefaults


def test_a_folder_that_says_nothing_has_the_settings_of_upstream(tmp_path: Path) -> None:
    defaults = GenerationDefaults.load(tmp_path)
    assert (defaults.num_inference_steps, defaults.guidance_scale, defaults.audio_length_in_s) == (200, 2.0, None)
    assert defaults.scheduler is None


def test_settings_come_back_as_they_were_saved(tmp_path: Path) -> None:
    settings = GenerationDefaults(12, 3.5, 5.12, "unipc")
    settings.save(tmp_path)
    assert GenerationDefaults.load(tmp_path) == settings


def test_what_is_unsaid_is_left_out_of_the_file(tmp_path: Path) -> None:
    GenerationDefaults(12).save(tmp_path)
    assert json.loads((tmp_path / FILE_NAME).read_text()) == {"num_inference_steps": 12, "guidance_scale": 2.0}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not valid JSON"),
        ("[1]", "a JSON object is expected, not list"),
        ('{"steps": 3}', "unknown keys steps; valid are num_inference_steps, guidance_scale"),
        ('{"num_inference_steps": 0}', "num_inference_steps is 0: it must be an integer of at least 1"),
        ('{"num_inference_steps": 1.5}', "num_inference_steps is 1.5"),
        ('{"num_inference_steps": true}', "num_inference_steps is True"),
        ('{"guidance_scale": NaN}', "guidance_scale is nan: it must be a finite number"),
        ('{"audio_length_in_s": 0}', "audio_length_in_s is 0: it must be a finite number above 0"),
        ('{"audio_length_in_s": "long"}', "audio_length_in_s is 'long'"),
        ('{"guidance_interval": [0.8, 0.2]}', r"guidance_interval is \[0.8, 0.2\]: it must be two numbers from 0"),
        ('{"guidance_interval": 0.5}', "guidance_interval is 0.5"),
        ('{"guidance_interval": [0.2, 1.1]}', r"guidance_interval is \[0.2, 1.1\]"),
        ('{"scheduler": 3}', "scheduler is 3: it must be a short name"),
    ],
)
def test_a_wrong_file_is_a_checkpoint_error_that_names_it(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / FILE_NAME).write_text(content)
    with pytest.raises(CheckpointError, match=message) as raised:
        GenerationDefaults.load(tmp_path)
    assert str(tmp_path / FILE_NAME) in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("wrong", [{"num_inference_steps": -1}, {"guidance_scale": "2"}, {"audio_length_in_s": -1.0}])
def test_wrong_settings_made_in_code_are_an_input_error(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(wrong))):
        GenerationDefaults(**wrong)


def test_an_interval_of_guidance_is_read_as_it_was_written(tmp_path: Path) -> None:
    made = GenerationDefaults(guidance_interval=(0.2, 1))
    made.save(tmp_path)
    assert GenerationDefaults.load(tmp_path) == made
    assert made.guidance_interval == (0.2, 1.0)


def test_settings_are_changed_by_what_is_given_and_checked_again() -> None:
    made = GenerationDefaults(12, 3.5, 5.12, "unipc")
    assert made.changed(num_inference_steps=4, guidance_scale=None) == GenerationDefaults(4, 3.5, 5.12, "unipc")
    with pytest.raises(InvalidInputError, match="cache_interval is 0: it must be an integer of at least 1"):
        made.changed(cache_interval=0)

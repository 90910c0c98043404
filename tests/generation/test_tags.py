"""What a file says about itself is read back, and checked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from musicldm.audio.writing import write
from musicldm.errors import DataError
from musicldm.generation.settings import Settings
from musicldm.generation.tags import StoredTake, model_hash


def test_a_file_of_an_older_version_can_be_repeated(tmp_path: Path) -> None:
    tags = {"prompt": "x", "seed": 7, "batch": [6, 7, 7], "steps": 9, "unknown": 1}
    write(tmp_path / "old.wav", np.zeros(100, np.float32), 16000, settings=tags)
    stored = StoredTake.read(tmp_path / "old.wav")
    assert (stored.seed, stored.batch, stored.position, stored.model_hash) == (7, (6, 7, 7), 1, None)
    settings = Settings.of({"steps": None}, stored.settings)
    assert (settings.steps, settings.model) == (9, "default")


def test_a_changed_model_has_another_hash(tmp_path: Path) -> None:
    (tmp_path / "unet").mkdir()
    (tmp_path / "unet" / "config.json").write_text("{}")
    first = model_hash(tmp_path)
    assert first == model_hash(tmp_path)
    (tmp_path / "unet" / "config.json").write_text("{ }")
    second = model_hash(tmp_path)
    (tmp_path / "SHA256SUMS").write_text("0")
    assert len({first, second, model_hash(tmp_path)}) == 3


TAGS = {"prompt": "x", "seed": 7, "batch": [6, 7], "place": 1}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"steps": "many"}, "steps 'many': it must be an integer of at least 1"),
        ({"steps": True}, "steps True: it must be an integer"),
        ({"duration": [1]}, r"duration \[1\]: it must be a finite number above 0"),
        ({"loudness": {"LUFS": -14}}, "loudness .*: it must be 'peak' or LUFS"),
        ({"guidance_interval": [0.9, 0.2]}, "guidance interval .*: it must be two numbers from 0"),
        ({"negative_prompt": 3}, "negative prompt 3: it must be a text"),
        ({"device": "gpu"}, "unknown device 'gpu': choose one of auto, cpu"),
        ({"place": 2}, r"batch \[6, 7\] and place 2"),
        ({"batch": [7, "8"]}, "batch .*: seeds and a place among them are expected"),
        ({"prompt": None}, "no musicldm settings in this file"),
        ({"seed": 9}, "no musicldm settings in this file"),
        ({"batch": 7}, "no musicldm settings in this file"),
    ],
)
def test_a_file_with_settings_that_no_version_writes_is_named(
    tmp_path: Path, wrong: dict[str, Any], message: str
) -> None:
    write(tmp_path / "a.wav", np.zeros(100, np.float32), 16000, settings=TAGS | wrong)
    with pytest.raises(DataError, match=rf"a\.wav: {message}"):
        StoredTake.read(tmp_path / "a.wav")


def test_what_a_file_says_of_settings_that_are_not_stored_is_not_repeated(tmp_path: Path) -> None:
    tags = TAGS | {"n": 5, "steps": 3, "novelty": {"max_similarity": 0.9}, "scheduler": None}
    write(tmp_path / "a.wav", np.zeros(100, np.float32), 16000, settings=tags)
    assert dict(StoredTake.read(tmp_path / "a.wav").settings) == {"steps": 3}

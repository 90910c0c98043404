"""A setting is declared once: its range, its error, its tag and its description follow."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from musicldm import MusicLDMPipeline
from musicldm.declaration import declared
from musicldm.errors import InvalidInputError
from musicldm.generation.settings import Settings, describe_settings
from musicldm.model.settings import GenerationDefaults
from musicldm.sampling.schedulers import SCHEDULERS


def words_of(error: pytest.ExceptionInfo[InvalidInputError]) -> str:
    return str(error.value).partition(": ")[2]


@pytest.mark.parametrize(
    ("name", "of_model", "wrong"),
    [
        ("steps", "num_inference_steps", 0),
        ("steps", "num_inference_steps", 2.5),
        ("cache_interval", "cache_interval", -1),
        ("duration", "audio_length_in_s", 0.0),
        ("duration", "audio_length_in_s", "5"),
        ("guidance", "guidance_scale", float("inf")),
        ("guidance_interval", "guidance_interval", (0.5, 0.5)),
    ],
)
def test_a_range_is_told_in_the_same_words_to_who_asks_and_of_a_model_folder(
    name: str, of_model: str, wrong: Any
) -> None:
    with pytest.raises(InvalidInputError, match=f"^{name.replace('_', ' ')} ") as asked:
        Settings(**{name: wrong})
    with pytest.raises(InvalidInputError, match=f"^{of_model} is ") as stored:
        GenerationDefaults(**{of_model: wrong})
    assert words_of(asked) == words_of(stored) != ""


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lora_scale": float("nan")}, "lora scale nan: it must be a finite number"),
        ({"seed": -2}, "seed -2: it must be -1 .random. or 0 to 9223372036854775806"),
        ({"audio_format": "aac"}, "unknown audio format 'aac': choose one of wav, flac, ogg, mp3"),
        ({"audio_format": ["wav"]}, r"unknown audio format \['wav'\]"),
        ({"max_similarity": 0.0}, "max similarity '0.0': valid is a cosine above 0"),
        ({"loudness": True}, "loudness True: it must be 'peak' or LUFS"),
        ({"device": ["cpu"]}, r"unknown device \['cpu'\]: choose one of auto"),
        ({"tempo": 120}, "unknown setting 'tempo': choose one of model, device"),
    ],
)
def test_a_value_outside_its_range_is_one_line(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=f"^{message}"):
        Settings.of(wrong)


def test_values_are_kept_as_what_they_mean() -> None:
    made = Settings.of({"guidance_interval": "0.2,0.9", "loudness": "-14", "max_similarity": 0.9, "n": 2})
    assert (made.guidance_interval, made.loudness, made.max_similarity, made.n) == ((0.2, 0.9), -14.0, "0.9", 2)
    assert Settings(guidance_interval=[0.2, 0.9]) == Settings(guidance_interval=(0.2, 0.9))


def test_a_preset_replaces_what_a_file_says_of_what_a_model_decides_and_nothing_else() -> None:
    stored = {"steps": 9, "guidance": 3.0, "scheduler": "ddim", "loudness": -20.0, "negative_prompt": "noise"}
    made = Settings.of({"preset": "draft", "guidance": 5.0}, stored)
    assert (made.steps, made.guidance, made.scheduler) == (None, 5.0, None)
    assert (made.preset, made.loudness, made.negative_prompt) == ("draft", -20.0, "noise")


def test_every_setting_of_a_model_folder_can_be_asked_for() -> None:
    of_model = {one.setting.of_model for one in declared(Settings) if one.setting.of_model}
    assert of_model == {one.name for one in fields(GenerationDefaults)} - {"presets"}


def test_settings_as_plain_data_have_ranges_units_and_the_defaults_of_the_model() -> None:
    model = GenerationDefaults(12, 3.5, 5.12, "unipc", (0.2, 0.9), 2)
    told = {one["name"]: one for one in json.loads(json.dumps(describe_settings(model)))}
    assert list(told) == [one.name for one in fields(Settings)]
    assert told["steps"] == {
        "name": "steps",
        "kind": "integer",
        "unit": None,
        "minimum": 1,
        "above": None,
        "maximum": None,
        "choices": None,
        "names": None,
        "help": "Denoising steps.",
        "panel": "Music",
        "default": 12,
    }
    assert (told["duration"]["kind"], told["duration"]["unit"], told["duration"]["above"]) == ("number", "s", 0)
    asked = ("guidance", "duration", "scheduler", "guidance_interval", "cache_interval", "device", "lora")
    assert [told[name]["default"] for name in asked] == [3.5, 5.12, "unipc", [0.2, 0.9], 2, "auto", None]
    assert told["device"]["choices"] == ["auto", "cpu", "cuda", "mps"]
    assert told["scheduler"]["names"] == list(SCHEDULERS)
    assert all(one["help"] and one["panel"] for one in told.values())


def test_without_a_model_what_is_left_to_it_has_no_default() -> None:
    told = {one["name"]: one["default"] for one in describe_settings()}
    assert (told["steps"], told["guidance"], told["loudness"]) == (None, None, "peak")


def test_the_formats_of_help_are_those_that_can_be_written() -> None:
    (audio_format,) = [one for one in declared(Settings) if one.name == "audio_format"]
    assert audio_format.setting.names is not None
    assert audio_format.setting.metavar == "|".join(audio_format.setting.names())


def test_settled_settings_say_what_the_model_and_the_machine_decide(tiny_model_dir: Path) -> None:
    pipeline = MusicLDMPipeline.from_pretrained(tiny_model_dir)
    settled = Settings(model=str(tiny_model_dir), steps=5).settled(pipeline)
    decided = (settled.steps, settled.guidance, settled.duration, settled.scheduler, settled.cache_interval)
    assert decided == (5, 2.0, 0.64, "ddim", 1)
    assert (settled.device, settled.dtype) == ("cpu", "float32")
    assert settled.settled(pipeline) == settled

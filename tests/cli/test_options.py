"""A declared setting is an option of the command line, a tag, an argument of the pipeline, and plain data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from musicldm.audio.writing import read_settings
from musicldm.cli.generate import command_of
from musicldm.declaration import setting
from musicldm.errors import InvalidInputError
from musicldm.generation.settings import MUSIC, Settings, describe_settings
from musicldm.pipeline import MusicLDMPipeline


@dataclass(frozen=True)
class MoreSettings(Settings):
    """With a setting that no version has."""

    brightness: float | None = setting(
        None, at_least=0, at_most=1, unit="dB", help="How bright it is.", panel=MUSIC, argument="treble"
    )


@pytest.fixture
def more(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The command of the declaration with one more setting; gives typer's result."""
    monkeypatch.chdir(tmp_path)
    app = typer.Typer()
    app.command()(command_of(MoreSettings))
    return lambda *arguments: CliRunner().invoke(app, [str(one) for one in arguments], env={"COLUMNS": "120"})


@pytest.fixture
def trebles(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What the pipeline gets as `treble` in each of its calls."""
    got: list[object] = []
    real = MusicLDMPipeline.__call__

    def call(pipeline: MusicLDMPipeline, *arguments: Any, treble: object, **options: Any) -> Any:
        got.append(treble)
        return real(pipeline, *arguments, **options)

    monkeypatch.setattr(MusicLDMPipeline, "__call__", call)
    return got


def test_a_setting_that_is_declared_is_an_option_a_tag_and_an_argument(
    more, trebles: list[object], tiny_model_dir: Path
) -> None:
    assert "--brightness" in more("--help").output
    options = ("--model", tiny_model_dir, "--device", "cpu", "--seed", 1)
    for arguments in (
        ("jazz", "--brightness", 0.5, *options, "-o", "a.wav"),
        ("--from-file", "a.wav", "-o", "b.wav"),
        ("--from-file", "a.wav", "--brightness", 0.25, "-o", "c.wav"),
        ("jazz", *options, "-o", "d.wav"),
    ):
        assert more(*arguments).exit_code == 0
    assert trebles == [0.5, 0.5, 0.25, None]
    assert [read_settings(f"{name}.wav")["brightness"] for name in "abcd"] == [0.5, 0.5, 0.25, None]


def test_a_setting_that_is_declared_is_checked(more) -> None:
    outcome = more("jazz", "--brightness", 2)
    assert isinstance(outcome.exception, InvalidInputError)
    assert str(outcome.exception) == "brightness 2: it must be a finite number from 0 to 1"


def test_a_setting_that_is_declared_is_plain_data() -> None:
    (told,) = [one for one in describe_settings(kind=MoreSettings) if one["name"] == "brightness"]
    assert (told["kind"], told["unit"], told["minimum"], told["maximum"]) == ("number", "dB", 0, 1)

"""The entry: what it imports, and what becomes of errors."""

from __future__ import annotations

import subprocess
import sys
import warnings

import pytest

from musicldm import __version__
from musicldm.errors import DataError, TrainingError


def test_help_imports_no_heavy_libraries() -> None:
    code = (
        "import sys\n"
        "from musicldm.cli.main import run\n"
        "try:\n    run(['--help'])\n"
        "except SystemExit:\n"
        "    heavy = ('torch', 'numpy', 'scipy', 'diffusers', 'transformers', 'matplotlib', 'peft', 'ray')\n"
        "    print([name for name in heavy if name in sys.modules])\n"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert shown.splitlines()[-1] == "[]"


def test_help_names_every_command(command) -> None:
    for arguments in ([], ["--help"], ["-h"]):
        outcome = command(*arguments)
        assert outcome.code == 0
        for name in ("generate", "info", "beats", "corpus", "prepare", "train", "mixup", "doctor"):
            assert name in outcome.out


def test_version_is_that_of_the_package(command) -> None:
    outcome = command("--version")
    assert (outcome.code, outcome.out) == (0, f"musicldm {__version__}\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["bogus"], "No such command 'bogus'"),
        (["generate", "--bogus"], "No such option: --bogus"),
        (["generate", "x", "--steps", "many"], "--steps"),
        (["generate", "x", "--steps"], "--steps"),
        (["info"], "FILE"),
        (["train", "vae"], "--data"),
    ],
)
def test_a_wrong_command_line_is_one_line_with_code_2(command, arguments: list[str], message: str) -> None:
    outcome = command(*arguments)
    assert outcome.code == 2
    assert outcome.err.startswith("musicldm: ")
    assert outcome.err.count("\n") == 1
    assert message in outcome.err
    assert outcome.out == ""


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (DataError("a.wav: no such\nfile"), 2, "musicldm: a.wav: no such file"),
        (TrainingError("the loss is NaN"), 2, "musicldm: the loss is NaN"),
        (OSError(28, "No space left on device", "x.wav"), 1, "musicldm: x.wav: No space left on device"),
        (PermissionError(13, "Permission denied", "/out"), 1, "musicldm: /out: Permission denied"),
        (OSError("cut off"), 1, "musicldm: cut off"),
        (MemoryError(), 1, "musicldm: out of memory"),
        (RuntimeError("CUDA out of memory. Tried to"), 1, "musicldm: out of memory"),
        (KeyboardInterrupt(), 130, "musicldm: interrupted"),
    ],
)
def test_an_error_is_one_line_with_its_code(
    command, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, line: str
) -> None:
    def fail(path: object) -> None:
        raise error

    monkeypatch.setattr("musicldm.generation.tags.read_tags", fail)
    outcome = command("info", "x.wav")
    assert outcome.code == code
    assert outcome.err.startswith(line)
    assert outcome.err.count("\n") == 1


@pytest.mark.parametrize(("told", "shown"), [([], False), (["always"], True)])
def test_a_warning_of_a_library_is_shown_only_where_python_is_told_to(
    command, monkeypatch: pytest.MonkeyPatch, told: list[str], shown: bool
) -> None:
    def warn(path: object) -> dict[str, str]:
        warnings.warn("old layout", FutureWarning, stacklevel=1)
        return {}

    monkeypatch.setattr("musicldm.generation.tags.read_tags", warn)
    monkeypatch.setattr("sys.warnoptions", told)
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        assert command("info", "x.wav").code == 0
    assert bool(seen) is shown


def test_a_fault_of_ours_is_raised_and_not_blamed_on_the_user(command, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(path: object) -> None:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr("musicldm.generation.tags.read_tags", fail)
    with pytest.raises(RuntimeError, match="shapes do not match"):
        command("info", "x.wav")

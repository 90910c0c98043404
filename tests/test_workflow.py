"""The workflow file: what GitHub Actions would run, as far as that can be said without it."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / ".github" / "workflows" / "check.yml"
TEXT = FILE.read_text(encoding="utf-8")
WORKFLOW: dict[Any, Any] = yaml.safe_load(TEXT)
needs_bash = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def steps(job: str, system: str = "") -> Iterator[dict[str, Any]]:
    """The steps of a job, or those that a system runs."""
    for step in WORKFLOW["jobs"][job]["steps"]:
        wanted = step.get("if", "")
        if not system or not wanted or ("!=" in wanted) != (f"'{system}'" in wanted):
            yield step


def scripts(job: str, system: str = "") -> str:
    return "\n".join(step["run"] for step in steps(job, system) if "run" in step)


@pytest.mark.parametrize("job", ["check", "wheel"])
def test_every_job_runs_on_three_systems_with_the_first_and_the_newest_python(job: str) -> None:
    matrix = WORKFLOW["jobs"][job]["strategy"]["matrix"]
    assert matrix == {"system": ["ubuntu-latest", "macos-latest", "windows-latest"], "python": ["3.11", "3.13"]}
    assert WORKFLOW["jobs"][job]["runs-on"] == "${{ matrix.system }}"
    (python,) = (step["with"]["python-version"] for step in steps(job) if "setup-python" in step.get("uses", ""))
    assert python == "${{ matrix.python }}"


@needs_bash
@pytest.mark.parametrize("job", ["check", "wheel"])
def test_every_script_is_bash(job: str) -> None:
    assert WORKFLOW["defaults"]["run"]["shell"] == "bash"
    for step in steps(job):
        if "run" in step:
            assert "${{" not in step["run"], "what others write would be run"
            subprocess.run(["bash", "-n"], input=step["run"], text=True, check=True)


def test_linux_and_macos_run_check_and_windows_its_steps() -> None:
    assert scripts("check", "Linux").splitlines()[-1] == "./check"
    assert scripts("check", "macOS").splitlines() == ["./check"]
    on_windows = scripts("check", "Windows")
    assert "./check" not in on_windows
    check = (ROOT / "check").read_text(encoding="utf-8")
    its_steps = re.findall(r"^step \w+ ([a-z].*)$", check, re.MULTILINE)
    assert len(its_steps) >= 4
    for command in its_steps:
        tool = re.sub(r' (--cov|--durations|"\$@").*', "", command)
        assert f"python -m {tool}" in on_windows, f"{command}: a step of ./check"


@needs_bash
def test_windows_installs_what_check_installs() -> None:
    (install,) = (step["run"] for step in steps("check", "Windows") if step.get("name") == "Install")
    asked = f"python() {{ printf '%s\\n' \"$*\"; }}\n{install}"
    said = subprocess.run(["bash", "-ec", asked], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (line,) = re.findall(r"^install check .*$", (ROOT / "check").read_text(encoding="utf-8"), re.MULTILINE)
    _, _, extras, *without_dependencies = line.replace('"', "").split()
    editable, alone = said.splitlines()
    assert editable.endswith(f"--editable .{extras}")
    assert extras.startswith("[dev,")
    assert alone.split()[-len(without_dependencies) :] == without_dependencies


def test_the_wheel_is_installed_in_an_empty_environment_and_makes_music_elsewhere() -> None:
    script = scripts("wheel")
    for command in ("-m pip wheel", "-m venv", "musicldm --version", "musicldm doctor", "musicldm generate"):
        assert command in script
    assert script.index('cd "$RUNNER_TEMP') < script.index("musicldm --version")
    assert "--editable" not in script


def test_versions_are_the_pinned_ones_and_no_registry_is_named() -> None:
    pins = "${{ github.workspace }}/constraints.txt"
    assert {WORKFLOW["env"][name] for name in ("PIP_CONSTRAINT", "PIP_BUILD_CONSTRAINT")} == {pins}
    assert re.findall(r"https?://|\b[\w-]+\.(?:org|com|io)\b", TEXT) == []

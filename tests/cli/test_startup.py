"""Garbage collection around the loading of a model, and modules that wait until they are used."""

from __future__ import annotations

import gc
import importlib
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from musicldm.cli import startup
from musicldm.cli.startup import loading_for_good


class Node:
    """An object that can refer to itself."""


def collections() -> int:
    return sum(generation["collections"] for generation in gc.get_stats())


def test_objects_that_stay_are_not_searched_for_garbage() -> None:
    gc.collect()
    before, frozen = collections(), gc.get_freeze_count()
    with loading_for_good():
        kept = [Node() for _ in range(20_000)]
        assert collections() == before
    try:
        assert gc.get_freeze_count() - frozen >= len(kept)
        assert gc.isenabled()
    finally:
        gc.unfreeze()


def test_collecting_stays_off_where_it_was_off_and_is_on_again_after_an_error() -> None:
    gc.disable()
    try:
        with loading_for_good():
            pass
        assert not gc.isenabled()
        gc.enable()
        with pytest.raises(ValueError, match="broken"), loading_for_good():
            raise ValueError("broken")
        assert gc.isenabled()
    finally:
        gc.enable()
        gc.unfreeze()


def test_a_module_that_is_seldom_used_is_loaded_when_something_is_read_from_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "seldom_package"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "inner.py").write_text("import sys\nsys.loads = getattr(sys, 'loads', 0) + 1\nVALUE = 3\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "loads", 0, raising=False)
    monkeypatch.setattr(startup, "_SELDOM", ("seldom_package.inner", "seldom_package.missing", "missing_package.inner"))
    with loading_for_good():
        inner = importlib.import_module("seldom_package.inner")
        package_module = importlib.import_module("seldom_package")
    with loading_for_good():
        pass
    gc.unfreeze()
    assert sys.loads == 0
    assert inner.__spec__.name == "seldom_package.inner"
    assert inner.VALUE == 3
    assert package_module.inner.VALUE == 3
    assert type(sys.modules["seldom_package.inner"]) is ModuleType
    with loading_for_good():
        assert importlib.import_module("seldom_package.inner").VALUE == 3
    gc.unfreeze()
    assert sys.loads == 1
    with pytest.raises(AttributeError, match="no attribute 'OTHER'"):
        inner.OTHER  # noqa: B018
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("seldom_package.missing")


def test_a_scheduler_gets_a_module_that_waited_until_it_was_used() -> None:
    code = """
import sys
from musicldm.cli.startup import loading_for_good
with loading_for_good():
    import musicldm.pipeline
    from diffusers import DPMSolverMultistepScheduler
waiting = sys.modules["scipy.stats"]
scheduler = DPMSolverMultistepScheduler(use_beta_sigmas=True)
print("ppf" in vars(waiting), "norm" in vars(waiting))
scheduler.set_timesteps(5)
from scipy.stats import beta
print(beta.cdf(0.5, 2, 2), len(scheduler.timesteps), "norm" in vars(sys.modules["scipy.stats"]))
"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.splitlines() == ["False False", "0.5 5 True"]

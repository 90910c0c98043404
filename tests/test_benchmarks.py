"""Benchmarks run as modules from the root, and what they conclude from their figures."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.quality.quality_vs_speed import front
from benchmarks.speed.compare import hardware, slower
from benchmarks.tables.mixup_comparison_table import COLUMNS, summary

ROOT = Path(__file__).resolve().parent.parent
WORKERS = {"benchmarks.speed.generate_worker"}
"""Run by other benchmarks, in an environment without this package too."""
SCRIPTS = sorted(
    ".".join(path.relative_to(ROOT).with_suffix("").parts)
    for path in (ROOT / "benchmarks").rglob("*.py")
    if '__name__ == "__main__"' in path.read_text(encoding="utf-8")
)


@pytest.mark.parametrize("name", [name for name in SCRIPTS if name not in WORKERS])
def test_every_benchmark_imports_and_explains_itself(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    module = importlib.import_module(name)
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit) as ended:
        module.main()
    assert ended.value.code == 0
    assert "usage:" in capsys.readouterr().out


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_benchmark_says_how_it_is_run(name: str) -> None:
    text = (ROOT / f"{name.replace('.', '/')}.py").read_text(encoding="utf-8").split('"""')[1]
    assert f"python -m {name}" in text or f"python {name.replace('.', '/')}.py" in text


BEFORE = {
    "hardware": "A, 2 cores",
    "ways": {"ours": {"whole_s": 2.0, "stages_s": {"step": 0.1, "vae": 0.5}, "peak_mib": 900, "apart": 1e-5}},
    "clips_a_second": 50.0,
    "run": {"seconds": 10},
    "rounds_seconds": [1.0, 2.0],
}


def test_what_got_slower_is_listed_worst_first_and_nothing_else() -> None:
    after = json.loads(json.dumps(BEFORE))
    after["ways"]["ours"] |= {"whole_s": 2.1, "stages_s": {"step": 0.15, "vae": 0.2}, "peak_mib": 1800, "apart": 1.0}
    after["clips_a_second"] = 20.0
    after["rounds_seconds"][1] = 2.4
    after["new_s"] = 100.0
    found = [(one.name, round(one.ratio, 3)) for one in slower(BEFORE, after, 0.1)]
    assert found == [("clips_a_second", 2.5), ("ways/ours/stages_s/step", 1.5), ("rounds_seconds/1", 1.2)]
    assert slower(BEFORE, BEFORE, 0.0) == []


def test_machines_are_found_wherever_a_result_names_them() -> None:
    assert hardware({"a": [{"hardware": "x"}, {"b": {"hardware": "y"}}], "hardware": "z"}) == {"x", "y", "z"}


def test_results_that_have_not_changed_are_not_listed() -> None:
    line = [sys.executable, "-m", "benchmarks.speed.compare", "benchmarks/results/beats.json"]
    done = subprocess.run(line, capture_output=True, text=True, check=False, cwd=ROOT)
    assert (done.returncode, done.stdout) == (0, "")


def test_a_way_is_on_the_front_if_no_faster_one_is_as_good() -> None:
    rows = {
        name: {"seconds": seconds, "clap": {"mean": clap}}
        for name, seconds, clap in (("a", 1, 0.3), ("b", 2, 0.3), ("c", 3, 0.5), ("d", 0.5, 0.2), ("e", 4, 0.4))
    }
    assert front(rows) == ["d", "a", "c"]


def test_a_difference_is_that_of_runs_of_the_same_seed() -> None:
    figures = dict.fromkeys(COLUMNS, 0.0)
    runs = [
        {"size": 500, "arm": arm, "seed": seed, **figures, "fad": fad}
        for arm, fads in (("none", (1.0, 5.0, 3.0)), ("blm", (3.4, 1.1, 5.3)))
        for seed, fad in zip((0, 1, 2) if arm == "none" else (2, 0, 1), fads, strict=True)
    ]
    own, against = summary(runs, 500, "blm")["fad"], summary(runs, 500, "blm", against="none")["fad"]
    assert own["mean"] == pytest.approx(9.8 / 3)
    # 0.1, 0.3 and 0.4 above no mixup: Student's t with two degrees of freedom is 4.3027 at 97.5 %.
    assert against["mean"] == pytest.approx(0.8 / 3)
    assert against["half"] == pytest.approx(4.3027 * 0.152753 / 3**0.5, rel=1e-4)
    assert against["seeds"] == 3

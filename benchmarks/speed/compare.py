"""What got slower: `python -m benchmarks.speed.compare [RESULT.json …] [--against HEAD] [--tolerance 0.1]`.

Run the benchmarks, then this, before a release: it holds the results in the work tree (all files of results/ that have
changed, or those named) against what is stored in git, and prints every time that grew and every rate that fell by more
than the tolerance, where both are of the same hardware. Exit code 1 where something did.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
TIMES = ("_s", "_ms", "seconds", "seconds_a_clip_batched")
RATES = ("_a_second", "real_time", "times_real_time", "throughput")


@dataclass(frozen=True)
class Change:
    """A figure before and after; `ratio` above 1 is slower."""

    name: str
    before: float
    after: float
    ratio: float


def figures(tree: Any, path: tuple[str, ...] = (), timed: str | None = None) -> Iterator[tuple[str, str, float]]:
    """Name, kind ("time" or "rate") and value of all figures of speed in a result: numbers under a key that says so."""
    if isinstance(tree, Mapping):
        for key, value in tree.items():
            kind = "time" if key.endswith(TIMES) else "rate" if key.endswith(RATES) else timed
            yield from figures(value, (*path, str(key)), kind)
    elif isinstance(tree, list):
        for index, value in enumerate(tree):
            yield from figures(value, (*path, str(index)), timed)
    elif timed is not None and isinstance(tree, int | float) and not isinstance(tree, bool) and tree > 0:
        yield "/".join(path), timed, float(tree)


def hardware(tree: Any) -> set[str]:
    """Every machine that a result names."""
    if isinstance(tree, Mapping):
        own = {str(value) for key, value in tree.items() if key == "hardware"}
        return own.union(*(hardware(value) for value in tree.values()))
    return set().union(*(hardware(value) for value in tree)) if isinstance(tree, list) else set()


def slower(before: Any, after: Any, tolerance: float) -> list[Change]:
    """Figures of both results that got worse by more than a tolerance, the worst first."""
    old = {(name, kind): value for name, kind, value in figures(before)}
    changes = []
    for name, kind, value in figures(after):
        if (name, kind) not in old:
            continue
        was = old[name, kind]
        ratio = value / was if kind == "time" else was / value
        if ratio > 1 + tolerance:
            changes.append(Change(name, was, value, ratio))
    return sorted(changes, key=lambda change: -change.ratio)


def stored(path: Path, revision: str) -> Any:
    """A result as git has it, or None."""
    name = path.resolve().relative_to(ROOT).as_posix()
    shown = subprocess.run(["git", "show", f"{revision}:{name}"], cwd=ROOT, capture_output=True, text=True, check=False)
    return json.loads(shown.stdout) if shown.returncode == 0 else None


def main() -> None:
    """Prints what got slower, file by file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", nargs="*", type=Path, help="all of results/ where none is named")
    parser.add_argument("--against", default="HEAD", help="revision of git")
    parser.add_argument("--tolerance", type=float, default=0.1, help="share by which a figure may get worse")
    options = parser.parse_args()
    found = False
    for path in options.results or sorted((ROOT / "benchmarks" / "results").glob("*.json")):
        before, after = stored(path, options.against), json.loads(path.read_text(encoding="utf-8"))
        if before is None or before == after:
            continue
        if hardware(before) != hardware(after):
            print(f"{path.name}: of {hardware(after)}, stored {hardware(before)}: not compared")
            continue
        changes = slower(before, after, options.tolerance)
        found = found or bool(changes)
        print(f"{path.name}: {len(changes)} figures worse by more than {options.tolerance:.0%}")
        for change in changes:
            print(f"  {change.ratio:5.2f} x  {change.name}: {change.before:g} -> {change.after:g}")
    sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()

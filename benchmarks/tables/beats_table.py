"""The table of results/beats.json: `python -m benchmarks.tables.beats_table [FILE.json]` writes FILE.md."""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.circumstances import RESULTS

RESULT = RESULTS / "beats.json"
FIGURES = {
    "beat_f": "beat F",
    "downbeat_f": "downbeat F",
    "tempo_acc1": "tempo 1",
    "tempo_acc2": "tempo 2",
    "meter": "meter",
}
FLOORS = {"beat_f": 0.95, "downbeat_f": 0.90, "tempo_acc1": 0.95}
FLOOR_SETS = ("held-out", "other font")
FASTEST = 100


def cell(found: Mapping[str, float] | None) -> str:
    """A mean with its 95 % interval, such as "0.962 (0.951 to 0.971)"."""
    return "–" if not found else f"{found['mean']:.3f} ({found['low']:.3f} to {found['high']:.3f})"


def table(report: Mapping[str, Any]) -> str:
    """The whole document in Markdown."""
    run = report["run"]
    lines = [
        "# How well beats are tracked",
        "",
        f"Model {run['model']}; {run['hardware']}; {run['date']}. F within ±70 ms by mir_eval {run['mir_eval']}, tempo "
        "within 4 % (2: octaves folded); means with 95 % intervals by bootstrap.",
        "",
        f"| music | pieces | system | {' | '.join(FIGURES.values())} |",
        f"|---|---|---|{'---|' * len(FIGURES)}",
    ]
    for name, found in report["sets"].items():
        for system, figures in found["systems"].items():
            cells = [cell(figures.get(key)) for key in FIGURES]
            lines.append(f"| {name} | {found['pieces']} | {system} | {' | '.join(cells)} |")
    floors = [f"{FIGURES[key]} ≥ {floor:.2f}: {_verdict(report, key, floor)}" for key, floor in FLOORS.items()]
    speed = report["speed"]["times_real_time"]
    lines += ["", f"Floors on {' and '.join(FLOOR_SETS)}: {'; '.join(floors)}."]
    lines += ["", f"Speed: {speed:.0f} times real time (wanted: over {FASTEST})."]
    if not report["fluidsynth"]:
        lines += ["", "FluidSynth was not installed (`apt-get install fluidsynth`), so its row is missing."]
    return "\n".join(lines) + "\n"


def _verdict(report: Mapping[str, Any], key: str, floor: float) -> str:
    means = [report["sets"][name]["systems"]["tracker"][key]["mean"] for name in FLOOR_SETS]
    return "met" if min(means) >= floor else "missed"


def main() -> None:
    """Writes the table beside the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("results", type=Path, nargs="?", default=RESULT)
    path = parser.parse_args().results
    path.with_suffix(".md").write_text(table(json.loads(path.read_text(encoding="utf-8"))), encoding="utf-8")


if __name__ == "__main__":
    main()

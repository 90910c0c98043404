"""How much memory and time an evaluation takes: `python -m benchmarks.speed.evaluate_memory [--clips 100 1000 10000]`.

Composed clips are evaluated by `musicldm evaluate` with one process of one thread, against a reference of 100 of them:
embeddings, distances, prompts and signal measures. Larger numbers than were composed are made of copies that differ in
one sample. Peak memory is that of the process. The figures go to benchmarks/results/evaluate_memory.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from benchmarks.circumstances import RESULTS
from benchmarks.speed.prepare_speed import COMPOSED, command, corpus_of

RESULT = RESULTS / "evaluate_memory.json"
PACKAGES = ("numpy", "torch", "transformers", "soundfile", "soxr", "librosa")
REFERENCE = 100


def main() -> None:
    """Measures, prints and stores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, nargs="+", default=[100, 1000, 10_000])
    parser.add_argument("--judges", type=Path, help="folder of judges to listen too")
    parser.add_argument("--work", type=Path, help="folder for the clips, a temporary one by default")
    parser.add_argument("--out", type=Path, default=RESULT)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        work = Path(folder)
        command("corpus", work / "composed", "--clips", min(COMPOSED, max(options.clips)))
        corpus_of(work, REFERENCE).rename(work / "reference")
        sizes = [measured(work, count, options.judges) for count in options.clips]
    report = {
        "sizes": sizes,
        "judges": options.judges is not None,
        "machine": f"{platform.machine()}, 1 of {os.cpu_count()} cores",
        "load": [round(one, 1) for one in os.getloadavg()],
        "versions": {name: version(name) for name in PACKAGES},
        "date": datetime.now(UTC).date().isoformat(),
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


def measured(work: Path, count: int, judges: Path | None) -> Mapping[str, Any]:
    """Figures of evaluating `count` clips."""
    corpus_of(work, count).rename(work / "generated")
    words = ["evaluate", work / "generated", "--reference", work / "reference", "--device", "cpu", "--json"]
    words += [] if judges is None else ["--judges", judges]
    started = time.perf_counter()
    peak, cpu = command(*words)
    wall = time.perf_counter() - started
    (work / "generated").rename(work / f"done-{count}")
    return {
        "clips": count,
        "peak_memory_mib": round(peak),
        "cpu_seconds": round(cpu, 1),
        "wall_seconds": round(wall, 1),
        "clips_a_cpu_second": round((count + REFERENCE) / cpu, 2),
    }


if __name__ == "__main__":
    main()

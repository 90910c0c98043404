"""How fast a corpus is composed: `python -m benchmarks.speed.corpus_speed [--clips 400] [--workers 2]`.

A whole `musicldm corpus` in a process of its own, from its start to its last file, against the length of its music.
The figures go to benchmarks/results/corpus_speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from importlib.metadata import version

from benchmarks.circumstances import RESULTS

RESULT = RESULTS / "corpus_speed.json"
PACKAGES = ("numpy", "tinysoundfont", "soundfile")
CLIP_SECONDS = 10.24


def main() -> None:
    """Measures, prints and stores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=400)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "musicldm", "corpus", folder, "--clips", str(options.clips)]
        started = time.perf_counter()
        subprocess.run([*command, "--workers", str(options.workers)], check=True, capture_output=True)
        wall = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    music = CLIP_SECONDS * options.clips
    report = {
        "clips": options.clips,
        "workers": options.workers,
        "seconds": round(wall, 2),
        "cpu_seconds": round(used.ru_utime + used.ru_stime, 2),
        "times_real_time": round(music / wall, 1),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": {name: version(name) for name in PACKAGES},
        "date": datetime.now(UTC).date().isoformat(),
    }
    RESULT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


if __name__ == "__main__":
    main()

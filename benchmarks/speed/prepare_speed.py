"""How fast music is prepared, in how much memory: `python -m benchmarks.speed.prepare_speed [--clips 1000 50000]`.

Composed clips are prepared by one worker in a process of its own, whose peak of memory is measured: with the beats that
they come with, with tracked ones, and with a model's latents and embeddings, the latents in float32 and in bfloat16.
Larger numbers of clips than were composed are made of copies that differ in one sample.
The figures go to benchmarks/results/prepare_speed.json.

All of it: `python -m benchmarks.speed.prepare_speed --clips 1000 10000 50000 --encoded 1000` (50 GB of disk).
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import soundfile

from benchmarks.circumstances import RESULTS

RESULT = RESULTS / "prepare_speed.json"
PACKAGES = ("numpy", "torch", "soundfile", "soxr", "diffusers", "transformers")
COMPOSED = 200
CLIP_HOURS = 10.24 / 3600
PUBLISHED_HOURS = 466
# ru_maxrss of the one child that it runs, and its CPU time.
CHILD = """
import json, resource, subprocess, sys
from benchmarks.circumstances import RESULTS
code = subprocess.run(sys.argv[1:]).returncode
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(json.dumps([code, used.ru_maxrss / 1024, used.ru_utime + used.ru_stime]))
"""


def main() -> None:
    """Measures, prints and stores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, nargs="+", default=[1000], help="sizes to prepare without a model")
    parser.add_argument("--encoded", type=int, default=COMPOSED, help="clips to track or encode")
    parser.add_argument("--model", default="default")
    parser.add_argument("--work", type=Path, help="folder for corpus and prepared data, a temporary one by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        work = Path(folder)
        command("corpus", work / "composed", "--clips", COMPOSED)
        plain = [measured(work, count) for count in options.clips]
        tracked = measured(work, options.encoded, "--beats", "model")
        encoded = {
            precision: measured(work, options.encoded, "--model", options.model, "--mixed-precision", precision)
            for precision in ("no", "bf16")
        }
    report = {
        "waves_and_mels": plain,
        "with_tracked_beats": tracked,
        "with_latents_and_embeddings": {"model": options.model, **encoded["no"]},
        "with_latents_in_bfloat16": {"model": options.model, **encoded["bf16"]},
        "cpu_hours_for_466_hours": {
            "waves_and_mels": round(PUBLISHED_HOURS / plain[-1]["hours_an_hour_and_core"], 2),
            "with_tracked_beats": round(PUBLISHED_HOURS / tracked["hours_an_hour_and_core"], 2),
            "with_latents_and_embeddings": round(PUBLISHED_HOURS / encoded["no"]["hours_an_hour_and_core"], 2),
            "with_latents_in_bfloat16": round(PUBLISHED_HOURS / encoded["bf16"]["hours_an_hour_and_core"], 2),
        },
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "load": [round(one, 1) for one in os.getloadavg()],
        "versions": {name: version(name) for name in PACKAGES},
        "date": datetime.now(UTC).date().isoformat(),
    }
    RESULT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


def command(*words: object) -> tuple[float, float]:
    """Runs a musicldm command; MiB of its peak memory and its CPU seconds."""
    line = [sys.executable, "-c", CHILD, sys.executable, "-m", "musicldm", *map(str, words)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    told = subprocess.run(line, check=True, capture_output=True, text=True, env=environment)
    code, peak, seconds = json.loads(told.stdout.splitlines()[-1])
    if code:
        raise SystemExit(told.stderr)
    return float(peak), float(seconds)


def measured(work: Path, count: int, *options: str) -> Mapping[str, Any]:
    """Figures of preparing `count` clips with one worker, and of the second run that finds nothing to do."""
    source = corpus_of(work, count)
    words = ("prepare", source, "--out", work / "data", "--workers", 1, "--normalize", "none", *options)
    started = time.perf_counter()
    peak, cpu = command(*words)
    wall = time.perf_counter() - started
    _, again = command(*words)
    size = sum(path.stat().st_size for path in (work / "data").rglob("*") if path.is_file())
    shutil.rmtree(work / "data")
    shutil.rmtree(source)
    return {
        "clips": count,
        "hours": round(count * CLIP_HOURS, 2),
        "wall_seconds": round(wall, 1),
        "cpu_seconds": round(cpu, 1),
        "hours_an_hour_and_core": round(count * CLIP_HOURS / (cpu / 3600), 1),
        "peak_memory_mib": round(peak),
        "second_run_cpu_seconds": round(again, 1),
        "gigabytes": round(size / 1e9, 2),
    }


def corpus_of(work: Path, count: int) -> Path:
    """An audiofolder of `count` clips, no two of them alike."""
    composed, folder = work / "composed", work / "source"
    (folder / "audio").mkdir(parents=True)
    lines = (composed / "metadata.jsonl").read_text(encoding="utf-8").splitlines()
    with (folder / "metadata.jsonl").open("w", encoding="utf-8") as file:
        for index in range(count):
            row = json.loads(lines[index % len(lines)])
            wave, rate = soundfile.read(composed / row["file_name"], dtype="int16")
            wave[0] = index // len(lines)
            row["file_name"] = f"audio/{index:06}.flac"
            soundfile.write(folder / row["file_name"], wave, rate)
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
    return folder


if __name__ == "__main__":
    main()

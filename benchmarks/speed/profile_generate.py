"""Where the time of a clip goes: `python -m benchmarks.speed.profile_generate [--model default]`.

torch's profiler over one warm, unscored call of each way; operations by their own time, the largest first, and what is
left. Shares are of the way's own processor time; the profiler itself costs some. results/profile_generate.md.
"""

from __future__ import annotations

import argparse
import os
import time
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import torch
from torch.profiler import ProfilerActivity, profile

from benchmarks.circumstances import RESULTS, processor
from musicldm import MusicLDMPipeline
from musicldm.machine.devices import dtypes_of_parts

RESULT = RESULTS / "profile_generate.md"
PROMPT = "melodic techno with a fast beat and synths"
WAYS: dict[str, tuple[torch.dtype, dict[str, Any]]] = {
    "float32, 50 steps of DDIM": (torch.float32, {"scheduler": "ddim", "num_inference_steps": 50}),
    "float32, default": (torch.float32, {}),
    "bfloat16, default": (torch.bfloat16, {}),
    "bfloat16, draft": (torch.bfloat16, {"preset": "draft"}),
}
ROWS = 12


def main() -> None:
    """Profiles all ways and writes the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="default")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    lines = [
        f"{processor()}, {options.threads} of {os.cpu_count()} cores, torch {version('torch')}, "
        f"diffusers {version('diffusers')}, {datetime.now(UTC).date().isoformat()}; model {options.model}.",
        "",
    ]
    for name, (dtype, call) in WAYS.items():
        lines += profiled(name, options.model, dtype, call)
        print("\n".join(lines[-ROWS - 6 :]), flush=True)
    RESULT.write_text("\n".join(lines), encoding="utf-8")


def profiled(name: str, model: str, dtype: torch.dtype, call: dict[str, Any]) -> list[str]:
    """A table of a way's operations."""
    pipe = MusicLDMPipeline.from_pretrained(model, dtype=dtypes_of_parts(dtype), verify=False)
    pipe.set_progress_bar_config(disable=True)
    pipe.feature_extractor = None
    pipe(PROMPT, **call)
    started = time.perf_counter()
    pipe(PROMPT, **call)
    seconds = time.perf_counter() - started
    with profile(activities=[ProfilerActivity.CPU]) as profiler:
        pipe(PROMPT, **call)
    events = sorted(profiler.key_averages(), key=lambda event: -event.self_cpu_time_total)
    whole = sum(event.self_cpu_time_total for event in events)
    lines = [f"## {name}: {seconds:.2f} s without the profiler", "", "| operation | calls | share |", "|---|---|---|"]
    lines += [f"| `{one.key}` | {one.count} | {one.self_cpu_time_total / whole:.1%} |" for one in events[:ROWS]]
    rest = sum(event.self_cpu_time_total for event in events[ROWS:])
    return [*lines, f"| {len(events) - ROWS} others | | {rest / whole:.1%} |", ""]


if __name__ == "__main__":
    main()

"""Seconds a clip on a GPU: `python -m benchmarks.speed.generate_gpu`.

The shipped model and the published size with random weights, by 12 steps of DPM-Solver++, the latter by 200 steps of
DDIM too, for one wave and for many; in float32, in bfloat16, and with the UNet compiled into CUDA graphs
(`torch.compile`, mode "reduce-overhead"). Every row is the median of some calls after two that warm up and compile,
unscored, waves on the CPU at their end. Rows are kept as soon as they are there: results/generate_gpu.json and .md.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks.circumstances import RESULTS, graphics, processor
from benchmarks.speed.parity_full_size import full_size_parts
from musicldm import MusicLDMPipeline
from musicldm.machine.devices import dtypes_of_parts
from tests.tiny_model import tiny_tokenizer

PROMPT = "melodic techno with a fast beat and synths"
SECONDS = 10.24
SHIPPED, PUBLISHED = "shipped", "published size"
DPM = {"scheduler": "dpmsolver++", "num_inference_steps": 12, "guidance_scale": 4.0}
DDIM = {"scheduler": "ddim", "num_inference_steps": 200, "guidance_scale": 2.0}
WAYS: tuple[tuple[str, str, bool, dict[str, Any]], ...] = (
    (SHIPPED, "float32", False, DPM),
    (SHIPPED, "bfloat16", False, DPM),
    (SHIPPED, "bfloat16", True, DPM),
    (PUBLISHED, "float32", False, DDIM),
    (PUBLISHED, "float32", False, DPM),
    (PUBLISHED, "bfloat16", False, DPM),
    (PUBLISHED, "bfloat16", True, DPM),
)


def main() -> None:
    """Measures way after way."""
    options = _arguments()
    rows: list[dict[str, Any]] = []
    for checkpoint, dtype, compiled, call in WAYS:
        pipe = pipeline(checkpoint, getattr(torch, dtype), options)
        if compiled:
            pipe.unet.compile(mode="reduce-overhead", fullgraph=True)
        for waves in options.waves:
            seconds = timed(pipe, {**call, "num_waveforms_per_prompt": waves}, options)
            rows.append({"checkpoint": checkpoint, "dtype": dtype, "compiled": compiled, "waves": waves, **call})
            rows[-1]["seconds"] = round(seconds, 4)
            print(rows[-1], file=sys.stderr, flush=True)
            write({"rows": rows, **circumstances(options)})


def pipeline(checkpoint: str, dtype: torch.dtype, options: argparse.Namespace) -> MusicLDMPipeline:
    """On the device, unscored."""
    if checkpoint == SHIPPED:
        pipe = MusicLDMPipeline.from_pretrained("default", dtype=dtypes_of_parts(dtype), verify=False)
    else:
        parts = full_size_parts()
        pipe = MusicLDMPipeline(**parts, tokenizer=tiny_tokenizer(options.scratch / "tokenizer"))
        for name in ("unet", "vae", "vocoder"):
            getattr(pipe, name).to(dtype)
    pipe.feature_extractor = None
    pipe.unet_batch_size = 2 * max(options.waves)
    pipe.to(options.device).set_progress_bar_config(disable=True)
    return pipe


def timed(pipe: MusicLDMPipeline, call: dict[str, Any], options: argparse.Namespace) -> float:
    """Median seconds of a call."""
    taken = []
    for _ in range(options.calls + 2):
        started = time.perf_counter()
        pipe(PROMPT, audio_length_in_s=SECONDS, **call)
        taken.append(time.perf_counter() - started)
    return statistics.median(taken[2:])


def circumstances(options: argparse.Namespace) -> dict[str, Any]:
    """Hardware, versions and date."""
    return {
        "hardware": ", ".join([*graphics(), f"{processor()}, {os.cpu_count()} cores"]),
        "device": options.device,
        **{name: version(name) for name in ("torch", "diffusers", "transformers")},
        "calls": options.calls,
        "date": datetime.now(UTC).date().isoformat(),
    }


def write(report: dict[str, Any]) -> None:
    """The rows so far, as JSON and as a table."""
    RESULTS.joinpath("generate_gpu.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    lines = [
        f"{report['hardware']}; torch {report['torch']}, diffusers {report['diffusers']}, transformers "
        f"{report['transformers']}; {report['date']}. Waves of {SECONDS} s, the median of {report['calls']} calls.",
        "",
        "| checkpoint | steps | dtype | compiled | waves | s a call | s a wave | times real time |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in report["rows"]:
        each = row["seconds"] / row["waves"]
        lines.append(
            f"| {row['checkpoint']} | {row['num_inference_steps']} {row['scheduler']} | {row['dtype']} | "
            f"{'CUDA graphs' if row['compiled'] else '-'} | {row['waves']} | {row['seconds']:.3f} | {each:.4f} | "
            f"{SECONDS / each:,.0f} |"
        )
    RESULTS.joinpath("generate_gpu.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--waves", type=int, nargs="+", default=[1, 16], help="waves of one call")
    parser.add_argument("--calls", type=int, default=5, help="timed calls of each way")
    parser.add_argument("--scratch", type=Path, default=Path("/tmp/generate_gpu"), help="folder for a tokenizer")
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""A training step of the full-size UNet: `python benchmarks/published_step.py [--steps 3] [--batch-size 2]`.

The recipe `published` (185 M parameters, latents of 8 x 256 x 16) on a few random latents and embeddings: what a step
costs in time and memory does not depend on the numbers. Each variant runs in a process of its own, whose peak of memory
is measured; its first step is not timed. The figures go to benchmarks/results/published_step.json.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from model_card import processor
from musicldm.data.conditions import Conditions
from musicldm.training.ldm import RECIPES, LdmTask
from musicldm.training.loop import Loop, LoopOptions

RESULT = Path(__file__).parent / "results" / "published_step.json"
PACKAGES = ("numpy", "torch", "diffusers", "accelerate")
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "fp32": {},
    "fp32, activations computed twice": {"checkpointing": True},
    "bf16": {"mixed_precision": "bf16"},
    "fp32, two batches a step": {"accumulate": 2},
}
CLIPS = 8


def main() -> None:
    """Measures, prints and stores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=3, help="that are timed")
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--one", choices=VARIANTS, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(measured(options.one, options)))
        return
    rows = {}
    for name in options.variants:
        line = [sys.executable, __file__, "--one", name, "--steps", options.steps, "--batch-size", options.batch_size]
        told = subprocess.run([*map(str, line), "--device", options.device], check=True, stdout=subprocess.PIPE)
        rows[name] = json.loads(told.stdout)
        print(name, rows[name])
    report = {
        "variants": rows,
        "batch_size": options.batch_size,
        "hardware": f"{processor()}, {torch.get_num_threads()} of {os.cpu_count()} cores, {options.device}",
        "load": round(os.getloadavg()[0], 1),
        "versions": {name: version(name) for name in PACKAGES},
        "date": datetime.now(UTC).date().isoformat(),
    }
    RESULT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")


def measured(name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds and losses of the steps of a variant, samples a second, and the process' peak of memory."""
    task = published_task(options.batch_size)
    with tempfile.TemporaryDirectory() as out:
        settings = LoopOptions(Path(out), steps=1_000_000, device=options.device, **VARIANTS[name])
        steps = Loop(task, settings).steps()
        losses = [next(steps)["loss"]]
        seconds = []
        for _ in range(options.steps):
            started = time.perf_counter()
            losses.append(next(steps)["loss"])
            seconds.append(time.perf_counter() - started)
    samples = options.batch_size * settings.accumulate
    return {
        "gigaflop_forward": round(forward_operations(task) / 1e9, 1),
        "parameters": sum(p.numel() for p in task.modules.parameters()),
        "seconds_a_step": [round(value, 2) for value in seconds],
        "samples_a_second": round(samples / float(np.median(seconds)), 3),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "losses": [round(value, 4) for value in losses],
    }


def forward_operations(task: LdmTask) -> int:
    """Floating-point operations of one example's way through the UNet, two for each multiplication and addition."""
    latent, label = torch.zeros(1, 8, 256, 16), torch.zeros(1, 512)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        task.unet.cpu()(latent, torch.tensor([500]), None, class_labels=label)
    return int(counter.get_total_flops())


def published_task(batch_size: int) -> LdmTask:
    """The task of the recipe `published` on random latents (8, 2 x 8, 256, 16) and embeddings (8, 512)."""
    rng = np.random.default_rng(0)
    latents = np.abs(rng.standard_normal((CLIPS, 16, 256, 16))).astype(np.float16)
    embeddings = rng.standard_normal((CLIPS, 512)).astype(np.float16)
    conditions = Conditions(embeddings, np.arange(CLIPS + 1), embeddings, embeddings[0])
    recipe = replace(RECIPES["published"], batch_size=batch_size)
    return LdmTask(recipe, latents, conditions, latents, conditions, scaling_factor=1.0)


if __name__ == "__main__":
    main()

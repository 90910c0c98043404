"""What a training step of the UNet costs: `python -m benchmarks.speed.training_step [--recipes published default]`.

Random latents and embeddings, held in memory: time and memory do not depend on the numbers. `plain loop` is what one
writes with diffusers and PyTorch: the same UNet, noise and batches in float32, `AdamW`, and the average of the weights.
The others are our trainings. Each variant runs in a process of its own, in turn, round by round; the first six steps of
each, while memory and kernels settle, are not timed. The figures go to benchmarks/results/training_step.json.
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
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from diffusers.models.attention_processor import AttnProcessor2_0
from diffusers.training_utils import EMAModel
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.circumstances import RESULTS, processor
from musicldm.audio.mel import MelSpec
from musicldm.data.embeddings import ClipEmbeddings
from musicldm.training.loop.options import LoopOptions
from musicldm.training.loop.trainer import Loop
from musicldm.training.networks.unet import build_unet
from musicldm.training.tasks.ldm import LdmTask
from musicldm.training.tasks.ldm_inputs import LatentClips, LatentInputs
from musicldm.training.tasks.ldm_recipe import RECIPES

RESULT = RESULTS / "training_step.json"
PACKAGES = ("numpy", "torch", "diffusers", "accelerate")
PLAIN = "plain loop, float32"
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    PLAIN: {},
    "float32": {},
    "float32, activations computed twice": {"checkpointing": True},
    "bf16": {"mixed_precision": "bf16"},
    "bf16, fused attention": {"mixed_precision": "bf16"},
}
SIZES: Mapping[str, Mapping[str, Any]] = {
    "published": {"batch_size": 2, "latent": (256, 16)},
    "default": {"batch_size": 24, "latent": (96, 8)},
}
CLIPS = 24
UNTIMED = 6


def main() -> None:
    """Measures, prints and stores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", nargs="+", choices=SIZES, default=list(SIZES))
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=3, help="that are timed in a round")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--one", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        recipe, name = options.one
        print(json.dumps(measured(recipe, name, options)))
        return
    found: dict[str, Any] = json.loads(RESULT.read_text(encoding="utf-8")) if RESULT.is_file() else {}
    for recipe in options.recipes:
        rounds: dict[str, list[dict[str, Any]]] = {name: [] for name in options.variants}
        for _ in range(options.rounds):
            for name, told in rounds.items():
                line = [sys.executable, __file__, "--one", recipe, name, "--steps", str(options.steps)]
                done = subprocess.run([*line, "--device", options.device], check=True, stdout=subprocess.PIPE)
                told.append(json.loads(done.stdout))
                print(recipe, name, told[-1], flush=True)
        found[recipe] = {
            **SIZES[recipe],
            "variants": together(rounds),
            "rounds": options.rounds,
            "hardware": f"{processor()}, {torch.get_num_threads()} of {os.cpu_count()} cores, {options.device}",
            "load": round(os.getloadavg()[0], 1),
            "versions": {name: version(name) for name in PACKAGES},
            "date": datetime.now(UTC).date().isoformat(),
        }
        RESULT.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


def together(rounds: Mapping[str, list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Of each variant: the median rate, the rate over that of the first, the most memory."""
    rates = {name: float(np.median([one["samples_a_second"] for one in told])) for name, told in rounds.items()}
    first = next(iter(rates.values()))
    return {
        name: told[0]
        | {
            "seconds_a_step": [value for one in told for value in one["seconds_a_step"]],
            "samples_a_second": round(rates[name], 3),
            "times_the_first": round(rates[name] / first, 2),
            "peak_mib": max(one["peak_mib"] for one in told),
        }
        for name, told in rounds.items()
    }


def measured(recipe: str, name: str, options: argparse.Namespace) -> dict[str, Any]:
    """Seconds of the steps of a variant, samples a second, the last loss, and the process' peak of memory."""
    task = make_task(recipe)
    if "fused" in name:
        task.unet.set_attn_processor(AttnProcessor2_0())
    with tempfile.TemporaryDirectory() as out:
        if name == PLAIN:
            steps = plain_loop(task, options.device)
        else:
            settings = LoopOptions(Path(out), steps=1_000_000, device=options.device, **VARIANTS[name])
            steps = (losses["loss"] for losses in Loop(task, settings).steps())
        for _ in range(UNTIMED):
            next(steps)
        seconds = []
        loss = 0.0
        for _ in range(options.steps):
            started = time.perf_counter()
            loss = next(steps)
            seconds.append(time.perf_counter() - started)
    return {
        "gigaflop_forward": round(forward_operations(task) / 1e9, 1),
        "parameters": sum(p.numel() for p in task.modules.parameters()),
        "seconds_a_step": [round(value, 3) for value in seconds],
        "samples_a_second": round(task.batch_size / float(np.median(seconds)), 3),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "loss": round(loss, 4),
    }


def plain_loop(task: LdmTask, device: str) -> Iterator[float]:
    """The losses of a training as one writes it: no autocast, and nothing of ours but batches and noise levels."""
    unet = task.unet.to(device).train()
    unet.set_attn_processor(AttnProcessor2_0())
    optimizer = torch.optim.AdamW(unet.parameters(), lr=task.recipe.learning_rate)
    average = EMAModel(unet.parameters(), decay=0.9999)
    rng = np.random.default_rng(0)
    while True:
        batch = task.batch(rng.permutation(len(task))[: task.batch_size], rng)
        latent, label = batch["latent"].to(device), batch["condition"].to(device)
        noise = torch.randn_like(latent)
        steps = torch.randint(0, task.recipe.train_timesteps, (len(latent),), device=device)
        noisy = task.scheduler.add_noise(latent, noise, steps)
        loss = F.mse_loss(unet(noisy, steps, None, class_labels=label).sample, noise)
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(unet.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        average.step(unet.parameters())
        yield float(loss.detach())


def forward_operations(task: LdmTask) -> int:
    """Floating-point operations of one example's way through the UNet, two for each multiplication and addition."""
    latent, label = torch.zeros(1, 8, *task.train.moments.shape[2:]), torch.zeros(1, 512)
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        task.unet.cpu()(latent, torch.tensor([500]), None, class_labels=label)
    return int(counter.get_total_flops())


def make_task(recipe: str) -> LdmTask:
    """The task of a recipe on random latents (24, 2 x 8, frames, bins) and embeddings (24, 512)."""
    rng = np.random.default_rng(0)
    size = SIZES[recipe]
    latents = np.abs(rng.standard_normal((CLIPS, 16, *size["latent"]))).astype(np.float16)
    embeddings = rng.standard_normal((CLIPS, 512)).astype(np.float16)
    clips = LatentClips(latents, ClipEmbeddings(embeddings, np.arange(CLIPS + 1), embeddings, embeddings[0]))
    wanted = replace(RECIPES[recipe], batch_size=size["batch_size"], crop_frames=(size["latent"][0],))
    return LdmTask(wanted, LatentInputs(clips, clips, MelSpec(), 1.0, build_unet(wanted, 8)))


if __name__ == "__main__":
    main()

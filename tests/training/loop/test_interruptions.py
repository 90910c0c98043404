"""A training process that is killed at any moment loses what came after its last checkpoint, and nothing else."""

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from musicldm.training.loop.checkpoint import CHECKPOINT
from musicldm.training.loop.options import LoopOptions
from musicldm.training.loop.task import Schedule, Turn, Validation
from musicldm.training.loop.trainer import Loop

STEPS, KILLS = 400, 20


class Walk:
    """Follows the clips' values, with momentum and noise: any step lost or done twice changes the end."""

    name = "walk"
    ema = ("point",)
    goal = "point"
    recipe = schedule = Schedule()
    compiled = ()
    sample_rate = 16000
    batch_size = 2
    turns = (Turn("generator", ("point",), 0.05),)

    def __init__(self) -> None:
        self.modules = nn.ModuleDict({"point": nn.Linear(64, 64, bias=False)})
        nn.init.zeros_(self.modules["point"].weight)

    def __len__(self) -> int:
        return 7

    def batch(self, clips: np.ndarray, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        return {"value": torch.from_numpy((clips + rng.standard_normal(2)).astype(np.float32))}

    def losses(self, batch: dict[str, torch.Tensor], progress: float) -> Iterator[dict[str, torch.Tensor]]:
        yield {"loss": (self.modules["point"].weight - batch["value"].mean() + torch.randn(())).square().mean()}

    def validate(self) -> Validation:
        return Validation({"point": self.modules["point"].weight.mean().item()})

    def export(self, folder: Path) -> None:
        torch.save(self.modules["point"].weight, folder / "point.pt")


def run(out: Path) -> None:
    torch.set_num_threads(1)
    options = LoopOptions(out, steps=STEPS, device="cpu", checkpoint_minutes=0.0, resume=(out / CHECKPOINT).exists())
    Loop(Walk(), options).run()


@pytest.mark.skipif(sys.platform != "linux", reason="forks, and kills what it forked")
@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_twenty_kills_at_random_moments_change_nothing_of_the_result(tmp_path: Path) -> None:
    run(tmp_path / "whole")
    wanted = torch.load(tmp_path / "whole" / "point.pt", weights_only=True)
    broken, random = tmp_path / "broken", np.random.default_rng(0)
    context = multiprocessing.get_context("fork")
    kills, reached = 0, 0
    while not (broken / "point.pt").exists():
        process = context.Process(target=run, args=(broken,))
        process.start()
        assert process.pid is not None
        if kills < KILLS:
            wait_for_progress(broken, process, float(random.uniform(0, 0.1)))
            os.kill(process.pid, signal.SIGKILL)
            kills += 1
        process.join()
        if (broken / CHECKPOINT).exists():
            state = torch.load(broken / CHECKPOINT, weights_only=True)
            assert state["step"] >= reached
            reached = state["step"]
    assert kills == KILLS
    assert reached == STEPS
    assert torch.equal(torch.load(broken / "point.pt", weights_only=True), wanted)


def wait_for_progress(folder: Path, process: multiprocessing.Process, seconds: float) -> None:
    """Until a checkpoint has been written since now, and a moment more."""
    before = newest(folder)
    deadline = time.monotonic() + 60
    while process.is_alive() and newest(folder) == before and time.monotonic() < deadline:
        time.sleep(0.002)
    time.sleep(seconds)


def newest(folder: Path) -> int:
    path = folder / CHECKPOINT
    return path.stat().st_mtime_ns if path.exists() else 0

"""Two processes that average their gradients learn what one process learns from both batches at once."""

import json
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.multiprocessing as multiprocessing
from torch import nn

from musicldm.audio.mel import MelSpec
from musicldm.data.embeddings import ClipEmbeddings
from musicldm.training.loop.batches import next_clips
from musicldm.training.loop.checkpoint import CHECKPOINT
from musicldm.training.loop.options import LoopOptions
from musicldm.training.loop.task import Schedule, Turn, Validation
from musicldm.training.loop.trainer import Loop
from musicldm.training.networks.unet import build_unet
from musicldm.training.tasks.ldm import LdmTask
from musicldm.training.tasks.ldm_inputs import LatentClips, LatentInputs
from musicldm.training.tasks.ldm_recipe import LdmRecipe

VALUES = np.arange(10, dtype=np.float32)
STEPS, BATCH, SEED = 5, 3, 4


class Line:
    """Fits a line through noisy points; `processes` above 1 draws what that many processes would draw."""

    name = "line"
    ema = ("line",)
    goal = "weight"
    recipe = schedule = Schedule(warmup=1, decay=0.0)
    compiled = ("line",)
    sample_rate = 16000
    turns = (Turn("generator", ("line",), 0.1, max_grad_norm=1e9),)
    batch_size = BATCH

    def __init__(self, processes: int = 1) -> None:
        self.processes = processes
        self.modules = nn.ModuleDict({"line": nn.Linear(1, 1)})
        self.step = 0

    def __len__(self) -> int:
        return len(VALUES)

    def batch(self, clips: np.ndarray, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        parts = [(clips, rng)]
        if self.processes > 1:
            whole = next_clips(len(self), self.step * BATCH * self.processes, BATCH * self.processes, SEED)
            ranks = range(self.processes)
            parts = [(whole[r :: self.processes], np.random.default_rng([SEED, 2 + r, self.step])) for r in ranks]
            self.step += 1
        x = np.concatenate([VALUES[chosen] for chosen, _ in parts])
        noise = np.concatenate([draw.standard_normal(len(chosen)) for chosen, draw in parts])
        y = (3 * x - 1 + noise).astype(np.float32)
        return {"x": torch.from_numpy(x)[:, None], "y": torch.from_numpy(y)[:, None]}

    def losses(self, batch: dict[str, torch.Tensor], progress: float) -> Iterator[dict[str, torch.Tensor]]:
        yield {"loss": (self.modules["line"](batch["x"]) - batch["y"]).square().mean()}

    def validate(self) -> Validation:
        return Validation({"weight": self.modules["line"].weight.item()})

    def export(self, folder: Path) -> None:
        (folder / "line.json").write_text(json.dumps([p.item() for p in self.modules["line"].parameters()]))


class Latents(LdmTask):
    """A small UNet on 12 clips; `processes` above 1 draws what that many processes would draw, noise too."""

    def __init__(self, processes: int = 1) -> None:
        self.processes, self.made, self.seen = processes, 0, 0
        rng = np.random.default_rng(1)
        latents = rng.standard_normal((12, 4, 16, 4)).astype(np.float16)
        embeddings = rng.standard_normal((12, 8)).astype(np.float16)
        clips = LatentClips(latents, ClipEmbeddings(embeddings, np.arange(13), embeddings, embeddings[0]))
        recipe = LdmRecipe(
            channels=(8, 16), groups=4, head_channels=8, condition_width=8, batch_size=BATCH, crop_frames=(8,),
            condition_floor=0.0,
        )  # fmt: skip
        super().__init__(recipe, LatentInputs(clips, clips.part(slice(0, 2)), MelSpec(), 1.0, build_unet(recipe, 2)))

    def batch(self, clips: np.ndarray, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        if self.processes == 1:
            return super().batch(clips, rng)
        whole = next_clips(len(self), self.made * BATCH * self.processes, BATCH * self.processes, SEED)
        ranks = range(self.processes)
        parts = [
            super(Latents, self).batch(whole[r :: self.processes], np.random.default_rng([SEED, 2 + r, self.made]))
            for r in ranks
        ]
        self.made += 1
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def losses(self, batch: dict[str, torch.Tensor], progress: float) -> Iterator[dict[str, torch.Tensor] | None]:
        if self.processes == 1:
            yield from super().losses(batch, progress)
            return
        losses = []
        for rank in range(self.processes):
            torch.manual_seed((SEED * 1_000_003 + self.seen) * self.processes + rank)
            part = {name: value.chunk(self.processes)[rank] for name, value in batch.items()}
            losses.append(next(super().losses(part, progress))["loss"])
        self.seen += 1
        yield {"loss": torch.stack(losses).mean()}

    def export(self, folder: Path) -> None:
        torch.save(self.unet.state_dict(), folder / "unet.pt")


TASKS = {"line": Line, "latents": Latents}


def train(task: Line | LdmTask, folder: Path) -> None:
    options = LoopOptions(folder, steps=STEPS, device="cpu", seed=SEED)
    Loop(task, options).run()


def one_of_two(rank: int, folder: Path, port: int) -> None:
    os.environ |= {
        "RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2",
        "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "OMP_NUM_THREADS": "1",
    }  # fmt: skip
    for kind, make in TASKS.items():
        torch.manual_seed(rank)  # unlike weights: those of the main process count
        train(make(), folder / kind / "two")
    torch.distributed.destroy_process_group()


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Each task in a folder: by two processes in `two`, and in `one` by one process that draws what the two draw."""
    folder = tmp_path_factory.mktemp("processes")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    multiprocessing.spawn(one_of_two, args=(folder, port), nprocs=2)
    for kind, make in TASKS.items():
        torch.manual_seed(0)
        train(make(processes=2), folder / kind / "one")
    return folder


def test_two_processes_learn_what_one_learns_from_both_batches(trained: Path) -> None:
    folder = trained / "line"
    two, one = (json.loads((folder / name / "line.json").read_text()) for name in ("two", "one"))
    assert two == pytest.approx(one, rel=1e-5)
    kept = [json.loads(line) for line in (folder / "two" / "log.jsonl").read_text().splitlines()]
    assert [entry["kind"] for entry in kept].count("validation") == 1
    assert torch.load(folder / "two" / CHECKPOINT, weights_only=True)["step"] == STEPS


def test_two_processes_train_the_unet_as_one_does_on_both_batches(trained: Path) -> None:
    two, one = (torch.load(trained / "latents" / name / "unet.pt", weights_only=True) for name in ("two", "one"))
    torch.manual_seed(0)
    begun = Latents().unet.state_dict()
    # Adam divides a gradient by its own size, and so a few near zero by rounding errors: the weights count together.
    apart, moved = (
        float(torch.cat([(other[name] - value).flatten() for name, value in one.items()]).norm())
        for other in (two, begun)
    )
    assert moved > 0.01
    assert apart < 0.01 * moved

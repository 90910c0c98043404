import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from musicldm.data.clips import ClipStore
from musicldm.data.conditions import Conditions
from musicldm.errors import InvalidInputError, TrainingError
from musicldm.training import clap as clap_module
from musicldm.training import loop as loop_module
from musicldm.training.clap import make_task as make_clap
from musicldm.training.ldm import LdmRecipe, LdmTask
from musicldm.training.loop import CHECKPOINT, Loop, LoopOptions, Task, Turn, learning_rate_factor, step_clips
from musicldm.training.vae import VaeRecipe, VaeTask
from musicldm.training.vocoder import VocoderRecipe, VocoderTask

from .tiny_encoder import RECIPE, tiny_encoder


class Quadratic:
    """Pulls a vector to the batch's mean: the optimum is known."""

    name = "quadratic"
    ema = ("point",)
    batch_size = 4

    def __init__(self, rate: float = 0.05) -> None:
        self.values = np.arange(10, dtype=np.float32)
        self.modules = nn.ModuleDict({"point": nn.Linear(1, 1, bias=False)})
        self.turns = (Turn("generator", ("point",), rate, max_grad_norm=1e9),)
        self.poison: int | None = None
        self.seen: list[list[int]] = []

    def __len__(self) -> int:
        return len(self.values)

    def batch(self, clips: np.ndarray, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        self.seen.append(clips.tolist())
        return {"value": torch.from_numpy(self.values[clips] + rng.standard_normal(len(clips)).astype(np.float32))}

    def losses(self, turn: str, batch: dict[str, torch.Tensor], progress: float) -> dict[str, torch.Tensor]:
        point = self.modules["point"].weight.squeeze()
        loss = (point - batch["value"]).square().mean() + 0.01 * torch.randn(())
        if self.poison is not None and len(self.seen) > self.poison:
            loss = loss * float("nan")
        return {"loss": loss}

    def validate(self) -> dict[str, float]:
        return {"point": self.modules["point"].weight.item()}

    def samples(self) -> dict[str, np.ndarray]:
        return {}

    def export(self, folder: Path) -> None:
        (folder / "point.json").write_text(json.dumps(self.modules["point"].weight.item()))


def vae_task(store: ClipStore, _: Path) -> Task:
    recipe = VaeRecipe(
        channels=(8, 8), groups=4, latent_channels=2, batch_size=2, crop_frames=16, adversarial_from=0.3,
        patch_channels=(4, 4),
    )  # fmt: skip
    return VaeTask(recipe, store.part(slice(0, 10)), store.part(slice(10, 12)))


def vocoder_task(store: ClipStore, _: Path) -> Task:
    recipe = VocoderRecipe(
        initial_channels=16, batch_size=2, segment_frames=16, adversarial_from=0.3, periods=(2, 3),
        period_channels=(4, 4), scales=1, scale_channels=(4, 4),
    )  # fmt: skip
    return VocoderTask(recipe, store.part(slice(0, 10)), store.part(slice(10, 12)))


def ldm_task(store: ClipStore, _: Path) -> Task:
    rng = np.random.default_rng(1)
    latents = np.abs(rng.standard_normal((12, 4, 16, 4))).astype(np.float16)
    text = rng.standard_normal((24, 8)).astype(np.float16)
    conditions = Conditions(text, np.arange(0, 25, 2), text[:12], text[0])
    recipe = LdmRecipe(channels=(8, 16), groups=4, head_channels=8, condition_width=8, batch_size=2, crop_frames=8)
    kept, held = slice(0, 10), slice(10, 12)
    return LdmTask(
        recipe, latents[kept], conditions.part(kept), latents[held], conditions.part(held), scaling_factor=1.0
    )


def clap_task(store: ClipStore, _: Path) -> Task:
    return make_clap(RECIPE, store.part(slice(0, 10)), store.part(slice(10, 12)))


TASKS = {"vae": vae_task, "vocoder": vocoder_task, "clap": clap_task, "ldm": ldm_task}


class Killed(Exception):
    pass


def recorded(task: Task, options: LoopOptions, stop_at: int | None = None) -> list[float]:
    """Trains and gives the losses of all steps; raises Killed in the middle where wanted, with a checkpoint before."""
    torch.manual_seed(0)
    loop = Loop(task, options, report=lambda line: None)
    losses: list[float] = []
    train_step = loop._train_step

    def step(batch: dict[str, torch.Tensor]) -> dict[str, float]:
        if stop_at is not None and loop.step == stop_at:
            raise Killed
        if stop_at is not None and loop.step == stop_at - 1:
            loop.save()
        out = train_step(batch)
        losses.append(out["loss"])
        return out

    loop._train_step = step  # type: ignore[method-assign]
    loop.run()
    return losses


@pytest.mark.parametrize("part", TASKS)
def test_a_killed_run_resumes_with_the_losses_of_an_unbroken_one(
    part: str, tones: ClipStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clap_module, "load_encoder", tiny_encoder)
    make: Callable[[ClipStore, Path], Task] = TASKS[part]
    torch.manual_seed(3)
    whole = recorded(make(tones, tmp_path), LoopOptions(tmp_path / "whole", steps=6, warmup=2, device="cpu"))
    torch.manual_seed(3)
    options = LoopOptions(tmp_path / "broken", steps=6, warmup=2, device="cpu")
    with pytest.raises(Killed):
        recorded(make(tones, tmp_path), options, stop_at=4)
    torch.manual_seed(99)
    resumed = LoopOptions(tmp_path / "broken", steps=6, warmup=2, device="cpu", resume=True)
    assert recorded(make(tones, tmp_path), resumed) == pytest.approx(whole[3:], rel=1e-6)


def test_the_loop_finds_the_known_optimum(tmp_path: Path) -> None:
    task = Quadratic()
    Loop(task, LoopOptions(tmp_path, steps=600, warmup=1, device="cpu"), report=lambda line: None).run()
    assert json.loads((tmp_path / "point.json").read_text()) == pytest.approx(4.5, abs=0.25)


def test_every_clip_comes_once_an_epoch_in_a_new_order_each_time() -> None:
    drawn = np.concatenate([step_clips(10, 4, step, seed=5) for step in range(5)])
    assert sorted(drawn[:10]) == list(range(10))
    assert sorted(drawn[10:]) == list(range(10))
    assert drawn[:10].tolist() != drawn[10:].tolist()


def test_the_rate_rises_stays_and_falls_to_zero() -> None:
    factors = [learning_rate_factor(step, step / 1000, warmup=10, decay=0.5) for step in range(1001)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[4] == pytest.approx(0.5)
    assert factors[9:501] == pytest.approx([1.0] * 492)
    assert factors[750] == pytest.approx(0.5)
    assert factors[1000] == 0.0


def test_the_rate_rises_over_a_twenty_fifth_of_a_short_run() -> None:
    factors = [learning_rate_factor(step, step / 100, warmup=200, decay=0.5) for step in range(5)]
    assert factors == pytest.approx([0.005, 0.25, 0.5, 0.75, 1.0])


def test_a_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    task = Quadratic()
    loop = Loop(task, LoopOptions(tmp_path, steps=20, device="cpu"), report=lambda line: None)
    loop.save()
    before = (tmp_path / CHECKPOINT).read_bytes()
    task.poison = 3
    with pytest.raises(TrainingError, match="loss of quadratic is nan at step"):
        loop.run()
    assert (tmp_path / CHECKPOINT).read_bytes() == before


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(Quadratic(), LoopOptions(tmp_path, steps=20, device="cpu"), report=lambda line: None)
    loop.save()
    before = (tmp_path / CHECKPOINT).read_bytes()

    def full(state: object, file: object) -> None:
        file.write(b"half of it")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(loop_module.torch, "save", full)
    with pytest.raises(TrainingError, match="No space left"):
        loop.save()
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]


def test_a_folder_that_holds_a_training_is_not_overwritten(tmp_path: Path) -> None:
    Loop(Quadratic(), LoopOptions(tmp_path, steps=2, device="cpu"), report=lambda line: None).save()
    with pytest.raises(InvalidInputError, match="add --resume"):
        Loop(Quadratic(), LoopOptions(tmp_path, steps=2, device="cpu"))


def test_resuming_what_is_not_there_says_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="nothing to resume"):
        Loop(Quadratic(), LoopOptions(tmp_path, steps=2, device="cpu", resume=True))


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "either steps or minutes"),
        ({"steps": 1, "minutes": 1.0}, "either steps or minutes"),
        ({"steps": 0}, "steps is 0"),
        ({"minutes": float("nan")}, "minutes is nan"),
    ],
)
def test_a_length_that_is_none_is_refused(given: dict[str, float], message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=message):
        LoopOptions(tmp_path, **given)  # type: ignore[arg-type]


def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="device 'tpu' is not available"):
        Loop(Quadratic(), LoopOptions(tmp_path, steps=1, device="tpu"))


def test_a_truncated_checkpoint_is_an_error_of_one_line(tmp_path: Path) -> None:
    Loop(Quadratic(), LoopOptions(tmp_path, steps=2, device="cpu"), report=lambda line: None).save()
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(TrainingError, match="cannot be read"):
        Loop(Quadratic(), LoopOptions(tmp_path, steps=2, device="cpu", resume=True))

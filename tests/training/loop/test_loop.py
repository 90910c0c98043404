import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from PIL import Image
from torch import nn

from musicldm.audio.mel import MelSpec
from musicldm.data.embeddings import ClipEmbeddings
from musicldm.data.store import ClipStore
from musicldm.errors import InvalidInputError, TrainingError
from musicldm.training.loop import checkpoint as checkpoint_module
from musicldm.training.loop.attention import PlainWhereSmall
from musicldm.training.loop.batches import next_clips
from musicldm.training.loop.checkpoint import CHECKPOINT
from musicldm.training.loop.log import Journal
from musicldm.training.loop.optimizers import learning_rate_factor
from musicldm.training.loop.options import LoopOptions
from musicldm.training.loop.task import Schedule, Task, Turn, Validation
from musicldm.training.loop.trainer import Loop
from musicldm.training.networks.unet import build_unet
from musicldm.training.tasks import clap as clap_module
from musicldm.training.tasks.ldm import LdmTask
from musicldm.training.tasks.ldm_inputs import LatentClips, LatentInputs
from musicldm.training.tasks.ldm_recipe import LdmRecipe
from musicldm.training.tasks.vae import VaeRecipe, VaeTask
from musicldm.training.tasks.vocoder import VocoderRecipe, VocoderTask
from tests.tiny_encoder import tiny_clap_task, tiny_encoder


class Quadratic:
    """Pulls a vector to the batch's mean: the optimum is known."""

    name = "quadratic"
    ema = ("point",)
    goal = "distance"
    recipe = schedule = Schedule()
    compiled = ("point",)
    sample_rate = 16000
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

    def losses(self, batch: dict[str, torch.Tensor], progress: float) -> Iterator[dict[str, torch.Tensor]]:
        point = self.modules["point"].weight.squeeze()
        loss = (point - batch["value"]).square().mean() + 0.01 * torch.randn(())
        if self.poison is not None and len(self.seen) > self.poison:
            loss = loss * float("nan")
        yield {"loss": loss}

    def validate(self) -> Validation:
        point = self.modules["point"].weight.item()
        return Validation({"point": point, "distance": abs(point - 4.5)})

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
    embeddings = ClipEmbeddings(text, np.arange(0, 25, 2), text[:12], text[0])
    recipe = LdmRecipe(channels=(8, 16), groups=4, head_channels=8, condition_width=8, batch_size=2, crop_frames=(8,))
    kept, held = slice(0, 10), slice(10, 12)
    clips = LatentClips(latents, embeddings)
    return LdmTask(recipe, LatentInputs(clips.part(kept), clips.part(held), MelSpec(), 1.0, build_unet(recipe, 2)))


def clap_task(store: ClipStore, _: Path) -> Task:
    return tiny_clap_task(store.part(slice(0, 10)), store.part(slice(10, 12)))


TASKS = {"vae": vae_task, "vocoder": vocoder_task, "clap": clap_task, "ldm": ldm_task}


class Killed(Exception):
    pass


def recorded(task: Task, options: LoopOptions, stop_at: int | None = None) -> list[float]:
    """Trains and gives the losses of all steps; raises Killed in the middle where wanted, with a checkpoint before."""
    torch.manual_seed(0)
    loop = Loop(task, options)
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
    whole = recorded(make(tones, tmp_path), LoopOptions(tmp_path / "whole", steps=6, device="cpu"))
    torch.manual_seed(3)
    options = LoopOptions(tmp_path / "broken", steps=6, device="cpu")
    with pytest.raises(Killed):
        recorded(make(tones, tmp_path), options, stop_at=4)
    torch.manual_seed(99)
    resumed = LoopOptions(tmp_path / "broken", steps=6, device="cpu", resume=True)
    assert recorded(make(tones, tmp_path), resumed) == pytest.approx(whole[3:], rel=1e-6)


def test_a_unet_trains_with_the_attention_that_is_fast_here(tones: ClipStore, tmp_path: Path) -> None:
    processors = ldm_task(tones, tmp_path).modules["unet"].attn_processors.values()
    assert {type(one) for one in processors} == {PlainWhereSmall}


def test_the_loop_finds_the_known_optimum(tmp_path: Path) -> None:
    task = Quadratic()
    Loop(task, LoopOptions(tmp_path, steps=600, device="cpu")).run()
    assert json.loads((tmp_path / "point.json").read_text()) == pytest.approx(4.5, abs=0.25)


def test_every_clip_comes_once_an_epoch_in_a_new_order_each_time() -> None:
    drawn = np.concatenate([next_clips(10, 4 * step, 4, seed=5) for step in range(5)])
    assert sorted(drawn[:10]) == list(range(10))
    assert sorted(drawn[10:]) == list(range(10))
    assert drawn[:10].tolist() != drawn[10:].tolist()


def test_every_clip_comes_once_an_epoch_where_a_run_goes_on_with_other_steps(tmp_path: Path) -> None:
    first, later = Noiseless(2), Noiseless(1)
    trained(first, tmp_path, steps=3)
    trained(later, tmp_path, steps=5, accumulate=2, resume=True)
    seen = np.concatenate([*first.seen[:3], *later.seen[:4]])
    assert sorted(seen) == list(range(10))


def test_the_rate_rises_stays_and_falls_to_zero() -> None:
    factors = [learning_rate_factor(step, step / 1000, Schedule(warmup=10, decay=0.5)) for step in range(1001)]
    assert factors[0] == pytest.approx(0.1)
    assert factors[4] == pytest.approx(0.5)
    assert factors[9:501] == pytest.approx([1.0] * 492)
    assert factors[750] == pytest.approx(0.5)
    assert factors[1000] == 0.0


def test_the_rate_rises_over_a_twenty_fifth_of_a_short_run() -> None:
    factors = [learning_rate_factor(step, step / 100, Schedule(warmup=200, decay=0.5)) for step in range(5)]
    assert factors == pytest.approx([0.005, 0.25, 0.5, 0.75, 1.0])


def test_a_loss_that_is_not_finite_stops_and_keeps_the_checkpoint(tmp_path: Path) -> None:
    task = Quadratic()
    loop = Loop(task, LoopOptions(tmp_path, steps=20, device="cpu"))
    loop.save()
    before = (tmp_path / CHECKPOINT).read_bytes()
    task.poison = 3
    with pytest.raises(TrainingError, match="loss of quadratic is nan at step"):
        loop.run()
    assert (tmp_path / CHECKPOINT).read_bytes() == before


def test_a_full_disk_leaves_the_checkpoint_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loop = Loop(Quadratic(), LoopOptions(tmp_path, steps=20, device="cpu"))
    loop.save()
    before = (tmp_path / CHECKPOINT).read_bytes()

    def full(state: object, file: object) -> None:
        file.write(b"half of it")  # type: ignore[attr-defined]
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint_module.torch, "save", full)
    with pytest.raises(TrainingError, match="No space left"):
        loop.save()
    assert (tmp_path / CHECKPOINT).read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == [CHECKPOINT]


def test_a_folder_that_holds_a_training_is_not_overwritten(tmp_path: Path) -> None:
    Loop(Quadratic(), LoopOptions(tmp_path, steps=2, device="cpu")).save()
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
def test_a_length_that_makes_no_sense_is_refused(given: dict[str, float], message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=message):
        LoopOptions(tmp_path, **given)  # type: ignore[arg-type]


def test_a_device_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="device 'tpu' is not available"):
        Loop(Quadratic(), LoopOptions(tmp_path, steps=1, device="tpu"))


def test_a_training_on_a_cpu_keeps_freed_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []
    monkeypatch.setattr("musicldm.training.loop.trainer.keep_freed_memory", lambda: asked.append(True))
    Loop(Quadratic(), LoopOptions(tmp_path, steps=1, device="cpu"))
    assert asked == [True]


def test_a_truncated_checkpoint_is_an_error_of_one_line(tmp_path: Path) -> None:
    Loop(Quadratic(), LoopOptions(tmp_path, steps=2, device="cpu")).save()
    path = tmp_path / CHECKPOINT
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(TrainingError, match="cannot be read"):
        Loop(Quadratic(), LoopOptions(tmp_path, steps=2, device="cpu", resume=True))


class Noiseless(Quadratic):
    """Nothing is drawn but clips, so that the same clips in other batches give the same gradients."""

    def __init__(self, batch_size: int) -> None:
        super().__init__()
        self.batch_size = batch_size
        nn.init.zeros_(self.modules["point"].weight)

    def batch(self, clips: np.ndarray, rng: np.random.Generator) -> dict[str, torch.Tensor]:
        self.seen.append(clips.tolist())
        return {"value": torch.from_numpy(self.values[clips])}

    def losses(self, batch: dict[str, torch.Tensor], progress: float) -> Iterator[dict[str, torch.Tensor]]:
        yield {"loss": (self.modules["point"].weight.squeeze() - batch["value"]).square().mean()}


def trained(task: Quadratic, out: Path, **options: object) -> float:
    loop = Loop(task, LoopOptions(out, **{"steps": 6, "device": "cpu"} | options))
    loop.run()
    return task.modules["point"].weight.item()


def test_gradients_of_several_batches_make_the_step_of_one_large_batch(tmp_path: Path) -> None:
    large, small = Noiseless(6), Noiseless(2)
    whole = trained(large, tmp_path / "large")
    assert trained(small, tmp_path / "small", accumulate=3) == pytest.approx(whole, abs=1e-6)
    assert trained(Noiseless(2), tmp_path / "other") != pytest.approx(whole, abs=1e-3)
    assert np.array_equal(np.concatenate(small.seen[:18]), np.concatenate(large.seen[:6]))


def test_scaled_gradients_make_the_same_step(tmp_path: Path) -> None:
    """What fp16 does on a GPU, with the scaler that PyTorch has for the CPU."""
    plain, task = Noiseless(6), Noiseless(6)
    plain.turns = task.turns = (replace(task.turns[0], max_grad_norm=0.01),)
    wanted = trained(plain, tmp_path / "plain")
    loop = Loop(task, LoopOptions(tmp_path / "scaled", steps=6, device="cpu"))
    loop.accelerator.scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    seen: list[float] = []
    optimizers = loop.optimizers["generator"]
    step = optimizers.step

    def watched(*arguments: object) -> None:
        seen.append(task.modules["point"].weight.grad.item())
        step(*arguments)
        assert task.modules["point"].weight.grad.abs().item() == pytest.approx(0.01, rel=1e-3)

    optimizers.step = watched  # type: ignore[method-assign]
    loop.run()
    assert abs(seen[0]) > 1024
    assert task.modules["point"].weight.item() == pytest.approx(wanted, abs=1e-6)


def test_a_turn_leaves_no_gradient_in_the_modules_of_another(tones: ClipStore, tmp_path: Path) -> None:
    task = vocoder_task(tones, tmp_path)
    loop = Loop(task, LoopOptions(tmp_path, steps=4, device="cpu"))
    loop.step = 2
    batches = next(loop.batches.steps(ThreadPoolExecutor(1), loop.step, loop.seen))
    wanted = discriminator_gradient(task, batches[0])
    loop._train_step(batches)
    found = torch.cat([p.grad.flatten() for p in task.modules["discriminators"].parameters()])
    assert torch.allclose(found, wanted / max(1.0, float(wanted.norm()) / 10), rtol=1e-3, atol=1e-6)


def discriminator_gradient(task: Task, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    torch.manual_seed(2)
    losses = next(task.losses(batch, 0.5))
    assert losses is not None
    parameters = list(task.modules["discriminators"].parameters())
    return torch.cat([g.flatten() for g in torch.autograd.grad(losses["loss"], parameters)])


class Wandering(Noiseless):
    """Validation finds figures as told; the weight counts the validations."""

    def __init__(self, figures: list[float]) -> None:
        super().__init__(2)
        self.figures = iter(figures)
        self.count = 0

    def validate(self) -> Validation:
        self.count += 1
        return Validation({"distance": next(self.figures)})

    def export(self, folder: Path) -> None:
        (folder / "best.txt").write_text(str(self.count))


def test_patience_ends_a_run_and_exports_the_best_weights(tmp_path: Path) -> None:
    figures = [3.0, 2.0, 2.5, 1.0, 1.5, 1.0, 2.0, 0.1]
    task = Wandering(figures)
    trained(task, tmp_path, steps=100, validate_minutes=0.0, patience=3)
    assert task.count == 7
    assert (tmp_path / "best.txt").read_text() == "4"


def test_patience_goes_on_counting_after_an_interruption(tmp_path: Path) -> None:
    task = Wandering([3.0, 4.0, 1.0])
    trained(task, tmp_path, steps=2, validate_minutes=0.0, patience=5)
    state = torch.load(tmp_path / CHECKPOINT, weights_only=True)
    assert (state["best"], state["waited"]) == (1.0, 0)
    later = Wandering([1.5, 1.2, 1.4, 9.0])
    trained(later, tmp_path, steps=50, validate_minutes=0.0, patience=3, resume=True)
    assert later.count == 3
    assert (tmp_path / "best.txt").read_text() == "3"


def test_parts_that_cannot_recompute_say_so_and_others_get_the_same_gradients(tones: ClipStore, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="gradient checkpointing is not for quadratic"):
        Loop(Quadratic(), LoopOptions(tmp_path / "a", steps=1, device="cpu", checkpointing=True))
    gradients = []
    for name, checkpointing in (("plain", False), ("less", True)):
        torch.manual_seed(0)
        task = ldm_task(tones, tmp_path)
        options = LoopOptions(tmp_path / name, steps=1, device="cpu", checkpointing=checkpointing)
        loop = Loop(task, options)
        loop._train_step(next(loop.batches.steps(ThreadPoolExecutor(1), loop.step, loop.seen)))
        gradients.append(torch.cat([p.grad.flatten() for p in task.modules.parameters()]))
        assert task.modules["unet"].is_gradient_checkpointing == checkpointing
    assert torch.allclose(*gradients, atol=1e-6)


def test_what_is_to_be_compiled_is_compiled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiled: list[nn.Module] = []
    monkeypatch.setattr(nn.Module, "compile", lambda module: compiled.append(module))
    task = Quadratic()
    Loop(task, LoopOptions(tmp_path, steps=1, device="cpu", compile=True))
    assert compiled == [task.modules["point"]]


@pytest.mark.parametrize("part", TASKS)
def test_parts_name_modules_and_a_goal_that_they_have(
    part: str, tones: ClipStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(clap_module, "load_encoder", tiny_encoder)
    task = TASKS[part](tones, tmp_path)
    for name in task.compiled:
        assert isinstance(task.modules.get_submodule(name), nn.Module)
    with torch.no_grad():
        assert task.goal in task.validate().figures


def test_samples_are_kept_as_sound_and_picture(tmp_path: Path) -> None:
    picture = np.zeros((3, 5), np.float32)
    picture[0, 1] = 1.0
    time = np.arange(8000) / 8000
    wave = (0.5 * np.sin(2 * np.pi * 440 * time)).astype(np.float32)
    Journal(tmp_path, 8000).samples({"caption0/wave": wave, "caption0/latent": picture}, 12)
    folder = tmp_path / "samples" / "step-0000012" / "caption0"
    heard, rate = soundfile.read(folder / "wave.wav")
    assert rate == 8000
    assert np.allclose(heard, wave, atol=1e-3)
    seen = np.asarray(Image.open(folder / "latent.png"))
    assert seen.shape == (3, 5)
    assert np.argwhere(seen == 255).tolist() == [[2, 1]]


@pytest.mark.parametrize("given", [{"accumulate": 0}, {"patience": 0}])
def test_counts_below_one_are_refused(given: dict[str, int], tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="is 0: it must be at least 1"):
        LoopOptions(tmp_path, steps=1, **given)

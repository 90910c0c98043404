"""Distillation against diffusers' own DDIM and LCM schedulers, and on a world in which nothing is left to learn."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DDIMScheduler, LCMScheduler, UNet2DConditionModel

from musicldm import MusicLDMPipeline
from musicldm.audio.mel import MelSpec
from musicldm.data.embeddings import ClipEmbeddings
from musicldm.errors import InvalidInputError
from musicldm.model.settings import GenerationDefaults
from musicldm.training.assemble import CLASSES, assemble
from musicldm.training.networks.unet import build_unet
from musicldm.training.run import train
from musicldm.training.tasks.consistency import ConsistencyRecipe, ConsistencyTask, distilled_scheduler, of_teacher
from musicldm.training.tasks.ldm_inputs import LatentClips, LatentInputs
from tests.tiny_model import build_tiny_model
from tests.tolerances import LAYERS_OF_UNET, TERMS, layers

RECIPE = ConsistencyRecipe(
    channels=(8, 16), groups=4, head_channels=8, condition_width=8, batch_size=2, crop_frames=(8,), guidance_scale=3.0
)
STEPS = torch.tensor([999, 519, 19])
TEACHER_AND_STEP = LAYERS_OF_UNET * (3**2 + 2**2)
"""Layers whose errors count: guidance of three weighs those of two passes with three and two."""


class Known(torch.nn.Module):
    """Predicts the clean latent that it is told by the first number of its condition."""

    def __init__(self, task: ConsistencyTask) -> None:
        super().__init__()
        self.task = task

    def forward(self, noisy, steps, encoder_hidden_states, class_labels):
        clean = class_labels[:, :1, None, None].expand_as(noisy)
        alphas = self.task.scheduler.alphas_cumprod[steps].reshape(-1, 1, 1, 1)
        noise = (noisy - alphas.sqrt() * clean) / (1 - alphas).sqrt()
        velocity = alphas.sqrt() * noise - (1 - alphas).sqrt() * clean
        return type("Out", (), {"sample": velocity if self.task.recipe.prediction == "v_prediction" else noise})


def make_task(**changes: object) -> ConsistencyTask:
    rng = np.random.default_rng(1)
    latents = np.abs(rng.standard_normal((12, 4, 16, 4))).astype(np.float16)
    text = rng.standard_normal((24, 8)).astype(np.float16)
    embeddings = ClipEmbeddings(text, np.arange(0, 25, 2), text[:12], np.zeros(8, np.float16))
    recipe = replace(RECIPE, **changes)
    torch.manual_seed(0)
    clips = LatentClips(latents, embeddings)
    return ConsistencyTask(recipe, LatentInputs(clips, clips, MelSpec(), 1.0, build_unet(recipe, 2)))


def draw(count: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(5)
    return torch.randn(count, 2, 8, 4, generator=generator), torch.randn(count, 8, generator=generator)


@pytest.mark.parametrize("prediction", ["v_prediction", "epsilon"])
@torch.no_grad()
def test_the_teachers_step_is_that_of_diffusers_ddim_with_guidance(prediction: str) -> None:
    task = make_task(prediction=prediction)
    noisy, condition = draw()
    stepped = task.teachers_step(noisy, condition, STEPS, STEPS - 20)
    ddim = DDIMScheduler(
        beta_start=0.0015, beta_end=0.0195, beta_schedule="scaled_linear", prediction_type=prediction,
        clip_sample=False, timestep_spacing="trailing",
    )  # fmt: skip
    ddim.set_timesteps(50)
    for row, step in enumerate(STEPS):
        one, label = noisy[row : row + 1], condition[row : row + 1]
        with_text, without = (task.teacher(one, step, None, class_labels=x).sample for x in (label, 0 * label))
        wanted = ddim.step(without + 3.0 * (with_text - without), step, one).prev_sample
        allowed = layers(TEACHER_AND_STEP, TERMS, size=float(wanted.abs().max()))
        torch.testing.assert_close(stepped[row], wanted[0], rtol=0, atol=allowed)


@pytest.mark.parametrize("prediction", ["v_prediction", "epsilon"])
@torch.no_grad()
def test_the_end_of_the_path_is_what_diffusers_lcm_sampling_sees(prediction: str) -> None:
    task = make_task(prediction=prediction)
    noisy, condition = draw()
    ends = task.end(noisy, condition, STEPS)
    lcm = distilled_scheduler(task.recipe)
    lcm.set_timesteps(50)
    for row, step in enumerate(STEPS):
        one = noisy[row : row + 1]
        seen = task.unet(one, step, None, class_labels=condition[row : row + 1]).sample
        wanted = lcm.step(seen, step, one).denoised[0]
        allowed = layers(TEACHER_AND_STEP, TERMS, size=float(wanted.abs().max()))
        torch.testing.assert_close(ends[row], wanted, rtol=0, atol=allowed)
    assert torch.equal(task.end(noisy, condition, STEPS * 0 - 1), noisy)


def test_training_uses_the_steps_that_lcm_sampling_uses() -> None:
    task = make_task()
    torch.manual_seed(0)
    drawn = task.on_path(task.draw_steps(4000))
    lcm = LCMScheduler(original_inference_steps=50)
    lcm.set_timesteps(50)
    assert sorted(set(drawn.tolist())) == sorted(lcm.timesteps.tolist())


@pytest.mark.parametrize("prediction", ["v_prediction", "epsilon"])
@torch.no_grad()
def test_there_is_nothing_to_learn_where_teacher_and_student_know_the_end(prediction: str) -> None:
    task = make_task(prediction=prediction, guidance_scale=1.0)
    task.teacher = task.unet = Known(task)
    _, condition = draw()
    latent = condition[:, :1, None, None].expand(3, 2, 8, 4)
    noise = torch.randn(latent.shape, generator=torch.Generator().manual_seed(1))
    assert float(task.disagreement(latent, condition, noise, STEPS).max()) < 1e-3
    # Guidance of 2 leads the teacher to twice the condition (the empty prompt's is 0), and the student knows of none.
    task.recipe = replace(task.recipe, guidance_scale=2.0)
    last = task.disagreement(latent, condition, noise, torch.tensor([19, 19, 19]))
    assert last == pytest.approx(condition[:, 0].abs().numpy(), abs=2e-3)


def test_only_the_student_has_gradients() -> None:
    task = make_task()
    batch = task.batch(np.arange(2), np.random.default_rng(0))
    losses = next(task.losses(batch, 0.0))
    losses["loss"].backward()
    assert all(p.grad is not None for p in task.unet.time_embedding.parameters())
    assert all(p.grad is None for p in task.teacher.parameters())


def test_a_student_learns_to_jump_where_its_teacher_walks(tone_corpus: Path, tmp_path: Path) -> None:
    """The distilled folder plays, and its consistency loss on held-out clips has fallen."""
    model = build_tiny_model(tmp_path / "model", seed=3)
    options = {"data": tone_corpus, "device": "cpu", "init": model, "model": model}
    changes = {"crop_frames": (4,), "start": "any", "batch_size": 4, "learning_rate": 3e-3}
    for name, steps in (("short", 1), ("long", 40)):
        train("distill", out=tmp_path / name, steps=steps, changes=changes, **options)
    losses = [
        float((tmp_path / name / "log.jsonl").read_text().splitlines()[-1].split('"loss": ')[1].split(",")[0])
        for name in ("short", "long")
    ]
    assert losses[1] < 0.9 * losses[0]
    runs = {**dict.fromkeys(CLASSES, model), "unet": tmp_path / "long", "scheduler": tmp_path / "long"}
    assemble(runs, tmp_path / "fast", GenerationDefaults(num_inference_steps=4, guidance_scale=1.0))
    pipeline = MusicLDMPipeline.from_pretrained(tmp_path / "fast")
    assert type(pipeline.scheduler).__name__ == "LCMScheduler"
    assert pipeline.scheduler.config.prediction_type == "epsilon"
    assert np.isfinite(pipeline("jazz", generator=torch.Generator().manual_seed(0)).audios).all()
    assert pipeline.num_timesteps == 4


def test_a_distilled_lora_is_small_and_played_on_its_teacher(tone_corpus: Path, tmp_path: Path) -> None:
    model = build_tiny_model(tmp_path / "model", seed=3)
    changes = {"crop_frames": (4,), "lora_rank": 2}
    train(
        "distill", data=tone_corpus, out=tmp_path / "lora", steps=2, changes=changes,
        device="cpu", init=model, model=model,
    )  # fmt: skip
    assert not (tmp_path / "lora" / "unet").exists()
    assert LCMScheduler.from_pretrained(tmp_path / "lora" / "scheduler").config.prediction_type == "epsilon"
    pipeline = MusicLDMPipeline.from_pretrained(model, scheduler="lcm")
    before = pipeline("jazz", num_inference_steps=2, generator=torch.Generator().manual_seed(0)).audios
    pipeline.load_lora(tmp_path / "lora")
    after = pipeline("jazz", num_inference_steps=2, generator=torch.Generator().manual_seed(0)).audios
    assert not np.array_equal(before, after)


def test_what_cannot_be_distilled_is_refused(tone_corpus: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="solver_steps is 30: it must divide the 1000 training steps"):
        ConsistencyRecipe(solver_steps=30)
    with pytest.raises(InvalidInputError, match="sampling_steps is 60: it must be 1 to 50"):
        ConsistencyRecipe(sampling_steps=60)
    with pytest.raises(InvalidInputError, match="beta_schedule is 'linear'"):
        of_teacher(RECIPE, {"beta_schedule": "linear"})
    with pytest.raises(InvalidInputError, match=r"min_snr is 5.0: the loss of a distillation has no weights"):
        ConsistencyRecipe(min_snr=5.0)
    model = build_tiny_model(tmp_path / "model")
    with pytest.raises(InvalidInputError, match="prediction epsilon: a student's is its teacher's"):
        train("distill", data=tone_corpus, out=tmp_path / "x", steps=1, init=model, changes={"prediction": "epsilon"})
    with pytest.raises(InvalidInputError, match="needs its teacher, --init"):
        train("distill", data=tone_corpus, out=tmp_path / "x", steps=1)


def test_the_student_is_of_its_teachers_kind() -> None:
    config = DDIMScheduler(beta_start=0.001, beta_end=0.02, beta_schedule="scaled_linear", prediction_type="epsilon")
    made = of_teacher(RECIPE, config.config)
    assert (made.prediction, made.beta_start, made.beta_end, made.train_timesteps) == ("epsilon", 0.001, 0.02, 1000)
    assert made.guidance_scale == RECIPE.guidance_scale
    assert isinstance(make_task().unet, UNet2DConditionModel)

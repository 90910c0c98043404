"""Distillation: a UNet learns to make in a few steps, and without guidance, what a trained one makes in many with it.

Latent consistency distillation (arXiv 2310.04378): on the teacher's guided DDIM path from a noisy latent to clean music
every point is to give the same end. Sampled with diffusers' `LCMScheduler`.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch
from diffusers import LCMScheduler, SchedulerMixin
from torch import Tensor

from musicldm.errors import InvalidInputError
from musicldm.sampling.guidance import guide
from musicldm.training.assemble import SCHEDULER_CONFIG
from musicldm.training.loop.task import Batch, Losses, Schedule
from musicldm.training.setup import Setup
from musicldm.training.tasks.ldm import LdmTask
from musicldm.training.tasks.ldm_inputs import LatentInputs, load_inputs
from musicldm.training.tasks.ldm_recipe import LdmRecipe, noise_schedule


@dataclass(frozen=True)
class ConsistencyRecipe(LdmRecipe):
    """Settings of a distillation; those of `LdmRecipe` that build a UNet do not count, as it is the teacher's.

    Args:
        guidance_scale: of the teacher; the student needs none.
        solver_steps: DDIM steps of the teacher's path; they divide `train_timesteps`.
        sampling_steps: of the student, in validation.
        huber: width in which errors count squared, beyond it by their size (arXiv 2310.14189, section 3.3).
    """

    guidance_scale: float = 4.0
    solver_steps: int = 50
    sampling_steps: int = 4
    huber: float = 1e-3
    optimizer: Literal["muon", "adamw"] = "adamw"
    learning_rate: float = 2e-4
    condition_floor: float = 0.0
    noisy_share: float = 0.5
    schedule: Schedule = Schedule(decay=0.3, ema_decay=0.995)  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.min_snr:
            raise InvalidInputError(
                f"min_snr is {self.min_snr}: the loss of a distillation has no weights, leave it out"
            )
        if self.solver_steps < 1 or self.train_timesteps % self.solver_steps:
            raise InvalidInputError(
                f"solver_steps is {self.solver_steps}: it must divide the {self.train_timesteps} training steps"
            )
        if not 1 <= self.sampling_steps <= self.solver_steps:
            raise InvalidInputError(f"sampling_steps is {self.sampling_steps}: it must be 1 to {self.solver_steps}")


RECIPES: Mapping[str, ConsistencyRecipe] = {
    "default": ConsistencyRecipe(),
    "text": ConsistencyRecipe(text_share=1.0),
}


def distilled_scheduler(recipe: ConsistencyRecipe) -> LCMScheduler:
    """The scheduler that a student is sampled with."""
    return LCMScheduler(**noise_schedule(recipe), original_inference_steps=recipe.solver_steps)


class ConsistencyTask(LdmTask):
    """Trains a student that begins as its teacher; batches are those of an LDM training."""

    name = "distill"
    recipe: ConsistencyRecipe

    def __init__(self, recipe: ConsistencyRecipe, inputs: LatentInputs) -> None:
        # Before a LoRA is added to the student.
        self.teacher: Any = copy.deepcopy(inputs.unet).eval().requires_grad_(False)
        super().__init__(recipe, inputs)
        self.alphas = torch.cat([self.scheduler.alphas_cumprod, torch.ones(1)])  # at -1, the clean latent
        self.empty = torch.from_numpy(self.held_out.embeddings.empty.astype("float32"))

    def losses(self, batch: Batch, progress: float) -> Iterator[Losses | None]:  # noqa: ARG002 - the same all along
        """The mean disagreement at random steps of the path."""
        latent = batch["latent"]
        steps = self.on_path(self.draw_steps(len(latent))).to(latent.device)
        noise = torch.randn(latent.shape, device=latent.device)
        errors = self.disagreement(latent, batch["condition"], noise, steps)
        yield {"loss": errors.mean()}

    @property
    def _stride(self) -> int:
        return self.recipe.train_timesteps // self.recipe.solver_steps

    def on_path(self, steps: Tensor) -> Tensor:
        """The solver's steps at or next above training steps; they are those that `LCMScheduler` knows."""
        return (steps // self._stride + 1) * self._stride - 1

    def disagreement(self, latent: Tensor, condition: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
        """Pseudo-Huber distance (B,) between the ends of the path seen from a step and from the teacher's next one."""
        before = steps - self._stride
        noisy = self.scheduler.add_noise(latent, noise, steps)
        with torch.no_grad():
            target = self.end(self.teachers_step(noisy, condition, steps, before), condition, before)
        difference = self.end(noisy, condition, steps).float() - target.float()
        return ((difference.square() + self.recipe.huber**2).sqrt() - self.recipe.huber).mean(dim=(1, 2, 3))

    def teachers_step(self, noisy: Tensor, condition: Tensor, steps: Tensor, before: Tensor) -> Tensor:
        """One guided DDIM step (arXiv 2010.02502, eq. 12 with η = 0)."""
        self.teacher.to(noisy.device)
        labels = torch.cat([self.empty.to(condition).expand_as(condition), condition])
        seen: Any = self.teacher(
            torch.cat([noisy] * 2), torch.cat([steps] * 2), encoder_hidden_states=None, class_labels=labels
        ).sample
        without, with_text = seen.float().chunk(2)
        clean, noise = self._clean_and_noise(guide(without, with_text, self.recipe.guidance_scale), noisy, steps)
        signal, rest = self._levels(before)
        return signal * clean + rest * noise

    def end(self, noisy: Tensor, condition: Tensor, steps: Tensor) -> Tensor:
        """The student's guess of the clean latent; what is clean already stays as it is.

        The weights that the paper gives input and guess besides (eq. 9) are 0 and 1 to 1e-5 at all steps but that.
        """
        seen = self.unet(noisy, steps.clamp(min=0), encoder_hidden_states=None, class_labels=condition).sample
        clean, _ = self._clean_and_noise(seen.float(), noisy, steps)
        return clean

    def _clean_and_noise(self, predicted: Tensor, noisy: Tensor, steps: Tensor) -> tuple[Tensor, Tensor]:
        """The clean latent and the noise that a prediction stands for."""
        signal, rest = self._levels(steps)
        if self.recipe.prediction == "v_prediction":
            return signal * noisy - rest * predicted, rest * noisy + signal * predicted
        return (noisy - rest * predicted) / signal, predicted

    def _levels(self, steps: Tensor) -> tuple[Tensor, Tensor]:
        """√ᾱ and √(1 − ᾱ) at each step, shaped (B, 1, 1, 1); -1 is the clean latent."""
        alphas = self.alphas.to(steps.device)[steps]
        return _wide(alphas.sqrt()), _wide((1 - alphas).sqrt())

    def validation_errors(self, latent: Tensor, condition: Tensor, noise: Tensor, steps: Tensor) -> Tensor:
        return self.disagreement(latent, condition, noise, self.on_path(steps))

    def _sampler(self) -> tuple[SchedulerMixin, float]:
        scheduler = distilled_scheduler(self.recipe)
        scheduler.set_timesteps(self.recipe.sampling_steps)
        return scheduler, 1.0

    def _export_scheduler(self, folder: Path) -> None:
        distilled_scheduler(self.recipe).save_pretrained(folder / "scheduler")


def of_teacher(recipe: ConsistencyRecipe, scheduler: Mapping[str, Any]) -> ConsistencyRecipe:
    """The recipe with the noise schedule and prediction type of the teacher's scheduler configuration.

    Raises:
        InvalidInputError: a schedule or prediction that is not for distillation here.
    """
    kind, schedule = scheduler.get("prediction_type", "epsilon"), scheduler.get("beta_schedule")
    if schedule != "scaled_linear":
        raise InvalidInputError(f"the teacher's beta_schedule is {schedule!r}: scaled_linear alone can be distilled")
    return replace(
        recipe,
        prediction=kind,
        beta_start=scheduler["beta_start"],
        beta_end=scheduler["beta_end"],
        train_timesteps=scheduler["num_train_timesteps"],
    )


def _wide(values: Tensor) -> Tensor:
    return values[:, None, None, None]


def make_task(setup: Setup) -> ConsistencyTask:
    """The distillation of the UNet in `init`, on latents and embeddings by the `model`'s VAE and CLAP.

    Raises:
        InvalidInputError: no teacher, or one that cannot be distilled; and as in `load_inputs`.
    """
    if setup.init is None or not (setup.init / SCHEDULER_CONFIG).is_file():
        raise InvalidInputError("distillation needs its teacher, --init: a folder with unet/ and scheduler/ in it")
    if "prediction" in setup.changes:
        raise InvalidInputError(f"prediction {setup.changes['prediction']}: a student's is its teacher's, leave it out")
    scheduler = json.loads((setup.init / SCHEDULER_CONFIG).read_text(encoding="utf-8"))
    recipe = of_teacher(setup.recipe_of(RECIPES), scheduler)
    return ConsistencyTask(recipe, load_inputs(setup, recipe, ConsistencyTask.name))

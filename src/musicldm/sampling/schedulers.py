"""Schedulers by short name: which class of diffusers with which settings.

`edm` schedulers want a network with another preconditioning, and DPMSolverSDEScheduler a package of its own: both can
be assigned to the pipeline as objects, and have no short name.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import diffusers
import torch

from musicldm.errors import InvalidInputError, unknown_choice

Config = Mapping[str, Any]
"""Settings of a scheduler by name, as its JSON file holds them."""


class Scheduler(Protocol):
    """What a scheduler of diffusers has, as far as it is used here. It keeps what the steps of one call need."""

    config: Any
    order: int
    timesteps: torch.Tensor

    @property
    def init_noise_sigma(self) -> float | torch.Tensor:
        """Deviation of the first latents."""

    def set_timesteps(self, num_inference_steps: int, device: torch.device | str | None = None) -> None:
        """Prepares it for a call."""

    def scale_model_input(self, sample: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """Noisy latents as the model wants them."""

    def step(
        self,
        model_output: torch.Tensor,
        timestep: torch.Tensor,
        sample: torch.Tensor,
        *,
        return_dict: bool,
        **options: Any,
    ) -> tuple[torch.Tensor, ...]:
        """The latents of the next timestep first; `options` differ, see `denoising.step_options`."""


SchedulerLike = str | type[diffusers.SchedulerMixin] | Scheduler
"""A short name or the name of a class, a class, or a scheduler as it is."""


@dataclass(frozen=True)
class SchedulerChoice:
    """A class of diffusers and the settings that a short name stands for.

    Args:
        class_name: of the scheduler.
        settings: what is set over the checkpoint's own scheduler configuration.
    """

    class_name: str
    settings: Config = field(default_factory=dict)

    def build(self, config: Config) -> Scheduler:
        """The scheduler with the noise schedule, prediction type and spacing of another one's configuration.

        Where that says nothing of clipping, nothing is clipped: some classes would cut the clean sample to ±1, which
        is right for pictures and not for latents.
        """
        return _from_config(getattr(diffusers, self.class_name), {"clip_sample": False, **config}, **self.settings)

    def matches(self, scheduler: Scheduler) -> bool:
        """Whether a scheduler is what this choice would build."""
        config = scheduler.config
        return type(scheduler).__name__ == self.class_name and all(
            config.get(key) == value for key, value in self.settings.items()
        )


_MULTISTEP = "DPMSolverMultistepScheduler"

SCHEDULERS: Mapping[str, SchedulerChoice] = {
    "ddim": SchedulerChoice("DDIMScheduler"),
    "ddpm": SchedulerChoice("DDPMScheduler"),
    "pndm": SchedulerChoice("PNDMScheduler", {"skip_prk_steps": True}),
    "lms": SchedulerChoice("LMSDiscreteScheduler"),
    "euler": SchedulerChoice("EulerDiscreteScheduler"),
    "euler_a": SchedulerChoice("EulerAncestralDiscreteScheduler"),
    "heun": SchedulerChoice("HeunDiscreteScheduler"),
    "dpm2": SchedulerChoice("KDPM2DiscreteScheduler"),
    "dpm2_a": SchedulerChoice("KDPM2AncestralDiscreteScheduler"),
    "dpmsolver": SchedulerChoice(_MULTISTEP, {"algorithm_type": "dpmsolver", "final_sigmas_type": "sigma_min"}),
    "dpmsolver++": SchedulerChoice(_MULTISTEP, {"algorithm_type": "dpmsolver++", "solver_order": 2}),
    "dpmsolver++_sde": SchedulerChoice(_MULTISTEP, {"algorithm_type": "sde-dpmsolver++", "solver_order": 2}),
    "dpmsolver_single": SchedulerChoice("DPMSolverSinglestepScheduler", {"algorithm_type": "dpmsolver++"}),
    "unipc": SchedulerChoice("UniPCMultistepScheduler"),
    "deis": SchedulerChoice("DEISMultistepScheduler"),
    "lcm": SchedulerChoice("LCMScheduler"),
}


def make_scheduler(choice: SchedulerLike, config: Config) -> Scheduler:
    """A scheduler from a short name, a class name, a class or a scheduler.

    Args:
        choice: one of `SCHEDULERS`, the name of a class among them, a scheduler class, or a scheduler, taken as it is.
        config: configuration of the checkpoint's scheduler: noise schedule, prediction type, spacing.

    Raises:
        InvalidInputError: a name that is none of `SCHEDULERS`.
    """
    if isinstance(choice, diffusers.SchedulerMixin):
        scheduler: Scheduler = choice  # the base class of diffusers declares nothing of what all of its classes have
        return scheduler
    if inspect.isclass(choice) and issubclass(choice, diffusers.SchedulerMixin):
        return _from_config(choice, config)
    if not isinstance(choice, str):
        raise unknown_choice("scheduler", choice, SCHEDULERS)
    known = SCHEDULERS.get(choice.lower())
    if known is not None:
        return known.build(config)
    if any(choice == other.class_name for other in SCHEDULERS.values()):
        return _from_config(getattr(diffusers, choice), config)
    raise unknown_choice("scheduler", choice, SCHEDULERS)


def short_name(scheduler: Scheduler) -> str | None:
    """The short name of a scheduler, or None where it has none."""
    return next((name for name, choice in SCHEDULERS.items() if choice.matches(scheduler)), None)


def scheduler_of_call(scheduler: Scheduler, steps: int, device: torch.device | str) -> Scheduler:
    """A copy of a scheduler that is prepared for one call, of a number of steps: the scheduler itself stays as it is.

    Raises:
        InvalidInputError: the scheduler cannot make that many steps.
    """
    own = copy.deepcopy(scheduler)
    set_timesteps(own, steps, device)
    return own


def set_timesteps(scheduler: Scheduler, steps: int, device: torch.device | str) -> torch.Tensor:
    """Prepares a scheduler for a number of steps and gives its timesteps (at least one a step).

    Raises:
        InvalidInputError: the scheduler cannot make that many steps.
    """
    try:
        scheduler.set_timesteps(steps, device=device)
    except ValueError as error:
        raise InvalidInputError(
            f"{steps} steps are not possible with {type(scheduler).__name__}: {' '.join(str(error).split())}"
        ) from error
    return scheduler.timesteps


def _from_config(kind: Any, config: Config, **settings: object) -> Scheduler:
    scheduler: Scheduler = kind.from_config(config, **settings)
    return scheduler

"""Schedulers by short name: which class of diffusers with which settings.

`edm` schedulers want a network with another preconditioning, and DPMSolverSDEScheduler a package of its own: both can
be assigned to the pipeline as objects, and have no short name.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import diffusers

from musicldm.errors import InvalidInputError, unknown_choice


@dataclass(frozen=True)
class SchedulerChoice:
    """A class of diffusers and the settings that a short name stands for.

    Args:
        class_name: of the scheduler.
        settings: what is set over the checkpoint's own scheduler configuration.
    """

    class_name: str
    settings: Mapping[str, Any] = field(default_factory=dict)

    def build(self, config: Mapping[str, Any]) -> Any:
        """The scheduler with the noise schedule, prediction type and spacing of another one's configuration.

        Where that says nothing of clipping, nothing is clipped: some classes would cut the clean sample to ±1, which
        is right for pictures and not for latents.
        """
        return getattr(diffusers, self.class_name).from_config({"clip_sample": False, **config}, **self.settings)

    def matches(self, scheduler: Any) -> bool:
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


def make_scheduler(choice: Any, config: Mapping[str, Any]) -> Any:
    """A scheduler from a short name, a class name, a class or a scheduler.

    Args:
        choice: one of `SCHEDULERS`, the name of a class among them, a scheduler class, or a scheduler, taken as it is.
        config: configuration of the checkpoint's scheduler: noise schedule, prediction type, spacing.

    Raises:
        InvalidInputError: a name that is none of `SCHEDULERS`.
    """
    if isinstance(choice, diffusers.SchedulerMixin):
        return choice
    if inspect.isclass(choice) and issubclass(choice, diffusers.SchedulerMixin):
        scheduler_class: Any = choice
        return scheduler_class.from_config(config)
    if not isinstance(choice, str):
        raise unknown_choice("scheduler", choice, SCHEDULERS)
    known = SCHEDULERS.get(choice.lower())
    if known is not None:
        return known.build(config)
    if any(choice == other.class_name for other in SCHEDULERS.values()):
        return getattr(diffusers, choice).from_config(config)
    raise unknown_choice("scheduler", choice, SCHEDULERS)


def short_name(scheduler: Any) -> str | None:
    """The short name of a scheduler, or None where it has none."""
    return next((name for name, choice in SCHEDULERS.items() if choice.matches(scheduler)), None)


def set_timesteps(scheduler: Any, steps: int, device: Any) -> Any:
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

"""The reverse diffusion: a scheduler's steps over any function that predicts from noisy latents."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypedDict

import torch

from musicldm.sampling.noise import Generators
from musicldm.sampling.schedulers import Scheduler

Predict = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Scaled latents and a timestep to what the model predicts (noise, sample or velocity)."""
AfterStep = Callable[[int, torch.Tensor, torch.Tensor], "torch.Tensor | None"]
"""Told index, timestep and new latents; gives the latents to go on with, or None to stop there."""


class StepOptions(TypedDict, total=False):
    """What some schedulers' step takes more: η of DDIM, and what noise is drawn with."""

    eta: float
    generator: Generators | None


def step_options(scheduler: Scheduler, eta: float, generator: Generators | None) -> StepOptions:
    """Those of `eta` and `generator` that a scheduler's step takes."""
    accepted = inspect.signature(scheduler.step).parameters
    options: StepOptions = {}
    if "eta" in accepted:
        options["eta"] = eta
    if "generator" in accepted:
        options["generator"] = generator
    return options


def denoise(
    predict: Predict,
    scheduler: Scheduler,
    timesteps: torch.Tensor,
    latents: torch.Tensor,
    options: StepOptions,
    after_step: AfterStep,
) -> torch.Tensor:
    """Runs latents (batch, channels, frames, bins) through all timesteps.

    Args:
        predict: see `Predict`; of the same shape.
        scheduler: of diffusers, with its timesteps set.
        timesteps: those of the scheduler.
        latents: noise at the scheduler's first level.
        options: further arguments of the scheduler's step.
        after_step: see `AfterStep`.
    """
    for index, timestep in enumerate(timesteps):
        prediction = predict(scheduler.scale_model_input(latents, timestep), timestep)
        latents = scheduler.step(prediction, timestep, latents, **options, return_dict=False)[0]
        changed = after_step(index, timestep, latents)
        if changed is None:
            break
        latents = changed
    return latents


def ends_step(index: int, evaluations: int, steps: int, order: int) -> bool:
    """Whether the evaluation at `index` is the last of one of the `steps` that were asked for.

    A scheduler of second order evaluates twice a step, and others spend evaluations on warming up.
    """
    warm_up = evaluations - steps * order
    return index == evaluations - 1 or (index + 1 > warm_up and (index + 1) % order == 0)

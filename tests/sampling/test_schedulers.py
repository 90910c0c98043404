"""Every scheduler of diffusers by short name, proved on denoisers whose result is known in closed form."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import diffusers
import numpy as np
import pytest
import torch
from diffusers.schedulers import KarrasDiffusionSchedulers

from musicldm import InvalidInputError
from musicldm.sampling.denoising import denoise, ends_step, step_options
from musicldm.sampling.schedulers import SCHEDULERS, SchedulerChoice, make_scheduler, set_timesteps, short_name

EXCLUDED = {"DPMSolverSDEScheduler", "EDMEulerScheduler"}
"""One needs a package of its own, the other a network with another preconditioning."""

TARGET = torch.tensor([0.7, -1.2, 0.1, 2.0]).reshape(1, 1, 2, 2)


def config(**changes: Any) -> Any:
    """Configuration of a scheduler with the published noise schedule."""
    return diffusers.DDIMScheduler(
        beta_start=0.0015, beta_end=0.0195, beta_schedule="scaled_linear", clip_sample=False, steps_offset=1, **changes
    ).config


def levels(scheduler: Any) -> Callable[[torch.Tensor], tuple[float, float]]:
    """Timestep, whole or between two, to α and σ of the variance-preserving process, as schedulers interpolate."""
    ratio = ((1 - scheduler.alphas_cumprod) / scheduler.alphas_cumprod).sqrt().log().numpy()

    def at(timestep: torch.Tensor) -> tuple[float, float]:
        sigma = float(np.exp(np.interp(float(timestep), np.arange(len(ratio)), ratio)))
        return 1 / (1 + sigma**2) ** 0.5, sigma / (1 + sigma**2) ** 0.5

    return at


def run(scheduler: Any, steps: int, ideal: Callable[[torch.Tensor, float, float], torch.Tensor], kind: str) -> Any:
    """Latents after all steps with a denoiser that knows x0 from (x, α, σ) and predicts noise or velocity."""
    timesteps = set_timesteps(scheduler, steps, "cpu")
    at = levels(scheduler)

    def predict(latents: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        alpha, sigma = at(timestep)
        clean = ideal(latents, alpha, sigma)
        noise = (latents - alpha * clean) / sigma
        return noise if kind == "epsilon" else alpha * noise - sigma * clean

    generator = torch.Generator().manual_seed(3)
    first = torch.randn(TARGET.shape, generator=generator) * scheduler.init_noise_sigma
    options = step_options(scheduler, 0.0, generator)
    return first, denoise(predict, scheduler, timesteps, first, options, lambda index, timestep, latents: latents)


@pytest.mark.parametrize("kind", ["epsilon", "v_prediction"])
@pytest.mark.parametrize("steps", [8, 25])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_denoiser_that_knows_the_answer_is_led_to_it(name: str, steps: int, kind: str) -> None:
    scheduler = make_scheduler(name, config(prediction_type=kind, timestep_spacing="trailing"))
    _, latents = run(scheduler, steps, lambda latents, alpha, sigma: TARGET, kind)
    # What remains is noise of the schedule's last level, 0.04, where a scheduler ends there.
    assert latents == pytest.approx(TARGET, abs=0.15)


@pytest.mark.parametrize("name", sorted(set(SCHEDULERS) - {"ddpm", "euler_a", "dpm2_a", "dpmsolver++_sde", "lcm"}))
def test_deterministic_schedulers_follow_the_flow_of_a_gaussian(name: str) -> None:
    # For data N(0, s²), x0 = α s² x / (α² s² + σ²), and the probability flow scales x from one deviation to the other.
    spread = 0.5
    scheduler = make_scheduler(name, config(timestep_spacing="trailing"))

    def ideal(latents: torch.Tensor, alpha: float, sigma: float) -> torch.Tensor:
        return latents * alpha * spread**2 / (alpha**2 * spread**2 + sigma**2)

    first, latents = run(scheduler, 100, ideal, "epsilon")
    alpha, sigma = levels(scheduler)(torch.tensor(999))
    unit = first / scheduler.init_noise_sigma
    # The first latents are standard normal, while the process at that level has this deviation.
    expected = unit * spread / (alpha**2 * spread**2 + sigma**2) ** 0.5
    assert latents == pytest.approx(expected, rel=0.08)  # first order: 5 % after 100 steps


def test_every_karras_scheduler_that_installs_alone_has_a_short_name() -> None:
    """And that of distilled models, which diffusers does not count among them."""
    classes = {member.name for member in KarrasDiffusionSchedulers} - EXCLUDED | {"LCMScheduler"}
    assert {choice.class_name for choice in SCHEDULERS.values()} == classes


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_short_name_is_found_again_and_keeps_the_noise_schedule(name: str) -> None:
    scheduler = make_scheduler(name, config(prediction_type="v_prediction"))
    assert type(scheduler).__name__ == SCHEDULERS[name].class_name
    assert short_name(scheduler) == name
    kept = scheduler.config
    assert (kept.beta_start, kept.beta_schedule, kept.prediction_type) == (0.0015, "scaled_linear", "v_prediction")


def test_settings_of_one_name_do_not_stay_behind_in_the_next() -> None:
    sde = make_scheduler("dpmsolver++_sde", config())
    assert make_scheduler("dpmsolver++", sde.config).config.algorithm_type == "dpmsolver++"


@pytest.mark.parametrize("name", SCHEDULERS)
def test_latents_are_not_clipped_where_the_checkpoint_says_nothing_of_it(name: str) -> None:
    own = {key: value for key, value in config().items() if key != "clip_sample"}
    assert not make_scheduler(name, own).config.get("clip_sample", False)
    assert make_scheduler("ddim", {**own, "clip_sample": True}).config.clip_sample


def test_names_may_be_capital_and_may_be_those_of_classes() -> None:
    assert isinstance(make_scheduler("UniPC", config()), diffusers.UniPCMultistepScheduler)
    assert isinstance(make_scheduler("HeunDiscreteScheduler", config()), diffusers.HeunDiscreteScheduler)
    assert isinstance(make_scheduler(diffusers.DDPMScheduler, config()), diffusers.DDPMScheduler)


def test_a_scheduler_is_taken_as_it_is() -> None:
    scheduler = diffusers.DDPMScheduler()
    assert make_scheduler(scheduler, config()) is scheduler


def test_a_scheduler_with_foreign_settings_has_no_short_name() -> None:
    assert short_name(diffusers.DPMSolverMultistepScheduler(solver_order=3)) is None


@pytest.mark.parametrize("wrong", ["karras", "", "ddim ", "DPMSolverSDEScheduler", "DiffusionPipeline", 3, dict])
def test_an_unknown_scheduler_lists_the_names(wrong: Any) -> None:
    with pytest.raises(InvalidInputError, match=r"unknown scheduler .*choose one of ddim, ddpm, .*, unipc, deis, lcm"):
        make_scheduler(wrong, config())


def test_more_steps_than_a_schedule_has_are_refused_with_the_reason() -> None:
    with pytest.raises(InvalidInputError, match=r"1001 steps are not possible with DDIMScheduler: .*1000"):
        set_timesteps(make_scheduler("ddim", config()), 1001, "cpu")


@pytest.mark.parametrize("steps", [1, 2, 7])
@pytest.mark.parametrize("name", SCHEDULERS)
def test_as_many_steps_are_counted_as_were_asked_for(name: str, steps: int) -> None:
    scheduler = make_scheduler(name, config())
    evaluations = len(set_timesteps(scheduler, steps, "cpu"))
    assert sum(ends_step(index, evaluations, steps, scheduler.order) for index in range(evaluations)) == steps


def test_a_choice_matches_only_with_all_its_settings() -> None:
    choice = SchedulerChoice("DPMSolverMultistepScheduler", {"solver_order": 2, "algorithm_type": "dpmsolver++"})
    assert choice.matches(choice.build(config()))
    assert not choice.matches(diffusers.DPMSolverMultistepScheduler(solver_order=1))
    assert not choice.matches(diffusers.DDIMScheduler())

"""Guidance between two conditions, on a denoiser that is a formula."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from musicldm.sampling.guidance import Conditions, guide, predict, scale_at


class LabelUNet:
    """Predicts latents plus the sum of each row's label, and notes what it was asked."""

    dtype = torch.float32

    def __init__(self) -> None:
        self.calls: list[dict[str, Any]] = []

    def __call__(self, latents: torch.Tensor, timestep: Any, *, class_labels: torch.Tensor, **rest: Any) -> Any:
        self.calls.append({"rows": len(latents), **rest})
        return latents + class_labels.sum(dim=1)[:, None, None, None]


@pytest.mark.parametrize(("scale", "expected"), [(0.0, 1.0), (1.0, 3.0), (2.0, 5.0), (-1.0, -1.0)])
def test_guidance_goes_from_the_unconditional_through_the_conditional(scale: float, expected: float) -> None:
    assert guide(torch.tensor(1.0), torch.tensor(3.0), scale) == expected


def test_each_row_is_guided_from_its_own_negative_to_its_own_positive() -> None:
    conditions = Conditions(positive=torch.tensor([[1.0], [2.0]]), negative=torch.tensor([[10.0], [20.0]]))
    unet = LabelUNet()
    predicted = predict(unet, torch.zeros(2, 1, 1, 1), torch.tensor(3), conditions, 3.0)
    # 10 + 3 (1 - 10) and 20 + 3 (2 - 20)
    assert predicted.flatten().tolist() == [-17.0, -34.0]
    assert [call["rows"] for call in unet.calls] == [4]


@pytest.mark.parametrize("scale", [1.0, 0.0, -2.0])
def test_without_guidance_the_denoiser_runs_once_and_sees_no_negative(scale: float) -> None:
    unet = LabelUNet()
    conditions = Conditions(torch.tensor([[1.0]]), torch.tensor([[10.0]]))
    assert predict(unet, torch.zeros(1, 1, 1, 1), torch.tensor(3), conditions, scale).item() == 1.0
    assert unet.calls[0]["rows"] == 1


def test_attention_arguments_reach_the_denoiser() -> None:
    unet = LabelUNet()
    predict(unet, torch.zeros(1, 1, 1, 1), torch.tensor(3), Conditions(torch.zeros(1, 1)), 1.0, {"scale": 0.5})
    assert unet.calls[0]["cross_attention_kwargs"] == {"scale": 0.5}


def test_a_half_precision_denoiser_is_fed_its_type_and_gives_float32() -> None:
    unet = LabelUNet()
    unet.dtype = torch.bfloat16
    predicted = predict(unet, torch.ones(1, 1, 1, 1), torch.tensor(3), Conditions(torch.ones(1, 1)), 1.0)
    assert (predicted.dtype, predicted.item()) == (torch.float32, 2.0)


def test_a_callback_changes_only_what_it_gives_back() -> None:
    conditions = Conditions(torch.zeros(1, 1), torch.zeros(1, 1))
    conditions.change({"prompt_embeds": torch.ones(1, 1), "latents": torch.ones(1)})
    assert conditions.positive.item() == 1
    assert conditions.negative is not None
    assert conditions.negative.item() == 0


@pytest.mark.parametrize(
    ("timestep", "scale"), [(999.0, 1.0), (800.0, 3.0), (500.5, 3.0), (200.0, 3.0), (199.0, 1.0), (0.0, 1.0)]
)
def test_guidance_is_on_in_its_interval_of_noise_with_its_ends(timestep: float, scale: float) -> None:
    assert scale_at(3.0, torch.tensor(timestep), 1000, (0.2, 0.8)) == scale
    assert scale_at(3.0, torch.tensor(timestep), 1000, (0.0, 1.0)) == 3.0


def test_guidance_is_always_on_without_an_interval_whatever_timesteps_mean() -> None:
    """EDM schedulers count in logarithms of the noise, which may be negative."""
    assert scale_at(3.0, torch.tensor(-1.4), 1000, None) == 3.0

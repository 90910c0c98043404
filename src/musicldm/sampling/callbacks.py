"""A caller's functions between the steps of the denoising."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from musicldm.sampling.guidance import Conditions


@dataclass(frozen=True)
class StepCallbacks:
    """What is called after a step, in diffusers' new way and its old one.

    Args:
        on_step_end: called with pipeline, index, timestep and a dictionary of tensors after every evaluation; gives
            those it changed, or None.
        tensor_inputs: names of those tensors.
        callback: called with step, timestep and latents.
        callback_steps: how many steps apart `callback` is called.
    """

    on_step_end: Callable[..., dict[str, Any] | None] | None
    tensor_inputs: Sequence[str]
    callback: Callable[[int, Any, torch.Tensor], None] | None
    callback_steps: int

    def after_evaluation(
        self, pipeline: Any, index: int, timestep: torch.Tensor, latents: torch.Tensor, conditions: Conditions
    ) -> torch.Tensor:
        """Calls the new function; its conditions are taken over, and the latents to go on with are given."""
        if self.on_step_end is None:
            return latents
        tensors = {
            "latents": latents,
            "prompt_embeds": conditions.positive,
            "negative_prompt_embeds": conditions.negative,
        }
        named = {name: tensors[name] for name in self.tensor_inputs}
        changed = self.on_step_end(pipeline, index, timestep, named) or {}
        conditions.change(changed)
        new: torch.Tensor = changed.get("latents", latents)
        return new

    def after_step(self, index: int, order: int, timestep: torch.Tensor, latents: torch.Tensor) -> None:
        """Calls the old function where it is due: `index` counts evaluations, `order` of which make a step."""
        if self.callback is not None and index % self.callback_steps == 0:
            self.callback(index // order, timestep, latents)

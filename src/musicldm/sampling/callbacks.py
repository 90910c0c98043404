"""What happens after each evaluation of the denoiser: a caller's functions, and progress."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch

from musicldm.sampling.denoising import ends_step
from musicldm.sampling.guidance import Conditions
from musicldm.sampling.running import RunningCall

Tensors = Mapping[str, torch.Tensor]
OnStepEnd = Callable[..., Tensors | None]
"""Called with pipeline, index, timestep and a dictionary of tensors; gives those it changed, or None."""
OldCallback = Callable[[int, torch.Tensor, torch.Tensor], None]
"""Called with step, timestep and latents."""
TENSORS = ("latents", "prompt_embeds", "negative_prompt_embeds")


@dataclass(frozen=True)
class StepCallbacks:
    """What is called after a step, in diffusers' new way and its old one.

    Args:
        on_step_end: called after every evaluation.
        tensor_inputs: names of the tensors that it gets, of `TENSORS`.
        callback: called after steps.
        callback_steps: how many evaluations apart `callback` is called.
    """

    on_step_end: OnStepEnd | None
    tensor_inputs: Sequence[str]
    callback: OldCallback | None
    callback_steps: int


@dataclass(frozen=True)
class StepEnd:
    """Ends each evaluation of one call; an `AfterStep`.

    Args:
        pipeline: for the callbacks.
        call: may be changed by them.
        callbacks: of the caller.
        conditions: may be changed by them.
        steps: that were asked for.
        advance: called after each of them.
    """

    pipeline: object
    call: RunningCall
    callbacks: StepCallbacks
    conditions: Conditions
    steps: int
    advance: Callable[[], object]

    def __call__(self, index: int, timestep: torch.Tensor, latents: torch.Tensor) -> torch.Tensor | None:
        """The latents to go on with; None where the call was interrupted and the latents are not to change any more."""
        latents = self._call_new(index, timestep, latents)
        order, callbacks = self.call.scheduler.order, self.callbacks
        if ends_step(index, self.call.num_timesteps, self.steps, order):
            self.advance()
            if callbacks.callback is not None and index % callbacks.callback_steps == 0:
                callbacks.callback(index // order, timestep, latents)
        return None if self.call.interrupted else latents

    def _call_new(self, index: int, timestep: torch.Tensor, latents: torch.Tensor) -> torch.Tensor:
        """Calls the new function; its conditions are taken over, and the latents to go on with are given."""
        if self.callbacks.on_step_end is None:
            return latents
        tensors = {
            "latents": latents,
            "prompt_embeds": self.conditions.positive,
            "negative_prompt_embeds": self.conditions.negative,
        }
        named = {name: tensors[name] for name in self.callbacks.tensor_inputs}
        changed = self.callbacks.on_step_end(self.pipeline, index, timestep, named) or {}
        self.conditions.change(changed)
        return changed.get("latents", latents)

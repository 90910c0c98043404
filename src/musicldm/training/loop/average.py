"""Moving averages of weights, by diffusers' EMAModel, in one pass over them."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from diffusers.training_utils import EMAModel
from torch import nn


class MovingAverage(EMAModel):
    """An `EMAModel` whose step needs neither a copy of all weights nor three passes over them."""

    @torch.no_grad()
    def step(self, parameters: Iterable[nn.Parameter]) -> None:
        """Moves the averages of the weights that are trained towards these; the others never change.

        Args:
            parameters: those that the average was made of, in their order.
        """
        self.optimization_step += 1
        self.cur_decay_value = self.get_decay(self.optimization_step)
        pairs = zip(self.shadow_params, parameters, strict=True)
        trained = [(average, parameter) for average, parameter in pairs if parameter.requires_grad]
        if trained:
            averages, weights = zip(*trained, strict=True)
            torch._foreach_lerp_(averages, weights, 1 - self.cur_decay_value)

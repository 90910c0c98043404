"""Moving averages of weights, by diffusers' EMAModel, in one pass over them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

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


class Averages:
    """The moving averages of some of a task's modules."""

    def __init__(self, modules: nn.ModuleDict, names: Sequence[str], decay: float) -> None:
        options = {"decay": decay, "use_ema_warmup": True, "power": 0.75, "foreach": True}
        self.modules = modules
        self.averages = {name: MovingAverage(modules[name].parameters(), **options) for name in names}

    def step(self) -> None:
        """Moves them towards the weights as they are."""
        for name, average in self.averages.items():
            average.step(self.modules[name].parameters())

    @contextmanager
    def applied(self) -> Iterator[None]:
        """While it lasts, the modules have the averaged weights."""
        for name, average in self.averages.items():
            parameters = list(self.modules[name].parameters())
            average.store(parameters)
            average.copy_to(parameters)
        try:
            yield
        finally:
            for name, average in self.averages.items():
                average.restore(self.modules[name].parameters())

    def state_dicts(self) -> dict[str, Any]:
        """As a checkpoint keeps them."""
        return {name: average.state_dict() for name, average in self.averages.items()}

    def load_state_dicts(self, states: Mapping[str, Any], device: torch.device) -> None:
        """Takes over what `state_dicts` gave."""
        for name, average in self.averages.items():
            average.load_state_dict(states[name])
            average.to(device=device)

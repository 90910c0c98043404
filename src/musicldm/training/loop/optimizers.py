"""The optimisers of a turn, and how their learning rate goes over a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from musicldm.training.loop.muon import Muon
from musicldm.training.loop.task import Schedule, Turn

LONGEST_RISE = 0.04
"""Share of a run."""


def learning_rate_factor(step: int, progress: float, schedule: Schedule) -> float:
    """Rises over `warmup` steps, stays, and falls linearly to zero over the last `decay` share of the run.

    In a run so short that `warmup` steps are more than 4 % of it, it rises over these.
    """
    rise = min(1.0, max((step + 1) / max(schedule.warmup, 1), progress / LONGEST_RISE))
    fall = min(1.0, (1.0 - progress) / schedule.decay) if schedule.decay > 0 else 1.0
    return rise * max(fall, 0.0)


class TurnOptimizers:
    """AdamW for a turn's modules, and Muon for their hidden matrices and kernels where the turn wants it."""

    def __init__(self, turn: Turn, modules: nn.ModuleDict, device: torch.device) -> None:
        self.turn = turn
        outer = {id(p) for name in turn.outer for p in modules.get_submodule(name).parameters()}
        plain: list[dict[str, Any]] = []
        orthogonal: list[dict[str, Any]] = []
        for name in turn.modules:
            parameters = [p for p in modules.get_submodule(name).parameters() if p.requires_grad]
            rate = turn.learning_rate * turn.factors.get(name, 1.0)
            rates = {"lr": rate, "peak": rate}
            matrices, vectors = [p for p in parameters if p.ndim > 1], [p for p in parameters if p.ndim <= 1]
            if turn.optimizer == "muon":
                hidden = [p for p in matrices if id(p) not in outer]
                matrices = [p for p in matrices if id(p) in outer]
                orthogonal.append({"params": hidden, "weight_decay": turn.weight_decay, **rates})
            plain.append({"params": matrices, "weight_decay": turn.weight_decay, **rates})
            plain.append({"params": vectors, "weight_decay": 0.0, **rates})
        adamw = torch.optim.AdamW(plain, betas=turn.betas, fused=device.type != "mps")
        muon = (Muon(orthogonal, turn.learning_rate),) if orthogonal else ()
        self.optimizers: tuple[torch.optim.Optimizer, ...] = (adamw, *muon)

    @property
    def parameters(self) -> list[Tensor]:
        """All that they train."""
        groups = (group for optimizer in self.optimizers for group in optimizer.param_groups)
        return [parameter for group in groups for parameter in group["params"]]

    def step(self, factor: float, scaler: torch.amp.GradScaler | None) -> None:
        """One step on the gradients that are there, their norm bounded, at `factor` times the peak rate."""
        for group in (group for optimizer in self.optimizers for group in optimizer.param_groups):
            group["lr"] = group["peak"] * factor
        if scaler is not None:
            for optimizer in self.optimizers:
                scaler.unscale_(optimizer)
        nn.utils.clip_grad_norm_(self.parameters, self.turn.max_grad_norm)
        for optimizer in self.optimizers:
            _ = optimizer.step() if scaler is None else scaler.step(optimizer)

    def state_dicts(self) -> list[dict[str, Any]]:
        """As a checkpoint keeps them."""
        return [optimizer.state_dict() for optimizer in self.optimizers]

    def load_state_dicts(self, states: Sequence[dict[str, Any]]) -> None:
        """Takes over what `state_dicts` gave."""
        for optimizer, state in zip(self.optimizers, states, strict=True):
            optimizer.load_state_dict(state)

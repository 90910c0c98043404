"""What a training is: the contract between the loop and the four parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

Batch = dict[str, Tensor]
Losses = dict[str, Tensor]


@dataclass(frozen=True)
class Turn:
    """One optimiser's part in a step: which modules it trains and how.

    Args:
        name: "generator", "discriminator", …
        modules: names in the task's `modules`, dots between a module and its parts.
        learning_rate: peak rate.
        betas: of AdamW.
        weight_decay: on matrices and kernels only.
        max_grad_norm: gradients are scaled down to this norm.
        factors: of the rate for some of the modules.
        optimizer: "adamw", or "muon" for the matrices and kernels of all modules but those in `outer`.
        outer: modules' first and last layers and embeddings, as AdamW trains them better.
    """

    name: str
    modules: tuple[str, ...]
    learning_rate: float
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0
    max_grad_norm: float = 1.0
    factors: Mapping[str, float] = field(default_factory=dict)
    optimizer: Literal["adamw", "muon"] = "adamw"
    outer: tuple[str, ...] = ()


@dataclass(frozen=True)
class Schedule:
    """How the learning rate and the averages of a run go.

    Args:
        warmup: steps over which the rate rises, at most 4 % of the run.
        decay: share of the run, at its end, over which the rate falls linearly to zero.
        ema_decay: limit of the moving averages' decay.
    """

    warmup: int = 200
    decay: float = 0.5
    ema_decay: float = 0.999


@dataclass(frozen=True)
class Validation:
    """What held-out data say of the weights.

    Attributes:
        figures: by name.
        samples: by name, waves (samples,) to hear and pictures (height, width), from the bottom up, to see.
    """

    figures: Mapping[str, float]
    samples: Mapping[str, npt.NDArray[np.float32]] = field(default_factory=dict)


class Task(Protocol):
    """What one training is. All its state is `modules`: a checkpoint of them is enough to go on."""

    modules: nn.ModuleDict
    batch_size: int

    @property
    def name(self) -> str:
        """As in `musicldm train NAME`."""

    @property
    def recipe(self) -> Any:
        """Its sizes and settings: a dataclass of the task's own."""

    @property
    def turns(self) -> Sequence[Turn]:
        """The optimisers' parts in a step, in their order."""

    @property
    def ema(self) -> tuple[str, ...]:
        """The modules whose moving averages are validated and exported."""

    @property
    def schedule(self) -> Schedule:
        """Of the learning rate and the averages."""

    @property
    def goal(self) -> str:
        """The figure of `validate` whose smallest value marks the best weights."""

    @property
    def sample_rate(self) -> int:
        """Of the waves among the samples of a validation, in Hz."""

    @property
    def compiled(self) -> tuple[str, ...]:
        """Modules, or their parts, whose `forward` is worth compiling."""

    def __len__(self) -> int:
        """Number of clips in an epoch."""

    def batch(self, clips: npt.NDArray[np.int64], rng: np.random.Generator) -> Batch:
        """The training batch of these clips; crops and captions are drawn with `rng`."""

    def losses(self, batch: Batch, progress: float) -> Iterator[Losses | None]:
        """The loss terms of each turn on a batch, one after the other in the order of `turns`.

        What several turns need, such as the sound that a generator made, they share as the generator's local names;
        a task keeps nothing of a step. Between two turns the loop only computes gradients: all turns of a step see
        the same weights.

        Args:
            batch: as `batch` made it, on the device of `modules`.
            progress: share of the run that is done, 0 to 1.

        Yields:
            Terms by name, what is to be minimised under "loss"; None when the turn rests.
        """

    def validate(self) -> Validation:
        """What held-out data say of the weights as they are."""

    def export(self, folder: Path) -> None:
        """Writes the trained part as diffusers or transformers folders."""

"""How long and how a training runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from musicldm.errors import InvalidInputError

Ending = Callable[[], AbstractContextManager[Callable[[], bool]]]
"""Made by whoever may want a training to end early, as when the system asks the process to."""


@contextmanager
def never_ends_early() -> Iterator[Callable[[], bool]]:
    """An `Ending` that never comes."""
    yield lambda: False


@dataclass(frozen=True)
class LoopOptions:
    """How long and how a training runs.

    Args:
        out: folder of the run: checkpoint, log, samples and the exported part.
        steps: end after this many steps in all; or
        minutes: end after this many minutes in all, interruptions not counted. Just one of the two.
        checkpoint_minutes: time between two checkpoints.
        validate_minutes: time between two validations with samples.
        report_seconds: time between two lines of the log, and two reports to the listener.
        mixed_precision: "no", "bf16" or "fp16".
        device: "auto", "cpu", "cuda" or "mps".
        seed: of every random draw.
        resume: go on from the checkpoint in `out`.
        accumulate: batches whose gradients make one step.
        checkpointing: keep fewer activations and compute them again, for memory.
        compile: compile the parts by `torch.compile`, for long runs.
        patience: end after so many validations in a row that are no better, with the best weights exported.
        experiment_tracker: "trackio" or "wandb", which gets curves and samples too.

    Raises:
        InvalidInputError: neither or both of steps and minutes, or a number that is not positive.
    """

    out: Path
    steps: int | None = None
    minutes: float | None = None
    checkpoint_minutes: float = 4.0
    validate_minutes: float = 8.0
    report_seconds: float = 30.0
    mixed_precision: str = "no"
    device: str = "auto"
    seed: int = 0
    resume: bool = False
    accumulate: int = 1
    checkpointing: bool = False
    compile: bool = False
    patience: int | None = None
    experiment_tracker: str | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.minutes is None):
            raise InvalidInputError("give either steps or minutes: how long shall the training run?")
        length = self.steps if self.steps is not None else self.minutes
        assert length is not None
        if not (length > 0 and math.isfinite(length)):
            name = "steps" if self.steps is not None else "minutes"
            raise InvalidInputError(f"{name} is {length}: it must be a positive number")
        for name in ("accumulate", "patience"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise InvalidInputError(f"{name} is {value}: it must be at least 1")

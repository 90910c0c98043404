"""A run's checkpoint: one file, written whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from musicldm.errors import InvalidInputError, TrainingError
from musicldm.files import whole

CHECKPOINT = "checkpoint.pt"


def write_checkpoint(folder: Path, state: dict[str, Any]) -> None:
    """Replaces the folder's checkpoint.

    Raises:
        TrainingError: the disk is full or cannot be written; the checkpoint before stays.
    """
    path = folder / CHECKPOINT
    try:
        with whole(path) as part, part.open("wb") as file:
            torch.save(state, file)
    except (OSError, RuntimeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise TrainingError(f"the checkpoint cannot be written to {path}: {reason}; the one before is kept") from error


def read_checkpoint(folder: Path, task: str, device: torch.device) -> dict[str, Any]:
    """The folder's checkpoint.

    Raises:
        InvalidInputError: there is none, or it is another task's.
        TrainingError: it cannot be read.
    """
    path = folder / CHECKPOINT
    if not path.is_file():
        raise InvalidInputError(f"nothing to resume: {path} does not exist")
    try:
        state: dict[str, Any] = torch.load(path, map_location=device, weights_only=True)
    except (OSError, RuntimeError, EOFError) as error:
        raise TrainingError(f"{path} cannot be read: {error}") from error
    if state["task"] != task:
        raise InvalidInputError(f"{path} is a training of {state['task']!r}, not of {task!r}")
    return state

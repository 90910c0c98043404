"""Files of published weights into networks of the same layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import nn

from musicldm.errors import CheckpointError
from musicldm.model.weights import fill, read_tensors


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a .safetensors file, or of a PyTorch file that holds them alone or under "model".

    Raises:
        CheckpointError: no such file, or no such weights in it.
    """
    stored = read_tensors(path)
    stored = stored.get("model", stored)
    tensors = {name: value for name, value in stored.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise CheckpointError(f"{path} holds no weights")
    return tensors


def load_weights(net: nn.Module, weights: Mapping[str, torch.Tensor], path: Path) -> None:
    """Puts weights into a network; those of other heads that a publisher stored beside are left over.

    Raises:
        CheckpointError: one is missing, or of another shape.
    """
    fill(net, weights, str(path), leave_over=True)

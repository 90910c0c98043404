"""Files of published weights into networks of the same layout."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import nn

from musicldm.checkpoints.loading import checkpoint_errors
from musicldm.errors import CheckpointError


def read_weights(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of a .safetensors file, or of a PyTorch file that holds them alone or under "model".

    Nothing but tensors is unpickled: a file from elsewhere cannot run code.

    Raises:
        CheckpointError: no such file, or no such weights in it.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file of weights")
    with checkpoint_errors(f"{path} holds no weights"):
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        try:
            stored = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # pickle's own errors have no common base
            raise CheckpointError(f"{path} holds no weights: {str(error).splitlines()[0]}") from error
    stored = stored.get("model", stored) if isinstance(stored, dict) else {}
    tensors = {name: value for name, value in stored.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise CheckpointError(f"{path} holds no weights")
    return tensors


def load_weights(net: nn.Module, weights: Mapping[str, torch.Tensor], path: Path) -> None:
    """Puts weights into a network; more of them than it has is no error.

    Raises:
        CheckpointError: one is missing, or of another shape.
    """
    chosen = {}
    for name, value in net.state_dict().items():
        if name.endswith("num_batches_tracked"):  # counts training steps, and some ports leave it out
            chosen[name] = value
            continue
        if name not in weights:
            raise CheckpointError(f"{path} is not of a {type(net).__name__}: it lacks {name}")
        if weights[name].shape != value.shape:
            found, wanted = tuple(weights[name].shape), tuple(value.shape)
            raise CheckpointError(f"{path} is not of a {type(net).__name__}: {name} is {found}, not {wanted}")
        chosen[name] = weights[name]
    net.load_state_dict(chosen)

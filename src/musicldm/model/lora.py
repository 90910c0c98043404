"""LoRA weights (arXiv 2106.09685) in diffusers' format: found, and checked against the UNet that they are for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from musicldm.errors import CheckpointError
from musicldm.model.weights import read_tensors

FILE_NAME = "pytorch_lora_weights.safetensors"
"""As diffusers names it in a folder."""
_PREFIX = "unet."
_FACTORS = (".lora_A.weight", ".lora_B.weight")
_SCALES = (".alpha",)


def lora_file(path: Path) -> Path:
    """The file that a path means: itself, or the one in the folder.

    Raises:
        CheckpointError: no such file.
    """
    file = path / FILE_NAME if path.is_dir() else path
    if not file.is_file():
        raise CheckpointError(f"{path}: no LoRA there: give a .safetensors file, or a folder with {FILE_NAME}")
    return file


def read_lora(path: Path, unet: Any) -> dict[str, Tensor]:
    """The weights by name, as `load_lora_weights` takes them.

    Args:
        path: file or folder.
        unet: that they are to change.

    Raises:
        CheckpointError: no such file, a file that is damaged or no LoRA, or one for another UNet.
    """
    file = lora_file(path)
    state: dict[str, Tensor] = read_tensors(file)
    pairs = _pairs(state, file)
    if others := sorted(key for key in state if not key.endswith((*_FACTORS, *_SCALES))):
        raise CheckpointError(f"{file} is no LoRA of weights alone: it has {', '.join(others[:3])}")
    modules = dict(unet.named_modules())
    for name, (down, up) in pairs.items():
        layer = modules.get(name)
        weight = getattr(getattr(layer, "base_layer", layer), "weight", None)
        shape = (up.shape[0], down.shape[1]) if down.shape[0] == up.shape[1] else None
        if weight is None or shape != tuple(weight.shape[:2]):
            raise CheckpointError(f"{file} is for another model: its {name} does not fit this one's UNet")
    return state


def _pairs(state: Mapping[str, Tensor], file: Path) -> dict[str, tuple[Tensor, Tensor]]:
    """The two factors of every layer's change by the layer's name."""
    downs = {key.removesuffix(".lora_A.weight"): value for key, value in state.items() if key.endswith("lora_A.weight")}
    ups = {key.removesuffix(".lora_B.weight"): value for key, value in state.items() if key.endswith("lora_B.weight")}
    if not downs or downs.keys() != ups.keys() or not all(name.startswith(_PREFIX) for name in downs):
        raise CheckpointError(f"{file} holds no LoRA of a UNet in diffusers' format")
    return {name.removeprefix(_PREFIX): (downs[name], ups[name]) for name in downs}

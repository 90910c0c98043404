"""The parts of a model folder, by their names and the classes that its index gives them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import nn

from musicldm.errors import CheckpointError
from musicldm.model import folder as resolve
from musicldm.model.errors import checkpoint_errors
from musicldm.model.vocoder import VOCODERS
from musicldm.model.weights import load_model

_PLACED_BY_LIBRARY = ("device_map", "quantization_config")


def load_part(kind: Any, folder: Path, part: str) -> Any:
    """A part of a model folder, models in float32 whatever they are stored in.

    Raises:
        CheckpointError: it is not there, or cannot be loaded.
    """
    if not (folder / part).is_dir():
        raise CheckpointError(f"{folder} has no {part}/: give a model folder that holds it")
    if issubclass(kind, nn.Module):
        return load_model(kind, folder / part).float()
    with checkpoint_errors(f"{folder / part} cannot be loaded"):
        return kind.from_pretrained(folder / part)


def load_parts(folder: Path, options: Mapping[str, Any], passed: Collection[str] = ()) -> dict[str, Any]:
    """The parts of a model folder that have weights, as arguments for `DiffusionPipeline.from_pretrained`.

    Where that is to place or quantise them itself, they are only checked, and none is given.

    Args:
        folder: a checked one, see `resolve`.
        options: of `DiffusionPipeline.from_pretrained`.
        passed: those that the caller brings.

    Raises:
        CheckpointError: see `load_model`.
    """
    index = resolve.read_index(folder)
    loaded = {}
    for name in resolve.WEIGHTED:
        if name not in passed:
            kind = _kind(folder, name, *index[name])
            if name == "vocoder" and kind.__name__ not in VOCODERS:
                raise CheckpointError(f"{folder}: vocoder is a {kind.__name__}: known are {', '.join(VOCODERS)}")
            loaded[name] = load_model(kind, folder / name, **_options(kind, folder / name, options))
    return {} if any(options.get(name) for name in _PLACED_BY_LIBRARY) else loaded


def _kind(folder: Path, part: str, library: str, name: str) -> Any:
    """The class that an index gives a part."""
    from diffusers import ModelMixin
    from transformers import PreTrainedModel

    kind = getattr(import_module(library), name, None) if library in ("diffusers", "transformers") else None
    if not (isinstance(kind, type) and issubclass(kind, ModelMixin | PreTrainedModel)):
        raise CheckpointError(
            f"{folder / resolve.INDEX}: {part} is {library}.{name}, no model of diffusers or transformers"
        )
    return kind


def _options(kind: Any, folder: Path, options: Mapping[str, Any]) -> dict[str, Any]:
    """Those options of a pipeline that its parts take."""
    from transformers import PreTrainedModel

    of_parts = options.get("dtype") or options.get("torch_dtype")
    dtype = of_parts.get(folder.name, of_parts.get("default")) if isinstance(of_parts, Mapping) else of_parts
    is_of_transformers = issubclass(kind, PreTrainedModel)
    taken = {
        "dtype" if is_of_transformers else "torch_dtype": dtype if isinstance(dtype, torch.dtype) else torch.float32
    }
    taken |= {name: options[name] for name in ("use_safetensors", "disable_mmap") if name in options}
    if "low_cpu_mem_usage" in options and not is_of_transformers:
        taken["low_cpu_mem_usage"] = options["low_cpu_mem_usage"]
    variant = options.get("variant")
    if variant and any(f".{variant}." in path.name for path in folder.iterdir()):
        taken["variant"] = variant
    return taken

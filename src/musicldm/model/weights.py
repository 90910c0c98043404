"""A folder or file of weights to a model in which every weight is from there: nothing left random, nothing left over.

diffusers and transformers give what the files lack ordinary random weights, and only log it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from musicldm.errors import CheckpointError
from musicldm.model.errors import checkpoint_errors

_MADE_ANEW = re.compile(r"(^|\.)(position_ids|token_type_ids|relative_position_index|num_batches_tracked)$")
"""Buffers that follow from the configuration or only count: versions of the libraries differ in whether they store
them, and a model without them is the same."""
_AUDIO_TOWER = re.compile(r"(audio_model|audio_projection)\.|logit_scale_[at]$")
"""What a whole CLAP has more than `ClapTextModelWithProjection`, which may be loaded from one."""
_FACTORS = ((".weight_g", ".weight_v"), (".parametrizations.weight.original0", ".parametrizations.weight.original1"))
"""Names of norm and direction of a weight under weight normalisation (arXiv 1602.07868), old and new."""
_WEIGHTS = re.compile(r"(diffusion_pytorch_model|pytorch_model|model)(-\d+-of-\d+)?\.(safetensors|bin)(\.index\.json)?")
"""As the two libraries name files of weights without a variant."""
_SHOWN = 3
_Mismatch = tuple[str, Sequence[int], Sequence[int]]


def load_model(kind: Any, source: str | Path, **options: Any) -> Any:
    """A model of diffusers or transformers by its class, with all of its weights and no others.

    Args:
        kind: the class.
        source: folder of its config.json and weights (.safetensors or .bin, in one file or several), or a hub id.
        options: of the class' `from_pretrained`.

    Raises:
        CheckpointError: it cannot be read; or a tensor is missing, of another shape, or none of the model's, and the
            message names it.
    """
    name = str(Path(source) / options.get("subfolder", "")) if Path(source).is_dir() else str(source)
    with checkpoint_errors(f"{name} cannot be loaded"):
        model, report = kind.from_pretrained(source, output_loading_info=True, ignore_mismatched_sizes=True, **options)
    missing, unexpected = set(report["missing_keys"]), set(report["unexpected_keys"])
    # What an index of several files promises and none of them holds was never filled.
    missing |= {key for key, value in model.named_parameters() if value.is_meta}
    missing -= {key for key, *_ in report["mismatched_keys"]}
    if any(key.endswith(_ends(_FACTORS)) for key in unexpected):
        folder = Path(source) / options.get("subfolder", "")
        joined, factors = _join_weight_norm(model, missing, folder)
        missing, unexpected = missing - joined, unexpected - factors
    if not _has_audio_tower(model):
        unexpected = {key for key in unexpected if not _AUDIO_TOWER.match(key)}
    check_tensors(name, type(model).__name__, missing, unexpected, report["mismatched_keys"])
    return model


def check_tensors(
    source: str, kind: str, missing: Iterable[str], unexpected: Iterable[str], mismatched: Iterable[_Mismatch] = ()
) -> None:
    """Nothing if weights and model fit, but for buffers that are made anew.

    Args:
        source: where the weights are from.
        kind: what they are to be.
        missing: names that the model has and the weights have not.
        unexpected: the other way round.
        mismatched: names, the shape that was found, and the model's.

    Raises:
        CheckpointError: they do not fit; the first few names of each kind, and how many there are.
    """
    parts = []
    for what, names in (("lacks", missing), ("has beside them", unexpected)):
        kept = sorted(name for name in names if not _MADE_ANEW.search(name))
        if kept:
            parts.append(f"it {what} {_listed(kept)}")
    shapes = [f"{name} is {tuple(shape)}, not {tuple(wanted)}" for name, shape, wanted in sorted(mismatched)]
    if shapes:
        parts.append(_listed(shapes))
    if parts:
        raise CheckpointError(f"{source} holds other weights than those of a {kind}: {'; '.join(parts)}")


def fill(module: nn.Module, weights: Mapping[str, Tensor], source: str, *, leave_over: bool = False) -> None:
    """Puts weights into a module, all of them and no others.

    Args:
        module: is changed only if they fit.
        weights: by the names of its `state_dict`.
        source: where they are from, for the message.
        leave_over: whether it is no error that there are more of them.

    Raises:
        CheckpointError: see `check_tensors`.
    """
    own = module.state_dict()
    shared = own.keys() & weights.keys()
    mismatched = [
        (name, weights[name].shape, own[name].shape) for name in shared if weights[name].shape != own[name].shape
    ]
    unexpected = () if leave_over else weights.keys() - own.keys()
    check_tensors(source, type(module).__name__, own.keys() - weights.keys(), unexpected, mismatched)
    module.load_state_dict({name: weights.get(name, value) for name, value in own.items()})


def read_tensors(path: Path) -> dict[str, Any]:
    """What a file of weights holds by name: a .safetensors file's tensors, a PyTorch file's object as it is.

    Nothing but tensors and plain values is unpickled: a file from elsewhere cannot run code.

    Raises:
        CheckpointError: no such file, or none that can be read.
    """
    if not path.is_file():
        raise CheckpointError(f"{path}: no such file of weights")
    with checkpoint_errors(f"{path} holds no weights"):
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        try:
            stored: Any = torch.load(path, map_location="cpu", weights_only=True)
        except (OSError, MemoryError):
            raise
        except Exception as error:  # pickle's own errors have no common base
            reason = str(error).partition("\n")[0].partition(". ")[0]
            raise CheckpointError(f"{path} holds no weights: {reason}") from error
    return stored if isinstance(stored, dict) else {}


def remove_replaced_weights(folder: Path, saved: Collection[str]) -> None:
    """Removes the weights that a model had in other files before it was saved anew, which would be read instead.

    Args:
        folder: of the model.
        saved: the files that were written, as names below it with slashes.
    """
    for part in {name.partition("/")[0] for name in saved if _WEIGHTS.fullmatch(name.rpartition("/")[2])}:
        for path in (folder / part).iterdir():
            if _WEIGHTS.fullmatch(path.name) and path.relative_to(folder).as_posix() not in saved:
                path.unlink()


def _join_weight_norm(model: nn.Module, missing: set[str], folder: Path) -> tuple[set[str], set[str]]:
    """Puts weights that are stored as norm and direction into a model that has them as one.

    Returns:
        The names that are no longer missing, and those of the factors as the libraries report them.
    """
    tensors: dict[str, Tensor] = {}
    for path in sorted(path for path in folder.iterdir() if path.suffix in (".safetensors", ".bin")):
        tensors |= read_tensors(path)
    own = dict(model.named_parameters())
    joined, factors = set(), set()
    for norm_end, direction_end in _FACTORS:
        for key in [name for name in tensors if name.endswith(norm_end)]:
            layer = key.removesuffix(norm_end)
            weight, direction = f"{layer}.weight", tensors.get(layer + direction_end)
            if direction is None or weight not in missing or own[weight].shape != direction.shape:
                continue
            own[weight].data = torch._weight_norm(direction.float(), tensors[key].float(), 0).to(own[weight].dtype)
            joined.add(weight)
            factors |= {layer + end for pair in _FACTORS for end in pair}
    return joined, factors


def _has_audio_tower(model: nn.Module) -> bool:
    return type(model).__name__ != "ClapTextModelWithProjection"


def _ends(pairs: Iterable[tuple[str, str]]) -> tuple[str, ...]:
    return tuple(end for pair in pairs for end in pair)


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _SHOWN
    return ", ".join(names[:_SHOWN]) + (f" and {more} more" if more > 0 else "")

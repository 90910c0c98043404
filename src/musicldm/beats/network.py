"""Networks of beat_this' architecture: built, stored as a folder, and loaded from a folder or a published checkpoint.

Foscarin, Schlüter and Widmer 2024 (arXiv 2407.21658). The class is that of the package beat-this, of which only the
model is imported: its inference needs torchaudio.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from musicldm.beats.spectrum import SPEC
from musicldm.errors import CheckpointError, InvalidInputError, MissingDependencyError
from musicldm.files import is_refusal, whole, write_whole
from musicldm.model.checksums import verify, write_sums
from musicldm.model.weights import fill, read_tensors

DEFAULT = "default"
DEFAULT_FOLDER = Path(__file__).resolve().parent.parent / "shipped" / "beats"
CONFIG, WEIGHTS = "config.json", "model.safetensors"
PUBLISHED = "https://cloud.cp.jku.at/public.php/dav/files/7ik4RrBKTS273gp"
"""Where beat_this' authors keep their checkpoints, `NAME.ckpt` each (`CHECKPOINT_URL` of beat_this 1.1.0)."""
_SHORT_NAME = re.compile(r"(final|small|single_final|fold|hung)[\w-]*")


@dataclass(frozen=True)
class NetworkConfig:
    """Sizes of a network and how it is to be fed; the defaults are the published model's.

    Args:
        spect_dim: mel bins.
        transformer_dim: width; a multiple of `head_dim`.
        ff_mult: width of the hidden layers in widths.
        n_layers: transformer blocks.
        head_dim: width of an attention head.
        stem_dim: channels of the first convolution.
        sum_head: whether every downbeat counts as a beat.
        partial_transformers: whether the front end attends along time and frequency.
        chunk_frames: frames that are given at a time, the two borders of 6 frames included.
        top_hz: mel bins that reach above it are silenced, because the network never heard them; None silences none.

    Raises:
        InvalidInputError: sizes that make no network.
    """

    spect_dim: int = 128
    transformer_dim: int = 512
    ff_mult: int = 4
    n_layers: int = 6
    head_dim: int = 32
    stem_dim: int = 32
    sum_head: bool = True
    partial_transformers: bool = True
    chunk_frames: int = 1500
    top_hz: float | None = None

    def __post_init__(self) -> None:
        if self.spect_dim != SPEC.n_mels:
            raise InvalidInputError(f"spect_dim is {self.spect_dim}: the spectrum has {SPEC.n_mels} bins")
        for name in ("transformer_dim", "ff_mult", "n_layers", "head_dim", "stem_dim"):
            if getattr(self, name) < 1:
                raise InvalidInputError(f"{name} is {getattr(self, name)}: it must be at least 1")
        for name in ("transformer_dim", "stem_dim") if self.partial_transformers else ("transformer_dim",):
            if getattr(self, name) % self.head_dim:
                raise InvalidInputError(f"{name} {getattr(self, name)}: a multiple of head_dim {self.head_dim}")
        if self.chunk_frames <= 100:
            raise InvalidInputError(f"chunk_frames is {self.chunk_frames}: it must be above 100 (2 s)")


_FEEDING = ("chunk_frames", "top_hz")
_PACKAGES = {"einops": "einops", "rotary-embedding-torch": "rotary_embedding_torch", "beat-this": "beat_this"}


def build_network(config: NetworkConfig, dropout: float = 0.0) -> nn.Module:
    """A network with random weights: spectrum (B, frames, 128) to {"beat": …, "downbeat": …}, logits (B, frames).

    Raises:
        MissingDependencyError: beat_this or what it is made of is not installed.
    """
    if (package := missing_package()) is not None:
        raise MissingDependencyError(package, "beats")
    from beat_this.model.beat_tracker import BeatThis

    sizes = {name: value for name, value in asdict(config).items() if name not in _FEEDING}
    network: nn.Module = BeatThis(**sizes, dropout={"frontend": dropout, "transformer": dropout})
    return network


def missing_package() -> str | None:
    """What has to be installed before a network can be built; None where all is there."""
    return next((package for package, module in _PACKAGES.items() if find_spec(module) is None), None)


def save_network(network: nn.Module, config: NetworkConfig, folder: Path) -> None:
    """Writes config.json, model.safetensors and SHA256SUMS into a folder."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    weights = {name: value.detach().cpu().contiguous().clone() for name, value in network.state_dict().items()}
    with whole(folder / WEIGHTS) as part:
        save_file(weights, part)
    write_whole(folder / CONFIG, json.dumps(asdict(config), indent=2) + "\n")
    write_sums(folder)


def load_network(name_or_path: str | Path = DEFAULT) -> tuple[nn.Module, NetworkConfig]:
    """A network in evaluation mode and its configuration.

    Args:
        name_or_path: "default" (the one in this package), a folder that `save_network` wrote, a checkpoint `.ckpt` of
            beat_this, or the short name of a published one ("final0", "small0", …), which is fetched once.

    Raises:
        CheckpointError: nothing of this name, or files that are missing, corrupt or of another architecture.
        MissingDependencyError: see `build_network`.
    """
    path = DEFAULT_FOLDER if name_or_path == DEFAULT else Path(name_or_path)
    if path.is_dir() and (path / CONFIG).is_file():
        return _load_folder(path)
    if name_or_path == DEFAULT:
        raise CheckpointError(
            "the default beat model is not part of this installation of musicldm: name a folder of "
            "`musicldm train beats`, a .ckpt of beat_this, or a published one such as final0"
        )
    if path.is_file():
        return _from_checkpoint(read_tensors(path), str(path))
    if _SHORT_NAME.fullmatch(str(name_or_path)):
        fetched = _fetch(str(name_or_path))
        return _from_checkpoint(read_tensors(fetched), str(fetched))
    raise CheckpointError(
        f"no beat model {str(name_or_path)!r}: choose {DEFAULT!r}, a folder of `musicldm train beats`, a .ckpt of "
        "beat_this, or a published one such as final0 or small0"
    )


def _load_folder(folder: Path) -> tuple[nn.Module, NetworkConfig]:
    verify(folder)
    try:
        values = json.loads((folder / CONFIG).read_text(encoding="utf-8"))
        unknown = sorted(set(values) - {field.name for field in fields(NetworkConfig)})
        if unknown:
            raise CheckpointError(f"{folder / CONFIG}: unknown keys {', '.join(unknown)}")
        config = NetworkConfig(**values)
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"{folder} is no beat model that can be read: {error}") from error
    return _filled(config, read_tensors(folder / WEIGHTS), str(folder / WEIGHTS)), config


def _fetch(name: str) -> Path:
    """A published checkpoint's file, kept where beat_this keeps it, so that it is fetched once."""
    path = Path(torch.hub.get_dir()) / "checkpoints" / f"beat_this-{name}.ckpt"
    if path.is_file():
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(f"{PUBLISHED}/{name}.ckpt", str(path), progress=False)
    except (OSError, HTTPException) as error:
        if is_refusal(error):
            raise
        reason = getattr(error, "reason", error)
        raise CheckpointError(
            f"beat_this' checkpoint {name} cannot be fetched from {PUBLISHED} ({reason}): "
            f"give the path of a .ckpt, or take {DEFAULT!r}"
        ) from error
    return path


def _from_checkpoint(state: Any, source: str) -> tuple[nn.Module, NetworkConfig]:
    """From the dictionary that beat_this' trainer stores."""
    if not {"hyper_parameters", "state_dict"} <= state.keys():
        raise CheckpointError(f"{source} is no checkpoint of beat_this: it has no hyper_parameters and state_dict")
    known = {field.name for field in fields(NetworkConfig)} - set(_FEEDING)
    config = NetworkConfig(**{name: value for name, value in state["hyper_parameters"].items() if name in known})
    weights = {name.removeprefix("model."): value for name, value in state["state_dict"].items()}
    return _filled(config, weights, source), config


def _filled(config: NetworkConfig, weights: Mapping[str, Tensor], source: str) -> nn.Module:
    network = build_network(config)
    fill(network, {name.replace("_orig_mod.", ""): value for name, value in weights.items()}, source)
    return network.eval()

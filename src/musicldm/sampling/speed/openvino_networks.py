"""Networks by OpenVINO: converted from torch once, kept in a folder, compiled for each shape of input."""

from __future__ import annotations

import hashlib
import json
import sys
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from torch import nn
from torch.jit import TracerWarning  # type: ignore[attr-defined]

from musicldm.errors import MissingDependencyError
from musicldm.files import move_into, scratch
from musicldm.sampling.speed import quantization

if TYPE_CHECKING:
    from diffusers import ModelMixin
    from openvino import CompiledModel, Core, InferRequest, Model
    from transformers import PreTrainedModel

    Part: TypeAlias = ModelMixin | PreTrainedModel

PRECISIONS = {torch.float32: "f32", torch.bfloat16: "bf16"}
_SHAPES_KEPT = 4
"""Compiled shapes that a network keeps: those of a run are two or three."""

Array = npt.NDArray[np.float32]
Arrays = tuple[Array, ...]


class Network:
    """Tensors in, tensors out; float32 on the CPU. Threads may call it at once: each computes on a request of its own.

    A model is compiled for each shape that comes: known shapes leave room for faster kernels.
    """

    def __init__(self, core: Core, model: Model, settings: Mapping[str, str | int]) -> None:
        self._core, self._model, self._settings = core, model, settings
        self._compiled: dict[tuple[torch.Size, ...], _Compiled] = {}
        self._compiling = Lock()

    def __call__(self, *tensors: torch.Tensor) -> list[torch.Tensor]:
        arrays = [tensor.detach().float().contiguous().numpy() for tensor in tensors]
        with self._for(tuple(tensor.shape for tensor in tensors)).request() as request:
            outputs = request.infer(arrays, share_inputs=True)
            return [torch.from_numpy(outputs[index]) for index in range(len(outputs))]

    def operations(self) -> Sequence[Any]:
        """What it is made of, as OpenVINO names it."""
        ops: Sequence[Any] = self._model.get_ops()
        return ops

    def compiled(self) -> list[CompiledModel]:
        """What is compiled now, the oldest first."""
        return [compiled.model for compiled in self._compiled.values()]

    def _for(self, shapes: tuple[torch.Size, ...]) -> _Compiled:
        with self._compiling:
            if shapes not in self._compiled:
                if len(self._compiled) == _SHAPES_KEPT:
                    self._compiled.pop(next(iter(self._compiled)))
                fixed = self._model.clone()
                fixed.reshape({fixed.inputs[index]: list(shape) for index, shape in enumerate(shapes)})
                self._compiled[shapes] = _Compiled(self._core.compile_model(fixed, "CPU", self._settings))
            return self._compiled[shapes]


class _Compiled:
    """A compiled model and its requests, as many as threads ever computed on it at once."""

    def __init__(self, model: CompiledModel) -> None:
        self.model = model
        self._free: list[InferRequest] = []

    @contextmanager
    def request(self) -> Iterator[InferRequest]:
        """One that no other thread has."""
        try:
            request = self._free.pop()
        except IndexError:
            request = self.model.create_infer_request()
        yield request
        self._free.append(request)


class NetworkStore:
    """Converted networks in a folder, each under the hash of its weights.

    Args:
        folder: where they are kept.
        dtype: precision of the products, of `PRECISIONS`.

    Raises:
        MissingDependencyError: openvino is not installed.
    """

    def __init__(self, folder: Path, dtype: torch.dtype) -> None:
        self.folder, self.dtype = folder, dtype
        self._runtime = runtime()
        self._core: Core = self._runtime.Core()
        self._digests: dict[int, str] = {}

    def network(self, name: str, module: Part, traced: nn.Module, inputs: tuple[torch.Tensor, ...]) -> Network:
        """What `traced`, made of the weights of `module`, computes of tensors like `inputs` in number and rank."""
        path = self._path(name, module)
        if not path.is_file():
            self._convert(traced, inputs, path)
        return self._read(path)

    def quantized(self, name: str, module: Part, inputs: Callable[[], Sequence[Arrays]]) -> Network:
        """The network of this name, quantised in the ranges that it takes with these inputs."""
        path = self._path(f"{name}_{quantization.NAME}", module)
        if not path.is_file():
            self._save(quantization.quantized(self._core.read_model(self._path(name, module)), inputs()), path)
        return self._read(path)

    def _path(self, name: str, module: Part) -> Path:
        if id(module) not in self._digests:
            self._digests[id(module)] = _digest(module)
        return self.folder / self._digests[id(module)] / f"{name}.xml"

    def _read(self, path: Path) -> Network:
        settings: dict[str, str | int] = {
            "INFERENCE_PRECISION_HINT": PRECISIONS[self.dtype],
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        return Network(self._core, self._core.read_model(path), settings)

    def _convert(self, traced: nn.Module, inputs: tuple[torch.Tensor, ...], path: Path) -> None:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore", TracerWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            model = self._runtime.convert_model(traced, example_input=inputs if len(inputs) > 1 else inputs[0])
        self._save(model, path)

    def _save(self, model: Model, path: Path) -> None:
        """Writes beside the file and renames, so that what is there is whole."""
        path.parent.mkdir(parents=True, exist_ok=True)
        with scratch(path) as folder:
            self._runtime.save_model(model, folder / path.name, compress_to_fp16=False)
            move_into(folder, path.parent)


def runtime() -> ModuleType:
    """The package, kept from calling home when it is imported.

    Raises:
        MissingDependencyError: it is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise MissingDependencyError("openvino", "openvino") from error
    module: ModuleType = openvino
    return module


def _digest(module: Part) -> str:
    """SHA-256 (32 hex digits) of a module's configuration and weights, and of what converts it."""
    made_by = {name: version(name) for name in ("openvino", "torch", "diffusers", "transformers")}
    config = module.config.to_dict() if hasattr(module.config, "to_dict") else dict(module.config)
    digest = hashlib.sha256(json.dumps([made_by, config], sort_keys=True, default=str).encode())
    for name, weight in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(weight.contiguous().numpy())
    return digest.hexdigest()[:32]

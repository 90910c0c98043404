"""OpenVINO in place of torch for denoiser, decoder and vocoder on a CPU.

The parts are traced and converted once, kept on disk under the hash of their weights, and compiled for each shape of
input. They answer like the modules they were made from, so that the sampling knows of no engine.
"""

from __future__ import annotations

import functools
import hashlib
import json
import sys
import warnings
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.jit import TracerWarning  # type: ignore[attr-defined]

from musicldm.errors import InvalidInputError, MissingDependencyError, unknown_choice
from musicldm.files import move_into, scratch
from musicldm.machine.caches import cache_folder
from musicldm.machine.devices import fast_dtype
from musicldm.sampling.speed import quantization
from musicldm.sampling.speed.feature_cache import evaluate_all, evaluate_outermost

PRECISIONS = {torch.float32: "f32", torch.bfloat16: "bf16"}
DTYPES = (*PRECISIONS, torch.int8)
_SHAPES_KEPT = 4
"""Compiled shapes that a part keeps: those of a run are two or three."""


class OpenVinoParts:
    """The parts of a pipeline that make the sound, by OpenVINO.

    Args:
        unet: `UNet2DConditionModel` on the CPU.
        vae: `AutoencoderKL`.
        vocoder: `SpeechT5HifiGan`.
        dtype: precision of the products, float32 or bfloat16; tensors in and out are float32. int8 is for the UNet
            alone, once `quantize` is called; the rest is then in what is fast on this machine.
        folder: where converted parts are kept; `musicldm/openvino` in the user's folder of caches where None.

    Attributes:
        dtype: as given.

    Raises:
        InvalidInputError: another precision, or modules that are not in float32 on the CPU.
        MissingDependencyError: openvino is not installed.
    """

    def __init__(self, unet: Any, vae: Any, vocoder: Any, dtype: torch.dtype, folder: Path | None = None) -> None:
        if dtype not in DTYPES:
            raise unknown_choice("dtype of OpenVINO", dtype, DTYPES)
        if any(module.dtype != torch.float32 or module.device.type != "cpu" for module in (unet, vae, vocoder)):
            raise InvalidInputError("OpenVINO computes on the CPU from weights in float32: load the model so")
        runtime = _runtime()
        self.dtype = dtype
        self._modules = (unet, vae, vocoder)
        self._versions = _versions(self._modules)
        products = fast_dtype("cpu") if dtype == torch.int8 else dtype
        store = _Store(runtime, folder or cache_folder() / "openvino", products)
        bins = vocoder.config.model_in_dim // 2 ** (len(vae.config.block_out_channels) - 1)
        self.unet = OpenVinoUnet(unet, store, bins)
        self.vae = OpenVinoVae(vae, store, bins)
        self.vocoder = OpenVinoVocoder(vocoder, store)

    def quantize(self, rehearse: Callable[[], None]) -> None:
        """Lets the UNet compute with eight bits from now on.

        Args:
            rehearse: makes music with these parts, which shows in what ranges the UNet's numbers lie; called where no
                quantised UNet is kept.

        Raises:
            MissingDependencyError: it has to be made, and nncf is not installed.
        """
        self.unet.quantize(rehearse)

    def check(self) -> None:
        """Nothing if the modules are as they were when they were converted.

        Raises:
            InvalidInputError: their weights have changed since, as by a LoRA, or they are no longer on the CPU.
        """
        if any(module.device.type != "cpu" for module in self._modules):
            raise InvalidInputError("OpenVINO computes on the CPU, and the model is elsewhere: call disable_openvino")
        if _versions(self._modules) != self._versions:
            raise InvalidInputError("the weights have changed since enable_openvino: call it again")


class _Part:
    """A module's configuration and device, and float32 tensors in and out."""

    dtype = torch.float32
    device = torch.device("cpu")

    def __init__(self, module: Any) -> None:
        self.config = module.config


class OpenVinoUnet(_Part):
    """Called like the UNet with `return_dict=False`; and the two evaluations that `DeepFeatures` asks for."""

    def __init__(self, unet: Any, store: _Store, bins: int) -> None:
        super().__init__(unet)
        self.up_blocks = unet.up_blocks
        self._unet, self._store = unet, store
        self._heard: list[tuple[Any, ...]] | None = None
        levels, width = len(unet.up_blocks), unet.config.projection_class_embeddings_input_dim
        # No multiple of what the levels divide by, so that the trace takes the sizes of skips and not their doubles.
        frames = 2**levels + max(1, 2 ** (levels - 1) // 2)
        inputs = (torch.randn(2, unet.config.in_channels, frames, bins), torch.tensor(500.0), torch.randn(2, width))
        self._outermost: Network | None = None
        if levels == 1:
            self._all = store.network("unet", unet, _Plain(unet), inputs)
            return
        self._all = store.network("unet", unet, _All(unet), inputs)
        with torch.no_grad():
            _, features = _All(unet)(*inputs)
        self._outermost = store.network("unet_outermost", unet, _Outermost(unet), (*inputs, features))

    def __call__(self, sample: torch.Tensor, timestep: Any, **options: Any) -> tuple[torch.Tensor]:
        """What the UNet gives for noisy latents (n, channels, frames, bins)."""
        prediction: tuple[torch.Tensor] = self.evaluate_all(sample, timestep, **options)[0]
        return prediction

    def evaluate_all(self, sample: torch.Tensor, timestep: Any, **options: Any) -> Any:
        """The same, and the features that came up to the outermost level."""
        inputs = sample, torch.tensor(float(timestep)), _labels(options)
        prediction, *features = self._all(*inputs)
        if self._heard is not None:
            self._heard.append(tuple(tensor.detach().clone().numpy() for tensor in (*inputs, *features)))
        return (prediction,), features[0] if features else None

    def evaluate_outermost(
        self, features: torch.Tensor, sample: torch.Tensor, timestep: Any, **options: Any
    ) -> tuple[torch.Tensor]:
        """What the UNet gives when these features come up to its outermost level."""
        assert self._outermost is not None
        return (self._outermost(sample, torch.tensor(float(timestep)), _labels(options), features)[0],)

    def quantize(self, rehearse: Callable[[], None]) -> None:
        """See `OpenVinoParts.quantize`."""

        @functools.cache
        def heard() -> list[tuple[Any, ...]]:
            evaluations: list[tuple[Any, ...]] = []
            self._heard = evaluations
            try:
                rehearse()
            finally:
                self._heard = None
            return evaluations

        store, unet = self._store, self._unet
        everything = store.quantized("unet", unet, lambda: [arrays[:3] for arrays in heard()])
        if self._outermost is not None:
            self._outermost = store.quantized("unet_outermost", unet, heard)
        self._all = everything


def _labels(options: Mapping[str, Any]) -> torch.Tensor:
    if options.get("cross_attention_kwargs"):
        raise InvalidInputError("cross_attention_kwargs have no meaning with OpenVINO: leave them out")
    labels: torch.Tensor = options["class_labels"]
    return labels


class OpenVinoVae(_Part):
    """The decoder."""

    def __init__(self, vae: Any, store: _Store, bins: int) -> None:
        super().__init__(vae)
        self._decode = store.network("vae", vae, _Decode(vae), (torch.randn(1, vae.config.latent_channels, 9, bins),))

    @property
    def scaling_factor(self) -> float:
        """By which latents are multiplied for the denoiser."""
        factor: float = self.config.scaling_factor
        return factor

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Unscaled latents (n, channels, T, F) to log-mels (n, frames, bins)."""
        return self._decode(latents)[0].squeeze(1)


class OpenVinoVocoder(_Part):
    """Log-mels (n, frames, bins) to waves (n, samples)."""

    def __init__(self, vocoder: Any, store: _Store) -> None:
        super().__init__(vocoder)
        self._wave = store.network("vocoder", vocoder, vocoder, (torch.randn(1, 9, vocoder.config.model_in_dim),))

    def __call__(self, spectrogram: torch.Tensor) -> torch.Tensor:
        """The waves."""
        return self._wave(spectrogram)[0]


class _Plain(nn.Module):
    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.unet = unet

    def forward(self, sample: torch.Tensor, timestep: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        prediction: torch.Tensor = self.unet(sample, timestep, None, class_labels=labels, return_dict=False)[0]
        return prediction


class _All(_Plain):
    def forward(self, sample: torch.Tensor, timestep: torch.Tensor, labels: torch.Tensor) -> Any:
        options = {"class_labels": labels, "return_dict": False}
        prediction, features = evaluate_all(self.unet, sample, timestep, None, **options)
        return prediction[0], features


class _Outermost(nn.Module):
    def __init__(self, unet: Any) -> None:
        super().__init__()
        self.unet = unet

    def forward(
        self, sample: torch.Tensor, timestep: torch.Tensor, labels: torch.Tensor, features: torch.Tensor
    ) -> torch.Tensor:
        options = {"class_labels": labels, "return_dict": False}
        prediction: torch.Tensor = evaluate_outermost(self.unet, features, sample, timestep, None, **options)[0]
        return prediction


class _Decode(nn.Module):
    def __init__(self, vae: Any) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        mel: torch.Tensor = self.vae.decode(latents, return_dict=False)[0]
        return mel


Network = Callable[..., list[torch.Tensor]]
"""Tensors in, tensors out."""


class _Store:
    """Converted networks in a folder, each under the hash of its weights."""

    def __init__(self, runtime: Any, folder: Path, dtype: torch.dtype) -> None:
        self.runtime, self.folder, self.dtype = runtime, folder, dtype
        self.core = runtime.Core()
        self._digests: dict[int, str] = {}

    def network(self, name: str, module: Any, traced: nn.Module, inputs: tuple[torch.Tensor, ...]) -> Network:
        """What `traced`, made of the weights of `module`, computes of tensors like `inputs` in number and rank."""
        place = self._place(name, module)
        if not place.is_file():
            self._convert(traced, inputs, place)
        return self._read(place)

    def quantized(self, name: str, module: Any, inputs: Callable[[], Sequence[tuple[Any, ...]]]) -> Network:
        """The network of this name, quantised in the ranges that it takes with these inputs."""
        place = self._place(f"{name}_{quantization.NAME}", module)
        if not place.is_file():
            self._save(quantization.quantized(self.core.read_model(self._place(name, module)), inputs()), place)
        return self._read(place)

    def _place(self, name: str, module: Any) -> Path:
        if id(module) not in self._digests:
            self._digests[id(module)] = _digest(module)
        return self.folder / self._digests[id(module)] / f"{name}.xml"

    def _read(self, place: Path) -> Network:
        model = self.core.read_model(place)
        settings = {
            "INFERENCE_PRECISION_HINT": PRECISIONS[self.dtype],
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
        }
        return _Network(self.core, model, settings)

    def _convert(self, traced: nn.Module, inputs: tuple[torch.Tensor, ...], place: Path) -> None:
        with warnings.catch_warnings(), torch.no_grad():
            warnings.simplefilter("ignore", TracerWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            model = self.runtime.convert_model(traced, example_input=inputs if len(inputs) > 1 else inputs[0])
        self._save(model, place)

    def _save(self, model: Any, place: Path) -> None:
        """Writes beside the place and renames, so that what is there is whole."""
        place.parent.mkdir(parents=True, exist_ok=True)
        with scratch(place) as folder:
            self.runtime.save_model(model, folder / place.name, compress_to_fp16=False)
            move_into(folder, place.parent)


class _Network:
    """A model, compiled for each shape that comes: known shapes leave room for faster kernels."""

    def __init__(self, core: Any, model: Any, settings: Mapping[str, Any]) -> None:
        self._core, self._model, self._settings = core, model, settings
        self._compiled: dict[tuple[torch.Size, ...], Any] = {}

    def __call__(self, *tensors: torch.Tensor) -> list[torch.Tensor]:
        arrays = [tensor.detach().float().contiguous().numpy() for tensor in tensors]
        outputs = self._for(tuple(tensor.shape for tensor in tensors)).infer(arrays, share_inputs=True)
        return [torch.from_numpy(outputs[index]) for index in range(len(outputs))]

    def _for(self, shapes: tuple[torch.Size, ...]) -> Any:
        if shapes not in self._compiled:
            if len(self._compiled) == _SHAPES_KEPT:
                self._compiled.pop(next(iter(self._compiled)))
            fixed = self._model.clone()
            fixed.reshape({fixed.inputs[index]: list(shape) for index, shape in enumerate(shapes)})
            compiled = self._core.compile_model(fixed, "CPU", self._settings)
            self._compiled[shapes] = compiled.create_infer_request()
        return self._compiled[shapes]


def _runtime() -> Any:
    """The package, kept from calling home when it is imported.

    Raises:
        MissingDependencyError: it is not installed.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    try:
        import openvino
    except ImportError as error:
        raise MissingDependencyError("openvino", "openvino") from error
    return openvino


def _versions(modules: tuple[Any, ...]) -> list[tuple[int, int]]:
    """What changes when weights are exchanged or changed in place."""
    return [(id(p), p._version) for module in modules for p in module.parameters() if not p.is_inference()]


def _digest(module: Any) -> str:
    """SHA-256 (32 hex digits) of a module's configuration and weights, and of what converts it."""
    made_by = {name: version(name) for name in ("openvino", "torch", "diffusers", "transformers")}
    config = module.config.to_dict() if hasattr(module.config, "to_dict") else dict(module.config)
    digest = hashlib.sha256(json.dumps([made_by, config], sort_keys=True, default=str).encode())
    for name, weight in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(weight.contiguous().numpy())
    return digest.hexdigest()[:32]

"""OpenVINO in place of torch for denoiser, decoder and vocoder on a CPU.

The parts are traced and converted once, kept on disk under the hash of their weights, and compiled for each shape of
input. They answer like the modules they were made from, so that the sampling knows of no engine.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from musicldm.errors import InvalidInputError, unknown_choice
from musicldm.machine.caches import cache_folder
from musicldm.machine.devices import fast_dtype
from musicldm.model.decoding import VaeAndVocoder
from musicldm.model.geometry import vae_scale
from musicldm.model.vocoder import HifiGan
from musicldm.sampling.denoiser import AttentionOptions
from musicldm.sampling.speed.openvino_networks import PRECISIONS, Arrays, Network, NetworkStore
from musicldm.sampling.torch_unet import TorchUnet

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import SpeechT5HifiGan

    from musicldm.sampling.speed.openvino_networks import Part

DTYPES = (*PRECISIONS, torch.int8)


class OpenVinoParts:
    """The parts of a pipeline that make the sound, by OpenVINO.

    Args:
        unet: on the CPU, as the other two.
        vae: its decoder is what is converted.
        vocoder: of the same mel bins.
        dtype: precision of the products, float32 or bfloat16; tensors in and out are float32. int8 is for the UNet
            alone, once `quantize` is called; the rest is then in what is fast on this machine.
        folder: where converted parts are kept; `musicldm/openvino` in the user's folder of caches where None.

    Attributes:
        dtype: as given.
        denoiser: the UNet.
        decoder: VAE and vocoder.

    Raises:
        InvalidInputError: another precision, or modules that are not in float32 on the CPU.
        MissingDependencyError: openvino is not installed.
    """

    def __init__(
        self,
        unet: UNet2DConditionModel,
        vae: AutoencoderKL,
        vocoder: SpeechT5HifiGan,
        dtype: torch.dtype,
        folder: Path | None = None,
    ) -> None:
        if dtype not in DTYPES:
            raise unknown_choice("dtype of OpenVINO", dtype, DTYPES)
        self._modules: tuple[Part, ...] = (unet, vae, vocoder)
        if any(module.dtype != torch.float32 or module.device.type != "cpu" for module in self._modules):
            raise InvalidInputError("OpenVINO computes on the CPU from weights in float32: load the model so")
        self.dtype = dtype
        self._versions = _versions(self._modules)
        products = fast_dtype("cpu") if dtype == torch.int8 else dtype
        store = NetworkStore(folder or cache_folder() / "openvino", products)
        scale = vae_scale(vae)
        bins = vocoder.config.model_in_dim // scale
        self.denoiser = OpenVinoUnet(unet, store, bins)
        self.decoder = VaeAndVocoder(
            OpenVinoVaeDecoder(vae, store, bins), HifiGan(OpenVinoHifiGan(vocoder, store)), scale
        )

    def quantize(self, rehearse: Callable[[], None]) -> None:
        """Lets the UNet compute with eight bits from now on.

        Args:
            rehearse: makes music with these parts, which shows in what ranges the UNet's numbers lie; called where no
                quantised UNet is kept.

        Raises:
            MissingDependencyError: it has to be made, and nncf is not installed.
        """
        self.denoiser.quantize(rehearse)

    def check(self) -> None:
        """Nothing if the modules are as they were when they were converted.

        Raises:
            InvalidInputError: their weights have changed since, as by a LoRA, or they are no longer on the CPU.
        """
        if any(module.device.type != "cpu" for module in self._modules):
            raise InvalidInputError("OpenVINO computes on the CPU, and the model is elsewhere: call disable_openvino")
        if _versions(self._modules) != self._versions:
            raise InvalidInputError("the weights have changed since enable_openvino: call it again")


class OpenVinoUnet:
    """A `LeveledDenoiser`. Threads may share it."""

    dtype = torch.float32

    def __init__(self, unet: UNet2DConditionModel, store: NetworkStore, bins: int) -> None:
        self._unet, self._store = unet, store
        self._recorded: list[Arrays] | None = None
        self.levels, width = len(unet.up_blocks), unet.config.projection_class_embeddings_input_dim
        # No multiple of what the levels divide by, so that the trace takes the sizes of skips and not their doubles.
        frames = 2**self.levels + max(1, 2 ** (self.levels - 1) // 2)
        inputs = (torch.randn(2, unet.config.in_channels, frames, bins), torch.tensor(500.0), torch.randn(2, width))
        self._outermost: Network | None = None
        if self.levels == 1:
            self._all = store.network("unet", unet, _Plain(unet), inputs)
            return
        self._all = store.network("unet", unet, _All(unet), inputs)
        with torch.no_grad():
            _, features = _All(unet)(*inputs)
        self._outermost = store.network("unet_outermost", unet, _Outermost(unet), (*inputs, features))

    @property
    def networks(self) -> list[Network]:
        """The whole UNet, and its outermost level where it has more than one."""
        return [self._all] if self._outermost is None else [self._all, self._outermost]

    def __call__(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        *,
        class_labels: torch.Tensor,
        cross_attention_kwargs: AttentionOptions | None = None,
    ) -> torch.Tensor:
        """See `Denoiser`."""
        return self._evaluate_all(sample, timestep, class_labels, cross_attention_kwargs)[0]

    def evaluate_all(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        *,
        class_labels: torch.Tensor,
        cross_attention_kwargs: AttentionOptions | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See `LeveledDenoiser`."""
        prediction, features = self._evaluate_all(sample, timestep, class_labels, cross_attention_kwargs)
        return prediction, features

    def evaluate_outermost(
        self,
        features: torch.Tensor,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        *,
        class_labels: torch.Tensor,
        cross_attention_kwargs: AttentionOptions | None = None,
    ) -> torch.Tensor:
        """See `LeveledDenoiser`."""
        assert self._outermost is not None
        _refuse(cross_attention_kwargs)
        return self._outermost(sample, torch.tensor(float(timestep)), class_labels, features)[0]

    def quantize(self, rehearse: Callable[[], None]) -> None:
        """See `OpenVinoParts.quantize`."""

        @functools.cache
        def recorded() -> list[Arrays]:
            evaluations: list[Arrays] = []
            self._recorded = evaluations
            try:
                rehearse()
            finally:
                self._recorded = None
            return evaluations

        store, unet = self._store, self._unet
        everything = store.quantized("unet", unet, lambda: [arrays[:3] for arrays in recorded()])
        if self._outermost is not None:
            self._outermost = store.quantized("unet_outermost", unet, recorded)
        self._all = everything

    def _evaluate_all(
        self, sample: torch.Tensor, timestep: torch.Tensor, labels: torch.Tensor, options: AttentionOptions | None
    ) -> list[torch.Tensor]:
        """Prediction and, of more than one level, features."""
        _refuse(options)
        inputs = sample, torch.tensor(float(timestep)), labels
        outputs = self._all(*inputs)
        if self._recorded is not None:
            self._recorded.append(tuple(tensor.detach().clone().numpy() for tensor in (*inputs, *outputs[1:])))
        return outputs


def _refuse(options: AttentionOptions | None) -> None:
    if options:
        raise InvalidInputError("cross_attention_kwargs have no meaning with OpenVINO: leave them out")


class OpenVinoVaeDecoder:
    """A `MelDecoder`. Threads may share it."""

    dtype = torch.float32

    def __init__(self, vae: AutoencoderKL, store: NetworkStore, bins: int) -> None:
        self.scaling_factor: float = vae.config.scaling_factor
        self._decode = store.network("vae", vae, _Decode(vae), (torch.randn(1, vae.config.latent_channels, 9, bins),))

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Unscaled latents (n, C, T, F) to log-mels (n, frames, bins)."""
        return self._decode(latents)[0].squeeze(1)


class OpenVinoHifiGan:
    """A `HifiGanNetwork`: log-mels (n, frames, bins) to waves (n, samples). Threads may share it."""

    dtype = torch.float32

    def __init__(self, vocoder: SpeechT5HifiGan, store: NetworkStore) -> None:
        self.config = vocoder.config
        self._wave = store.network("vocoder", vocoder, vocoder, (torch.randn(1, 9, vocoder.config.model_in_dim),))

    def __call__(self, spectrogram: torch.Tensor) -> torch.Tensor:
        """The waves."""
        return self._wave(spectrogram)[0]


class _OfUnet(nn.Module):
    def __init__(self, unet: UNet2DConditionModel) -> None:
        super().__init__()
        self.unet = unet


class _Plain(_OfUnet):
    def forward(self, sample: torch.Tensor, timestep: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return TorchUnet(self.unet)(sample, timestep, class_labels=labels)


class _All(_OfUnet):
    def forward(
        self, sample: torch.Tensor, timestep: torch.Tensor, labels: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        return TorchUnet(self.unet).evaluate_all(sample, timestep, class_labels=labels)


class _Outermost(_OfUnet):
    def forward(
        self, sample: torch.Tensor, timestep: torch.Tensor, labels: torch.Tensor, features: torch.Tensor
    ) -> torch.Tensor:
        return TorchUnet(self.unet).evaluate_outermost(features, sample, timestep, class_labels=labels)


class _Decode(nn.Module):
    def __init__(self, vae: AutoencoderKL) -> None:
        super().__init__()
        self.vae = vae

    def forward(self, latents: torch.Tensor) -> torch.Tensor:
        mel: torch.Tensor = self.vae.decode(latents, return_dict=False)[0]
        return mel


def _versions(modules: tuple[Part, ...]) -> list[tuple[int, int]]:
    """What changes when weights are exchanged or changed in place."""
    return [(id(p), p._version) for module in modules for p in module.parameters() if not p.is_inference()]

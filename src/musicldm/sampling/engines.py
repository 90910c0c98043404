"""Which engine makes a pipeline's sound, torch or OpenVINO, and how much of a batch it computes at once."""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from musicldm.machine.devices import fast_dtype
from musicldm.machine.views import second_view
from musicldm.model.decoding import VaeAndVocoder, WaveDecoder
from musicldm.model.geometry import AudioGeometry
from musicldm.model.pretrained import PretrainedPipeline
from musicldm.model.vae import Vae
from musicldm.model.vocoder import vocoder_of
from musicldm.sampling.denoiser import Denoiser, LeveledDenoiser
from musicldm.sampling.speed.batching import ROWS, InPieces, RememberedRows
from musicldm.sampling.speed.feature_cache import DeepFeatures
from musicldm.sampling.torch_unet import TorchUnet

if TYPE_CHECKING:
    from diffusers import AutoencoderKL, UNet2DConditionModel
    from transformers import SpeechT5HifiGan

    from musicldm.sampling.speed.openvino import OpenVinoParts


class EnginePipeline(PretrainedPipeline):
    """A pipeline whose parts that make sound are computed by torch or by OpenVINO.

    Attributes:
        unet_batch_size: rows that the UNet evaluates at once (two for each wave under guidance), which bounds memory;
            see `tune_unet_batch_size`.
    """

    unet: UNet2DConditionModel
    vae: AutoencoderKL
    vocoder: SpeechT5HifiGan

    def __init__(self) -> None:
        super().__init__()
        self.unet_batch_size = ROWS
        self._vae_slicing = self._vae_tiling = False
        self._openvino: OpenVinoParts | None = None

    @property
    def geometry(self) -> AudioGeometry:
        """Sample rate, hop and latent shape of the parts as they are now."""
        return AudioGeometry.of(self.unet, self.vae, vocoder_of(self.vocoder))

    @property
    def sample_rate(self) -> int:
        """Samples a second of what the pipeline gives."""
        return self.geometry.sample_rate

    @property
    def vae_scale_factor(self) -> int:
        """Mel frames (and bins) a latent frame (and bin)."""
        return self.geometry.vae_scale

    def tune_unet_batch_size(self, audio_length_in_s: float | None = None) -> int:
        """Finds the `unet_batch_size` that is fastest on this machine, sets it and gives it.

        The UNet runs a few times in growing batches; what was found is remembered in the user's cache.

        Args:
            audio_length_in_s: length in seconds; the checkpoint's own where None.
        """
        geometry = self.geometry
        seconds = audio_length_in_s or self.generation_defaults.audio_length_in_s or geometry.trained_seconds
        _, channels, frames, bins = geometry.latent_shape(1, seconds)
        self.unet_batch_size = RememberedRows().find(self._denoiser(), self.unet, (channels, frames, bins))
        return self.unet_batch_size

    def enable_openvino(
        self, dtype: torch.dtype | None = None, cache_dir: str | os.PathLike[str] | None = None
    ) -> None:
        """Lets OpenVINO compute what makes the sound: UNet, VAE and vocoder. CLAP stays with torch.

        The parts are converted at the first time, which takes seconds to a minute, and kept on disk by the hash of
        their weights.

        Args:
            dtype: precision of the products, float32 or bfloat16; what is fast on this machine where None. int8: the
                UNet's weights and activations of eight bits, fitted once to music that it makes for that.
            cache_dir: where converted parts are kept; `musicldm/openvino` in the user's folder of caches where None.

        Raises:
            InvalidInputError: another precision, or a pipeline that is not in float32 on the CPU.
            MissingDependencyError: openvino is not installed, or nncf for int8.
        """
        from musicldm.sampling.speed.openvino import OpenVinoParts

        precision = dtype or fast_dtype("cpu")
        folder = None if cache_dir is None else Path(cache_dir)
        made = OpenVinoParts(self.unet, self.vae, self.vocoder, precision, folder)
        if precision == torch.int8:
            made.quantize(partial(self._rehearse, made))
        self._openvino = made

    def _rehearse(self, parts: OpenVinoParts) -> None:
        """Makes latents of many kinds of music at all levels of noise, with these parts and nobody else's calls."""
        from musicldm.sampling.speed.quantization import REHEARSAL

        pipeline: Any = type(self)(**self.components)
        pipeline.set_progress_bar_config(**getattr(self, "_progress_bar_config", {}))
        pipeline._openvino = parts
        for steps, prompts in REHEARSAL:
            pipeline(
                list(prompts),
                audio_length_in_s=self.geometry.trained_seconds / 2,
                num_inference_steps=steps,
                cache_interval=1,
                scheduler="dpmsolver++",
                generator=[torch.Generator().manual_seed(seed) for seed in range(len(prompts))],
                output_type="latent",
            )

    def disable_openvino(self) -> None:
        """Lets torch compute everything again."""
        self._openvino = None

    @property
    def compute_dtype(self) -> torch.dtype:
        """Precision in which the sound is computed, by torch or OpenVINO."""
        dtype: torch.dtype = self.unet.dtype if self._openvino is None else self._openvino.dtype
        return dtype

    def enable_vae_slicing(self) -> None:
        """Decodes the latents of a batch one at a time, in calls of this pipeline."""
        self._vae_slicing = True

    def disable_vae_slicing(self) -> None:
        """Decodes the latents of a batch together again."""
        self._vae_slicing = False

    def enable_vae_tiling(self) -> None:
        """Decodes long latents in overlapping tiles: less memory, a result a little different."""
        self._vae_tiling = True

    def disable_vae_tiling(self) -> None:
        """Decodes latents whole again."""
        self._vae_tiling = False

    def _denoiser(self) -> LeveledDenoiser:
        """The UNet, in whichever engine."""
        if self._openvino is None:
            return TorchUnet(self.unet)
        self._openvino.check()
        return self._openvino.denoiser

    def _denoiser_for(self, rows: int, cache_interval: int) -> Denoiser:
        """The UNet for one call, in pieces where it has many rows, and with reused features where that is wanted."""
        denoiser = self._denoiser()
        bounded = denoiser if rows <= self.unet_batch_size else InPieces(denoiser, self.unet_batch_size)
        return bounded if cache_interval == 1 else DeepFeatures(bounded, cache_interval)

    def _decoder(self) -> WaveDecoder:
        """VAE decoder and vocoder, in whichever engine."""
        if self._openvino is not None:
            return self._openvino.decoder
        vae = self.vae
        if self._vae_slicing or self._vae_tiling:
            vae = second_view(vae)
            vae.use_slicing |= self._vae_slicing
            vae.use_tiling |= self._vae_tiling
        return VaeAndVocoder(Vae(vae), vocoder_of(self.vocoder), self.vae_scale_factor)

"""Text to music: the numbered steps from a prompt to ranked waves, on the parts of a MusicLDM checkpoint."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from diffusers import AutoencoderKL, DiffusionPipeline, UNet2DConditionModel
from diffusers.loaders import StableDiffusionLoraLoaderMixin
from diffusers.pipelines.pipeline_utils import StableDiffusionMixin
from diffusers.schedulers import KarrasDiffusionSchedulers
from diffusers.utils import BaseOutput, is_peft_available
from transformers import (
    ClapFeatureExtractor,
    ClapModel,
    ClapTextModelWithProjection,
    PreTrainedTokenizerBase,
    SpeechT5HifiGan,
)

from musicldm import files
from musicldm.errors import InvalidInputError, MissingDependencyError
from musicldm.events import warn_of_notes
from musicldm.machine.devices import choose_device, dtypes_of_parts, fast_dtype
from musicldm.machine.memory import give_back, layer_by_layer, narrow, stored_in_float32
from musicldm.model import folder as resolve
from musicldm.model import integrity, loading, lora, parts
from musicldm.model.clap import Clap, EmptyPromptCache
from musicldm.model.decoding import VaeAndVocoder
from musicldm.model.geometry import AudioGeometry
from musicldm.model.settings import FILE_NAME, GenerationDefaults
from musicldm.model.vae import Vae
from musicldm.model.vocoder import HifiGan
from musicldm.sampling import inputs
from musicldm.sampling import ranking as scoring
from musicldm.sampling.callbacks import StepCallbacks
from musicldm.sampling.denoising import denoise, ends_step, step_options
from musicldm.sampling.guidance import Conditions, predict, scale_at
from musicldm.sampling.noise import first_latents, settle_randomness
from musicldm.sampling.request import Request, check_request
from musicldm.sampling.schedulers import make_scheduler, set_timesteps, short_name
from musicldm.sampling.speed.batching import ROWS, InPieces, RememberedRows
from musicldm.sampling.speed.feature_cache import DeepFeatures

_LOADED_OTHERWISE = ("device_map", "quantization_config", "variant")
"""Options of `from_pretrained` under which parts are not simply read from a file of their folder."""


@dataclass
class MusicLDMOutput(BaseOutput):
    """What a call gives: one entry an audio, grouped by prompt, best first within each.

    Args:
        audios: waves (n, samples), float32, full scale ±1, as NumPy array or as tensor on the CPU; with
            `output_type="latent"` the latents (n, channels, frames, bins), in the order they were made.
        scores: cosine of the CLAP embeddings of audio and condition; None where the checkpoint cannot score.
        seeds: initial seed of the generator that each audio came from.
    """

    audios: np.ndarray[Any, Any] | torch.Tensor
    scores: list[float] | None = None
    seeds: list[int] | None = None


class MusicLDMPipeline(DiffusionPipeline, StableDiffusionMixin, StableDiffusionLoraLoaderMixin):
    """Generates music from text with a MusicLDM (arXiv 2308.01546).

    Args:
        vae: mel spectrograms to latents and back.
        text_encoder: CLAP; with its audio tower it also ranks the results.
        tokenizer: of the text tower.
        feature_extractor: of the audio tower; None where results are not to be scored.
        unet: the denoiser, with the text embedding as class label.
        scheduler: any of diffusers' Karras schedulers.
        vocoder: log-mel spectrograms to waves.
        generation_defaults: what a call uses where the caller says nothing; upstream's values where None.

    Attributes:
        unet_batch_size: rows that the UNet evaluates at once (two for each wave under guidance), which bounds memory;
            see `tune_unet_batch_size`.
    """

    scheduler: Any
    model_cpu_offload_seq = "text_encoder->unet->vae->vocoder"
    _lora_loadable_modules = ["unet"]  # noqa: RUF012 (diffusers reads it as a class attribute)
    _optional_components = ["feature_extractor"]  # noqa: RUF012 (diffusers reads it as a class attribute)
    _callback_tensor_inputs = ["latents", "prompt_embeds", "negative_prompt_embeds"]  # noqa: RUF012

    def __init__(
        self,
        vae: AutoencoderKL,
        text_encoder: ClapModel | ClapTextModelWithProjection,
        tokenizer: PreTrainedTokenizerBase,
        feature_extractor: ClapFeatureExtractor | None,
        unet: UNet2DConditionModel,
        scheduler: KarrasDiffusionSchedulers,
        vocoder: SpeechT5HifiGan,
        generation_defaults: GenerationDefaults | None = None,
    ) -> None:
        super().__init__()
        self.register_modules(
            vae=vae,
            text_encoder=text_encoder,
            tokenizer=tokenizer,
            feature_extractor=feature_extractor,
            unet=unet,
            scheduler=scheduler,
            vocoder=vocoder,
        )
        self.generation_defaults = generation_defaults or GenerationDefaults()
        self.unet_batch_size = ROWS
        self._empty_prompt = EmptyPromptCache()
        self._guidance_scale = self.generation_defaults.guidance_scale
        self._lora_scales: dict[str, float] = {}
        self._interrupt = False
        self._num_timesteps = 0
        self._openvino: Any = None

    # Loading and saving

    @classmethod
    def from_pretrained(
        cls,
        pretrained_model_name_or_path: str | os.PathLike[str] = resolve.DEFAULT,
        *,
        verify: bool = True,
        **kwargs: Any,
    ) -> Self:
        """Loads a MusicLDM in float32, or in the `dtype` that is given.

        Args:
            pretrained_model_name_or_path: "default" for the model that ships with musicldm, a folder, or a hub id.
            verify: whether the files are compared with the folder's SHA256SUMS, where it has them.
            kwargs: those of `DiffusionPipeline.from_pretrained`; `scheduler` may also be a short name, and `dtype`
                "auto": bfloat16 but for CLAP where this machine's best device has it in hardware, else float32.

        Raises:
            CheckpointError: no such model, no MusicLDM, a file that is missing or corrupt, or weights that lack a
                tensor, have one too many, or one of another shape.
            InvalidInputError: an unknown scheduler.
        """
        name = kwargs.pop("scheduler") if isinstance(kwargs.get("scheduler"), str) else None
        if kwargs.get("dtype") is None and kwargs.get("torch_dtype") is None:
            kwargs["dtype"] = torch.float32
        if "auto" in (kwargs.get("dtype"), kwargs.get("torch_dtype")):
            kwargs.pop("torch_dtype", None)
            kwargs["dtype"] = dtypes_of_parts(fast_dtype(choose_device("auto")))
        passed = frozenset(key for key, value in kwargs.items() if key in resolve.COMPONENTS and value is not None)
        folder = resolve.resolve(
            pretrained_model_name_or_path, download=partial(cls._fetch, **kwargs), verify=verify, passed=passed
        )
        defaults = kwargs.pop("generation_defaults", None) or GenerationDefaults.load(folder)
        narrowed = {} if passed else _take_narrowed(kwargs, folder)
        loaded = parts.load_parts(folder, kwargs, passed)
        with loading.checkpoint_errors(f"{folder}: the model cannot be loaded"):
            pipeline: Self = super().from_pretrained(str(folder), generation_defaults=defaults, **{**kwargs, **loaded})
        for part, dtype in narrowed.items():
            narrow(getattr(pipeline, part), dtype)
        # Faster on a CPU: the decoder always, the UNet in bfloat16 only.
        pipeline.vae.to(memory_format=torch.channels_last)
        if pipeline.unet.dtype == torch.bfloat16:
            pipeline.unet.to(memory_format=torch.channels_last)
        give_back(pipeline.unet)
        if name is not None:
            pipeline.set_scheduler(name)
        elif defaults.scheduler is not None and "scheduler" not in passed:
            with loading.checkpoint_errors(f"{folder}: the scheduler of {FILE_NAME}"):
                pipeline.set_scheduler(defaults.scheduler)
        return pipeline

    @classmethod
    def from_pipe(cls, pipeline: DiffusionPipeline, **kwargs: Any) -> Self:
        """A pipeline on the parts and with the settings of another one; see `DiffusionPipeline.from_pipe`."""
        kwargs.setdefault("generation_defaults", getattr(pipeline, "generation_defaults", None))
        made: Self = super().from_pipe(pipeline, **kwargs)
        return made

    @classmethod
    def _fetch(cls, hub_id: str, **kwargs: Any) -> Path:
        """Downloads a model from the hub, or finds it in the cache, and gives its folder."""
        with loading.checkpoint_errors(f"{hub_id}: the model cannot be fetched from the hub"):
            folder = Path(cls.download(hub_id, **kwargs))
            loading.fetch_extras(hub_id, kwargs)
        return folder

    def save_pretrained(self, save_directory: str | os.PathLike[str], **kwargs: Any) -> None:
        """Saves all parts, the generation settings and SHA256SUMS, so that they travel with the model.

        Every file is whole or not there. A model that is in the folder already is replaced, and what else is beside
        it stays.

        Args:
            save_directory: a folder that is new, empty (but for hidden files, a README and a licence), or holds a
                MusicLDM.
            kwargs: those of `DiffusionPipeline.save_pretrained`.

        Raises:
            DataError: `save_directory` holds other things than a model.
            InvalidInputError: `save_directory` is a file.
        """
        folder = Path(save_directory)
        resolve.check_place(folder)
        folder.mkdir(parents=True, exist_ok=True)
        if kwargs.get("push_to_hub"):
            kwargs.setdefault("repo_id", folder.resolve().name)
        listed_all = (folder / integrity.FILE_NAME).exists()
        with files.scratch(folder / "model") as made:
            replace(self.generation_defaults, scheduler=short_name(self.scheduler)).save(made)
            super().save_pretrained(str(made), **kwargs)
            saved = files.move_into(made, folder)
        parts.remove_replaced_weights(folder, saved)
        integrity.write_sums(folder, None if listed_all else {name.partition("/")[0] for name in saved})

    def load_lora(self, path: str | os.PathLike[str], scale: float = 1.0, adapter_name: str | None = None) -> None:
        """Adds a LoRA to the UNet.

        diffusers' own `load_lora_weights`, `set_adapters`, `fuse_lora` and `unload_lora_weights` work too; this one
        checks before it changes anything.

        Args:
            path: a .safetensors file in diffusers' format, or a folder with pytorch_lora_weights.safetensors.
            scale: how much of it; 0 is none, 1 all, more exaggerates.
            adapter_name: to speak of it in `set_adapters`; diffusers makes one where None.

        Raises:
            CheckpointError: no such file, no LoRA, or one for another model.
            InvalidInputError: a scale that is not finite.
            MissingDependencyError: peft is not installed.
        """
        if not math.isfinite(scale):
            raise InvalidInputError(f"LoRA scale {scale}: it must be a finite number")
        if not is_peft_available():
            raise MissingDependencyError("peft", "lora")
        state = lora.read_lora(Path(path), self.unet)
        loaded = getattr(self.unet, "peft_config", {})
        name = adapter_name or f"lora_{len(loaded)}"
        if name in loaded:
            raise InvalidInputError(f"adapter_name {name!r} is there already: choose another, or unload it first")
        active = self.unet.active_adapters() if loaded else []
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Already found a `peft_config`")
            self.unet.load_lora_adapter(state, prefix="unet", adapter_name=name)
        self._lora_scales = {one: self._lora_scales.get(one, 1.0) for one in active} | {name: scale}
        self.unet.set_adapters(list(self._lora_scales), list(self._lora_scales.values()))

    def fuse_lora(self, components: Sequence[str] = ("unet",), **kwargs: Any) -> None:
        """Adds the active LoRAs to the weights they change, for speed; `kwargs` as in diffusers."""
        super().fuse_lora(list(components), **kwargs)

    def unfuse_lora(self, components: Sequence[str] = ("unet",), **kwargs: Any) -> None:
        """Takes them out again."""
        super().unfuse_lora(list(components), **kwargs)

    @property
    def components(self) -> dict[str, Any]:
        """All that a second pipeline on the same parts needs: `MusicLDMPipeline(**pipe.components)`."""
        return {**super().components, "generation_defaults": self.generation_defaults}

    # Settings

    @property
    def geometry(self) -> AudioGeometry:
        """Sample rate, hop and latent shape of the parts as they are now."""
        return AudioGeometry.of(self.unet, self.vae, self.vocoder)

    @property
    def sample_rate(self) -> int:
        """Samples a second of what the pipeline gives."""
        return self.geometry.sample_rate

    @property
    def vae_scale_factor(self) -> int:
        """Mel frames (and bins) a latent frame (and bin)."""
        return self.geometry.vae_scale

    @property
    def guidance_scale(self) -> float:
        """Weight of guidance in the running call; a callback may set `_guidance_scale`."""
        return self._guidance_scale

    @property
    def num_timesteps(self) -> int:
        """Evaluations of the denoiser in the running call."""
        return self._num_timesteps

    @property
    def interrupt(self) -> bool:
        """Set `_interrupt` in a callback to stop after the running step; what there is by then is decoded."""
        return self._interrupt

    def set_scheduler(self, scheduler: Any) -> None:
        """Changes the scheduler, keeping the checkpoint's noise schedule and prediction type.

        Args:
            scheduler: a short name (see `musicldm.sampling.schedulers.SCHEDULERS`), a class, or a scheduler as it is.

        Raises:
            InvalidInputError: an unknown name.
        """
        self.scheduler = make_scheduler(scheduler, self.scheduler.config)

    def tune_unet_batch_size(self, audio_length_in_s: float | None = None) -> int:
        """Finds the `unet_batch_size` that is fastest on this machine, sets it and gives it.

        The UNet runs a few times in growing batches; what was found is remembered in the user's cache.

        Args:
            audio_length_in_s: length in seconds; the checkpoint's own where None.
        """
        geometry = self.geometry
        seconds = audio_length_in_s or self.generation_defaults.audio_length_in_s or geometry.trained_seconds
        _, channels, frames, bins = geometry.latent_shape(1, seconds)
        self.unet_batch_size = RememberedRows().find(self._sound_parts.unet, (channels, frames, bins))
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
        before = self._openvino
        self._openvino = OpenVinoParts(self.unet, self.vae, self.vocoder, precision, folder)
        if precision == torch.int8:
            try:
                self._openvino.quantize(self._rehearse)
            except BaseException:
                self._openvino = before
                raise

    def _rehearse(self) -> None:
        """Makes latents of many kinds of music at all levels of noise."""
        from musicldm.sampling.speed.quantization import REHEARSAL

        for steps, prompts in REHEARSAL:
            self(
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
        dtype: torch.dtype = (self._openvino or self.unet).dtype
        return dtype

    @property
    def _sound_parts(self) -> Any:
        """What has `unet`, `vae` and `vocoder`, in whichever engine."""
        if self._openvino is None:
            return self
        self._openvino.check()
        return self._openvino

    def enable_vae_slicing(self) -> None:
        """Decodes the latents of a batch one at a time."""
        self.vae.enable_slicing()

    def disable_vae_slicing(self) -> None:
        """Decodes the latents of a batch together again."""
        self.vae.disable_slicing()

    def enable_vae_tiling(self) -> None:
        """Decodes long latents in overlapping tiles: less memory, a slightly different result."""
        self.vae.enable_tiling()

    def disable_vae_tiling(self) -> None:
        """Decodes latents whole again."""
        self.vae.disable_tiling()

    # Generation

    @torch.no_grad()
    def __call__(
        self,
        prompt: str | Sequence[str] | None = None,
        audio_length_in_s: float | None = None,
        num_inference_steps: int | None = None,
        guidance_scale: float | None = None,
        negative_prompt: str | Sequence[str] | None = None,
        num_waveforms_per_prompt: int | None = 1,
        eta: float = 0.0,
        generator: torch.Generator | Sequence[torch.Generator] | None = None,
        latents: torch.Tensor | None = None,
        prompt_embeds: torch.Tensor | None = None,
        negative_prompt_embeds: torch.Tensor | None = None,
        return_dict: bool = True,
        callback: Callable[[int, Any, torch.Tensor], None] | None = None,
        callback_steps: int | None = 1,
        cross_attention_kwargs: dict[str, Any] | None = None,
        output_type: str = "np",
        *,
        preset: str = "default",
        guidance_interval: tuple[float, float] | None = None,
        cache_interval: int | None = None,
        scheduler: Any = None,
        callback_on_step_end: Callable[..., dict[str, Any]] | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
    ) -> MusicLDMOutput | tuple[Any]:
        """Generates music.

        Args:
            prompt: a text or a list of texts; "" is unconditional. None where `prompt_embeds` are given.
            audio_length_in_s: length in seconds; the checkpoint's own where None.
            num_inference_steps: denoising steps; the checkpoint's own where None.
            guidance_scale: how strongly the text is followed; off at 1 or less, the checkpoint's own where None.
            negative_prompt: what it should not sound like: one text for all prompts, or one for each.
            num_waveforms_per_prompt: waves for each prompt, best first.
            eta: η of DDIM (arXiv 2010.02502, eq. 16) from 0 to 1; other schedulers do not use it.
            generator: one for the batch, or one an audio; without, fresh seeds are drawn and reported.
            latents: noise to begin with, (prompts x waveforms, channels, frames, bins).
            prompt_embeds: embeddings (prompts, width) in place of `prompt`.
            negative_prompt_embeds: embeddings (prompts, width) in place of `negative_prompt`.
            return_dict: whether the result is a `MusicLDMOutput`, or else a tuple of its audios.
            callback: called with step, timestep and latents.
            callback_steps: how many steps apart `callback` is called.
            cross_attention_kwargs: passed to the attention of the UNet.
            output_type: "np", "pt", or "latent" for the latents alone.
            preset: which of the checkpoint's settings stand where the others say nothing: "default", or one that it has
                beside it, such as "draft" and "best" (`generation_defaults.presets`).
            guidance_interval: levels of noise, of 0 (clean) to 1 (noise; shares of the training timesteps), from which
                to which guidance is on (arXiv 2404.07724); outside it the UNet runs once a step and not twice. The
                checkpoint's own where None, and always where that says nothing.
            cache_interval: steps from one whole evaluation of the UNet to the next; between them its inner levels are
                reused (DeepCache, arXiv 2312.00858). 1 reuses nothing; the checkpoint's own where None.
            scheduler: for this call only; what `set_scheduler` takes.
            callback_on_step_end: called with pipeline, step, timestep and a dictionary of tensors; gives those it
                changed. It may set `pipeline._interrupt`.
            callback_on_step_end_tensor_inputs: which tensors, of "latents", "prompt_embeds", "negative_prompt_embeds".

        Raises:
            InvalidInputError: an argument that has no meaning here.
        """
        # 1. Check the arguments and fill in the checkpoint's settings
        geometry = self.geometry
        defaults = self.generation_defaults.preset(preset)
        request = check_request(
            prompt=prompt,
            negative_prompt=negative_prompt,
            prompt_embeds=prompt_embeds,
            negative_prompt_embeds=negative_prompt_embeds,
            num_waveforms_per_prompt=num_waveforms_per_prompt,
            audio_length_in_s=audio_length_in_s,
            num_inference_steps=num_inference_steps,
            guidance_scale=guidance_scale,
            guidance_interval=guidance_interval,
            cache_interval=cache_interval,
            eta=eta,
            output_type=output_type,
            callback_steps=callback_steps,
            width=self.unet.config.projection_class_embeddings_input_dim,
            defaults=defaults,
            geometry=geometry,
        )
        wanted = getattr(callback_on_step_end, "tensor_inputs", callback_on_step_end_tensor_inputs)
        callbacks = StepCallbacks(
            on_step_end=callback_on_step_end,
            tensor_inputs=inputs.tensor_names(wanted, self._callback_tensor_inputs),
            callback=callback,
            callback_steps=request.callback_steps,
        )
        if scheduler is None and preset != "default":
            scheduler = defaults.scheduler
        active = self.scheduler if scheduler is None else make_scheduler(scheduler, self.scheduler.config)
        device = self._execution_device
        randomness = settle_randomness(generator, request.batch_size)
        shape = geometry.latent_shape(request.batch_size, request.seconds)
        noise = first_latents(shape, randomness, device, latents)
        self._guidance_scale, self._interrupt = request.guidance_scale, False

        # 2. Prompts to embeddings
        clap = Clap(self.text_encoder, self.tokenizer, self.feature_extractor, device)
        with layer_by_layer(self.text_encoder):
            conditions = self._encode(request, clap, device)
        give_back(self.text_encoder)
        asked = conditions.positive

        # 3. Noise to latents
        timesteps = set_timesteps(active, request.steps, device)
        self._num_timesteps = len(timesteps)
        parts = self._sound_parts
        unet = _unet_for(request, parts.unet, self.unet_batch_size)
        with self.progress_bar(total=request.steps) as progress:

            def after_step(index: int, timestep: torch.Tensor, current: torch.Tensor) -> torch.Tensor | None:
                current = callbacks.after_evaluation(self, index, timestep, current, conditions)
                if ends_step(index, len(timesteps), request.steps, active.order):
                    progress.update()
                    callbacks.after_step(index, active.order, timestep, current)
                return None if self._interrupt else current

            latents = denoise(
                lambda noisy, timestep: predict(
                    unet,
                    noisy,
                    timestep,
                    conditions,
                    scale_at(
                        self._guidance_scale, timestep, active.config.num_train_timesteps, request.guidance_interval
                    ),
                    cross_attention_kwargs,
                ),
                active,
                timesteps,
                noise * active.init_noise_sigma,
                step_options(active, request.eta, randomness.generator),
                after_step,
            )
        if request.output_type == "latent":
            self.maybe_free_model_hooks()
            return _result(MusicLDMOutput(latents, None, randomness.seeds), return_dict)

        # 4. Latents to waves
        give_back(self.unet)
        samples = geometry.samples(request.seconds)
        audio = VaeAndVocoder(
            Vae(parts.vae) if parts is self else parts.vae, HifiGan(parts.vocoder), geometry.vae_scale
        )(latents, samples)
        give_back(self.vocoder)

        # 5. Best first within each prompt
        scores = None
        order = list(range(len(audio)))
        if clap.embeds_waves:
            with layer_by_layer(self.text_encoder):
                made = clap.embed_waves(audio.numpy(), geometry.sample_rate)
            give_back(self.text_encoder)
            unsorted = scoring.cosines(made, asked)
            order = scoring.order_within_prompts(unsorted, request.per_prompt)
            scores = [unsorted[index] for index in order]
        self.maybe_free_model_hooks()
        seeds = [randomness.seeds[index] for index in order]
        audio = audio[order]
        return _result(
            MusicLDMOutput(audio.numpy() if request.output_type == "np" else audio, scores, seeds), return_dict
        )

    def _encode(self, request: Request, clap: Clap, device: torch.device) -> Conditions:
        """The embeddings of a request, each repeated for all the waves of its prompt."""
        encode = partial(clap.embed_each_text, listen=warn_of_notes)
        positive = encode(request.prompts) if request.prompt_embeds is None else request.prompt_embeds
        negative = None
        if request.guidance_scale > 1:
            negative = request.negative_prompt_embeds
            if request.negative_prompts is not None:
                negative = encode(request.negative_prompts)
            elif negative is None:
                empty = self._empty_prompt.get(clap)
                negative = empty.expand(request.prompt_count, -1)
        return Conditions(
            positive=_repeat(positive, request.per_prompt, device),
            negative=None if negative is None else _repeat(negative, request.per_prompt, device),
        )


def _take_narrowed(options: dict[str, Any], folder: Path) -> dict[str, torch.dtype]:
    """The parts that are to be in half precision and stored in float32, in which `options` are changed to load them.

    Converted part by part afterwards, they need less memory at once.
    """
    wanted = options.get("dtype")
    if not isinstance(wanted, torch.dtype | dict) or any(options.get(name) for name in _LOADED_OTHERWISE):
        return {}
    by_part = wanted if isinstance(wanted, dict) else {"default": wanted}
    found = {part: by_part.get(part, by_part.get("default")) for part in ("unet", "vae", "vocoder")}
    halves = {
        part: dtype
        for part, dtype in found.items()
        if dtype in (torch.bfloat16, torch.float16) and stored_in_float32(folder / part)
    }
    if halves:
        options["dtype"] = {**by_part, **dict.fromkeys(halves, torch.float32)}
    return halves


def _unet_for(request: Request, unet: Any, limit: int) -> Any:
    """A UNet, in pieces of `limit` rows where a batch is larger, and with reused features where that was asked for."""
    rows = request.batch_size * (2 if request.guidance_scale > 1 else 1)
    bounded = unet if rows <= limit else InPieces(unet, limit)
    return bounded if request.cache_interval == 1 else DeepFeatures(bounded, request.cache_interval)


def _repeat(embeddings: torch.Tensor, times: int, device: torch.device) -> torch.Tensor:
    """Embeddings (P, width) to (P x times, width) on a device, grouped by prompt."""
    return embeddings.to(device).repeat_interleave(times, dim=0)


def _result(output: MusicLDMOutput, return_dict: bool) -> MusicLDMOutput | tuple[Any]:
    return output if return_dict else (output.audios,)

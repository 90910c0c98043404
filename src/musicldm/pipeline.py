"""Text to music: the numbered steps from a prompt to ranked waves, on the parts of a MusicLDM checkpoint."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from diffusers.pipelines.pipeline_utils import StableDiffusionMixin
from diffusers.schedulers import KarrasDiffusionSchedulers
from diffusers.utils import BaseOutput
from transformers import (
    ClapFeatureExtractor,
    ClapModel,
    ClapTextModelWithProjection,
    PreTrainedTokenizerBase,
    SpeechT5HifiGan,
)

from musicldm.events import Listener, Progress, warn_of_notes
from musicldm.machine.locks import exclusively
from musicldm.machine.memory import give_back, layer_by_layer
from musicldm.model.clap import Clap, EmptyPromptCache
from musicldm.model.settings import GenerationDefaults
from musicldm.sampling import inputs
from musicldm.sampling.callbacks import TENSORS, OldCallback, OnStepEnd, StepEnd
from musicldm.sampling.denoiser import AttentionOptions
from musicldm.sampling.denoising import denoise, step_options
from musicldm.sampling.engines import EnginePipeline
from musicldm.sampling.guidance import Conditions, GuidedDenoiser, Interval
from musicldm.sampling.noise import Randomness, first_latents, settle_randomness
from musicldm.sampling.ranking import cosines, order_within_prompts
from musicldm.sampling.request import Prompts, Request, check_callbacks, check_options, check_prompts
from musicldm.sampling.running import RunningCall, RunningCallsMixin
from musicldm.sampling.schedulers import SchedulerLike, make_scheduler, scheduler_of_call, short_name


@dataclass
class MusicLDMOutput(BaseOutput):
    """What a call gives: one entry an audio, grouped by prompt, best first within each.

    Args:
        audios: waves (n, samples), float32, full scale ±1, as NumPy array or as tensor on the CPU; with
            `output_type="latent"` the latents (n, channels, frames, bins), in the order they were made.
        scores: cosine of the CLAP embeddings of audio and condition; None where the checkpoint cannot score.
        seeds: initial seed of the generator that each audio came from.
    """

    audios: npt.NDArray[np.float32] | torch.Tensor
    scores: list[float] | None = None
    seeds: list[int] | None = None


@dataclass(frozen=True)
class _Start:
    """What a call begins with: its state, its noise, and what that was drawn with."""

    call: RunningCall
    noise: torch.Tensor
    randomness: Randomness
    device: torch.device


class MusicLDMPipeline(RunningCallsMixin, EnginePipeline, StableDiffusionMixin):
    """Generates music from text with a MusicLDM (arXiv 2308.01546).

    Threads may call it at once, and several pipelines may share parts: a call has its own scheduler and leaves the
    parts as they are. Change weights, settings and devices between calls only.

    Args:
        vae: mel spectrograms to latents and back.
        text_encoder: CLAP; with its audio tower it also ranks the results.
        tokenizer: of the text tower.
        feature_extractor: of the audio tower; None where results are not to be scored.
        unet: the denoiser, with the text embedding as class label.
        scheduler: any of diffusers' Karras schedulers.
        vocoder: log-mel spectrograms to waves.
        generation_defaults: what a call uses where the caller says nothing; upstream's values where None.
    """

    model_cpu_offload_seq = "text_encoder->unet->vae->vocoder"
    _optional_components = ["feature_extractor"]  # noqa: RUF012 (diffusers reads it as a class attribute)
    _callback_tensor_inputs = list(TENSORS)  # noqa: RUF012 (diffusers reads it as a class attribute)

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
        self._empty_prompt = EmptyPromptCache()

    # Settings

    def set_scheduler(self, scheduler: SchedulerLike) -> None:
        """Changes the scheduler, keeping the checkpoint's noise schedule and prediction type.

        Args:
            scheduler: a short name (see `musicldm.sampling.schedulers.SCHEDULERS`), a class, or a scheduler as it is.

        Raises:
            InvalidInputError: an unknown name.
        """
        self.scheduler = make_scheduler(scheduler, self.scheduler.config)

    def _scheduler_name(self) -> str | None:
        return short_name(self.scheduler)

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
        callback: OldCallback | None = None,
        callback_steps: int | None = 1,
        cross_attention_kwargs: AttentionOptions | None = None,
        output_type: str = "np",
        *,
        preset: str = "default",
        guidance_interval: Interval | None = None,
        cache_interval: int | None = None,
        scheduler: SchedulerLike | None = None,
        callback_on_step_end: OnStepEnd | None = None,
        callback_on_step_end_tensor_inputs: Sequence[str] = ("latents",),
        listen: Listener = warn_of_notes,
    ) -> MusicLDMOutput | tuple[npt.NDArray[np.float32] | torch.Tensor]:
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
                changed. It may call `pipeline.interrupt()`.
            callback_on_step_end_tensor_inputs: which tensors, of "latents", "prompt_embeds", "negative_prompt_embeds".
            listen: gets a `Note` where words of a prompt are lost or the length is more than was trained for, and
                `Progress` after each step. Notes are warnings by default.

        Raises:
            InvalidInputError: an argument that has no meaning here.
        """
        # 1. Check the arguments and fill in the checkpoint's settings
        defaults = self.generation_defaults.preset(preset)
        width = self.unet.config.projection_class_embeddings_input_dim
        prompts = check_prompts(
            prompt, prompt_embeds, negative_prompt, negative_prompt_embeds, num_waveforms_per_prompt, width
        )
        lengths = audio_length_in_s, num_inference_steps
        guidance = guidance_scale, guidance_interval
        options = check_options(*lengths, *guidance, cache_interval, eta, defaults, self.geometry, listen)
        callbacks = check_callbacks(callback_on_step_end, callback_on_step_end_tensor_inputs, callback, callback_steps)
        output_type = inputs.output_type(output_type)
        request = Request(prompts, options, callbacks, output_type, cross_attention_kwargs, listen)
        if scheduler is None and preset != "default":
            scheduler = defaults.scheduler
        start = self._prepare(request, scheduler, generator, latents)
        with self._alone_on_moving_parts(), self._calls.run(start.call):
            output = self._make(request, start)
            self.maybe_free_model_hooks()
        return output if return_dict else (output.audios,)

    def _prepare(
        self,
        request: Request,
        scheduler: SchedulerLike | None,
        generator: torch.Generator | Sequence[torch.Generator] | None,
        latents: torch.Tensor | None,
    ) -> _Start:
        """The scheduler and the noise of a call."""
        chosen = self.scheduler if scheduler is None else make_scheduler(scheduler, self.scheduler.config)
        device = self._execution_device
        randomness = settle_randomness(generator, request.prompts.batch_size)
        shape = self.geometry.latent_shape(request.prompts.batch_size, request.options.seconds)
        noise = first_latents(shape, randomness, device, latents)
        own = scheduler_of_call(chosen, request.options.steps, device)
        return _Start(RunningCall(own, request.options.guidance_scale), noise, randomness, device)

    def _make(self, request: Request, start: _Start) -> MusicLDMOutput:
        """The steps of a call that compute."""
        # 2. Prompts to embeddings
        clap = Clap(self.text_encoder, self.tokenizer, self.feature_extractor, start.device)
        with layer_by_layer(self.text_encoder):
            conditions = self._embed(request, clap)
        give_back(self.text_encoder)
        asked = conditions.positive

        # 3. Noise to latents
        latents = self._denoise(request, start, conditions)
        if request.output_type == "latent":
            return MusicLDMOutput(latents, None, start.randomness.seeds)

        # 4. Latents to waves
        give_back(self.unet)
        audio = self._decoder()(latents, self.geometry.samples(request.options.seconds))
        give_back(self.vocoder)

        # 5. Best first within each prompt
        order, scores = self._rank(clap, audio, asked, request.prompts)
        seeds = [start.randomness.seeds[index] for index in order]
        audio = audio[order]
        return MusicLDMOutput(audio.numpy() if request.output_type == "np" else audio, scores, seeds)

    def _embed(self, request: Request, clap: Clap) -> Conditions:
        """The embeddings of a request, each repeated for all the waves of its prompt."""
        prompts = request.prompts
        positive = clap.embed_each_text(prompts.texts, request.listen) if prompts.embeds is None else prompts.embeds
        negative = None
        if request.options.guidance_scale > 1:
            negative = prompts.negative_embeds
            if prompts.negative_texts is not None:
                negative = clap.embed_each_text(prompts.negative_texts, request.listen)
            elif negative is None:
                negative = self._empty_prompt.get(clap).expand(prompts.count, -1)
        return Conditions(
            positive=_repeat(positive, prompts.per_prompt, clap.device),
            negative=None if negative is None else _repeat(negative, prompts.per_prompt, clap.device),
        )

    def _denoise(self, request: Request, start: _Start, conditions: Conditions) -> torch.Tensor:
        """The latents (n, channels, frames, bins) that a scheduler's steps make of noise."""
        call, steps = start.call, request.options.steps
        scheduler = call.scheduler
        rows = request.prompts.batch_size * (2 if request.options.guidance_scale > 1 else 1)
        guided = GuidedDenoiser(
            self._denoiser_for(rows, request.options.cache_interval),
            conditions,
            call,
            request.options.guidance_interval,
            request.cross_attention_kwargs,
        )
        with self.progress_bar(total=steps) as bar:
            counter = _StepCounter(bar.update, request.listen, steps)
            return denoise(
                guided,
                scheduler,
                scheduler.timesteps,
                start.noise * scheduler.init_noise_sigma,
                step_options(scheduler, request.options.eta, start.randomness.generator),
                StepEnd(self, call, request.callbacks, conditions, steps, counter),
            )

    def _rank(
        self, clap: Clap, audio: torch.Tensor, asked: torch.Tensor, prompts: Prompts
    ) -> tuple[list[int], list[float] | None]:
        """The order of waves, best first within each prompt, and their scores in that order, None without CLAP."""
        if not clap.embeds_waves:
            return list(range(len(audio))), None
        mono = audio if audio.ndim == 2 else audio.mean(dim=1)
        with layer_by_layer(self.text_encoder):
            embeddings = clap.embed_waves(mono.numpy(), self.sample_rate)
        give_back(self.text_encoder)
        scores = cosines(embeddings, asked)
        order = order_within_prompts(scores, prompts.per_prompt)
        return order, [scores[index] for index in order]

    def _alone_on_moving_parts(self) -> AbstractContextManager[None]:
        """Lets calls wait for each other whose parts are moved between devices while they compute."""
        moving = [part for part in super().components.values() if hasattr(part, "_hf_hook")]
        return exclusively(*moving)


@dataclass
class _StepCounter:
    """Tells a bar and a listener of each step that is done."""

    update_bar: Callable[[], object]
    listen: Listener
    steps: int
    done: int = 0

    def __call__(self) -> None:
        self.done += 1
        self.update_bar()
        self.listen(Progress(self.done, self.steps, "Denoising"))


def _repeat(embeddings: torch.Tensor, times: int, device: torch.device | None) -> torch.Tensor:
    """Embeddings (P, width) to (P x times, width) on a device, grouped by prompt."""
    return embeddings.to(device).repeat_interleave(times, dim=0)

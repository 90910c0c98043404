"""A call's arguments, checked and completed with the checkpoint's own settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from musicldm.events import Listener, Note
from musicldm.model.geometry import AudioGeometry
from musicldm.model.settings import GenerationDefaults, check_interval
from musicldm.sampling import inputs
from musicldm.sampling.callbacks import TENSORS, OldCallback, OnStepEnd, StepCallbacks
from musicldm.sampling.denoiser import AttentionOptions
from musicldm.sampling.guidance import Interval


@dataclass(frozen=True)
class Prompts:
    """What is to be made: P prompts x W waves each.

    Args:
        texts: P of them; none where embeddings are given.
        negative_texts: P of them, or None.
        embeds: (P, width), or None where texts are given.
        negative_embeds: (P, width), or None.
        count: P.
        per_prompt: W.
    """

    texts: list[str]
    negative_texts: list[str] | None
    embeds: torch.Tensor | None
    negative_embeds: torch.Tensor | None
    count: int
    per_prompt: int

    @property
    def batch_size(self) -> int:
        """Waves in all."""
        return self.count * self.per_prompt


@dataclass(frozen=True)
class SamplingOptions:
    """How it is to be made.

    Args:
        seconds: length of each wave.
        steps: denoising steps.
        guidance_scale: weight of guidance, off at 1 or less.
        guidance_interval: levels of noise between which guidance is on; None is always.
        cache_interval: steps from one whole evaluation of the denoiser to the next.
        eta: DDIM's η.
    """

    seconds: float
    steps: int
    guidance_scale: float
    guidance_interval: Interval | None
    cache_interval: int
    eta: float


@dataclass(frozen=True)
class Request:
    """All that a call was asked for, checked.

    Args:
        prompts: what.
        options: how.
        callbacks: what is called on the way.
        output_type: one of `inputs.OUTPUT_TYPES`.
        cross_attention_kwargs: see `AttentionOptions`.
        listen: gets notes and progress.
    """

    prompts: Prompts
    options: SamplingOptions
    callbacks: StepCallbacks
    output_type: str
    cross_attention_kwargs: AttentionOptions | None
    listen: Listener


def check_prompts(
    prompt: object,
    prompt_embeds: object,
    negative_prompt: object,
    negative_prompt_embeds: object,
    num_waveforms_per_prompt: object,
    width: int,
) -> Prompts:
    """What is to be made, from the arguments of a call and the width of an embedding.

    Raises:
        InvalidInputError: an argument that has no meaning; the message gives the value and what is valid.
    """
    texts, embeds, count = inputs.prompt_or_embeddings(prompt, prompt_embeds, width)
    negative_embeds = None
    if negative_prompt_embeds is not None:
        negative_embeds = inputs.embeddings("negative_prompt_embeds", negative_prompt_embeds, width, count)
    return Prompts(
        texts,
        inputs.negative_texts(negative_prompt, negative_embeds, count),
        embeds,
        negative_embeds,
        count,
        inputs.whole("num_waveforms_per_prompt", _or(num_waveforms_per_prompt, 1)),
    )


def check_options(
    audio_length_in_s: object,
    num_inference_steps: object,
    guidance_scale: object,
    guidance_interval: object,
    cache_interval: object,
    eta: object,
    defaults: GenerationDefaults,
    geometry: AudioGeometry,
    listen: Listener,
) -> SamplingOptions:
    """How it is to be made, from the arguments of a call and what the checkpoint says where they are None.

    `listen` gets a note where the length exceeds what the checkpoint was trained for.

    Raises:
        InvalidInputError: an argument that has no meaning; the message gives the value and what is valid.
    """
    interval = defaults.guidance_interval if guidance_interval is None else check_interval(guidance_interval)
    return SamplingOptions(
        seconds=_length(audio_length_in_s, defaults, geometry, listen),
        steps=inputs.whole("num_inference_steps", _or(num_inference_steps, defaults.num_inference_steps)),
        guidance_scale=inputs.finite("guidance_scale", _or(guidance_scale, defaults.guidance_scale)),
        guidance_interval=interval,
        cache_interval=inputs.whole("cache_interval", _or(cache_interval, defaults.cache_interval)),
        eta=inputs.eta(eta),
    )


def check_callbacks(
    on_step_end: OnStepEnd | None, tensor_inputs: Sequence[str], callback: OldCallback | None, callback_steps: object
) -> StepCallbacks:
    """What is called on the way, from the arguments of a call.

    Raises:
        InvalidInputError: the name of a tensor that there is none of, or a number of steps below 1.
    """
    wanted = getattr(on_step_end, "tensor_inputs", tensor_inputs)
    every = inputs.whole("callback_steps", _or(callback_steps, 1))
    return StepCallbacks(on_step_end, inputs.tensor_names(wanted, TENSORS), callback, every)


def _or(value: object, default: object) -> object:
    return default if value is None else value


def _length(value: object, defaults: GenerationDefaults, geometry: AudioGeometry, listen: Listener) -> float:
    """The length in seconds, the checkpoint's own where None is given."""
    own = defaults.audio_length_in_s or geometry.trained_seconds
    if value is None:
        return own
    length = inputs.seconds(value)
    trained = max(own, geometry.trained_seconds)
    if length > trained and not math.isclose(length, trained):
        listen(
            Note(
                f"audio_length_in_s is {length:g}: this model was trained on clips of {trained:g} s, "
                "longer ones may lose their thread"
            )
        )
    return length

"""A call's arguments, checked and completed with the checkpoint's own settings."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from musicldm.events import Listener, Note
from musicldm.model.geometry import AudioGeometry
from musicldm.model.settings import GenerationDefaults
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
    chosen = defaults.changed(
        audio_length_in_s=audio_length_in_s,
        num_inference_steps=num_inference_steps,
        guidance_scale=guidance_scale,
        guidance_interval=guidance_interval,
        cache_interval=cache_interval,
    )
    own = float(defaults.audio_length_in_s or geometry.trained_seconds)
    seconds = float(chosen.audio_length_in_s or own)
    _note_length(seconds, max(own, geometry.trained_seconds), listen)
    return SamplingOptions(
        seconds=seconds,
        steps=chosen.num_inference_steps,
        guidance_scale=float(chosen.guidance_scale),
        guidance_interval=chosen.guidance_interval,
        cache_interval=chosen.cache_interval,
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


def _note_length(seconds: float, trained: float, listen: Listener) -> None:
    """Tells `listen` where a length exceeds what was trained for."""
    if seconds > trained and not math.isclose(seconds, trained):
        listen(
            Note(
                f"audio_length_in_s is {seconds:g}: this model was trained on clips of {trained:g} s, "
                "longer ones may lose their thread"
            )
        )

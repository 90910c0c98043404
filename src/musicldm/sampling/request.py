"""A call's arguments, checked and completed with the checkpoint's own settings."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import torch

from musicldm.model.geometry import AudioGeometry
from musicldm.model.settings import GenerationDefaults, check_interval
from musicldm.sampling import inputs


@dataclass(frozen=True)
class Request:
    """What is to be made: P prompts x W waves each.

    Args:
        prompts: P texts; none where embeddings are given.
        negative_prompts: P texts, or None.
        prompt_embeds: (P, width), or None where texts are given.
        negative_prompt_embeds: (P, width), or None.
        prompt_count: P.
        per_prompt: W.
        seconds: length of each wave.
        steps: denoising steps.
        guidance_scale: weight of guidance, off at 1 or less.
        guidance_interval: levels of noise, 0 to 1, between which guidance is on; None is always.
        cache_interval: steps from one whole evaluation of the UNet to the next.
        eta: DDIM's η.
        output_type: one of `inputs.OUTPUT_TYPES`.
        callback_steps: how many steps apart the old callback is called.
    """

    prompts: list[str]
    negative_prompts: list[str] | None
    prompt_embeds: torch.Tensor | None
    negative_prompt_embeds: torch.Tensor | None
    prompt_count: int
    per_prompt: int
    seconds: float
    steps: int
    guidance_scale: float
    guidance_interval: tuple[float, float] | None
    cache_interval: int
    eta: float
    output_type: str
    callback_steps: int

    @property
    def batch_size(self) -> int:
        return self.prompt_count * self.per_prompt


def check_request(
    *,
    prompt: object,
    negative_prompt: object,
    prompt_embeds: object,
    negative_prompt_embeds: object,
    num_waveforms_per_prompt: object,
    audio_length_in_s: object,
    num_inference_steps: object,
    guidance_scale: object,
    guidance_interval: object,
    cache_interval: object,
    eta: object,
    output_type: object,
    callback_steps: object,
    width: int,
    defaults: GenerationDefaults,
    geometry: AudioGeometry,
) -> Request:
    """Checks the arguments of a call and fills in what was left to the checkpoint.

    Warns where the length exceeds what the checkpoint was trained for.

    Raises:
        InvalidInputError: an argument that has no meaning; the message gives the value and what is valid.
    """
    prompts, embeds, count = inputs.prompt_or_embeddings(prompt, prompt_embeds, width)
    negative_embeds = negative_prompt_embeds
    if negative_embeds is not None:
        negative_embeds = inputs.embeddings("negative_prompt_embeds", negative_embeds, width, count)
    return Request(
        prompts=prompts,
        negative_prompts=inputs.negative_texts(negative_prompt, negative_embeds, count),
        prompt_embeds=embeds,
        negative_prompt_embeds=negative_embeds,
        prompt_count=count,
        per_prompt=inputs.whole("num_waveforms_per_prompt", _or(num_waveforms_per_prompt, 1)),
        seconds=_length(audio_length_in_s, defaults, geometry),
        steps=inputs.whole("num_inference_steps", _or(num_inference_steps, defaults.num_inference_steps)),
        guidance_scale=inputs.finite("guidance_scale", _or(guidance_scale, defaults.guidance_scale)),
        guidance_interval=defaults.guidance_interval
        if guidance_interval is None
        else check_interval(guidance_interval),
        cache_interval=inputs.whole("cache_interval", _or(cache_interval, defaults.cache_interval)),
        eta=inputs.eta(eta),
        output_type=inputs.output_type(output_type),
        callback_steps=inputs.whole("callback_steps", _or(callback_steps, 1)),
    )


def _or(value: object, default: object) -> object:
    return default if value is None else value


def _length(value: object, defaults: GenerationDefaults, geometry: AudioGeometry) -> float:
    """The length in seconds, the checkpoint's own where None is given."""
    own = defaults.audio_length_in_s or geometry.trained_seconds
    if value is None:
        return own
    length = inputs.seconds(value)
    trained = max(own, geometry.trained_seconds)
    if length > trained and not math.isclose(length, trained):
        warnings.warn(
            f"audio_length_in_s is {length:g}: this model was trained on clips of {trained:g} s, "
            "longer ones may lose their thread",
            UserWarning,
            stacklevel=2,
        )
    return length

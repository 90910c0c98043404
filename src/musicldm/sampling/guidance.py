"""What the denoiser is conditioned on, and classifier-free guidance between two conditions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from musicldm.sampling.denoiser import AttentionOptions, Denoiser
from musicldm.sampling.running import RunningCall

Interval = tuple[float, float]
"""Least and largest share of the training timesteps, 0 (clean) to 1 (noise)."""


@dataclass
class Conditions:
    """The embeddings (n, width) that the denoiser sees; a callback may change them between steps.

    Args:
        positive: what it should sound like.
        negative: what it should not, the empty prompt's where nothing was said; None without guidance.
    """

    positive: torch.Tensor
    negative: torch.Tensor | None = None

    def change(self, tensors: Mapping[str, torch.Tensor]) -> None:
        """Takes over those of `prompt_embeds` and `negative_prompt_embeds` that are there."""
        self.positive = tensors.get("prompt_embeds", self.positive)
        self.negative = tensors.get("negative_prompt_embeds", self.negative)


def guide(unconditional: torch.Tensor, conditional: torch.Tensor, scale: float) -> torch.Tensor:
    """Classifier-free guidance (arXiv 2207.12598): u + w (c - u), in the scale where w = 1 is no guidance."""
    return unconditional + scale * (conditional - unconditional)


def scale_at(scale: float, timestep: torch.Tensor, train_timesteps: int, interval: Interval | None) -> float:
    """The weight of guidance at a timestep: `scale` inside an interval of noise, 1 (none) outside (arXiv 2404.07724).

    Args:
        scale: of guidance.
        timestep: 0 to `train_timesteps` - 1, fractions too.
        train_timesteps: of the scheduler.
        interval: in which guidance is on; None is always, and asks nothing of the timesteps, which mean something else
            to some schedulers.
    """
    if interval is None:
        return scale
    low, high = interval
    return scale if low <= float(timestep) / train_timesteps <= high else 1.0


def predict(
    denoiser: Denoiser,
    latents: torch.Tensor,
    timestep: torch.Tensor,
    conditions: Conditions,
    scale: float,
    cross_attention_kwargs: AttentionOptions | None = None,
) -> torch.Tensor:
    """What a denoiser predicts for latents (n, channels, frames, bins), in float32.

    Guidance is on above a scale of 1: both conditions go through the denoiser as one batch of 2n.
    """
    negative = conditions.negative if scale > 1 else None
    labels = conditions.positive if negative is None else torch.cat([negative, conditions.positive])
    noisy = latents if negative is None else torch.cat([latents, latents])
    prediction = denoiser(
        noisy.to(denoiser.dtype),
        timestep,
        class_labels=labels.to(denoiser.dtype),
        cross_attention_kwargs=cross_attention_kwargs,
    ).float()
    if negative is None:
        return prediction
    unconditional, conditional = prediction.chunk(2)
    return guide(unconditional, conditional, scale)


@dataclass(frozen=True)
class GuidedDenoiser:
    """A denoiser under classifier-free guidance in one call; see `denoising.Predict`.

    Args:
        denoiser: what predicts.
        conditions: may change between steps.
        call: has the weight of guidance, which may change between steps, and the scheduler.
        interval: see `scale_at`.
        cross_attention_kwargs: see `AttentionOptions`.
    """

    denoiser: Denoiser
    conditions: Conditions
    call: RunningCall
    interval: Interval | None
    cross_attention_kwargs: AttentionOptions | None

    def __call__(self, latents: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        """What is predicted for scaled latents (n, channels, frames, bins), in float32."""
        train_timesteps = self.call.scheduler.config.num_train_timesteps
        scale = scale_at(self.call.guidance_scale, timestep, train_timesteps, self.interval)
        return predict(self.denoiser, latents, timestep, self.conditions, scale, self.cross_attention_kwargs)

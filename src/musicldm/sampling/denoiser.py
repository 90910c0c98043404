"""What denoises: a UNet with class labels by torch or by OpenVINO, whole or in parts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import torch

AttentionOptions = Mapping[str, object]
"""What diffusers calls `cross_attention_kwargs`: passed to the attention of a UNet as it is."""


class Denoiser(Protocol):
    """What predicts noise (or sample, or velocity) in latents, conditioned on class labels."""

    @property
    def dtype(self) -> torch.dtype:
        """Of the latents and labels that it takes."""

    def __call__(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        *,
        class_labels: torch.Tensor,
        cross_attention_kwargs: AttentionOptions | None = None,
    ) -> torch.Tensor:
        """What is predicted for noisy latents.

        Args:
            sample: latents (n, channels, frames, bins), scaled as the scheduler wants them.
            timestep: one for all of them.
            class_labels: CLAP embeddings (n, width).
            cross_attention_kwargs: see `AttentionOptions`.

        Returns:
            Noise, sample or velocity (n, channels, frames, bins).
        """


class LeveledDenoiser(Denoiser, Protocol):
    """A denoiser whose inner levels can be left out, which DeepCache asks for, and that says what it is."""

    @property
    def levels(self) -> int:
        """How many levels of resolution it has; with one there is nothing to leave out."""

    def evaluate_all(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        *,
        class_labels: torch.Tensor,
        cross_attention_kwargs: AttentionOptions | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """What the call predicts, and the features (n, c, frames, bins) that came up to the outermost level."""

    def evaluate_outermost(
        self,
        features: torch.Tensor,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        *,
        class_labels: torch.Tensor,
        cross_attention_kwargs: AttentionOptions | None = None,
    ) -> torch.Tensor:
        """What is predicted when these features come up to the outermost level: no inner level computes."""

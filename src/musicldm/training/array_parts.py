"""The parts of a model over arrays: what mixtures and samples are encoded, decoded and embedded with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
import torch

from musicldm.audio import Wave
from musicldm.audio.mel import MelSpec, log_mel
from musicldm.data.encoders import embed_texts, embed_waves
from musicldm.model.clap import Clap
from musicldm.model.vae import Vae
from musicldm.model.vocoder import Vocoder

Array = npt.NDArray[np.float32]


class ArrayParts(Protocol):
    """Functions that take and give float32 arrays."""

    @property
    def sample_rate(self) -> int:
        """Of the waves, in Hz."""

    def encode(self, waves: Wave) -> Array:
        """Waves (n, samples) to moments (n, 2 C, T, F), unscaled."""

    def decode(self, latents: Array) -> Wave:
        """Latents (n, C, T, F), unscaled, to waves (n, samples)."""

    def embed_waves(self, waves: Wave) -> Array:
        """Waves (n, samples) to CLAP embeddings (n, D) of unit norm."""

    def embed_texts(self, texts: Sequence[str]) -> Array:
        """Texts to CLAP embeddings (n, D) of unit norm."""


@dataclass(frozen=True)
class ModelParts:
    """`ArrayParts` of a model, each part on the device it is on.

    Args:
        spec: of the waves and of the log-mels that the VAE takes.
        vae: log-mels to latents and back.
        vocoder: of the same log-mels.
        clap: with tokenizer and feature extractor.
    """

    spec: MelSpec
    vae: Vae
    vocoder: Vocoder
    clap: Clap

    @property
    def sample_rate(self) -> int:
        """Of the waves, in Hz."""
        return self.spec.sample_rate

    @torch.no_grad()
    def encode(self, waves: Wave) -> Array:
        """See `ArrayParts`."""
        return _array(self.vae.moments(log_mel(torch.from_numpy(waves), self.spec)))

    @torch.no_grad()
    def decode(self, latents: Array) -> Wave:
        """See `ArrayParts`."""
        return _array(self.vocoder(self.vae.decode(torch.from_numpy(latents).to(self.vae.device))))

    def embed_waves(self, waves: Wave) -> Array:
        """See `ArrayParts`; as stored embeddings are, in steps of float16."""
        return embed_waves(self.clap, waves, self.sample_rate).astype(np.float32)

    def embed_texts(self, texts: Sequence[str]) -> Array:
        """See `ArrayParts`; likewise."""
        return embed_texts(self.clap, texts).astype(np.float32)


def _array(values: torch.Tensor) -> Array:
    return np.asarray(values.float().cpu().numpy())

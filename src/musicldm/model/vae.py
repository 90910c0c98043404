"""The VAE: log-mels to latents and back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch

if TYPE_CHECKING:
    from diffusers import AutoencoderKL


class MelDecoder(Protocol):
    """What turns latents into log-mels: the VAE, or its decoder by OpenVINO."""

    @property
    def scaling_factor(self) -> float:
        """By which latents are multiplied for the denoiser, to have a deviation near 1."""

    @property
    def dtype(self) -> torch.dtype:
        """Of the latents that it takes."""

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Unscaled latents (n, C, T, F) to log-mels (n, frames, bins)."""


@dataclass(frozen=True)
class Vae:
    """An `AutoencoderKL` over log-mels (n, frames, bins), in its own precision, on its own device.

    Gradients are kept where the caller keeps them. Latents (n, C, T, F) are unscaled: those of the denoiser are
    `scaling_factor` times as large.
    """

    model: AutoencoderKL

    @property
    def scaling_factor(self) -> float:
        """By which latents are multiplied for the denoiser, to have a deviation near 1."""
        factor: float = self.model.config.scaling_factor
        return factor

    @property
    def dtype(self) -> torch.dtype:
        """Of its weights."""
        dtype: torch.dtype = self.model.dtype
        return dtype

    @property
    def device(self) -> torch.device:
        """Where its weights are."""
        device: torch.device = next(self.model.parameters()).device
        return device

    def encode(self, mels: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-mels (n, frames, bins) to mean and standard deviation of the posterior, each (n, C, T, F)."""
        posterior = self.model.encode(mels[:, None].to(self.device)).latent_dist
        return posterior.mean, posterior.std

    def moments(self, mels: torch.Tensor) -> torch.Tensor:
        """Log-mels (n, frames, bins) to mean and standard deviation as one tensor (n, 2 C, T, F)."""
        return torch.cat(self.encode(mels), dim=1)

    def decode(self, latents: torch.Tensor) -> torch.Tensor:
        """Latents (n, C, T, F) in the precision and on the device of the VAE to log-mels (n, frames, bins)."""
        mels: torch.Tensor = self.model.decode(latents, return_dict=False)[0]
        return mels.squeeze(1)

"""The VAE as functions over log-mels and latents, against the module called by hand."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from musicldm import MusicLDMPipeline
from musicldm.model.vae import Vae

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def vae(tiny_model_dir: Path) -> Vae:
    return Vae(MusicLDMPipeline.from_pretrained(tiny_model_dir).vae)


def mels(count: int = 2) -> torch.Tensor:
    return torch.randn(count, 32, 64, generator=torch.Generator().manual_seed(0)) - 5


@torch.no_grad()
def test_moments_are_mean_and_deviation_of_the_posterior(vae: Vae) -> None:
    posterior = vae.model.encode(mels()[:, None]).latent_dist
    mean, deviation = vae.encode(mels())
    assert torch.equal(mean, posterior.mode())
    assert torch.equal(deviation, posterior.std)
    assert torch.equal(vae.moments(mels()), torch.cat([mean, deviation], dim=1))
    assert vae.moments(mels()).shape == (2, 16, 8, 16)


@torch.no_grad()
def test_latents_become_log_mels_without_a_channel(vae: Vae) -> None:
    latents, _ = vae.encode(mels())
    made = vae.decode(latents)
    assert made.shape == (2, 32, 64)
    assert torch.equal(made[:, None], vae.model.decode(latents).sample)


def test_gradients_reach_the_log_mels_where_the_caller_keeps_them(vae: Vae) -> None:
    source = mels(1).requires_grad_()
    vae.decode(vae.encode(source)[0]).square().sum().backward()
    assert source.grad is not None
    assert source.grad.abs().max() > 0


def test_scale_and_precision_are_those_of_the_module(vae: Vae) -> None:
    assert (vae.scaling_factor, vae.dtype, vae.device) == (0.9, torch.float32, torch.device("cpu"))

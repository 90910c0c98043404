"""Lengths in seconds, samples, frames and latents, by hand for the published sizes and others."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from musicldm import CheckpointError
from musicldm.model.geometry import AudioGeometry
from musicldm.model.vocoder import HifiGan


def geometry(sample_size: Any = 256, scale_levels: int = 3, bins: int = 64, rates: Any = (5, 4, 4, 2)) -> AudioGeometry:
    def part(**config: Any) -> Any:
        return SimpleNamespace(config=SimpleNamespace(**config))

    network = part(sampling_rate=16000, upsample_rates=rates, model_in_dim=bins)
    vae = part(block_out_channels=(1,) * scale_levels)
    return AudioGeometry.of(part(sample_size=sample_size, in_channels=8), vae, HifiGan(network))


def test_the_published_size_is_10_24_seconds_of_256_by_16_latents() -> None:
    published = geometry(rates=(5, 4, 2, 2, 2))
    assert published.trained_seconds == pytest.approx(10.24)
    assert published.samples(10.24) == 163_840
    assert published.latent_shape(3, 10.24) == (3, 8, 256, 16)


def test_the_appendix_variant_and_the_small_model_come_from_their_configurations() -> None:
    assert geometry(128, scale_levels=4, bins=128).latent_shape(1, 10.24) == (1, 8, 128, 16)
    assert geometry([128, 8], scale_levels=4).latent_shape(1, 10.24) == (1, 8, 128, 8)
    assert geometry((128, 8), scale_levels=4).trained_seconds == pytest.approx(10.24)


def test_a_unet_that_says_nothing_falls_back_to_the_published_length() -> None:
    assert geometry(None).trained_seconds == 10.24


@pytest.mark.parametrize(
    ("seconds", "samples", "frames"),
    [
        (5.0, 80_000, 125),
        (5.0001, 80_002, 126),  # a partial latent frame is made whole
        (0.29, 4640, 8),  # 0.29 / 0.01 is 28.999… in floating point
        (0.57, 9120, 15),  # 0.57 x 16000 is 9119.99…
        (0.04, 640, 1),
        (0.001, 16, 1),
        (1e-9, 1, 1),
    ],
)
def test_latents_always_cover_the_samples(seconds: float, samples: int, frames: int) -> None:
    made = geometry()
    assert made.samples(seconds) == samples
    assert made.latent_shape(1, seconds) == (1, 8, frames, 16)
    assert (frames - 1) * 640 < samples <= frames * 640


def test_parts_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(CheckpointError, match="the vocoder's 80 mel bins are not a multiple of the VAE's scale 32"):
        geometry(bins=80, scale_levels=6)

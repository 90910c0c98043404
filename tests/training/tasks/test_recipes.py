"""The recipes called "published" and "appendix" make models of the published sizes (shared facts: configuration)."""

import pytest
import torch
from torch import nn

from musicldm.audio.mel import MelSpec
from musicldm.training.networks.unet import build_unet
from musicldm.training.tasks import ldm_recipe, vae, vocoder


def millions(module: nn.Module) -> float:
    return sum(p.numel() for p in module.parameters()) / 1e6


def test_the_published_unet_has_185_million_parameters_and_takes_published_latents() -> None:
    recipe = ldm_recipe.RECIPES["published"]
    with torch.device("meta"):
        unet = build_unet(recipe, latent_channels=8)
        out = unet(torch.zeros(1, 8, recipe.crop_frames[0], 16), torch.zeros(1), None, class_labels=torch.zeros(1, 512))
    assert millions(unet) == pytest.approx(185, abs=1)
    assert out.sample.shape == (1, 8, 256, 16)
    assert unet.config.attention_head_dim == (4, 8, 12, 20)
    assert ldm_recipe.sampling_scheduler(recipe).config.prediction_type == "epsilon"


def test_the_published_vocoder_has_55_million_parameters_and_160_samples_a_frame() -> None:
    """Its kernels leave 32 samples over at the end, which the pipeline cuts off."""
    for name, bins in (("published", 64), ("appendix", 128)):
        with torch.device("meta"):
            generator = vocoder.build_vocoder(vocoder.RECIPES[name], MelSpec(n_mels=bins))
            assert generator(torch.zeros(1, 6, bins)).shape == (1, 960 + 32)
        if name == "published":
            assert millions(generator) == pytest.approx(55, abs=1)


@pytest.mark.parametrize(
    ("name", "bins", "latent"),
    [("default", 64, (8, 128, 8)), ("published", 64, (8, 256, 16)), ("appendix", 128, (16, 128, 16))],
)
def test_autoencoders_make_latents_of_the_stated_shapes(name: str, bins: int, latent: tuple[int, ...]) -> None:
    with torch.device("meta"):
        autoencoder = vae.build_vae(vae.RECIPES[name])
        moments = autoencoder.encode(torch.zeros(1, 1, 1024, bins)).latent_dist.parameters
    assert vae.RECIPES[name].mel_bins in (None, bins)
    assert moments.shape == (1, 2 * latent[0], *latent[1:])

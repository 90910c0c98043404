import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

from musicldm.errors import CheckpointError
from musicldm.evaluation.codec import Codec
from tests.tolerances import layers

pytestmark = pytest.mark.numeric

ROUNDING = layers(60, 16 * 9)
"""Between two waves of `tiny_codec`: layers one after another, and products in the longest sum."""


def tiny_codec() -> Codec:
    torch.manual_seed(0)
    vae = AutoencoderKL(
        in_channels=1,
        out_channels=1,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(8, 8),
        norm_num_groups=4,
        latent_channels=2,
    )
    config = SpeechT5HifiGanConfig(
        model_in_dim=16,
        upsample_initial_channel=16,
        upsample_rates=[4, 4],
        upsample_kernel_sizes=[8, 8],
        resblock_kernel_sizes=[3],
        resblock_dilation_sizes=[[1]],
    )
    return Codec(vae, SpeechT5HifiGan(config))


def test_the_codec_turns_mels_into_waves_of_hop_samples_a_frame_in_any_batches():
    codec = tiny_codec()
    mels = np.random.default_rng(0).normal(-4, 1, (3, 32, 16)).astype(np.float16)
    waves = codec(mels, batch_size=2)
    assert waves.shape == (3, 32 * 16)
    assert codec.mels(mels).shape == mels.shape
    np.testing.assert_allclose(waves, codec(mels, batch_size=3), rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(waves, codec.waves(codec.mels(mels)), rtol=0, atol=ROUNDING)


def test_a_saved_codec_loads_and_a_missing_one_is_named(tmp_path):
    codec = tiny_codec()
    codec.vae.model.save_pretrained(tmp_path / "vae")
    codec.vocoder.network.save_pretrained(tmp_path / "vocoder")
    mels = np.random.default_rng(0).normal(-4, 1, (1, 32, 16)).astype(np.float32)
    np.testing.assert_allclose(Codec.load(tmp_path)(mels), codec(mels), rtol=0, atol=ROUNDING)
    with pytest.raises(CheckpointError, match="has no vae/"):
        Codec.load(tmp_path / "vae")

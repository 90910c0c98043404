"""A MusicLDM of the real classes at tiny size, with random weights scaled so that it sounds and tells texts apart.

Weights as the classes initialise them give waves near 1e-10 and the same embedding for every text, so that any
tolerance would pass.
"""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    ClapConfig,
    ClapFeatureExtractor,
    ClapModel,
    RobertaTokenizer,
    SpeechT5HifiGan,
    SpeechT5HifiGanConfig,
)

WORDS = (
    "a an and the of with for in music song track beat drums piano guitar bass strings synth melodic techno jazz rock "
    "ambient calm happy sad dark dreamy fast slow loud soft bright deep low high quality muffled noisy clean solo lead"
)
TOKEN_LIMIT = 48
PROJECTION = 32
GAINS = {"text_model.encoder.layer": 2.0, "audio_model.audio_encoder.layers": 1.5, "class_embedding": 6.0}


def build_tiny_model(folder: str | Path, *, seed: int = 0, settings: dict[str, Any] | None = None) -> Path:
    """Writes a tiny model folder (16 kHz, 64 mel bins, VAE ÷4, ε-prediction) in the published layout.

    Args:
        folder: made where it does not exist.
        seed: of the weights.
        settings: content of generation_config.json; 2 DDIM steps, guidance 2, 0.64 s where None.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    parts = tiny_parts(seed)
    tiny_tokenizer(folder / "tokenizer")
    index: dict[str, Any] = {"_class_name": "MusicLDMPipeline", "tokenizer": ["transformers", "RobertaTokenizer"]}
    for name, part in parts.items():
        part.save_pretrained(folder / name)
        index[name] = [type(part).__module__.split(".")[0], type(part).__name__]
    (folder / "model_index.json").write_text(json.dumps(index, indent=2))
    settings = settings or {
        "num_inference_steps": 2,
        "guidance_scale": 2.0,
        "audio_length_in_s": 0.64,
        "scheduler": "ddim",
    }
    (folder / "generation_config.json").write_text(json.dumps(settings))
    return folder


def tiny_parts(
    seed: int = 0, sample_rate: int = 16000, upsample_rates: tuple[int, ...] = (5, 4, 4, 2)
) -> dict[str, Any]:
    """The parts of a tiny MusicLDM but for its tokenizer, the models with ordinary random weights."""
    parts = {
        "text_encoder": ClapModel(_clap_config()),
        "vae": AutoencoderKL(
            in_channels=1,
            out_channels=1,
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            block_out_channels=(4, 8, 8),
            layers_per_block=1,
            latent_channels=8,
            norm_num_groups=4,
            mid_block_add_attention=False,
            scaling_factor=0.9,
        ),
        "unet": UNet2DConditionModel(
            sample_size=256,
            in_channels=8,
            out_channels=8,
            down_block_types=("DownBlock2D", "CrossAttnDownBlock2D"),
            up_block_types=("CrossAttnUpBlock2D", "UpBlock2D"),
            mid_block_type="UNetMidBlock2DCrossAttn",
            block_out_channels=(8, 16),
            layers_per_block=1,
            norm_num_groups=4,
            attention_head_dim=8,
            cross_attention_dim=(8, 16),
            class_embed_type="simple_projection",
            projection_class_embeddings_input_dim=PROJECTION,
            class_embeddings_concat=True,
        ),
        "vocoder": SpeechT5HifiGan(
            SpeechT5HifiGanConfig(
                model_in_dim=64,
                sampling_rate=sample_rate,
                upsample_initial_channel=16,
                upsample_rates=list(upsample_rates),
                upsample_kernel_sizes=[3 * rate + rate % 2 for rate in upsample_rates],
                resblock_kernel_sizes=[3],
                resblock_dilation_sizes=[[1, 3]],
                normalize_before=False,
            )
        ),
    }
    for offset, model in enumerate(parts.values()):
        scale_weights(model.eval(), seed + 1000 * offset)
    parts["feature_extractor"] = ClapFeatureExtractor(
        sampling_rate=2 * sample_rate,
        feature_size=16,
        # 251 frames in 10 s: the audio tower takes at most spec_size x spec_size / bins = 256.
        hop_length=sample_rate * 2 // 25,
        fft_window_size=sample_rate // 8,
        frequency_max=sample_rate * 7 // 8,
        truncation="rand_trunc",
        padding="repeatpad",
    )
    parts["scheduler"] = DDIMScheduler(
        beta_start=0.0015,
        beta_end=0.0195,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
    return parts


def _clap_config() -> ClapConfig:
    return ClapConfig(
        projection_dim=PROJECTION,
        text_config={
            "vocab_size": 400,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 48,
            "max_position_embeddings": TOKEN_LIMIT + 2,
            "projection_dim": PROJECTION,
        },
        audio_config={
            "spec_size": 64,
            "num_mel_bins": 16,
            "window_size": 4,
            "patch_embeds_hidden_size": 8,
            "hidden_size": 32,
            "depths": [1, 1, 1],
            "num_attention_heads": [1, 2, 2],
            "num_hidden_layers": 3,
            "projection_dim": PROJECTION,
        },
    )


def tiny_tokenizer(folder: Path) -> RobertaTokenizer:
    """A byte-level BPE tokenizer of RoBERTa's kind in a folder: vocab.json, merges.txt and its configuration."""
    folder.mkdir(parents=True, exist_ok=True)
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=["<s>", "<pad>", "</s>", "<unk>", "<mask>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([WORDS], trainer)
    tokenizer.model.save(str(folder))
    settings = {"tokenizer_class": "RobertaTokenizer", "model_max_length": TOKEN_LIMIT}
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    return RobertaTokenizer.from_pretrained(folder)


@torch.no_grad()
def scale_weights(model: torch.nn.Module, seed: int) -> None:
    """Fills a model with normal weights of deviation 1 / sqrt(inputs), so that signals keep their size on the way."""
    generator = torch.Generator().manual_seed(seed)
    for name, module in model.named_modules():
        strides = math.prod(getattr(module, "stride", (1,))) if isinstance(module, torch.nn.ConvTranspose1d) else 1
        for kind, weight in module.named_parameters(recurse=False):
            noise = torch.randn(weight.shape, generator=generator)
            if weight.dim() < 2:
                is_gain = kind == "weight"
                weight.copy_(1 + 0.1 * noise if is_gain else weight if weight.dim() == 0 else 0.1 * noise)
            elif isinstance(module, torch.nn.Embedding):
                weight.copy_(noise)
            elif isinstance(module, torch.nn.ConvTranspose1d):
                weight.copy_(noise / math.sqrt(weight.shape[0] * weight.shape[2] / strides))
            else:
                weight.copy_(noise / math.sqrt(weight[0].numel()))
        if isinstance(module, torch.nn.BatchNorm2d):
            # Log-mels of loud waves in dB; the small variance makes the tower hear small differences.
            statistics = dict(module.named_buffers())
            statistics["running_mean"].fill_(-5.0)
            statistics["running_var"].fill_(4.0)
        # Else texts, waves and conditions would hardly make a difference.
        gain = next((gain for part, gain in GAINS.items() if name.startswith(part)), 1.0)
        for weight in module.parameters(recurse=False):
            weight.mul_(gain)

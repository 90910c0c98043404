"""A new CLAP: the text tower from a sentence encoder, a small HTSAT as audio tower, and their learned temperature."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn
from transformers import ClapAudioConfig, ClapConfig, ClapFeatureExtractor, ClapModel

from musicldm.training.networks.text_tower import SentenceEncoder, build_text_model, keep_pieces, make_tokenizer

if TYPE_CHECKING:
    from musicldm.training.tasks.clap import ClapRecipe


def build_extractor(recipe: ClapRecipe) -> ClapFeatureExtractor:
    """Waveform → log-mel in dB (1, frames, 64), silence after clips shorter than `max_seconds`."""
    return ClapFeatureExtractor(
        feature_size=64,
        sampling_rate=recipe.sample_rate,
        hop_length=recipe.hop_length,
        max_length_s=recipe.max_seconds,
        fft_window_size=1024,
        frequency_min=0,
        frequency_max=recipe.sample_rate / 2,
        truncation="rand_trunc",
        padding="repeatpad",
    )


def build_clap(recipe: ClapRecipe, captions: Sequence[str], encoder: SentenceEncoder) -> tuple[ClapModel, Any]:
    """A CLAP whose text tower is the sentence encoder's, and its tokenizer, which knows all words of the captions."""
    used = {piece for caption in captions for piece in encoder.tokenizer.tokenize(caption)}
    pieces = keep_pieces(encoder.tokenizer.vocab, recipe.pieces, used)
    text = build_text_model(encoder, pieces, recipe.layers, recipe.max_tokens)
    text.config.projection_dim = recipe.width
    audio = ClapAudioConfig(
        spec_size=recipe.spec_size,
        num_mel_bins=64,
        window_size=recipe.window,
        patch_embeds_hidden_size=recipe.audio_channels,
        hidden_size=recipe.audio_channels * 2 ** (len(recipe.depths) - 1),
        depths=list(recipe.depths),
        num_attention_heads=list(recipe.heads),
        num_hidden_layers=len(recipe.depths),
        projection_dim=recipe.width,
        hidden_dropout_prob=0.0,
    )
    config = ClapConfig(text_config=text.config.to_dict(), audio_config=audio.to_dict(), projection_dim=recipe.width)
    clap = ClapModel(config)
    clap.text_model.load_state_dict(text.state_dict())
    return clap, make_tokenizer(pieces, recipe.max_tokens)


class Scale(nn.Module):
    """The learned inverse temperature, from 1 / 0.07 up to 100."""

    def __init__(self) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.tensor(math.log(1 / 0.07)))

    def forward(self) -> Tensor:
        return self.log.exp().clamp(max=100)

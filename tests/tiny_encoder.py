"""A sentence encoder of the real classes, small and random, and a CLAP recipe to go with it."""

import torch
from transformers import BertConfig, BertModel, BertTokenizer

from musicldm.data.store import ClipStore
from musicldm.training.networks.clap import build_clap
from musicldm.training.networks.text_tower import SentenceEncoder
from musicldm.training.tasks.clap import ClapRecipe, ClapTask

RECIPE = ClapRecipe(
    width=8, layers=(0, 1), frozen=1, pieces=90, max_tokens=32, spec_size=64, window=2, audio_channels=8, depths=(1, 1),
    heads=(2, 2), batch_size=4, phrases=2, hop_length=2800,
)  # fmt: skip

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] a e i o u ##e ##s tone sine of hertz music for the song with sound and 1 2 128"


def tiny_encoder() -> SentenceEncoder:
    torch.manual_seed(0)
    pieces = [*WORDS.split(), *"abcdefghijklmnopqrstuvwxyz0123456789"]
    pieces = list(dict.fromkeys([*pieces, *(f"##{letter}" for letter in "abcdefghijklmnopqrstuvwxyz0123456789")]))
    config = BertConfig(
        vocab_size=len(pieces), hidden_size=16, num_hidden_layers=3, num_attention_heads=2, intermediate_size=32,
        max_position_embeddings=64,
    )  # fmt: skip
    tokenizer = BertTokenizer(vocab={piece: index for index, piece in enumerate(pieces)})
    return SentenceEncoder(BertModel(config, add_pooling_layer=False), tokenizer)


def tiny_clap_task(train: ClipStore, held_out: ClipStore, recipe: ClapRecipe = RECIPE) -> ClapTask:
    """A new CLAP on these clips. Stage "text" asks `load_encoder` for the sentence encoder once more."""
    captions = [caption for row in train.rows for caption in row.captions]
    return ClapTask(recipe, train, held_out, *build_clap(recipe, captions, tiny_encoder()))

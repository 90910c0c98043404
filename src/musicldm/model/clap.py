"""Prompts to unit embeddings with a CLAP text tower."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import torch
from accelerate.hooks import CpuOffload


def wake(module: Any) -> None:
    """Brings a module under model offload to its execution device.

    Accelerate's hook runs before `forward`, and the towers of CLAP are called by methods of their own.
    """
    hook = getattr(module, "_hf_hook", None)
    if isinstance(hook, CpuOffload):
        hook.pre_forward(module)


def token_limit(text_encoder: Any, tokenizer: Any) -> int:
    """Tokens that fit, special ones included: the tokenizer's own limit, and never more than there are positions."""
    config = getattr(text_encoder.config, "text_config", text_encoder.config)
    # Positions start behind that of the padding token, as in RoBERTa.
    positions = config.max_position_embeddings - (config.pad_token_id or 0) - 1
    return int(min(tokenizer.model_max_length, positions))


def encode_texts(text_encoder: Any, tokenizer: Any, texts: Sequence[str], device: torch.device) -> torch.Tensor:
    """Texts to unit embeddings (len(texts), projection), padded only to the longest of them.

    Warns with the lost words where a text is longer than the text tower can read.
    """
    limit = token_limit(text_encoder, tokenizer)
    tokens = tokenizer(list(texts), padding=True, truncation=True, max_length=limit, return_tensors="pt")
    _warn_of_lost_words(tokenizer, texts, tokens, limit)
    ids, mask = tokens.input_ids.to(device), tokens.attention_mask.to(device)
    if hasattr(text_encoder, "get_text_features"):
        wake(text_encoder)
        embeddings: torch.Tensor = text_encoder.get_text_features(ids, attention_mask=mask).pooler_output
        return embeddings
    return torch.nn.functional.normalize(text_encoder(ids, attention_mask=mask).text_embeds, dim=-1)


def encode_each(text_encoder: Any, tokenizer: Any, texts: Sequence[str], device: torch.device) -> torch.Tensor:
    """The same, text by text: an embedding then does not depend, to the last bit, on the texts beside it."""
    encoded = {text: encode_texts(text_encoder, tokenizer, [text], device) for text in dict.fromkeys(texts)}
    return torch.cat([encoded[text] for text in texts])


def _warn_of_lost_words(tokenizer: Any, texts: Sequence[str], tokens: Any, limit: int) -> None:
    """Warns for each text that fills the limit and goes on behind it."""
    for text, length in zip(texts, tokens.attention_mask.sum(dim=1).tolist(), strict=True):
        if length < limit:
            continue
        whole = tokenizer(text, verbose=False).input_ids
        lost = tokenizer.decode(whole[limit - 1 : -1], skip_special_tokens=True).strip()
        if lost:
            warnings.warn(
                f"the prompt is longer than the {limit} tokens that this model reads, so this part is lost: {lost!r}",
                UserWarning,
                stacklevel=2,
            )


class EmptyPromptCache:
    """Keeps the embedding of the empty prompt as long as the text tower stays what it was."""

    def __init__(self) -> None:
        self._key: tuple[Any, ...] | None = None
        self._embedding: torch.Tensor | None = None

    def get(self, text_encoder: Any, tokenizer: Any, device: torch.device) -> torch.Tensor:
        """The embedding (1, projection) of "", computed at the first call and after every change of weights."""
        key = self._state(text_encoder, tokenizer, device)
        if self._embedding is None or key != self._key:
            self._embedding, self._key = encode_texts(text_encoder, tokenizer, [""], device), key
        return self._embedding

    @staticmethod
    def _state(text_encoder: Any, tokenizer: Any, device: torch.device) -> tuple[Any, ...]:
        # The version counter of a parameter rises with every change in place, a training step or a loaded state.
        versions = [(id(weight), weight._version) for weight in text_encoder.parameters() if not weight.is_inference()]
        return id(text_encoder), id(tokenizer), device, text_encoder.dtype, tuple(versions)

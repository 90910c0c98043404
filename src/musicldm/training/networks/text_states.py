"""What the frozen first layers of a text tower make of many texts, computed once, and the layers that follow."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from musicldm.training.networks.text_tower import SentenceEncoder


@dataclass(frozen=True)
class FrozenStates:
    """What the frozen layers make of many texts: (all tokens, hidden) float16, text i at first[i] : first[i + 1]."""

    states: Tensor
    first: npt.NDArray[np.int64]

    @property
    def lengths(self) -> npt.NDArray[np.int64]:
        """Tokens of each text."""
        return np.diff(self.first)

    def batch(self, texts: npt.NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Padded states (B, L, hidden) float32 and the mask (B, L) of texts."""
        lengths = self.lengths[texts]
        out = torch.zeros(len(texts), int(lengths.max()), self.states.shape[1])
        for row, (text, length) in enumerate(zip(texts, lengths, strict=True)):
            out[row, :length] = self.states[self.first[text] : self.first[text] + length]
        return out, torch.arange(out.shape[1])[None] < torch.from_numpy(lengths)[:, None]


@torch.no_grad()
def freeze_states(
    text_model: Any, tokenizer: Any, texts: Sequence[str], frozen: int, batch_size: int = 128
) -> FrozenStates:
    """Runs the embeddings and the first `frozen` layers once over all texts."""
    text_model.eval()
    ids = tokenizer(list(texts), truncation=True)["input_ids"]
    first = np.cumsum([0, *map(len, ids)]).astype(np.int64)
    states = torch.empty(int(first[-1]), text_model.config.hidden_size, dtype=torch.float16)
    order = sorted(range(len(ids)), key=lambda index: len(ids[index]))
    for start in range(0, len(order), batch_size):
        rows = order[start : start + batch_size]
        padded = tokenizer.pad({"input_ids": [ids[row] for row in rows]}, return_tensors="pt")
        hidden = text_model.embeddings(input_ids=padded["input_ids"])
        hidden = run_layers(text_model.encoder.layer[:frozen], hidden, padded["attention_mask"].bool())
        for row, state in zip(rows, hidden, strict=True):
            states[first[row] : first[row + 1]] = state[: len(ids[row])].half()
    return FrozenStates(states, first)


def run_layers(layers: Any, hidden: Tensor, mask: Tensor) -> Tensor:
    """Transformer layers over hidden (B, L, H) where mask (B, L) is true."""
    bias = torch.zeros(mask.shape, dtype=hidden.dtype, device=hidden.device)
    bias = bias.masked_fill(~mask, torch.finfo(hidden.dtype).min)[:, None, None]
    for layer in layers:
        hidden = layer(hidden, attention_mask=bias)
    return hidden


@torch.no_grad()
def sentence_meanings(states: FrozenStates, frozen: int, encoder: SentenceEncoder) -> Tensor:
    """The sentence encoder's unit embeddings (texts, hidden) float16: its further layers, then the mean over tokens."""
    rest = encoder.model.encoder.layer[frozen:]
    count = len(states.first) - 1
    out = torch.empty(count, states.states.shape[1], dtype=torch.float16)
    order = np.argsort(states.lengths)
    for rows in np.array_split(order, math.ceil(count / 128)):
        hidden, mask = states.batch(rows)
        hidden = run_layers(rest, hidden, mask)
        pooled = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdim=True)
        out[torch.from_numpy(rows)] = F.normalize(pooled, dim=-1).half()
    return out

"""Attention for training in bfloat16 on a CPU: matrix products where the scores are few.

The fused attention of PyTorch 2.13 is slow there where the tokens are few, in its backward pass above all: without it
a training step of the default model takes about five sixths of the time (`benchmarks/speed/training_step.py`). Where
the scores are many it is faster and spares memory, so it stays there, and in float32.
"""

from __future__ import annotations

from typing import Any

import torch
from diffusers import UNet2DConditionModel
from diffusers.models.attention_processor import Attention, AttnProcessor, AttnProcessor2_0
from torch import Tensor

MOST_SCORES = 2**23
"""Scores (clips × heads × tokens²) that a layer may keep for its gradients: 16 MiB in bfloat16."""


class PlainWhereSmall:
    """An attention processor of diffusers: plain products under autocast on a CPU, up to `MOST_SCORES`; else fused."""

    def __init__(self) -> None:
        self.plain, self.fused = AttnProcessor(), AttnProcessor2_0()

    def __call__(self, attn: Attention, hidden_states: Tensor, *args: Any, **options: Any) -> Tensor:
        tokens = hidden_states.shape[2:].numel() if hidden_states.ndim == 4 else hidden_states.shape[1]
        few = len(hidden_states) * attn.heads * tokens**2 <= MOST_SCORES
        slow = hidden_states.device.type == "cpu" and torch.is_autocast_enabled("cpu")
        result: Tensor = (self.plain if few and slow else self.fused)(attn, hidden_states, *args, **options)
        return result


def plain_where_small(unet: UNet2DConditionModel) -> None:
    """Gives a UNet that is to be trained this attention; its weights and results stay the same."""
    unet.set_attn_processor(PlainWhereSmall())

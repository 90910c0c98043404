"""DeepCache (arXiv 2312.00858): the inner levels of a UNet are computed at some steps and reused at those between.

What comes up to the outermost level changes slowly from step to step (eq. 9 and 10 of the paper, at the first skip
branch): the output of the second-last up block of one step stands for that of the steps that follow.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from musicldm.errors import InvalidInputError


def evaluate_all(unet: Any, *arguments: Any, **options: Any) -> tuple[Any, torch.Tensor]:
    """What a UNet gives for these arguments of its call, and the features that came up to its outermost level.

    What is no `UNet2DConditionModel` may have a method of this name.
    """
    own = getattr(unet, "evaluate_all", None)
    if own is not None:
        result, kept = own(*arguments, **options)
        return result, kept
    features: list[torch.Tensor] = []
    handle = unet.up_blocks[-2].register_forward_hook(lambda _module, _arguments, output: features.append(output))
    try:
        return unet(*arguments, **options), features[0]
    finally:
        handle.remove()


def evaluate_outermost(unet: Any, features: torch.Tensor, *arguments: Any, **options: Any) -> Any:
    """What a UNet gives when these features come up to its outermost level: its inner blocks compute nothing.

    What is no `UNet2DConditionModel` may have a method of this name.
    """
    own = getattr(unet, "evaluate_outermost", None)
    if own is not None:
        return own(features, *arguments, **options)
    forwards: dict[nn.Module, Callable[..., Any]] = {block: _idle_down(block) for block in unet.down_blocks[1:]}
    forwards |= dict.fromkeys(unet.up_blocks[:-2], _idle)
    forwards[unet.up_blocks[-2]] = lambda *_, **__: features
    if unet.mid_block is not None:
        forwards[unet.mid_block] = _idle
    with _forwards(forwards):
        return unet(*arguments, **options)


class DeepFeatures:
    """A UNet all of which is computed at every `interval`-th call, and its outermost level alone at the others.

    A call whose latents have another shape than those before is a whole one. It has the call and the `dtype` of the
    UNet, whose blocks are exchanged only while a call lasts.

    Args:
        unet: a `UNet2DConditionModel` of at least two levels, or what has methods `evaluate_all` and
            `evaluate_outermost`.
        interval: calls from one whole evaluation to the next, at least 1; 1 reuses nothing.

    Raises:
        InvalidInputError: a UNet of one level, which has nothing to reuse.
    """

    def __init__(self, unet: Any, interval: int) -> None:
        if len(getattr(unet, "up_blocks", (0, 0))) < 2:
            raise InvalidInputError(f"cache_interval is {interval}: this UNet has one level, only 1 is possible")
        self.unet = unet
        self.interval = interval
        self._age = 0
        self._shape: torch.Size | None = None
        self._features = torch.empty(0)

    @property
    def dtype(self) -> torch.dtype:
        """That of the UNet's weights."""
        dtype: torch.dtype = self.unet.dtype
        return dtype

    def __call__(self, sample: torch.Tensor, *arguments: Any, **options: Any) -> Any:
        """What the UNet gives for noisy latents (n, channels, frames, bins); the other arguments are the UNet's."""
        if sample.shape == self._shape and self._age < self.interval:
            self._age += 1
            return evaluate_outermost(self.unet, self._features, sample, *arguments, **options)
        result, self._features = evaluate_all(self.unet, sample, *arguments, **options)
        self._shape, self._age = sample.shape, 1
        return result


def _idle(hidden_states: torch.Tensor, *_: Any, **__: Any) -> torch.Tensor:
    return hidden_states


def _idle_down(block: Any) -> Callable[..., Any]:
    """A down block's forward that gives as many skips as the block does, which nothing will read."""
    skips = len(block.resnets) + len(block.downsamplers or ())

    def forward(hidden_states: torch.Tensor, *_: Any, **__: Any) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        return hidden_states, (hidden_states,) * skips

    return forward


@contextmanager
def _forwards(new: Mapping[nn.Module, Callable[..., Any]]) -> Iterator[None]:
    """Gives modules other forwards for a while; those that hooks of accelerate have set come back afterwards."""
    before = {module: vars(module).get("forward") for module in new}
    for module, forward in new.items():
        module.forward = forward
    try:
        yield
    finally:
        for module, old in before.items():
            del module.forward
            if old is not None:
                module.forward = old

"""A UNet of diffusers by torch, whole or its outermost level alone. The UNet itself is never changed for that."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

import torch
from torch import nn

from musicldm.errors import InvalidInputError
from musicldm.machine.locks import exclusively
from musicldm.machine.views import second_view
from musicldm.sampling.denoiser import AttentionOptions

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

_Skips = tuple[torch.Tensor, tuple[torch.Tensor, ...]]


class TorchUnet:
    """A `LeveledDenoiser` of a `UNet2DConditionModel`. Make one for each call: it keeps what passes between its levels.

    Args:
        unet: conditioned on class labels.
    """

    def __init__(self, unet: UNet2DConditionModel) -> None:
        self.unet = unet
        self._features: list[torch.Tensor] = []
        self._whole: UNet2DConditionModel | None = None
        self._outermost: UNet2DConditionModel | None = None

    @property
    def dtype(self) -> torch.dtype:
        """That of the UNet's weights."""
        dtype: torch.dtype = self.unet.dtype
        return dtype

    @property
    def levels(self) -> int:
        """Blocks on the way up."""
        return len(self.unet.up_blocks)

    def __call__(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        *,
        class_labels: torch.Tensor,
        cross_attention_kwargs: AttentionOptions | None = None,
    ) -> torch.Tensor:
        """See `Denoiser`."""
        return self._evaluate(self.unet, sample, timestep, class_labels, cross_attention_kwargs)

    def evaluate_all(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        *,
        class_labels: torch.Tensor,
        cross_attention_kwargs: AttentionOptions | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See `LeveledDenoiser`."""
        if self._whole is None:
            self._whole = self._recording()
        self._features.clear()
        prediction = self._evaluate(self._whole, sample, timestep, class_labels, cross_attention_kwargs)
        if not self._features:
            raise InvalidInputError("this UNet has a forward of its own, which hides its levels: use cache_interval 1")
        return prediction, self._features[0]

    def evaluate_outermost(
        self,
        features: torch.Tensor,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        *,
        class_labels: torch.Tensor,
        cross_attention_kwargs: AttentionOptions | None = None,
    ) -> torch.Tensor:
        """See `LeveledDenoiser`."""
        if self._outermost is None:
            self._outermost = self._without_inner_levels()
        self._features[:] = [features]
        return self._evaluate(self._outermost, sample, timestep, class_labels, cross_attention_kwargs)

    def _evaluate(
        self,
        unet: UNet2DConditionModel,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        class_labels: torch.Tensor,
        cross_attention_kwargs: AttentionOptions | None,
    ) -> torch.Tensor:
        with self._alone():
            prediction: torch.Tensor = unet(
                sample,
                timestep,
                encoder_hidden_states=None,
                class_labels=class_labels,
                cross_attention_kwargs=cross_attention_kwargs,
                return_dict=False,
            )[0]
        return prediction

    def _alone(self) -> AbstractContextManager[None]:
        """A scale of LoRAs, in `cross_attention_kwargs`, is written into their layers while the UNet computes."""
        return exclusively(self.unet) if getattr(self.unet, "peft_config", None) else nullcontext()

    def _recording(self) -> UNet2DConditionModel:
        """The UNet, which keeps what comes up to its outermost level."""
        view = second_view(self.unet)
        *inner, last, outermost = view.up_blocks
        view.up_blocks = nn.ModuleList([*inner, _with_forward(last, self._record(last)), outermost])
        return view

    def _record(self, block: nn.Module) -> Callable[..., torch.Tensor]:
        def forward(*arguments: torch.Tensor, **options: torch.Tensor) -> torch.Tensor:
            features: torch.Tensor = block.forward(*arguments, **options)
            self._features.append(features)
            return features

        return forward

    def _without_inner_levels(self) -> UNet2DConditionModel:
        """The UNet, whose inner blocks compute nothing, and the last of which gives the features that were kept."""
        view = second_view(self.unet)
        first, *below = view.down_blocks
        *inner, last, outermost = view.up_blocks
        view.down_blocks = nn.ModuleList([first, *(_with_forward(block, _idle_down(block)) for block in below)])
        view.up_blocks = nn.ModuleList([*_idle_blocks(inner), _with_forward(last, self._give_features), outermost])
        if view.mid_block is not None:
            view.mid_block = _with_forward(view.mid_block, _idle)
        return view

    def _give_features(self, *_: torch.Tensor, **__: torch.Tensor) -> torch.Tensor:
        return self._features[0]


def _with_forward(block: nn.Module, forward: Callable[..., object]) -> nn.Module:
    view = second_view(block)
    vars(view)["forward"] = forward
    return view


def _idle_blocks(blocks: Iterable[nn.Module]) -> list[nn.Module]:
    return [_with_forward(block, _idle) for block in blocks]


def _idle(hidden_states: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
    return hidden_states


def _idle_down(block: nn.Module) -> Callable[..., _Skips]:
    """A down block's forward that gives as many skips as the block does, which nothing will read."""
    layers = [getattr(block, name, None) or () for name in ("resnets", "downsamplers")]
    skips = sum(len(each) for each in layers)

    def forward(hidden_states: torch.Tensor, *_: object, **__: object) -> _Skips:
        return hidden_states, (hidden_states,) * skips

    return forward

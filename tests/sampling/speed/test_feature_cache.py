"""Reuse of deep features, held against the whole UNet with one tensor exchanged."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate.hooks import ModelHook, add_hook_to_module, remove_hook_from_module
from diffusers import UNet2DConditionModel

from musicldm import MusicLDMPipeline
from musicldm.errors import InvalidInputError
from musicldm.sampling.speed.feature_cache import DeepFeatures
from musicldm.sampling.torch_unet import TorchUnet

pytestmark = pytest.mark.numeric


@pytest.fixture(scope="module")
def unet(tiny_model_dir: Path) -> Any:
    return MusicLDMPipeline.from_pretrained(tiny_model_dir).unet


def noisy(unet: Any, seed: int, count: int = 2) -> dict[str, Any]:
    draw = torch.Generator().manual_seed(seed)
    width = unet.config.projection_class_embeddings_input_dim
    return {
        "sample": torch.randn(count, 8, 16, 16, generator=draw),
        "timestep": torch.tensor(900 - 100 * seed),
        "class_labels": torch.randn(count, width, generator=draw),
    }


def whole(unet: Any, seed: int) -> torch.Tensor:
    made: torch.Tensor = unet(**noisy(unet, seed), encoder_hidden_states=None).sample
    return made


def evaluations(unet: Any, calls: int, interval: int, counts: tuple[int, ...] = ()) -> list[int]:
    """At which calls the middle of the UNet was computed."""
    seen: list[int] = []
    reuse = DeepFeatures(TorchUnet(unet), interval)
    for call in range(calls):
        handle = unet.mid_block.resnets[0].register_forward_hook(lambda *_, now=call: seen.append(now))
        with torch.no_grad():
            reuse(**noisy(unet, 0, counts[call] if counts else 1))
        handle.remove()
    return seen


@torch.no_grad()
def test_a_reusing_call_is_the_whole_unet_with_the_old_features_below_its_outermost_level(unet: Any) -> None:
    reuse = DeepFeatures(TorchUnet(unet), 2)
    kept: list[torch.Tensor] = []
    handle = unet.up_blocks[-2].register_forward_hook(lambda _m, _a, output: kept.append(output))
    first = reuse(**noisy(unet, 1))
    handle.remove()
    assert torch.equal(first, whole(unet, 1))
    second = reuse(**noisy(unet, 2))
    handle = unet.up_blocks[-2].register_forward_hook(lambda *_: kept[0])
    expected = whole(unet, 2)
    handle.remove()
    assert torch.equal(second, expected)
    assert not torch.allclose(second, whole(unet, 2), atol=1e-3)  # so the old features do count


@pytest.mark.parametrize(("interval", "whole"), [(1, [0, 1, 2, 3, 4, 5, 6]), (2, [0, 2, 4, 6]), (3, [0, 3, 6])])
def test_the_inner_levels_run_once_in_an_interval(unet: Any, interval: int, whole: list[int]) -> None:
    assert evaluations(unet, 7, interval) == whole


def test_features_of_another_batch_are_not_reused_and_the_interval_begins_anew(unet: Any) -> None:
    assert evaluations(unet, 6, 3, (2, 2, 1, 1, 1, 1)) == [0, 2, 5]


@torch.no_grad()
def test_the_unet_is_left_as_it_was_also_after_an_error(unet: Any) -> None:
    reuse = DeepFeatures(TorchUnet(unet), 4)
    reuse(**noisy(unet, 1))
    with pytest.raises(TypeError):
        reuse(**noisy(unet, 2) | {"timestep": object()})
    blocks = [*unet.down_blocks, unet.mid_block, *unet.up_blocks]
    assert not any("forward" in vars(block) or block._forward_hooks for block in blocks)


@torch.no_grad()
def test_a_unet_behind_a_hook_of_accelerate_gives_the_same(unet: Any) -> None:
    plain, calls = DeepFeatures(TorchUnet(unet), 2), []

    class Counting(ModelHook):  # type: ignore[misc]
        def pre_forward(self, module: Any, *arguments: Any, **options: Any) -> Any:
            calls.append(module)
            return arguments, options

    expected = [plain(**noisy(unet, seed)) for seed in (1, 2)]
    add_hook_to_module(unet, Counting())
    try:
        hooked = DeepFeatures(TorchUnet(unet), 2)
        made = [hooked(**noisy(unet, seed)) for seed in (1, 2)]
    finally:
        remove_hook_from_module(unet)
    assert len(calls) == 2
    assert all(torch.equal(one, other) for one, other in zip(made, expected, strict=True))


@torch.no_grad()
def test_a_compiled_unet_gives_the_same(unet: Any) -> None:
    plain = DeepFeatures(TorchUnet(unet), 2)
    compiled = DeepFeatures(TorchUnet(torch.compile(unet, backend="eager")), 2)
    for seed in (1, 2):
        assert torch.equal(compiled(**noisy(unet, seed)), plain(**noisy(unet, seed)))


def test_a_unet_whose_levels_are_hidden_is_refused(unet: Any) -> None:
    whole_forward = unet.forward
    unet.forward = lambda *arguments, **options: whole_forward(*arguments, **options)
    try:
        with pytest.raises(InvalidInputError, match="hides its levels: use cache_interval 1"), torch.no_grad():
            TorchUnet(unet).evaluate_all(**noisy(unet, 1))
    finally:
        del unet.forward


def test_a_unet_of_one_level_has_nothing_to_reuse() -> None:
    flat = UNet2DConditionModel(
        sample_size=8,
        block_out_channels=(8,),
        norm_num_groups=4,
        down_block_types=("DownBlock2D",),
        up_block_types=("UpBlock2D",),
    )
    with pytest.raises(InvalidInputError, match="one level, only 1"):
        DeepFeatures(TorchUnet(flat), 2)

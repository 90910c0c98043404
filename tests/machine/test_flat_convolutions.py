"""Convolutions as flat images against PyTorch's own."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import nn
from transformers import SpeechT5HifiGan, SpeechT5HifiGanConfig

from musicldm.machine.flat_convolutions import FlatConvolutions
from tests.tolerances import BFLOAT16, FLOAT32, layers, sums

pytestmark = pytest.mark.numeric

LAYERS: list[tuple[type[nn.Module], dict[str, Any]]] = [
    (nn.Conv1d, {"kernel_size": 7, "padding": 3}),
    (nn.Conv1d, {"kernel_size": 3, "padding": 5, "dilation": 5}),
    (nn.Conv1d, {"kernel_size": 4, "stride": 3, "bias": False}),
    (nn.Conv1d, {"kernel_size": 5, "padding": "same", "dilation": 2}),
    (nn.Conv1d, {"kernel_size": 3, "padding": 1, "groups": 2}),
    (nn.ConvTranspose1d, {"kernel_size": 8, "stride": 4, "padding": 2}),
    (nn.ConvTranspose1d, {"kernel_size": 5, "stride": 3, "output_padding": 1, "dilation": 2}),
    (nn.ConvTranspose1d, {"kernel_size": 4, "stride": 2, "groups": 2, "bias": False}),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("kind", "options"), LAYERS)
def test_a_flat_convolution_is_the_same_sum(kind: type[nn.Module], options: dict[str, Any], dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    layer = kind(6, 4, **options).to(dtype)
    for size in (1, 3):
        sound = torch.randn(size, 6, 50, dtype=dtype)
        plain = layer(sound)
        with FlatConvolutions():
            flat = layer(sound)
        assert flat.shape == plain.shape
        # Sums in float32, each result rounded once to its type.
        magnitudes = largest_sum(layer, sound)
        rounded = 0.0 if dtype == torch.float32 else 2 * BFLOAT16 * magnitudes
        torch.testing.assert_close(flat, plain, rtol=0, atol=sums(6 * 8, magnitudes, FLOAT32) + rounded)


@torch.no_grad()
def largest_sum(layer: nn.Module, sound: torch.Tensor) -> float:
    """Of the magnitudes that a convolution adds up to one of its values."""
    magnitudes = copy.deepcopy(layer).double()
    for weight in magnitudes.parameters():
        weight.abs_()
    return float(magnitudes(sound.double().abs()).max())


def test_channels_stay_together_from_layer_to_layer() -> None:
    layers = nn.Sequential(nn.Conv1d(6, 8, 3), nn.LeakyReLU(), nn.ConvTranspose1d(8, 4, 4, stride=2), nn.Tanh())
    seen: list[torch.Tensor] = []
    for layer in layers:
        layer.register_forward_hook(lambda _module, _inputs, out: seen.append(out))
    with torch.inference_mode(), FlatConvolutions():
        layers(torch.randn(2, 6, 40))
    assert all(one.stride(1) == 1 for one in seen)
    seen.clear()
    layers(torch.randn(2, 6, 40))
    assert all(one.stride(2) == 1 for one in seen)


def test_a_sound_without_a_batch_is_left_alone() -> None:
    layer, sound = nn.Conv1d(6, 4, 3), torch.randn(6, 30)
    with FlatConvolutions():
        expected, allowed = layer(sound[None])[0], sums(6 * 3, largest_sum(layer, sound))
        torch.testing.assert_close(layer(sound), expected, rtol=0, atol=allowed)


def test_a_vocoder_with_flat_convolutions_makes_the_same_wave() -> None:
    torch.manual_seed(0)
    sizes = {"upsample_rates": [4, 2], "upsample_kernel_sizes": [8, 4], "upsample_initial_channel": 32}
    vocoder = SpeechT5HifiGan(SpeechT5HifiGanConfig(model_in_dim=16, **sizes)).eval()
    mel = torch.randn(2, 20, 16)
    with torch.inference_mode():
        plain = vocoder(mel)
        with FlatConvolutions():
            flat = vocoder(mel)
        torch.testing.assert_close(flat, plain, rtol=0, atol=layers(48, 16 * 11))
        assert torch.equal(vocoder(mel), plain)

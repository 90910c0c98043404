"""Convolutions over time on a CPU as flat images: the same sums, sooner.

oneDNN has its fast kernels for images whose channels lie together in memory. PyTorch keeps a sequence (n, channels,
samples) the other way round and turns it about before and after every convolution, which takes longer than the
convolution itself. Here a sequence becomes an image of one row, channels last, and stays so from layer to layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

_Length = int | Sequence[int]


class FlatConvolutions(TorchFunctionMode):
    """While it lasts, this thread's `conv1d` and `conv_transpose1d` of batches on a CPU are computed so."""

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        flat = _FLAT.get(func)
        if flat is not None and args and args[0].ndim == 3 and args[0].device.type == "cpu":
            func = flat
        return func(*args, **(kwargs or {}))


def _convolve(
    sequence: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: _Length = 1,
    padding: _Length | str = 0,
    dilation: _Length = 1,
    groups: int = 1,
) -> Tensor:
    wide = padding if isinstance(padding, str) else (0, _length(padding))
    sizes: Any = ((1, _length(stride)), wide, (1, _length(dilation)), groups)
    return torch.conv2d(_image(sequence), weight[:, :, None], bias, *sizes)[:, :, 0]


def _convolve_transposed(
    sequence: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: _Length = 1,
    padding: _Length = 0,
    output_padding: _Length = 0,
    groups: int = 1,
    dilation: _Length = 1,
) -> Tensor:
    sizes: Any = (
        (1, _length(stride)), (0, _length(padding)), (0, _length(output_padding)), groups, (1, _length(dilation))
    )  # fmt: skip
    return torch.conv_transpose2d(_image(sequence), weight[:, :, None], bias, *sizes)[:, :, 0]


def _image(sequence: Tensor) -> Tensor:
    """(n, channels, samples) → (n, channels, 1, samples), channels last; nothing is copied where they are."""
    return sequence[:, :, None].contiguous(memory_format=torch.channels_last)


def _length(value: _Length) -> int:
    return value if isinstance(value, int) else value[0]


_FLAT: Mapping[Callable[..., Any], Callable[..., Tensor]] = {
    torch.conv1d: _convolve,
    torch.conv_transpose1d: _convolve_transposed,
}

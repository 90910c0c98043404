"""A device by its name, and the precision that is fast on it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from musicldm.errors import InvalidInputError

if TYPE_CHECKING:
    import torch


def choose_device(name: str) -> str:
    """The name of the best device there is for "auto", any other name as it is.

    Raises:
        InvalidInputError: a device that this machine does not have.
    """
    import torch

    available = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    names = [kind for kind, is_available in available.items() if is_available]
    device = names[0] if name == "auto" else name
    if device not in names:
        raise InvalidInputError(f"device {device!r} is not available here: choose one of {', '.join(['auto', *names])}")
    return device


def fast_dtype(device: str) -> torch.dtype:
    """bfloat16 where a device multiplies it in hardware, else float32.

    Args:
        device: "cpu", "cuda" or "mps".
    """
    import torch

    native = False
    if device == "cuda":
        native = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device == "cpu":
        able = torch.cpu.get_capabilities()
        native = any(able.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
    return torch.bfloat16 if native else torch.float32


def dtypes_of_parts(dtype: torch.dtype) -> dict[str, torch.dtype]:
    """What `from_pretrained` takes as its `dtype` to make sound in a precision, and CLAP in float32.

    The embeddings of two tempi lie closer together than the steps of half precision.
    """
    import torch

    return {**dict.fromkeys(("unet", "vae", "vocoder"), dtype), "default": torch.float32}

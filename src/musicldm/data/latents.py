"""VAE latents of all clips of a corpus, cached beside it under the hash of the VAE that made them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from musicldm.data.clips import ClipStore

if TYPE_CHECKING:
    from torch import nn


def module_hash(module: nn.Module) -> str:
    """SHA-256 (16 hex digits) over names, shapes and values of all parameters and buffers."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)}".encode())
        digest.update(value.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


@torch.no_grad()
def cached_latents(
    store: ClipStore,
    vae: Any,
    *,
    batch_size: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> npt.NDArray[np.float16]:
    """Means and standard deviations (N, 2 C, T, F) float16 of the posterior of every clip's log-mel, unscaled.

    `vae` is an AutoencoderKL over (B, 1, frames, bins), whose weights are put into channels-last order. Made on its
    device, in its precision under the caller's autocast, by default one clip at a time on a CPU, whose caches that
    fits, else eight; an interrupted run starts this array again.
    """
    path = store.folder / f"latents-{module_hash(vae)}.npy"
    if path.is_file():
        return np.asarray(np.load(path, mmap_mode="r"))
    device = next(vae.parameters()).device
    batch_size = batch_size or (1 if device.type == "cpu" else 8)
    vae.to(memory_format=torch.channels_last)
    partial = path.with_suffix(".partial.npy")
    out: np.memmap[Any, np.dtype[np.float16]] | None = None
    for start in range(0, len(store), batch_size):
        mel = torch.from_numpy(np.asarray(store.mels[start : start + batch_size], dtype=np.float32))
        posterior = vae.encode(mel[:, None].to(device)).latent_dist
        moments = torch.cat([posterior.mean, posterior.std], dim=1).float().cpu().numpy()
        if out is None:
            shape = (len(store), *moments.shape[1:])
            out = np.lib.format.open_memmap(partial, mode="w+", dtype=np.float16, shape=shape)
        out[start : start + len(moments)] = moments
        if progress is not None:
            progress(min(start + batch_size, len(store)), len(store))
    assert out is not None
    out.flush()
    partial.replace(path)
    return np.asarray(np.load(path, mmap_mode="r"))

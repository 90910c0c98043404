"""Which weights made something: hashes of modules, and the names of stored arrays that carry them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from diffusers import AutoencoderKL
    from transformers import ClapModel


def module_hash(module: torch.nn.Module) -> str:
    """SHA-256 (16 hex digits) over names, shapes and values of all parameters and buffers."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(f"{name} {tuple(value.shape)}".encode())
        digest.update(value.detach().to("cpu", torch.float32).contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def latents_name(vae: AutoencoderKL) -> str:
    """Of the array of this VAE's latents."""
    return f"latents-{module_hash(vae)}"


def texts_name(clap: ClapModel) -> str:
    """Of the array of captions' embeddings by this CLAP's text tower."""
    return f"texts-{module_hash(clap.text_model)}{module_hash(clap.text_projection)}"


def sounds_name(clap: ClapModel) -> str:
    """Of the array of sounds' embeddings by this CLAP's audio tower."""
    return f"sounds-{module_hash(clap.audio_model)}{module_hash(clap.audio_projection)}"

"""LoRA of a UNet (arXiv 2106.09685): small factors that learn what is new, beside weights that stay as they are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from musicldm.errors import MissingDependencyError
from musicldm.pipeline import MusicLDMPipeline

TARGETS = (
    *("to_q", "to_k", "to_v", "to_out.0", "ff.net.0.proj", "ff.net.2", "proj_in", "proj_out"),
    *("conv1", "conv2", "time_emb_proj"),
)
"""Layers with factors: attention, and the residual blocks, as most of this UNet's weights are in them."""


def add_lora(unet: Any, rank: int) -> None:
    """Adds factors that change nothing yet, and leaves only them to train.

    Raises:
        MissingDependencyError: peft is not installed.
    """
    try:
        from peft import LoraConfig
    except ImportError as error:
        raise MissingDependencyError("peft", "lora") from error
    unet.requires_grad_(False)
    unet.add_adapter(LoraConfig(r=rank, lora_alpha=rank, target_modules=list(TARGETS)))


def save_lora(unet: Any, folder: Path) -> None:
    """Writes the factors in diffusers' format, pytorch_lora_weights.safetensors."""
    from peft.utils import get_peft_model_state_dict

    MusicLDMPipeline.save_lora_weights(
        folder,
        unet_lora_layers=get_peft_model_state_dict(unet),
        unet_lora_adapter_metadata=unet.peft_config["default"].to_dict(),
    )

"""Trained parts to a model folder: one standard checkpoint in 16 bit, with its defaults and its sums."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import diffusers
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import AutoTokenizer, ClapFeatureExtractor, ClapModel, SpeechT5HifiGan

from musicldm.errors import CheckpointError
from musicldm.files import write_whole
from musicldm.model import checksums
from musicldm.model import folder as resolve
from musicldm.model.parts import load_part
from musicldm.model.settings import GenerationDefaults
from musicldm.pipeline import MusicLDMPipeline

CLASSES: Mapping[str, Any] = {
    "vae": AutoencoderKL,
    "vocoder": SpeechT5HifiGan,
    "text_encoder": ClapModel,
    "tokenizer": AutoTokenizer,
    "feature_extractor": ClapFeatureExtractor,
    "unet": UNet2DConditionModel,
}
"""Part → class that loads it from the folder of the run that made it; the scheduler's folder names its own."""
SCHEDULER_CONFIG = "scheduler/scheduler_config.json"


def assemble(
    runs: Mapping[str, Path],
    out: Path,
    defaults: GenerationDefaults,
    *,
    card: str | None = None,
    dtype: torch.dtype = torch.float16,
) -> None:
    """Writes a model folder from the parts in `runs` (part → folder that holds `part/`).

    Args:
        runs: a folder for each key of `CLASSES`, and for "scheduler".
        out: the model folder; parts that are there already are replaced.
        defaults: what goes into `generation_config.json`.
        card: text of the model card, `README.md`; the one that is there stays where none is given.
        dtype: precision of the stored weights.

    Raises:
        CheckpointError: a part is missing or cannot be loaded.
        DataError: `out` holds other things than a model.
    """
    resolve.check_save_folder(out)
    parts = {}
    for name in (*CLASSES, "scheduler"):
        folder = runs[name] / name
        if not folder.is_dir():
            raise CheckpointError(f"{folder} does not exist: train that part first")
        parts[name] = load_part(CLASSES.get(name) or _scheduler_class(folder), runs[name], name)
    for part in parts.values():
        if isinstance(part, torch.nn.Module):
            part.to(dtype)
    pipeline = MusicLDMPipeline(**parts)
    pipeline.save_pretrained(out)
    defaults.save(out)
    for config in out.glob("*/config.json"):
        _forget_origin(config)
    if card is not None:
        write_whole(out / "README.md", card)
    checksums.write_sums(out)


def _scheduler_class(folder: Path) -> Any:
    """The class that a scheduler's folder says it is of."""
    config = json.loads((folder.parent / SCHEDULER_CONFIG).read_text(encoding="utf-8"))
    return getattr(diffusers, config["_class_name"])


def _forget_origin(config: Path) -> None:
    """Takes out where diffusers loaded a part from: a folder of this machine."""
    settings = json.loads(config.read_text(encoding="utf-8"))
    settings.pop("_name_or_path", None)
    write_whole(config, json.dumps(settings, indent=2, sort_keys=True) + "\n")

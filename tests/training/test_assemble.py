import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import DPMSolverMultistepScheduler
from safetensors.torch import load_file

from musicldm import MusicLDMPipeline
from musicldm.errors import CheckpointError
from musicldm.model import checksums
from musicldm.model.settings import GenerationDefaults
from musicldm.training.assemble import CLASSES, assemble
from tests.tiny_model import build_tiny_model


def test_runs_become_a_model_in_half_precision_that_names_no_folder_of_this_machine(tmp_path: Path) -> None:
    run = build_tiny_model(tmp_path / "run")
    DPMSolverMultistepScheduler().save_pretrained(run / "scheduler")
    defaults = GenerationDefaults(num_inference_steps=3, guidance_scale=1.5, audio_length_in_s=0.64)
    assemble(dict.fromkeys((*CLASSES, "scheduler"), run), tmp_path / "model", defaults, card="# A card\n")
    checksums.verify(tmp_path / "model")
    assert (tmp_path / "model" / "README.md").read_text() == "# A card\n"
    for path in (tmp_path / "model").rglob("*.json"):
        assert str(tmp_path) not in path.read_text(), path
    assert "_name_or_path" not in json.loads((tmp_path / "model" / "unet" / "config.json").read_text())
    stored = load_file(tmp_path / "model" / "unet" / "diffusion_pytorch_model.safetensors")
    assert {value.dtype for value in stored.values()} == {torch.float16}
    whole = load_file(run / "unet" / "diffusion_pytorch_model.safetensors")
    assert all(torch.equal(stored[name], value.half()) for name, value in whole.items())
    pipeline = MusicLDMPipeline.from_pretrained(tmp_path / "model")
    assert pipeline.generation_defaults.num_inference_steps == 3
    assert np.isfinite(pipeline("jazz", generator=torch.Generator().manual_seed(0)).audios).all()


def test_a_part_that_was_not_trained_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"vae does not exist: train that part first"):
        assemble(dict.fromkeys((*CLASSES, "scheduler"), tmp_path), tmp_path / "model", GenerationDefaults())

"""Parity with diffusers' own MusicLDM pipeline at the published full size, with random weights.

Two runs in two environments, from the root of the repository (see tests/oracles/make_references.py for the first):

    oracle/bin/python -m benchmarks.speed.parity_full_size make FOLDER
    python -m benchmarks.speed.parity_full_size compare FOLDER

The first builds the checkpoint with upstream's pipeline (2 GB, deleted by hand) and stores what that makes of it;
the second makes the same with ours and records the largest difference under benchmarks/results.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch
from transformers import ClapConfig, ClapFeatureExtractor, ClapModel, SpeechT5HifiGan, SpeechT5HifiGanConfig

from tests.tiny_model import scale_weights, tiny_tokenizer

RESULT = Path(__file__).resolve().parents[1] / "results" / "parity_full_size.json"
PACKAGES = ("torch", "diffusers", "transformers", "numpy")
SEED = 11
CASES: dict[str, dict[str, Any]] = {
    "DDIM, 5.12 s, negative prompt": {
        "audio_length_in_s": 5.12,
        "num_inference_steps": 3,
        "negative_prompt": "low quality",
    },
    "DPM-Solver++, 2.56 s, best of 2": {
        "audio_length_in_s": 2.56,
        "num_inference_steps": 3,
        "num_waveforms_per_prompt": 2,
    },
}
PROMPT = "melodic techno with a fast beat and synths"


def full_size_parts() -> dict[str, Any]:
    """The parts of the published checkpoint, as its configuration has them, with random weights of ordinary size."""
    channels = (128, 256, 384, 640)
    parts: dict[str, Any] = {
        "unet": diffusers.UNet2DConditionModel(
            sample_size=256,
            in_channels=8,
            out_channels=8,
            down_block_types=("DownBlock2D", *("CrossAttnDownBlock2D",) * 3),
            up_block_types=(*("CrossAttnUpBlock2D",) * 3, "UpBlock2D"),
            block_out_channels=channels,
            layers_per_block=2,
            attention_head_dim=tuple(width // 32 for width in channels),
            cross_attention_dim=channels,
            class_embed_type="simple_projection",
            projection_class_embeddings_input_dim=512,
            class_embeddings_concat=True,
        ),
        "vae": diffusers.AutoencoderKL(
            in_channels=1,
            out_channels=1,
            down_block_types=("DownEncoderBlock2D",) * 3,
            up_block_types=("UpDecoderBlock2D",) * 3,
            block_out_channels=(128, 256, 512),
            layers_per_block=2,
            latent_channels=8,
            scaling_factor=0.9,
        ),
        "vocoder": SpeechT5HifiGan(
            SpeechT5HifiGanConfig(
                model_in_dim=64,
                upsample_initial_channel=1024,
                upsample_rates=[5, 4, 2, 2, 2],
                upsample_kernel_sizes=[16, 16, 8, 4, 4],
                normalize_before=False,
            )
        ),
        "text_encoder": ClapModel(
            ClapConfig(
                audio_config={"patch_embeds_hidden_size": 128, "hidden_size": 1024, "depths": [2, 2, 12, 2]},
                text_config={},
            )
        ),
    }
    for offset, model in enumerate(parts.values()):
        scale_weights(model.eval(), 100 + offset)
    parts["feature_extractor"] = ClapFeatureExtractor(truncation="rand_trunc", padding="repeatpad")
    parts["scheduler"] = diffusers.DDIMScheduler(
        beta_start=0.0015,
        beta_end=0.0195,
        beta_schedule="scaled_linear",
        clip_sample=False,
        set_alpha_to_one=False,
        steps_offset=1,
    )
    return parts


def run(pipeline: Any, case: str) -> np.ndarray[Any, Any]:
    """Waves of one case; the second swaps the scheduler as users do."""
    pipeline.set_progress_bar_config(disable=True)
    if case.startswith("DPM"):
        pipeline.scheduler = diffusers.DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    waves = np.asarray(pipeline(PROMPT, **CASES[case], generator=torch.Generator().manual_seed(SEED)).audios)
    print(f"{case}: deviation {waves.std():.3f}, largest {abs(waves).max():.3f}", flush=True)
    return waves


def make_checkpoint(folder: Path) -> Path:
    """Builds the checkpoint, unless it is there."""
    checkpoint = folder / "checkpoint"
    if not (checkpoint / "model_index.json").exists():
        parts = full_size_parts()
        parts["tokenizer"] = tiny_tokenizer(checkpoint / "tokenizer")
        diffusers.MusicLDMPipeline(**parts).save_pretrained(checkpoint)
    return checkpoint


def make(folder: Path) -> None:
    """The checkpoint, and the reference with upstream's pipeline, case by case."""
    checkpoint = make_checkpoint(folder)
    (folder / "versions.json").write_text(json.dumps({name: version(name) for name in PACKAGES}))
    pipeline = diffusers.MusicLDMPipeline.from_pretrained(checkpoint)
    for number, case in enumerate(CASES):
        np.save(folder / f"{number}.npy", run(pipeline, case))


def compare(folder: Path) -> None:
    """Makes the same with our pipeline and records the differences."""
    from musicldm import MusicLDMPipeline

    pipeline = MusicLDMPipeline.from_pretrained(folder / "checkpoint")
    differences = {}
    for number, case in enumerate(CASES):
        reference = np.load(folder / f"{number}.npy")
        differences[case] = {
            "largest difference of full scale": float(np.abs(run(pipeline, case) - reference).max()),
            "largest sample of the reference": float(np.abs(reference).max()),
        }
    result = {
        "date": datetime.now(UTC).date().isoformat(),
        "hardware": f"{os.cpu_count()} cores, {platform.machine()}, CPU only, shared with other work",
        "parameters": {
            name: sum(weight.numel() for weight in part.parameters())
            for name, part in pipeline.components.items()
            if isinstance(part, torch.nn.Module)
        },
        "differences": differences,
        "ours": {"versions": {name: version(name) for name in PACKAGES}},
        "upstream": {"versions": json.loads((folder / "versions.json").read_text())},
    }
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(result, indent=2) + "\n")
    print(json.dumps(differences, indent=2))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=("checkpoint", "make", "compare"))
    parser.add_argument("folder", type=Path, help="where the checkpoint and the reference go")
    arguments = parser.parse_args()
    {"checkpoint": make_checkpoint, "make": make, "compare": compare}[arguments.stage](arguments.folder)


if __name__ == "__main__":
    main()

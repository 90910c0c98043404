"""Makes the references for parity: a tiny checkpoint, and what diffusers' own MusicLDM pipeline makes of it.

Run from the root of the repository in an environment of its own, the newest in which that pipeline works unpatched:

    python -m venv oracle
    oracle/bin/pip install torch==2.13.0 diffusers==0.39.0 transformers==4.57.6 numpy accelerate librosa scipy
    oracle/bin/python -m tests.oracles.make_references

It writes checkpoint/ (2 kHz, so that whole waves can be stored), references.npz and versions.json beside itself.
"""

from __future__ import annotations

import json
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import diffusers
import numpy as np
import torch

from tests.oracles.cases import CASES, LATENT_SHAPE, PAIR, SCHEDULER_CLASSES, SECONDS, SEED, STEPS
from tests.tiny_model import PROJECTION, tiny_parts, tiny_tokenizer

HERE = Path(__file__).parent
SAMPLE_RATE = 2000
UPSAMPLE_RATES = (5, 4)
PACKAGES = ("torch", "diffusers", "transformers", "tokenizers", "numpy", "librosa", "scipy")


def make_checkpoint(folder: Path) -> Any:
    """Saves the tiny checkpoint with upstream's own pipeline and gives that, loaded again as a user would."""
    parts = tiny_parts(seed=1, sample_rate=SAMPLE_RATE, upsample_rates=UPSAMPLE_RATES)
    tokenizer = tiny_tokenizer(folder / "tokenizer")
    diffusers.MusicLDMPipeline(tokenizer=tokenizer, **parts).save_pretrained(folder)
    pipeline = diffusers.MusicLDMPipeline.from_pretrained(folder)
    pipeline.set_progress_bar_config(disable=True)
    return pipeline


def tensors() -> dict[str, torch.Tensor]:
    """What cases with given tensors pass: noise, and unit embeddings."""
    generator = torch.Generator().manual_seed(99)
    embeddings = torch.randn(2, PROJECTION, generator=generator)
    embeddings = embeddings / embeddings.norm(dim=1, keepdim=True)
    return {
        "latents": torch.randn(LATENT_SHAPE, generator=generator),
        "prompt_embeds": embeddings[:1],
        "negative_prompt_embeds": embeddings[1:],
    }


def run(pipeline: Any, case: dict[str, Any], given: dict[str, torch.Tensor]) -> np.ndarray:
    """Waves (n, samples) of one case."""
    arguments = {key: given[key] if value is True else value for key, value in case.items()}
    arguments = {"audio_length_in_s": SECONDS, "num_inference_steps": STEPS, **arguments}
    original = pipeline.scheduler
    name = arguments.pop("scheduler", None)
    if name:
        pipeline.scheduler = getattr(diffusers, SCHEDULER_CLASSES[name]).from_config(original.config)
    audios = pipeline(**arguments, generator=torch.Generator().manual_seed(SEED)).audios
    pipeline.scheduler = original
    return np.asarray(audios, dtype=np.float32)


@torch.no_grad()
def pair_in_threes(pipeline: Any) -> dict[str, np.ndarray]:
    """Three waves for each of two prompts in the order they were made, and CLAP's cosines (2, 6) with the prompts.

    Upstream ranks every prompt over all prompts' waves; with embeddings in place of prompts it does not rank.
    """
    import librosa

    tokens = pipeline.tokenizer(PAIR, padding="max_length", max_length=48, return_tensors="pt")
    embeddings = pipeline.text_encoder.get_text_features(**tokens)
    waves = run(pipeline, {"prompt_embeds": embeddings, "num_waveforms_per_prompt": 3}, {})
    extractor = pipeline.feature_extractor
    resampled = librosa.resample(waves, orig_sr=SAMPLE_RATE, target_sr=extractor.sampling_rate)
    features = extractor(list(resampled), return_tensors="pt", sampling_rate=extractor.sampling_rate).input_features
    audio = pipeline.text_encoder.get_audio_features(features.float())
    return {"pair_in_threes": waves, "pair_in_threes_cosines": (embeddings @ audio.T).numpy()}


def main() -> None:
    pipeline = make_checkpoint(HERE / "checkpoint")
    given = tensors()
    results = {name: run(pipeline, case, given) for name, case in CASES.items()}
    results |= pair_in_threes(pipeline) | {f"given_{name}": tensor.numpy() for name, tensor in given.items()}
    np.savez_compressed(HERE / "references.npz", **results)
    versions = {name: version(name) for name in PACKAGES} | {
        "python": platform.python_version(),
        "platform": sys.platform,
    }
    (HERE / "versions.json").write_text(json.dumps(versions, indent=2) + "\n")
    for name, waves in results.items():
        print(f"{name:24} {waves.shape!s:18} deviation {waves.std():.3f} largest {abs(waves).max():.3f}")


if __name__ == "__main__":
    main()

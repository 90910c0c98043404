"""What a UNet hears of a prompt, and at which noise: `python -m benchmarks.quality.prompt_hearing --data PREPARED`.

Held-out clips are made noisy and denoised in one step under "GENRE with LEAD lead, N bpm": with the clip's own values,
with one of them wrong, and under the empty prompt. How much a wrong value costs, in squared error of v, says how much
the UNet makes of it there. Crops begin on each clip's first downbeat. Results: results/prompt_hearing.json.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import AutoTokenizer, ClapModel

from benchmarks.circumstances import RESULTS, circumstances, fingerprint, plain
from musicldm.data.embeddings import stored_latents
from musicldm.data.encoders import embed_texts
from musicldm.data.store import ClipRow, ClipStore
from musicldm.evaluation.metrics.estimate import difference, estimate
from musicldm.model.clap import Clap
from musicldm.model.folder import parts_folder
from musicldm.model.parts import load_part
from musicldm.model.vae import Vae
from musicldm.training.tasks.ldm_recipe import LdmRecipe, build_scheduler

RESULT = RESULTS / "prompt_hearing.json"
STEPS = (300, 600, 800, 900)
FRAMES, LATEST = 96, 32
WRONG_TEMPI = (0.8, 1.25)
BATCH = 16


def main() -> None:
    """Measures, prints and stores."""
    options = _arguments()
    torch.set_num_threads(options.threads)
    started = time.perf_counter()
    folder = parts_folder(options.model)
    store = ClipStore(options.data)
    chosen = [i for i, row in enumerate(store.rows) if row.fields["quality"] == "clean" and lead(row)][: options.clips]
    prompts = wordings([store.rows[i] for i in chosen], np.random.default_rng(options.seed))
    clap = Clap(load_part(ClapModel, folder, "text_encoder"), load_part(AutoTokenizer, folder, "tokenizer"))
    labels = {name: torch.from_numpy(embed_texts(clap, texts)).float() for name, texts in prompts.items()}
    latents = crops(store, chosen, Vae(load_part(AutoencoderKL, folder, "vae")))
    unet = load_part(UNet2DConditionModel, folder, "unet").eval()
    rows = {}
    for step in STEPS:
        found = {name: errors(unet, latents, label, step, options.seed) for name, label in labels.items()}
        costs = {name: difference(values, found["own"]) for name, values in found.items() if name != "own"}
        rows[str(step)] = {"own": estimate(found["own"]), "cost": costs}
        print(step, json.dumps(plain(rows[str(step)])), flush=True)
    report = {
        "clips": len(chosen),
        "steps": rows,
        "run": {"model": fingerprint(folder), **circumstances(options, time.perf_counter() - started)},
    }
    RESULT.write_text(json.dumps(plain(report), indent=1) + "\n", encoding="utf-8")


def lead(row: ClipRow) -> str | None:
    """Name of the leading instrument."""
    return next((part["name"] for part in row.fields["instruments"] if part["role"] == "lead"), None)


def wordings(rows: list[ClipRow], rng: np.random.Generator) -> Mapping[str, list[str]]:
    """For each clip the prompt with its own values, with a wrong tempo, lead or genre, and the empty one."""
    facts = [(row.fields["genre"], str(lead(row)), float(row.fields["bpm"])) for row in rows]
    genres, leads = sorted({genre for genre, _, _ in facts}), sorted({name for _, name, _ in facts})

    def other(names: list[str], own: str) -> str:
        return str(rng.choice([name for name in names if name != own]))

    return {
        "own": [worded(*fact) for fact in facts],
        "tempo": [worded(genre, name, bpm * rng.choice(WRONG_TEMPI)) for genre, name, bpm in facts],
        "lead": [worded(genre, other(leads, name), bpm) for genre, name, bpm in facts],
        "genre": [worded(other(genres, genre), name, bpm) for genre, name, bpm in facts],
        "empty": ["" for _ in facts],
    }


def worded(genre: str, name: str, bpm: float) -> str:
    return f"{genre} with {name} lead, {round(bpm)} bpm"


def crops(store: ClipStore, chosen: list[int], vae: Vae) -> torch.Tensor:
    """Scaled latents (n, C, FRAMES, F) of the clips, from their first downbeat where enough is left after it."""
    moments = stored_latents(store, vae)
    per_second = moments.shape[2] * store.spec.sample_rate / store.waves.shape[1]
    found = []
    for clip in chosen:
        frames = [round(time * per_second) for time in store.rows[clip].fields["downbeats"]]
        start = next((frame for frame in frames if frame <= LATEST), 0)
        found.append(np.asarray(moments[clip][: moments.shape[1] // 2, start : start + FRAMES], dtype=np.float32))
    return torch.from_numpy(np.stack(found) * np.float32(vae.scaling_factor))


@torch.inference_mode()
def errors(unet: Any, latents: torch.Tensor, labels: torch.Tensor, step: int, seed: int) -> list[float]:
    """Mean squared error of v of each clip, the same noise for all labels."""
    scheduler = build_scheduler(LdmRecipe())
    noise = torch.randn(latents.shape, generator=torch.Generator().manual_seed(seed))
    steps = torch.full((len(latents),), step)
    noisy, wanted = scheduler.add_noise(latents, noise, steps), scheduler.get_velocity(latents, noise, steps)
    found: list[float] = []
    for start in range(0, len(latents), BATCH):
        part = slice(start, start + BATCH)
        seen = unet(noisy[part], steps[part], None, class_labels=labels[part]).sample
        found += (seen - wanted[part]).square().mean(dim=(1, 2, 3)).tolist()
    return found


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="held-out corpus, prepared")
    parser.add_argument("--model", default="default")
    parser.add_argument("--clips", type=int, default=150)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Trains the judges on a prepared corpus: `python scripts/train_judges.py --data CORPUS --out FOLDER [--model FOLDER]`.

A tenth of the clips (`--held-out`) is never trained on; the accuracies on it, on reconstructions of it when a model is
given, and on the clips of `--test` (another corpus with another seed) go into the card.
"""

from __future__ import annotations

import argparse
import os
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from musicldm.audio.mel import log_mel
from musicldm.data.store import ClipStore
from musicldm.evaluation.metrics.reconstruction import Codec
from musicldm.listeners.judges import Judges, classes_of
from musicldm.training.tasks.judges import JudgeRecipe, Progress, accuracies, fit_judges, split, tempo_ranges

Mels = npt.NDArray[np.float16]


def main() -> None:
    """Trains, measures, saves and prints the card."""
    options = _arguments()
    recipe = JudgeRecipe(minutes=options.minutes, seed=options.seed, steps=options.steps)
    store = ClipStore(options.data)
    train, held = split(store.rows, options.held_out, options.seed)
    held = held[: options.max_held_out]
    codec = Codec.load(options.model) if options.model else None
    rng = np.random.default_rng(options.seed)
    reconstructions = None
    if codec is not None:
        chosen = sorted(rng.choice(len(train), size=min(options.reconstructions, len(train)), replace=False).tolist())
        print(f"reconstructing {len(chosen)} clips with {options.model}", flush=True)
        reconstructions = (_reconstructed(codec, store, [train[i] for i in chosen]), chosen)
    judges = fit_judges(
        store.mels.take(train),
        [store.rows[i] for i in train],
        recipe,
        spec=store.spec,
        classes=classes_of(store.rows),
        reconstructions=reconstructions,
        progress=_show,
    )
    coded = None if reconstructions is None else {"model": options.model.name, "clips": len(reconstructions[1])}
    judges.card = {
        "held_out": _measure(judges, store, held),
        "tempi": tempo_ranges([store.rows[i] for i in train]),
        "clips": {"train": len(train), "held_out": len(held)},
        "reconstructions": coded,
        "data": options.data.name,
        "seed": options.seed,
        "recipe": asdict(recipe),
        "date": datetime.now(UTC).date().isoformat(),
        "torch": torch.__version__,
        "machine": f"{platform.machine()}, {torch.get_num_threads()} of {os.cpu_count()} cores",
    }
    if codec is not None:
        few = held[: options.reconstructions // 4]
        judges.card["held_out_reconstructed"] = accuracies(
            judges, _reconstructed(codec, store, few), [store.rows[i] for i in few]
        )
    if options.test is not None:
        test = ClipStore(options.test)
        judges.card["test"] = {"data": options.test.name, **_measure(judges, test, list(range(len(test))))}
    judges.save(options.out)
    for name in ("held_out", "held_out_reconstructed", "test"):
        if name in judges.card:
            print(name, judges.card[name])


def _measure(judges: Judges, store: ClipStore, index: Sequence[int]) -> dict[str, float]:
    return accuracies(judges, store.mels[list(index)], [store.rows[i] for i in index])


def _reconstructed(codec: Codec, store: ClipStore, index: Sequence[int]) -> Mels:
    """Log-mels of clips as they sound after VAE and vocoder, eight at a time to bound the memory."""
    parts = []
    for start in range(0, len(index), 8):
        waves = codec(store.mels[list(index[start : start + 8])])
        parts.append(log_mel(torch.from_numpy(waves), store.spec).numpy().astype(np.float16))
    return np.concatenate(parts)


def _show(progress: Progress) -> None:
    print(f"step {progress.step}  {100 * progress.fraction:.0f} %  loss {progress.loss:.3f}", flush=True)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="prepared corpus")
    parser.add_argument("--out", type=Path, required=True, help="folder for judges.safetensors and judges.json")
    parser.add_argument("--model", type=Path, help="model folder whose VAE and vocoder colour a part of the training")
    parser.add_argument("--test", type=Path, help="another prepared corpus, only measured")
    parser.add_argument("--minutes", type=float, default=7.0)
    parser.add_argument("--steps", type=int, default=JudgeRecipe.steps)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--held-out", type=float, default=0.1, help="share of the clips that is not trained on")
    parser.add_argument("--max-held-out", type=int, default=1000)
    parser.add_argument("--reconstructions", type=int, default=600, help="clips sent through the model's codec")
    return parser.parse_args()


if __name__ == "__main__":
    main()

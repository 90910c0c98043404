"""Does a LoRA of one genre pull other prompts towards it? `python -m benchmarks.quality.lora_genre [--genre metal]`.

Clips of one genre are composed, prepared and trained on by the commands that a user would give; then prompts that name
no genre are sung without the LoRA and at several scales, from the same seeds, and judges say which share is of that
genre. The figures go to benchmarks/results/lora_genre.json.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.circumstances import RESULTS, circumstances, fingerprint, plain
from musicldm.errors import unknown_choice
from musicldm.evaluation.metrics.estimate import difference, estimate
from musicldm.listeners.judges import Judges, judges_folder
from musicldm.pipeline import MusicLDMPipeline

RESULT = RESULTS / "lora_genre.json"
SCALES = (0.0, 0.5, 1.0)
MOODS = ("happy", "sad", "calm", "dark", "playful", "dreamy")
KINDS = ("music with a slow beat", "music with a fast beat", "a melody without drums", "a groove", "music for a film")


def main() -> None:
    """Trains, generates, judges and writes."""
    options = _arguments()
    torch.set_num_threads(options.threads)
    known = Judges.load(options.judges).classes["genre"]
    if options.genre not in known:
        raise unknown_choice("genre of the judges", options.genre, known)
    started = time.perf_counter()
    with tempfile.TemporaryDirectory(dir=options.work) as folder:
        lora = trained(Path(folder), options)
        steps = json.loads((lora / "log.jsonl").read_text(encoding="utf-8").splitlines()[-1])["step"]
        shares = {str(scale): heard(lora, scale, options) for scale in SCALES}
    base = [float(hit) for hit in shares["0.0"]]
    report = {
        "genre": options.genre,
        "share_of_genre": {scale: estimate(hits) for scale, hits in shares.items()},
        "more_than_without": {scale: difference([float(hit) for hit in hits], base) for scale, hits in shares.items()},
        "training": {name: getattr(options, name) for name in ("clips", "minutes", "rank", "mixed_precision")}
        | {"steps": steps},
        "judges": fingerprint(options.judges),
        "run": {"model": options.model, **circumstances(options, time.perf_counter() - started)},
    }
    RESULT.write_text(json.dumps(plain(report), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(plain(report), indent=1, ensure_ascii=False))


def prompts(count: int) -> list[str]:
    """Prompts without a genre."""
    return [f"{MOODS[i % len(MOODS)]} {KINDS[i // len(MOODS) % len(KINDS)]}" for i in range(count)]


def trained(work: Path, options: argparse.Namespace) -> Path:
    """The run's folder of a LoRA on clips of the genre alone."""
    command("corpus", work / "corpus", "--clips", options.clips, "--seed", options.seed, "--genre", options.genre)
    command("prepare", work / "corpus", "--out", work / "data", "--normalize", "none", "--model", options.model)
    places = ("--data", work / "data", "--out", work / "lora", "--init", options.model, "--model", options.model)
    command(
        "train", "ldm", *places, "--lora", options.rank, "--condition", "text", "--minutes", options.minutes,
        "--device", "cpu", "--mixed-precision", options.mixed_precision,
    )  # fmt: skip
    return work / "lora"


def command(*words: object) -> None:
    """Runs a musicldm command."""
    subprocess.run([sys.executable, "-m", "musicldm", *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def heard(lora: Path, scale: float, options: argparse.Namespace) -> list[bool]:
    """Of each prompt, whether the genre is heard."""
    pipe = MusicLDMPipeline.from_pretrained(options.model, dtype="auto")
    pipe.set_progress_bar_config(disable=True)
    if scale:
        pipe.load_lora(lora, scale)
    judges = Judges.load(options.judges)
    texts = prompts(options.prompts)
    hits = []
    for start in range(0, len(texts), options.batch_size):
        part = texts[start : start + options.batch_size]
        seeds = range(start, start + len(part))
        result: Any = pipe(part, generator=[torch.Generator().manual_seed(seed) for seed in seeds])
        verdict = judges(np.asarray(result.audios, dtype=np.float32))
        hits += [genre == options.genre for genre in verdict.best("genre")]
    return hits


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judges", type=judges_folder, default="default", help="or a folder of them")
    parser.add_argument("--model", default="default")
    parser.add_argument("--genre", default="metal")
    parser.add_argument("--clips", type=int, default=120)
    parser.add_argument("--minutes", type=float, default=8.0)
    parser.add_argument("--mixed-precision", choices=("no", "bf16"), default="no")
    parser.add_argument("--rank", type=int, default=16)
    parser.add_argument("--prompts", type=int, default=60)
    parser.add_argument("--batch-size", type=int, default=4)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=900)
    parser.add_argument("--work", type=Path, help="folder for corpus, data and run, a temporary one by default")
    return parser.parse_args()


if __name__ == "__main__":
    main()

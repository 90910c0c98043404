"""Does the shipped model repeat its training set? `python -m benchmarks.quality.model_novelty --corpus C --training T`.

C is a corpus composed of another seed. The model sings a caption of each of its clips, and both what it sings and the
clip itself, which nobody trained on, are checked against the index of the training set: a model that repeats has more
copies and lies nearer than new music of the same rules. It also sings captions of T, the training set, which bring back
what was learned by heart, if anything does. Whether its copies would be found at all is told by clips of T sent through
its VAE and vocoder. Figures go to benchmarks/results/model_novelty.json and .md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.circumstances import RESULTS, circumstances, fingerprint, plain
from benchmarks.quality.model_card import generate_waves
from musicldm.audio import Wave
from musicldm.audio.mel import MelSpec, log_mel
from musicldm.audio.reading import read
from musicldm.evaluation.codec import Codec
from musicldm.evaluation.metrics.estimate import estimate
from musicldm.model.folder import parts_folder
from musicldm.novelty.calibration import VERDICTS
from musicldm.novelty.check import NoveltyReport, check
from musicldm.novelty.index import open_index
from musicldm.pipeline import MusicLDMPipeline

RESULT = RESULTS / "model_novelty.json"
BATCH = 8


def main() -> None:
    """Sings, checks, writes."""
    options = _arguments()
    torch.set_num_threads(options.threads)
    started = time.perf_counter()
    rows = corpus_rows(options.corpus)[: options.clips]
    pipe = MusicLDMPipeline.from_pretrained(options.model, dtype="auto")
    pipe.set_progress_bar_config(disable=True)
    rate = pipe.sample_rate
    index = open_index(options.index)
    chosen = np.random.default_rng(options.seed).permutation(len(index.clips))[: options.clips].tolist()
    names = [index.clips[number].source for number in chosen]
    trained_on = [read(options.training / name, rate)[0] for name in names]
    captions = {row["file_name"]: row["text"] for row in corpus_rows(options.training)}
    sounds = {
        "the model's": list(generate_waves(pipe, [row["text"] for row in rows])),
        "the model's, captions of training clips": list(generate_waves(pipe, [captions[name] for name in names])),
        "new clips": [read(options.corpus / row["file_name"], rate)[0] for row in rows],
        "training clips through its VAE and vocoder": coded(parts_folder(options.model), trained_on, rate),
    }
    embedder = index.embedder("cpu")
    report = {
        "clips": len(rows),
        "model": fingerprint(parts_folder(options.model)),
        "index": {"identity": index.identity, "clips": len(index.clips)},
        "music": {
            name: figures([check(index, wave, rate, embedder, 1) for wave in waves]) for name, waves in sounds.items()
        },
        **circumstances(options, time.perf_counter() - started),
    }
    RESULT.write_text(json.dumps(plain(report), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    RESULT.with_suffix(".md").write_text(table(report), encoding="utf-8")
    print(table(report))


def corpus_rows(folder: Path) -> list[dict[str, Any]]:
    """The lines of a corpus' metadata."""
    return [json.loads(line) for line in (folder / "metadata.jsonl").read_text("utf-8").splitlines()]


def coded(model: Path, waves: Sequence[Wave], rate: int) -> list[Wave]:
    """Waves as they sound after the model's VAE and vocoder."""
    codec, spec = Codec.load(model), MelSpec(sample_rate=rate, f_max=rate / 2)
    out: list[Wave] = []
    for start in range(0, len(waves), BATCH):
        mels = log_mel(torch.from_numpy(np.stack(waves[start : start + BATCH])), spec)
        out += list(codec(mels.numpy()))
    return out


def figures(reports: Sequence[NoveltyReport]) -> dict[str, Any]:
    """Shares of the verdicts, the mean percentile, and how similar and how copied they are at most."""
    strength = np.array([0.0 if one.copied is None else one.copied.strength for one in reports])
    return {
        "verdicts": {name: estimate([one.verdict == name for one in reports]) for name in VERDICTS},
        "percentile": estimate([one.percentile / 100 for one in reports]),
        "similarity": {"median": float(np.median([one.similarity for one in reports]))},
        "strength": {"median": float(np.median(strength)), "largest": float(strength.max())},
    }


def table(report: dict[str, Any]) -> str:
    """As Markdown."""
    lines = [
        f"{report['clips']} captions of clips that nobody trained on: the model's music for them, and the clips. "
        "The same of the training set. All against its "
        f"{report['index']['clips']:,} clips; per cent, with 95 % intervals.",
        "",
        f"| music | {' | '.join(VERDICTS)} | percentile, mean | strength of a copy (above 1 it is one), largest |",
        "|---" * (len(VERDICTS) + 3) + "|",
    ]
    for name, found in report["music"].items():
        shares = [_cell(found["verdicts"][verdict]) for verdict in VERDICTS]
        largest = f"{found['strength']['largest']:.2f}"
        lines.append(f"| {name} | {' | '.join(shares)} | {_cell(found['percentile'])} | {largest} |")
    lines += ["", f"Model {report['model']}; {report['hardware']}, {report['date']}."]
    return "\n".join(lines) + "\n"


def _cell(one: Any) -> str:
    return f"{100 * one.mean:.1f} ({100 * one.low:.1f} to {100 * one.high:.1f})"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="composed corpus of another seed")
    parser.add_argument("--training", type=Path, required=True, help="composed corpus that it was trained on")
    parser.add_argument("--model", default="default")
    parser.add_argument("--index", default="default", help="novelty index of its training set")
    parser.add_argument("--clips", type=int, default=300)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.set_defaults(seed=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""The paper's comparison in small: `python -m benchmarks.quality.mixup_comparison --test PREPARED --work DIR`.

Does beat-synchronous mixup make music newer without making it worse (arXiv 2308.01546, tables 1 and 2)? On small
composed corpora UNets are trained with no mixup, simple mixup, BAM, BLM, and BLM with what this project adds, from the
same start, for the same number of steps, with several seeds each; VAE, vocoder and CLAP are the default model's. Every
UNet then sings the first caption of each held-out clip, from the same seeds, and what it sings is compared with those
clips (quality), with its captions (faithfulness) and with the clips that it was trained on (novelty).

Every run's figures are kept in --work as soon as they are there, and a training goes on from its checkpoint, so the
whole may be stopped at any time. Table and figure are made of the runs that are done: results/mixup_comparison.json and
.md, docs/images/mixup-comparison.svg.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.circumstances import circumstances, fingerprint, plain
from benchmarks.quality.model_card import generate_waves
from benchmarks.tables.mixup_comparison_table import write_results
from musicldm.data.store import ClipStore
from musicldm.evaluation.metrics.clap_score import clap_score
from musicldm.evaluation.metrics.divergence import divergence
from musicldm.evaluation.metrics.frechet import Gaussian, frechet_distance
from musicldm.evaluation.metrics.inception import inception_score
from musicldm.evaluation.metrics.similarity import nearest
from musicldm.evaluation.metrics.tempo import tempo_met
from musicldm.listeners.embedders import Embedder, open_embedder
from musicldm.listeners.judges import Judges, judges_folder
from musicldm.listeners.tempo import tempo_of
from musicldm.machine.devices import choose_device, dtypes_of_parts, fast_dtype
from musicldm.model.folder import parts_folder
from musicldm.pipeline import MusicLDMPipeline
from musicldm.training.loop.checkpoint import CHECKPOINT
from musicldm.training.mixup.mixing import MixupOptions
from musicldm.training.run import train

Waves = npt.NDArray[np.float32]
ARMS: Mapping[str, MixupOptions] = {
    "none": MixupOptions("none"),
    "simple": MixupOptions("simple"),
    "bam": MixupOptions("bam"),
    "blm": MixupOptions("blm"),
    "blm, better": MixupOptions("blm", captions="joined", fold_tempo=True, other_partner=True, match_key=True),
}
BATCH = 8
CORPUS_SEED = 50


@dataclass(frozen=True)
class Run:
    """One training: clips to train on, arm and seed."""

    size: int
    arm: str
    seed: int

    @property
    def name(self) -> str:
        return f"{self.size}-{self.arm.replace(', ', '-')}-{self.seed}"


def main() -> None:
    """Trains and measures what is missing, then writes table and figure."""
    options = _arguments()
    torch.set_num_threads(options.threads)
    runs = [Run(size, arm, seed) for seed in options.seeds for size in options.sizes for arm in options.arms]
    work: Path = options.work
    (work / "figures").mkdir(parents=True, exist_ok=True)
    settings = {
        "steps": options.steps, "init": options.init, "generations": options.generations,
        "model": fingerprint(parts_folder(options.model)),
        "clips": options.sizes, "seeds": options.seeds, "judges": fingerprint(options.judges),
        "mixed_precision": options.mixed_precision,
    }  # fmt: skip
    rows = []
    for run in runs:
        kept = work / "figures" / f"{run.name}.json"
        if not kept.is_file():
            started = time.perf_counter()
            data = prepared(work, run.size, options.model)
            found = measured(generated(trained(run, data, options), options), data, options)
            found["run"] = {**settings, **circumstances(options, time.perf_counter() - started)}
            kept.write_text(json.dumps(plain({**vars(run), **found}), indent=1) + "\n", encoding="utf-8")
        rows.append(json.loads(kept.read_text(encoding="utf-8")))
        write_results(rows)


def prepared(work: Path, size: int, model: str) -> Path:
    """The prepared corpus of this size; the larger ones hold the smaller ones' clips."""
    corpus, data = work / f"corpus-{size}", work / f"data-{size}"
    command("corpus", corpus, "--clips", size, "--seed", CORPUS_SEED)
    command("prepare", corpus, "--out", data, "--normalize", "none", "--beats", "metadata", "--model", model)
    return data


def command(*words: object) -> None:
    """Runs a musicldm command; each does only what is missing."""
    subprocess.run([sys.executable, "-m", "musicldm", *map(str, words)], check=True, stdout=subprocess.DEVNULL)


def trained(run: Run, data: Path, options: argparse.Namespace) -> Path:
    """The folder of a finished training."""
    out: Path = options.work / "runs" / run.name
    if not (out / "unet" / "config.json").is_file():
        train(
            "ldm",
            data=data,
            out=out,
            recipe="text",
            changes={"mixup": ARMS[run.arm]},
            steps=options.steps,
            seed=run.seed,
            resume=(out / CHECKPOINT).is_file(),
            init=parts_folder(options.init) if options.init != "none" else None,
            model=parts_folder(options.model),
            device=options.device,
            mixed_precision=options.mixed_precision,
        )
    return out


@torch.inference_mode()
def generated(out: Path, options: argparse.Namespace) -> Waves:
    """Waves (n, samples), the first caption of each of the first n held-out clips from the seed of its number."""
    from diffusers import UNet2DConditionModel

    dtype = fast_dtype(choose_device(options.device))
    pipe = MusicLDMPipeline.from_pretrained(options.model, dtype=dtypes_of_parts(dtype))
    pipe.register_modules(unet=UNet2DConditionModel.from_pretrained(out / "unet", torch_dtype=dtype))
    pipe.to(choose_device(options.device)).set_progress_bar_config(disable=True)
    rows = ClipStore(options.test).rows[: options.generations]
    return generate_waves(pipe, [row.captions[0] for row in rows], BATCH)


def measured(waves: Waves, data: Path, options: argparse.Namespace) -> dict[str, Any]:
    """All figures of a run; the genre of those clips alone whose genre the judges know."""
    clap = open_embedder(options.model, device=options.device)
    store = ClipStore(options.test)
    rows = store.rows[: len(waves)]
    real = np.stack([store.wave(i) for i in range(len(rows))])
    heard, reference = embedded(clap, waves), embedded(clap, real)
    judges = Judges.load(options.judges)
    verdict, truth = judges(waves), judges(real)
    genres, tempi = [row.fields["genre"] for row in rows], [row.fields["bpm"] for row in rows]
    known = judges.classes["genre"]
    asked = [(one, other) for one, other in zip(verdict.best("genre"), genres, strict=True) if other in known]
    priors = [judges.tempo_prior(verdict, i) for i in range(len(rows))]
    found = [tempo_of(wave, judges.spec.sample_rate, prior) for wave, prior in zip(waves, priors, strict=True)]
    kept = [(one, bpm) for one, bpm in zip(found, tempi, strict=True) if np.isfinite(one)]
    assert clap.text is not None
    return {
        "fad": frechet_distance(Gaussian.of(heard), Gaussian.of(reference)),
        "fad_judges": frechet_distance(Gaussian.of(judges.features(waves)), Gaussian.of(judges.features(real))),
        "kl": divergence(verdict.probabilities["genre"], truth.probabilities["genre"]),
        "inception": inception_score(verdict.probabilities["genre"]),
        "clap_score": clap_score(clap.text([row.captions[0] for row in rows]), heard).own,
        "genre": float(np.mean([one == other for one, other in asked])),
        "tempo": sum(tempo_met(one, bpm) for one, bpm in kept) / len(rows),
        **novelty(heard, reference, training_embeddings(clap, data)),
    }


def novelty(heard: Waves, reference: Waves, training: Waves) -> dict[str, float]:
    """SIM_AA, and where the similarities lie among those of clips that nobody trained on."""
    near, real = nearest(heard, [training]), nearest(reference, [training])
    percentile = [float((real.similarity < one).mean()) for one in near.similarity]
    return {
        "sim_aa_90": float((near.similarity > 0.90).mean()),
        "sim_aa_95": float((near.similarity > 0.95).mean()),
        "similarity": float(near.similarity.mean()),
        "percentile": float(np.mean(percentile)),
    }


def training_embeddings(clap: Embedder, data: Path) -> Waves:
    """Of the clips that were trained on (n, D), those that `prepare` stored."""
    assert clap.stored is not None
    return np.asarray(ClipStore(data).array(clap.stored)[:], dtype=np.float32)


def embedded(clap: Embedder, waves: Waves) -> Waves:
    """Embeddings (n, D) of waves (n, samples)."""
    return np.concatenate([clap.audio(waves[start : start + BATCH]) for start in range(0, len(waves), BATCH)])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--test", type=Path, required=True, help="held-out corpus, prepared, of another seed")
    parser.add_argument("--judges", type=judges_folder, default="default", help="or a folder of them")
    parser.add_argument("--work", type=Path, required=True, help="folder for corpora, runs and their figures")
    parser.add_argument("--model", default="default", help="whose VAE, vocoder and CLAP")
    parser.add_argument("--init", default="none", help="model whose UNet they start from; none: random weights")
    parser.add_argument("--sizes", type=int, nargs="+", default=[500, 2000])
    parser.add_argument("--arms", nargs="+", choices=ARMS, default=list(ARMS))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--generations", type=int, default=500)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--mixed-precision", choices=("no", "bf16", "fp16"), default="no", help="of the trainings")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.set_defaults(seed=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()

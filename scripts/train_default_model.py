"""Makes the shipped model from nothing: corpus → prepared data → vae → clap → vocoder → ldm → model folder → index.

    python scripts/train_default_model.py --work RUNS --out src/musicldm/shipped/default     (two CPU cores: ~5 h)
    python scripts/train_default_model.py --work RUNS --out MODEL --device cuda --minutes-scale 0.1

The model that ships now learnt from the first edition of the corpus, of 18 genres. This makes one from today's edition.

Every stage is a command of the package and can be run by hand; the lines are printed. A stage that has finished is
skipped and one that was stopped resumes, so the script can be started again at any time.
"""

from __future__ import annotations

import argparse
import json
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from musicldm.listeners.embedders import open_embedder
from musicldm.model.checksums import write_sums
from musicldm.model.folder import DEFAULT
from musicldm.model.settings import GenerationDefaults
from musicldm.novelty.build import BuildOptions, build_index
from musicldm.novelty.index import MANIFEST
from musicldm.training.assemble import assemble
from musicldm.training.loop.checkpoint import CHECKPOINT

CLIPS = 20_000
SEED = 0
NORMALIZE = "none"  # composed clips are mixed to their level
DEFAULTS = GenerationDefaults(
    num_inference_steps=10,
    guidance_scale=4.0,
    audio_length_in_s=10.24,
    presets={"draft": {"num_inference_steps": 6, "cache_interval": 2}, "best": {"num_inference_steps": 20}},
)
"""As benchmarks/quality/quality_vs_speed.py found: no way that it tried was measurably better than these."""


MIXUP = (
    "--mixup", "blm", "--mixup-prob", "0.25", "--mixup-captions", "mixed", "--mixup-sound", "mixed",
    "--mixup-with", "other-partner,fold-tempo,match-key",
)  # fmt: skip
"""A mixture's condition is the mixture of both clips' embeddings, so that a caption goes on meaning what it says."""


@dataclass(frozen=True)
class Stage:
    """One training: folder of its run, part, minutes on two CPU cores, what it exports, where it starts, options."""

    name: str
    part: str
    minutes: float
    exports: str
    recipe: str = "default"
    init: str | None = None
    model: str | None = None
    options: tuple[str, ...] = ()


STAGES = (
    Stage("vae", "vae", 40, "vae"),
    Stage("clap-text", "clap", 15, "text_encoder", recipe="text"),
    Stage("clap", "clap", 15, "text_encoder", recipe="audio", init="clap-text"),
    Stage("vocoder", "vocoder", 90, "vocoder", model="vae"),
    Stage("ldm", "ldm", 90, "unet", model="parts", options=MIXUP),
)


def musicldm(*words: object) -> None:
    command = [sys.executable, "-m", "musicldm", *map(str, words)]
    print("$", shlex.join(["musicldm", *command[3:]]), flush=True)
    subprocess.run(command, check=True)


def run_stage(stage: Stage, work: Path, device: str, scale: float) -> None:
    out = work / stage.name
    if (out / stage.exports).is_dir():
        print(f"{stage.name}: done already in {out}")
        return
    words: list[object] = ["train", stage.part, "--data", work / "data", "--out", out, "--device", device]
    words += ["--recipe", stage.recipe, "--minutes", stage.minutes * scale, "--seed", SEED]
    for option, folder in (("--init", stage.init), ("--model", stage.model)):
        if folder is not None:
            words += [option, work / folder]
    words += stage.options
    if (out / CHECKPOINT).is_file():
        words.append("--resume")
    musicldm(*words)


def gather_parts(work: Path) -> None:
    """One folder `parts` with links to what the LDM is trained on: the VAE and CLAP with its tokenizer."""
    parts = work / "parts"
    parts.mkdir(exist_ok=True)
    for run, names in (("vae", ("vae",)), ("clap", ("text_encoder", "tokenizer", "feature_extractor"))):
        for name in names:
            link = parts / name
            if not link.exists():
                link.symlink_to((work / run / name).resolve())


def add_index(data: Path, model: Path, device: str) -> None:
    """The novelty index of the training set, inside the model folder, as that of the model that ships."""
    with TemporaryDirectory(dir=model.parent) as temporary:
        made = Path(temporary) / "novelty"
        embedder = open_embedder(str(model), device=device)
        named = replace(embedder, identity=replace(embedder.identity, name=f"CLAP of {DEFAULT}"))
        build_index(data, made, named, BuildOptions(compact=True), opened_as=DEFAULT)
        manifest = json.loads((made / MANIFEST).read_text(encoding="utf-8"))
        # Whoever gets the model has not got this machine's folder, but can compose the clips.
        manifest["source"] = f"musicldm corpus --clips {manifest['clips']} --seed {SEED}"
        (made / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")
        shutil.rmtree(model / "novelty", ignore_errors=True)
        made.rename(model / "novelty")
    write_sums(model)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--work", type=Path, required=True, help="folder for the corpus, the prepared data and the runs"
    )
    parser.add_argument("--out", type=Path, required=True, help="the model folder to write")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda or mps")
    parser.add_argument("--clips", type=int, default=CLIPS, help=f"size of the corpus (default {CLIPS})")
    parser.add_argument("--minutes-scale", type=float, default=1.0, help="factor on the minutes of every stage")
    arguments = parser.parse_args()
    work: Path = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    musicldm("corpus", work / "corpus", "--clips", arguments.clips, "--seed", SEED)
    musicldm("prepare", work / "corpus", "--out", work / "data", "--normalize", NORMALIZE, "--beats", "model")
    for stage in STAGES:
        if stage.model == "parts":
            gather_parts(work)
        run_stage(stage, work, arguments.device, arguments.minutes_scale)
    clap = work / "clap"
    runs = {"vae": work / "vae", "vocoder": work / "vocoder", "unet": work / "ldm", "scheduler": work / "ldm"}
    runs |= dict.fromkeys(("text_encoder", "tokenizer", "feature_extractor"), clap)
    assemble(runs, arguments.out, DEFAULTS)
    add_index(work / "data", arguments.out, arguments.device)
    print(f"wrote {arguments.out}; measure it with: python -m benchmarks.quality.model_card --model {arguments.out}")


if __name__ == "__main__":
    main()

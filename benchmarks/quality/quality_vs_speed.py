"""Quality against speed: `python -m benchmarks.quality.quality_vs_speed --model M --corpus TEST`.

Each row is a way to sample: a scheduler and its spacing, steps, precision, engine, and the levers (guidance in an
interval of noise, reused deep features; a LoRA of `musicldm train distill`, without guidance, with `--distilled`).
All make the same prompts from the same seeds in one run. Told of each:

seconds     for one clip of the model's own length, warm and unscored, the median of five, all rows in turn
clap        CLAP score; genre, drums, lead, tempo: shares that judges and tempo tracker hear right
fad         Fréchet distance of the judges' embeddings to the corpus; with so few clips only rows can be compared
apart       mean absolute difference in nats of the log-mels from those of the reference, seed by seed
and, in the file, the mean differences of scores and shares from the reference, prompt by prompt, with their intervals

The reference is DDIM with 200 steps in float32. A row is on the front where no other is both faster and better in CLAP
score. Results go to results/quality_vs_speed.json, .md and .svg.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.circumstances import RESULTS, circumstances, fingerprint, plain
from benchmarks.quality.model_card import Bench, Hits, shares
from musicldm.audio.mel import log_mel
from musicldm.beats.tracker import BeatTracker
from musicldm.corpus.captions import evaluation_prompts
from musicldm.data.store import ClipStore
from musicldm.evaluation.metrics.estimate import difference, estimate
from musicldm.evaluation.metrics.frechet import Gaussian, frechet_distance
from musicldm.listeners.embedders import open_embedder
from musicldm.listeners.judges import Judges, judges_folder
from musicldm.machine.devices import dtypes_of_parts
from musicldm.pipeline import MusicLDMPipeline
from musicldm.sampling.schedulers import SCHEDULERS

SHARES = ("genre", "drums", "lead", "tempo", "tempo_folded")
PROMPT = "melodic techno with a fast beat and synths"


@dataclass(frozen=True)
class Way:
    """A way to sample: short name of a scheduler, what is set over the checkpoint's, arguments of the call."""

    scheduler: str
    steps: int
    spacing: Mapping[str, Any] = field(default_factory=dict)
    levers: Mapping[str, Any] = field(default_factory=dict)
    dtype: str = "bfloat16"
    engine: str = "torch"
    distilled: bool = False

    @property
    def name(self) -> str:
        extras = [f"{key} {value}".replace("use_", "").replace(" True", "") for key, value in self.spacing.items()]
        extras += [f"{key} {value}" for key, value in self.levers.items()]
        extras += [said for said, usual in ((self.dtype, "bfloat16"), (self.engine, "torch")) if said != usual]
        return ", ".join([f"{self.scheduler} {self.steps}", *(["distilled"] if self.distilled else []), *extras])


REFERENCE = Way("ddim", 200, dtype="float32")
_PLUS = "dpmsolver++"
WAYS = (
    REFERENCE,
    Way("ddim", 50),
    *(Way(_PLUS, steps) for steps in (5, 6, 8, 12, 20)),
    Way(_PLUS, 12, dtype="float32"),
    *(Way("unipc", steps) for steps in (6, 8)),
    *(Way(_PLUS, 8, {name: True}) for name in ("use_karras_sigmas", "use_lu_lambdas")),
    *(Way(_PLUS, 12, levers={"guidance_interval": ends}) for ends in ((0.0, 0.8), (0.2, 1.0))),
    *(Way(_PLUS, steps, levers={"cache_interval": 2}) for steps in (6, 8, 12)),
    Way(_PLUS, 12, levers={"cache_interval": 3}),
    Way(_PLUS, 8, levers={"cache_interval": 2, "guidance_interval": (0.2, 1.0)}),
    *(Way(_PLUS, 12, dtype=dtype, engine="openvino") for dtype in ("bfloat16", "int8")),
    *(Way(_PLUS, 6, levers={"cache_interval": 2}, dtype=dtype, engine="openvino") for dtype in ("bfloat16", "int8")),
)
DISTILLED = tuple(Way("lcm", steps, levers={"guidance_scale": 1.0}, distilled=True) for steps in (2, 4))


def main() -> None:
    """Makes all rows, writes the results after each, then table and picture."""
    options = _arguments()
    torch.set_num_threads(options.threads)
    ways = WAYS + (DISTILLED if options.distilled else ())
    pipes = {key: _pipeline(options, *key) for key in sorted({(way.engine, way.dtype, way.distilled) for way in ways})}
    judges = Judges.load(options.judges)
    report: dict[str, Any] = {"judges": judges.card.get("test"), "rows": {}}
    started = time.perf_counter()
    study = Study(options, pipes, judges)
    for way in ways:
        report["rows"][way.name] = {**asdict(way), **plain(study.measure(way))}
        print(way.name, report["rows"][way.name]["clap"], flush=True)
        (RESULTS / "quality_vs_speed.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    for name, seconds in study.seconds(ways).items():
        report["rows"][name]["seconds"] = round(seconds, 3)
    report["front"] = front(report["rows"])
    report["run"] = {"model": fingerprint(options.model), **circumstances(options, time.perf_counter() - started)}
    report["prompts"] = options.prompts
    (RESULTS / "quality_vs_speed.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "quality_vs_speed.md").write_text(table(report), encoding="utf-8")
    draw(report, RESULTS / "quality_vs_speed.svg")


class Study:
    """The prompts, and what each way makes of them."""

    def __init__(
        self, options: argparse.Namespace, pipes: dict[tuple[str, str, bool], MusicLDMPipeline], judges: Judges
    ) -> None:
        self.options, self.pipes, self.judges = options, pipes, judges
        self.prompts = evaluation_prompts(options.seed, options.prompts, held_out=False, genres=judges.classes["genre"])
        self.tracker = BeatTracker.from_pretrained()
        self.embedder = open_embedder(str(options.judges), device="cpu")
        store = ClipStore(options.corpus, judges.spec)
        real = np.concatenate([self.embedder.audio(store.wave(index)[None]) for index in range(len(store))])
        self.real = Gaussian.of(real)
        self.config = dict(next(iter(pipes.values())).scheduler.config)
        self.baseline: tuple[list[Hits], list[float], Any] | None = None

    def measure(self, way: Way) -> dict[str, Any]:
        """Quality of a way; the first one is what the others are compared with."""
        bench = Bench(self._ready(way), self.judges, self.tracker, self.options)
        waves, scores = bench.generate(
            [prompt.text for prompt in self.prompts], num_inference_steps=way.steps, **way.levers
        )
        answers, told = bench.hits(waves, self.prompts), [float(score) for score in scores if score is not None]
        mels = log_mel(torch.from_numpy(waves), self.judges.spec).numpy()
        if self.baseline is None:
            self.baseline = answers, told, mels
        reference, reference_told, reference_mels = self.baseline
        made = Gaussian.of(np.concatenate([self.embedder.audio(wave[None]) for wave in waves]))
        return {
            **{name: found for name, found in shares(answers).items() if name in SHARES},
            "clap": estimate(told),
            "fad": frechet_distance(made, self.real),
            "apart": estimate(np.abs(mels - reference_mels).mean(axis=(1, 2)).tolist()),
            "clap_gain": difference(told, reference_told),
            **{f"{name}_gain": _gain(answers, reference, name) for name in SHARES},
        }

    def seconds(self, ways: tuple[Way, ...]) -> dict[str, float]:
        """Median seconds of one clip, unscored; each round goes through all ways, so that all see the same machine."""
        taken: dict[str, list[float]] = {way.name: [] for way in ways}
        for turn in range(6):
            for way in ways:
                if way.steps > 50 and turn > 2:
                    continue
                pipe = self._ready(way)
                ears = pipe.feature_extractor
                pipe.feature_extractor = None  # without it nothing is scored
                started = time.perf_counter()
                pipe(PROMPT, num_inference_steps=way.steps, **way.levers)
                if turn > 0:  # the first warms up
                    taken[way.name].append(time.perf_counter() - started)
                pipe.feature_extractor = ears
        return {name: float(np.median(values)) for name, values in taken.items()}

    def _ready(self, way: Way) -> MusicLDMPipeline:
        pipe = self.pipes[way.engine, way.dtype, way.distilled]
        pipe.scheduler = SCHEDULERS[way.scheduler].build({**self.config, **way.spacing})
        return pipe


def _gain(answers: list[Hits], reference: list[Hits], name: str) -> Any:
    pairs = [
        (float(one[name]), float(other[name])) for one, other in zip(answers, reference, strict=True) if name in one
    ]
    return difference([one for one, _ in pairs], [other for _, other in pairs])


def front(rows: dict[str, dict[str, Any]]) -> list[str]:
    """Names of the rows that no other beats in both seconds and CLAP score, the fastest first."""
    ordered = sorted(rows, key=lambda name: (rows[name]["seconds"], -rows[name]["clap"]["mean"]))
    best, kept = -np.inf, []
    for name in ordered:
        if rows[name]["clap"]["mean"] > best:
            best = rows[name]["clap"]["mean"]
            kept.append(name)
    return kept


def table(report: dict[str, Any]) -> str:
    """Markdown: a row a way, the fastest first, those on the front marked."""
    run = report["run"]
    lines = [
        f"{report['prompts']} prompts, model {run['model']}, {run['hardware']}, torch {run['torch']}, {run['date']}. "
        f"*: differs from {REFERENCE.name} with 95 % confidence, prompt by prompt.",
        "",
        "| way | s a clip | CLAP | genre | drums | lead | tempo, folded | FAD | log-mel apart | front |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    rows = report["rows"]
    for name in sorted(rows, key=lambda name: rows[name]["seconds"]):
        row = rows[name]
        cells = [name, f"{row['seconds']:.2f}", _cell(row, "clap", "{:.3f}", 1)]
        cells += [_cell(row, column, "{:.0f} %", 100) for column in ("genre", "drums", "lead", "tempo_folded")]
        cells += [f"{row['fad']:.1f}", f"{row['apart']['mean']:.2f}", "yes" if name in report["front"] else ""]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _cell(row: Mapping[str, Any], column: str, form: str, scale: float) -> str:
    value, gain = row[column], row[f"{column}_gain"]
    certain = "*" if gain["low"] > 0 or gain["high"] < 0 else ""
    return form.format(scale * value["mean"]) + certain


def draw(report: dict[str, Any], path: Path) -> None:
    """CLAP score and its interval over seconds, the front joined by a line."""
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot

    rows, names = report["rows"], report["front"]
    figure, axes = pyplot.subplots(figsize=(8, 5))
    for name, row in rows.items():
        score = row["clap"]
        colour = "tab:blue" if name in names else "0.6"
        spread = [[score["mean"] - score["low"]], [score["high"] - score["mean"]]]
        axes.errorbar(row["seconds"], score["mean"], spread, fmt="o", color=colour, elinewidth=0.5)
        if name in names:
            axes.annotate(name, (row["seconds"], score["mean"]), (4, 6), textcoords="offset points", fontsize=7)
    axes.plot([rows[name]["seconds"] for name in names], [rows[name]["clap"]["mean"] for name in names])
    axes.set(xscale="log", xlabel="seconds for 10.24 s of music", ylabel="CLAP score", title=report["run"]["hardware"])
    figure.savefig(path, metadata={"Date": None})


def _pipeline(options: argparse.Namespace, engine: str, dtype: str, distilled: bool) -> MusicLDMPipeline:
    products = getattr(torch, dtype)
    stored = torch.float32 if engine == "openvino" else products
    pipe = MusicLDMPipeline.from_pretrained(str(options.model), dtype=dtypes_of_parts(stored))
    if distilled:
        pipe.load_lora(options.distilled)
        pipe.unet.fuse_lora()
    pipe.set_progress_bar_config(disable=True)
    if engine == "openvino":
        pipe.enable_openvino(products)
    return pipe


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--judges", type=judges_folder, default="default", help="or a folder of them")
    parser.add_argument("--corpus", type=Path, required=True, help="prepared corpus that the model has not seen")
    parser.add_argument("--distilled", type=Path, help="folder of a run of `musicldm train distill --lora`")
    parser.add_argument("--prompts", type=int, default=108)
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=11)
    return parser.parse_args()


if __name__ == "__main__":
    main()

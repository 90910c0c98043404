"""Ours against diffusers' MusicLDM pipeline: `python -m benchmarks.speed.generate --work FOLDER [--models default]`.

The other side is diffusers 0.39.0 with transformers 4.57.6, the newest pair in which its pipeline runs, in an
environment that this script makes in FOLDER. Both read the same checkpoint folder: `default`, the shipped model, and
`full`, the published size with random weights (made once in FOLDER, 2 GB). Every measurement is a process of its own,
and the ways of a group run in turn, A B C A B C, so that all see the same machine.

same       the same scheduler (DDIM), steps and guidance, one clip of 10.24 s, scored: the same work by other code
four       the same for four waves of a prompt
defaults   each with its own settings: 200 steps of DDIM there; ours as told in the table

Seconds are of a warm call (median over rounds), `cold` from the start of the process to its first music. The floor of a
stage is its operations over the rate of a matrix product on this machine. results/generate.json and .md.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.circumstances import RESULTS, processor
from musicldm import MusicLDMPipeline
from musicldm.model.folder import DEFAULT_FOLDER

ROOT = Path(__file__).resolve().parents[2]
UPSTREAM = ("torch==2.13.0", "diffusers==0.39.0", "transformers==4.57.6", "accelerate==1.15.0", "librosa==0.11.0")
WORKER = Path(__file__).parent / "generate_worker.py"
PACKAGES = ("torch", "diffusers", "transformers", "openvino", "nncf")
STEPS = 10
Spec = Mapping[str, Any]


def groups(model: str, options: argparse.Namespace) -> dict[str, dict[str, Spec]]:
    """What is run with a model: by group and name."""
    guidance = {"default": 4.0, "full": 2.0}[model]
    call = {"num_inference_steps": STEPS, "guidance_scale": guidance, "audio_length_in_s": 10.24, "scheduler": "ddim"}
    same = {"call": call, "scored": True, "same_wave": True}
    ours = {**same, "who": "ours"}
    upstream = {**same, "who": "diffusers", "dtype": "float32"}
    table: dict[str, dict[str, Spec]] = {
        "same": {
            "diffusers float32": upstream,
            "ours float32": {**ours, "dtype": "float32"},
            "ours bfloat16": {**ours, "dtype": "bfloat16"},
            "ours openvino float32": {**ours, "dtype": "float32", "engine": "openvino"},
            "ours openvino bfloat16": {**ours, "dtype": "bfloat16", "engine": "openvino"},
        }
    }
    four = {**call, "num_waveforms_per_prompt": 4}
    table["four"] = {
        name: {**table["same"][name], "call": four} for name in ("diffusers float32", "ours float32", "ours bfloat16")
    }
    own: dict[str, Any] = json.loads(options.own) if model == "full" else {}
    plain = {"scored": False, "same_wave": False}
    table["defaults"] = {
        "diffusers, 200 steps of DDIM": {
            **upstream, **plain, "calls": 0, "rounds": 1, "call": {**call, "num_inference_steps": 200},
        },
        "ours": {"who": "ours", "dtype": "bfloat16", "call": own, **plain},
        "ours, openvino": {"who": "ours", "dtype": "bfloat16", "engine": "openvino", "call": own, **plain},
        "ours, openvino, int8": {"who": "ours", "dtype": "int8", "engine": "openvino", "call": own, **plain},
    }  # fmt: skip
    if model == "default":
        table["defaults"]["ours, draft"] = {**table["defaults"]["ours"], "call": {"preset": "draft"}}
        table["defaults"]["ours, draft, openvino"] = {
            **table["defaults"]["ours, openvino"],
            "call": {"preset": "draft"},
        }
        table["defaults"]["ours, draft, openvino, int8"] = {
            **table["defaults"]["ours, openvino, int8"],
            "call": {"preset": "draft"},
        }
    return table


def main() -> None:
    """Measures all, writes after each group."""
    options = _arguments()
    torch.set_num_threads(options.threads)
    upstream = environment(options.work / "upstream")
    path = RESULTS / "generate.json"
    report: dict[str, Any] = json.loads(path.read_text()) if path.is_file() else {"models": {}}
    for model in options.models:
        folder = DEFAULT_FOLDER if model == "default" else full_size(options.work / "full", upstream)
        found: dict[str, Any] = report["models"].setdefault(model, {})
        for group, ways in groups(model, options).items():
            if group not in options.groups:
                continue
            found[group] = measured(folder, ways, upstream, options)
            found[group + "_run"] = circumstances(options)
            path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        if "floor" in options.groups:
            found["floor"] = floor(folder)
        path.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "generate.md").write_text(table(report), encoding="utf-8")
    print(table(report))


def measured(folder: Path, ways: Mapping[str, Spec], upstream: Path, options: argparse.Namespace) -> dict[str, Any]:
    """Each way's figures, medians over the rounds, and how far its waves are from the first one's."""
    told: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    waves: dict[str, Any] = {}
    for turn in range(options.rounds):
        for name, way in ways.items():
            if turn >= way.get("rounds", options.rounds):
                continue
            audio = options.work / "audio.npy"
            spec = {"calls": 1, "threads": options.threads, **way, "model": str(folder), "audio": str(audio)}
            python = upstream if way["who"] == "diffusers" else Path(sys.executable)
            told[name].append(run(python, spec))
            waves[name] = np.load(audio)
            print(f"{folder.name}: {name}: {told[name][-1]['whole_s']:.2f} s", flush=True)
    first = waves[next(iter(ways))]
    figures: dict[str, Any] = {}
    for name, rounds in told.items():
        figures[name] = _medians(rounds)
        if ways[name]["same_wave"]:
            figures[name]["apart"] = float(np.abs(np.sort(waves[name], axis=0) - np.sort(first, axis=0)).max())
    return figures


def run(python: Path, spec: Spec) -> dict[str, Any]:
    """A worker's figures."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(spec["threads"]), "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [python, WORKER, json.dumps(spec)], check=False, capture_output=True, text=True, env=environment
    )
    if done.returncode:
        raise SystemExit(f"{spec}: {done.stderr[-2000:]}")
    figures: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return figures


def _medians(rounds: list[dict[str, Any]]) -> dict[str, Any]:
    """Number by number; of the stages too."""
    made: dict[str, Any] = {}
    for key, value in rounds[0].items():
        if isinstance(value, dict):
            made[key] = _medians([one[key] for one in rounds])
        else:
            made[key] = round(float(np.median([one[key] for one in rounds])), 4)
    return made


def environment(folder: Path) -> Path:
    """The Python of an environment with diffusers' own pipeline, made where it is not there."""
    python = folder / "bin" / "python"
    if not python.is_file():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *UPSTREAM, "numpy", "scipy"], check=True)
    return python


def full_size(folder: Path, upstream: Path) -> Path:
    """The published size with random weights, saved by upstream's own pipeline."""
    checkpoint = folder / "checkpoint"
    if not (checkpoint / "model_index.json").is_file():
        folder.mkdir(parents=True, exist_ok=True)
        making = [str(upstream), "-m", "benchmarks.speed.parity_full_size", "checkpoint", str(folder)]
        subprocess.run(making, check=True, cwd=ROOT)
    return checkpoint


def floor(folder: Path) -> dict[str, Any]:
    """Operations of each stage for a clip of 10.24 s, and the seconds they take at the rate of a matrix product."""
    pipe = MusicLDMPipeline.from_pretrained(folder, verify=False)
    _, channels, frames, bins = pipe.geometry.latent_shape(1, 10.24)
    labels = torch.zeros(2, pipe.unet.config.projection_class_embeddings_input_dim)
    latents = torch.zeros(2, channels, frames, bins)
    mel = torch.zeros(1, frames * pipe.vae_scale_factor, pipe.vocoder.config.model_in_dim)
    counted = {
        "step": _operations(lambda: pipe.unet(latents, 1, None, class_labels=labels)),
        "vae": _operations(lambda: pipe.vae.decode(latents[:1])),
        "vocoder": _operations(lambda: pipe.vocoder(mel)),
    }
    rates = {name: _rate(getattr(torch, name)) for name in ("float32", "bfloat16")}
    seconds = {
        dtype: {stage: round(count / rate, 4) for stage, count in counted.items()} for dtype, rate in rates.items()
    }
    return {
        "giga_operations": {stage: round(count / 1e9, 1) for stage, count in counted.items()},
        "giga_operations_a_second": {name: round(rate / 1e9) for name, rate in rates.items()},
        "seconds": seconds,
    }


def _operations(work: Any) -> int:
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        work()
    return int(counter.get_total_flops())


def _rate(dtype: torch.dtype, size: int = 2048) -> float:
    """Operations a second of the best of several matrix products."""
    left, right = (torch.randn(size, size).to(dtype) for _ in range(2))
    taken = []
    for _ in range(8):
        started = time.perf_counter()
        left @ right
        taken.append(time.perf_counter() - started)
    return float(2 * size**3 / min(taken))


def circumstances(options: argparse.Namespace) -> dict[str, Any]:
    """Hardware, versions and date."""
    return {
        "hardware": f"{processor()}, {options.threads} of {os.cpu_count()} cores",
        "load": round(os.getloadavg()[0], 1),
        "ours": {name: version(name) for name in PACKAGES},
        "upstream": list(UPSTREAM),
        "rounds": options.rounds,
        "date": datetime.now(UTC).date().isoformat(),
    }


def table(report: Mapping[str, Any]) -> str:
    """Markdown: a table for each model and group, the ratio to its first row, and the floors."""
    lines = []
    titles = {
        "same": f"DDIM, {STEPS} steps, one clip, scored",
        "four": f"DDIM, {STEPS} steps, four waves of a prompt, scored",
        "defaults": "own settings, one clip, not scored",
    }
    for model, found in report["models"].items():
        for group, title in titles.items():
            if group not in found:
                continue
            told = found[group + "_run"]
            lines += [
                f"## {model}: {title}",
                "",
                f"{told['hardware']}, load {told['load']} at the end, {told['rounds']} rounds, {told['date']}.",
                "",
                "| way | whole s | ratio | CPU s | text | step | VAE | vocoder | scoring | cold s | MiB | apart |",
                "|---|---|---|---|---|---|---|---|---|---|---|---|",
            ]
            first = next(iter(found[group].values()))["whole_s"]
            lines += [_line(name, row, first) for name, row in found[group].items()]
            lines.append("")
        if "floor" in found:
            lines += _floor_lines(found)
    return "\n".join(lines)


def _line(name: str, row: Mapping[str, Any], first: float) -> str:
    stages = row["stages_s"]
    cells = [name, f"{row['whole_s']:.2f}", f"{first / row['whole_s']:.2f}", f"{row['cpu_s']:.2f}"]
    cells += [f"{stages.get(stage, 0):.3f}" for stage in ("text", "step", "vae", "vocoder", "scoring")]
    cells += [f"{row['cold_s']:.1f}", f"{row['peak_mib']:.0f}", f"{row['apart']:.1e}" if "apart" in row else ""]
    return f"| {' | '.join(cells)} |"


def _floor_lines(found: Mapping[str, Any]) -> list[str]:
    """How many times as long as its floor a stage takes."""
    floors = found["floor"]
    rates = ", ".join(f"{name} {rate}" for name, rate in floors["giga_operations_a_second"].items())
    lines = [f"Matrix products at {rates} · 10⁹ operations a second; operations and times over the floor:", ""]
    lines += ["| way | guided step | VAE | vocoder |", "|---|---|---|---|"]
    counts = floors["giga_operations"]
    lines.append(f"| 10⁹ operations | {counts['step']} | {counts['vae']} | {counts['vocoder']} |")
    for name, row in found.get("same", {}).items():
        least = floors["seconds"]["bfloat16" if "bfloat16" in name else "float32"]
        times = [row["stages_s"][stage] / least[stage] for stage in ("step", "vae", "vocoder")]
        lines.append(f"| {name} | {' | '.join(f'{value:.1f}' for value in times)} |")
    return [*lines, ""]


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True, help="for the environment, the full-size checkpoint, waves")
    parser.add_argument("--models", type=lambda text: text.split(","), default=["default", "full"])
    parser.add_argument("--groups", type=lambda text: text.split(","), default=["same", "four", "defaults", "floor"])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument(
        "--own",
        default='{"scheduler": "dpmsolver++", "num_inference_steps": 12}',
        help="JSON: our settings for the full-size model, as found best for the shipped one",
    )
    options = parser.parse_args()
    options.work.mkdir(parents=True, exist_ok=True)
    return options


if __name__ == "__main__":
    main()

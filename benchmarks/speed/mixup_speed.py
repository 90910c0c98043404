"""What mixup costs a training: `python -m benchmarks.speed.mixup_speed --data PREPARED [--model default] [--rounds 3]`.

Steps of the LDM on cached latents, without and with mixtures, half the clips being mixed. The variants take turns,
round by round; the batch after the next is made beside the step, as in any training. The figures go to
benchmarks/results/mixup_speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import tempfile
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.circumstances import RESULTS
from musicldm.data.store import ClipStore
from musicldm.model.folder import resolve
from musicldm.training.loop.options import LoopOptions
from musicldm.training.loop.trainer import Loop
from musicldm.training.mixup.mixing import MixupOptions
from musicldm.training.setup import Setup
from musicldm.training.tasks import ldm

RESULT = RESULTS / "mixup_speed.json"
PACKAGES = ("numpy", "torch", "diffusers")
FLOOR = 0.85
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "none": {"text_share": 1.0},
    "blm, anchor's caption": {"text_share": 1.0, "mixup": MixupOptions("blm")},
    "blm, captions mixed": {"text_share": 1.0, "mixup": MixupOptions("blm", captions="mixed")},
    "blm, captions joined": {"text_share": 1.0, "mixup": MixupOptions("blm", captions="joined")},
    "blm, sound mixed": {"text_share": 0.0, "mixup": MixupOptions("blm", sound_condition="mixed")},
    "blm, sound heard": {"text_share": 0.0, "mixup": MixupOptions("blm")},
    "bam, anchor's caption": {"text_share": 1.0, "mixup": MixupOptions("bam")},
}


def main() -> None:
    """Measures, prints and stores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="prepared folder with beats")
    parser.add_argument("--model", default="default")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--steps", type=int, default=6, help="of each variant in a round")
    parser.add_argument("--variants", nargs="+", choices=VARIANTS, default=list(VARIANTS))
    options = parser.parse_args()
    model = resolve(options.model)
    seconds: dict[str, list[float]] = {name: [] for name in options.variants}
    with tempfile.TemporaryDirectory() as folder:
        running = {name: _steps(name, options.data, model, Path(folder) / str(i)) for i, name in enumerate(seconds)}
        for _ in range(options.rounds):
            for name, steps in running.items():
                next(steps)
                started = time.perf_counter()
                for _ in range(options.steps):
                    next(steps)
                seconds[name].append((time.perf_counter() - started) / options.steps)
    plain = np.median(seconds["none"])
    report = {
        "share_of_speed": {name: round(float(plain / np.median(values)), 3) for name, values in seconds.items()},
        "seconds_a_step": {name: [round(value, 3) for value in values] for name, values in seconds.items()},
        "floor": FLOOR,
        "data": options.data.name,
        "hardware": f"{platform.machine()}, {torch.get_num_threads()} of {os.cpu_count()} cores",
        "versions": {name: version(name) for name in PACKAGES},
        "date": datetime.now(UTC).date().isoformat(),
    }
    RESULT.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1, ensure_ascii=False))


def _steps(name: str, data: Path, model: Path, out: Path) -> Iterator[dict[str, float]]:
    task = ldm.make_task(Setup(ClipStore(data), "default", VARIANTS[name], model, model))
    return Loop(task, LoopOptions(out, steps=1_000_000, device="cpu")).steps()


if __name__ == "__main__":
    main()

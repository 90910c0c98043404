"""What two measures save of a process' first music: `python -m benchmarks.speed.cold_start`.

vocoder   first and later seconds for the 1,024 frames of a clip of the shipped model, by the length of its pieces in
          margins ("whole": one piece)
imports   seconds to import the pipeline, with every module, and with those waiting that the command line lets wait

Each in processes of its own, in turn, medians over rounds. The figures go to benchmarks/results/cold_start.json.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from importlib.metadata import version
from statistics import median

from benchmarks.circumstances import RESULTS

RESULT = RESULTS / "cold_start.json"
MARGINS = {"whole": 1_000_000, "50": 50, "20": 20, "8": 8}
DTYPES = ("bfloat16", "float32")
IMPORTS = ("all at once", "some waiting")
LATER = 9
PACKAGES = ("numpy", "scipy", "torch", "diffusers", "transformers")


def main() -> None:
    """Measures, prints and stores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--one", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.one:
        print(json.dumps(imports(options.one[1]) if options.one[0] == "imports" else vocoder(*options.one[1:])))
        return
    wanted: list[tuple[str, ...]] = [("vocoder", dtype, pieces) for dtype in DTYPES for pieces in MARGINS]
    wanted += [("imports", kind) for kind in IMPORTS]
    told: dict[tuple[str, ...], list[dict[str, float]]] = {one: [] for one in wanted}
    for _ in range(options.rounds):
        for one, figures in told.items():
            line = [sys.executable, __file__, "--one", *one]
            done = subprocess.run(line, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            figures.append(json.loads(done.stdout))
    found = {
        " ".join(one): {name: round(median(each[name] for each in figures), 4) for name in figures[0]}
        for one, figures in told.items()
    }
    for what, seconds in found.items():
        print(what, seconds)
    from benchmarks.circumstances import processor

    result = {
        "seconds": found,
        "rounds": options.rounds,
        "hardware": f"{processor()}, {os.cpu_count()} cores",
        "load": round(os.getloadavg()[0], 1),
        "versions": {name: version(name) for name in PACKAGES},
        "date": datetime.now(UTC).date().isoformat(),
    }
    RESULT.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def vocoder(dtype: str, pieces: str) -> dict[str, float]:
    """Seconds of the first call of this process, and the median of later ones."""
    import torch

    from musicldm import MusicLDMPipeline
    from musicldm.model import vocoder as decoding

    part = MusicLDMPipeline.from_pretrained("default", dtype=getattr(torch, dtype)).vocoder
    decoding._MARGINS_A_PIECE = MARGINS[pieces]
    decoding._VOCODER_FRAMES = MARGINS[pieces] * decoding.receptive_frames(part.config)
    mel = torch.randn(1, 1024, part.config.model_in_dim, generator=torch.Generator().manual_seed(0)).to(part.dtype)
    seconds = []
    with torch.no_grad():
        for _ in range(1 + LATER):
            started = time.perf_counter()
            decoding.HifiGan(part)(mel)
            seconds.append(time.perf_counter() - started)
    return {"first": seconds[0], "later": median(seconds[1:])}


def imports(kind: str) -> dict[str, float]:
    """Seconds to import the pipeline in this process."""
    from musicldm.cli import startup

    if kind == IMPORTS[0]:
        startup._SELDOM = ()
    started = time.perf_counter()
    with startup.loading_for_good():
        import musicldm.pipeline  # noqa: F401
    return {"imports": time.perf_counter() - started}


if __name__ == "__main__":
    main()

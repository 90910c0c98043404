"""How fast a corpus is composed: `python -m benchmarks.speed.corpus_speed [--clips 408] [--sample-rate 48000] …`.

A whole `musicldm corpus` in a process of its own, from its start to its last file, against the length of its music.
Then one process renders some clips of every style and says where its time goes (time of its thread, so that other work
on the machine counts less). The figures go to benchmarks/results/corpus_speed.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any

import numpy as np

from benchmarks.circumstances import RESULTS
from musicldm.corpus.composing.arrangement import compose
from musicldm.corpus.sound import players, rendering
from musicldm.corpus.sound.degradation import degrade
from musicldm.corpus.sound.soundfont import SoundFont
from musicldm.corpus.sound.soundfonts import find_soundfonts
from musicldm.corpus.truth import GENRES

RESULT = RESULTS / "corpus_speed.json"
PACKAGES = ("numpy", "scipy", "tinysoundfont", "soundfile")
CLIP_SECONDS = 10.24
# What is timed inside the renderer, outermost first; what a stage contains is taken from it.
STAGES: tuple[tuple[Any, str, str], ...] = (
    (rendering, "play", "synthesiser"),
    (SoundFont, "play", "sound fonts"),
    (players, "insert", "effects of parts"),
    (rendering, "insert", "effects of parts"),
    (rendering, "balance", "levels, echo, places"),
    (rendering, "echo", "levels, echo, places"),
    (rendering, "sweep", "levels, echo, places"),
    (players, "stand", "levels, echo, places"),
    (rendering, "response", "room"),
    (rendering, "reverberate", "room"),
    (rendering, "master", "master"),
)


def main() -> None:
    """Measures, prints and stores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=8 * len(GENRES))
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--sample-rate", type=int, default=48000)
    parser.add_argument("--channels", type=int, default=2)
    options = parser.parse_args()
    report = {
        "clips": options.clips,
        "workers": options.workers,
        "sample_rate": options.sample_rate,
        "channels": options.channels,
        **whole_command(options),
        "one_core": one_core(options),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}",
        "versions": {name: version(name) for name in PACKAGES},
        "date": datetime.now(UTC).date().isoformat(),
    }
    RESULT.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=1))


def whole_command(options: argparse.Namespace) -> dict[str, float]:
    """Wall and processor seconds of `musicldm corpus`."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "musicldm", "corpus", folder, "--clips", str(options.clips)]
        command += ["--sample-rate", str(options.sample_rate), "--channels", str(options.channels)]
        started = time.perf_counter()
        subprocess.run([*command, "--workers", str(options.workers)], check=True, capture_output=True)
        wall = time.perf_counter() - started
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = used.ru_utime + used.ru_stime
    music = CLIP_SECONDS * options.clips
    return {
        "seconds": round(wall, 2),
        "cpu_seconds": round(cpu, 2),
        "times_real_time": round(music / wall, 1),
        "times_real_time_a_cpu_second": round(music / cpu, 1),
    }


def one_core(options: argparse.Namespace) -> dict[str, Any]:
    """A clip of every style in this process, the fonts loaded: milliseconds a clip by stage, best of three."""
    fonts = [SoundFont(path) for path in find_soundfonts()]
    for font in fonts:
        font.synth(options.sample_rate)
    runs = []
    for _ in range(3):
        spent = Timer()
        by_style = {genre: spent.clip(genre, index, fonts, options) for index, genre in enumerate(GENRES)}
        runs.append((sum(by_style.values()), by_style, spent.stages))
    total, by_style, stages = min(runs, key=lambda run: run[0])
    slowest = sorted(by_style, key=lambda genre: by_style[genre])
    return {
        "times_real_time": round(CLIP_SECONDS * len(GENRES) / total, 1),
        "milliseconds_a_clip": {
            name: round(1000 * stages[name] / len(GENRES), 1) for name in sorted(stages, key=lambda name: -stages[name])
        },
        "fastest": {genre: round(CLIP_SECONDS / by_style[genre]) for genre in slowest[:3]},
        "slowest": {genre: round(CLIP_SECONDS / by_style[genre]) for genre in slowest[-3:]},
    }


class Timer:
    """Thread time by stage; a stage inside another counts once, for the inner one."""

    def __init__(self) -> None:
        self.stages: defaultdict[str, float] = defaultdict(float)
        self._inner: list[float] = []

    def clip(self, genre: str, index: int, fonts: list[SoundFont], options: argparse.Namespace) -> float:
        """Seconds to compose, render and spoil one clip."""
        drawn = index % len(fonts)
        order = [*fonts[drawn:], *fonts[:drawn]]
        began = time.thread_time()
        score = self.timed("composing", compose)(1000 + index, seconds=CLIP_SECONDS, genre=genre)
        originals = [(owner, name, getattr(owner, name)) for owner, name, _ in STAGES]
        for owner, name, stage in STAGES:
            setattr(owner, name, self.timed(stage, getattr(owner, name)))
        try:
            render = self.timed("mixing", rendering.render)
            wave = render(score, order, sample_rate=options.sample_rate, channels=options.channels)
        finally:
            for owner, name, function in originals:
                setattr(owner, name, function)
        spoil = self.timed("spoiling", degrade)
        spoil(wave, score.truth.quality, options.sample_rate, np.random.default_rng(index))
        return time.thread_time() - began

    def timed(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its own time added to `stage`."""

        def run(*arguments: Any, **named: Any) -> Any:
            self._inner.append(0.0)
            began = time.thread_time()
            result = function(*arguments, **named)
            spent = time.thread_time() - began
            self.stages[stage] += spent - self._inner.pop()
            if self._inner:
                self._inner[-1] += spent
            return result

        return run


if __name__ == "__main__":
    main()

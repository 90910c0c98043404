"""How well beats are tracked: `python -m benchmarks.quality.beats [--model M] [--published final0.ckpt] [--clips 200]`.

Every set of music of unseen seeds goes through the tracker, through the same network with downbeats picked as peaks (as
beat_this does), and through librosa's tracker. F-measures by mir_eval within ±70 ms over whole clips, nothing trimmed
at the beginning; tempo within 4 % (accuracy 1), or of half, double, two thirds, three halves (accuracy 2). The sets:

held-out        composed clips, the sound font of the training
other font      composed clips, TimGM6mb, unseen in training
a minute        composed clips of 60 s
FluidSynth      composed scores through FluidSynth with TimGM6mb, 44.1 kHz
plain …         drums and tones of sines and noise, no sound font, 44.1 kHz

Composed clips are of all styles of `musicldm corpus`; the shipped network learnt from its first edition, of 18 genres.

The figures go to results/beats.json and, as a table, to results/beats.md.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import mir_eval
import numpy as np
import torch
from librosa.beat import beat_track

from benchmarks.circumstances import RESULTS, circumstances, fingerprint, plain
from benchmarks.quality.beats_music import Piece, composed, fluidsynth_installed, played, synthesised
from benchmarks.tables.beats_table import table
from musicldm.audio.resampling import resample
from musicldm.beats.beats import Beats
from musicldm.beats.network import DEFAULT, DEFAULT_FOLDER
from musicldm.beats.picking import pick_peaks
from musicldm.beats.spectrum import FRAMES_PER_SECOND
from musicldm.beats.tracker import BeatTracker
from musicldm.evaluation.metrics.estimate import estimate
from musicldm.evaluation.metrics.tempo import tempo_met

RESULT = RESULTS / "beats.json"
TRAINING_FONT = Path("/usr/share/sounds/sf3/FluidR3Mono_GM.sf3")
UNSEEN_FONT = Path("/usr/share/sounds/sf2/TimGM6mb.sf2")
PACKAGES = ("mir_eval", "beat-this", "tinysoundfont", "soxr")
WINDOW = 0.07
SPEED_SECONDS = 180.0
Hear = Callable[[Piece], Beats]


def main() -> None:
    """Measures, prints and stores."""
    options = _arguments()
    torch.set_num_threads(options.threads)
    tracker = BeatTracker.from_pretrained(options.model)
    systems: dict[str, Hear] = {
        "tracker": lambda piece: tracker(piece.wave, piece.rate),
        "peaks only": lambda piece: peaks_only(tracker, piece),
        "librosa": by_librosa,
    }
    if options.published is not None:
        other = BeatTracker.from_pretrained(options.published)
        systems["beat_this, published"] = lambda piece: other(piece.wave, piece.rate)
    started = time.perf_counter()
    sets = {}
    for name, pieces in music(options):
        sets[name] = measure(pieces, systems)
        print(name, json.dumps(plain(sets[name]["systems"]["tracker"])), flush=True)
    folder = DEFAULT_FOLDER if options.model == DEFAULT else Path(options.model)
    report = {
        "sets": sets,
        "speed": {"seconds_of_music": SPEED_SECONDS, "times_real_time": speed(tracker)},
        "fluidsynth": fluidsynth_installed(),
        "run": {
            "model": fingerprint(folder),
            **circumstances(options, time.perf_counter() - started),
            **{package: version(package) for package in PACKAGES},
        },
    }
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(plain(report), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    options.out.with_suffix(".md").write_text(table(plain(report)), encoding="utf-8")
    print(table(plain(report)))


def music(options: argparse.Namespace) -> Iterator[tuple[str, Iterator[Piece]]]:
    """The sets by name; each is made as it is heard."""
    clips, few, seed = options.clips, max(options.clips // 4, 1), options.seed
    yield "held-out", composed(TRAINING_FONT, seed, clips)
    yield "other font", composed(UNSEEN_FONT, seed + 1, clips)
    yield "a minute", composed(TRAINING_FONT, seed + 2, max(few // 3, 1), 60.0)
    if fluidsynth_installed():
        yield "FluidSynth", played(UNSEEN_FONT, seed + 3, few)
    yield "plain 4/4", synthesised("4/4", seed, few)
    yield "plain 4/4, no drums", synthesised("4/4", seed + 1, few, drums=False)
    yield "plain 4/4, tempo jumps", synthesised("4/4", seed + 2, few, change=True)
    for offset, meter in enumerate(("3/4", "6/8", "5/4"), 3):
        yield f"plain {meter}", synthesised(meter, seed + offset, few)


def measure(pieces: Iterator[Piece], systems: Mapping[str, Hear]) -> dict[str, Any]:
    """Every piece through every system: means with their intervals."""
    values: dict[str, dict[str, list[float]]] = {name: {} for name in systems}
    count, seconds = 0, 0.0
    for piece in pieces:
        count, seconds = count + 1, seconds + len(piece.wave) / piece.rate
        for name, hear in systems.items():
            for measured, value in scores(hear(piece), piece).items():
                values[name].setdefault(measured, []).append(value)
    means = {name: {what: estimate(list_) for what, list_ in found.items()} for name, found in values.items()}
    return {"pieces": count, "seconds": round(seconds, 1), "systems": means}


def scores(found: Beats, piece: Piece) -> dict[str, float]:
    """What is right of one piece, each 0 to 1; no tempo and no meter heard are misses."""
    out = {
        "beat_f": f_measure(piece.beats, found.beats),
        "downbeat_f": f_measure(piece.downbeats, found.downbeats),
        "meter": float(found.meter == piece.meter),
    }
    if piece.bpm is not None:
        heard = found.tempo > 0
        out["tempo_acc1"] = float(heard and tempo_met(found.tempo, piece.bpm))
        out["tempo_acc2"] = float(heard and tempo_met(found.tempo, piece.bpm, folded=True))
    return out


def f_measure(true: tuple[float, ...], found: tuple[float, ...]) -> float:
    if not true or not found:
        return float(not true and not found)
    return float(mir_eval.beat.f_measure(np.asarray(true), np.asarray(found), WINDOW))


def peaks_only(tracker: BeatTracker, piece: Piece) -> Beats:
    """Downbeats as peaks of their own, moved to the nearest beat, as beat_this picks them."""
    beats, downbeats = (pick_peaks(logits) for logits in tracker.logits(piece.wave, piece.rate))
    if not len(beats):
        return Beats.of([], [])
    nearest = beats[np.abs(beats[None] - downbeats[:, None]).argmin(axis=1)]
    return Beats.of(beats / FRAMES_PER_SECOND, nearest / FRAMES_PER_SECOND)


def by_librosa(piece: Piece) -> Beats:
    """`librosa.beat.beat_track` with its defaults; it hears no downbeats."""
    wave = resample(piece.wave, piece.rate, 22050)
    _, beats = beat_track(y=wave, sr=22050, units="time")
    return Beats.of(beats, [])


def speed(tracker: BeatTracker) -> float:
    """Seconds of music at 44.1 kHz tracked in a second, all steps counted; the best of three."""
    wave = np.random.default_rng(0).normal(0, 0.1, round(SPEED_SECONDS * 44100)).astype(np.float32)
    best = np.inf
    for _ in range(3):
        started = time.perf_counter()
        tracker(wave, 44100)
        best = min(best, time.perf_counter() - started)
    return float(SPEED_SECONDS / best)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=DEFAULT, help="default, or the folder of a beat model")
    parser.add_argument("--published", help="a .ckpt of beat_this, or final0, for one more column")
    parser.add_argument("--clips", type=int, default=200, help="of the first two sets; others have a quarter")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--seed", type=int, default=7001, help="of the composed sets; the corpus of the training has 0")
    parser.add_argument("--out", type=Path, default=RESULT)
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""Are copies told from new music? `python -m benchmarks.quality.novelty_roc --corpus C --novel N [--index I]`.

Copies of indexed clips are planted, changed in one way each, and sought among all indexed clips; clips composed by the
same rules from other seeds are the new music. The index is the one that ships, or another one of that corpus, and the
thresholds are those that it stores, from comparing its clips with one another: the new clips only measure the false
alarms. A copy counts as found if the strength of what tells it is above 1, its threshold, and the clip named is the
right one; by onsets, by outline, and by the stronger of both, as `musicldm novelty check` does. For comparison the same
is done with the largest CLAP cosine of whole clips. Figures go to benchmarks/results/novelty_roc.json and .md as they
come in.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.circumstances import RESULTS, circumstances, plain
from benchmarks.quality.model_novelty import coded
from musicldm.audio import Wave
from musicldm.audio.reading import read
from musicldm.corpus.composing.arrangement import compose
from musicldm.corpus.sound.rendering import render
from musicldm.corpus.sound.soundfont import SoundFont
from musicldm.evaluation.metrics.estimate import estimate
from musicldm.listeners.embedders import Embedder
from musicldm.model.folder import parts_folder
from musicldm.novelty.agreement import best_agreement
from musicldm.novelty.fingerprint import RATE, peaks_of
from musicldm.novelty.index import NoveltyIndex, open_index
from musicldm.novelty.outline import best_outlined, outline_of

RESULT = RESULTS / "novelty_roc.json"
TARGETS = ("exact", "low pass 1.5 kHz", "high pass 500 Hz", "telephone", "noise at -10 dB", "cut to 3 s")
TARGET = 0.99
FALSE_ALARMS = (0.001, 0.003, 0.01, 0.03, 0.1)
_SAVED_EVERY = 10

WAYS = {"copy": "found", "onsets": "by onsets", "outline": "by outline", "cosine": "by CLAP cosine"}

Numbers = npt.NDArray[np.float64]
Scores = dict[str, tuple[float, int]]
"""By way: strength, 1 at the threshold, and the clip that it is for."""


@dataclass(frozen=True)
class Source:
    """A clip that is copied: its wave, another track to mix with, and its seed in the corpus."""

    wave: Wave
    other: Wave
    seed: int
    rng: np.random.Generator


def _filtered(edges: float | list[float], kind: str) -> Callable[[Source], Wave]:
    from scipy.signal import butter, sosfilt

    sections = butter(4 if kind != "band" else 2, edges, kind, fs=RATE, output="sos")
    return lambda source: np.asarray(sosfilt(sections, source.wave), np.float32)


def _noisy(source: Source) -> Wave:
    return _under(source.wave, source.rng.standard_normal(len(source.wave), dtype=np.float32), -10)


def _under(wave: Wave, other: Wave, decibels: float) -> Wave:
    """A wave plus another that is so many decibels louder."""
    gain = _rms(wave) / _rms(other) * 10 ** (decibels / 20)
    return np.asarray(wave + np.float32(gain) * other, np.float32)


def _rms(wave: Wave) -> float:
    return float(np.sqrt(np.mean(np.square(wave), dtype=np.float64))) + 1e-9


def _cut(source: Source) -> Wave:
    length = 3 * RATE
    start = int(source.rng.integers(len(source.wave) - length))
    return source.wave[start : start + length]


def _transposed(semitones: int) -> Callable[[Source], Wave]:
    from librosa.effects import pitch_shift

    return lambda source: np.asarray(pitch_shift(source.wave, sr=RATE, n_steps=semitones), np.float32)


def _stretched(rate: float) -> Callable[[Source], Wave]:
    from librosa.effects import time_stretch

    return lambda source: np.asarray(time_stretch(source.wave, rate=rate), np.float32)


def kinds(font: Path, model: Path) -> dict[str, Callable[[Source], Wave]]:
    """What is done to a clip, by name."""
    other_font = SoundFont(font)
    return {
        "exact": lambda source: source.wave,
        "low pass 1.5 kHz": _filtered(1500, "low"),
        "high pass 500 Hz": _filtered(500, "high"),
        "telephone": _filtered([300, 3400], "band"),
        "noise at -10 dB": _noisy,
        "cut to 3 s": _cut,
        "with another track at -12 dB": lambda source: _under(source.wave, source.other, -12),
        "with another track at -6 dB": lambda source: _under(source.wave, source.other, -6),
        "6 dB under another track": lambda source: _under(source.wave, source.other, 6),
        "12 dB under another track": lambda source: _under(source.wave, source.other, 12),
        "1 semitone up": _transposed(1),
        "1 semitone down": _transposed(-1),
        "2 semitones up": _transposed(2),
        "2 semitones down": _transposed(-2),
        "6 % faster": _stretched(1.06),
        "6 % slower": _stretched(1 / 1.06),
        "other sound font": lambda source: render(compose(source.seed), other_font),
        "through the model's VAE and vocoder": lambda source: coded(model, [source.wave], RATE)[0],
    }


@dataclass(frozen=True)
class Bench:
    """Everything that is searched, and what embeds."""

    index: NoveltyIndex
    embedder: Embedder

    def scores(self, wave: Wave) -> Scores:
        index, usual = self.index, self.index.calibration
        onsets = best_agreement(peaks_of(wave), index.landmarks, index.peaks.__getitem__)
        outline = best_outlined(outline_of(wave), index.words, index.outlines.__getitem__)
        cosines, numbers = index.nearest_clips(self.embedder.audio(np.asarray(wave, np.float32)[None]))
        found = {
            "onsets": (onsets.evidence / usual.copy, onsets.clip) if onsets else (0.0, -1),
            "outline": (outline.score / usual.copy_outlined, outline.clip) if outline else (0.0, -1),
            "cosine": (float(cosines[0, 0]) / usual.very_close, int(numbers[0, 0])),
        }
        return {"copy": max(found["onsets"], found["outline"]), **found}


def main() -> None:
    """Plants, searches, measures; writes the figures every few copies."""
    options = _arguments()
    torch.set_num_threads(options.threads)
    started = time.perf_counter()
    index = open_index(options.index)
    bench, calibration = Bench(index, index.embedder("cpu")), index.calibration
    lines = (options.corpus / "metadata.jsonl").read_text("utf-8").splitlines()
    seeds = {row["file_name"]: int(row["seed"]) for row in map(json.loads, lines)}
    new = [read(path, RATE)[0] for path in sorted((options.novel / "audio").iterdir())[: options.new]]
    print(f"onsets from {calibration.copy:.1f}, outline from {calibration.copy_outlined:.1f}", flush=True)
    novel = [bench.scores(wave) for wave in new]
    print(f"{len(novel)} new clips: {time.perf_counter() - started:.0f} s", flush=True)
    hits: dict[str, list[tuple[int, Scores]]] = {}
    for number, (name, source, wave) in enumerate(_copies(index, new, seeds, options), 1):
        hits.setdefault(name, []).append((source, bench.scores(wave)))
        if number % (_SAVED_EVERY * len(hits)) == 0:
            _store(hits, novel, index, options, started)
    _store(hits, novel, index, options, started)


def _copies(
    index: NoveltyIndex, new: list[Wave], seeds: dict[str, int], options: argparse.Namespace
) -> Iterator[tuple[str, int, Wave]]:
    """Kind, number of the clip that is copied, and the copy: all kinds of one clip, then of the next."""
    made = kinds(options.font, parts_folder(options.model))
    rng = np.random.default_rng(options.seed)
    for clip in rng.permutation(len(index.clips))[: options.copies].tolist():
        name = index.clips[clip].source
        wave, other = read(options.corpus / name, RATE)[0], new[int(rng.integers(len(new)))]
        size = min(len(other), len(wave))
        source = Source(wave[:size], other[:size], seeds[name], rng)
        for kind, change in made.items():
            yield kind, clip, change(source)


def _store(
    hits: dict[str, list[tuple[int, Scores]]],
    novel: list[Scores],
    index: NoveltyIndex,
    options: argparse.Namespace,
    started: float,
) -> None:
    usual = index.calibration
    new = {way: np.array([one[way][0] for one in novel]) for way in WAYS}
    report = {
        "clips": len(index.clips),
        "index": index.identity,
        "new_clips": len(novel),
        "copies_a_kind": len(next(iter(hits.values()))),
        "target": TARGET,
        "threshold": {"onsets": usual.copy, "outline": usual.copy_outlined, "cosine": usual.very_close},
        "false_alarms": {way: estimate((strength > 1).tolist()) for way, strength in new.items()},
        "new": {way: np.quantile(strength, (0.5, 0.9, 0.99, 1)).tolist() for way, strength in new.items()},
        "kinds": {
            name: {way: _found([(source, scores[way]) for source, scores in found], new[way]) for way in WAYS}
            for name, found in hits.items()
        },
        **circumstances(options, time.perf_counter() - started),
    }
    RESULT.write_text(json.dumps(plain(report), indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    RESULT.with_suffix(".md").write_text(_table(report), encoding="utf-8")


def _found(copies: list[tuple[int, tuple[float, int]]], new: Numbers) -> dict[str, Any]:
    """What is found of one kind of copies in one way, and its curve against the new clips; a wrong clip scores 0."""
    strength = np.array([found if clip == source else 0.0 for source, (found, clip) in copies])
    return {
        "found": estimate((strength > 1).tolist()),
        "area": _area(strength, new),
        "curve": _curve(strength, new),
        "strength": np.quantile(strength, (0.01, 0.5)).tolist(),
    }


def _area(copies: Numbers, new: Numbers) -> float:
    """Under the ROC: how probably a copy scores above new music, ties half (Mann and Whitney 1947)."""
    return float(np.mean((copies[:, None] > new) + 0.5 * (copies[:, None] == new)))


def _curve(copies: Numbers, new: Numbers) -> dict[str, float]:
    """Share of copies above the score that a share of the new clips exceeds."""
    return {f"{share:g}": float(np.mean(copies > np.quantile(new, 1 - share))) for share in FALSE_ALARMS}


def _table(report: dict[str, Any]) -> str:
    def cell(one: Any) -> str:
        return f"{100 * one.mean:.1f} ({100 * one.low:.1f} to {100 * one.high:.1f})"

    alarms = " | 1.0 | ".join(cell(report["false_alarms"][way]) for way in WAYS)
    lines = [
        f"{report['copies_a_kind']} copies a kind among {report['clips']} indexed clips, {report['new_clips']} new "
        "clips; per cent, with 95 % intervals, at the thresholds that the index stores, and where 1 % of the new clips "
        "would be called copies.",
        "",
        f"| copy | {' | at 1 % | '.join(WAYS.values())} | at 1 % | area |",
        "|---" * (2 * len(WAYS) + 2) + "|",
        f"| *new music (false alarms)* | {alarms} | 1.0 | |",
    ]
    for name, ways in report["kinds"].items():
        mark = "**" if name in TARGETS else ""
        cells = [f"{cell(found['found'])} | {100 * found['curve']['0.01']:.1f}" for found in ways.values()]
        lines.append(f"| {mark}{name}{mark} | {' | '.join(cells)} | {ways['copy']['area']:.4f} |")
    lines += ["", f"Bold: target {100 * TARGET:.0f} %. {report['hardware']}, {report['date']}."]
    return "\n".join(lines) + "\n"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", type=Path, required=True, help="composed corpus that is indexed")
    parser.add_argument("--index", default="default", help="its novelty index")
    parser.add_argument("--novel", type=Path, required=True, help="composed corpus of another seed")
    parser.add_argument("--model", default="default", help="whose VAE and vocoder")
    parser.add_argument("--font", type=Path, default=Path("/usr/share/sounds/sf2/TimGM6mb.sf2"))
    parser.add_argument("--new", type=int, default=300, help="new clips")
    parser.add_argument("--copies", type=int, default=300, help="of each kind")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()

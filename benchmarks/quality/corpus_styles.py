"""How well the corpus's styles can be told apart by ear: `python -m benchmarks.quality.corpus_styles [--clips 40]`.

Clips of every style are rendered clean at 16 kHz and described by numbers that know nothing of how they were made:
mean, spread and movement of 40 mel bands, how each of 8 bands pulses between 0.5 and 16 Hz, and the chroma's shape in
any key. A softmax regression learns from four fifths of the clips and is asked about the last; five times over, so that
every clip is asked about once. Accuracy and the commonest confusions go to benchmarks/results/corpus_styles.json.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import os
import platform
from collections import Counter
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.circumstances import RESULTS
from musicldm.audio.mel import MelSpec, log_mel
from musicldm.corpus.composing.arrangement import compose
from musicldm.corpus.sound.rendering import render
from musicldm.corpus.sound.soundfont import SoundFont
from musicldm.corpus.sound.soundfonts import find_soundfonts
from musicldm.corpus.styles import STYLES

RESULT = RESULTS / "corpus_styles.json"
PACKAGES = ("numpy", "torch", "tinysoundfont")
RATE, HOP, BANDS = 16000, 160, 40
FOLDS, STEPS = 5, 400
FIRST_SEED = 5_000_000
Features = npt.NDArray[np.float32]

_fonts: list[SoundFont] = []


def main() -> None:
    """Measures, prints and stores."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=int, default=40, help="of each style")
    parser.add_argument("--seconds", type=float, default=10.24)
    parser.add_argument("--workers", type=int, default=os.cpu_count())
    parser.add_argument("--genre", action="append", help="only these styles")
    parser.add_argument("--cache", type=Path, help="an .npz file of features to go on from")
    options = parser.parse_args()
    styles = options.genre or list(STYLES)
    known = dict(np.load(options.cache)) if options.cache and options.cache.is_file() else {}
    jobs = [
        (style, number, options.seconds) for style in styles if style not in known for number in range(options.clips)
    ]
    with multiprocessing.get_context("spawn").Pool(options.workers) as pool:
        rows = pool.map(describe, jobs, chunksize=4)
    for style in styles:
        if style not in known:
            known[style] = np.stack([row for job, row in zip(jobs, rows, strict=True) if job[0] == style])
    if options.cache:
        np.savez(options.cache, **known)
    report(styles, np.concatenate([known[style] for style in styles]), [len(known[style]) for style in styles], options)


def describe(job: tuple[str, int, float]) -> Features:
    """The numbers of one clip: (features,)."""
    torch.set_num_threads(1)
    style, number, seconds = job
    if not _fonts:
        _fonts.extend(SoundFont(path) for path in find_soundfonts())
    score = compose(FIRST_SEED + number, seconds=seconds, genre=style)
    return features(render(score, _fonts[number % len(_fonts)], sample_rate=RATE, channels=1))


def features(wave: npt.NDArray[np.float32]) -> Features:
    """Timbre, pulse and harmony of a wave (n,) as one vector, independent of its level."""
    spec = MelSpec(sample_rate=RATE, hop_length=HOP, n_mels=BANDS)
    mel = log_mel(torch.from_numpy(wave), spec).numpy().T
    mel = np.maximum(mel - mel.mean(), -6.0)
    moves = np.diff(mel, axis=1)
    timbre = [mel.mean(1), mel.std(1), np.abs(moves).mean(1), np.percentile(mel, 90, axis=1)]
    return np.concatenate([*timbre, pulses(moves), harmony(wave)]).astype(np.float32)


def pulses(moves: Features) -> Features:
    """How each of 8 bands pulses: the log spectrum of its onsets in 24 bands from 0.5 to 16 Hz, (192,)."""
    onsets = np.maximum(moves, 0).reshape(8, -1, moves.shape[1]).mean(1)
    size = 4096
    spectrum = np.abs(np.fft.rfft(onsets - onsets.mean(1, keepdims=True), size))
    edges = np.geomspace(0.5, 16, 25) * size * HOP / RATE
    bands = [spectrum[:, int(a) : max(int(b), int(a) + 1)].max(1) for a, b in itertools.pairwise(edges)]
    return np.log(np.stack(bands, 1) + 0.05).ravel()


def harmony(wave: npt.NDArray[np.float32]) -> Features:
    """The clip's chroma in any key: its autocorrelation, and how much it changes, (13,)."""
    size = 4096
    frames = np.lib.stride_tricks.sliding_window_view(wave, size)[:: size // 2] * np.hanning(size)
    power = np.abs(np.fft.rfft(frames))
    hertz = np.fft.rfftfreq(size, 1 / RATE)
    chroma = np.zeros((len(frames), 12))
    lines = np.flatnonzero((hertz > 110) & (hertz < 2000))
    classes = np.rint(12 * np.log2(hertz[lines] / 440)).astype(int) % 12
    for pitch_class in range(12):
        chroma[:, pitch_class] = power[:, lines[classes == pitch_class]].sum(1)
    chroma /= chroma.sum(1, keepdims=True) + 1e-6
    mean = chroma.mean(0)
    shape = [float((mean * np.roll(mean, shift)).sum()) * 12 for shift in range(12)]
    return np.array([*shape, float(np.abs(np.diff(chroma, axis=0)).sum(1).mean())])


def predict(train: torch.Tensor, labels: torch.Tensor, test: torch.Tensor) -> torch.Tensor:
    """Softmax regression with one hidden layer, weight decay and noise; returns the test clips' classes."""
    torch.manual_seed(0)
    mean, spread = train.mean(0), train.std(0) + 1e-4
    train, test = (train - mean) / spread, (test - mean) / spread
    net = torch.nn.Sequential(
        torch.nn.Linear(train.shape[1], 256),
        torch.nn.ReLU(),
        torch.nn.Dropout(0.5),
        torch.nn.Linear(256, int(labels.max()) + 1),
    )
    optimizer = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.1)
    for _ in range(STEPS):
        loss = torch.nn.functional.cross_entropy(
            net(train + 0.4 * torch.randn_like(train)), labels, label_smoothing=0.1
        )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    found: torch.Tensor = net.eval()(test).argmax(1)
    return found


def report(styles: list[str], rows: Features, counts: list[int], options: argparse.Namespace) -> None:
    """Prints accuracy by style and the commonest confusions, and writes the file."""
    data = torch.from_numpy(rows)
    labels = torch.repeat_interleave(torch.arange(len(styles)), torch.tensor(counts))
    folds = torch.cat([torch.arange(count) % FOLDS for count in counts])
    found = torch.empty_like(labels)
    for fold in range(FOLDS):
        inside = folds != fold
        found[~inside] = predict(data[inside], labels[inside], data[~inside])
    right = (found == labels).float()
    by_style = {style: round(float(right[labels == k].mean()), 3) for k, style in enumerate(styles)}
    pairs = Counter((styles[int(a)], styles[int(b)]) for a, b in zip(labels, found, strict=True) if a != b)
    result = {
        "accuracy": round(float(right.mean()), 4),
        "styles": len(styles),
        "clips": len(labels),
        "seconds": options.seconds,
        "by style": dict(sorted(by_style.items(), key=lambda item: item[1])),
        "confusions": [f"{a} heard as {b}: {count}" for (a, b), count in pairs.most_common(30)],
        "machine": f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        **{package: version(package) for package in PACKAGES},
        "date": datetime.now(UTC).date().isoformat(),
    }
    print(json.dumps(result, indent=2))
    RESULT.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

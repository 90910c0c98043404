"""How fast a large index answers: `python -m benchmarks.speed.novelty_speed --data PREPARED [--clips 100000]`.

An index of 100,000 clips is made up from real ones: fingerprints of real clips moved in time and pitch, half of them of
one clip and half of another, so that hashes are as common as in real music; embeddings drawn around those of real
clips. The queries are real clips that are not among these. What is timed is the search: whole clip, segments, and
fingerprint; listening to the query is timed beside it. Processor time tells what an idle machine takes on one core,
wall time what this one took under its load. The vector index is compared with usearch where that is installed, and
the embeddings of a compact index with what they were.
Figures go to benchmarks/results/novelty_speed.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.circumstances import RESULTS, circumstances, plain
from musicldm.data.store import ClipStore
from musicldm.evaluation.metrics.estimate import estimate
from musicldm.listeners.embedders import open_embedder
from musicldm.novelty import vectors
from musicldm.novelty.calibration import Calibration
from musicldm.novelty.check import check_features
from musicldm.novelty.clips import IndexedClip
from musicldm.novelty.features import Cutting, Features, features_of
from musicldm.novelty.fingerprint import BINS, Peaks
from musicldm.novelty.index import (
    COMPACT,
    FORMAT,
    MANIFEST,
    NoveltyIndex,
    about_embedder,
    describe_files,
    open_index,
    write_features,
)
from musicldm.novelty.outline import STEPS_PER_SECOND, Outline

RESULT = RESULTS / "novelty_speed.json"
TARGET_MS = 50.0
SECONDS = 10.24
_NOISE = 0.25

Floats = npt.NDArray[np.float32]


def main() -> None:
    """Makes the index, asks it, prints and stores."""
    options = _arguments()
    torch.set_num_threads(options.threads)
    vectors.faiss().omp_set_num_threads(options.threads)
    started = time.perf_counter()
    store = ClipStore(options.data).part(slice(options.real + options.queries))
    embedder = open_embedder(device="cpu")
    rate = store.spec.sample_rate
    heard, listening = [], []
    for number in range(len(store)):
        begun = time.process_time()
        heard.append(features_of(store.wave(number), rate, embedder, Cutting()))
        listening.append(1000 * (time.process_time() - begun))
    real, queries = heard[: options.real], heard[options.real :]
    print(f"{len(heard)} clips heard: {time.perf_counter() - started:.0f} s", flush=True)
    rng = np.random.default_rng(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        index, embeddings = _made_up(Path(folder), real, options.clips, rng, about_embedder(embedder, "default"))
        print(f"{options.clips} clips indexed: {time.perf_counter() - started:.0f} s", flush=True)
        check_features(index, queries[:1])
        times = np.array([_milliseconds(partial(check_features, index, [query])) for query in queries])
        report = {
            "clips": options.clips,
            "queries": len(queries),
            "target_ms": TARGET_MS,
            "processor_ms": _spread(times[:, 1]),
            "wall_ms": _spread(times[:, 0]),
            "listening_processor_ms": float(np.median(listening)),
            "bytes": {name: file["bytes"] for name, file in index.manifest["files"].items()},
            "vectors": _compared(embeddings, index, queries),
            "compact": _compact(embeddings, index, queries),
            **circumstances(options, time.perf_counter() - started),
        }
    text = json.dumps(plain(report), indent=1, ensure_ascii=False) + "\n"
    RESULT.write_text(text, encoding="utf-8")
    print(text)


def _made_up(
    folder: Path, real: list[Features], count: int, rng: np.random.Generator, embedder: dict[str, Any]
) -> tuple[NoveltyIndex, Floats]:
    """An index of `count` clips that never were, and the embeddings (count, D) of the whole ones."""
    peaks = [_mixed(real, rng) for _ in range(count)]
    whole = _around(np.stack([one.whole for one in real]), count, rng)
    each = len(real[0].starts)
    segments = _around(np.concatenate([one.segments for one in real]), count * each, rng)
    clips = [IndexedClip(f"{number}.flac", 0.0, SECONDS) for number in range(count)]
    outlines = [_shuffled(real[number].outline, rng) for number in rng.integers(len(real), size=count)]
    write_features(folder, clips, (whole, segments), peaks, outlines, compact=False)
    usual = np.linspace(0, 1, 201)
    manifest = {
        "kind": "novelty index",
        "format": FORMAT,
        "embedder": embedder,
        "cutting": asdict(Cutting()),
        "calibration": asdict(Calibration.of(usual, usual, usual)),
        "files": describe_files(folder),
        "identity": "made up",
    }
    (folder / MANIFEST).write_text(json.dumps(manifest), encoding="utf-8")
    return open_index(folder, verify=False), whole


def _shuffled(outline: Outline, rng: np.random.Generator) -> Outline:
    """A real outline turned round its end, with one bit in eight another, alike in all steps of a second."""
    turned = np.roll(outline, rng.integers(len(outline)))
    flips = rng.choice(1 << np.arange(8), size=-(-len(outline) // STEPS_PER_SECOND)).astype(np.uint8)
    return np.asarray(turned ^ np.repeat(flips, STEPS_PER_SECOND)[: len(outline)])


def _mixed(real: list[Features], rng: np.random.Generator) -> Peaks:
    """Every other peak of two real clips, each moved in time (round the end) and pitch."""
    frames = round(SECONDS * 31.25)
    parts = []
    for number in rng.integers(len(real), size=2):
        peaks = real[number].peaks[:: 1 if rng.random() < 0.2 else 2]
        parts.append(np.stack([(peaks[:, 0] + rng.integers(frames)) % frames, peaks[:, 1] + rng.integers(-12, 13)], 1))
    joined = np.unique(np.concatenate(parts), axis=0)
    return joined[(joined[:, 1] >= 2) & (joined[:, 1] < BINS - 2)].astype(np.int32)


def _around(centres: Floats, count: int, rng: np.random.Generator) -> Floats:
    """Unit vectors (count, D): real ones, moved by a share of what tells them apart."""
    chosen, others = (centres[rng.integers(len(centres), size=count)] for _ in range(2))
    found = chosen + _NOISE * (others - chosen) * rng.random((count, 1), dtype=np.float32)
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True), np.float32)


def _milliseconds(action: Callable[[], Any]) -> tuple[float, float]:
    """Of wall time and of processor time, all threads together."""
    begun, worked = time.perf_counter(), time.process_time()
    action()
    return 1000 * (time.perf_counter() - begun), 1000 * (time.process_time() - worked)


def _spread(times: npt.NDArray[np.float64]) -> dict[str, Any]:
    return {"median": float(np.median(times)), "p95": float(np.quantile(times, 0.95)), "mean": estimate(times.tolist())}


def _compared(embeddings: Floats, index: NoveltyIndex, queries: list[Features]) -> dict[str, Any]:
    """Whole clips by faiss and, where it is installed, by usearch: bytes, milliseconds, share of true neighbours."""
    wanted = np.stack([one.whole for one in queries])
    truth = (wanted @ embeddings.T).argmax(axis=1)
    points = index.projection(wanted)
    found = vectors.nearest(index.whole, points, 1)[1][:, 0]
    each = [_milliseconds(partial(vectors.nearest, index.whole, point[None], 1)) for point in points]
    size = index.manifest["files"]["clips.faiss"]["bytes"]
    right = float(np.mean(found == truth))
    report = {"faiss": {"bytes": size, "processor_ms": float(np.median(each, axis=0)[1]), "right": right}}
    try:
        from usearch.index import Index
    except ImportError:
        return report
    other = Index(ndim=points.shape[1], metric="l2sq", dtype="i8")
    scale = 100 / float(np.abs(points).max())
    begun = time.process_time()
    other.add(np.arange(len(embeddings)), index.projection(embeddings) * scale / 127)
    built = time.process_time() - begun
    each = [_milliseconds(partial(other.search, point * scale / 127, 1)) for point in points]
    keys = np.array([other.search(point * scale / 127, 1).keys[0] for point in points])
    report["usearch"] = {
        "bytes": int(other.serialized_length),
        "processor_ms": float(np.median(each, axis=0)[1]),
        "right": float(np.mean(keys == truth)),
        "build_processor_s": built,
    }
    return report


def _compact(embeddings: Floats, index: NoveltyIndex, queries: list[Features]) -> list[dict[str, float]]:
    """How far the cosines of the five nearest are from the true ones, by the bytes that an embedding takes."""
    wanted = np.stack([one.whole for one in queries])
    report = []
    for size in COMPACT:
        few = vectors.build_vectors(index.projection(embeddings), size)
        squared, numbers = vectors.nearest(few, index.projection(wanted), 5)
        truth = np.einsum("qd,qkd->qk", wanted, embeddings[numbers])
        errors = index.projection.cosines(wanted, squared) - truth
        report.append({"bytes": size, "rms_error": float(np.sqrt(np.mean(np.square(errors))))})
    return report


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="prepared folder")
    parser.add_argument("--clips", type=int, default=100_000)
    parser.add_argument("--real", type=int, default=200, help="clips that the others are made from")
    parser.add_argument("--queries", type=int, default=40)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--seed", type=int, default=0)
    return parser.parse_args()


if __name__ == "__main__":
    main()

"""A novelty index: a folder with the embeddings, fingerprints and outlines of training clips, and who made it.

`manifest.json` says all about it and has the SHA-256 of every other file:
clips.jsonl.gz, beats.npz   sources, starts, lengths; beats
projection.npz              see `vectors.Projection`
clips.faiss                 whole clips, a byte a number; in a compact index 24 bytes each
segments.faiss              segments, a byte a number; in a compact index 6 bytes each
peaks.npz                   fingerprints
outlines.npz                outlines
landmarks.*.npy             inverted file of the fingerprints; a compact index' is in the user's cache, once opened
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from musicldm.errors import CheckpointError, DataError
from musicldm.files import scratch, sha256
from musicldm.listeners.embedders import Embedder, Floats, open_embedder
from musicldm.machine.caches import cache_folder
from musicldm.model.folder import DEFAULT, DEFAULT_FOLDER
from musicldm.novelty import vectors
from musicldm.novelty.calibration import Calibration
from musicldm.novelty.clips import IndexedClip, read_clips, write_beats, write_clips
from musicldm.novelty.features import Cutting
from musicldm.novelty.fingerprint import Peaks
from musicldm.novelty.landmarks import Landmarks, build_landmarks
from musicldm.novelty.outline import Outline, build_words
from musicldm.novelty.stored import AllOutlines, AllPeaks
from musicldm.novelty.vectors import Projection

FORMAT = 3
MANIFEST = "manifest.json"
DEFAULT_INDEX = DEFAULT_FOLDER / "novelty"
CLIPS, BEATS, PROJECTION, WHOLE, SEGMENTS, PEAKS, OUTLINES = (
    "clips.jsonl.gz", "beats.npz", "projection.npz", "clips.faiss", "segments.faiss", "peaks.npz", "outlines.npz"
)  # fmt: skip
COMPACT = 24, 6
"""Bytes of a whole clip's embedding and of a segment's."""
LANDMARKS = ("landmarks.starts.npy", "landmarks.clips.npy", "landmarks.frames.npy")


@dataclass(frozen=True)
class NoveltyIndex:
    """An index that is open; see `open_index`.

    Args:
        folder: where it lies.
        manifest: all about it.
        clips: of the training set, in the order of their numbers.
        projection: of embeddings to points.
        whole: faiss index of whole clips.
        segments: faiss index of all segments, those of a clip after those of the one before.
        peaks: fingerprints.
        outlines: of the clips.
        calibration: what is usual within the training set.
    """

    folder: Path
    manifest: Mapping[str, Any]
    clips: tuple[IndexedClip, ...]
    projection: Projection
    whole: Any
    segments: Any
    peaks: AllPeaks
    outlines: AllOutlines
    calibration: Calibration

    @property
    def identity(self) -> str:
        """Hash (16 hexadecimal digits) of embedder, settings, counts and content."""
        return str(self.manifest["identity"])

    @property
    def cutting(self) -> Cutting:
        return Cutting(**self.manifest["cutting"])

    @cached_property
    def landmarks(self) -> Landmarks:
        """The inverted file of the fingerprints, mapped from disk; that of a compact index is made once and kept."""
        kept = cache_folder() / "novelty" / f"{self.identity}-{FORMAT}"
        folder = next((each for each in (self.folder, kept) if (each / LANDMARKS[0]).is_file()), None)
        if folder is not None:
            starts, clips, frames = (np.load(folder / name, mmap_mode="r") for name in LANDMARKS)
            return Landmarks(starts, clips, frames, len(self.clips))
        made = build_landmarks([self.peaks[clip] for clip in range(len(self.clips))])
        # A cache may be one that cannot be written, or that another process has just made.
        with suppress(OSError), scratch(kept) as whole:
            _write_landmarks(made, whole)
            whole.rename(kept)
        return made

    @cached_property
    def words(self) -> Landmarks:
        """The inverted file of the outlines."""
        return build_words([self.outlines[clip] for clip in range(len(self.clips))])

    @cached_property
    def first_segments(self) -> npt.NDArray[np.int64]:
        """(clips + 1,) number of each clip's first segment."""
        cutting = self.cutting
        return np.cumsum([0, *(len(cutting.segments(clip.seconds)) for clip in self.clips)]).astype(np.int64)

    def segment(self, number: int) -> tuple[int, float]:
        """Clip of a segment, and where in it the segment begins, in seconds."""
        clip = int(np.searchsorted(self.first_segments, number, side="right")) - 1
        return clip, self.cutting.segments(self.clips[clip].seconds)[number - int(self.first_segments[clip])]

    def nearest_clips(self, embeddings: Floats, count: int = 1) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Cosines (n, count) and numbers (n, count) of the training clips nearest to unit embeddings (n, D).

        Cosines are good to about 0.01; there are fewer columns where the index has fewer clips.
        """
        squared, numbers = vectors.nearest(self.whole, self.projection(embeddings), count)
        return self.projection.cosines(embeddings, squared), numbers

    def nearest_segments(self, embeddings: Floats) -> tuple[Floats, npt.NDArray[np.int64]]:
        """Cosine (n,) and number (n,) of the training segment nearest to each of the unit embeddings (n, D)."""
        squared, numbers = vectors.nearest(self.segments, self.projection(embeddings), 1)
        return self.projection.cosines(embeddings, squared)[:, 0], numbers[:, 0]

    def made_with(self, embedder: Embedder) -> bool:
        """Whether its embeddings are this embedder's."""
        return bool(self.manifest["embedder"]["weights"] == embedder.identity.weights)

    def embedder(self, device: str = "auto") -> Embedder:
        """The embedder that the index was made with.

        Raises:
            CheckpointError: there is another one under its name now.
        """
        wanted = self.manifest["embedder"]
        opened = open_embedder(wanted["opened_as"], device=device)
        if not self.made_with(opened):
            raise CheckpointError(
                f"{self.folder} was made with {wanted['name']} ({wanted['weights']}), which is another one now "
                f"({opened.identity.weights}): build the index again"
            )
        return opened


def open_index(path: str | Path = DEFAULT, *, verify: bool = True) -> NoveltyIndex:
    """Opens an index.

    Args:
        path: a folder that `musicldm novelty index` made, or "default" for that of the model that ships with musicldm.
        verify: whether its files are compared with their SHA-256 first.

    Raises:
        DataError: no such index, one of another format, or one that is damaged.
        MissingDependencyError: faiss is not installed.
    """
    vectors.faiss()
    folder = index_folder(path)
    manifest = read_manifest(folder)
    for name, about in manifest["files"].items():
        if not (folder / name).is_file() or (verify and sha256(folder / name) != about["sha256"]):
            raise DataError(f"{folder / name} is missing or damaged: build the index again")
    with np.load(folder / PROJECTION) as stored:
        projection = Projection(stored["mean"], stored["basis"].astype(np.float32), float(stored["residual"]))
    return NoveltyIndex(
        folder,
        manifest,
        tuple(read_clips(folder / CLIPS, folder / BEATS)),
        projection,
        vectors.open_vectors(folder / WHOLE),
        vectors.open_vectors(folder / SEGMENTS),
        AllPeaks.read(folder / PEAKS),
        AllOutlines.read(folder / OUTLINES),
        Calibration.load(manifest["calibration"]),
    )


def index_folder(path: str | Path) -> Path:
    """The folder that a name stands for: "default" is that of the model that ships with musicldm."""
    return DEFAULT_INDEX if str(path) == DEFAULT else Path(path)


def is_index(path: str | Path) -> bool:
    """Whether a name stands for an index, readable or not."""
    folder = index_folder(path)
    return (folder / MANIFEST).is_file() and (folder / WHOLE).is_file()


def read_manifest(folder: Path) -> dict[str, Any]:
    """The manifest of an index. Raises DataError where there is none, or one of another format."""
    path = folder / MANIFEST
    if not path.is_file():
        raise DataError(f"{folder}: no novelty index there: musicldm novelty index TRAIN --out {folder} makes one")
    try:
        manifest: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        kind, version = manifest["kind"], manifest["format"]
    except (ValueError, KeyError, TypeError):
        kind, version = None, None
    if kind != "novelty index":
        raise DataError(f"{path} is no manifest of a novelty index")
    if version != FORMAT:
        raise DataError(f"{path} has format {version}, this version reads {FORMAT}: build the index again")
    return manifest


def identity_of(manifest: Mapping[str, Any]) -> str:
    """Hash of a manifest but for its identity, where the training set lies, and the date."""
    told = {key: value for key, value in manifest.items() if key not in ("identity", "source", "date")}
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]


def write_features(
    folder: Path,
    clips: list[IndexedClip],
    embeddings: tuple[Floats, Floats],
    peaks: list[Peaks],
    outlines: list[Outline],
    *,
    compact: bool,
) -> None:
    """Writes all of an index but the manifest.

    Args:
        folder: an empty one.
        clips: in order.
        embeddings: of whole clips (n, D), and of all segments.
        peaks: of each clip.
        outlines: of each clip, every step of them.
        compact: whether embeddings take few bytes and the inverted file is left out.
    """
    whole, segments = embeddings
    sizes = COMPACT if compact else (None, None)
    projection = Projection.fit(np.concatenate([whole, segments[:: max(1, len(segments) // 20_000)]]))
    basis = projection.basis.astype(np.float16)
    np.savez(folder / PROJECTION, mean=projection.mean, basis=basis, residual=projection.residual)
    vectors.write_vectors(vectors.build_vectors(projection(whole), sizes[0]), folder / WHOLE)
    vectors.write_vectors(vectors.build_vectors(projection(segments), sizes[1]), folder / SEGMENTS)
    write_clips(clips, folder / CLIPS)
    write_beats(clips, folder / BEATS)
    AllPeaks.of(peaks).write(folder / PEAKS)
    AllOutlines.of(outlines).write(folder / OUTLINES)
    if not compact:
        _write_landmarks(build_landmarks(peaks), folder)


def _write_landmarks(landmarks: Landmarks, folder: Path) -> None:
    arrays: tuple[npt.NDArray[Any], ...] = (landmarks.starts, landmarks.clips, landmarks.frames)
    for name, array in zip(LANDMARKS, arrays, strict=True):
        np.save(folder / name, array)


def describe_files(folder: Path) -> dict[str, dict[str, Any]]:
    """Bytes and SHA-256 of the files of an index but its manifest."""
    paths = sorted(path for path in folder.iterdir() if path.name != MANIFEST)
    return {path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in paths}


def about_embedder(embedder: Embedder, opened_as: str) -> dict[str, Any]:
    """The manifest's entry on an embedder."""
    return {"opened_as": opened_as, **asdict(embedder.identity)}

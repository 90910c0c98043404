"""A corpus folder as arrays: waveforms and log-mels of all clips in memory maps beside it, made once."""

from __future__ import annotations

import copy
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import soundfile

from musicldm.audio import MelSpec, log_mel
from musicldm.errors import DataError

CACHE_FOLDER = "features"
_BLOCK = 32


@dataclass(frozen=True)
class ClipRow:
    """One line of `metadata.jsonl`: `file_name` and `text` as audiofolder has them, all other fields in `fields`."""

    file_name: str
    text: str
    captions: tuple[str, ...]
    fields: dict[str, Any] = field(hash=False)

    @property
    def lead_family(self) -> str:
        """Family of the leading instrument, "none" where no instrument leads."""
        parts = self.fields.get("instruments", ())
        return next((part["family"] for part in parts if part["role"] == "lead"), "none")


def read_rows(corpus: Path) -> list[ClipRow]:
    """The lines of `corpus/metadata.jsonl`.

    Raises:
        DataError: no such file, no clips in it, or a line that is no clip.
    """
    path = corpus / "metadata.jsonl"
    if not path.is_file():
        raise DataError(f"no corpus at {corpus}: it has no metadata.jsonl (make one with `musicldm corpus {corpus}`)")
    rows = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        try:
            entry = json.loads(line)
            name, text = str(entry["file_name"]), str(entry["text"])
        except (ValueError, KeyError, TypeError):
            raise DataError(f"{path} line {number} is no clip: it needs at least file_name and text") from None
        rows.append(ClipRow(name, text, tuple(entry.get("captions") or (text,)), entry))
    if not rows:
        raise DataError(f"{path} lists no clips")
    return rows


class ClipStore:
    """All clips of a corpus as arrays of one length, cut or padded with silence to that of the first.

    Attributes:
        rows: the metadata, in the order of the arrays.
        waves: (N, samples) int16, full scale 32767, in `spec.sample_rate`.
        mels: (N, frames, bins) float16 log-mels of `spec`.
    """

    def __init__(
        self,
        corpus: Path,
        spec: MelSpec | None = None,
        *,
        workers: int = 2,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Opens the arrays, making them first where they are missing or belong to other clips.

        Raises:
            DataError: an empty corpus, an unreadable audio file, or a sample rate other than `spec`'s.
        """
        self.spec = spec or MelSpec()
        self.corpus = Path(corpus)
        self.rows = read_rows(self.corpus)
        folder = self.corpus / CACHE_FOLDER / _fingerprint(self.rows, self.spec)
        if not (folder / "complete").is_file():
            _extract(self.corpus, self.rows, self.spec, folder, workers, progress)
        self.waves: npt.NDArray[np.int16] = np.load(folder / "waves.npy", mmap_mode="r")
        self.mels: npt.NDArray[np.float16] = np.load(folder / "mels.npy", mmap_mode="r")
        self.folder = folder

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, clips: slice) -> ClipStore:
        """The store of some of the clips; its arrays are views."""
        part = copy.copy(self)
        part.rows, part.waves, part.mels = self.rows[clips], self.waves[clips], self.mels[clips]
        return part

    def attribute(self, name: str) -> list[Any]:
        """The metadata field `name` of every clip.

        Raises:
            DataError: a clip without that field.
        """
        missing = next((row.file_name for row in self.rows if name not in row.fields), None)
        if missing is not None:
            raise DataError(f"{missing} in {self.corpus} has no field {name!r} in its metadata")
        return [row.fields[name] for row in self.rows]

    def wave(self, index: int) -> npt.NDArray[np.float32]:
        """Waveform (samples,) float32, full scale ±1."""
        return np.asarray(self.waves[index], dtype=np.float32) / np.float32(32767)


def _fingerprint(rows: Sequence[ClipRow], spec: MelSpec) -> str:
    names = "\n".join(f"{row.file_name} {row.fields.get('seed', '')} {row.fields.get('quality', '')}" for row in rows)
    return hashlib.sha256(f"{spec}\n{names}".encode()).hexdigest()[:16]


def _read(path: Path, sample_rate: int) -> npt.NDArray[np.float32]:
    try:
        wave, rate = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise DataError(f"{path} cannot be read as audio: {error}") from None
    if rate != sample_rate:
        raise DataError(f"{path} has {rate} Hz, the training needs {sample_rate} Hz")
    return np.asarray(wave.mean(axis=1), dtype=np.float32)


def _extract(
    corpus: Path,
    rows: Sequence[ClipRow],
    spec: MelSpec,
    folder: Path,
    workers: int,
    progress: Callable[[int, int], None] | None,
) -> None:
    import torch

    folder.mkdir(parents=True, exist_ok=True)
    hop = spec.hop_length
    samples = len(_read(corpus / rows[0].file_name, spec.sample_rate)) // hop * hop
    if samples < spec.n_fft:
        raise DataError(
            f"{rows[0].file_name} in {corpus} is too short: {samples} samples, at least {spec.n_fft} needed"
        )
    shape = (len(rows), samples)
    waves = np.lib.format.open_memmap(folder / "waves.npy", mode="w+", dtype=np.int16, shape=shape)
    frames = (len(rows), samples // hop, spec.n_mels)
    mels = np.lib.format.open_memmap(folder / "mels.npy", mode="w+", dtype=np.float16, shape=frames)

    def work(start: int) -> int:
        stop = min(start + _BLOCK, len(rows))
        block = np.zeros((stop - start, samples), dtype=np.float32)
        for offset, row in enumerate(rows[start:stop]):
            wave = _read(corpus / row.file_name, spec.sample_rate)[:samples]
            block[offset, : len(wave)] = wave
        waves[start:stop] = np.round(np.clip(block, -1, 1) * 32767).astype(np.int16)
        mels[start:stop] = log_mel(torch.from_numpy(block), spec).numpy()
        return stop

    with ThreadPoolExecutor(workers) as pool:
        for stop in pool.map(work, range(0, len(rows), _BLOCK)):
            if progress is not None:
                progress(stop, len(rows))
    waves.flush()
    mels.flush()
    with (folder / "complete").open("w") as file:
        file.flush()
        os.fsync(file.fileno())

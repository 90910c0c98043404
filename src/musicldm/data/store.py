"""Prepared data as arrays: the sound, log-mels and captions of all clips of a folder that `musicldm prepare` made."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from musicldm.audio.mel import MelSpec
from musicldm.data.arrays import Sharded
from musicldm.data.cutting import FULL_SCALE
from musicldm.data.manifest import CLIPS, SHARDS, HifiSpec, hifi_of, read_json_lines, read_manifest, row_starts, spec_of
from musicldm.errors import DataError


@dataclass(frozen=True)
class ClipRow:
    """What is known about a clip: the file that it was cut from, its captions, and all else in `fields`."""

    source: str
    captions: tuple[str, ...]
    fields: dict[str, Any] = field(hash=False)

    @property
    def lead_family(self) -> str:
        """Family of the leading instrument, "none" where no instrument leads."""
        parts = self.fields.get("instruments", ())
        return next((part["family"] for part in parts if part["role"] == "lead"), "none")


def read_rows(path: Path) -> list[ClipRow]:
    """The lines of a shard's `clips.jsonl`."""
    return [ClipRow(entry["source"], tuple(entry["captions"]), entry) for entry in read_json_lines(path)]


class ClipStore:
    """All clips of a prepared folder, or some of them.

    Attributes:
        folder: the prepared folder.
        spec: of the log-mels, and the sound's rate.
        rows: what is known about each clip, in the order of the arrays.
        waves: (N, samples) int16, full scale 32767.
        mels: (N, frames, bins) float16.
        hifi: rate and channels of `array("hifi")`, (N, channels, samples) int16; None where there is none.
    """

    def __init__(self, folder: Path, spec: MelSpec | None = None) -> None:
        """Opens the folder.

        Args:
            folder: that `musicldm prepare` made.
            spec: what the log-mels must be like; None takes any.

        Raises:
            DataError: it is not prepared, holds no clips, or other log-mels.
        """
        self.folder = Path(folder)
        manifest = read_manifest(self.folder)
        self.spec = spec_of(manifest)
        self.hifi: HifiSpec | None = hifi_of(manifest)
        if spec is not None and spec != self.spec:
            raise DataError(f"{folder} was prepared with {self.spec}, and {spec} is needed: prepare another folder")
        self.source = str(manifest["source"])
        names = [shard["name"] for shard in manifest["shards"] if shard["clips"]]
        if not names:
            raise DataError(f"{folder} holds no clips: its report.jsonl says why")
        self.shards = tuple(self.folder / SHARDS / name for name in names)
        self.rows = [row for shard in self.shards for row in read_rows(shard / CLIPS)]
        self._first_caption = row_starts(len(row.captions) for row in self.rows)
        self._clips = np.arange(len(self.rows))
        self.waves, self.mels = self.array("waves"), self.array("mels")

    def __len__(self) -> int:
        return len(self.rows)

    def part(self, clips: slice | Sequence[int]) -> ClipStore:
        """The store of some of the clips; its arrays are views."""
        part = copy.copy(self)
        part._clips = self._clips[clips]
        chosen = np.arange(len(self))[clips]
        part.rows = [self.rows[clip] for clip in chosen]
        part.waves, part.mels = self.waves.take(chosen), self.mels.take(chosen)
        return part

    def has(self, name: str) -> bool:
        """Whether every shard has this array."""
        return all((shard / f"{name}.npy").is_file() for shard in self.shards)

    def array(self, name: str) -> Sharded:
        """An array with one row a clip, such as "mels" or "latents-<hash>".

        Raises:
            DataError: a shard has none; the message gives the command that makes it.
        """
        return self._whole(name).take(self._clips)

    def caption_array(self, name: str) -> Sharded:
        """An array with one row a caption, those of a clip after those of the one before: "texts-<hash>".

        Raises:
            DataError: as `array`.
        """
        first = self._first_caption
        rows = [np.arange(first[clip], first[clip + 1]) for clip in self._clips]
        return self._whole(name).take(np.concatenate(rows))

    def _whole(self, name: str) -> Sharded:
        if not self.has(name):
            command = f"musicldm prepare {self.source} --out {self.folder} --model MODEL"
            raise DataError(f"{self.folder} has no {name} in some shard: {command}")
        return Sharded([shard / f"{name}.npy" for shard in self.shards])

    def attribute(self, name: str) -> list[Any]:
        """The metadata field `name` of every clip.

        Raises:
            DataError: a clip without that field.
        """
        missing = next((row.source for row in self.rows if name not in row.fields), None)
        if missing is not None:
            raise DataError(f"{missing} in {self.folder} has no field {name!r} in its metadata")
        return [row.fields[name] for row in self.rows]

    def wave(self, index: int) -> npt.NDArray[np.float32]:
        """Waveform (samples,) float32, full scale ±1."""
        return np.asarray(self.waves[index], dtype=np.float32) / np.float32(FULL_SCALE)

"""Fingerprints and outlines of all clips of an index, joined into arrays as its files hold them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from musicldm.data.arrays import write_small
from musicldm.novelty.fingerprint import Peaks
from musicldm.novelty.outline import KEPT, Outline


@dataclass(frozen=True)
class AllPeaks:
    """The fingerprints of all clips, those of a clip after those of the one before.

    Args:
        starts: (clips + 1,) where those of each begin.
        frames: (n,) uint16.
        bins: (n,) uint8.
    """

    starts: npt.NDArray[np.int64]
    frames: npt.NDArray[np.uint16]
    bins: npt.NDArray[np.uint8]

    @classmethod
    def of(cls, peaks: list[Peaks]) -> AllPeaks:
        joined = np.concatenate([*peaks, np.zeros((0, 2), np.int32)])
        starts = np.cumsum([0, *map(len, peaks)]).astype(np.int64)
        return cls(starts, joined[:, 0].astype(np.uint16), joined[:, 1].astype(np.uint8))

    def __getitem__(self, clip: int) -> Peaks:
        """Those of one clip, (n, 2)."""
        part = slice(self.starts[clip], self.starts[clip + 1])
        return np.stack([self.frames[part], self.bins[part]], axis=1).astype(np.int32)

    def write(self, path: Path) -> None:
        """Frames as differences, which compress better."""
        steps = np.diff(self.frames, prepend=np.uint16(0))
        write_small(path, counts=np.diff(self.starts).astype(np.uint16), steps=steps, bins=self.bins)

    @classmethod
    def read(cls, path: Path) -> AllPeaks:
        with np.load(path) as stored:
            starts = np.concatenate([[0], np.cumsum(stored["counts"], dtype=np.int64)])
            return cls(starts, np.cumsum(stored["steps"], dtype=np.uint16), stored["bins"])


@dataclass(frozen=True)
class AllOutlines:
    """The outlines of all clips as an index keeps them, those of a clip after those of the one before.

    Args:
        starts: (clips + 1,) where those of each begin.
        joined: (n,) uint8.
    """

    starts: npt.NDArray[np.int64]
    joined: Outline

    @classmethod
    def of(cls, outlines: list[Outline]) -> AllOutlines:
        """From those of each clip, every step of them."""
        kept = [outline[::KEPT] for outline in outlines]
        return cls(np.cumsum([0, *map(len, kept)]).astype(np.int64), np.concatenate([*kept, np.zeros(0, np.uint8)]))

    def __getitem__(self, clip: int) -> Outline:
        """That of one clip."""
        return self.joined[self.starts[clip] : self.starts[clip + 1]]

    def write(self, path: Path) -> None:
        write_small(path, counts=np.diff(self.starts).astype(np.uint16), joined=self.joined)

    @classmethod
    def read(cls, path: Path) -> AllOutlines:
        with np.load(path) as stored:
            return cls(np.concatenate([[0], np.cumsum(stored["counts"], dtype=np.int64)]), stored["joined"])

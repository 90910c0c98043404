"""The clips of one folder with what was extracted from them, as figures are made of them."""

from __future__ import annotations

import posixpath
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from musicldm.data.sources import Problem
from musicldm.evaluation.features import ClipFeatures
from musicldm.listeners.embedders import Floats


@dataclass(frozen=True)
class Collection:
    """The clips of one folder that could be used, in order, and those that were left out."""

    folder: Path
    clips: tuple[ClipFeatures, ...]
    problems: tuple[Problem, ...] = ()

    def embeddings(self, embedder: str) -> Floats:
        """(n, D), a row a clip."""
        return np.stack([clip.embeddings[embedder] for clip in self.clips])

    def rows(self, embedder: str) -> tuple[Floats, npt.NDArray[np.int64]]:
        """What a Fréchet distance is over, (N, D), and the clip of each row.

        Rows are short pieces of clips where the embedder's convention is to embed such, else whole clips.
        """
        if not all(embedder in clip.frames for clip in self.clips):
            return self.embeddings(embedder), np.arange(len(self.clips))
        frames = [clip.frames[embedder] for clip in self.clips]
        return np.concatenate(frames), np.repeat(np.arange(len(frames)), [len(part) for part in frames])

    def classes(self, embedder: str) -> Floats:
        """Probabilities (n, K)."""
        return np.stack([clip.classes[embedder] for clip in self.clips])

    def with_prompt(self) -> Collection:
        """The clips whose prompt is known."""
        return Collection(self.folder, tuple(clip for clip in self.clips if clip.piece.prompt))


def pairs_by_name(generated: Collection, reference: Collection) -> list[tuple[int, int]]:
    """Numbers of the clips of both that have the same path, endings aside; the same name where that is unique."""
    mine, theirs = ([clip.piece.stem for clip in folder.clips] for folder in (generated, reference))
    short = [[posixpath.basename(stem) for stem in stems] for stems in (mine, theirs)]
    if all(len(set(names)) == len(names) for names in short):
        mine, theirs = short
    numbers = {name: number for number, name in enumerate(theirs)}
    return [(number, numbers[name]) for number, name in enumerate(mine) if name in numbers]

"""A figure of a report, and the clips that figures are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from musicldm.data.sources import Problem
from musicldm.evaluation.hearing import Heard
from musicldm.evaluation.metrics.shares import Estimate, estimate
from musicldm.listeners.embedders import Floats

Better = Literal["lower", "higher", ""]
Section = Literal["quality", "prompts", "novelty", "rhythm", "sound"]
SECTIONS: tuple[Section, ...] = ("quality", "prompts", "novelty", "rhythm", "sound")
"""In the order in which they are shown."""


@dataclass(frozen=True)
class Figure:
    """One line of a report.

    Attributes:
        section: what question it answers.
        metric: its name.
        estimate: value, 95 % interval, and the number of clips.
        better: which way is better; empty where neither is by itself.
        by: what heard it: the name of an embedder, of judges, of a tracker; empty for measures of the wave.
        unit: of the value; empty for plain numbers and shares.
        beside: what the value is to be compared with, None where there is nothing.
        beside_what: what that is.
        note: what else must be known to read it.
    """

    section: Section
    metric: str
    estimate: Estimate
    better: Better = ""
    by: str = ""
    unit: str = ""
    beside: float | None = None
    beside_what: str = ""
    note: str = ""


@dataclass(frozen=True)
class Collection:
    """The clips of one folder that could be heard, in order, and those that were left out."""

    folder: Path
    heard: tuple[Heard, ...]
    problems: tuple[Problem, ...] = ()

    def embeddings(self, embedder: str) -> Floats:
        """(n, D), a row a clip."""
        return np.stack([one.embeddings[embedder] for one in self.heard])

    def rows(self, embedder: str) -> tuple[Floats, npt.NDArray[np.int64]]:
        """What a Fréchet distance is over, (N, D), and the clip of each row: pieces where the embedder hears such."""
        if not all(embedder in one.frames for one in self.heard):
            return self.embeddings(embedder), np.arange(len(self.heard))
        frames = [one.frames[embedder] for one in self.heard]
        return np.concatenate(frames), np.repeat(np.arange(len(frames)), [len(part) for part in frames])

    def classes(self, embedder: str) -> Floats:
        """Probabilities (n, K)."""
        return np.stack([one.classes[embedder] for one in self.heard])

    def with_prompt(self) -> Collection:
        """Of the clips whose prompt is known."""
        return Collection(self.folder, tuple(one for one in self.heard if one.piece.prompt))


def mean_figure(section: Section, metric: str, values: Sequence[float], **rest: Any) -> list[Figure]:
    """A figure of the mean of those values that are finite; none where there are none."""
    found = estimate([float(value) for value in values if math.isfinite(value)])
    return [] if found is None else [Figure(section, metric, found, **rest)]

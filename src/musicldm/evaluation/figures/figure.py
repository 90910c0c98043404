"""A figure of a report: a value with its interval, and what it is to be compared with."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from musicldm.evaluation.metrics.estimate import Estimate, estimate

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
        by: what measured it: the name of an embedder, of judges, of a tracker; empty for measures of the wave.
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
class Baseline:
    """What a figure is to be compared with: a value, and what it is; nothing where the value is None."""

    value: float | None = None
    what: str = ""

    @classmethod
    def mean(cls, values: Sequence[float], what: str = "reference") -> Baseline:
        """The mean of those values that are finite; nothing where there are none."""
        finite = [value for value in values if math.isfinite(value)]
        return cls(float(np.mean(finite)), what) if finite else cls()


def mean_figure(
    section: Section,
    metric: str,
    values: Sequence[float],
    baseline: Baseline | None = None,
    *,
    better: Better = "",
    by: str = "",
    unit: str = "",
    note: str = "",
) -> Iterator[Figure]:
    """A figure of the mean of those values that are finite; none where there are none."""
    mean = estimate([float(value) for value in values if math.isfinite(value)])
    beside = baseline or Baseline()
    if mean is not None:
        yield Figure(section, metric, mean, better, by, unit, beside.value, beside.what, note)

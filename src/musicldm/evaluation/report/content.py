"""The results of an evaluation as data that JSON can hold."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

from musicldm.data.sources import Problem
from musicldm.evaluation.collection import Collection
from musicldm.evaluation.features import ClipFeatures
from musicldm.evaluation.figures.figure import Figure
from musicldm.evaluation.metrics.signal import Signal
from musicldm.listeners.embedders import Identity

_PACKAGES = ("torch", "transformers", "numpy", "scipy", "soundfile", "soxr", "pyloudnorm")


@dataclass(frozen=True)
class FolderSummary:
    """A folder: how many clips were used and left out, hours of audio, and how many clips have a known prompt."""

    folder: str
    clips: int
    left_out: int
    hours: float
    prompts: int


@dataclass(frozen=True)
class Closest:
    """The training clip nearest to a clip, and their cosine."""

    clip: str
    training_clip: str
    similarity: float


@dataclass(frozen=True)
class ClipLine:
    """What is known of one clip; None where it was not measured."""

    name: str
    prompt: str | None
    seconds: float
    clap_score: float | None
    nearest: str | None
    similarity: float | None
    bpm_asked: float | None
    bpm_heard: float | None
    bpm_tracked: float | None
    verdict: Mapping[str, str]
    signal: Signal | None
    row: int | None


@dataclass(frozen=True)
class EvaluationReport:
    """See docs/evaluate.md for what the figures mean.

    Attributes:
        created: local time.
        musicldm: version of this package.
        generated: the folder that is evaluated.
        reference: what distances are from.
        training: folder of the training set.
        embedders: identities of all embedders, without which their figures mean nothing.
        judges: the card of the judges.
        beats: the beat tracker's name.
        seconds: of longer clips only the middle of this length was used.
        figures: one a line of the table.
        warnings: what makes a figure weak.
        left_out: clips that could not be used, and why.
        clips: what is known of each clip, in order.
        reference_sounds: signal measures of the reference's clips; not in the JSON.
        versions: of the libraries.
    """

    created: str
    musicldm: str
    generated: FolderSummary
    reference: FolderSummary | None
    training: str | None
    embedders: tuple[Identity, ...]
    judges: Mapping[str, Any] | None
    beats: str | None
    seconds: float
    figures: tuple[Figure, ...]
    warnings: tuple[str, ...]
    left_out: tuple[Problem, ...]
    clips: tuple[ClipLine, ...]
    reference_sounds: tuple[Signal, ...] = field(default=(), repr=False)
    versions: Mapping[str, str] = field(default_factory=dict)

    def to_json(self) -> str:
        """As JSON, one object; numbers that are not finite are null."""
        content = asdict(self)
        del content["reference_sounds"]
        content["figures"] = [_flat(figure) for figure in self.figures]
        content["left_out"] = [problem.entry() for problem in self.left_out]
        return json.dumps(_finite(content), indent=1, ensure_ascii=False, allow_nan=False)


def _flat(figure: Figure) -> dict[str, Any]:
    content = asdict(figure)
    estimate = content.pop("estimate")
    return {
        "section": content.pop("section"),
        "metric": content.pop("metric"),
        "value": estimate["mean"],
        "low": estimate["low"],
        "high": estimate["high"],
        "n": estimate["n"],
        **content,
    }


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(inner) for key, inner in value.items()}
    return [_finite(inner) for inner in value] if isinstance(value, list | tuple) else value


def summary_of(collection: Collection) -> FolderSummary:
    """Counts of a folder."""
    hours = sum(clip.seconds for clip in collection.clips) / 3600
    prompts = len(collection.with_prompt().clips)
    return FolderSummary(str(collection.folder), len(collection.clips), len(collection.problems), hours, prompts)


def clip_lines(
    generated: Collection, scores: Mapping[str, float], closest: tuple[Closest, ...]
) -> tuple[ClipLine, ...]:
    """A line for each clip that was used."""
    near = {pair.clip: pair for pair in closest}
    return tuple(_line(clip, scores.get(clip.piece.name), near.get(clip.piece.name)) for clip in generated.clips)


def _line(clip: ClipFeatures, score: float | None, closest: Closest | None) -> ClipLine:
    return ClipLine(
        name=clip.piece.name,
        prompt=clip.piece.prompt,
        seconds=clip.seconds,
        clap_score=score,
        nearest=None if closest is None else closest.training_clip,
        similarity=None if closest is None else closest.similarity,
        bpm_asked=clip.bpm,
        bpm_heard=clip.tempo,
        bpm_tracked=clip.tracked,
        verdict=clip.verdict,
        signal=clip.signal,
        row=clip.piece.row,
    )


def versions() -> dict[str, str]:
    """Of the libraries that figures depend on."""
    return {name: version(name) for name in _PACKAGES}

"""What an evaluation found, as data that JSON can hold."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import version
from typing import Any

from musicldm.data.sources import Problem
from musicldm.evaluation.metrics.signal import Signal
from musicldm.evaluation.report.figures import Collection, Figure
from musicldm.listeners.embedders import Identity

_PACKAGES = ("torch", "transformers", "numpy", "scipy", "soundfile", "soxr", "pyloudnorm")


@dataclass(frozen=True)
class About:
    """A folder: how many clips were heard and left out, hours of audio, and how many clips have a known prompt."""

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
    """What was found of one clip; None where it was not looked for."""

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
class Report:
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
        seconds: of longer clips the middle of this length was heard.
        figures: one a line of the table.
        warnings: what makes a figure weak.
        left_out: clips that could not be heard, and why.
        clips: what was found of each clip, in order.
        reference_sounds: signal measures of the reference's clips; not in the JSON.
        versions: of the libraries.
    """

    created: str
    musicldm: str
    generated: About
    reference: About | None
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
    found = content.pop("estimate")
    return {
        "section": content.pop("section"),
        "metric": content.pop("metric"),
        "value": found["mean"],
        "low": found["low"],
        "high": found["high"],
        "n": found["n"],
        **content,
    }


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _finite(one) for key, one in value.items()}
    return [_finite(one) for one in value] if isinstance(value, list | tuple) else value


def about(collection: Collection) -> About:
    """Counts of a folder."""
    hours = sum(one.seconds for one in collection.heard) / 3600
    prompts = len(collection.with_prompt().heard)
    return About(str(collection.folder), len(collection.heard), len(collection.problems), hours, prompts)


def clip_lines(
    generated: Collection, scores: Mapping[str, float], closest: tuple[Closest, ...]
) -> tuple[ClipLine, ...]:
    """A line for each clip that was heard."""
    near = {one.clip: one for one in closest}
    return tuple(
        ClipLine(
            name=one.piece.name,
            prompt=one.piece.prompt,
            seconds=one.seconds,
            clap_score=scores.get(one.piece.name),
            nearest=near[one.piece.name].training_clip if one.piece.name in near else None,
            similarity=near[one.piece.name].similarity if one.piece.name in near else None,
            bpm_asked=one.bpm,
            bpm_heard=one.tempo,
            bpm_tracked=one.tracked,
            verdict=one.verdict,
            signal=one.signal,
            row=one.piece.row,
        )
        for one in generated.heard
    )


def versions() -> dict[str, str]:
    """Of the libraries that figures depend on."""
    return {name: version(name) for name in _PACKAGES}

"""What a training says of itself: a line at intervals, and figures, sounds and pictures to keep and to look at."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from musicldm.audio.writing import write as write_wave
from musicldm.errors import MissingDependencyError, unknown_choice
from musicldm.events import Progress
from musicldm.files import append_line, whole, write_whole

LOG = "log.jsonl"


@dataclass(frozen=True)
class TrainingProgress(Progress):
    """How far a training is: steps done and of how many, or seconds where these end it.

    Attributes:
        step: steps that are done.
        figures: means of the losses since the last report, or what a validation found.
        line: all of it in one line.
    """

    step: int
    figures: Mapping[str, float] = field(hash=False)
    line: str


class Meter:
    """Means of the losses since the last line, the rate, and the time left; due every `period` seconds."""

    def __init__(self, period: float) -> None:
        self.period = period
        self.sums: dict[str, float] = {}
        self.means: dict[str, float] = {}
        self.count = 0
        self.rate = 0.0
        self.since = time.monotonic()

    def update(self, losses: Mapping[str, float]) -> None:
        self.count += 1
        for name, value in losses.items():
            self.sums[name] = self.sums.get(name, 0.0) + value

    def due(self) -> bool:
        return time.monotonic() - self.since > self.period

    def flush(self) -> dict[str, float]:
        now = time.monotonic()
        self.rate = self.count / (now - self.since)
        self.means = {name: value / self.count for name, value in self.sums.items()}
        self.sums, self.count, self.since = {}, 0, now
        return {**self.means, "steps_per_second": self.rate}

    def line(self, step: int, elapsed: float, progress: float) -> str:
        left = elapsed / max(progress, 1e-9) - elapsed
        figures = " ".join(f"{name} {value:.4f}" for name, value in self.means.items())
        return f"step {step} {figures} {self.rate:.2f} steps/s {progress:.1%} {left / 60:.1f} min left"


EXPERIMENT_TRACKERS = ("trackio", "wandb")
"""Their modules are called alike."""


class Journal:
    """What a training leaves beside its weights: `log.jsonl`, `samples/`, TensorBoard's curves and a tracker's.

    A context, in which it is written to. TensorBoard is left out where it is not installed.
    """

    def __init__(
        self,
        out: Path,
        sample_rate: int,
        experiment_tracker: str | None = None,
        config: Mapping[str, Any] | None = None,
        *,
        resume: bool = False,
    ) -> None:
        """Opens nothing yet.

        Args:
            out: folder of the run, whose name the tracker's run has too, in the project "musicldm".
            sample_rate: of the waves, in Hz.
            experiment_tracker: "trackio", "wandb" or None.
            config: settings of the run, for the tracker.
            resume: go on in the tracker's last run of this name.

        Raises:
            InvalidInputError: an unknown experiment tracker.
            MissingDependencyError: one that is not installed.
        """
        self.out, self.sample_rate = out, sample_rate
        self.config, self.resume = dict(config or {}), resume
        self.experiment_tracker = None if experiment_tracker is None else _tracker_module(experiment_tracker)
        self.tensorboard: Any = None

    def __enter__(self) -> Journal:
        with suppress(ImportError):
            from torch.utils.tensorboard import SummaryWriter

            self.tensorboard = SummaryWriter(str(self.out / "tensorboard"))
        if self.experiment_tracker is not None:
            self._open_tracker(self.experiment_tracker)
        return self

    def _open_tracker(self, tracker: Any) -> None:
        """Begins a run in it. Weights & Biases knows that of before by an id alone, which is kept beside the log."""
        known = self.out / "wandb_run_id"
        settings: dict[str, Any] = {"name": self.out.resolve().name, "config": self.config, "resume": "never"}
        if self.resume:
            settings["resume"] = "allow"
            if tracker.__name__ == "wandb" and known.is_file():
                settings["id"] = known.read_text(encoding="utf-8")
        run = tracker.init(project="musicldm", **settings)
        if tracker.__name__ == "wandb":
            write_whole(known, run.id)

    def __exit__(self, *exc: object) -> None:
        if self.tensorboard is not None:
            self.tensorboard.close()
        if self.experiment_tracker is not None:
            self.experiment_tracker.finish()

    def figures(self, kind: str, step: int, minutes: float, figures: Mapping[str, float]) -> None:
        """A line of the log, and a point of each curve."""
        entry = {"kind": kind, "step": step, "minutes": round(minutes, 3), **figures}
        append_line(self.out / LOG, json.dumps(entry))
        curves = {f"{kind}/{name}": value for name, value in figures.items()}
        if self.tensorboard is not None:
            for name, value in curves.items():
                self.tensorboard.add_scalar(name, value, step)
        if self.experiment_tracker is not None:
            self.experiment_tracker.log(curves, step=step)

    def samples(self, samples: Mapping[str, npt.NDArray[np.float32]], step: int) -> None:
        """Waves (samples,) as sound, pictures (height, width) from the bottom up, in a folder of the step."""
        media = {name: self._sample(name, value, step) for name, value in samples.items()}
        if self.experiment_tracker is not None and media:
            self.experiment_tracker.log(media, step=step)

    def _sample(self, name: str, value: npt.NDArray[np.float32], step: int) -> object:
        """Writes one, to TensorBoard too; returns what the tracker takes."""
        path = self.out / "samples" / f"step-{step:07d}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        is_sound = value.ndim == 1
        if is_sound:
            path = path.with_suffix(".wav")
            write_wave(path, value, self.sample_rate)
        else:
            path = path.with_suffix(".png")
            with whole(path) as part:
                Image.fromarray(np.round(255 * _shades(value)).astype(np.uint8)).save(part)
        if self.tensorboard is not None and is_sound:
            self.tensorboard.add_audio(name, value[None], step, sample_rate=self.sample_rate)
        elif self.tensorboard is not None:
            self.tensorboard.add_image(name, _shades(value)[None], step)
        if self.experiment_tracker is None:
            return None
        return self.experiment_tracker.Audio(str(path)) if is_sound else self.experiment_tracker.Image(str(path))


def _tracker_module(name: str) -> Any:
    if name not in EXPERIMENT_TRACKERS:
        raise unknown_choice("tracker", name, EXPERIMENT_TRACKERS)
    try:
        return import_module(name)
    except ImportError:
        raise MissingDependencyError(name, name) from None


def _shades(picture: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A picture (height, width) from the bottom up to one from the top down in 0 to 1."""
    low, high = float(picture.min()), float(picture.max())
    return ((picture - low) / max(high - low, 1e-6))[::-1].copy()

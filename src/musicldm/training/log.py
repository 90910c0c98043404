"""What a training says of itself: a line at intervals, and TensorBoard's scalars, sounds and pictures."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from musicldm.audio import write as write_wave


class Meter:
    """Means of the losses since the last line, the rate, and the time left."""

    def __init__(self) -> None:
        self.period = 1.0 if sys.stderr.isatty() else 30.0
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


def open_writer(out: Path) -> Any:
    """TensorBoard's writer as a context; a context of None where TensorBoard is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return nullcontext()
    return SummaryWriter(str(out / "tensorboard"))


class Samples:
    """Writes what a validation has made, into a folder a step and to TensorBoard."""

    def __init__(self, out: Path, writer: Any, sample_rate: int) -> None:
        """Knows where to.

        Args:
            out: folder of the run; sounds and pictures go to `samples/step-…/` in it.
            writer: of TensorBoard, or None.
            sample_rate: of the waves, in Hz.
        """
        self.out, self.writer, self.sample_rate = out, writer, sample_rate

    def write(self, samples: Mapping[str, npt.NDArray[np.float32]], step: int) -> None:
        """Waves (samples,) as sound, pictures (height, width) from the bottom up."""
        for name, value in samples.items():
            path = self.out / "samples" / f"step-{step:07d}" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            if value.ndim == 1:
                write_wave(path.with_suffix(".wav"), value, self.sample_rate)
            else:
                Image.fromarray(np.round(255 * _shades(value)).astype(np.uint8)).save(path.with_suffix(".png"))
            if self.writer is None:
                continue
            if value.ndim == 1:
                self.writer.add_audio(name, value[None], step, sample_rate=self.sample_rate)
            else:
                self.writer.add_image(name, _shades(value)[None], step)


def _shades(picture: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """A picture (height, width) from the bottom up to one from the top down in 0 to 1."""
    low, high = float(picture.min()), float(picture.max())
    return ((picture - low) / max(high - low, 1e-6))[::-1].copy()

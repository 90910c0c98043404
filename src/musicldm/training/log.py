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


def write_samples(writer: Any, samples: Mapping[str, npt.NDArray[np.float32]], step: int) -> None:
    """Waves (samples,) as sound at 16 kHz, pictures (height, width) from the bottom up."""
    for name, value in samples.items():
        if value.ndim == 1:
            writer.add_audio(name, value[None], step, sample_rate=16000)
        else:
            low, high = float(value.min()), float(value.max())
            writer.add_image(name, ((value - low) / max(high - low, 1e-6))[None, ::-1].copy(), step)

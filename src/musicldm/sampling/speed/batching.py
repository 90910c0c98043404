"""How many rows a UNet evaluates at once: bounded, and of the size that is fastest on the machine."""

from __future__ import annotations

import hashlib
import json
import math
import platform
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from musicldm.files import write_whole
from musicldm.machine.caches import cache_folder
from musicldm.sampling.speed.feature_cache import evaluate_all, evaluate_outermost

ROWS = 16
"""Rows at once where nothing was measured: the time for a row falls no further on the CPUs that were tried."""
_CANDIDATES = (4, 8, 16, 32, 64)
_WORTH = 0.97
"""A larger size must take less than this share of the time for a row."""
_PATIENCE = 5.0
"""Seconds: a size whose evaluation takes longer is the last one that is tried."""


class InPieces:
    """A UNet that sees at most so many rows at once, so that the memory of a call does not grow with its batch.

    It has the call and the `dtype` of the UNet (as with `return_dict=False`), and what `DeepFeatures` asks for.

    Args:
        unet: takes latents (n, channels, frames, bins), a timestep, and `class_labels` (n, width).
        rows: at least 1; pieces are as equal as can be.
    """

    def __init__(self, unet: Any, rows: int) -> None:
        self.unet, self.rows = unet, rows

    @property
    def dtype(self) -> torch.dtype:
        """That of the UNet's weights."""
        dtype: torch.dtype = self.unet.dtype
        return dtype

    def __call__(
        self, sample: torch.Tensor, timestep: Any, *, class_labels: torch.Tensor, **options: Any
    ) -> tuple[torch.Tensor]:
        """What the UNet gives."""
        return (
            torch.cat(
                [
                    self.unet(x, timestep, class_labels=labels, **options)[0]
                    for x, labels in self._cut(sample, class_labels)
                ]
            ),
        )

    def evaluate_all(
        self, sample: torch.Tensor, timestep: Any, *, class_labels: torch.Tensor, **options: Any
    ) -> tuple[tuple[torch.Tensor], torch.Tensor]:
        """The same, and the features that came up to the outermost level."""
        made = [
            evaluate_all(self.unet, x, timestep, class_labels=labels, **options)
            for x, labels in self._cut(sample, class_labels)
        ]
        return (torch.cat([result[0] for result, _ in made]),), torch.cat([features for _, features in made])

    def evaluate_outermost(
        self, features: torch.Tensor, sample: torch.Tensor, timestep: Any, *, class_labels: torch.Tensor, **options: Any
    ) -> tuple[torch.Tensor]:
        """What the UNet gives when these features come up to its outermost level."""
        made = [
            evaluate_outermost(self.unet, deep, x, timestep, class_labels=labels, **options)[0]
            for deep, x, labels in self._cut(features, sample, class_labels)
        ]
        return (torch.cat(made),)

    def _cut(self, *tensors: torch.Tensor) -> list[tuple[torch.Tensor, ...]]:
        count = math.ceil(len(tensors[0]) / self.rows)
        return list(zip(*(tensor.chunk(count) for tensor in tensors), strict=True))


def fastest_rows(evaluate: Callable[[int], object], clock: Callable[[], float] = time.perf_counter) -> int:
    """The number of rows that takes the least time for each.

    Args:
        evaluate: computes so many rows at once.
        clock: seconds.
    """
    best, least = _CANDIDATES[0], math.inf
    for rows in _CANDIDATES:
        try:
            evaluate(rows)  # the first of a size costs more than those that follow
            started = clock()
            evaluate(rows)
            taken = clock() - started
        except torch.OutOfMemoryError:
            break
        if taken / rows > _WORTH * least:
            break
        best, least = rows, taken / rows
        if taken > _PATIENCE:
            break
    return best


class RememberedRows:
    """What was found to be fastest, by machine and model, in a JSON file of the user's cache.

    Args:
        path: of the file; `musicldm/unet_rows.json` in the user's folder of caches where None.
    """

    def __init__(self, path: Path | None = None) -> None:
        self.path = path or cache_folder() / "unet_rows.json"

    def find(self, unet: Any, shape: tuple[int, int, int]) -> int:
        """The fastest number of rows for latents (channels, frames, bins); measured at the first time."""
        known = self._read()
        key = _key(unet, shape)
        if key not in known:
            known = {**known, key: fastest_rows(lambda rows: _evaluate(unet, rows, shape))}
            self._write(known)
        return int(known[key])

    def _read(self) -> dict[str, Any]:
        try:
            known = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {key: rows for key, rows in known.items() if isinstance(rows, int)} if isinstance(known, dict) else {}

    def _write(self, known: dict[str, Any]) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.path, json.dumps(known, indent=1) + "\n")
        except OSError:
            return  # a home that cannot be written to: it is found anew the next time


def _key(unet: Any, shape: tuple[int, int, int]) -> str:
    """What the fastest size depends on."""
    device = torch.device(unet.device)
    place = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    config = hashlib.sha256(json.dumps(dict(unet.config), sort_keys=True, default=str).encode()).hexdigest()[:16]
    machine = f"{device.type} {place}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    return f"{machine}, {type(unet).__name__} {config}, {unet.dtype}, {shape}"


@torch.no_grad()
def _evaluate(unet: Any, rows: int, shape: tuple[int, int, int]) -> None:
    width = unet.config.projection_class_embeddings_input_dim
    like = {"dtype": unet.dtype, "device": unet.device}
    made = unet(torch.zeros(rows, *shape, **like), 1, None, class_labels=torch.zeros(rows, width, **like))[0]
    made.sum().item()  # waits for a GPU

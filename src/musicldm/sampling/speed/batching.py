"""How many rows a UNet evaluates at once: bounded, and of the size that is fastest on the machine."""

from __future__ import annotations

import hashlib
import json
import math
import platform
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from musicldm.files import write_whole
from musicldm.machine.caches import cache_folder
from musicldm.sampling.denoiser import AttentionOptions, Denoiser, LeveledDenoiser

if TYPE_CHECKING:
    from diffusers import UNet2DConditionModel

ROWS = 16
"""Rows at once where nothing was measured: the time for a row falls no further on the CPUs that were tried."""
_CANDIDATES = (4, 8, 16, 32, 64)
_WORTH = 0.97
"""A larger size must take less than this share of the time for a row."""
_PATIENCE = 5.0
"""Seconds: a size whose evaluation takes longer is the last one that is tried."""


class InPieces:
    """A denoiser that sees at most so many rows at once, so that the memory of a call does not grow with its batch.

    Args:
        denoiser: what is called for each piece.
        rows: at least 1; pieces are as equal as can be.
    """

    def __init__(self, denoiser: LeveledDenoiser, rows: int) -> None:
        self.denoiser, self.rows = denoiser, rows

    @property
    def dtype(self) -> torch.dtype:
        """That of the denoiser."""
        return self.denoiser.dtype

    @property
    def levels(self) -> int:
        """Those of the denoiser."""
        return self.denoiser.levels

    def __call__(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        *,
        class_labels: torch.Tensor,
        cross_attention_kwargs: AttentionOptions | None = None,
    ) -> torch.Tensor:
        """See `Denoiser`."""
        made = [
            self.denoiser(x, timestep, class_labels=labels, cross_attention_kwargs=cross_attention_kwargs)
            for x, labels in self._cut(sample, class_labels)
        ]
        return torch.cat(made)

    def evaluate_all(
        self,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        *,
        class_labels: torch.Tensor,
        cross_attention_kwargs: AttentionOptions | None = None,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """See `LeveledDenoiser`."""
        made = [
            self.denoiser.evaluate_all(x, timestep, class_labels=labels, cross_attention_kwargs=cross_attention_kwargs)
            for x, labels in self._cut(sample, class_labels)
        ]
        return torch.cat([prediction for prediction, _ in made]), torch.cat([features for _, features in made])

    def evaluate_outermost(
        self,
        features: torch.Tensor,
        sample: torch.Tensor,
        timestep: torch.Tensor,
        *,
        class_labels: torch.Tensor,
        cross_attention_kwargs: AttentionOptions | None = None,
    ) -> torch.Tensor:
        """See `LeveledDenoiser`."""
        made = [
            self.denoiser.evaluate_outermost(
                deep, x, timestep, class_labels=labels, cross_attention_kwargs=cross_attention_kwargs
            )
            for deep, x, labels in self._cut(features, sample, class_labels)
        ]
        return torch.cat(made)

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

    def find(self, denoiser: Denoiser, unet: UNet2DConditionModel, shape: tuple[int, int, int]) -> int:
        """The fastest number of rows for latents (channels, frames, bins); measured at the first time.

        Args:
            denoiser: what computes.
            unet: that it is made of.
            shape: of a row.
        """
        known = self._read()
        key = _key(denoiser, unet, shape)
        if key not in known:
            known = {**known, key: fastest_rows(lambda rows: _evaluate(denoiser, unet, rows, shape))}
            self._write(known)
        return known[key]

    def _read(self) -> dict[str, int]:
        try:
            known = json.loads(self.path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return {}
        return {key: rows for key, rows in known.items() if isinstance(rows, int)} if isinstance(known, dict) else {}

    def _write(self, known: Mapping[str, int]) -> None:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            write_whole(self.path, json.dumps(known, indent=1) + "\n")
        except OSError:
            return  # a home that cannot be written to: it is found anew the next time


def _key(denoiser: Denoiser, unet: UNet2DConditionModel, shape: tuple[int, int, int]) -> str:
    """What the fastest size depends on."""
    device = torch.device(unet.device)
    chip = torch.cuda.get_device_name(device) if device.type == "cuda" else platform.processor() or platform.machine()
    config = hashlib.sha256(json.dumps(dict(unet.config), sort_keys=True, default=str).encode()).hexdigest()[:16]
    machine = f"{device.type} {chip}, {torch.get_num_threads()} threads, torch {torch.__version__}"
    return f"{machine}, {type(denoiser).__name__} {config}, {denoiser.dtype}, {shape}"


@torch.no_grad()
def _evaluate(denoiser: Denoiser, unet: UNet2DConditionModel, rows: int, shape: tuple[int, int, int]) -> None:
    width: int = unet.config.projection_class_embeddings_input_dim
    like = torch.empty(0, device=unet.device, dtype=denoiser.dtype)
    labels = like.new_zeros(rows, width)
    made = denoiser(like.new_zeros(rows, *shape), torch.tensor(1, device=like.device), class_labels=labels)
    made.sum().item()  # waits for a GPU

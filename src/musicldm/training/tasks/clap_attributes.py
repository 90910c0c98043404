"""What is known of clips as classification targets, for heads that training alone uses."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from musicldm.data.store import ClipRow

TEMPO_BINS = torch.linspace(math.log(45), math.log(230), 96)
"""Logarithms of beats a minute; neighbours are 1.7 % apart."""
TEMPO_WIDTH = 0.02


def _lead_name(row: ClipRow) -> str:
    return next((part["name"] for part in row.fields["instruments"] if part["role"] == "lead"), "none")


_READERS: Mapping[str, Callable[[ClipRow], str]] = {
    "genre": lambda row: str(row.fields["genre"]),
    "lead": _lead_name,
    "family": lambda row: row.lead_family,
    "drums": lambda row: str(row.fields["drums"]),
    "quality": lambda row: str(row.fields["quality"]),
    "mood": lambda row: str(row.fields["mood"]),
    "energy": lambda row: str(row.fields["energy"]),
    "mode": lambda row: str(row.fields["mode"]),
    "key": lambda row: str(row.fields["key"]),
    "meter": lambda row: str(row.fields["meter"]),
}
_FIELDS = ("genre", "instruments", "drums", "quality", "mood", "energy", "mode", "key", "meter", "bpm")
WEIGHTS: Mapping[str, float] = {
    "genre": 1.0,
    "lead": 0.7,
    "family": 0.7,
    "drums": 1.0,
    "quality": 0.5,
    "mood": 0.3,
    "energy": 0.2,
    "mode": 0.15,
    "key": 0.15,
    "meter": 0.2,
    "tempo": 1.5,
}


@dataclass(frozen=True)
class Attributes:
    """Targets of N clips.

    Attributes:
        values: for each attribute its values, in the order of the classes.
        classes: for each attribute (N,) int64.
        tempo: (N, bins) distribution over `TEMPO_BINS`, narrow about the truth.
        bpm: (N,).
    """

    values: Mapping[str, tuple[str, ...]]
    classes: Mapping[str, Tensor]
    tempo: Tensor
    bpm: Tensor

    @classmethod
    def of(cls, rows: Sequence[ClipRow], values: Mapping[str, tuple[str, ...]] | None = None) -> Attributes | None:
        """Those of a composed corpus; None for a corpus that does not know all of them.

        `values`: of all the rows that there will be, as `attribute_values` finds them; those of `rows` where None.
        """
        known = values or attribute_values(rows)
        if known is None:
            return None
        classes = {
            name: torch.tensor([known[name].index(read(row)) for row in rows]) for name, read in _READERS.items()
        }
        bpm = torch.tensor([float(row.fields["bpm"]) for row in rows])
        return cls(known, classes, tempo_target(bpm), bpm)

    def features(self) -> Tensor:
        """(N, features): all classes as one-hot, with the tempo sharp and blurred."""
        hot = [F.one_hot(self.classes[name], len(self.values[name])).float() for name in self.values]
        return torch.cat([*hot, 3 * self.tempo, 4 * tempo_target(self.bpm, 0.15)], dim=1)


def attribute_values(rows: Sequence[ClipRow]) -> Mapping[str, tuple[str, ...]] | None:
    """The values of each attribute that occur, sorted; None for a corpus that does not know all attributes."""
    if not all(name in row.fields for row in rows for name in _FIELDS):
        return None
    return {name: tuple(sorted({read(row) for row in rows})) for name, read in _READERS.items()}


def tempo_target(bpm: Tensor, width: float = TEMPO_WIDTH) -> Tensor:
    """Gaussian in log tempo over `TEMPO_BINS`, (N,) → (N, bins), each row summing to one."""
    distance = torch.log(bpm)[:, None] - TEMPO_BINS[None]
    return torch.softmax(-0.5 * (distance / width).square(), dim=1)


class Heads(nn.Module):
    """Linear readers of the attributes from a unit embedding (B, D)."""

    def __init__(self, values: Mapping[str, tuple[str, ...]], width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.tensor(math.log(10.0)))
        self.readers = nn.ModuleDict({name: nn.Linear(width, len(known)) for name, known in values.items()})
        self.readers["tempo"] = nn.Linear(width, len(TEMPO_BINS))

    def forward(self, embedding: Tensor) -> dict[str, Tensor]:
        scaled = embedding * self.scale.exp()
        return {name: reader(scaled) for name, reader in self.readers.items()}

    def loss(self, embedding: Tensor, attributes: Attributes, clips: Tensor) -> Tensor:
        """Weighted cross-entropies, summed over the attributes."""
        logits = self(embedding)
        total = WEIGHTS["tempo"] * F.cross_entropy(logits["tempo"], attributes.tempo[clips].to(embedding.device))
        for name, classes in attributes.classes.items():
            total = total + WEIGHTS[name] * F.cross_entropy(logits[name], classes[clips].to(embedding.device))
        return total

    def figures(self, embedding: Tensor, attributes: Attributes) -> dict[str, float]:
        """Accuracy of genre, family and drums, and the share of tempi within 4 %, over all clips."""
        logits = self(embedding)
        out: dict[str, Any] = {}
        for name in ("genre", "family", "drums"):
            right = logits[name].argmax(1).cpu() == attributes.classes[name]
            out[name] = right.float().mean().item()
        tempo = TEMPO_BINS[logits["tempo"].argmax(1).cpu()].exp()
        out["tempo_within_4_percent"] = ((tempo / attributes.bpm - 1).abs() <= 0.04).float().mean().item()
        return out

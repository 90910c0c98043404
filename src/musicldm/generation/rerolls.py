"""Music that comes too close to the training set is made again from another seed."""

from __future__ import annotations

import hashlib
import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from musicldm.errors import InvalidInputError
from musicldm.generation.settings import BATCH, Batch, Row, in_batches

if TYPE_CHECKING:
    from musicldm.audio import Wave
    from musicldm.cli.generate import Take
    from musicldm.listeners.embedders import Embedder
    from musicldm.novelty.check import Report
    from musicldm.novelty.index import NoveltyIndex


@dataclass(frozen=True)
class Limit:
    """How near music may come to a training clip.

    Args:
        similarity: cosine, "0.9"; or how unusual, "99%": nearer than 99 in 100 training clips are to another.
        tries: how often a piece is made at most, the first time included.
        index: "default", or the folder of an index.

    Raises:
        InvalidInputError: a value outside its range.
    """

    similarity: str
    tries: int = 4
    index: str = "default"

    def __post_init__(self) -> None:
        if self.tries < 1:
            raise InvalidInputError(f"tries {self.tries}: it must be at least 1")
        self._number()

    def _number(self) -> tuple[float, bool]:
        """The number, and whether it is a percentage."""
        percent = self.similarity.endswith("%")
        try:
            number = float(self.similarity.removesuffix("%"))
        except ValueError:
            number = math.nan
        if not 0 < number <= (100 if percent else 1):
            raise InvalidInputError(
                f"max similarity {self.similarity!r}: valid is a cosine above 0 and up to 1, or a share of the "
                "training clips such as 99%"
            )
        return number, percent

    def cosine(self, index: NoveltyIndex) -> float:
        """The largest similarity that is allowed, with this index."""
        from musicldm.novelty.calibration import quantile

        number, percent = self._number()
        return quantile(index.calibration.similarities, number / 100) if percent else number


@dataclass(frozen=True)
class Checker:
    """Waves to reports, and what is too close: above the `highest` similarity, and copies always."""

    index: NoveltyIndex
    embedder: Embedder
    highest: float
    tries: int

    @classmethod
    def open(cls, limit: Limit, device: str) -> Checker:
        """Opens the index and what hears for it."""
        from musicldm.novelty.index import open_index

        index = open_index(limit.index)
        return cls(index, index.embedder(device), limit.cosine(index), limit.tries)

    def __call__(self, wave: Wave, sample_rate: int) -> Report:
        from musicldm.novelty.check import check

        return check(self.index, wave, sample_rate, self.embedder, 1)

    def too_close(self, report: Report) -> bool:
        return report.verdict == "copy" or report.similarity > self.highest


def derived_seed(seed: int, attempt: int) -> int:
    """The seed of the attempt, 2 or more, to make the piece of a seed again: 0 to 2**32 - 1."""
    return int.from_bytes(hashlib.sha256(f"{seed} {attempt}".encode()).digest()[:4], "little")


def remake(
    takes: Sequence[Take],
    make: Callable[[Batch], list[Take]],
    hear: Callable[[Take], Report],
    checker: Checker,
) -> list[Take]:
    """Takes with what is known of their novelty, those too close replaced.

    Args:
        takes: of one prompt, as they were made first.
        make: a batch to its takes.
        hear: a take to its report.
        checker: what is too close.
    """
    best = {take.seed: _checked(take, hear(take), checker, take.seed, 1) for take in takes}
    for attempt in range(2, checker.tries + 1):
        close = [seed for seed, take in best.items() if _is_close(take)]
        if not close:
            break
        seeds = {derived_seed(seed, attempt): seed for seed in close}
        for new, seed in seeds.items():
            _tell(f"{_found(best[seed])}: trying seed {new}")
        rows = [Row(takes[0].row.piece, takes[0].row.prompt, seed) for seed in seeds]
        for take in (take for batch in in_batches(rows, BATCH) for take in make(batch)):
            first = seeds[take.seed]
            best[first] = min(best[first], _checked(take, hear(take), checker, first, attempt), key=_closeness)
    for take in best.values():
        if _is_close(take):
            _tell(f"{_found(take)}: still too close after {checker.tries} tries; this is the least similar of them")
    return sorted(best.values(), key=lambda take: -math.inf if take.score is None else -take.score)


def _checked(take: Take, report: Report, checker: Checker, first_seed: int, attempt: int) -> Take:
    found: dict[str, Any] = {
        "similarity": report.similarity,
        "nearest": report.nearest[0].place.source,
        "percentile": round(report.percentile, 2),
        "verdict": report.verdict,
        "max_similarity": round(checker.highest, 5),
        "too_close": checker.too_close(report),
        "first_seed": first_seed,
        "attempt": attempt,
        "index": report.index,
    }
    return replace(take, novelty=found)


def _is_close(take: Take) -> bool:
    return take.novelty is not None and bool(take.novelty["too_close"])


def _closeness(take: Take) -> tuple[bool, bool, float]:
    """What is allowed before what is not, copies last, then the less similar."""
    found = take.novelty or {}
    return bool(found["too_close"]), found["verdict"] == "copy", float(found["similarity"])


def _found(take: Take) -> str:
    found = take.novelty or {}
    likeness = f"similarity {found['similarity']:.3f} to {found['nearest']}"
    limit = "a copy" if found["verdict"] == "copy" else f"above {found['max_similarity']:.3f}"
    return f"seed {take.seed} has {likeness}, {limit}"


def _tell(message: str) -> None:
    warnings.warn(message, UserWarning, stacklevel=1)

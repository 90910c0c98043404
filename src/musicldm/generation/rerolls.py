"""Music that comes too close to the training set is made again from another seed."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from musicldm.errors import InvalidInputError
from musicldm.events import Listener, Note
from musicldm.generation.settings import TRIES, Settings
from musicldm.generation.takes import BATCH, Batch, NoveltyCheck, Row, Take, best_first, in_batches

if TYPE_CHECKING:
    from musicldm.audio import Wave
    from musicldm.listeners.embedders import Embedder
    from musicldm.novelty.check import NoveltyReport
    from musicldm.novelty.index import NoveltyIndex


@dataclass(frozen=True)
class Limit:
    """How near music may come to a training clip.

    Args:
        number: a cosine, above 0 to 1; or a percentage, above 0 to 100.
        is_share: whether it is the percentage of the training clips that are less near to another.
    """

    number: float
    is_share: bool

    @classmethod
    def of(cls, text: str) -> Limit:
        """From "0.9" or "99%".

        Raises:
            InvalidInputError: neither of them.
        """
        is_share = text.endswith("%")
        try:
            number = float(text.removesuffix("%"))
        except ValueError:
            number = math.nan
        if not 0 < number <= (100 if is_share else 1):
            raise InvalidInputError(
                f"max similarity {text!r}: valid is a cosine above 0 and up to 1, or a share of the "
                "training clips such as 99%"
            )
        return cls(number, is_share)

    def cosine(self, index: NoveltyIndex) -> float:
        """The largest similarity that is allowed, with this index."""
        from musicldm.novelty.calibration import quantile

        return quantile(index.calibration.similarities, self.number / 100) if self.is_share else self.number


@dataclass(frozen=True)
class Checker:
    """Waves to reports, and what is too close: above the `highest` similarity, and copies always."""

    index: NoveltyIndex
    embedder: Embedder
    highest: float
    tries: int

    @classmethod
    def open(cls, settings: Settings) -> Checker | None:
        """Opens the index and the embedder that it was made with; None where no limit is set.

        Raises:
            DataError: no such index, or a damaged one.
        """
        from musicldm.novelty.index import open_index

        if settings.max_similarity is None:
            return None
        index = open_index(settings.novelty_index or "default")
        limit = Limit.of(settings.max_similarity)
        return cls(index, index.embedder(settings.device), limit.cosine(index), settings.tries or TRIES)

    def __call__(self, wave: Wave, sample_rate: int) -> NoveltyReport:
        from musicldm.novelty.check import check

        return check(self.index, wave, sample_rate, self.embedder, 1)

    def too_close(self, report: NoveltyReport) -> bool:
        return report.verdict == "copy" or report.similarity > self.highest

    def checked(self, take: Take, report: NoveltyReport, first_seed: int, attempt: int) -> Take:
        """The take with what is known of its novelty."""
        novelty = NoveltyCheck(
            similarity=report.similarity,
            nearest=report.nearest[0].place.source,
            percentile=round(report.percentile, 2),
            verdict=report.verdict,
            max_similarity=round(self.highest, 5),
            too_close=self.too_close(report),
            first_seed=first_seed,
            attempt=attempt,
            index=report.index,
        )
        return replace(take, novelty=novelty)


def derived_seed(seed: int, attempt: int) -> int:
    """The seed of the attempt, 2 or more, to make the piece of a seed again: 0 to 2**32 - 1."""
    return int.from_bytes(hashlib.sha256(f"{seed} {attempt}".encode()).digest()[:4], "little")


def remake(
    takes: Sequence[Take],
    make: Callable[[Batch], list[Take]],
    compare: Callable[[Take], NoveltyReport],
    checker: Checker,
    listen: Listener,
) -> list[Take]:
    """Takes with what is known of their novelty, those too close replaced; best first.

    Args:
        takes: of one prompt, as they were made first.
        make: a batch to its takes.
        compare: a take to its report.
        checker: what is too close.
        listen: gets a note for each take that is made again, or that stays too close.
    """
    best = {take.seed: checker.checked(take, compare(take), take.seed, 1) for take in takes}
    for attempt in range(2, checker.tries + 1):
        close = [seed for seed, take in best.items() if _novelty(take).too_close]
        if not close:
            break
        seeds = {derived_seed(seed, attempt): seed for seed in close}
        for new, seed in seeds.items():
            listen(Note(f"{_likeness(best[seed])}: trying seed {new}"))
        rows = [Row(takes[0].row.piece, takes[0].row.prompt, seed) for seed in seeds]
        for take in (take for batch in in_batches(rows, BATCH) for take in make(batch)):
            first = seeds[take.seed]
            best[first] = min(best[first], checker.checked(take, compare(take), first, attempt), key=_closeness)
    for take in best.values():
        if _novelty(take).too_close:
            told = f"still too close after {checker.tries} tries; this is the least similar of them"
            listen(Note(f"{_likeness(take)}: {told}"))
    return best_first(best.values())


def _novelty(take: Take) -> NoveltyCheck:
    assert take.novelty is not None
    return take.novelty


def _closeness(take: Take) -> tuple[bool, bool, float]:
    """What is allowed before what is not, copies last, then the less similar."""
    novelty = _novelty(take)
    return novelty.too_close, novelty.verdict == "copy", novelty.similarity


def _likeness(take: Take) -> str:
    novelty = _novelty(take)
    limit = "a copy" if novelty.verdict == "copy" else f"above {novelty.max_similarity:.3f}"
    return f"seed {take.seed} has similarity {novelty.similarity:.3f} to {novelty.nearest}, {limit}"

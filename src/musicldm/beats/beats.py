"""Beats and downbeats of a piece of music, with the tempo and the meter that follow from them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from musicldm.errors import InvalidInputError

_SAME_TEMPO = 0.2


@dataclass(frozen=True)
class Beats:
    """Times of beats and downbeats.

    Args:
        beats: seconds from the first sample, ascending.
        downbeats: those of them that begin a bar.
        tempo: beats a minute, from the usual distance of two beats (`tempo_of_beats`); 0.0 with fewer than two beats.
        meter: beats in a bar, as most bars have them; 0 where no two downbeats follow each other.

    Raises:
        InvalidInputError: times that do not ascend, or a downbeat that is no beat.
    """

    beats: tuple[float, ...]
    downbeats: tuple[float, ...]
    tempo: float
    meter: int

    def __post_init__(self) -> None:
        if any(later <= earlier for earlier, later in zip(self.beats, self.beats[1:], strict=False)):
            raise InvalidInputError("beats must ascend")
        if not set(self.downbeats) <= set(self.beats):
            raise InvalidInputError("every downbeat must be one of the beats")

    @classmethod
    def of(cls, beats: npt.ArrayLike, downbeats: npt.ArrayLike) -> Beats:
        """With tempo and meter from the times alone (seconds; to the microsecond)."""
        times: npt.NDArray[np.float64] = np.unique(np.round(np.asarray(beats, np.float64), 6))
        first: npt.NDArray[np.float64] = np.unique(np.round(np.asarray(downbeats, np.float64), 6))
        return cls(tuple(times.tolist()), tuple(first.tolist()), tempo_of_beats(times), meter_of_beats(times, first))

    def numbers(self) -> tuple[int, ...]:
        """Each beat's number in its bar, 1 a downbeat; those before the first downbeat count up to it.

        As in beat_this, a pickup longer than `meter` counts from 2, and so do beats without any downbeat.
        """
        at = np.searchsorted(self.beats, self.downbeats)
        if not len(at):
            return tuple(range(2, len(self.beats) + 2))
        index = np.arange(len(self.beats))
        bar = np.searchsorted(at, index, side="right") - 1
        length = max(self.meter, int(at[0]) + 1)
        return tuple(np.where(bar >= 0, index - at[bar] + 1, length - at[0] + index + 1).tolist())


def tempo_of_beats(beats: npt.NDArray[np.float64]) -> float:
    """Beats a minute: the mean of the distances within a fifth of their (lower) median; 0.0 with fewer than two beats.

    The mean is finer than the median, which knows whole frames only; what lies further off is a beat too many or too
    few, or another tempo.
    """
    gaps = np.sort(np.diff(beats))
    if not len(gaps):
        return 0.0
    median = gaps[(len(gaps) - 1) // 2]
    return float(60 / gaps[np.abs(gaps / median - 1) <= _SAME_TEMPO].mean())


def meter_of_beats(beats: npt.NDArray[np.float64], downbeats: npt.NDArray[np.float64]) -> int:
    """The commonest number of beats from one downbeat to the next, the smallest of equals; 0 with fewer than two."""
    lengths = np.diff(np.searchsorted(beats, downbeats))
    return int(np.bincount(lengths).argmax()) if len(lengths) else 0

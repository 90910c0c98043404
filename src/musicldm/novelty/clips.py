"""What an index keeps of each clip beside its features: where it comes from, and its beats."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from musicldm.audio import Wave
from musicldm.data.arrays import write_small
from musicldm.errors import DataError
from musicldm.files import is_refusal


@dataclass(frozen=True)
class IndexedClip:
    """A clip of the training set.

    Args:
        source: name of the file that it was cut from.
        start: second of the file that it begins at.
        seconds: how long it is.
        beats: seconds from its beginning; empty where unknown.
        downbeats: those of them that begin a bar.
    """

    source: str
    start: float
    seconds: float
    beats: tuple[float, ...] = ()
    downbeats: tuple[float, ...] = ()

    @classmethod
    def of(cls, fields: dict[str, Any]) -> IndexedClip:
        """From the line of a prepared folder's `clips.jsonl`."""
        times = {name: tuple(map(float, fields.get(name) or ())) for name in ("beats", "downbeats")}
        return cls(str(fields["source"]), float(fields["start"]), float(fields["seconds"]), **times)

    @property
    def name(self) -> str:
        """The source, and the second of it that the clip begins at where that is not its beginning."""
        return f"{self.source}@{self.start:g}s" if self.start else self.source

    def bar(self, second: float) -> float | None:
        """Where in the clip a second lies, in bars: 1 at the first downbeat; None with fewer than two downbeats."""
        if len(self.downbeats) < 2:
            return None
        bars = np.asarray(self.downbeats)
        bar = int(np.clip(np.searchsorted(bars, second, side="right") - 1, 0, len(bars) - 2))
        return float(1 + bar + (second - bars[bar]) / (bars[bar + 1] - bars[bar]))


@dataclass(frozen=True)
class ClipSound:
    """A clip with its sound: `wave` (samples,) at `sample_rate` Hz, without the padding at its end."""

    clip: IndexedClip
    wave: Wave
    sample_rate: int


def write_clips(clips: Sequence[IndexedClip], path: Path) -> None:
    """Sources, starts and lengths, a JSON array a line, compressed; the same bytes for the same clips."""
    text = "".join(json.dumps([clip.source, clip.start, clip.seconds], ensure_ascii=False) + "\n" for clip in clips)
    path.write_bytes(gzip.compress(text.encode(), mtime=0))


def write_beats(clips: Sequence[IndexedClip], path: Path) -> None:
    """Beats of all clips in milliseconds, and which are downbeats.

    Second differences are written: they are nearly zero within a clip, and compress far better.
    """
    counts = [len(clip.beats) for clip in clips]
    times = np.rint(1000 * np.array([time for clip in clips for time in clip.beats])).astype(np.int64)
    down = np.array([time in set(clip.downbeats) for clip in clips for time in clip.beats], np.bool_)
    turns = np.diff(times, n=2, prepend=[0, 0]).astype(np.int32)
    write_small(path, counts=np.array(counts, np.uint16), turns=turns, down=down)


def read_clips(clips: Path, beats: Path) -> list[IndexedClip]:
    """What `write_clips` and `write_beats` wrote.

    Raises:
        DataError: it is something else.
        OSError: the machine refuses to read it.
    """
    try:
        rows = [json.loads(line) for line in gzip.decompress(clips.read_bytes()).decode().splitlines()]
        with np.load(beats) as stored:
            ends = np.cumsum(stored["counts"], dtype=np.int64)
            times = np.cumsum(np.cumsum(stored["turns"], dtype=np.int64)) / 1000
            down = stored["down"]
        return [
            _clip_of(row, times, down, begin, end) for row, begin, end in zip(rows, [0, *ends[:-1]], ends, strict=True)
        ]
    except (OSError, ValueError, KeyError) as error:
        if is_refusal(error):
            raise
        raise DataError(f"{clips.parent}: the clips of this novelty index cannot be read ({error})") from None


def _clip_of(
    row: Iterable[Any], times: npt.NDArray[np.float64], down: npt.NDArray[np.bool_], begin: int, end: int
) -> IndexedClip:
    source, start, seconds = row
    beats = times[begin:end]
    return IndexedClip(source, start, seconds, tuple(beats.tolist()), tuple(beats[down[begin:end]].tolist()))

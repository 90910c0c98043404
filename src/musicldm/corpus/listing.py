"""Which clips a corpus lists: `metadata.jsonl`, and until a run ends `metadata.partial.jsonl` with those after them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from musicldm import files
from musicldm.errors import DataError

FINAL, PARTIAL = "metadata.jsonl", "metadata.partial.jsonl"

NameAndSeed = Callable[[int], tuple[str, int]]
"""Number of a clip to its `file_name` and `seed`, by which a row is known to be of this corpus."""


class Row(NamedTuple):
    """A line about a clip: the clip's number and the names of its files."""

    number: int
    line: bytes
    names: tuple[str, ...]


class Lists:
    """The rows of a corpus folder, in the order of their clips.

    Attributes:
        done: how many clips are listed, in both files together.
        lost: the numbers of those whose files are not all there, in order.
    """

    def __init__(self, folder: Path, name_and_seed: NameAndSeed) -> None:
        """Reads both files; a line that a killed run left cut off is dropped.

        Raises:
            DataError: there are other rows in them.
        """
        self._final, self._partial = folder / FINAL, folder / PARTIAL
        self._name_and_seed = name_and_seed
        self._first_seed = name_and_seed(0)[1]
        lost: set[int] = set()
        self._complete, _ = self._read(self._final, 0, lost)
        first = self._first_number(self._partial)
        rows, size = self._read(self._partial, first, lost)
        if first > self._complete:
            raise _foreign(self._partial, 1)
        if first + rows <= self._complete:  # killed when all of it was in the other file
            self._partial.unlink(missing_ok=True)
        elif self._partial.stat().st_size > size:
            with self._partial.open("rb+") as file:
                file.truncate(size)
        self.done, self.lost = max(self._complete, first + rows), sorted(lost)

    def _read(self, path: Path, first: int, lost: set[int]) -> tuple[int, int]:
        """How many rows and bytes there are; clips whose files are not all there are added to `lost`."""
        rows, size = 0, 0
        for row in self._rows(path, first):
            rows, size = rows + 1, size + len(row.line)
            if not all((path.parent / name).is_file() for name in row.names):
                lost.add(row.number)
        return rows, size

    def _rows(self, path: Path, first: int) -> Iterator[Row]:
        """Of each clip from `first` on; of the partial file, whole lines alone."""
        if not path.is_file():
            return
        with path.open("rb") as file:
            for number, line in enumerate(file):
                row = self._row(line)
                if row and row.number == first + number and (path == self._final or line.endswith(b"\n")):
                    yield row
                elif path == self._final or line.endswith(b"\n") or not self._is_cut_off(line, first + number):
                    raise _foreign(path, number + 1)

    def _row(self, line: bytes) -> Row | None:
        """None where a line is no row of this corpus."""
        try:
            row = json.loads(line)
            number = int(row["seed"]) - self._first_seed
            names = (row["file_name"], *row.get("stems", {}).values())
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            return None
        ours = number >= 0 and names[0] == self._name_and_seed(number)[0]
        return Row(number, line, names) if ours and all(isinstance(name, str) for name in names) else None

    def _is_cut_off(self, line: bytes, number: int) -> bool:
        head = json.dumps({"file_name": self._name_and_seed(number)[0]})[:-1].encode()
        return line.startswith(head) or head.startswith(line)

    def _first_number(self, path: Path) -> int:
        if not path.is_file():
            return self._complete
        with path.open("rb") as file:
            row = self._row(file.readline())
        return self._complete if row is None else row.number

    @contextmanager
    def appending(self) -> Iterator[Callable[[str], None]]:
        """What adds the row of the next clip, once the clip itself is there."""
        with files.named(self._partial), self._partial.open("ab") as rows:

            def append(row: str) -> None:
                rows.write(row.encode() + b"\n")
                rows.flush()
                self.done += 1

            yield append

    def finish(self) -> None:
        """Brings all rows into `metadata.jsonl`."""
        if self.done > self._complete:
            new = self._rows(self._partial, self._first_number(self._partial))
            with files.whole(self._final) as part, part.open("wb") as file:
                for row in self._rows(self._final, 0):
                    file.write(row.line if row.line.endswith(b"\n") else row.line + b"\n")
                file.writelines(row.line for row in new if row.number >= self._complete)
        self._partial.unlink(missing_ok=True)


def _foreign(path: Path, line: int) -> DataError:
    return DataError(f"{path}: line {line} is not of this corpus: keep other clips in a folder of their own")

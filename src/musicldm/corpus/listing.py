"""Which clips a corpus lists: `metadata.jsonl`, and until a run ends `metadata.partial.jsonl` with those after them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from musicldm import files
from musicldm.errors import DataError

FINAL, PARTIAL = "metadata.jsonl", "metadata.partial.jsonl"

NameAndSeed = Callable[[int], tuple[str, int]]
"""Number of a clip to its `file_name` and `seed`, by which a row is known to be of this corpus."""


class Lists:
    """The rows of a corpus folder, in the order of their clips.

    Attributes:
        done: how many clips are listed, in both files together.
    """

    def __init__(self, folder: Path, name_and_seed: NameAndSeed) -> None:
        """Reads both files; a line that a killed run left cut off is dropped.

        Raises:
            DataError: there are other rows in them.
        """
        self._final, self._partial = folder / FINAL, folder / PARTIAL
        self._name_and_seed = name_and_seed
        self._first_seed = name_and_seed(0)[1]
        self._complete = sum(1 for _ in self._rows(self._final, 0))
        first = self._first_number(self._partial)
        rows, size = 0, 0
        for _, line in self._rows(self._partial, first):
            rows, size = rows + 1, size + len(line)
        if first > self._complete:
            raise _foreign(self._partial, 1)
        if first + rows <= self._complete:  # killed when all of it was in the other file
            self._partial.unlink(missing_ok=True)
        elif self._partial.stat().st_size > size:
            with self._partial.open("rb+") as file:
                file.truncate(size)
        self.done = max(self._complete, first + rows)

    def _rows(self, path: Path, first: int) -> Iterator[tuple[int, bytes]]:
        """Number and line of each clip from `first` on; of the partial file, whole lines alone."""
        if not path.is_file():
            return
        with path.open("rb") as file:
            for number, line in enumerate(file):
                if self._number(line) == first + number and (path == self._final or line.endswith(b"\n")):
                    yield first + number, line
                elif path == self._final or line.endswith(b"\n") or not self._is_cut_off(line, first + number):
                    raise _foreign(path, number + 1)

    def _number(self, line: bytes) -> int | None:
        """Of the clip that a row is about; None where it is no row of this corpus."""
        try:
            row = json.loads(line)
            number = int(row["seed"]) - self._first_seed
            return number if number >= 0 and row["file_name"] == self._name_and_seed(number)[0] else None
        except (ValueError, KeyError, TypeError, RecursionError):
            return None

    def _is_cut_off(self, line: bytes, number: int) -> bool:
        head = json.dumps({"file_name": self._name_and_seed(number)[0]})[:-1].encode()
        return line.startswith(head) or head.startswith(line)

    def _first_number(self, path: Path) -> int:
        if not path.is_file():
            return self._complete
        with path.open("rb") as file:
            number = self._number(file.readline())
        return self._complete if number is None else number

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
                for _, line in self._rows(self._final, 0):
                    file.write(line if line.endswith(b"\n") else line + b"\n")
                file.writelines(line for number, line in new if number >= self._complete)
        self._partial.unlink(missing_ok=True)


def _foreign(path: Path, line: int) -> DataError:
    return DataError(f"{path}: line {line} is not of this corpus: keep other clips in a folder of their own")

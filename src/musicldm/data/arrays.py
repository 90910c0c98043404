"""Arrays in files: written row by row, and read over many files as one."""

from __future__ import annotations

import math
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from musicldm import files

Rows = npt.NDArray[Any]
_OPEN_FILES = 256


class ArrayFile:
    """A .npy file that grows by rows of one shape; its header is right once it is closed."""

    def __init__(self, path: Path, row: tuple[int, ...], dtype: npt.DTypeLike) -> None:
        self.path, self.row, self.dtype, self.count = path, row, np.dtype(dtype), 0
        self._file = path.open("wb")
        _write_header(self._file, self.dtype, (0, *row))

    def append(self, rows: Rows) -> None:
        """Adds rows (n, *row)."""
        assert rows.shape[1:] == self.row, f"{rows.shape} is no rows of {self.row}"
        self._file.write(np.ascontiguousarray(rows, dtype=self.dtype).tobytes())
        self.count += len(rows)

    def close(self) -> None:
        """Writes the header over the first one, for whose growth NumPy leaves room, and brings all to the disk."""
        with self._file:
            self._file.seek(0)
            _write_header(self._file, self.dtype, (self.count, *self.row))
            files.to_disk(self._file)

    def __enter__(self) -> ArrayFile:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
            return
        with suppress(OSError):  # of a full disk, which has been told already
            self._file.close()


def _write_header(file: IO[bytes], dtype: np.dtype[Any], shape: tuple[int, ...]) -> None:
    header = {"descr": np.lib.format.dtype_to_descr(dtype), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def write_small(path: Path, **arrays: Rows) -> None:
    """A .npz file that NumPy reads, compressed by LZMA: smaller than `np.savez_compressed` makes it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_LZMA) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as file:
                np.lib.format.write_array(file, np.ascontiguousarray(array), allow_pickle=False)


@lru_cache(maxsize=_OPEN_FILES)
def memory_map(path: Path) -> Rows:
    """A .npy file as a memory map; each open one takes a file descriptor, so only so many stay open."""
    return np.asarray(np.load(path, mmap_mode="r"))


class Sharded:
    """Rows of several .npy files as one array that is read where it is indexed.

    A slice gives a view, which reads nothing; any other index gives a NumPy array, as `np.asarray` does of the whole.

    Attributes:
        shape: (rows, *shape of a row).
        dtype: of the elements.
    """

    def __init__(self, files: Sequence[Path], chosen: npt.NDArray[np.int64] | None = None) -> None:
        """All rows of the files, at least one file; or those of the numbers `chosen`."""
        first = memory_map(files[0])
        self._files = tuple(files)
        self._ends = np.cumsum([len(memory_map(path)) for path in files])
        self._chosen = np.arange(self._ends[-1]) if chosen is None else np.asarray(chosen, dtype=np.int64)
        self.dtype = first.dtype
        self._row = first.shape[1:]

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self._chosen), *self._row)

    def __len__(self) -> int:
        return len(self._chosen)

    def take(self, rows: slice | Sequence[int] | npt.NDArray[np.int64]) -> Sharded:
        """A view of some of the rows."""
        view = object.__new__(Sharded)
        view.__dict__.update(self.__dict__)
        view._chosen = self._chosen[rows]
        return view

    def __getitem__(self, key: Any) -> Any:
        """As NumPy, but that a slice alone gives a view; the first index may be a number, a slice or a list."""
        first, *rest = key if isinstance(key, tuple) else (key,)
        if isinstance(first, slice) and not rest:
            return self.take(first)
        if isinstance(first, int | np.integer):
            return self._at(int(self._chosen[first]))[tuple(rest)]
        rows = self.take(first)._read()
        return rows[(slice(None), *rest)]

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> Rows:
        rows = self._read()
        return rows if dtype is None else rows.astype(dtype, copy=False)

    def __iter__(self) -> Iterator[Rows]:
        return (self._at(int(row)) for row in self._chosen)

    def _at(self, row: int) -> Rows:
        file = int(np.searchsorted(self._ends, row, side="right"))
        start = int(self._ends[file - 1]) if file else 0
        return np.asarray(memory_map(self._files[file])[row - start])

    def _read(self) -> Rows:
        out = np.empty(self.shape, self.dtype)
        for index, row in enumerate(self._chosen):
            out[index] = self._at(int(row))
        return out


def fill(
    path: Path, count: int, known: Sequence[tuple[slice, Rows]], make: Callable[[npt.NDArray[np.int64]], Iterator[Rows]]
) -> None:
    """Writes an array of `count` rows of which some are known, the others made.

    Args:
        path: of the .npy file; it is whole or not there.
        count: of rows, at least 1.
        known: slices without a step, and the rows that belong there.
        make: the numbers of rows that are missing to their rows, in this order and in batches of any size.
    """
    missing = np.ones(count, dtype=bool)
    for rows_of, _ in known:
        missing[rows_of] = False
    to_make = np.flatnonzero(missing)
    batches = make(to_make) if len(to_make) else iter(())
    first = next(batches, None)
    like = known[0][1] if first is None else first
    # By ordinary writes: where a full disk is an error, writing to a memory map would end the process (SIGBUS).
    with files.whole(path) as part, part.open("wb") as file:
        _write_header(file, like.dtype, (count, *like.shape[1:]))
        start, size = file.tell(), like.dtype.itemsize * math.prod(like.shape[1:])

        def write(index: int, rows: Rows) -> None:
            file.seek(start + index * size)
            file.write(np.ascontiguousarray(rows, dtype=like.dtype).tobytes())

        for rows_of, rows in known:
            write(rows_of.start, rows)
        done = 0
        while first is not None:
            for row in first:
                write(int(to_make[done]), row)
                done += 1
            first = next(batches, None)
        assert done == len(to_make), f"{done} of {len(to_make)} rows were made"

"""Rows over several files are indexed as NumPy indexes them in one array."""

import sys
from pathlib import Path

import numpy as np
import pytest

from musicldm.data import arrays
from musicldm.data.arrays import ArrayFile, Sharded, fill, memory_map


@pytest.fixture
def split(tmp_path: Path) -> tuple[np.ndarray, Sharded]:
    whole = np.random.default_rng(0).integers(0, 1000, (11, 4, 3)).astype(np.int16)
    files = []
    for start, stop in ((0, 5), (5, 6), (6, 11)):
        files.append(tmp_path / f"{start}.npy")
        np.save(files[-1], whole[start:stop])
    return whole, Sharded(files)


@pytest.mark.parametrize(
    "key",
    [
        0, 4, 5, 10, -1, np.int64(7), slice(3, 9), slice(None, None, 2), slice(8, 2), [9, 0, 5], np.array([10, 10]),
        (5, slice(1, 3)), (slice(4, 7), 2), ([1, 6], slice(None), 0), (-2, 1, 2), slice(-3, None),
    ],
    ids=str,
)  # fmt: skip
def test_an_index_gives_what_numpy_gives(split: tuple[np.ndarray, Sharded], key: object) -> None:
    whole, parts = split
    np.testing.assert_array_equal(np.asarray(parts[key]), whole[key])
    assert np.asarray(parts[key]).dtype == whole.dtype


def test_views_of_views_and_conversions_give_what_numpy_gives(split: tuple[np.ndarray, Sharded]) -> None:
    whole, parts = split
    view = parts[2:10].take([7, 0, 3])
    np.testing.assert_array_equal(view, whole[2:10][[7, 0, 3]])
    assert (view.shape, len(view), view.dtype) == ((3, 4, 3), 3, whole.dtype)
    assert np.asarray(view, dtype=np.float32).dtype == np.float32
    np.testing.assert_array_equal(np.stack(list(view)), whole[2:10][[7, 0, 3]])


def test_a_number_outside_is_an_index_error(split: tuple[np.ndarray, Sharded]) -> None:
    with pytest.raises(IndexError):
        split[1][11]


@pytest.mark.skipif(sys.platform != "linux", reason="counts in /proc")
def test_more_files_than_may_be_open_are_read(tmp_path: Path) -> None:
    """A memory map keeps its file open, and a process may have 1024."""
    np.save(tmp_path / "a.npy", np.zeros((1, 2)))
    files = []
    for index in range(2 * arrays._OPEN_FILES):
        files.append(tmp_path / f"{index}.npy")
        files[-1].hardlink_to(tmp_path / "a.npy")
    before = len(list(Path("/proc/self/fd").iterdir()))
    assert Sharded(files).shape == (len(files), 2)
    assert len(list(Path("/proc/self/fd").iterdir())) <= before + arrays._OPEN_FILES


def test_a_file_that_grew_is_what_numpy_would_have_saved(tmp_path: Path) -> None:
    rows = np.arange(60, dtype=np.float16).reshape(10, 2, 3)
    with ArrayFile(tmp_path / "grown.npy", (2, 3), "float16") as file:
        for start in range(0, 10, 4):
            file.append(rows[start : start + 4])
    np.save(tmp_path / "saved.npy", rows)
    assert (tmp_path / "grown.npy").read_bytes() == (tmp_path / "saved.npy").read_bytes()


def test_only_missing_rows_are_made(tmp_path: Path) -> None:
    asked: list[list[int]] = []

    def make(places: np.ndarray):
        asked.append(places.tolist())
        yield places[:2, None] * 1.0
        yield places[2:, None] * 1.0

    fill(tmp_path / "a.npy", 6, [(slice(1, 4), np.array([[10.0], [20.0], [30.0]]))], make)
    assert asked == [[0, 4, 5]]
    assert memory_map(tmp_path / "a.npy")[:, 0].tolist() == [0, 10, 20, 30, 4, 5]
    assert [path.name for path in tmp_path.iterdir()] == ["a.npy"]

"""The vector index against brute force, and cosines against their definition."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from musicldm.errors import MissingDependencyError
from musicldm.novelty import vectors
from musicldm.novelty.vectors import Cells, Projection, build_vectors, nearest, open_vectors, write_vectors


def units(count: int, rank: int = 12, width: int = 64, seed: int = 0) -> np.ndarray:
    """Unit vectors that lie near a space of few dimensions, as embeddings of music do."""
    rng = np.random.default_rng(seed)
    basis = np.random.default_rng(9).standard_normal((rank, width))
    found = rng.standard_normal((count, rank)) @ basis + 0.02 * rng.standard_normal((count, width)) + 2
    return (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)


@pytest.mark.parametrize(("size", "error"), [(None, 0.004), (8, 0.03), (5, 0.09)])
def test_the_nearest_are_those_of_brute_force(tmp_path: Path, size: int | None, error: float) -> None:
    embeddings, queries = units(1500), units(40, seed=1)
    projection = Projection.fit(embeddings)
    write_vectors(build_vectors(projection(embeddings), size, few=500), tmp_path / "a.faiss")
    squared, numbers = nearest(open_vectors(tmp_path / "a.faiss"), projection(queries), 3)
    found = projection.cosines(queries, squared)
    truth = queries @ embeddings.T
    assert np.abs(found - np.take_along_axis(truth, numbers, axis=1)).max() < error
    assert np.abs(found[:, 0] - truth.max(axis=1)).max() < error


def test_fewer_bytes_a_vector_take_less_room(tmp_path: Path) -> None:
    points = Projection.fit(units(1500))(units(1500))
    made = [build_vectors(points, size, few=500) for size in (None, 8, 5)]
    sizes = []
    for place, index in enumerate(made):
        write_vectors(index, tmp_path / f"{place}.faiss")
        sizes.append((tmp_path / f"{place}.faiss").stat().st_size)
    width = points.shape[1]
    padded = [width, -(-width // 8) * 8, -(-width // 5) * 5]
    wanted = [1500 * width, 1500 * 8 + 1024 * padded[1], 1500 * 5 + 1024 * padded[2]]
    assert all(0 <= size - want < 1000 for size, want in zip(sizes, wanted, strict=True)), (sizes, wanted)
    # too few for centres: a byte a number
    assert build_vectors(points[:499], 8, few=500).sa_code_size() == width


def test_cells_find_nearly_all_that_brute_force_finds(tmp_path: Path) -> None:
    cells = Cells(large=1000, count=32, probed=16)
    embeddings, queries = units(1200), units(60, seed=1)
    projection = Projection.fit(embeddings)
    write_vectors(build_vectors(projection(embeddings), cells=cells), tmp_path / "a.faiss")
    squared, _ = nearest(open_vectors(tmp_path / "a.faiss", cells), projection(queries), 1)
    truth = (queries @ embeddings.T).max(axis=1)
    assert (np.abs(projection.cosines(queries, squared)[:, 0] - truth) < 0.01).mean() > 0.95


def test_a_query_outside_the_space_of_the_training_set_keeps_its_cosines() -> None:
    embeddings = units(300)
    projection = Projection.fit(embeddings)
    assert len(projection.basis) < 20
    away = np.random.default_rng(3).standard_normal((5, 64)).astype(np.float32)
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    squared = np.square(projection(away)[:, None] - projection(embeddings)[None]).sum(axis=2)
    assert np.abs(projection.cosines(away, squared) - away @ embeddings.T).max() < 0.01


def test_an_index_smaller_than_what_is_asked_gives_all_it_has() -> None:
    points = np.eye(3, dtype=np.float32)
    squared, numbers = nearest(build_vectors(points), points, 8)
    assert squared.shape == numbers.shape == (3, 3)


def test_a_missing_faiss_is_named_with_its_install_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "faiss", None)
    with pytest.raises(MissingDependencyError, match=r'faiss-cpu is not installed: pip install "musicldm\[novelty\]"'):
        vectors.faiss()

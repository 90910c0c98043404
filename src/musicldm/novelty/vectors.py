"""Unit embeddings in a small vector index (faiss): projected, quantised, memory-mapped.

Embeddings are projected to the directions that hold nearly all of their variance, where squared distance still is
2 − 2 cos but for what the projection leaves out; `Projection.cosines` puts the query's share of that back.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from musicldm.errors import MissingDependencyError

Floats = npt.NDArray[np.float32]
FEW = 2000
"""Points below which product quantisation does not pay: its centres would need more room than it saves."""
TRAINED_ON = 65_536
"""Points by which an index is trained, at most."""
_ROUNDS = 12
_EXPLAINED = 0.998
_WIDEST = 96


def faiss() -> Any:
    """The module.

    Raises:
        MissingDependencyError: faiss is not installed.
    """
    try:
        import faiss
    except ImportError:
        raise MissingDependencyError("faiss-cpu", "novelty") from None
    return faiss


@dataclass(frozen=True)
class Cells:
    """How a large index is divided.

    Args:
        large: points from which on there are cells.
        count: of cells.
        probed: of them that a search looks into.
    """

    large: int = 250_000
    count: int = 1024
    probed: int = 32


@dataclass(frozen=True)
class Projection:
    """From unit embeddings (n, D) to points (n, d) whose distances are nearly the same.

    Args:
        mean: (D,).
        basis: (d, D), rows that are orthonormal to half precision, in which an index keeps them.
        residual: mean squared length of what training embeddings lose.
    """

    mean: Floats
    basis: Floats
    residual: float

    @classmethod
    def fit(cls, embeddings: Floats) -> Projection:
        """The principal directions of embeddings (n, D) that explain 99.8 % of their variance, 96 at most."""
        mean = embeddings.mean(axis=0)
        centred = embeddings.astype(np.float64) - mean
        values, vectors = np.linalg.eigh(centred.T @ centred / len(centred))
        explained = np.cumsum(values[::-1]) / max(float(values.sum()), 1e-12)
        width = min(int(np.searchsorted(explained, _EXPLAINED)) + 1, _WIDEST, len(values))
        basis = np.ascontiguousarray(vectors[:, ::-1][:, :width].T.astype(np.float16), np.float32)
        return cls(mean.astype(np.float32), basis, max(float(values[::-1][width:].sum()), 0.0))

    def __call__(self, embeddings: Floats) -> Floats:
        return np.ascontiguousarray((embeddings - self.mean) @ self.basis.T, np.float32)

    def cosines(self, embeddings: Floats, squared: Floats) -> Floats:
        """Cosines (n, k) of unit embeddings (n, D) with points at squared distances (n, k) in the projection."""
        centred = embeddings - self.mean
        lost = np.square(centred).sum(axis=1) - np.square(centred @ self.basis.T).sum(axis=1)
        return np.asarray(1 - (squared + np.maximum(lost, 0)[:, None] + self.residual) / 2, np.float32)


def build_vectors(points: Floats, size: int | None = None, *, few: int = FEW, cells: Cells | None = None) -> Any:
    """A faiss index of points (n, d) by distance.

    Args:
        points: as a `Projection` gives them.
        size: bytes for each, by product quantisation (Jégou et al., Product quantization for nearest neighbor search,
            TPAMI 2011), or None for a byte a number.
        few: points below which each takes a byte a number in any case.
        cells: of an index with a byte a number.
    """
    library, cells = faiss(), cells or Cells()
    width = points.shape[1]
    if size is not None and len(points) >= few:
        return _by_products(points, size)
    kind = library.ScalarQuantizer.QT_8bit
    if len(points) < cells.large:
        index = library.IndexScalarQuantizer(width, kind, library.METRIC_L2)
    else:
        index = library.IndexIVFScalarQuantizer(library.IndexFlatL2(width), width, cells.count, kind, library.METRIC_L2)
        index.nprobe = cells.probed
    index.train(points[:: max(1, len(points) // TRAINED_ON)])
    index.add(points)
    return index


def _by_products(points: Floats, size: int) -> Any:
    """Principal directions are dealt out to the `size` parts one by one, so that each has large and small ones."""
    library = faiss()
    width = points.shape[1]
    padded = -(-width // size) * size
    dealt = np.arange(padded).reshape(-1, size).T.ravel()
    order = np.where(dealt < width, dealt, -1).astype(np.int32)
    inner = library.IndexPQ(padded, size, 8)
    inner.pq.cp.niter = _ROUNDS
    inner.pq.cp.min_points_per_centroid = 1
    numbers = library.IntVector()
    library.copy_array_to_vector(order, numbers)
    index = library.IndexPreTransform(library.RemapDimensionsTransform(width, padded, False), inner)
    deal = library.downcast_VectorTransform(index.chain.at(0))
    deal.map = numbers
    index.train(points[:: max(1, len(points) // TRAINED_ON)])
    index.add(points)
    return index


def write_vectors(index: Any, path: Path) -> None:
    faiss().write_index(index, str(path))


def open_vectors(path: Path, cells: Cells | None = None) -> Any:
    """The index of a file, which stays on disk and is paged in as it is searched."""
    library = faiss()
    index = library.read_index(str(path), library.IO_FLAG_MMAP_IFC)
    if isinstance(index, library.IndexIVF):
        index.nprobe = (cells or Cells()).probed
    return index


def nearest(index: Any, points: Floats, count: int) -> tuple[Floats, npt.NDArray[np.int64]]:
    """Squared distances and numbers (n, count) of the nearest; −1 and infinity where there are fewer."""
    squared, numbers = index.search(np.ascontiguousarray(points, np.float32), min(count, index.ntotal))
    return np.where(numbers < 0, np.inf, squared).astype(np.float32), numbers

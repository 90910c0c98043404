"""Fréchet distance of embeddings, and its extrapolation to endless many samples.

Source: FID (arXiv 1706.08500, eq. 6), for audio FAD (arXiv 1812.08466); FID∞ (Chong & Forsyth, arXiv 1911.07023) and
its use for FAD (Gui et al., arXiv 2311.01616).
Conventions: rows are embeddings (N, D), several of one clip where the embedder hears pieces; covariances with N − 1;
no regularisation. Unit: squared embedding units, 0 for equal Gaussians, lower is better, no upper end. The estimate is
biased upwards by about a constant over N, which is why sets of different sizes cannot be compared but by FAD∞.
The interval resamples generated clips; the reference stays as it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from musicldm.errors import InvalidInputError
from musicldm.evaluation.metrics.estimate import Estimate, spread_around

Table = npt.NDArray[np.floating]
_Doubles = npt.NDArray[np.float64]
_Clips = npt.NDArray[np.int64]
MOST, FEWEST = 200, 20
"""Resamples, as many as `_EFFORT` multiplications allow."""
_EFFORT = 1e11
SIZES = 15
"""Sample sizes of the extrapolation, as Chong & Forsyth have them."""
FEWEST_CLIPS = 8
"""Clips below which nothing is extrapolated."""
_SMALLEST_SHARE = 0.5


@dataclass(frozen=True)
class Gaussian:
    """Mean (D,) and covariance (D, D) of embeddings, and how many rows they were estimated from."""

    mean: _Doubles
    covariance: _Doubles
    n: int

    @classmethod
    def of(cls, rows: Table) -> Gaussian:
        """Of rows (N, D), N at least 2."""
        rows = _validated(rows)
        mean = rows.mean(axis=0)
        centred = rows - mean
        return cls(mean, centred.T @ centred / (len(rows) - 1), len(rows))

    @cached_property
    def root(self) -> _Doubles:
        """Symmetric square root of the covariance; eigenvalues that rounding made negative count as 0."""
        values, vectors = np.linalg.eigh(self.covariance)
        return np.asarray((vectors * np.sqrt(values.clip(min=0))) @ vectors.T)


@dataclass(frozen=True)
class Frechet:
    """Distance of generated clips from a reference, with its extrapolation (None for fewer than eight clips).

    `fit` is the share (0 to 1) of the variance over sample sizes that the straight line in 1 / n explains: near 0 the
    extrapolation says nothing. `notes` say what makes the figures weak: fewer rows than the covariance has dimensions,
    on either side.
    """

    distance: Estimate
    infinite: Estimate | None
    fit: float | None
    resamples: int
    notes: tuple[str, ...] = ()


def frechet_distance(one: Gaussian, other: Gaussian) -> float:
    """‖μ₁ − μ₂‖² + Tr(Σ₁ + Σ₂ − 2 (Σ₁ Σ₂)^½), at least 0.

    The trace of the root is the sum of the singular values of Σ₁^½ Σ₂^½: real whatever the rank, where the root of the
    product is neither symmetric nor, with fewer samples than dimensions, well defined numerically.

    Raises:
        InvalidInputError: Gaussians of different dimensions.
    """
    if one.mean.shape != other.mean.shape:
        raise InvalidInputError(f"embeddings of {len(one.mean)} and {len(other.mean)} numbers cannot be compared")
    mixed = np.linalg.svd(one.root @ other.root, compute_uv=False).sum()
    gap = float(((one.mean - other.mean) ** 2).sum())
    return max(gap + float(np.trace(one.covariance) + np.trace(other.covariance) - 2 * mixed), 0.0)


def frechet(generated: Table, reference: Gaussian, clips: npt.ArrayLike | None = None, *, seed: int = 0) -> Frechet:
    """Distance of rows (N, D) from a reference, with interval and extrapolation.

    Args:
        generated: embeddings.
        reference: of the reference's embeddings.
        clips: number of the clip that each row belongs to, (N,), ascending; by default every row is a clip.
        seed: of the resamples.

    Raises:
        InvalidInputError: another shape, fewer than two rows, values that are not finite.
    """
    rows = _validated(generated)
    if rows.shape[1] != len(reference.mean):
        raise InvalidInputError(f"embeddings of {rows.shape[1]} and {len(reference.mean)} numbers cannot be compared")
    near = _Near(rows, reference, np.arange(len(rows)) if clips is None else np.asarray(clips, dtype=np.int64))
    n, rng = near.clips, np.random.default_rng(seed)
    resamples = near.affordable()
    value = near.distance(np.arange(n))
    chosen = [rng.integers(0, n, n) for _ in range(resamples)]
    draws = np.array([near.distance(clips) for clips in chosen])
    infinite, fit = _extrapolated(near, rng, value, chosen, draws) if n >= FEWEST_CLIPS else (None, None)
    notes = _notes_on_few(len(rows), reference.n, rows.shape[1])
    return Frechet(spread_around(value, draws, n, (0, np.inf)), infinite, fit, resamples, notes)


class _Near:
    """Distances of any choice of clips from one reference, most of it computed once.

    With P = X Σ₂^½, Tr (Σ₁ Σ₂)^½ is the sum of the singular values of the centred P over √(N − 1): the roots of the
    eigenvalues of the smaller one of its two Gram matrices.
    """

    def __init__(self, rows: _Doubles, reference: Gaussian, clips: _Clips) -> None:
        self.reference = reference
        # From their own mean, so that sums of squares lose no digits.
        self.centre = rows.mean(axis=0)
        self.rows = rows - self.centre
        self.squares = (self.rows**2).sum(axis=1)
        self.projected = self.rows @ reference.root
        self.spread = float(np.trace(reference.covariance))
        edges = np.concatenate([[0], np.flatnonzero(np.diff(clips)) + 1, [len(rows)]])
        self.lengths = np.diff(edges)
        self.clips = len(self.lengths)

    def affordable(self) -> int:
        """Resamples within `_EFFORT`."""
        count, width = self.rows.shape
        small = min(count, width)
        return int(np.clip(_EFFORT / (count * width * small + 4 * small**3), FEWEST, MOST))

    def distance(self, chosen: _Clips) -> float:
        """Of the clips `chosen`, which may come more than once: rows are weighted, not copied."""
        weights = np.repeat(np.bincount(chosen, minlength=self.clips), self.lengths).astype(np.float64)
        total = weights.sum()
        mean = weights @ self.rows / total
        variance = (weights @ self.squares - total * (mean @ mean)) / (total - 1)
        used = weights > 0
        p = self.projected[used]
        p -= weights @ self.projected / total
        p *= np.sqrt(weights[used] / (total - 1))[:, None]
        gram = p @ p.T if len(p) < p.shape[1] else p.T @ p
        mixed = np.sqrt(np.linalg.eigvalsh(gram).clip(min=0)).sum()
        gap = ((mean + self.centre - self.reference.mean) ** 2).sum()
        return max(float(gap + variance + self.spread - 2 * mixed), 0.0)


def _extrapolated(
    near: _Near, rng: np.random.Generator, whole: float, chosen: Sequence[_Clips], draws: _Doubles
) -> tuple[Estimate, float]:
    """The intercept over 1 / n of distances at `SIZES` sizes, from subsets without replacement, and its fit.

    Its interval comes from the resamples: of each the line through its distance and that of its first part.
    """
    n = near.clips
    smallest = max(int(_SMALLEST_SHARE * n), 2)
    sizes = np.unique(np.round(1 / np.linspace(1 / smallest, 1 / n, SIZES)).astype(int))
    found = np.array([whole if size == n else near.distance(rng.choice(n, size, replace=False)) for size in sizes])
    slope, value = np.polyfit(1 / sizes, found, 1)
    fit = 1 - (found - slope / sizes - value).var() / max(float(found.var()), 1e-300)
    small = np.array([near.distance(clips[:smallest]) for clips in chosen])
    intercepts = draws - (small - draws) / (1 / smallest - 1 / n) / n
    return spread_around(float(value), intercepts, n), float(np.clip(fit, 0, 1))


def _validated(rows: Table) -> _Doubles:
    table = np.asarray(rows, dtype=np.float64)
    if table.ndim != 2 or len(table) < 2:
        raise InvalidInputError(
            f"embeddings of shape {table.shape}: a Fréchet distance needs (n, width) with n at least 2"
        )
    if not np.isfinite(table).all():
        raise InvalidInputError("the embeddings hold values that are not finite")
    return table


def _notes_on_few(generated: int, reference: int, width: int) -> tuple[str, ...]:
    """How many rows are needed, for each side that has too few."""
    return tuple(
        f"Fréchet distance: {count} {side} embeddings of {width} numbers leave their covariance singular: "
        f"at least {width + 1} are needed, and some {10 * width} for a figure to compare"
        for side, count in (("generated", generated), ("reference", reference))
        if count <= width
    )

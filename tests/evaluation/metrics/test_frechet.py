import re

import numpy as np
import pytest
from scipy.linalg import sqrtm

from musicldm.errors import InvalidInputError
from musicldm.evaluation.metrics.frechet import FEWEST, MOST, Gaussian, frechet, frechet_distance


def gaussian(mean, covariance) -> Gaussian:
    return Gaussian(np.asarray(mean, float), np.asarray(covariance, float), 1000)


def spread(seed: int, size: int) -> np.ndarray:
    half = np.random.default_rng(seed).normal(size=(size, size))
    return half @ half.T


def test_the_distance_in_one_dimension_is_that_of_means_and_deviations():
    assert frechet_distance(gaussian([3], [[4]]), gaussian([1], [[9]])) == pytest.approx((3 - 1) ** 2 + (2 - 3) ** 2)


def test_covariances_with_common_axes_add_up_axis_by_axis():
    axes, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))
    one, other = axes @ np.diag([1, 4, 9]) @ axes.T, axes @ np.diag([16, 1, 0]) @ axes.T
    found = frechet_distance(gaussian([0, 0, 1], one), gaussian([0, 2, 1], other))
    assert found == pytest.approx(2**2 + (1 - 4) ** 2 + (2 - 1) ** 2 + 3**2)


def test_the_trace_of_the_root_is_that_of_scipys_sqrtm():
    one, other = spread(1, 6), spread(2, 6)
    root = sqrtm(one @ other)
    expected = np.trace(one + other - 2 * root.real)
    assert frechet_distance(gaussian(np.zeros(6), one), gaussian(np.zeros(6), other)) == pytest.approx(
        expected, rel=1e-9
    )


def test_equal_sets_have_no_distance_and_order_does_not_count():
    rows = np.random.default_rng(0).normal(size=(40, 5))
    shuffled = np.random.default_rng(1).permutation(rows)
    assert frechet_distance(Gaussian.of(rows), Gaussian.of(shuffled)) == pytest.approx(0, abs=1e-9)
    other = Gaussian.of(rows[:20] + 1)
    assert frechet_distance(Gaussian.of(rows), other) == pytest.approx(frechet_distance(other, Gaussian.of(rows)))


def test_a_shift_of_all_rows_gives_its_squared_length():
    rows = np.random.default_rng(0).normal(size=(50, 3))
    found = frechet(rows + np.array([1, 2, 2]), Gaussian.of(rows))
    assert found.distance.mean == pytest.approx(9)
    assert found.distance.n == 50
    assert found.distance.low <= 9 <= found.distance.high


@pytest.mark.parametrize("count", [4, 200])
def test_projected_rows_give_the_distance_of_gaussians(count):
    """Both with fewer and with more rows than the embeddings have numbers."""
    rng = np.random.default_rng(3)
    rows, known = rng.normal(size=(count, 8)) @ spread(4, 8), Gaussian.of(rng.normal(1, 2, size=(90, 8)))
    expected = frechet_distance(Gaussian.of(rows), known)
    assert frechet(rows, known).distance.mean == pytest.approx(expected, rel=1e-7)


def test_the_extrapolation_removes_the_bias_that_few_samples_have():
    """Drawn from the reference itself: the true distance is 0, and the plain one is far above it."""
    rng = np.random.default_rng(0)
    known = Gaussian(np.zeros(12), np.eye(12), 10**9)
    found = [frechet(rng.normal(size=(80, 12)), known, seed=seed) for seed in range(4)]
    plain = np.mean([one.distance.mean for one in found])
    infinite = np.mean([one.infinite.mean for one in found])
    assert plain > 0.4
    assert abs(infinite) < plain / 4
    assert min(one.fit for one in found) > 0.5


def test_the_interval_covers_what_other_draws_give():
    rng = np.random.default_rng(1)
    known = Gaussian(np.zeros(2), np.eye(2), 10**9)
    values = [frechet(rng.normal(1, 1, (200, 2)), known).distance for _ in range(15)]
    truth = np.mean([one.mean for one in values])
    assert sum(one.low <= truth <= one.high for one in values) >= 12
    assert all(one.high - one.low < 2 for one in values)


def test_clips_of_several_rows_stay_whole_in_resamples():
    """Each clip twice the same row: as a set of rows nothing changes, as clips the interval is as wide as of half."""
    rows = np.random.default_rng(0).normal(size=(60, 2))
    known = Gaussian(np.array([2.0, 0.0]), np.eye(2), 10**9)
    twice, clips = np.repeat(rows, 2, axis=0), np.repeat(np.arange(60), 2)
    width = [
        one.distance.high - one.distance.low
        for one in (frechet(rows, known), frechet(twice, known, clips), frechet(twice, known))
    ]
    assert frechet(twice, known, clips).distance.n == 60
    assert width[1] == pytest.approx(width[0], rel=0.05)
    assert width[2] < 0.85 * width[0]


def test_too_few_rows_are_noted():
    rows = np.random.default_rng(0).normal(size=(6, 8))
    (note,) = frechet(rows, Gaussian.of(np.random.default_rng(1).normal(size=(20, 8)))).notes
    assert re.search("6 generated embeddings of 8 numbers .* at least 9 are needed, and some 80", note)
    enough = np.vstack([rows] * 2)[:9] + np.eye(9, 8)
    assert frechet(enough, Gaussian.of(np.random.default_rng(1).normal(size=(20, 8)))).notes == ()


def test_resamples_stay_within_their_bounds():
    small = frechet(np.random.default_rng(0).normal(size=(10, 2)), gaussian([0, 0], np.eye(2)))
    assert FEWEST <= small.resamples <= MOST


@pytest.mark.parametrize(
    ("rows", "words"),
    [(np.zeros((1, 3)), "n at least 2"), (np.zeros(3), "n at least 2"), (np.full((4, 3), np.nan), "finite")],
)
def test_rows_of_a_wrong_shape_or_not_finite_are_refused(rows, words):
    with pytest.raises(InvalidInputError, match=words):
        frechet(rows, gaussian(np.zeros(3), np.eye(3)))


def test_embeddings_of_different_widths_are_refused():
    with pytest.raises(InvalidInputError, match="4 and 3 numbers"):
        frechet(np.zeros((5, 4)), gaussian(np.zeros(3), np.eye(3)))
    with pytest.raises(InvalidInputError, match="2 and 3 numbers"):
        frechet_distance(gaussian(np.zeros(2), np.eye(2)), gaussian(np.zeros(3), np.eye(3)))

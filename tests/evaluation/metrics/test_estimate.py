import numpy as np
import pytest

from musicldm.errors import InvalidInputError
from musicldm.evaluation.metrics.estimate import RESAMPLES, difference, estimate, spread_around


def test_the_interval_of_a_share_is_that_of_its_binomial_distribution():
    found = estimate([True] * 160 + [False] * 40)
    spread = 1.96 * np.sqrt(0.8 * 0.2 / 200)
    assert found.mean == 0.8
    assert found.n == 200
    assert found.low == pytest.approx(0.8 - spread, abs=0.01)
    assert found.high == pytest.approx(0.8 + spread, abs=0.01)


def test_a_certain_outcome_has_an_interval_of_one_point():
    found = estimate([True] * 10)
    assert (found.low, found.mean, found.high) == (1.0, 1.0, 1.0)


def test_pairs_cancel_what_they_share():
    base = np.random.default_rng(0).normal(0, 100, 50)
    found = difference((base + 1).tolist(), base.tolist())
    assert (found.low, found.high) == (pytest.approx(1.0), pytest.approx(1.0))


def test_nothing_has_no_estimate_and_nonsense_is_refused():
    assert estimate([]) is None
    with pytest.raises(InvalidInputError, match="finite"):
        estimate([float("nan")])
    with pytest.raises(InvalidInputError, match="2 values and 1"):
        difference([1.0, 2.0], [1.0])


def test_the_interval_does_not_depend_on_how_much_is_drawn_at_once():
    values = np.random.default_rng(0).normal(size=50).tolist()
    whole = estimate(values)
    assert estimate(values, at_once=50 * 7) == whole
    drawn = np.random.default_rng(0).integers(0, 50, (RESAMPLES, 50))
    low, high = np.percentile(np.asarray(values)[drawn].mean(axis=1), (2.5, 97.5))
    assert (whole.low, whole.high) == (pytest.approx(low), pytest.approx(high))


def test_a_biased_statistic_lies_inside_its_interval():
    found = spread_around(1.0, np.linspace(5, 7, 201), 10)
    assert (found.low, found.mean, found.high) == (pytest.approx(0.05), 1.0, pytest.approx(1.95))
    assert spread_around(1.0, np.linspace(5, 7, 201), 10, (0.5, 1.5)).high == 1.5

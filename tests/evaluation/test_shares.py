import numpy as np
import pytest

from musicldm.errors import InvalidInputError
from musicldm.evaluation.shares import difference, estimate


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

import numpy as np
import pytest
from scipy.stats import variation

from musicldm.errors import InvalidInputError
from musicldm.evaluation.metrics.beat_stability import beat_stability


def test_a_machine_is_steady():
    found = beat_stability(np.arange(20) * 0.5 + 0.1)
    assert (found.variation, found.steady, found.drift) == (pytest.approx(0, abs=1e-12), 1, pytest.approx(0))
    assert found.beats == 20


def test_the_variation_is_scipys_and_the_steady_share_is_counted():
    gaps = np.array([0.5, 0.51, 0.5, 1.0, 0.49, 0.55])
    found = beat_stability(np.concatenate([[3.0], 3 + np.cumsum(gaps)]))
    assert found.variation == pytest.approx(variation(gaps))
    assert found.steady == pytest.approx(4 / 6)


def test_a_player_who_hurries_drifts():
    gaps = np.repeat([0.5, 0.4], 8)
    assert beat_stability(np.concatenate([[0], np.cumsum(gaps)])).drift == pytest.approx(0.25)


def test_too_few_beats_have_no_stability_and_wrong_ones_are_refused():
    assert beat_stability([0.0, 0.5, 1.0]) is None
    assert beat_stability([]) is None
    for bad in ([0, 1, 1, 2], [0, np.nan, 1, 2], [[0, 1, 2, 3]]):
        with pytest.raises(InvalidInputError, match="ascending times"):
            beat_stability(bad)

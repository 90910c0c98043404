import pytest

from musicldm.errors import InvalidInputError
from musicldm.evaluation.metrics.tempo import tempo_error, tempo_met


def test_strict_and_folded_errors_are_those_of_the_closed_form():
    assert tempo_error(126.0, 120.0) == pytest.approx(0.05)
    assert tempo_error(60.0, 120.0) == pytest.approx(0.5)
    for fold in (0.5, 2.0, 2 / 3, 3 / 2):
        assert tempo_error(120.0 * fold * 1.01, 120.0, folded=True) == pytest.approx(0.01)
    assert tempo_error(160.0, 120.0, folded=True) == pytest.approx(1 / 9)


def test_four_percent_is_met_and_a_little_more_is_not():
    assert tempo_met(124.79, 120.0)
    assert not tempo_met(124.81, 120.0)
    assert not tempo_met(60.0, 120.0)
    assert tempo_met(60.0, 120.0, folded=True)


@pytest.mark.parametrize(("estimated", "named"), [(0.0, 120.0), (120.0, -1.0), (float("nan"), 120.0)])
def test_tempi_that_are_not_above_zero_are_refused(estimated, named):
    with pytest.raises(InvalidInputError, match="above 0"):
        tempo_error(estimated, named)

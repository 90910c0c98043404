"""What is called usual: false alarms on what the thresholds come from, and doubles."""

from __future__ import annotations

import numpy as np
import pytest

from musicldm.errors import DataError
from musicldm.novelty.calibration import Calibration


def gumbel(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).gumbel(30, 8, count)


def test_the_thresholds_raise_as_many_alarms_as_they_say() -> None:
    similarities = np.random.default_rng(1).uniform(0.5, 0.95, 5000)
    found = Calibration.of(similarities, gumbel(5000), gumbel(5000, seed=3))
    assert np.mean(gumbel(5000, seed=2) > found.copy) == pytest.approx(0.005, abs=0.003)
    assert np.mean(gumbel(5000, seed=4) > found.copy_outlined) == pytest.approx(0.005, abs=0.003)
    assert np.mean(similarities > found.very_close) == pytest.approx(0.01, abs=0.003)
    assert np.mean(similarities > found.close) == pytest.approx(0.05, abs=0.005)
    assert found.percentile(0.725) == pytest.approx(50, abs=1.5)
    assert (found.percentile(0.1), found.percentile(1.0)) == (0, 100)


@pytest.mark.parametrize("share", [0.02, 0.1, 0.2])
def test_doubles_in_the_training_set_hide_no_copies(share: float) -> None:
    evidence, outlined = gumbel(1000), gumbel(1000, seed=1)
    evidence[: int(1000 * share)] = outlined[: int(1000 * share)] = 400
    found = Calibration.of(np.linspace(0.5, 0.9, 1000), evidence, outlined)
    assert found.doubles == pytest.approx(share, abs=0.002)
    assert found.copy < 90
    assert found.copy_outlined < 90


def test_a_verdict_is_the_strongest_that_holds() -> None:
    found = Calibration.of(np.linspace(0, 1, 1001), gumbel(500), gumbel(500))
    assert found.verdict(0.2, 1.01) == "copy"
    assert found.verdict(0.995, 1) == "very close"
    assert found.verdict(0.97, 0) == "close"
    assert found.verdict(0.5, 0.99) == "new"


def test_a_calibration_is_read_as_it_was_stored() -> None:
    from dataclasses import asdict

    made = Calibration.of(np.linspace(0, 1, 50), gumbel(50), gumbel(50, seed=1))
    assert Calibration.load(asdict(made)) == made
    with pytest.raises(DataError, match="no calibration: build the index again"):
        Calibration.load({"clips": 3})

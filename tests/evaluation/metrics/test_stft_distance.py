import numpy as np
import pytest

from musicldm.errors import InvalidInputError
from musicldm.evaluation.metrics.stft_distance import stft_distance

pytestmark = pytest.mark.numeric


def test_equal_waves_have_no_distance_and_half_the_level_a_known_one():
    wave = np.random.default_rng(0).standard_normal((2, 8192)).astype(np.float32)
    same, half = stft_distance(wave, wave), stft_distance(0.5 * wave, wave)
    assert (same.convergence, same.log_magnitude) == (0.0, 0.0)
    assert half.convergence == pytest.approx(0.5, abs=1e-5)
    assert half.log_magnitude == pytest.approx(np.log(2), abs=1e-3)


def test_a_sign_flip_has_no_spectral_distance():
    wave = np.random.default_rng(0).standard_normal((1, 8192)).astype(np.float32)
    assert stft_distance(-wave, wave).convergence == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("shapes", [((1, 8192), (1, 8191)), ((8192,), (8192,)), ((1, 100), (1, 100))])
def test_waves_that_cannot_be_compared_are_named(shapes):
    with pytest.raises(InvalidInputError, match="both must be"):
        stft_distance(*(np.zeros(shape, dtype=np.float32) for shape in shapes))

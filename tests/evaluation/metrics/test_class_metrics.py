"""KL of pairs and inception score, over class probabilities."""

import numpy as np
import pytest
from scipy.special import rel_entr
from scipy.stats import entropy

from musicldm.errors import InvalidInputError
from musicldm.evaluation.metrics.divergence import divergence, paired_divergence
from musicldm.evaluation.metrics.inception import inception, inception_score


def probabilities(seed: int, count: int = 20, classes: int = 5) -> np.ndarray:
    return np.random.default_rng(seed).dirichlet(np.ones(classes), count)


def test_the_divergence_is_that_of_the_reference_from_the_generation():
    """Reference (1/2, 1/2) against generation (1/4, 3/4): ½ ln 2 + ½ ln ⅔."""
    found = paired_divergence([[0.25, 0.75]], [[0.5, 0.5]], epsilon=0)
    assert found[0] == pytest.approx(0.5 * np.log(2) + 0.5 * np.log(2 / 3))


def test_the_divergence_is_that_of_scipy():
    g, r = probabilities(0), probabilities(1)
    assert paired_divergence(g, r, epsilon=0) == pytest.approx(rel_entr(r, g).sum(axis=1), rel=1e-12)
    assert paired_divergence(g, r, epsilon=0) == pytest.approx(entropy(r, g, axis=1), rel=1e-12)


def test_a_class_that_is_ruled_out_leaves_the_divergence_finite():
    found = paired_divergence([[1.0, 0.0]], [[0.0, 1.0]])
    assert found[0] == pytest.approx(-np.log(1e-6))


def test_equal_pairs_do_not_diverge_and_the_order_of_pairs_does_not_count():
    g, r = probabilities(0), probabilities(1)
    assert divergence(g, g).mean == pytest.approx(0, abs=1e-4)
    order = np.random.default_rng(2).permutation(len(g))
    assert divergence(g[order], r[order]).mean == pytest.approx(divergence(g, r).mean)
    assert divergence(g[order], r).mean != pytest.approx(divergence(g, r).mean, rel=0.01)


@pytest.mark.parametrize("bad", [[[0.5, 0.6]], [[-0.5, 1.5]], [0.5, 0.5], [[1.0]]])
def test_rows_that_are_no_probabilities_are_refused(bad):
    with pytest.raises(InvalidInputError, match="class probabilities"):
        paired_divergence(bad, bad)


def test_pairs_of_different_shapes_are_refused():
    with pytest.raises(InvalidInputError, match="pairs need the same"):
        paired_divergence(probabilities(0, 3), probabilities(0, 4))


def test_sure_and_even_classes_score_their_number_and_unsure_ones_one():
    assert inception_score(np.eye(4)[[0, 1, 2, 3, 3, 2, 1, 0]]) == pytest.approx(4)
    assert inception_score(np.full((8, 4), 0.25)) == pytest.approx(1)
    assert inception_score(np.eye(4)[[2, 2, 2]]) == pytest.approx(1)


def test_the_score_is_the_exponential_of_the_mean_divergence_from_the_mean():
    table = probabilities(3)
    mean = table.mean(axis=0)
    assert inception_score(table) == pytest.approx(np.exp(np.mean([entropy(row, mean) for row in table])), rel=1e-12)


def test_splits_are_scored_one_by_one():
    table = np.concatenate([np.eye(3)[[0, 0, 0, 0]], np.eye(3)[[0, 1, 2, 0]][:3]])
    assert inception_score(table[:8], 2) == pytest.approx((1 + 3) / 2)


def test_the_inception_interval_holds_the_score_and_stays_in_range():
    found = inception(np.repeat(np.eye(3), 40, axis=0) * 0.94 + 0.02)
    assert found.score.low <= found.score.mean <= found.score.high <= 3
    assert found.score.n == 120


def test_few_clips_for_many_classes_are_noted():
    (note,) = inception(probabilities(0), splits=2).notes
    assert "20 clips for 5 classes in 2 split(s): some 100 are needed" in note
    assert inception(np.repeat(probabilities(0), 5, axis=0), splits=2).notes == ()


def test_more_splits_than_clips_are_refused():
    with pytest.raises(InvalidInputError, match="3 splits of 2 clips"):
        inception_score(probabilities(0, 2), 3)

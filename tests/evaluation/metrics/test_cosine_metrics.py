"""CLAP score, nearness to the training set and retrieval, over unit embeddings."""

import re

import numpy as np
import pytest
from sklearn.metrics import label_ranking_average_precision_score
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.neighbors import NearestNeighbors

from musicldm.errors import InvalidInputError
from musicldm.evaluation.metrics.clap_score import clap_score, cosines
from musicldm.evaluation.metrics.retrieval import ranks, retrieval
from musicldm.evaluation.metrics.similarity import nearest
from tests.tolerances import sums


def units(seed: int, count: int, width: int = 8) -> np.ndarray:
    rows = np.random.default_rng(seed).normal(size=(count, width))
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def test_a_score_is_the_cosine_of_the_angle():
    turned = [[np.cos(a), np.sin(a)] for a in (0, np.pi / 3, np.pi)]
    assert cosines([[1, 0]] * 3, turned) == pytest.approx([1, 0.5, -1])


def test_own_and_other_prompts_are_averaged_apart():
    texts, sounds = units(0, 6), units(1, 6)
    table = cosine_similarity(texts, sounds)
    found = clap_score(texts, sounds)
    assert found.own.mean == pytest.approx(np.diag(table).mean(), abs=sums(8 + 2))
    assert found.others.mean == pytest.approx((table.sum() - np.trace(table)) / 30, abs=sums(8 + 2))


def test_the_same_prompt_does_not_count_as_another():
    texts = units(0, 2)[[0, 0, 1]]
    sounds = units(1, 3)
    expected = np.mean([sounds[0] @ texts[2], sounds[1] @ texts[2], sounds[2] @ texts[0]])
    assert clap_score(texts, sounds).others.mean == pytest.approx(expected, abs=sums(8 + 2))
    assert clap_score(texts[:2], sounds[:2]).others is None


@pytest.mark.parametrize("bad", [np.ones((2, 3)), np.zeros((2, 3)), np.ones(3)])
def test_embeddings_without_unit_norm_are_refused(bad):
    with pytest.raises(InvalidInputError, match="unit norm"):
        cosines(bad, bad)


def test_the_nearest_is_sklearns_in_any_blocks():
    mine, training = units(0, 7), units(1, 50)
    distances, index = NearestNeighbors(n_neighbors=1, metric="cosine").fit(training).kneighbors(mine)
    for blocks in ([training], [training[:1], training[1:30], training[30:]]):
        found = nearest(mine, blocks)
        assert found.similarity == pytest.approx(1 - distances[:, 0], abs=sums(8 + 2))
        assert found.index.tolist() == index[:, 0].tolist()
        assert found.clips == 50


def test_copies_have_similarity_one_and_shares_count_what_is_above_a_threshold():
    base = np.array([[1.0, 0.0]])
    mine = [[1.0, 0.0], [0.9, np.sqrt(1 - 0.81)], [0.93, np.sqrt(1 - 0.93**2)], [0.0, 1.0]]
    found = nearest(mine, [base])
    assert found.share_above(0.95).mean == 0.25
    assert found.share_above(0.92).mean == 0.5
    assert found.similarity[0] == 1.0
    assert found.mean().mean == pytest.approx((1 + 0.9 + 0.93) / 4)


def test_an_empty_or_unlike_training_set_is_refused():
    with pytest.raises(InvalidInputError, match="no training clip"):
        nearest(units(0, 3), [])
    with pytest.raises(InvalidInputError, match="8 and 4 numbers"):
        nearest(units(0, 3), [units(0, 3, 4)])


def test_ranks_equal_those_worked_by_hand():
    prompts = np.eye(3)
    sounds = np.array([[0.8, 0.6, 0.0], [0.8, 0.6, 0.0], [0.8, 0.6, 0.0]])
    assert ranks(sounds, prompts, [0, 1, 2]).tolist() == [1, 2, 3]


def test_ties_count_against_the_right_prompt():
    assert ranks([[0.6, 0.8, 0.0]] * 2, [[0.0, 1.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0]], [0, 1]).tolist() == [2, 2]


def test_ranks_are_those_of_sklearns_reciprocal_rank():
    sounds, prompts, right = units(0, 30), units(1, 12), np.random.default_rng(0).integers(0, 12, 30)
    truth = np.eye(12, dtype=int)[right]
    expected = label_ranking_average_precision_score(truth, cosine_similarity(sounds, prompts))
    assert np.mean(1 / ranks(sounds, prompts, right)) == pytest.approx(expected)


def test_recalls_are_shares_of_ranks():
    sounds, prompts, right = units(0, 40), units(1, 60), np.random.default_rng(0).integers(0, 60, 40)
    found, rank = retrieval(sounds, prompts, right), ranks(sounds, prompts, right)
    assert {k: one.mean for k, one in found.recall.items()} == {k: np.mean(rank <= k) for k in (1, 5, 10)}
    assert found.median_rank.mean == np.median(rank)
    assert found.median_rank.low <= np.median(rank) <= found.median_rank.high
    assert found.prompts == 60


def test_a_small_pool_is_noted_and_recall_of_all_is_left_out():
    found = retrieval(units(0, 3), units(1, 6), [0, 1, 2])
    assert re.search("6 different prompts .* 50 are needed", *found.notes)
    assert sorted(found.recall) == [1, 5]
    assert sorted(retrieval(units(0, 3), units(1, 5), [0, 1, 2]).recall) == [1]
    assert retrieval(units(0, 3), units(1, 50), [0, 1, 2]).notes == ()


def test_prompts_that_do_not_fit_are_refused():
    with pytest.raises(InvalidInputError, match="do not fit together"):
        ranks(units(0, 3), units(1, 2), [0, 1, 2])
    with pytest.raises(InvalidInputError, match="needs two prompts"):
        retrieval(units(0, 3), units(1, 1), [0, 0, 0])

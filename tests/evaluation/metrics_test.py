"""Metrics of one list or one part, by hand."""

import math

import numpy as np
import pytest

from mfrec.evaluation.metrics import auc, coverage, gini, hit_metrics, novelty, rating_errors


def test_rating_errors_by_hand():
    errors = rating_errors(np.array([1, 2, 5], np.float32), np.array([2, 2, 2], np.float32))
    # errors -1, 0, 3
    assert errors == {
        "rmse": pytest.approx(math.sqrt(10 / 3), abs=1e-15),
        "mae": pytest.approx(4 / 3, abs=1e-15),
    }
    assert all(type(value) is float for value in errors.values())


def test_rating_errors_are_summed_in_double_precision():
    # float32 knows no odd numbers above 2**24
    errors = rating_errors(np.array([2**24], np.float32), np.array([-1], np.float32))
    assert errors == {"rmse": 2**24 + 1, "mae": 2**24 + 1}


# Three users. The first holds out four items, at ranks 1, 3 and 6 and one that is no candidate; the
# second two items, at ranks 2 and 3; the third one item that is no candidate.
RANKS = np.array([3, 6, 3, np.inf, 1, 2, np.inf])
OWNERS = np.array([0, 0, 1, 0, 0, 1, 2])
NUM_POSITIVES = np.array([4, 2, 1])


def log2(x):
    return math.log(x) / math.log(2)


HITS_BY_HAND = {
    "recall@1": [1 / 4, 0, 0],
    "recall@3": [2 / 4, 2 / 2, 0],
    "recall@10": [3 / 4, 2 / 2, 0],
    "recall_min@1": [1, 0, 0],
    "recall_min@3": [2 / 3, 2 / 2, 0],
    "recall_min@10": [3 / 4, 2 / 2, 0],
    "precision@1": [1, 0, 0],
    "precision@3": [2 / 3, 2 / 3, 0],
    "precision@10": [3 / 10, 2 / 10, 0],
    "hr@1": [1, 0, 0],
    "hr@3": [1, 1, 0],
    "hr@10": [1, 1, 0],
    "ndcg@1": [1, 0, 0],
    # the gain at ranks 1, 2, 3 is 1, 1/log2(3), 1/2
    "ndcg@3": [1.5 / (1.5 + 1 / log2(3)), (1 / log2(3) + 1 / 2) / (1 + 1 / log2(3)), 0],
    "ndcg@10": [
        (1.5 + 1 / log2(7)) / (1.5 + 1 / log2(3) + 1 / log2(5)),
        (1 / log2(3) + 1 / 2) / (1 + 1 / log2(3)),
        0,
    ],
    "map@1": [1, 0, 0],
    "map@3": [(1 + 2 / 3) / 3, (1 / 2 + 2 / 3) / 2, 0],
    "map@10": [(1 + 2 / 3 + 3 / 6) / 4, (1 / 2 + 2 / 3) / 2, 0],
    "mrr": [1, 1 / 2, 0],
}


def test_hit_metrics_by_hand():
    found = hit_metrics(RANKS, OWNERS, NUM_POSITIVES, (1, 3, 10))
    assert set(found) == set(HITS_BY_HAND)
    for name, expected in HITS_BY_HAND.items():
        assert found[name] == pytest.approx(expected, abs=1e-15), name


def test_items_that_are_no_candidates_may_be_left_out():
    kept = np.isfinite(RANKS)
    found = hit_metrics(RANKS[kept], OWNERS[kept], NUM_POSITIVES, (1, 3, 10))
    for name, expected in HITS_BY_HAND.items():
        assert found[name] == pytest.approx(expected, abs=1e-15), name


def test_auc_by_hand():
    # User 0: scores 5 4 4 3 2 of five candidates, of which those with 5, the second 4 and 2 are
    # held out. The others, 4 and 3, are beaten by 5 (twice), by 4 (once, and a tie), by 2 never.
    # User 1: both candidates are held out, so there is nobody to compare with, and so is an item
    # that is no candidate. User 2: the only held-out item is no candidate.
    better = np.array([0, 1.5, 4, 0, 1, np.inf, np.inf])
    owners = np.array([0, 0, 0, 1, 1, 1, 2])
    found = auc(better, owners, np.array([3, 3, 1]), np.array([5, 2, 4]))
    assert found == pytest.approx([(2 + 1.5 + 0) / (3 * 2), 0.5 * 2 / 3, 0], abs=1e-15)


def test_novelty_by_hand():
    popularity = np.array([1 / 2, 1 / 8, 1])
    lists = np.array([[0, 1], [2, 0], [1, -1], [-1, -1]])
    assert novelty(lists, popularity) == pytest.approx([(1 + 3) / 2, (0 + 1) / 2, 3, 0])


def test_coverage_and_gini_by_hand():
    assert coverage(np.array([0, 3, 1, 0])) == 0.5
    # sorted 0 0 1 3 with weights −3 −1 1 3, over 4 · 4
    assert gini(np.array([0, 3, 1, 0])) == (1 + 9) / 16
    assert gini(np.array([2, 2, 2])) == 0
    assert gini(np.array([0, 0, 0, 7])) == 3 / 4
    assert gini(np.array([0, 0])) == 0

"""Bootstrap intervals and randomization tests against enumeration and known coverage."""

import itertools
import math

import numpy as np
import pytest

from mfrec.errors import InputError
from mfrec.evaluation import significance
from mfrec.evaluation.significance import PerUser, bootstrap_intervals, compare, randomization_test


def test_bootstrap_interval_against_the_normal_one():
    random = np.random.default_rng(1)
    values = np.stack([random.normal(5, 2, 4000), random.random(4000) < 0.1], axis=1)
    for mean, (low, high), std in zip(
        values.mean(axis=0), bootstrap_intervals(values), values.std(axis=0), strict=True
    ):
        error = std / math.sqrt(4000)
        # the percentiles of 1,000 resamples are themselves sure to about 6 % of the error
        assert low == pytest.approx(mean - 1.96 * error, abs=0.25 * error)
        assert high == pytest.approx(mean + 1.96 * error, abs=0.25 * error)


def test_bootstrap_of_two_users():
    # of two draws both are 0 with probability 1/4, both 1 with 1/4
    assert bootstrap_intervals(np.array([[0.0], [1.0]])).tolist() == [[0, 1]]
    # the same draw for all columns
    low, high = bootstrap_intervals(np.array([[0.0, 1], [1, 0], [2, -1]]))
    assert low.tolist() == [0, 2] and high.tolist() == [-1, 1]


def test_draws_do_not_depend_on_the_size_of_blocks(monkeypatch):
    random = np.random.default_rng(2)
    values = random.normal(size=(150, 3))
    intervals, p = bootstrap_intervals(values, 7), randomization_test(values, 7)
    assert not np.array_equal(bootstrap_intervals(values, 8), intervals)
    assert not np.array_equal(randomization_test(values, 8), p)
    monkeypatch.setattr(significance, "_BLOCK_BYTES", 100_000)
    assert bootstrap_intervals(values, 7) == pytest.approx(intervals, abs=1e-12)
    assert randomization_test(values, 7) == pytest.approx(p, abs=1e-12)


def test_randomization_test_against_all_signs():
    differences = np.array([0.3, 0.1, -0.2, 0.4, 0.25, 0.0, 0.1, -0.05])
    flipped = [
        abs(np.dot(signs, differences)) >= abs(differences.sum()) - 1e-12
        for signs in itertools.product((-1, 1), repeat=8)
    ]
    exact = np.mean(flipped)
    assert 0.05 < exact < 0.2
    error = math.sqrt(exact * (1 - exact) / 10_000)
    assert randomization_test(differences[:, None])[0] == pytest.approx(exact, abs=4 * error)


def test_p_of_no_difference_and_of_a_clear_one():
    columns = np.stack([np.zeros(40), np.full(40, 0.01), [1, -1] * 20], axis=1)
    # a mean of 0 is never farther from 0 than a flipped one; 40 equal signs never come by chance
    assert randomization_test(columns).tolist() == [1, 1 / 10_001, 1]


def test_compare_pairs_users_by_their_raw_ids():
    first = PerUser(["a", "b", "c"], {"ndcg@2": np.array([1.0, 0.5, 0]), "mrr": np.ones(3)})
    second = PerUser(["d", "c", "a"], {"auc": np.ones(3), "ndcg@2": np.array([9.0, 0.25, 0.5])})
    found = compare(first, second)
    assert (found.num_users, found.only_first, found.only_second) == (2, 1, 1)
    assert list(found.differences) == ["ndcg@2"]
    row = found.differences["ndcg@2"]
    # a: 1 − 0.5, c: 0 − 0.25
    assert (row.first, row.second, row.difference) == (0.5, 0.375, 0.125)
    assert row.interval == (-0.25, 0.5)
    # of four pairs of signs two leave 0.5 − 0.25 or its opposite, the others are farther
    assert row.p_value == 1
    opposite = compare(second, first).differences["ndcg@2"]
    assert (opposite.difference, opposite.interval) == (-0.125, (-0.5, 0.25))


def test_compare_refuses_what_cannot_be_paired():
    ones = {"mrr": np.ones(1)}
    with pytest.raises(InputError, match="no user in common"):
        compare(PerUser(["a"], ones), PerUser(["b"], ones))
    with pytest.raises(InputError, match="no metric in common"):
        compare(PerUser(["a"], ones), PerUser(["a"], {"auc": np.ones(1)}))

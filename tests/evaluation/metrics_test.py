"""Metrics by hand, and metrics of one's own."""

import math

import numpy as np
import pytest

from mfrec.errors import InputError
from mfrec.evaluation import metrics
from mfrec.evaluation.metrics import Ranking, rating_errors


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


@pytest.fixture
def registry(monkeypatch):
    """A registry of the test's own, so that its metrics are gone after it."""
    copied = dict(metrics.REGISTRY)
    monkeypatch.setattr(metrics, "REGISTRY", copied)
    return copied


def hit_metrics(ranks, users, num_positives, cutoffs):
    """The metrics that follow from ranks alone."""
    ranking = Ranking(ranks, users, num_positives)
    found = {"mrr": metrics.mrr(ranking)}
    for name in ("recall", "recall_min", "precision", "hr", "ndcg", "map"):
        for k in cutoffs:
            found[f"{name}@{k}"] = metrics.REGISTRY[name].function(ranking, k)
    return found


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
    ranking = Ranking(
        # of equal scores the lower id comes first
        np.array([1, 3, 5, 1, 2, np.inf, np.inf]),
        owners,
        np.array([3, 3, 1]),
        better=better,
        num_candidates=np.array([5, 2, 4]),
    )
    found = metrics.auc(ranking)
    assert found == pytest.approx([(2 + 1.5 + 0) / (3 * 2), 0.5 * 2 / 3, 0], abs=1e-15)


def ranking_of_lists(lists, **columns):
    nobody = np.zeros(0)
    num_positives = np.ones(len(lists), int)
    return Ranking(nobody, nobody.astype(int), num_positives, lists=np.array(lists), **columns)


def test_novelty_by_hand():
    popularity = np.array([1 / 2, 1 / 8, 1])
    ranking = ranking_of_lists([[0, 1], [2, 0], [1, -1], [-1, -1]], popularity=popularity)
    assert metrics.novelty(ranking, 2) == pytest.approx([(1 + 3) / 2, (0 + 1) / 2, 3, 0])
    assert metrics.novelty(ranking, 1) == pytest.approx([1, 0, 3, 0])


def lists_with_counts(*counts):
    """Lists of one item each, such that each item stands on so many."""
    return ranking_of_lists(
        np.repeat(np.arange(len(counts)), counts)[:, None], is_candidate=np.ones(len(counts), bool)
    )


def test_coverage_and_gini_by_hand():
    assert metrics.coverage(lists_with_counts(0, 3, 1, 0), 1) == 0.5
    # sorted 0 0 1 3 with weights −3 −1 1 3, over 4 · 4
    assert metrics.gini(lists_with_counts(0, 3, 1, 0), 1) == (1 + 9) / 16
    assert metrics.gini(lists_with_counts(2, 2, 2), 1) == 0
    assert metrics.gini(lists_with_counts(0, 0, 0, 7), 1) == 3 / 4
    assert metrics.gini(lists_with_counts(0, 0), 1) == 0


def test_lists_count_up_to_the_cutoff_and_candidates_alone():
    ranking = ranking_of_lists(
        [[0, 1, 2], [0, 3, -1]], is_candidate=np.array([True, True, True, True, False])
    )
    assert ranking.list_counts(1).tolist() == [2, 0, 0, 0]
    assert ranking.list_counts(3).tolist() == [2, 1, 1, 1]
    # 1 of 4 candidates, then all
    assert (metrics.coverage(ranking, 1), metrics.coverage(ranking, 3)) == (0.25, 1)


@pytest.mark.parametrize("name, value, than, expected", [
    ("rmse", 0.9, 1.0, True),
    ("mae", 1.0, 0.9, False),
    ("ndcg@10", 0.9, 1.0, False),
    ("mrr", 1.0, 0.9, True),
    ("gini@5", 0.1, 0.2, True),
    ("unheard_of@3", 1.0, 0.9, True),
    ("rmse", math.nan, 1.0, False),
    ("mrr", math.nan, 1.0, False),
    ("mrr", 0.5, 0.5, False),
])  # fmt: skip
def test_which_way_a_metric_is_better(name, value, than, expected):
    assert metrics.better(name, value, than) == expected


MY_METRICS = """
import numpy as np
from mfrec import metrics

def bias(ratings, predictions):
    return (predictions - ratings).mean()

@metrics.ranking("worst_rank", lower_is_better=True)
def worst_rank(ranking):
    return np.array([ranking.ranks[ranking.users == u].max() for u in range(2)])

def first_found(ranking, k):
    return (ranking.ranks <= k).mean()

def wrong(ranking):
    return ranking.ranks
"""


def test_metrics_of_ones_own_stand_beside_the_others(tmp_path, registry):
    file = tmp_path / "mine.py"
    file.write_text(MY_METRICS)
    metrics.load(f"{file}:bias")
    # a file may be loaded again
    metrics.load(f"{file}:bias, {file}:worst_rank,{file}:first_found")
    errors = rating_errors(np.array([1, 2, 5], np.float32), np.array([2, 2, 2], np.float32))
    assert errors["bias"] == -2 / 3 and list(errors)[:2] == ["rmse", "mae"]
    ranking = Ranking(
        np.array([7, 2, 4]), np.array([0, 1, 0]), np.array([2, 1]),
        better=np.array([6, 1, 3]), num_candidates=np.array([9, 9]),
    )  # fmt: skip
    found = metrics.of_ranking(ranking, (3, 5), over_catalogue=False)
    assert found["worst_rank"].tolist() == [7, 2]
    assert (found["first_found@3"], found["first_found@5"]) == (1 / 3, 2 / 3)
    assert found["recall@5"].tolist() == [0.5, 1] and "coverage@3" not in found
    assert metrics.better("worst_rank", 1, 2) and metrics.better("bias", 1, 2)
    assert metrics.better("first_found@3", 2, 1)


def test_metrics_that_cannot_be_loaded_are_one_line(tmp_path, registry):
    file = tmp_path / "mine.py"
    file.write_text(MY_METRICS)
    with pytest.raises(InputError, match=r"--metrics=.*mine\.py:none: no 'none' there"):
        metrics.load(f"{file}:none")
    metrics.load(f"{file}:wrong")
    ranking = Ranking(
        np.array([7, 2, 4]), np.array([0, 1, 0]), np.array([2, 1]),
        better=np.array([6, 1, 3]), num_candidates=np.array([9, 9]),
    )  # fmt: skip
    with pytest.raises(InputError, match=r"'wrong' returned .*\(3,\); .* each of the 2 users"):
        metrics.of_ranking(ranking, (3,), over_catalogue=False)
    (tmp_path / "taken.py").write_text("def rmse(ratings, predictions):\n    return 0\n")
    registry["rmse"] = metrics.Metric("rmse", metrics.mae, True, True)
    with pytest.raises(InputError, match="there is a metric named 'rmse' already"):
        metrics.load(f"{tmp_path / 'taken.py'}:rmse")


def test_a_metric_of_ones_own_does_not_replace_a_built_in_one():
    def rmse(ratings, predictions):
        return 42.0

    rmse.__qualname__ = "rmse"
    with pytest.raises(ValueError, match="there is a metric named 'rmse' already"):
        metrics.rating("rmse")(rmse)


@pytest.mark.parametrize("returned", [None, "0.5", np.zeros(2), 1j])
def test_a_metric_of_ratings_is_one_number(registry, returned):
    metrics.rating("odd")(lambda ratings, predictions: returned)
    with pytest.raises(InputError, match=r"^metric 'odd' returned .*; .* returns one number$"):
        metrics.rating_errors(np.ones(2), np.ones(2))


@pytest.mark.parametrize("returned", [None, "0.5", np.zeros(3)])
def test_a_metric_of_rankings_is_one_number_or_one_a_user(registry, returned):
    metrics.ranking("odd")(lambda ranking: returned)
    ranking = Ranking(
        np.array([7, 2]), np.array([0, 1]), np.array([1, 1]),
        better=np.array([6, 1]), num_candidates=np.array([9, 9]),
    )  # fmt: skip
    with pytest.raises(InputError, match="^metric 'odd' returned .* each of the 2 users$"):
        metrics.of_ranking(ranking, (3,), over_catalogue=False)


@pytest.mark.parametrize(
    "name, rates, cutoffs, complaint",
    [
        ("rmse", True, (), ""),
        ("ndcg@10", False, (10, 20), ""),
        ("mrr", False, (10,), ""),
        ("ndcg@5", False, (10, 20), "; add --cutoffs=5"),
        ("ndcg@10", True, (), "; add --cutoffs=10"),
        ("hit@20", False, (10, 20), "; did you mean hr@20?"),
        ("RMSE", True, (), "; did you mean rmse?"),
        ("rmse", False, (10,), "is not measured"),
    ],
)
def test_what_is_not_measured_cannot_choose_the_epoch(name, rates, cutoffs, complaint):
    if not complaint:
        metrics.check_measured(name, rates, cutoffs)
        return
    with pytest.raises(InputError, match=f"^--eval_metric={name} is not measured.*") as error:
        metrics.check_measured(name, rates, cutoffs)
    assert complaint in str(error.value)

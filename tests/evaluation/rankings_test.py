"""Rankings of the full catalogue: by hand, against the definitions, against a library."""

import collections
import math

import numpy as np
import pytest

from helpers import interactions
from mfrec.data.candidates import read_candidates
from mfrec.data.interactions import Interactions
from mfrec.data.readers import read_ratings
from mfrec.data.vocabulary import UNKNOWN
from mfrec.errors import InputError
from mfrec.evaluation import top_items
from mfrec.evaluation.baselines import random_scores
from mfrec.evaluation.rankings import RankingEvaluator
from mfrec.models.matrix_factorization import MatrixFactorization
from mfrec.quiet_tensorflow import tf


def pairs(*user_items, num_users=None, num_items=None):
    """Interactions of (user, item) pairs, all of rating 1."""
    users, items = zip(*user_items, strict=True)
    return interactions(users, items, np.ones(len(users)), num_users, num_items)


def scoring(matrix):
    """The scoring function of a matrix [num_users, num_items]."""
    table = tf.constant(matrix, tf.float32)
    return lambda user_ids: tf.gather(table, user_ids)


# Six items; item 5 is nobody's. User 0 had 0, user 1 had 0 and 1, user 2 had 2, 3 and 4.
TRAIN = pairs((0, 0), (1, 0), (1, 1), (2, 2), (2, 3), (2, 4), num_users=4, num_items=6)
SCORES = [
    [9, 1, 5, 3, 3, 3],
    [9, 9, 0, -0.0, 2, 1],
    [4, 4, 9, 9, 9, 4],
    [1, 2, 3, 4, 5, 6],
]
HELD_OUT = pairs((0, 4), (0, 1), (1, 3), (2, 5), num_users=4, num_items=6)


def test_everything_by_hand():
    result = RankingEvaluator(TRAIN, cutoffs=(2, 4)).evaluate(scoring(SCORES), HELD_OUT)
    # User 0 ranks 2 3 4 5 1: held-out 4 is 3rd and 1 is last. User 1 ranks 4 5 2 3, 0 and −0
    # being equal: held-out 3 is 4th. User 2 ranks 0 1 5, three equals: held-out 5 is 3rd.
    # User 3 has nothing held out.
    assert result.user_ids.tolist() == [0, 1, 2]
    ideal = 1 + 1 / math.log2(3)
    expected = {
        "recall@2": [0, 0, 0],
        "recall@4": [1 / 2, 1, 1],
        "recall_min@4": [1 / 2, 1, 1],
        "precision@4": [1 / 4, 1 / 4, 1 / 4],
        "hr@2": [0, 0, 0],
        "hr@4": [1, 1, 1],
        "ndcg@2": [0, 0, 0],
        "ndcg@4": [1 / 2 / ideal, 1 / math.log2(5), 1 / 2],
        "map@4": [1 / 3 / 2, 1 / 4, 1 / 3],
        "mrr": [1 / 3, 1 / 4, 1 / 3],
        # against 2 3 5: 4 loses, ties, ties; 1 always loses. Against 4 5 2: a tie. Two ties.
        "auc": [1 / 6, 1 / 6, 1 / 2],
        # of 3 users two have item 0, one each has 1 2 3 4, and 5 counts as if one had it
        "novelty@2": [math.log2(3), math.log2(3), (math.log2(3 / 2) + math.log2(3)) / 2],
        "novelty@4": [math.log2(3), math.log2(3), (math.log2(3 / 2) + 2 * math.log2(3)) / 3],
    }
    for name, values in expected.items():
        assert result.per_user[name] == pytest.approx(values, abs=1e-12), name
        assert result.metrics[name] == pytest.approx(np.mean(values)), name
    # lists of two: 2 3, 4 5, 0 1; of four: 2 3 4 5, 4 5 2 3, 0 1 5
    assert result.metrics["coverage@2"] == 1 and result.metrics["gini@2"] == 0
    assert result.metrics["coverage@4"] == 1
    # counts 1 1 2 2 2 3 with weights −5 −3 −1 1 3 5
    assert result.metrics["gini@4"] == pytest.approx((-5 - 3 - 2 + 2 + 6 + 15) / (6 * 11))
    assert set(result.metrics) == set(result.per_user) | {
        *("coverage@2", "coverage@4", "gini@2", "gini@4")
    }
    assert result.counts == {
        "users": 3,
        "held_out": 4,
        "unknown_items": 0,
        "outside_candidates": 0,
        "overlap": 0,
        "cold_rows": 0,
        "exhausted_users": 1,
    }
    assert result.warnings == ["1 users have fewer than 4 candidates left; their lists are shorter"]
    assert result.protocol == (
        "full catalogue of 6 items; each user's training items masked; mean over 3 users with "
        "held-out items; ties by lower id"
    )


def by_definition(scores, candidates, positives, num_missing, cutoffs):
    """Metrics of one user, item by item.

    Args:
        scores: of all items.
        candidates: item ids.
        positives: the held-out items that training knows.
        num_missing: how many held-out items it does not know.
    """
    ranking = sorted(candidates, key=lambda item: (-scores[item], item))
    size = len(positives) + num_missing
    found = {}
    for k in cutoffs:
        hits = [place for place, item in enumerate(ranking[:k], 1) if item in positives]
        gains = [1 / math.log2(place + 1) for place in range(1, min(k, size) + 1)]
        precisions = [sum(h <= place for h in hits) / place for place in hits]
        found |= {
            f"recall@{k}": len(hits) / size,
            f"precision@{k}": len(hits) / k,
            f"hr@{k}": float(bool(hits)),
            f"ndcg@{k}": sum(1 / math.log2(place + 1) for place in hits) / sum(gains),
            f"map@{k}": sum(precisions) / min(k, size),
            f"recall_min@{k}": len(hits) / min(k, size),
        }
    firsts = [place for place, item in enumerate(ranking, 1) if item in positives]
    found["mrr"] = 1 / firsts[0] if firsts else 0.0
    others = [item for item in candidates if item not in positives]
    shares = [
        np.mean([(scores[p] > scores[o]) + (scores[p] == scores[o]) / 2 for o in others])
        if others
        else 0.5
        for p in positives
        if p in candidates
    ]
    found["auc"] = sum(shares) / size
    return found, ranking


def random_data(seed, num_users=60, num_items=37, levels=7):
    """Train, validation and held-out pairs with overlaps and strangers, and scores with ties."""
    random = np.random.default_rng(seed)

    def draw(size, lowest=0):
        users = random.integers(lowest, num_users, size)
        items = random.integers(lowest, num_items, size)
        return interactions(users, items, random.random(size), num_users, num_items)

    # all users before 50 hold something out, no others; user 0 has seen nearly all
    train = draw(500)
    most = pairs(*((0, item) for item in range(2, num_items)), num_users=60, num_items=37)
    seen = draw(100)
    held_out = draw(240, -1)
    held_out.user_ids[held_out.user_ids >= 50] = 3
    held_out.user_ids[:50] = np.arange(50)
    train = interactions(
        np.append(train.user_ids, most.user_ids),
        np.append(train.item_ids, most.item_ids),
        np.ones(len(train) + len(most)),
        num_users,
        num_items,
    )
    scores = np.round(random.normal(size=(num_users, num_items)) * levels) / levels
    return train, seen, held_out, scores


def items_of(parts, user):
    return {
        int(item)
        for part in parts
        for item in part.item_ids[part.user_ids == user]
        if item != UNKNOWN
    }


CASES = {
    "masked": {},
    "validation masked": {"seen": True},
    "not masked": {"mask_seen": False},
    "few candidates": {"candidate_items": np.array([1, 4, 6, 7, 11, 20, 36]), "seen": True},
}


@pytest.mark.parametrize("case", CASES)
def test_against_the_definitions_on_random_data(case):
    train, seen, held_out, scores = random_data(3)
    options = dict(CASES[case])
    masked = [train]
    if options.pop("seen", False):
        options["seen"] = seen
        masked.append(seen)
    if not options.get("mask_seen", True):
        masked = []
    cutoffs = (1, 5, 20, 50)
    result = RankingEvaluator(train, cutoffs=cutoffs, **options).evaluate(scoring(scores), held_out)
    users = list(range(50))
    assert result.user_ids.tolist() == users
    lists = []
    exhausted = outside = overlap = 0
    allowed = set(options.get("candidate_items", range(37)))
    for row, user in enumerate(users):
        candidates = allowed - items_of(masked, user)
        positives = items_of([held_out], user)
        missing = ((held_out.user_ids == user) & (held_out.item_ids == UNKNOWN)).sum()
        expected, ranking = by_definition(scores[user], candidates, positives, missing, cutoffs)
        for name, value in expected.items():
            assert result.per_user[name][row] == pytest.approx(value, abs=1e-12), (name, user)
        lists.append(ranking)
        exhausted += len(candidates) < 50
        outside += len(positives - allowed)
        had = items_of([train, seen] if "seen" in options else [train], user)
        overlap += len(positives & had)
    for k in cutoffs:
        counts = np.zeros(37)
        for ranking in lists:
            counts[ranking[:k]] += 1
        counts = counts[sorted(allowed)]
        gaps = np.abs(counts[:, None] - counts)
        assert result.metrics[f"coverage@{k}"] == pytest.approx(np.mean(counts > 0))
        # the index is half the mean gap of two items over their mean
        assert result.metrics[f"gini@{k}"] == pytest.approx(gaps.mean() / 2 / counts.mean())
        had_by = [len(set(train.user_ids[train.item_ids == item])) for item in range(37)]
        for row, ranking in enumerate(lists):
            bits = [-math.log2(had_by[item] / 60) for item in ranking[:k]]
            expected = np.mean(bits) if bits else 0
            assert result.per_user[f"novelty@{k}"][row] == pytest.approx(expected, abs=1e-12)
    assert result.counts["cold_rows"] == (held_out.user_ids == UNKNOWN).sum() > 0
    assert result.counts["unknown_items"] > 0 and result.counts["overlap"] == overlap > 0
    assert result.counts["exhausted_users"] == exhausted == len(users)
    assert result.counts["outside_candidates"] == outside


def test_numbers_depend_on_no_block():
    train, seen, held_out, scores = random_data(4)
    score = scoring(scores)
    whole = RankingEvaluator(train, seen=seen, cutoffs=(3, 10))
    one = RankingEvaluator(train, seen=seen, cutoffs=(3, 10), block_users=1)
    seven = RankingEvaluator(train, seen=seen, cutoffs=(10, 3, 3), block_users=7)
    expected = [whole.evaluate(score, held_out), *whole.baselines(held_out).values()]
    for evaluator, baselines in ((one, False), (seven, True)):
        found = [evaluator.evaluate(score, held_out)]
        found += evaluator.baselines(held_out).values() if baselines else []
        for a, b in zip(found, expected, strict=False):
            assert a.metrics == b.metrics and a.counts == b.counts
            for name, values in b.per_user.items():
                assert np.array_equal(a.per_user[name], values), name


def test_a_model_through_its_vectors():
    # what a held-out item is compared with is the very score it has in the matrix
    random = np.random.default_rng(0)
    train, _, held_out, _ = random_data(5)
    p, q = random.normal(size=(60, 8)), random.normal(size=(37, 8))
    p, q = p.astype(np.float32), q.astype(np.float32)

    def score(user_ids):
        return tf.matmul(tf.gather(p, user_ids), tf.constant(q), transpose_b=True)

    found = RankingEvaluator(train).evaluate(score, held_out)
    exact = RankingEvaluator(train).evaluate(scoring(p @ q.T), held_out)
    assert found.metrics == pytest.approx(exact.metrics, abs=1e-9)


def test_baselines():
    # 0 is had by two, 1 to 4 by one each, 5 by nobody
    found = RankingEvaluator(TRAIN, cutoffs=(1,)).baselines(HELD_OUT)
    # user 0 ranks 1 2 3 4 5, user 1 ranks 2 3 4 5, user 2 ranks 0 1 5
    assert found["popularity"].per_user["mrr"].tolist() == [1, 1 / 2, 1 / 3]

    train, _, held_out, _ = random_data(6)
    evaluator = RankingEvaluator(train, mask_seen=False)
    random = evaluator.baselines(held_out)["random"]
    again = RankingEvaluator(train, mask_seen=False).baselines(held_out)["random"]
    other = RankingEvaluator(train, mask_seen=False, seed=-1).baselines(held_out)["random"]
    assert random.metrics == again.metrics != other.metrics


def test_random_scores_are_uniform():
    scores = random_scores(tf.range(500), num_items=400, seed=0).numpy() / 2**24
    assert 0 <= scores.min() and scores.max() < 1
    error = 1 / math.sqrt(12 * 500 * 400)
    assert scores.mean() == pytest.approx(0.5, abs=4 * error)
    # neither users nor items resemble each other: correlations have deviations 1/20 and 1/22
    assert np.abs(np.corrcoef(scores) - np.eye(500)).max() < 6 / 20
    assert np.abs(np.corrcoef(scores.T) - np.eye(400)).max() < 6 / 22


def test_intervals_around_the_means_of_users():
    train, _, held_out, scores = random_data(7)
    result = RankingEvaluator(train, cutoffs=(5,)).evaluate(scoring(scores), held_out)
    assert set(result.intervals) == set(result.per_user)
    for name, values in result.per_user.items():
        low, high = result.intervals[name]
        error = values.std() / math.sqrt(len(values))
        assert low == pytest.approx(values.mean() - 1.96 * error, abs=0.4 * error + 1e-12), name
        assert high == pytest.approx(values.mean() + 1.96 * error, abs=0.4 * error + 1e-12), name


def test_fixed_negatives_in_place_of_the_catalogue():
    negatives = pairs(
        *((0, 2), (0, 0), (0, 4), (1, 2), (1, 4), (2, 0), (2, 1), (3, 3)), num_users=4, num_items=6
    )
    evaluator = RankingEvaluator(TRAIN, cutoffs=(1, 2), candidates=negatives)
    result = evaluator.evaluate(scoring(SCORES), HELD_OUT)
    # User 0: held-out 4 and 1 among 2, 0 (had in training) and 4 itself: 0 2 4 1.
    # User 1: held-out 3 among 2 and 4: 4 2 3. User 2: held-out 5 among 0 and 1, all equal.
    assert result.per_user["mrr"].tolist() == [1 / 3, 1 / 3, 1 / 3]
    assert result.per_user["auc"].tolist() == [0, 1 / 4, 1 / 2]
    assert result.per_user["hr@2"].tolist() == [0, 0, 0]
    assert not {"coverage@1", "gini@1", "novelty@1"} & set(result.metrics)
    assert result.protocol == (
        "SAMPLED, not the full catalogue: each user's held-out items among 2 to 3 fixed "
        "negatives; nothing masked; mean over 3 users with held-out items; ties by lower id"
    )
    without_1 = negatives.take(negatives.user_ids != 1)
    with pytest.raises(InputError, match="1 users with held-out items have no negatives.*'u1'"):
        RankingEvaluator(TRAIN, candidates=without_1).evaluate(scoring(SCORES), HELD_OUT)


def test_fixed_negatives_against_the_definitions():
    train, _, held_out, scores = random_data(8)
    random = np.random.default_rng(8)
    negatives = pairs(
        *((user, item) for user in range(60) for item in random.integers(-1, 37, 9)),
        num_users=60,
        num_items=37,
    )
    evaluator = RankingEvaluator(train, cutoffs=(3,), candidates=negatives)
    result = evaluator.evaluate(scoring(scores), held_out)
    for row, user in enumerate(result.user_ids):
        positives = items_of([held_out], user)
        candidates = items_of([held_out, negatives], user)
        missing = ((held_out.user_ids == user) & (held_out.item_ids == UNKNOWN)).sum()
        expected, _ = by_definition(scores[user], candidates, positives, missing, (3,))
        for name, value in expected.items():
            assert result.per_user[name][row] == pytest.approx(value, abs=1e-12), (name, user)


def test_held_out_rows_may_come_in_vocabularies_of_their_own():
    rows = [("u2", "i5"), ("u0", "i1"), ("stranger", "i1"), ("u0", "i4"), ("u1", "i3")]
    own = Interactions.from_arrays(*zip(*rows, strict=True))
    evaluator = RankingEvaluator(TRAIN, cutoffs=(2,))
    score = scoring(SCORES)
    found, expected = evaluator.evaluate(score, own), evaluator.evaluate(score, HELD_OUT)
    assert found.metrics == expected.metrics
    assert found.counts == expected.counts | {"cold_rows": 1}


def test_repeated_pairs_count_once_and_strangers_each():
    doubled = pairs(
        *((0, 4), (0, 4), (0, UNKNOWN), (0, UNKNOWN), (UNKNOWN, 4)), num_users=4, num_items=6
    )
    result = RankingEvaluator(TRAIN, cutoffs=(6,)).evaluate(scoring(SCORES), doubled)
    assert result.per_user["recall@6"].tolist() == [1 / 3]
    assert result.counts["held_out"] == 3 and result.counts["unknown_items"] == 2
    assert result.counts["cold_rows"] == 1


def test_user_with_strangers_alone():
    alone = pairs((2, UNKNOWN), num_users=4, num_items=6)
    result = RankingEvaluator(TRAIN, cutoffs=(2,)).evaluate(scoring(SCORES), alone)
    assert {name: result.metrics[name] for name in ("recall@2", "mrr", "auc")} == {
        "recall@2": 0,
        "mrr": 0,
        "auc": 0,
    }


def test_what_is_scored_is_compiled_once():
    traces = []

    class Model:
        def score(self, user_ids):
            traces.append(1)
            return tf.gather(tf.constant(SCORES, tf.float32), user_ids)

    evaluator = RankingEvaluator(TRAIN, cutoffs=(2,), block_users=2)
    model = Model()
    evaluator.evaluate(model.score, HELD_OUT)
    once = len(traces)
    evaluator.evaluate(model.score, HELD_OUT)
    evaluator.evaluate(model.score, pairs((0, 1), (2, 0), num_users=4, num_items=6))
    assert len(traces) == once


def test_a_model_trained_further_is_measured_anew():
    model = MatrixFactorization(4, 6, 2)

    def score(user_ids):
        return tf.tile(model.item_bias[None, :], (tf.shape(user_ids)[0], 1))

    evaluator = RankingEvaluator(TRAIN, cutoffs=(1,))
    held_out = pairs((0, 5), num_users=4, num_items=6)
    assert evaluator.evaluate(score, held_out).metrics["mrr"] == 1 / 5
    model.item_bias.assign([0, 0, 0, 0, 0, 1])
    assert evaluator.evaluate(score, held_out).metrics["mrr"] == 1


@pytest.mark.parametrize("broken", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("item", [0, 3])
def test_scores_that_are_not_finite_are_refused(broken, item):
    scores = np.array(SCORES)
    scores[1, item] = broken  # item 0 is masked for user 1
    with pytest.raises(InputError, match="scores of user 'u1' are not finite: the model has div"):
        RankingEvaluator(TRAIN).evaluate(scoring(scores), HELD_OUT)


def test_scores_of_another_shape_are_refused():
    with pytest.raises(ValueError, match="incompatible"):
        RankingEvaluator(TRAIN).evaluate(scoring(np.zeros((4, 5))), HELD_OUT)


def test_bad_settings_are_refused():
    with pytest.raises(InputError, match=r"cutoffs \[5, 0\]; give one or more, each at least 1"):
        RankingEvaluator(TRAIN, cutoffs=(5, 0))
    with pytest.raises(InputError, match="cutoffs"):
        RankingEvaluator(TRAIN, cutoffs=())
    with pytest.raises(InputError, match="cutoffs=1000000000000: more than makes sense"):
        RankingEvaluator(TRAIN, cutoffs=(5, 10**12))
    for cutoff in (2.5, "5", True, None):
        with pytest.raises(InputError, match=f"cutoffs={cutoff!r}: give a whole number"):
            RankingEvaluator(TRAIN, cutoffs=[cutoff])
    for wrong in (["i1"], [6], [-1], np.ones(6, bool)):
        with pytest.raises(InputError, match="candidate_items are rows of the training part"):
            RankingEvaluator(TRAIN, candidate_items=wrong)
    with pytest.raises(InputError, match="leave one out"):
        RankingEvaluator(TRAIN, candidate_items=np.array([1]), candidates=TRAIN)
    with pytest.raises(InputError, match="name at least one candidate"):
        RankingEvaluator(TRAIN, candidate_items=np.array([], np.int32))
    with pytest.raises(InputError, match="no held-out row has a user that training knows"):
        strangers = pairs((UNKNOWN, 1), num_users=4, num_items=6)
        RankingEvaluator(TRAIN).evaluate(scoring(SCORES), strangers)


def test_warnings():
    train = pairs(*((user, 0) for user in range(12)), num_items=60)
    held_out = pairs(*((user, user % 2) for user in range(12)), num_items=60)
    one_list = np.tile(np.arange(60.0), (12, 1))
    result = RankingEvaluator(train, candidate_items=np.arange(30)).evaluate(
        scoring(one_list), held_out
    )
    assert result.warnings == [
        "6 held-out items are among those that their users already had: masked and so missed",
        "100% of the users would get one and the same list but for the masks: the scores hardly "
        "depend on the user",
    ]
    result = RankingEvaluator(train, mask_seen=False, candidate_items=np.arange(1, 60)).evaluate(
        scoring(np.random.default_rng(0).random((12, 60))), held_out
    )
    assert result.warnings == [
        "6 held-out items are among those that their users already had: not masked, and easy to "
        "find",
        "6 held-out items may not be recommended; they count as missed",
    ]
    assert result.protocol.startswith("59 candidates of 60 items; nothing masked; mean over 12")


def test_a_model_below_popularity_is_told_so():
    evaluator = RankingEvaluator(TRAIN, cutoffs=(1, 6))
    popularity = evaluator.baselines(HELD_OUT)["popularity"]
    # popularity finds item 1 for user 0 at once; the first model nobody's until the end
    worst = scoring([[6, 0, 5, 4, 1, 3], [6, 5, 4, 0, 3, 2], [3, 2, 0, 0, 0, 1], [0] * 6])
    best = scoring([[0, 1, 0, 0, 1, 0], [0, 0, 0, 1, 0, 0], [0, 0, 0, 0, 0, 1], [0] * 6])
    first, second = evaluator.evaluate(worst, HELD_OUT).below(popularity)
    assert first == (
        "ndcg@1 0.0000 is below the 0.3333 of recommending everybody the most popular items"
    )
    assert second.startswith("ndcg@6 0.")
    assert evaluator.evaluate(best, HELD_OUT).below(popularity) == []


def test_against_an_independent_library():
    ir_measures = pytest.importorskip("ir_measures")
    train, _, held_out, scores = random_data(9)
    held_out.item_ids[held_out.item_ids == UNKNOWN] = 5
    cutoffs = (1, 5, 20)
    result = RankingEvaluator(train, cutoffs=cutoffs).evaluate(scoring(scores), held_out)
    run, relevant, sizes = {}, {}, []
    for user in result.user_ids.tolist():
        candidates = set(range(37)) - items_of([train], user)
        ranking = sorted(candidates, key=lambda item: (-scores[user, item], item))
        # the library breaks ties its own way, so it gets them broken
        run[str(user)] = {str(item): -float(place) for place, item in enumerate(ranking)}
        relevant[str(user)] = {str(item): 1 for item in items_of([held_out], user)}
        sizes.append(len(relevant[str(user)]))
    assert run["0"] and len(run["0"]) <= 2 and "59" not in run
    measures = {
        name: ir_measures.parse_measure(measure)
        for k in cutoffs
        for name, measure in {
            f"ndcg@{k}": f"nDCG@{k}",
            f"recall@{k}": f"R@{k}",
            f"precision@{k}": f"P@{k}",
            f"hr@{k}": f"Success@{k}",
            f"map@{k}": f"AP@{k}",
        }.items()
    } | {"mrr": ir_measures.RR}
    values = {
        (v.query_id, v.measure): v.value
        for v in ir_measures.iter_calc(list(measures.values()), relevant, run)
    }
    for name, measure in measures.items():
        for row, user in enumerate(result.user_ids.tolist()):
            theirs = values[str(user), measure]
            if name.startswith("map"):
                # trec_eval divides by |T| even where k < |T|
                theirs *= sizes[row] / min(sizes[row], int(name[4:]))
            assert result.per_user[name][row] == pytest.approx(theirs, abs=1e-9), (name, user)


@pytest.mark.parametrize("num_items", [32, 33])
def test_ranks_whatever_the_number_of_items(num_items):
    random = np.random.default_rng(num_items)
    scores = random.integers(0, 5, (3, num_items)).astype(float)
    train = pairs((0, 0), (1, 1), (2, 2), num_users=3, num_items=num_items)
    held_out = pairs(*((user, 7 + user) for user in range(3)), num_users=3, num_items=num_items)
    found = RankingEvaluator(train).evaluate(scoring(scores), held_out)
    for user in range(3):
        order = [i for i in np.argsort(-scores[user], kind="stable") if i != user]
        assert found.per_user["mrr"][user] == 1 / (order.index(7 + user) + 1)


def test_memory_bounds_the_block(monkeypatch):
    monkeypatch.setattr(top_items, "_BLOCK_BYTES", 4 * 37 * 5 + 1)
    train, _, held_out, scores = random_data(10)
    largest = tf.Variable(0)

    def measuring(user_ids):
        largest.assign(tf.maximum(largest, tf.size(user_ids)))
        return scoring(scores)(user_ids)

    assert RankingEvaluator(train).evaluate(measuring, held_out).counts["users"] > 5
    assert largest == 5


@pytest.mark.real_data
def test_popularity_under_the_protocol_of_neural_collaborative_filtering(real_data_dir):
    folder = real_data_dir / "ncf-ml-1m"
    train = read_ratings(folder / "ml-1m.train.rating")
    held_out, negatives = read_candidates(folder / "ml-1m.test.negative")
    result = RankingEvaluator(train, candidates=negatives).baselines(held_out)["popularity"]

    counts = collections.Counter(np.array(train.items.raw_ids)[train.item_ids].tolist())
    row = {raw_id: row for row, raw_id in enumerate(train.items.raw_ids)}
    hits, gains, unknown = 0, 0.0, 0
    for line in (folder / "ml-1m.test.negative").read_text().splitlines():
        pair, *others = line.split("\t")
        item = pair.strip("()").split(",")[1]
        if item not in row:
            unknown += 1
            continue
        # before it come the more popular, and the equally popular of lower ids
        before = sum(
            (counts[other], -row[other]) > (counts[item], -row[item])
            for other in set(others)
            if other in row
        )
        hits += before < 10
        gains += (before < 10) / math.log2(before + 2)
    assert result.metrics["hr@10"] == pytest.approx(hits / 6040, abs=1e-12)
    assert result.metrics["ndcg@10"] == pytest.approx(gains / 6040, abs=1e-12)
    # He et al. 2017 show ItemPop at about 0.45 and 0.25
    assert result.metrics["hr@10"] == pytest.approx(0.45, abs=0.01)
    assert result.metrics["ndcg@10"] == pytest.approx(0.25, abs=0.01)
    assert result.counts["unknown_items"] == unknown

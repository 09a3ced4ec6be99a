"""Recommender: lists, similar items, predictions and explanations by hand."""

import dataclasses

import numpy as np
import pytest

import mfrec
from helpers import interactions
from mfrec import losses
from mfrec.config.settings import Config
from mfrec.data.vocabulary import UNKNOWN, Vocabulary
from mfrec.errors import InputError
from mfrec.evaluation import top_items
from mfrec.models.matrix_factorization import MatrixFactorization
from mfrec.serving import explanations
from mfrec.serving.recommender import RankedItem, RankedUser, Recommender

# Three users, five items, d = 2. User 0 had items 0 and 1, user 1 item 0 and, in validation, 2.
TRAIN = interactions([0, 0, 1, 2, 0], [0, 1, 0, 3, 0], [1, 2, 3, 4, 5], num_items=5)
VALIDATION = interactions([1], [2], [4], num_users=3, num_items=5)
LABELS = ("Alpha", "Beta", "Gamma", "beta", "")
P = [[1, 0], [0, 1], [1, 1]]
Q = [[2, 0], [0, 2], [1, 0], [1, 0], [3, 3]]
USER_BIAS = [0.5, -0.5, 0]
ITEM_BIAS = [0, 0, 0.25, 0.25, -4]


def recommender(loss="mse", train=TRAIN, **options):
    model = MatrixFactorization(3, 5, 2, **options)
    model.user_embedding.assign(P)
    model.item_embedding.assign(Q)
    model.user_bias.assign(USER_BIAS)
    model.item_bias.assign(ITEM_BIAS)
    model.adapt(train)
    items = Vocabulary(train.items.raw_ids, LABELS)
    train, validation = (dataclasses.replace(p, items=items) for p in (train, VALIDATION))
    settings = {"regularization": 0.1, "bias_regularization": 0.1, "frequency_exponent": 0.5}
    config = Config().replace(settings | {"positives_per_row": 1, "num_negatives": 1})
    return Recommender(model, losses.get(loss), config, train, validation)


def rows(found):
    return [(row.rank, row.item, row.score) for row in found]


def names(found):
    return [row.item for row in found]


def test_a_list_by_hand():
    # μ = 3: item 2 and 3 score 3 + 1/2 + 1/4 + 1, item 4 scores 3 + 1/2 − 4 + 3
    found = recommender().recommend("u0")
    assert found == [
        RankedItem(1, "i2", "Gamma", 4.75),
        RankedItem(2, "i3", "beta", 4.75),
        RankedItem(3, "i4", "i4", 2.5),
    ]


def test_what_was_seen_in_training_and_validation_is_left_out_unless_wanted():
    assert rows(recommender().recommend("u1")) == [
        (1, "i1", 4.5),
        (2, "i3", 2.75),
        (3, "i4", 1.5),
    ]
    found = recommender().recommend("u1", k=4, exclude_seen=False)
    assert rows(found) == [(1, "i1", 4.5), (2, "i2", 2.75), (3, "i3", 2.75), (4, "i0", 2.5)]


def test_candidates_and_exclusions():
    r = recommender()
    assert names(r.recommend("u0", candidates=["i4", "i3", "i1"])) == ["i3", "i4"]
    assert names(r.recommend("u0", candidates=["i4", "i3"], exclude=["i3"])) == ["i4"]
    assert names(r.recommend("u0", k=1, exclude=["gamma"])) == ["i3"]
    assert names(r.recommend("u0", candidates=["i4", "x"], on_unknown="skip")) == ["i4"]
    assert r.recommend("u0", candidates=["i1"]) == []
    with pytest.raises(InputError, match="no item is left to recommend"):
        r.recommend("u0", candidates=["x"], on_unknown="skip")


def test_unknown_users():
    r = recommender()
    with pytest.raises(InputError, match="the run knows no user 'u00'; did you mean u0"):
        r.recommend("u00")
    assert r.recommend("u7", on_unknown="skip") == []
    # two users had item 0, one each 1, 2 and 3, nobody 4
    assert rows(r.recommend("u7", on_unknown="popular", exclude=["i2"])) == [
        (1, "i0", 2),
        (2, "i1", 1),
        (3, "i3", 1),
        (4, "i4", 0),
    ]
    with pytest.raises(InputError, match="on_unknown=skp: unknown; did you mean skip"):
        r.recommend("u0", on_unknown="skp")


def test_many_users_come_in_blocks_as_they_come_alone(monkeypatch):
    r = recommender()
    monkeypatch.setattr(top_items, "_BLOCK_BYTES", 4 * 5 * 2)
    users = ["u2", "stranger", "u0", "u1", "u0"]
    for way, kept in (("popular", users), ("skip", [u for u in users if u != "stranger"])):
        found = [(one.user, one.items) for one in r.recommend_all(users, k=3, on_unknown=way)]
        assert found == [(user, r.recommend(user, k=3, on_unknown=way)) for user in kept]
    everybody = [(one.user, one.user_id) for one in r.recommend_all()]
    assert everybody == [("u0", 0), ("u1", 1), ("u2", 2)]
    (stranger,) = r.recommend_all(["stranger"], on_unknown="popular")
    assert stranger.user_id == UNKNOWN
    with pytest.raises(InputError, match="no user 'stranger'"):
        r.recommend_all(users)


def askers_for_lists():
    r = recommender()
    asked = [r.recommend, r.similar_users, lambda u, k: r.explain(u, "i3", k)]
    return [*asked, lambda _, k: r.similar_items("i3", k)]


@pytest.mark.parametrize("k", [0, -3])
def test_lists_have_at_least_one_row(k):
    for ask in askers_for_lists():
        with pytest.raises(InputError, match=f"k={k}: ask for at least 1"):
            ask("u0", k=k)


@pytest.mark.parametrize("k", [2.5, "3", True, None])
def test_lists_have_a_whole_number_of_rows(k):
    for ask in askers_for_lists():
        with pytest.raises(InputError, match=f"k={k!r}: give a whole number"):
            ask("u0", k=k)


def test_lists_are_no_longer_than_what_is_left_whatever_is_asked_for():
    for ask in askers_for_lists():
        assert ask("u0", k=10**30) == ask("u0", k=np.int8(100))


def test_similar_items_by_the_cosine_of_embeddings_without_biases():
    found = recommender().similar_items("i0", k=9)
    assert rows(found) == [
        (1, "i2", pytest.approx(1)),
        (2, "i3", pytest.approx(1)),
        (3, "i4", pytest.approx(0.5**0.5)),
        (4, "i1", pytest.approx(0)),
    ]


def test_similar_users():
    found = recommender().similar_users("u2", k=1)
    assert found == [RankedUser(1, "u0", "u0", pytest.approx(0.5**0.5))]


def test_predictions_are_clipped_ratings_or_else_scores():
    # 3 + 1/2 + 0 + 2 = 5.5, and the highest training rating is 5
    assert recommender().predict("u0", "i0") == 5
    assert recommender(clip_predictions=False).predict("u0", "i0") == 5.5
    assert recommender("bpr").predict("u0", "i0") == 5.5
    logit = np.log(0.5 / 0.5) + 0.5 + 2
    rating = 1 + 4 / (1 + np.exp(-logit))
    found = recommender("logistic", link="sigmoid")
    assert found.predict("u0", "i0") == pytest.approx(rating, abs=1e-6)


def test_predictions_for_strangers_fall_back_if_asked():
    r = recommender()
    assert r.predict("x", "i2", fall_back=True) == 3.25
    assert r.predict("u0", "x", fall_back=True) == 3.5
    assert r.predict("x", "x", fall_back=True) == 3
    for pair in (("x", "i2"), ("u0", "x")):
        with pytest.raises(InputError, match="the run knows no (user|item) 'x'"):
            r.predict(*pair)


def test_explanations_by_hand():
    # user 0 had q_0 = (2, 0), twice, and q_1 = (0, 2); ρ = (4 + 4)/2. The system is
    # 4 + 4 on both axes, p_0 = (1, 0): c_0 = 3 · 2/8 · 2 for q_4 = (3, 3), c_1 = 3 · 2/8 · 0.
    assert recommender().explain("u0", "i4") == [RankedItem(1, "i0", "Alpha", 1.5)]
    assert recommender().explain("u0", "i1") == []


@pytest.mark.parametrize("normalize", [False, True])
def test_explanations_add_up_to_the_score_where_the_history_spans_the_item(normalize, monkeypatch):
    random = np.random.default_rng(0)
    train = interactions([0] * 12, range(12), np.ones(12), num_users=1, num_items=20)
    model = MatrixFactorization(1, 20, 4, normalize=normalize, init_stddev=3.0)
    model.item_bias.assign(random.normal(size=20))
    r = Recommender(model, losses.get("bpr"), Config(), train)
    monkeypatch.setattr(explanations, "RIDGE", 1e-9)
    contributions = {row.item: row.score for row in r.explain("u0", "i15", k=12)}
    p, q = model.user_vectors().numpy()[0, :4], model.item_vectors().numpy()[:, :4]
    # all of them, as by the pseudoinverse
    expected = (q[15] @ np.linalg.pinv(q[:12])) * (q[:12] @ p)
    assert sum(expected) == pytest.approx(p @ q[15], rel=1e-4)
    assert contributions == {
        f"i{row}": pytest.approx(value, rel=1e-4) for row, value in enumerate(expected) if value > 0
    }


def test_items_go_by_their_labels_too():
    r = recommender()
    assert r.item_ids(["ALPHA", "i1", "Gamma"]).tolist() == [0, 1, 2]
    assert r.item_ids([0, "gam"], "skip").tolist() == [-1, -1]
    with pytest.raises(InputError, match=r"no item 'Beta'; did you mean i1 \(Beta\) or i3 \(beta"):
        r.similar_items("Beta")
    with pytest.raises(InputError, match=r"no item 'gam'; did you mean i2 \(Gamma\)\?"):
        r.similar_items("gam")
    with pytest.raises(
        InputError, match="no item 'zzz'; give a raw id or label that it was trained with"
    ):
        r.similar_items("zzz")


def test_a_bare_name_is_one_name_and_bytes_are_text():
    r = recommender()
    (found,) = r.recommend_all("u0")
    assert (found.user, found.user_id, found.items) == ("u0", 0, r.recommend("u0"))
    assert [found.user for found in r.recommend_all([b"u1", "u0"])] == ["u1", "u0"]
    assert names(r.recommend("u0", candidates="i3")) == ["i3"]


def test_integers_bytes_and_text_name_the_same_user_and_item():
    r = recommender()
    r.users = Vocabulary(("5", "7", "57"))
    r.items = Vocabulary(("1", "2", "12", "3", "4"))
    by_text = {
        "recommend": r.recommend("57", candidates=["12", "4"], exclude=["4"]),
        "history": r.recommend_from_history(["12", "1"], [5, 1], exclude=["4"]),
        "one of a history": r.recommend_from_history(["12"], [5]),
        "similar items": r.similar_items("12"),
        "similar users": r.similar_users("57"),
        "predict": r.predict("57", "12"),
        "explain": r.explain("57", "12"),
    }
    for user, item in ((57, 12), (b"57", b"12"), (np.int64(57), np.uint8(12)), (57.0, 12.0)):
        assert by_text == {
            "recommend": r.recommend(user, candidates=[item, 4], exclude=4),
            "history": r.recommend_from_history(np.array([item, 1]), [5, 1], exclude=[b"4"]),
            "one of a history": r.recommend_from_history(item, 5),
            "similar items": r.similar_items(item),
            "similar users": r.similar_users(user),
            "predict": r.predict(user, item),
            "explain": r.explain(user, item),
        }
        assert [found.user for found in r.recommend_all(user)] == ["57"]
        assert names(r.recommend(user, candidates=item)) == ["12"]
    assert names(r.recommend_from_history("12", [5], exclude_seen=False, candidates="12")) == ["12"]


@pytest.mark.parametrize("wrong", [None, True, float("nan"), 2.5, ("u0", "u1"), ["u0"]])
def test_what_is_no_id_is_refused_everywhere(wrong):
    r = recommender()
    for ask in (
        lambda: r.recommend(wrong, on_unknown="popular"),
        lambda: r.recommend_all([wrong], on_unknown="skip"),
        lambda: r.recommend("u0", candidates=[wrong], on_unknown="skip"),
        lambda: r.recommend("u0", exclude=[wrong], on_unknown="skip"),
        lambda: r.recommend_from_history([wrong], [5], on_unknown="skip"),
        lambda: r.similar_items(wrong),
        lambda: r.similar_users(wrong),
        lambda: r.predict(wrong, "i0", fall_back=True),
        lambda: r.predict("u0", wrong, fall_back=True),
        lambda: r.explain("u0", wrong),
    ):
        with pytest.raises(InputError, match="(user|item) at position 0 is "):
            ask()


def test_raw_ids_come_before_labels():
    r = recommender()
    r.items = Vocabulary(("Beta", "b", "c", "d", "e"), LABELS)
    assert r.item_ids(["Beta"]).tolist() == [0]


def test_a_diverged_model_is_refused():
    r = recommender()
    r.model.user_bias.assign([np.nan, 0, 0])
    assert r.recommend("u1", k=1)
    with pytest.raises(InputError, match="the model has diverged"):
        r.recommend("u0")


def test_it_ranks_as_evaluation_does():
    random = np.random.default_rng(1)
    users, items = np.nonzero(random.random((30, 50)) < 0.2)
    train = interactions(users, items, np.ones(len(users)), 30, 50)
    model = MatrixFactorization(30, 50, 4, init_stddev=3.0)
    scores = model.score_catalogue(np.arange(30, dtype=np.int32)).numpy().astype(np.float64)
    scores[users, items] = -np.inf
    best = np.argsort(-scores, axis=1, kind="stable")[:, :7]
    r = mfrec.Recommender(model, losses.get("bpr"), Config(), train)
    found = {one.user: [int(row.item[1:]) for row in one.items] for one in r.recommend_all(k=7)}
    assert found == {f"u{user}": row.tolist() for user, row in enumerate(best)}


def test_a_history_is_answered_by_the_vector_folded_in():
    # The ridge fit of the history decides; whatever it is, the list is by its inner products.
    r = recommender()
    found = r.recommend_from_history(["alpha", "i1"], [5, 1])
    block = [np.array([row], kind) for row, kind in (([0, 1], "int32"), ([5, 1], "float32"))]
    vector = r.fold_in(*block, np.ones((1, 2), np.float32)).numpy()[0]
    scores = 3 + r.model.item_vectors().numpy() @ vector
    order = [row for row in np.argsort(-scores, kind="stable") if row > 1]
    assert [(row.item, row.score) for row in found] == [
        (f"i{row}", pytest.approx(scores[row], rel=1e-5)) for row in order
    ]
    everything = r.recommend_from_history(["i0", "i1"], [5, 1], 9, exclude_seen=False)
    assert names(everything)[0] == "i0" and len(everything) == 5
    assert names(r.recommend_from_history(["i0"], [5], candidates=["i3"])) == ["i3"]
    # who liked item 0 and not item 1 rates what lies along the first axis higher
    assert r.recommend_from_history(["i0"], [5], candidates=["i2"])[0].score > 3.25
    assert r.recommend_from_history(["i0"], [1], candidates=["i2"])[0].score < 3.25


def test_histories_that_cannot_be_used():
    r = recommender()
    assert r.recommend_from_history(["i0", "x"], [5, 1], on_unknown="skip") == (
        r.recommend_from_history(["i0"], [5])
    )
    for items, ratings, message in (
        (["i0", "x"], [5, 1], "the run knows no item 'x'"),
        (["i0"], None, "the run predicts ratings: give one with every item"),
        (["i0"], [5, 4], "2 ratings for a history of 1 items"),
        (["i0"], [6], "rating 6 of item 'i0': the run's are from 1 to 5"),
        ({"i0", "i1"}, [5, 1], "items: a set has no order that ratings could go by"),
        ([], [], "the history holds no item that the run knows"),
        (["i0"], [float("nan")], "rating at position 0 is nan"),
        (["i0"], ["good"], "ratings must be numbers"),
        (["i0", "i1"], [[5], [4]], r"ratings of shape \(2, 1\); give one dimension"),
    ):
        with pytest.raises(InputError, match=message):
            r.recommend_from_history(items, ratings)


def test_what_is_rated_too_low_to_be_liked_is_left_out_but_not_recommended_again():
    r = recommender("implicit_squared", use_bias=False)
    r.config = r.config.replace({"min_rating": 4})
    found = r.recommend_from_history(["i0", "i1"], [5, 1])
    expected = [row for row in r.recommend_from_history(["i0"]) if row.item != "i1"]
    assert names(found) == names(expected) and found[0].score == expected[0].score
    with pytest.raises(InputError, match="no item rated 4 or higher that the run knows"):
        r.recommend_from_history(["i0"], [3])

"""Recommending, explaining and exporting with models other than plain matrix factorization."""

import numpy as np
import pytest

from helpers import planted
from mfrec import losses
from mfrec.config.settings import Config
from mfrec.data.vocabulary import UNKNOWN
from mfrec.errors import InputError
from mfrec.models import SVDpp
from mfrec.quiet_tensorflow import tf
from mfrec.serving import export
from mfrec.serving.recommender import Recommender
from models import variants

NUM_USERS, NUM_ITEMS, DIM = 12, 9, 4
TRAIN = planted(NUM_USERS, NUM_ITEMS, 50)
CLASSES = {
    "svdpp": SVDpp,
    "two_towers": variants.TwoTowers,
    "dense_inside": variants.DenseInside,
    "neumf": variants.NeuMF,
}
WITH_VECTORS = [name for name in CLASSES if name != "neumf"]
CONFIG = Config().replace(
    {
        "positives_per_row": 1,
        "regularization": 0.1,
        "bias_regularization": 0.1,
        "frequency_exponent": 0.5,
        "batch_size": 64,
    }
)


def recommender(name, loss="mse"):
    """Of a model with every table at random, biases too."""
    link = None if loss == "bpr" else "identity"
    model = CLASSES[name](NUM_USERS, NUM_ITEMS, DIM, init_stddev=2.0, seed=3, link=link)
    model.adapt(TRAIN)
    model((np.int32([0]), np.int32([0])))
    random = np.random.default_rng(1)
    for variable in model.trainable_variables:
        if len(variable.shape) == 1:
            variable.assign(random.normal(0, 0.3, variable.shape))
    return Recommender(model, losses.get(loss), CONFIG, TRAIN)


def scores_of(model):
    """Scores pair by pair, [num_users, num_items]."""
    pairs = np.divmod(np.arange(NUM_USERS * NUM_ITEMS, dtype=np.int32), NUM_ITEMS)
    pairs = [ids.astype(np.int32) for ids in pairs]
    return model(tuple(pairs)).numpy().reshape(NUM_USERS, NUM_ITEMS)


def unseen(scores):
    """The scores with −∞ where a user had an item."""
    scores = scores.copy()
    scores[TRAIN.user_ids, TRAIN.item_ids] = -np.inf
    return scores


@pytest.mark.parametrize("loss", ["mse", "bpr"])
@pytest.mark.parametrize("name", CLASSES)
def test_lists_follow_the_scores(name, loss):
    r = recommender(name, loss)
    scores = scores_of(r.model)
    for found, row in zip(r.recommend_all(k=NUM_ITEMS), unseen(scores), strict=True):
        order = [item for item in np.argsort(-row, kind="stable") if row[item] > -np.inf]
        assert [item.item for item in found.items] == [f"i{item}" for item in order]
        expected = row[order]
        assert [item.score for item in found.items] == pytest.approx(expected, rel=1e-4, abs=1e-5)
    popular = r.recommend("nobody", on_unknown="popular")
    found = [one.items for one in r.recommend_all(["u2", "nobody"], on_unknown="popular")]
    assert found == [r.recommend("u2"), popular]
    low, high = TRAIN.ratings.min(), TRAIN.ratings.max()
    expected = np.clip(scores[2, 5], low, high) if loss == "mse" else scores[2, 5]
    assert r.predict("u2", "i5") == pytest.approx(expected, rel=1e-5, abs=1e-5)


@pytest.mark.parametrize("name", WITH_VECTORS)
def test_similar_items_and_users_by_all_their_coordinates(name):
    r = recommender(name)
    for rows, ask, names in (
        (r.model.item_rows(None)[0], r.similar_items, "i"),
        (r.model.user_rows(None)[0], r.similar_users, "u"),
    ):
        vectors = rows.numpy().astype(np.float64)
        assert vectors.shape[1] == (2 * DIM if name == "two_towers" else DIM)
        units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        cosines = np.delete(units @ units[3], 3)
        found = ask(f"{names}3", k=99)
        assert [row.score for row in found] == pytest.approx(-np.sort(-cosines), abs=1e-5)


@pytest.mark.parametrize("name", WITH_VECTORS)
def test_explanations_add_up_over_all_coordinates(name, monkeypatch):
    from mfrec.serving import explanations

    monkeypatch.setattr(explanations, "RIDGE", 1e-9)
    r = recommender(name)
    user = int(np.bincount(TRAIN.user_ids).argmax())
    history = np.unique(TRAIN.item_ids[TRAIN.user_ids == user])
    p, q = (
        rows(None)[0].numpy().astype(np.float64) for rows in (r.model.user_rows, r.model.item_rows)
    )
    (item, *_) = np.setdiff1d(np.arange(NUM_ITEMS), history)
    weights = q[item] @ np.linalg.pinv(q[history])
    expected = weights * (q[history] @ p[user])
    found = {row.item: row.score for row in r.explain(f"u{user}", f"i{item}", k=99)}
    assert found == {
        f"i{row}": pytest.approx(value, rel=1e-3, abs=1e-4)
        for row, value in zip(history, expected, strict=True)
        if value > 0
    }


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("svdpp", marks=pytest.mark.slow),
        "two_towers",
        pytest.param("dense_inside", marks=pytest.mark.slow),
        "neumf",
    ],
)
def test_the_saved_model_answers_as_the_recommender(name, tmp_path, capsys):
    r = recommender(name)
    export.saved_model(r, tmp_path / "model")
    served = tf.saved_model.load(str(tmp_path / "model"))
    none = tf.constant([[""]] * 2)
    request = {"k": tf.constant([NUM_ITEMS] * 2), "exclude": none, "include": none}
    answer = served.signatures["recommend"](user_ids=tf.constant(["u4", "nobody"]), **request)
    for row, user in enumerate(("u4", "nobody")):
        expected = r.recommend(user, NUM_ITEMS, on_unknown="popular")
        items = [item.decode() for item in answer["item_ids"][row].numpy() if item]
        assert items == [row.item for row in expected]
        scores = answer["scores"][row, : len(items)].numpy()
        assert scores == pytest.approx([row.score for row in expected], rel=1e-4, abs=1e-5)
    users, items = tf.constant(["u1", "x", "u1", "x"]), tf.constant(["i2", "i2", "x", "x"])
    found = served.signatures["score"](user_ids=users, item_ids=items)["scores"].numpy()
    ids = np.int32([1, UNKNOWN, 1, UNKNOWN]), np.int32([2, 2, UNKNOWN, UNKNOWN])
    expected = r.model.to_ratings(r.model(ids)).numpy()
    assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)
    if name == "neumf":
        assert set(served.signatures) == {"recommend", "score"}
        assert capsys.readouterr().err == (
            "model 'neu_mf' has no vectors: the SavedModel answers recommend and score alone\n"
        )
        return
    history = {"history": tf.constant([["i0", "i5"]] * 2), "ratings": tf.constant([[4.0, 2]] * 2)}
    answer = served.signatures["recommend_from_history"](**history, **request)
    expected = r.recommend_from_history(["i0", "i5"], [4, 2])
    assert [item.decode() for item in answer["item_ids"][0].numpy() if item] == [
        row.item for row in expected
    ]
    answer = served.signatures["similar_items"](item_ids=tf.constant(["i3"]), k=tf.constant([3]))
    assert [item.decode() for item in answer["item_ids"][0].numpy()] == [
        row.item for row in r.similar_items("i3", 3)
    ]
    assert capsys.readouterr().err == ""


def test_what_needs_vectors_is_refused_without(tmp_path):
    r = recommender("neumf")
    way_out = "take a model with vectors, such as --model=matrix_factorization"
    for ask, lacking in (
        (lambda: r.similar_items("i0"), "similar items"),
        (lambda: r.similar_users("u0"), "similar users"),
        (lambda: r.explain("u0", "i0"), "explanations"),
    ):
        with pytest.raises(
            InputError, match=f"'neu_mf' has no vectors, and so no {lacking}; {way_out}"
        ):
            ask()
    with pytest.raises(InputError, match=f"has no vectors.*{way_out}"):
        r.recommend_from_history(["i0"], [4])
    for name in ("npy", "text"):
        with pytest.raises(InputError, match="has no vectors to export; take --format=savedmodel"):
            export.FORMATS[name](r, tmp_path / "vectors", False)
    assert not list(tmp_path.iterdir())


def test_a_diverged_model_without_vectors_is_refused(tmp_path):
    r = recommender("neumf")
    r.model.item_bias.assign(np.full(NUM_ITEMS, np.nan))
    with pytest.raises(InputError, match="the model has diverged"):
        r.recommend("u0")
    with pytest.raises(InputError, match="the model has diverged"):
        export.saved_model(r, tmp_path / "model")
    assert not list(tmp_path.iterdir())

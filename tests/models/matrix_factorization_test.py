"""Matrix factorization: scores, predictions, features, baselines taken from the data."""

import numpy as np
import pytest

from helpers import interactions
from mfrec.data import pipelines
from mfrec.data.features import Features
from mfrec.data.interactions import UNKNOWN
from mfrec.errors import InputError
from mfrec.models.matrix_factorization import MatrixFactorization


def by_hand(**settings):
    """Two users, three items, d = 2, in numbers that can be multiplied in the head."""
    model = MatrixFactorization(2, 3, 2, **settings)
    model.user_embedding.assign([[1, 2], [0, -1]])
    model.item_embedding.assign([[1, 0], [0, 1], [-1, 1]])
    model.user_bias.assign([0.5, -0.25])
    model.item_bias.assign([0.125, 0, -2])
    model.global_bias.assign(3)
    model.rating_range.assign([1, 5])
    return model


# (user, item, score): 3 + b_u + b_i + <p_u, q_i>
SCORES = [
    (0, 0, 3 + 0.5 + 0.125 + 1),
    (0, 1, 3 + 0.5 + 0 + 2),
    (1, 2, 3 - 0.25 - 2 - 1),
    (1, 0, 3 - 0.25 + 0.125 + 0),
    (UNKNOWN, 2, 3 - 2),
    (0, UNKNOWN, 3 + 0.5),
    (UNKNOWN, UNKNOWN, 3),
]
USERS, ITEMS, EXPECTED = map(list, zip(*SCORES, strict=True))


def test_scores_of_known_and_unknown_pairs():
    scores = by_hand()((np.array(USERS, np.int32), np.array(ITEMS, np.int32)))
    assert scores.numpy().tolist() == EXPECTED


@pytest.mark.parametrize("clip", [True, False])
def test_predictions_are_clipped_unless_turned_off(clip):
    model = by_hand(clip_predictions=clip)
    predictions = model.predict_ratings(np.array(USERS), np.array(ITEMS)).numpy()
    # 5.5 and -0.25 leave the range from 1 to 5
    assert min(EXPECTED) < 1 and max(EXPECTED) > 5
    assert predictions.tolist() == (np.clip(EXPECTED, 1, 5).tolist() if clip else EXPECTED)


def test_predictions_pass_the_link():
    predictions = by_hand(link="sigmoid").predict_ratings(np.array(USERS), np.array(ITEMS))
    expected = 1 + 4 / (1 + np.exp(-np.array(EXPECTED)))
    np.testing.assert_allclose(predictions, expected, rtol=1e-6)
    predictions = by_hand(link="exp", clip_predictions=False).predict_ratings([0], [0])
    np.testing.assert_allclose(predictions, np.exp([4.625]), rtol=1e-6)


def test_blocks_predict_what_single_pairs_do(monkeypatch):
    random = np.random.default_rng(0)
    model = MatrixFactorization(20, 30, 4, init_stddev=2.0, clip_predictions=False)
    ids = random.integers(-1, 20, 11), random.integers(-1, 30, 11)
    rows = interactions(*ids, np.ones(11), 20, 30)
    one_by_one = [
        model.predict_ratings(rows.user_ids[[n]], rows.item_ids[[n]]).numpy()[0]
        for n in range(len(rows))
    ]
    blocks = pipelines.evaluation_blocks
    monkeypatch.setattr(pipelines, "evaluation_blocks", lambda rows: blocks(rows, size=4))
    predictions = model.predict_interactions(rows)
    assert predictions.dtype == np.float32
    np.testing.assert_allclose(predictions, one_by_one, rtol=1e-6)


def test_adapt_takes_mean_and_range_from_the_ratings():
    train = interactions([0, 0, 1, 1], [0, 1, 0, 2], [2, 5, 2, 4])
    model = MatrixFactorization(2, 3, 2)
    model.adapt(train)
    assert model.global_bias.numpy() == 3.25
    assert model.rating_range.numpy().tolist() == [2, 5]
    # the mean lies 5/12 of the way from 2 to 5, and σ(log(5/7)) = 5/12
    logits = MatrixFactorization(2, 3, 2, link="sigmoid")
    logits.adapt(train)
    np.testing.assert_allclose(logits.global_bias, np.log(5 / 7), rtol=1e-5)
    np.testing.assert_allclose(logits.targets(train.ratings), [0, 1, 0, 2 / 3], rtol=1e-6)
    rates = MatrixFactorization(2, 3, 2, link="exp")
    rates.adapt(train)
    np.testing.assert_allclose(rates.global_bias, np.log(3.25), rtol=1e-6)
    assert np.asarray(rates.targets(train.ratings)).tolist() == [2, 5, 2, 4]


def test_embeddings_start_normal_and_biases_at_0():
    model = MatrixFactorization(3_000, 2_000, 16, init_stddev=0.4, seed=1)
    for table, shape in ((model.user_embedding, (3_000, 16)), (model.item_embedding, (2_000, 16))):
        values = table.numpy()
        assert values.shape == shape
        # N(0, 0.4/√16): 32,000 draws tell the deviation to 0.4 %, the mean to 0.0006
        assert values.std() == pytest.approx(0.1, rel=0.02)
        assert values.mean() == pytest.approx(0, abs=0.003)
    assert not model.user_bias.numpy().any() and not model.item_bias.numpy().any()
    assert model.user_bias.shape == (3_000,) and model.item_bias.shape == (2_000,)


def test_seeds_fix_the_start_and_share_no_table():
    tables = []
    for seed in range(3):
        model, again = (MatrixFactorization(4, 4, 2, seed=seed) for _ in range(2))
        for table in ("user_embedding", "item_embedding"):
            values = getattr(model, table).numpy()
            assert (values == getattr(again, table).numpy()).all()
            tables.append(values.tobytes())
    assert len(set(tables)) == 6


def test_trainable_variables_are_embeddings_and_wanted_biases():
    def names(**settings):
        return [v.name for v in MatrixFactorization(2, 3, 2, **settings).trainable_variables]

    assert names() == ["user_embedding", "item_embedding", "user_bias", "item_bias"]
    assert names(use_bias=False) == ["user_embedding", "item_embedding"]


# ------------------------------------------------------------------ features of users and items


def with_features(**settings):
    """by_hand with two features of items, and one of users which only user 1 has."""
    of_items = Features(
        ("f", "g"),
        np.array([[0, 1], [1, 0], [0, 0]], np.int32),
        np.array([[0.5, 2], [1, 0], [0, 0]], np.float32),
    )
    of_users = Features(("h",), np.array([[0], [0]], np.int32), np.array([[0.0], [1]], np.float32))
    model = by_hand(item_features=of_items, user_features=of_users, **settings)
    model.item_feature_embedding.assign([[2, 0], [0, -1]])
    model.item_feature_bias.assign([1, 10])
    model.user_feature_embedding.assign([[4, 4]])
    model.user_feature_bias.assign([-3])
    return model


# q_0 = [1, 0] + 0.5·[2, 0] + 2·[0, −1], b_0 = 0.125 + 0.5·1 + 2·10; q_1 and b_1 have g once
P, P_BIAS = [[1, 2], [4, 3]], [0.5, -3.25]
Q, Q_BIAS = [[2, -2], [0, 0], [-1, 1]], [20.625, 10, -2]


@pytest.mark.parametrize("repeats", [1, 5])
def test_rows_are_the_sum_of_their_own_and_their_features(repeats):
    """By the rows that are asked for, and where these are more than there are by all."""
    model = with_features()
    users, items = (np.tile(ids, repeats).astype(np.int32) for ids in ([1, 0, -1], [0, 2, 1]))
    expected = [3 - 3.25 + 20.625 + 4 * 2 - 3 * 2, 3 + 0.5 - 2 - 1 + 2, 3 + 10]
    assert model((users, items)).numpy().tolist() == expected * repeats
    ids = np.tile(np.array([[2, 0]], np.int32), (repeats, 1))
    found = model.item_vectors(ids).numpy().tolist()
    assert found == repeats * [[[*Q[2], 1, Q_BIAS[2]], [*Q[0], 1, Q_BIAS[0]]]]
    assert model.item_vectors().numpy().tolist() == [
        [*q, 1, b] for q, b in zip(Q, Q_BIAS, strict=True)
    ]
    assert model.user_vectors().numpy().tolist() == [
        [*p, b, 1] for p, b in zip(P, P_BIAS, strict=True)
    ]
    scores = 3 + np.array(P) @ np.transpose(Q) + np.array(P_BIAS)[:, None] + Q_BIAS
    np.testing.assert_allclose(model.score_catalogue(np.array([0, 1])), scores, rtol=1e-6)


def test_cosines_are_of_the_sums():
    found = with_features(normalize=True, use_bias=False).item_vectors().numpy()
    np.testing.assert_allclose(found[0], np.array([1, -1]) / 2**0.5, rtol=1e-6)


def test_rows_that_training_has_not_seen_are_their_features_alone():
    model = with_features()
    model.adapt(interactions([1, 1], [1, 2], [3, 5], 2, 3))
    assert model.item_vectors().numpy()[0].tolist() == [1, -2, 1, 20.5]
    assert model.item_vectors().numpy()[1].tolist() == [0, 0, 1, 10]
    assert model.user_vectors().numpy()[0].tolist() == [0, 0, 0, 1]


def test_without_ids_rows_are_their_features_alone():
    of_items = Features(("f",), np.zeros((3, 1), np.int32), np.ones((3, 1), np.float32))
    model = MatrixFactorization(2, 3, 2, item_features=of_items, item_ids=False)
    names = [variable.name for variable in model.trainable_variables]
    assert names == [
        *("user_embedding", "user_bias", "item_feature_embedding", "item_feature_bias"),
    ]
    vectors = model.item_vectors().numpy()
    assert vectors.any() and (vectors == vectors[0]).all()


def test_tables_of_features_start_apart_and_like_rows():
    features = Features(
        tuple(map(str, range(3_000))), np.zeros((2, 1), np.int32), np.ones((2, 1), np.float32)
    )
    model = MatrixFactorization(
        2, 2, 16, init_stddev=0.4, user_features=features, item_features=features
    )
    tables = [model.user_feature_embedding.numpy(), model.item_feature_embedding.numpy()]
    assert [table.std() for table in tables] == pytest.approx([0.1, 0.1], rel=0.02)
    assert abs(np.corrcoef(tables[0].ravel(), tables[1].ravel())[0, 1]) < 0.02
    assert not model.user_feature_bias.numpy().any()


@pytest.mark.parametrize(
    "ids, shape, message",
    [
        (
            np.zeros((4, 1), np.int32),
            (4, 1),
            r"ids of shape \(4, 1\) and values of \(4, 1\) for 3 it",
        ),
        (
            np.zeros((3, 1), np.int32),
            (3, 2),
            r"values of \(3, 2\) for 3 items; give both a row for",
        ),
        (np.full((3, 1), 2, np.int32), (3, 1), "item_features: ids from 2 to 2 of 2 features"),
        (None, None, "item_features: a dict; give Features, as `encode`"),
    ],
)
def test_features_that_are_not_the_models_are_refused(ids, shape, message):
    features = {} if ids is None else Features(("f", "g"), ids, np.ones(shape, np.float32))
    with pytest.raises(InputError, match=message):
        MatrixFactorization(5, 3, 2, item_features=features)


@pytest.mark.parametrize(
    "sizes, message",
    [
        ((3, 5, 10**12), "embedding_dim=1000000000000: more than makes sense"),
        ((3, 10**10, 2), "num_items=10000000000: more than makes sense"),
        ((10**9, 5, 10**6), "embedding_dim=1000000: 1,000,000,000 rows of user_embedding need"),
        ((3, 5, 2.5), "embedding_dim=2.5: give a whole number"),
        ((3, True, 2), "num_items=True: give a whole number"),
        ((0, 5, 2), "num_users=0: ask for at least 1"),
    ],
)
def test_sizes_that_no_model_has_are_refused_before_it_is_made(sizes, message):
    with pytest.raises(InputError, match=message):
        MatrixFactorization(*sizes)

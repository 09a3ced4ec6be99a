"""The regularizer R and its frequency weights, against values by hand and example by example."""

import numpy as np
import pytest

from helpers import interactions
from mfrec import losses, models
from mfrec.config.settings import RegularizerConfig
from mfrec.data.features import Features
from mfrec.data.pipelines import Examples
from mfrec.models.matrix_factorization import MatrixFactorization
from mfrec.quiet_tensorflow import tf
from mfrec.training.regularizer import Regularizer

# one, four and no examples of users 0, 1 and 2; two, two and one of items 0, 1 and 2
TRAIN = interactions([0, 1, 1, 1, 1], [0, 0, 1, 1, 2], [1, 2, 3, 4, 5], num_users=3)


def regularizer(model=None, train=TRAIN, loss="mse", **settings):
    usual = {"regularization": 0.5, "bias_regularization": 2.0, "frequency_exponent": 1.0}
    return Regularizer(RegularizerConfig(**usual | settings), losses.get(loss), train, model)


def made(num_users=3, num_items=3, **settings):
    return MatrixFactorization(num_users, num_items, 2, **settings)


def examples(user_ids, item_ids, weights=None):
    columns = [np.asarray(ids, np.int32) for ids in (user_ids, item_ids)]
    weights = np.ones(columns[1].shape) if weights is None else np.asarray(weights)
    weights = weights.astype(np.float32)
    return Examples(*map(tf.constant, (*columns, np.zeros_like(weights), weights)))


@pytest.mark.parametrize(
    "exponent, expected",
    [
        # every example alike
        (1.0, [1, 1, 0]),
        # w ∝ 1 and 1/4, of mean (1 + 4/4) / 5 = 2/5 over the five examples
        (0.0, [5 / 2, 5 / 8, 0]),
        # w ∝ 1 and 1/2, of mean (1 + 4/2) / 5 = 3/5
        (0.5, [5 / 3, 5 / 6, 0]),
    ],
)
def test_frequency_weights_by_hand(exponent, expected):
    charging = regularizer(made(), frequency_exponent=exponent)
    assert charging.row_weights["users"].numpy().tolist() == pytest.approx(expected)
    # of new users, on the same scale: n^(ν−1) times what a user of one example has
    weights = [0, *(expected[0] * n ** (exponent - 1) for n in (1, 2, 3))]
    assert charging.new_user_weights().numpy().tolist() == pytest.approx(weights)


@pytest.mark.parametrize("exponent", [0.0, 0.75, 1.0])
def test_frequency_weights_have_mean_1_over_the_examples(exponent):
    random = np.random.default_rng(0)
    users, items = random.integers(0, 300, 5_000) ** 2 // 300, random.integers(0, 50, 5_000)
    train = interactions(users, items, np.ones(5_000), num_users=301)
    charging = regularizer(made(301, 50), train, frequency_exponent=exponent)
    for rows, ids in (("users", users), ("items", items)):
        weights = charging.row_weights[rows].numpy()
        assert weights[ids].mean() == pytest.approx(1, rel=1e-5)
    if exponent == 0:
        # every row with examples is charged the same over an epoch
        per_epoch = np.bincount(items) * charging.row_weights["items"].numpy()
        np.testing.assert_allclose(per_epoch, per_epoch[0], rtol=1e-5)


def test_a_loss_brings_frequency_weights_of_its_own():
    # iALS: (n + α·partners)^ν / n, with α = 0.1 and three rows on the other side
    charging = regularizer(made(), loss="implicit_squared")
    users, items = (charging.row_weights[rows].numpy() for rows in ("users", "items"))
    assert users.tolist() == pytest.approx([1.3, 4.3 / 4, 0])
    assert items.tolist() == pytest.approx([2.3 / 2, 2.3 / 2, 1.3])
    assert charging.new_user_weights().numpy()[:3].tolist() == pytest.approx([0, 1.3, 2.3 / 2])


def test_r_by_hand():
    model = made()
    model.user_embedding.assign([[1, 2], [0, 1], [7, 7]])
    model.item_embedding.assign([[1, 0], [9, 9], [1, 1]])
    model.user_bias.assign([1 / 2, 1 / 4, 7])
    model.item_bias.assign([1 / 8, 9, 2])
    # users 0, 1, 1 and items 0, 2, 2: ‖p‖² = 5 and 1, ‖q‖² = 1 and 2
    users = (0.5 * 5 + 2 / 4) + 2 * (0.5 * 1 + 2 / 16)
    items = (0.5 * 1 + 2 / 64) + 2 * (0.5 * 2 + 2 * 4)
    charging = regularizer(model)
    value = charging.mean(examples([0, 1, 1], [0, 2, 2]))
    assert float(value) == pytest.approx((users + items) / 3, rel=1e-6)
    # padding of weight 0 is charged nothing, and rows of positives what their examples are
    padded = charging.mean(examples([0, 1, 1, 2], [0, 2, 2, 1], [1, 1, 1, 0]))
    in_rows = charging.mean(examples([0, 1], [[0, 1], [2, 2]], [[1, 0], [1, 1]]))
    assert [float(padded), float(in_rows)] == pytest.approx([float(value)] * 2, rel=1e-6)
    free = regularizer(model, regularization=0.0, bias_regularization=0.0)
    assert float(free.mean(examples([0], [0]))) == 0
    np.testing.assert_array_equal(charging.user_ridge(), [0.5, 0.5, 2])
    without_bias = regularizer(made(use_bias=False))
    np.testing.assert_array_equal(without_bias.user_ridge(), [0.5, 0.5])


@pytest.mark.parametrize("exponent", [0.0, 0.75, 1.0])
def test_the_mean_over_a_batch_is_that_of_r_by_example(exponent):
    random = np.random.default_rng(0)
    users, items = random.integers(0, 6, 60), random.integers(0, 7, 60)
    train = interactions(users, items, np.ones(60), 6, 7)
    model = made(6, 7, init_stddev=1.0)
    model.user_bias.assign(random.normal(size=6))
    model.item_bias.assign(random.normal(size=7))

    def weights(ids):
        counts = np.bincount(ids).astype(np.float64)
        return counts ** (exponent - 1) / np.average(counts ** (exponent - 1), weights=counts)

    w_u, w_i = weights(users), weights(items)
    p, q = model.user_embedding.numpy(), model.item_embedding.numpy()
    b_u, b_i = model.user_bias.numpy(), model.item_bias.numpy()
    by_example = [
        0.5 * (w_u[u] * p[u] @ p[u] + w_i[i] * q[i] @ q[i])
        + 2 * (w_u[u] * b_u[u] ** 2 + w_i[i] * b_i[i] ** 2)
        for u, i in zip(users[:10], items[:10], strict=True)
    ]
    charging = regularizer(model, train, frequency_exponent=exponent)
    mean = charging.mean(examples(users[:10], items[:10]))
    assert float(mean) == pytest.approx(np.mean(by_example), rel=1e-5)


def test_every_table_with_a_row_for_each_user_or_item_is_charged():
    class Tables(models.Model):
        def __init__(self, *sizes):
            super().__init__(*sizes)
            self.table("tastes", "users", width=3)
            self.table("sorts", "items", width=1)
            self.table("levels", "items", is_bias=True)
            self.table("shared", 4)

        def scores(self, user_ids, item_ids):
            return tf.gather(self.levels, item_ids)

    model = Tables(3, 3, 2)
    for name, value in (("tastes", 2.0), ("sorts", 3.0), ("levels", 5.0), ("shared", 7.0)):
        table = getattr(model, name)
        table.assign(np.full(table.shape, value, np.float32))
    # three numbers of 2, one of 3 and a bias of 5 for each example; nothing for the table of 4 rows
    expected = 0.5 * 3 * 2**2 + 0.5 * 3**2 + 2 * 5**2
    mean = regularizer(model).mean(examples([0, 1, 1], [0, 2, 1]))
    assert float(mean) == pytest.approx(expected, rel=1e-6)


# ------------------------------------------------------------------ features of users and items


def features(ids, names="fg"):
    ids = np.asarray(ids, np.int32)[:, np.newaxis]
    return Features(tuple(names), ids, np.ones(ids.shape, np.float32))


def test_features_are_charged_as_rows_with_all_their_examples():
    """Five ratings: items 0, 1 and 2 have 2, 1 and 2; feature f is of items 0 and 2, g of 1."""
    train = interactions([0, 1, 0, 1, 2], [0, 0, 1, 2, 2], [5, 4, 3, 2, 1])
    model = made(item_features=features([0, 1, 0]))
    charging = regularizer(model, train, frequency_exponent=0.5)
    # items are charged n^-0.5 · scale with mean 1 over the examples: scale = 5 / Σ n^0.5
    scale = 5 / (2 * 2**0.5 + 1)
    expected = [4 / 5 * 4**-0.5 * scale, 1 / 5 * 1 * scale]
    assert set(charging.feature_weights) == {"item_features"}
    np.testing.assert_allclose(charging.feature_weights["item_features"], expected, rtol=1e-6)
    # iALS: (n + α·others), each feature paired with 3 users for each of its rows
    charging = regularizer(model, train, "implicit_squared")
    expected = [(4 + 0.1 * 6) / 5, (1 + 0.1 * 3) / 5]
    np.testing.assert_allclose(charging.feature_weights["item_features"], expected, rtol=1e-6)


def test_features_are_charged_kappa_times_by_every_example():
    # user 1 alone has feature h, and four of the five examples
    model = made(item_features=features([0, 1, 0]), user_features=features([1, 0, 1], "hk"))
    for name in ("user_embedding", "item_embedding"):
        getattr(model, name).assign(np.zeros((3, 2), np.float32))
    model.item_feature_embedding.assign([[2, 0], [1, 0]])
    model.item_feature_bias.assign([1, 10])
    model.user_feature_embedding.assign([[4, 4], [0, 0]])
    model.user_feature_bias.assign([3, 0])
    # shares of the examples: f (items 0 and 2) 3/5, g (item 1) 2/5, h 4/5
    items = (0.5 * 4 + 2 * 1) * 3 / 5 + (0.5 * 1 + 2 * 100) * 2 / 5
    users = (0.5 * 32 + 2 * 9) * 4 / 5
    charging = regularizer(model, feature_regularization=3.0)
    for batch in (examples([0], [0]), examples([1, 1], [1, 2])):
        assert float(charging.mean(batch)) == pytest.approx(3 * (items + users), rel=1e-6)

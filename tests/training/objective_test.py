"""From a batch to the losses of its examples, against loops in plain numpy."""

import dataclasses
import itertools

import numpy as np
import pytest

from helpers import interactions
from mfrec import losses
from mfrec.config.settings import Config
from mfrec.data.pipelines import training_examples
from mfrec.errors import InputError
from mfrec.models.matrix_factorization import MatrixFactorization
from mfrec.quiet_tensorflow import tf
from mfrec.training import samplers
from mfrec.training.corrections import MASKED
from mfrec.training.objective import Objective, check

USERS = [0, 0, 1, 2, 2, 2, 3, 3]
ITEMS = [0, 3, 1, 4, 2, 0, 3, 1]
SEED = tf.constant([0, 7])


def train():
    return interactions(USERS, ITEMS, np.ones(8), num_items=6)


def model(**settings):
    made = MatrixFactorization(4, 6, 3, init_stddev=1.0, **{"use_bias": False} | settings)
    made.user_bias.assign(np.arange(4) / 2)
    made.item_bias.assign(np.arange(6) - 3)
    return made


def scores_of(model):
    """Every score, [4, 6], in numpy."""
    p, q = model.user_embedding.numpy(), model.item_embedding.numpy()
    if model.normalize:
        p, q = (table / np.linalg.norm(table, axis=1, keepdims=True) for table in (p, q))
    scores = p @ q.T
    if model.use_bias:
        scores += model.user_bias.numpy()[:, None] + model.item_bias.numpy()
    return scores


def show(made, examples, **sampling):
    """Positive and negative scores that the objective hands to a loss, and the objective."""
    scores = []

    def shown(positive_scores, negative_scores):
        scores[:] = positive_scores.numpy(), negative_scores.numpy()
        return positive_scores + tf.reduce_sum(negative_scores, axis=-1)

    loss = losses.Loss(
        "shown", shown, losses.Traits(predicts_ratings=False, draws_negatives=True), log_q=True
    )
    sampling = {"num_negatives": 5, "shared_negatives": False} | sampling
    config = Config().replace(sampling).sampler
    objective = Objective.of(made, loss, train(), config)
    objective.example_losses(examples, SEED)
    return *scores, objective


def drawn(objective, shape):
    users, items = tf.constant(USERS), tf.constant(ITEMS)
    return objective.sampler(SEED, shape, users, items).item_ids.numpy()


def examples():
    return training_examples(train()).take(tf.range(8))


def rows():
    made = training_examples(train(), positives_per_row=2)
    return made.take(tf.range(len(made)))


@pytest.mark.parametrize("settings", [{}, {"use_bias": True}, {"normalize": True}])
@pytest.mark.parametrize("shared", [True, False])
def test_scores_of_positives_and_negatives(settings, shared):
    made = model(**settings)
    positives, negatives, objective = show(made, examples(), shared_negatives=shared)
    scores = scores_of(made)
    np.testing.assert_allclose(positives, scores[USERS, ITEMS], rtol=1e-5, atol=1e-6)
    if shared:
        expected = scores[USERS][:, drawn(objective, (5,))]
    else:
        expected = np.take_along_axis(scores[USERS], drawn(objective, (8, 5)), axis=1)
    np.testing.assert_allclose(negatives, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("shared", [True, False])
def test_rows_of_positives(shared):
    made, batch = model(), rows()
    positives, negatives, objective = show(made, batch, shared_negatives=shared)
    users, items = batch.user_ids.numpy(), batch.item_ids.numpy()
    scores = scores_of(made)
    # users with 2, 1, 3 and 2 positives
    assert sorted(users) == [0, 1, 2, 2, 3] and items.shape == (5, 2)
    np.testing.assert_allclose(positives, scores[users[:, None], items], rtol=1e-5, atol=1e-6)
    if shared:
        expected = scores[users][:, drawn(objective, (5,))]
    else:
        expected = np.take_along_axis(scores[users], drawn(objective, (5, 1, 5))[:, 0], axis=1)
    assert negatives.shape == (5, 1, 5)
    np.testing.assert_allclose(negatives[:, 0], expected, rtol=1e-5, atol=1e-6)
    weights = batch.weights.numpy()
    held = {
        (u, i)
        for u, row, of in zip(users, items, weights, strict=True)
        for i, w in zip(row, of, strict=True)
        if w
    }
    assert held == set(zip(USERS, ITEMS, strict=True)) and weights.sum() == 8


def test_known_positives_are_masked_where_asked():
    made = model()
    _, negatives, objective = show(made, examples(), reject_positives=True)
    ids = drawn(objective, (8, 5))
    known = set(zip(USERS, ITEMS, strict=True))
    is_known = np.array([[(u, i) in known for i in row] for u, row in zip(USERS, ids, strict=True)])
    assert is_known.any() and not is_known.all()
    np.testing.assert_array_equal(negatives == MASKED, is_known)


@pytest.mark.parametrize("in_rows", [False, True])
def test_in_batch_negatives_are_the_batchs_items_without_the_examples_own(in_rows):
    made, batch = model(), rows() if in_rows else examples()
    _, negatives, _ = show(made, batch, negative_sampler="in_batch")
    users, items = batch.user_ids.numpy(), batch.item_ids.numpy().reshape(len(batch.user_ids), -1)
    firsts = items[:, 0]
    expected = scores_of(made)[users][:, firsts]
    is_own = (items[:, :, None] == firsts).any(axis=1)
    expected[is_own] = MASKED
    np.testing.assert_allclose(negatives.reshape(expected.shape), expected, rtol=1e-5, atol=1e-6)


def test_log_q_correction_subtracts_how_often_an_item_is_drawn():
    made = model()
    _, plain, objective = show(made, examples(), negative_sampler="popularity")
    _, corrected, _ = show(made, examples(), negative_sampler="popularity", log_q_correction=True)
    counts = np.bincount(ITEMS, minlength=6)
    shares = counts**0.75 / (counts[counts > 0] ** 0.75).sum()
    ids = drawn(objective, (8, 5))
    np.testing.assert_allclose(plain - corrected, np.log(5 * shares[ids]), rtol=1e-4)


def test_log_q_correction_makes_sampled_softmax_the_softmax_on_average():
    # with very many draws the sum over negatives is that over the catalogue
    made = model(normalize=True)
    config = (
        Config()
        .replace(
            {
                "num_negatives": 100_000,
                "shared_negatives": True,
                "negative_sampler": "popularity",
                "log_q_correction": True,
                "sampler_args": "exponent=0.5",
            }
        )
        .sampler
    )
    everything = interactions([*USERS, 0], [*ITEMS, 5], np.ones(9))
    loss = losses.get("sampled_softmax", {"temperature": 0.5})
    sampled = Objective.of(made, loss, everything, config).example_losses(examples(), SEED)
    scores = scores_of(made) / 0.5
    positives = scores[USERS, ITEMS]
    # the positive stands beside the catalogue, as it does beside the negatives
    expected = np.log(np.exp(scores[USERS]).sum(axis=1) + np.exp(positives)) - positives
    np.testing.assert_allclose(sampled, expected, rtol=0.01)


def test_hard_negatives_are_the_best_of_their_group():
    made = model()
    _, hard, objective = show(made, examples(), num_negatives=2, hard_negatives=3)
    ids = drawn(objective, (8, 6))
    scores = np.take_along_axis(scores_of(made)[USERS], ids, axis=1)
    np.testing.assert_allclose(hard, scores.reshape(8, 2, 3).max(axis=2), rtol=1e-5)


def test_weighted_examples_weigh_in_the_users_sums():
    data = interactions([0, 0, 1], [0, 1, 1], np.ones(3))
    data = dataclasses.replace(data, weights=np.float32([1, 3, 2]))
    made = MatrixFactorization(2, 2, 2, use_bias=False)
    loss = losses.get("implicit_squared", {"unobserved_weight": 0.5})
    objective = Objective.of(made, loss, data, Config().sampler)
    batch = training_examples(data).take(tf.range(3))
    values = objective.example_losses(batch, SEED).numpy()
    p, q = made.user_embedding.numpy(), made.item_embedding.numpy()
    scores = p @ q.T
    # Σ w · loss is Σ w(1 − s)² over the examples + α Σ s² over all pairs
    expected = 0.5 * (scores**2).sum()
    expected += sum(w * (1 - scores[u, i]) ** 2 for u, i, w in ((0, 0, 1), (0, 1, 3), (1, 1, 2)))
    np.testing.assert_allclose((data.weights * values).sum(), expected, rtol=1e-5)


@pytest.mark.parametrize(
    "loss, settings, reason",
    [
        ("mse", {"num_negatives": 5}, "--num_negatives: loss 'mse' draws no negatives"),
        ("softmax", {"negative_sampler": "popularity"}, "it sees every item"),
        ("mse", {"positives_per_row": 8}, "loss 'mse' reads single ratings"),
        ("mae", {"normalize": True}, "cosines rank items but are no ratings"),
        ("bpr", {"log_q_correction": True}, "stand for themselves"),
        (
            "sampled_softmax",
            {"log_q_correction": True, "hard_negatives": 4},
            "no known probability",
        ),
        ("bpr", {"negative_sampler": "in_batch", "num_negatives": 4}, "leave out --num_negatives"),
        ("ultragcn", {"hard_negatives": 2}, "weighs every negative by its count"),
        ("warp", {"hard_negatives": 2}, "loss 'warp' counts on random draws"),
    ],
)
def test_pairs_that_make_no_sense_are_refused(loss, settings, reason):
    with pytest.raises(InputError, match=reason):
        check(losses.get(loss), Config().replace(settings))


def test_pairs_that_make_sense_are_accepted():
    for loss in losses.REGISTRY.values():
        check(loss, Config())
    for sampler in ("uniform", "popularity"):
        for shared in (True, False):
            settings = {"negative_sampler": sampler, "shared_negatives": shared}
            check(losses.get("bpr"), Config().replace(settings | {"num_negatives": 3}))


def test_a_loss_that_cannot_read_rows_is_told_so():
    def flat(positive_scores, negative_scores):
        return positive_scores[:, 0] - negative_scores[:, 0, 0]

    loss = losses.Loss("flat", flat, losses.Traits(predicts_ratings=False, draws_negatives=True))
    config = Config().replace({"num_negatives": 2, "shared_negatives": False}).sampler
    with pytest.raises(InputError, match="train with --positives_per_row=1"):
        Objective.of(model(), loss, train(), config).example_losses(rows(), SEED)


@pytest.mark.parametrize("in_rows", [False, True])
@pytest.mark.parametrize("shared", [False, True])
def test_a_sampler_may_look_at_users_and_share_what_it_draws(monkeypatch, in_rows, shared):
    # in place of a draw the user's number and the positive, or two items for all of the batch
    def own_items(train):
        def sample(seed, shape, user_ids, batch_items):
            ids = tf.range(2) if shared else tf.stack([user_ids, batch_items], axis=1)
            return samplers.Negatives(ids, tf.zeros(ids.shape))

        return sample

    monkeypatch.setitem(samplers.REGISTRY, "own", samplers.SamplerKind("own", own_items))
    made, batch = model(), rows() if in_rows else examples()
    _, negatives, _ = show(made, batch, negative_sampler="own", num_negatives=2)
    users, items = batch.user_ids.numpy(), batch.item_ids.numpy().reshape(len(batch.user_ids), -1)
    ids = [[0, 1]] * len(users) if shared else np.stack([users, items[:, 0]], axis=1)
    expected = np.take_along_axis(scores_of(made)[users], np.array(ids), axis=1)
    np.testing.assert_allclose(negatives.reshape(expected.shape), expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "make",
    [
        lambda shape: (tf.zeros(shape, tf.int64), tf.zeros(shape)),
        lambda shape: (tf.zeros(shape, tf.int32), tf.zeros(shape[0])),
        lambda shape: (tf.zeros((3, 3), tf.int32), tf.zeros((3, 3))),
        lambda shape: (tf.zeros((*shape, 1), tf.int32), tf.zeros((*shape, 1))),
    ],
)
def test_a_sampler_that_returns_something_else_is_refused_in_a_line(monkeypatch, make):
    def own(train):
        return lambda seed, shape, user_ids, batch_items: samplers.Negatives(*make(shape))

    monkeypatch.setitem(samplers.REGISTRY, "own", samplers.SamplerKind("own", own))
    with pytest.raises(InputError, match="--negative_sampler=own returned .*; a sampler returns i"):
        show(model(), examples(), negative_sampler="own")


def test_padding_of_rows_repeats_what_is_there():
    packed = training_examples(train(), positives_per_row=4)
    made = packed.take(tf.range(len(packed) + 1))
    weights, items = made.weights.numpy(), made.item_ids.numpy()
    # four users, and a row of nothing but padding
    assert weights.sum(axis=1).tolist() == [2, 1, 3, 2, 0]
    for row, of in zip(items[:4], weights, strict=False):
        assert set(row[of == 0]) <= {row[0]}
    assert items[4].tolist() == items[0].tolist()


RANKING = sorted(n for n, loss in losses.REGISTRY.items() if loss.draws_negatives)


@pytest.mark.parametrize("name", RANKING)
@pytest.mark.parametrize("in_rows", [False, True])
def test_every_loss_takes_every_sampler_that_makes_sense(name, in_rows):
    loss = losses.get(name)
    made = model(normalize=loss.traits.normalize)
    for sampler, shared, log_q, reject in itertools.product(
        ("uniform", "popularity", "in_batch"), (None, True, False), (False, True), (False, True)
    ):
        settings = {"negative_sampler": sampler, "shared_negatives": shared}
        settings |= {"log_q_correction": log_q, "reject_positives": reject}
        if sampler != "in_batch":
            settings["num_negatives"] = 4
        config = Config().replace(settings)
        try:
            check(loss, config)
        except InputError:
            assert (log_q and not loss.log_q) or (sampler == "in_batch" and shared is False)
            continue
        objective = Objective.of(made, loss, train(), config.sampler)
        with tf.GradientTape() as tape:
            values = objective.example_losses(rows() if in_rows else examples(), SEED)
        gradient = tf.convert_to_tensor(tape.gradient(values, made.item_embedding.value))
        assert np.isfinite(values).all() and np.isfinite(gradient).all() and np.any(gradient)

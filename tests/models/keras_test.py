"""Models as Keras models: saved and copied, fitted and asked in every shape, refusing wrong ids."""

import copy
import logging
import random
import subprocess
import sys
import threading

import keras
import numpy as np
import pytest
from variants import DenseInside, NeuMF, TwoTowers

from helpers import ROOT, interactions, planted
from mfrec import models
from mfrec.config.settings import TrainingConfig
from mfrec.data.features import Features
from mfrec.data.interactions import UNKNOWN
from mfrec.errors import InputError
from mfrec.losses.links import LINKS
from mfrec.quiet_tensorflow import tf
from mfrec.training.trainer import Trainer

USERS, ITEMS = 30, 20
TRAIN = planted(USERS, ITEMS, 300)
# every user and item comes, and strangers
RANDOM = np.random.default_rng(0)
USER_IDS = np.concatenate([RANDOM.permutation(USERS), [UNKNOWN, 4, UNKNOWN]]).astype(np.int32)
ITEM_IDS = np.concatenate([np.arange(USERS) % ITEMS, [7, UNKNOWN, UNKNOWN]]).astype(np.int32)
RATINGS = RANDOM.normal(3, 1, len(USER_IDS)).astype(np.float32)


def with_features(*sizes, **settings):
    generator = np.random.default_rng(2)
    ids = generator.integers(0, 3, (ITEMS, 2)).astype(np.int32)
    features = Features(("f", "g", "h"), ids, generator.random((ITEMS, 2)).astype(np.float32))
    return models.MatrixFactorization(*sizes, item_features=features, **settings)


MAKERS = {
    "matrix_factorization": models.MatrixFactorization,
    "features": with_features,
    "svdpp": models.SVDpp,
    "two_towers": TwoTowers,
    "neumf": NeuMF,
    "dense_inside": DenseInside,
}
every_model = pytest.mark.parametrize("name", MAKERS)


def made(name, seed=1, **settings):
    """A model whose every variable differs from its start, adapted to TRAIN."""
    model = MAKERS[name](USERS, ITEMS, 4, init_stddev=1.0, seed=seed, **settings)
    model.prepare(TRAIN)
    generator = np.random.default_rng(seed)
    for variable in model.trainable_variables:
        variable.assign(variable + generator.normal(0, 0.3, variable.shape))
    return model


def scores_of(model):
    return model((USER_IDS, ITEM_IDS)).numpy()


# ------------------------------------------------------------------ configs, files and copies


@every_model
def test_configs_make_the_same_model_anew(name):
    model = made(name, clip_predictions=False)
    # as a Trainer does
    model.link = "sigmoid"
    config = model.get_config() | {"name": "other", "dtype": "float16", "trainable": True}
    again = type(model).from_config(config)
    assert (again.seed, again.embedding_dim, again.init_stddev) == (1, 4, 1.0)
    assert (again.link, again.clip_predictions) == ("sigmoid", False)
    fresh = keras.models.clone_model(model)
    start = MAKERS["matrix_factorization"](USERS, ITEMS, 4, init_stddev=1.0, seed=1)
    for copied in (again, fresh):
        # layers inside make their variables
        copied((USER_IDS, ITEM_IDS))
        assert [v.shape for v in copied.variables] == [v.shape for v in model.variables]
        assert (copied.user_embedding.numpy() != model.user_embedding.numpy()).all()
        assert copied.global_bias.numpy() == 0
        if isinstance(model, models.MatrixFactorization):
            assert (copied.user_embedding.numpy() == start.user_embedding.numpy()).all()


@every_model
@pytest.mark.parametrize("way", ["file", "deepcopy"])
def test_files_and_copies_are_the_model_to_the_last_bit(name, way, tmp_path):
    model = made(name)
    model.link = "sigmoid"
    model.adapt(TRAIN)
    if way == "file":
        model.save(tmp_path / "model.keras")
        again = keras.models.load_model(tmp_path / "model.keras")
    else:
        again = copy.deepcopy(model)
    # another module may have read the variants' file anew
    assert type(again).__name__ == type(model).__name__
    assert (scores_of(again) == scores_of(model)).all()
    for method in (again.predict_ratings, model.predict_ratings):
        # through the link, into the range of TRAIN
        ratings = method(USER_IDS, ITEM_IDS).numpy()
        assert TRAIN.ratings.min() <= ratings.min() and ratings.max() <= TRAIN.ratings.max()
    assert (ratings == again.predict_ratings(USER_IDS, ITEM_IDS).numpy()).all()
    # nothing is shared
    model.global_bias.assign_add(1)
    assert (scores_of(again) != scores_of(model)).all()


def test_histories_travel_in_files(tmp_path):
    model = made("svdpp")
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    user = int(TRAIN.user_ids[0])
    rated = np.unique(TRAIN.item_ids[TRAIN.user_ids == user])
    found = again.user_rows([user])[0].numpy()[0] - again.user_embedding.numpy()[user]
    by_hand = again.implicit_embedding.numpy()[rated].sum(axis=0) / len(rated) ** 0.5
    np.testing.assert_allclose(found, by_hand, rtol=1e-5)


@pytest.mark.slow
def test_files_load_in_a_process_that_imported_the_classes(tmp_path):
    expected = {}
    for name in MAKERS:
        model = made(name)
        model.save(tmp_path / f"{name}.keras")
        expected[name] = scores_of(model)
    np.savez(tmp_path / "expected.npz", users=USER_IDS, items=ITEM_IDS, **expected)
    code = (
        "import sys, keras, numpy as np, variants\n"
        "from mfrec import models\n"
        "expected = np.load('expected.npz')\n"
        f"for name in {list(MAKERS)}:\n"
        "    model = keras.models.load_model(name + '.keras')\n"
        "    scores = model((expected['users'], expected['items'])).numpy()\n"
        "    assert (scores == expected[name]).all(), name\n"
    )
    paths = [ROOT, ROOT / "tests" / "models"]
    environment = {"PYTHONPATH": ":".join(map(str, paths)), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def test_copies_are_of_the_model_s_own_class():
    def declared(factor):
        class Scaled(models.MatrixFactorization):
            def item_rows(self, item_ids):
                vectors, biases = super().item_rows(item_ids)
                return factor * vectors, biases

        return Scaled

    first, _ = declared(2.0), declared(3.0)
    model = first(USERS, ITEMS, 4, init_stddev=1.0)
    again = copy.deepcopy(model)
    assert type(again) is first and (scores_of(again) == scores_of(model)).all()


def test_files_hold_keras_objects_among_the_arguments(tmp_path):
    class Activated(models.MatrixFactorization):
        def __init__(self, *sizes, layer, **settings):
            super().__init__(*sizes, **settings)
            self.layer = layer

        def user_rows(self, user_ids):
            vectors, biases = super().user_rows(user_ids)
            return self.layer(vectors), biases

    layer = keras.layers.Dense(4, activation="tanh")
    model = Activated(USERS, ITEMS, 4, init_stddev=1.0, layer=layer)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.layer is not layer and again.layer.activation is keras.activations.tanh
    assert (scores_of(again) == scores_of(model)).all()


@every_model
def test_keras_exports_call(name, tmp_path):
    model = made(name)
    model.export(tmp_path / "saved_model", verbose=False)
    # TensorFlow lets go of the variables together with it
    saved_model = tf.saved_model.load(tmp_path / "saved_model")
    scores = saved_model.serve((tf.constant(USER_IDS), tf.constant(ITEM_IDS)))
    np.testing.assert_allclose(scores, scores_of(model), rtol=1e-6, atol=1e-6)


# ------------------------------------------------------------------ compile, fit, evaluate, predict


@pytest.mark.parametrize("name", ["svdpp", "dense_inside"])
def test_keras_evaluates_and_predicts_columns_as_rows(name):
    """17 and 16 examples a batch: neither means nor weights may count batches, or pairs of rows."""
    model = made(name)
    model.compile("sgd", loss="mse", metrics=["mae"])
    scores, weights = scores_of(model), RANDOM.random(len(RATINGS)).astype(np.float32)
    mse, mae = np.mean((RATINGS - scores) ** 2), np.mean(np.abs(RATINGS - scores))
    weighted = np.mean(weights * (RATINGS - scores) ** 2)
    for ids_shape, ratings_shape in (((-1,), (-1,)), ((-1, 1), (-1,)), ((-1, 1), (-1, 1))):
        x = USER_IDS.reshape(ids_shape), ITEM_IDS.reshape(ids_shape)
        y = RATINGS.reshape(ratings_shape)
        found = model.predict(x, batch_size=17, verbose=0)
        assert found.shape == x[0].shape
        np.testing.assert_allclose(found.ravel(), scores, rtol=1e-5, atol=1e-6)
        data = tf.data.Dataset.from_tensor_slices((x, y)).batch(17)
        for given in ((x, y), (data,)):
            assert model.evaluate(*given, batch_size=17, verbose=0) == pytest.approx([mse, mae])
        found = model.evaluate(x, y, sample_weight=weights, batch_size=17, verbose=0)
        assert found[0] == pytest.approx(weighted)
    assert model.predict_on_batch(x).shape == x[0].shape


@pytest.mark.parametrize("shape", [(-1,), (-1, 1)])
def test_a_step_of_fit_by_hand(shape):
    """One step of gradient descent at rate 1/2 on the mean squared error of 32 pairs of rows."""
    model = made("matrix_factorization")
    p, b = model.user_embedding.numpy(), model.user_bias.numpy()
    q = model.item_embedding.numpy()
    users, items = np.arange(20), np.arange(20)[::-1].copy()
    ratings = RATINGS[:20]
    slopes = 2 / 20 * (model((users, items)).numpy() - ratings)
    model.compile(keras.optimizers.SGD(0.5), loss="mse")
    x = users.reshape(shape), items.reshape(shape)
    model.fit(x, ratings, batch_size=20, epochs=1, verbose=0)
    np.testing.assert_allclose(model.user_bias.numpy()[:20], b[:20] - 0.5 * slopes, atol=1e-6)
    moved = p[:20] - 0.5 * slopes[:, None] * q[items]
    np.testing.assert_allclose(model.user_embedding.numpy()[:20], moved, atol=1e-6)
    assert (model.user_embedding.numpy()[20:] == p[20:]).all()


def test_compiled_models_travel_in_files(tmp_path):
    model = made("svdpp")
    model.compile("adam", loss="mse")
    model.fit((USER_IDS, ITEM_IDS), RATINGS, verbose=0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    for other in (model, again):
        other.fit((USER_IDS, ITEM_IDS), RATINGS, shuffle=False, verbose=0)
    # Adam's moments came along
    np.testing.assert_allclose(scores_of(again), scores_of(model), rtol=1e-6)


def test_models_are_layers_of_keras_s_functional_models():
    model = made("matrix_factorization")
    inputs = [keras.Input((), dtype="int32") for _ in range(2)]
    around = keras.Model(inputs, keras.ops.sigmoid(model(tuple(inputs))))
    found = around.predict([USER_IDS, ITEM_IDS], verbose=0)
    np.testing.assert_allclose(found, 1 / (1 + np.exp(-scores_of(model))), rtol=1e-5)


# ------------------------------------------------------------------ shapes, and before any data


@every_model
def test_ids_of_any_shape(name):
    model = made(name)
    flat = scores_of(model)
    for shape in ((33,), (33, 1), (3, 11), (1, 3, 11)):
        user_ids, item_ids = USER_IDS.reshape(shape), ITEM_IDS.reshape(shape)
        for kind in (np.int32, np.int64, np.int8):
            found = model((user_ids.astype(kind), tf.constant(item_ids))).numpy()
            np.testing.assert_allclose(found, flat.reshape(shape), rtol=1e-5, atol=1e-6)
        ratings = model.predict_ratings(user_ids, item_ids).numpy()
        clipped = np.clip(flat, TRAIN.ratings.min(), TRAIN.ratings.max())
        np.testing.assert_allclose(ratings.ravel(), clipped, rtol=1e-5, atol=1e-6)
        known = tf.constant(np.maximum(user_ids, 0)), tf.constant(np.maximum(item_ids, 0))
        np.testing.assert_allclose(model.scores(*known), model(known), rtol=1e-5, atol=1e-6)
    assert model((3, 5)).shape == () and model(([3], [5])).shape == (1,)
    assert float(model((3, 5))) == pytest.approx(float(model(([3], [5]))[0]), rel=1e-5)
    assert model.predict_ratings([], []).shape == (0,)


@pytest.mark.parametrize("link", [*LINKS, None])
@every_model
def test_before_any_data_ratings_are_neither_clipped_nor_zeroed(name, link):
    model = MAKERS[name](USERS, ITEMS, 4, init_stddev=1.0, seed=1, link=link)
    scores = 40 * scores_of(model)
    assert np.ptp(scores) > 8
    through = {"sigmoid": lambda x: 1 / (1 + np.exp(-x.astype(np.float64))), "exp": np.exp}
    expected = through.get(link, lambda x: x)(scores)
    np.testing.assert_allclose(model.to_ratings(scores), expected, rtol=1e-4, atol=1e-30)


def test_a_model_that_keras_has_read_says_that_it_knows_no_raw_ids(tmp_path, capsys):
    model = made("matrix_factorization")
    model.save(tmp_path / "model.keras")
    again = tf.keras.models.load_model(tmp_path / "model.keras")
    for _ in range(2):
        found = again.predict_interactions(TRAIN)
        np.testing.assert_allclose(found, model.predict_interactions(TRAIN), rtol=1e-6)
    assert capsys.readouterr().err.count("knows no raw ids, as models that Keras has read") == 1


# ------------------------------------------------------------------ what is refused

WRONG_IDS = [
    (([0, 30], [0, 0]), "user ids: 30 at position 1; the model has users 0 to 29, and -1 for"),
    (([0, 0], [-2, 0]), "item ids: -2 at position 0; the model has items 0 to 19, and -1 for"),
    (([0, 2**32], [0, 0]), "user ids: 4294967296 at position 1"),
    (([0.0, 1.0], [0, 0]), "user ids: float64; give integers"),
    (([0, 0], ["a", "b"]), "item ids: str32; give integers"),
    (([True, False], [0, 0]), "user ids: bool; give integers"),
    (([[0], [1]], [0, 0]), r"user ids: shape \(2, 1\), but item ids: \(2,\)"),
    (([0, 1], [0, 1, 2]), r"user ids: shape \(2,\), but item ids: \(3,\)"),
    (([[0, 1], [2]], [0, 1]), "user ids: lists of unequal length"),
    ((np.zeros(2, int),) * 3, r"\(user_ids, item_ids\).*; this is 3 inputs"),
    (np.zeros((2, 2), int), r"\(user_ids, item_ids\).*; this is ndarray"),
]


@pytest.mark.parametrize("pair, message", WRONG_IDS)
def test_wrong_ids_are_refused_in_one_line(pair, message):
    model = made("matrix_factorization")
    model.compile("sgd", loss="mse")
    ratings = np.zeros(2, np.float32)
    ways = [
        lambda: model(pair),
        lambda: model.predict(pair, verbose=0),
        lambda: model.fit(pair, ratings, verbose=0),
        lambda: model.evaluate(pair, ratings, verbose=0),
        lambda: model.train_on_batch(pair, ratings),
        lambda: model.test_on_batch(pair, ratings),
        lambda: model.predict_on_batch(pair),
        lambda: model.fit(([0], [0]), ratings[:1], validation_data=(pair, ratings), verbose=0),
    ]
    if isinstance(pair, tuple) and len(pair) == 2:
        ways.append(lambda: model.predict_ratings(*pair))
    for way in ways:
        with pytest.raises(InputError, match=message) as refused:
            way()
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    "pair, message",
    [
        (([0, 30], [0, 0]), "^user ids: the model has users 0 to 29, and -1 for unknown ones$"),
        (([0, 1], [0, -2]), "^item ids: the model has items 0 to 19, and -1 for unknown ones$"),
        (([0.0, 1.0], [0, 0]), "user ids: float32; give integers"),
        (([[0], [1]], [0, 0]), "user ids: shape .* but item ids"),
    ],
)
def test_data_sets_with_wrong_ids_are_refused(pair, message):
    model = made("matrix_factorization")
    model.compile("sgd", loss="mse")
    data = tf.data.Dataset.from_tensor_slices((pair, np.zeros(2, np.float32))).batch(2)
    right = tf.data.Dataset.from_tensor_slices((([0], [0]), np.zeros(1, np.float32))).batch(1)
    for way in (
        lambda: model.fit(data, verbose=0),
        lambda: model.evaluate(data, verbose=0),
        lambda: model.predict(data, verbose=0),
        lambda: model.fit(right, validation_data=data, verbose=0),
    ):
        with pytest.raises(InputError, match=message):
            way()


def test_data_sets_of_pairs_without_ratings_are_refused():
    data = tf.data.Dataset.from_tensor_slices((USER_IDS, ITEM_IDS)).batch(4)
    with pytest.raises(InputError, match=r"tf.data.Dataset of \(\(user_ids, item_ids\)"):
        made("matrix_factorization").predict(data, verbose=0)


@pytest.mark.parametrize("name", ["svdpp", "neumf"])
def test_wrong_users_have_no_catalogue(name):
    model = made(name)
    for user_ids in ([30], [UNKNOWN], [0.0]):
        with pytest.raises(InputError, match="user ids: "):
            model.score_catalogue(user_ids)
    if model.has_vectors:
        for vectors in (model.user_vectors, model.item_vectors):
            with pytest.raises(InputError, match="ids: 30 at position 1"):
                vectors([0, 30])
            with pytest.raises(InputError, match="ids: -1 at position 0; the model has"):
                vectors([UNKNOWN])


BROKEN = [
    (interactions([0, 1], [0, 1], [1, 2], 31, 20), "name 31 users, the model has 30: .*users=31"),
    (interactions([0, 1], [0, 1], [1, 2], 30, 25), "name 25 items, the model has 20: .*items=25"),
]


@pytest.mark.parametrize("ratings, message", BROKEN)
def test_ratings_of_more_rows_than_the_model_has_are_refused(ratings, message):
    model = made("matrix_factorization")
    untrained = models.MatrixFactorization(USERS, ITEMS, 4)
    for way in (untrained.predict_interactions, model.adapt, Trainer(model).fit):
        with pytest.raises(InputError, match=message):
            way(ratings)
    # what is predicted and validated is matched by raw id, whatever else its vocabulary names
    expected = model.predict_ratings([0, 1], [0, 1]).numpy()
    np.testing.assert_allclose(model.predict_interactions(ratings), expected, rtol=1e-6)
    history = Trainer(model, epochs=1, jit_compile=False).fit(TRAIN, ratings)
    errors = model.predict_ratings([0, 1], [0, 1]).numpy() - [1, 2]
    assert history.best_validation["rmse"] == pytest.approx(np.sqrt(np.mean(errors**2)))


def test_training_refuses_unknown_ids_that_predictions_allow():
    model = made("matrix_factorization")
    ratings = interactions([0, UNKNOWN], [0, 1], [1, 2], USERS, ITEMS)
    with pytest.raises(InputError, match="user ids: -1 at position 1; the model has users 0 to 29"):
        Trainer(model).fit(ratings)
    expected = model.predict_ratings([0, UNKNOWN], [0, 1]).numpy()
    np.testing.assert_allclose(model.predict_interactions(ratings), expected, rtol=1e-6)


# ------------------------------------------------------------------ policies


@pytest.fixture(params=["mixed_float16", "mixed_bfloat16", "float64"])
def policy(request):
    keras.config.set_dtype_policy(request.param)
    if request.param == "float64":
        keras.config.set_floatx("float64")
    yield request.param
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")


EXPECTED = {name: scores_of(made(name)) for name in ("svdpp", "dense_inside")}


@pytest.mark.slow
@pytest.mark.parametrize("name", EXPECTED)
def test_models_are_float32_under_every_policy(name, policy, tmp_path):
    keras.utils.set_random_seed(0)
    model = made(name)
    assert keras.config.dtype_policy().name == policy
    assert {v.dtype for v in model.variables} == {"float32"}
    if name == "svdpp":
        assert (scores_of(model) == EXPECTED[name]).all()
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert (scores_of(again) == scores_of(model)).all()
    model.compile("sgd", loss="mse")
    mse = np.mean((RATINGS - scores_of(model)) ** 2)
    assert model.evaluate((USER_IDS, ITEM_IDS), RATINGS, verbose=0) == pytest.approx(mse, rel=1e-5)
    assert np.isfinite(model.fit((USER_IDS, ITEM_IDS), RATINGS, verbose=0).history["loss"]).all()


def trained(loss="mse"):
    keras.utils.set_random_seed(0)
    model = DenseInside(USERS, ITEMS, 4, seed=1)
    config = TrainingConfig(epochs=2, batch_size=64, jit_compile=False)
    Trainer(model, "adam", loss, config).fit(TRAIN)
    return model.predict_interactions(TRAIN)


def test_trainers_give_the_same_numbers_under_every_policy(policy):
    found = trained()
    keras.config.set_floatx("float32")
    keras.config.set_dtype_policy("float32")
    np.testing.assert_allclose(found, trained(), rtol=1e-6)


# ------------------------------------------------------------------ many models, threads, eagerness


def test_layers_inside_a_model_start_from_its_seed_and_are_trained():
    starts = []
    for seed in (1, 1, 2):
        model = DenseInside(USERS, ITEMS, 4, seed=seed)
        model.prepare(TRAIN)
        starts.append(model.dense.kernel.numpy())
    assert (starts[0] == starts[1]).all() and (starts[0] != starts[2]).all()
    model = DenseInside(USERS, ITEMS, 4, seed=1)
    Trainer(model, "adam", "mse", TrainingConfig(epochs=1, run_eagerly=True)).fit(TRAIN)
    assert (model.dense.kernel.numpy() != starts[0]).all()


def test_making_a_model_leaves_the_global_generator_alone():
    random.seed(5)
    expected = random.random()
    random.seed(5)
    DenseInside(USERS, ITEMS, 4, seed=1)
    assert random.random() == expected


def test_models_that_look_up_the_training_part_need_it_only_to_score(tmp_path):
    class History(models.MatrixFactorization):
        def adapt(self, train):
            super().adapt(train)
            self.rated = models.Bag.of_pairs(train.user_ids, train.item_ids, self.num_users)

        def user_rows(self, user_ids):
            vectors, biases = super().user_rows(user_ids)
            return self.rated.sum(self.item_embedding, user_ids), biases

    model = History(USERS, ITEMS, 4, init_stddev=1.0)
    model.adapt(TRAIN)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert (scores_of(again) == scores_of(model)).all()


def test_layers_never_called_travel_in_files(tmp_path):
    model = DenseInside(USERS, ITEMS, 4, init_stddev=1.0)
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert (scores_of(again) == scores_of(model)).all()


def test_several_models_share_nothing_and_make_tensorflow_warn_of_nothing(caplog):
    logger = logging.getLogger("tensorflow")
    logger.addHandler(caplog.handler)
    try:
        for seed in range(7):
            for name in ("svdpp", "neumf"):
                model = made(name, seed=seed)
                expected = model.predict_ratings(TRAIN.user_ids, TRAIN.item_ids).numpy()
                found = model.predict_interactions(TRAIN)
                np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-6)
                users = np.arange(seed + 1)
                scores = model((np.repeat(users, ITEMS), np.tile(np.arange(ITEMS), seed + 1)))
                found = model.score_catalogue(users).numpy().ravel()
                np.testing.assert_allclose(found, scores, rtol=1e-5, atol=1e-5)
    finally:
        logger.removeHandler(caplog.handler)
    assert not caplog.records


@every_model
def test_functions_that_run_eagerly_give_the_same(name):
    model = made(name)
    expected = model.predict_interactions(TRAIN), model.score_catalogue([3, 4]).numpy()
    tf.config.run_functions_eagerly(True)
    try:
        again = made(name)
        again.set_weights(model.get_weights())
        found = again.predict_interactions(TRAIN), again.score_catalogue([3, 4]).numpy()
    finally:
        tf.config.run_functions_eagerly(False)
    for one, other in zip(expected, found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", ["svdpp", "neumf"])
def test_eight_threads_at_once(name):
    model, again = made(name), made(name)
    again.set_weights(model.get_weights())
    expected = again.predict_interactions(TRAIN), again.score_catalogue([3, 4]).numpy()
    start, found = threading.Barrier(8), []

    def ask():
        start.wait()
        ratings = model.predict_interactions(TRAIN)
        found.append((ratings, model.score_catalogue([3, 4]).numpy()))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    for ratings, scores in found:
        np.testing.assert_allclose(ratings, expected[0], rtol=1e-6)
        np.testing.assert_allclose(scores, expected[1], rtol=1e-6)

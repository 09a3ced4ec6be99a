"""What holds for every model: those of the registry, and three that live in variants.py."""

import numpy as np
import pytest
import variants

from helpers import planted
from mfrec import models
from mfrec.config.settings import Config
from mfrec.data.interactions import UNKNOWN
from mfrec.data.splits import SplitRecipe
from mfrec.errors import InputError
from mfrec.losses import get as get_loss
from mfrec.quiet_tensorflow import tf
from mfrec.runs.run_folder import RunFolder
from mfrec.serving import export
from mfrec.serving.recommender import Recommender
from mfrec.training.fold_in import FoldIn
from mfrec.training.trainer import Trainer

NUM_USERS, NUM_ITEMS, DIM = 30, 20, 4
VARIANTS = {
    "two_towers": variants.TwoTowers,
    "neumf": variants.NeuMF,
    "dense_inside": variants.DenseInside,
}
NAMES = [*models.REGISTRY, *VARIANTS]
VARIANTS["hidden"] = variants.Hidden
WITH_VECTORS = [name for name in NAMES if name != "neumf"]
TRAIN = planted(NUM_USERS, NUM_ITEMS, 300)


def class_of(name):
    return VARIANTS.get(name) or models.REGISTRY[name]


def make(name, **settings):
    """A model with every table at random, biases too, that has seen the training part."""
    settings = {"init_stddev": 1.0, "seed": 3} | settings
    model = class_of(name)(NUM_USERS, NUM_ITEMS, DIM, **settings)
    model.prepare(TRAIN)
    random = np.random.default_rng(1)
    for variable in model.trainable_variables:
        if variable.shape and len(variable.shape) == 1:
            variable.assign(random.normal(0, 0.3, variable.shape))
    return model


def all_pairs():
    users, items = np.divmod(np.arange(NUM_USERS * NUM_ITEMS, dtype=np.int32), NUM_ITEMS)
    return users.astype(np.int32), items.astype(np.int32)


def scores_of(model):
    """The scores of all pairs one by one, [num_users, num_items]."""
    return model(all_pairs()).numpy().reshape(NUM_USERS, NUM_ITEMS)


@pytest.mark.parametrize("name", NAMES)
def test_one_finite_score_a_pair_and_the_catalogue_has_the_same(name):
    model = make(name)
    scores = scores_of(model)
    assert scores.dtype == np.float32 and np.isfinite(scores).all() and scores.std() > 0.1
    catalogue = model.score_catalogue(np.arange(NUM_USERS, dtype=np.int32)).numpy()
    np.testing.assert_allclose(catalogue, scores, rtol=1e-5, atol=1e-5)
    some = model.score_catalogue(np.int32([7, 2])).numpy()
    np.testing.assert_allclose(some, scores[[7, 2]], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_contrast_scores_positives_and_negatives(name):
    model = make(name)
    scores, mean = scores_of(model), float(model.global_bias) if class_of(name).has_vectors else 0
    users, positives = np.int32([4, 0, 4]), np.int32([3, 19, 0])
    own, shared = np.int32([[1, 2], [5, 0], [7, 7]]), np.int32([6, 1, 18, 2])
    close = {"rtol": 1e-4, "atol": 1e-5}

    got = model.contrast(users, tf.constant(positives), tf.constant(own))
    np.testing.assert_allclose(got[0] + mean, scores[users, positives], **close)
    np.testing.assert_allclose(got[1] + mean, scores[users[:, None], own], **close)
    got = model.contrast(users, tf.constant(positives), tf.constant(shared))
    np.testing.assert_allclose(got[1] + mean, scores[users[:, None], shared], **close)
    # rows of positives: users [B, 1], positives [B, P], negatives [N] or [B, 1, N]
    rows = np.int32([[3, 1], [19, 2], [0, 0]])
    got = model.contrast(users[:, None], tf.constant(rows), tf.constant(shared))
    np.testing.assert_allclose(got[0] + mean, scores[users[:, None], rows], **close)
    np.testing.assert_allclose(got[1][:, 0] + mean, scores[users[:, None], shared], **close)
    got = model.contrast(users[:, None], tf.constant(rows), tf.constant(own[:, None]))
    np.testing.assert_allclose(got[1][:, 0] + mean, scores[users[:, None], own], **close)


@pytest.mark.parametrize("name", WITH_VECTORS)
def test_vectors_rank_as_the_score_does(name):
    model = make(name)
    users, items = model.user_vectors().numpy(), model.item_vectors().numpy()
    expected = scores_of(model)
    np.testing.assert_allclose(model.global_bias + users @ items.T, expected, rtol=1e-5, atol=1e-5)
    p, b = model.split_user_vectors(users)
    q, a = model.split_item_vectors(items)
    assert p.shape == (NUM_USERS, model.width) and q.shape == (NUM_ITEMS, model.width)
    assert model.width == (2 * DIM if name == "two_towers" else DIM)
    parts = p @ q.T
    if model.has_biases:
        parts += b[:, None] + a
    np.testing.assert_allclose(model.global_bias + parts, expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", NAMES)
def test_unknown_users_and_items_fall_back(name):
    model = make(name)
    users, items = np.int32([UNKNOWN, 2, UNKNOWN]), np.int32([3, UNKNOWN, UNKNOWN])
    scores = model((users, items)).numpy()
    mean = float(model.global_bias)
    expected = [mean] * 3
    if class_of(name).has_vectors and model.has_biases:
        expected[0] += float(model.item_rows(np.int32([3]))[1][0])
        expected[1] += float(model.user_rows(np.int32([2]))[1][0])
    np.testing.assert_allclose(scores, expected, rtol=1e-6)


def fit(name, loss, **settings):
    values = {"batch_size": 64, "epochs": 2, "steps_per_loop": 2} | settings
    config = Config().replace(values)
    model = make(name)
    trainer = Trainer(model, "adam", loss, config.training)
    return model, trainer


LOSSES = ("mse", "logistic", "bpr", "sampled_softmax", "softmax")


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", NAMES)
def test_every_variable_moves(name, loss):
    model, trainer = fit(name, loss, jit_compile=False)
    if name == "neumf" and loss == "softmax":
        with pytest.raises(
            InputError, match="'softmax' reads item vectors, and model 'neu_mf' has none"
        ):
            trainer.fit(TRAIN)
        return
    before = [variable.numpy() for variable in model.trainable_variables]
    trainer.fit(TRAIN)
    assert all(np.isfinite(log.train["loss"]) for log in trainer.history.epochs)
    for variable, values in zip(model.trainable_variables, before, strict=True):
        moved = np.abs(variable.numpy() - values)
        # a loss of rankings does not see what all items of a user share
        if not (loss in LOSSES[2:] and variable.name == "user_bias"):
            assert moved.max() > 1e-4, variable.name


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["mse", "bpr"])
@pytest.mark.parametrize("name", NAMES)
def test_compiled_and_eager_training_agree(name, loss):
    results = []
    for settings in ({}, {"run_eagerly": True}):
        model, trainer = fit(name, loss, **settings)
        trainer.fit(TRAIN)
        results.append(scores_of(model))
    np.testing.assert_allclose(*results, rtol=1e-3, atol=1e-4)


def save(folder, name, model, loss="mse"):
    """A run folder with a model of `name`, as its config.json says."""
    address = name if name in models.REGISTRY else f"{variants.__file__}:{class_of(name).__name__}"
    values = {"model": address, "embedding_dim": DIM, "loss": loss, "init_stddev": 1.0}
    values |= {"use_bias": True, "normalize": False, "positives_per_row": 1, "batch_size": 64}
    values |= {"regularization": 0.01, "bias_regularization": 0.01, "frequency_exponent": 0.5}
    if name in ("two_towers", "neumf"):
        values["use_bias"] = False
    folder.mkdir(exist_ok=True)
    run = RunFolder(folder)
    run.save_config(Config().replace(values), {})
    run.save_data(SplitRecipe(TRAIN, None, None).encode())
    run.save_model(model, step=1)
    return run


@pytest.mark.parametrize("name", NAMES)
def test_a_run_folder_brings_it_back_to_the_last_bit(name, tmp_path):
    model = make(name)
    run = save(tmp_path, name, model)
    config, _ = run.load_config()
    loaded = run.load_model(config, get_loss("mse"), run.load_data()["train"])
    assert type(loaded).__name__ == type(model).__name__
    assert len(loaded.variables) == len(model.variables)
    np.testing.assert_array_equal(scores_of(loaded), scores_of(model))


def test_variables_that_are_no_attributes_come_back_too(tmp_path):
    model = make("hidden")
    model.hidden[0].assign([0.5, 0.25])
    run = save(tmp_path, "hidden", model)
    config, _ = run.load_config()
    loaded = run.load_model(config, get_loss("mse"), run.load_data()["train"])
    assert loaded.hidden[0].numpy().tolist() == [0.5, 0.25]
    np.testing.assert_array_equal(scores_of(loaded), scores_of(model))


def test_a_checkpoint_of_another_class_is_refused(tmp_path):
    run = save(tmp_path, "svdpp", make("svdpp"))
    config, _ = run.load_config()
    plain = config.replace({"model": "matrix_factorization"})
    with pytest.raises(InputError, match="holds 'implicit_embedding', which the model does not"):
        run.load_model(plain, get_loss("mse"), run.load_data()["train"])


@pytest.mark.parametrize("name", NAMES)
def test_a_grown_model_keeps_the_rows_of_the_earlier_one(name):
    earlier = make(name)
    grown = class_of(name)(NUM_USERS + 2, NUM_ITEMS + 3, DIM, init_stddev=1.0, seed=4)
    grown.prepare(TRAIN)
    grown.take_over(earlier)
    grown.global_bias.assign(earlier.global_bias)
    scores = grown(all_pairs()).numpy().reshape(NUM_USERS, NUM_ITEMS)
    np.testing.assert_allclose(scores, scores_of(earlier), rtol=1e-5, atol=1e-5)


def config_of_fold_in(model):
    values = {"embedding_dim": DIM, "regularization": 0.002, "bias_regularization": 0.002}
    values |= {"frequency_exponent": 0.5, "positives_per_row": 1, "batch_size": 64}
    return Config().replace(values)


@pytest.mark.parametrize("name", WITH_VECTORS)
def test_fold_in_of_a_history_predicts_the_ratings_in_it(name):
    model, trainer = fit(name, "mse", epochs=150, steps_per_loop=8)
    trainer.fit(TRAIN)
    fold_in = FoldIn(model, get_loss("mse"), config_of_fold_in(model), TRAIN)
    folded = fold_in.model_of(TRAIN)
    trained = np.sqrt(np.mean((model.predict_interactions(TRAIN) - TRAIN.ratings) ** 2))
    again = np.sqrt(np.mean((folded.predict_interactions(TRAIN) - TRAIN.ratings) ** 2))
    spread = TRAIN.ratings.std()
    assert trained < 0.9 * spread
    # a free vector of each user fits the history at least about as well as the trained one
    assert again < trained + 0.05 * spread


def test_a_model_without_vectors_folds_nobody_in(tmp_path):
    with pytest.raises(InputError, match="has no vectors.*take a model with vectors"):
        FoldIn(make("neumf"), get_loss("mse"), Config(), TRAIN)


@pytest.mark.parametrize("name", WITH_VECTORS)
def test_exported_vectors_rank_as_the_model_ranks(name, tmp_path):
    model = make(name)
    save(tmp_path / "run", name, model)
    export.npy(Recommender.load(tmp_path / "run"), tmp_path / "vectors")
    arrays = [np.load(tmp_path / "vectors" / f"{side}_vectors.npy") for side in ("user", "item")]
    np.testing.assert_allclose(
        model.global_bias + arrays[0] @ arrays[1].T, scores_of(model), rtol=1e-5, atol=1e-5
    )

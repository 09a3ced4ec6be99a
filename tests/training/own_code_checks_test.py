"""Losses, samplers and models of the user's own that return something else, in one line."""

import pytest

from helpers import planted
from mfrec import models
from mfrec.errors import InputError
from mfrec.quiet_tensorflow import tf
from mfrec.training import samplers
from mfrec.training.trainer import Trainer

TRAIN = planted(30, 20, 300)
SEEN = []


def pairwise(ratings, predictions):
    SEEN.append(len(ratings))
    return tf.square(ratings[:, None] - predictions)


@pytest.mark.parametrize(
    "loss, complaint",
    [
        (lambda ratings, predictions: None, "returned None"),
        (pairwise, "returned float32 (2, 2)"),
        (lambda r, p: tf.cast(r - p, tf.float64), "returned float64 (2,)"),
        (lambda r, p: tf.cast(r - p, tf.int32), "returned int32 (2,)"),
        (lambda r, p: tf.reduce_mean(r - p), "returned float32 ()"),
        (lambda r, p: (r - p).numpy(), "returned NumPy's float32 (2,)"),
        (lambda r, p: (r - p,), "returned a tuple"),
        (lambda r, p: "text", "returned a str"),
        (lambda r, p: tf.ones_like(r), "has no gradient"),
        (lambda r, p: tf.constant((r - p).numpy()), "has no gradient"),
    ],
)
def test_losses(loss, complaint):
    SEEN.clear()
    with pytest.raises(InputError) as error:
        Trainer(loss=loss, epochs=1, embedding_dim=2).fit(TRAIN)
    assert complaint in str(error.value) and "\n" not in str(error.value)
    # the training part would make n² numbers
    assert max(SEEN, default=0) <= 2


@pytest.mark.parametrize(
    "sample, complaint",
    [
        (lambda seed, shape, user_ids, batch_items: None, "returned None"),
        (lambda seed, shape, user_ids, batch_items: tf.zeros(shape), "returned float32 (32, 1)"),
        (
            lambda seed, shape, user_ids, batch_items: (tf.zeros(shape, tf.int64), tf.zeros(shape)),
            "returned int64 (32, 1) and log-probabilities float32 (32, 1)",
        ),
        # XLA would take the last item in silence
        (
            lambda seed, shape, user_ids, batch_items: (tf.fill(shape, 20), tf.zeros(shape)),
            "item ids: 20 at position 0; the model has items 0 to 19",
        ),
        (lambda seed, shape: None, "does not take (seed, shape, user_ids, batch_items)"),
        (None, "returned None for the training part"),
    ],
)
def test_samplers(sample, complaint, monkeypatch):
    kind = samplers.SamplerKind("mine", lambda train: sample)
    monkeypatch.setitem(samplers.REGISTRY, "mine", kind)
    trainer = Trainer(loss="bpr", negative_sampler="mine", epochs=1, embedding_dim=2, batch_size=32)
    with pytest.raises(InputError) as error:
        trainer.fit(TRAIN)
    assert complaint in str(error.value) and "\n" not in str(error.value)


class Scores(models.Model):
    what = None

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        self.table("bias", "items", is_bias=True)

    def scores(self, user_ids, item_ids):
        scores = tf.gather(self.bias, item_ids)
        return {"vector": scores[..., None], "float64": tf.cast(scores, tf.float64)}.get(self.what)


class Rows(models.InnerProduct):
    what = None

    def __init__(self, *args, **settings):
        super().__init__(*args, **settings)
        self.table("vectors", "items")

    def item_rows(self, item_ids):
        vectors = models.rows(self.vectors, item_ids)
        return {"alone": vectors, "float64": (tf.cast(vectors, tf.float64), None)}.get(self.what)

    def user_rows(self, user_ids):
        return tf.ones((*user_ids.shape, self.embedding_dim)), None


@pytest.mark.parametrize(
    "model, what, complaint",
    [
        (Scores, "nothing", "Scores.scores returned None for ids (2,)"),
        (Scores, "vector", "Scores.scores returned float32 (2, 1)"),
        (Scores, "float64", "Scores.scores returned float64 (2,)"),
        (Rows, "nothing", "Rows.item_rows returned None for one id"),
        (Rows, "alone", "Rows.item_rows returned float32 (1, 2)"),
        (Rows, "float64", "Rows.item_rows returned float64 (1, 2), None"),
    ],
)
@pytest.mark.parametrize("loss", ["mse", "bpr"])
def test_models(model, what, complaint, loss, monkeypatch):
    monkeypatch.setattr(model, "what", what)
    with pytest.raises(InputError) as error:
        Trainer(model(30, 20, 2), loss=loss, epochs=1).fit(TRAIN)
    assert complaint in str(error.value) and "\n" not in str(error.value)


def test_the_arguments_of_a_model_have_a_domain(monkeypatch):
    class Deep(models.MatrixFactorization):
        domain = {"depth": models.Range(minimum=1)}

        def __init__(self, *args, depth=1, **settings):
            super().__init__(*args, **settings)

    monkeypatch.setitem(models.REGISTRY, "deep", Deep)
    with pytest.raises(InputError, match="depth=0 of model 'deep' must be at least 1"):
        Trainer("deep", model_args="depth=0", epochs=1).fit(TRAIN)
    with pytest.raises(InputError, match="depth=True of model 'deep' is no number"):
        Trainer("deep", model_args="depth=true", epochs=1).fit(TRAIN)

"""From a notebook to a run folder and a recommender, and what train.py's settings mean there."""

import json

import numpy as np
import pytest

import helpers
import mfrec
from mfrec import own_code
from mfrec.errors import InputError
from mfrec.quiet_tensorflow import tf

SETTINGS = {"embedding_dim": 3, "epochs": 2, "jit_compile": False}
OWN = """
import tensorflow as tf
from mfrec import models

def squared(ratings, predictions):
    return tf.square(ratings - predictions)

class Scaled(models.MatrixFactorization):
    def __init__(self, *sizes, scale=2.0, **settings):
        super().__init__(*sizes, **settings)
        self.scale = scale

    def user_rows(self, user_ids):
        p, b = super().user_rows(user_ids)
        return self.scale * p, b
"""


@pytest.fixture(scope="module")
def parts():
    data = helpers.planted(30, 20, 400)
    return data.take(slice(50, None)).compact(), data.take(slice(50)).compact()


@pytest.mark.parametrize("loss", ["mse", "bpr"])
def test_a_saved_training_is_a_run_folder_like_any_other(loss, parts, tmp_path):
    trainer = mfrec.train(*parts, loss=loss, **SETTINGS)
    trainer.save(tmp_path / "run")
    answers = trainer.recommender().recommend("u3", k=4)
    assert mfrec.Recommender.load(tmp_path / "run").recommend("u3", k=4) == answers

    code, out, err = helpers.run_script(
        tmp_path, "eval.py", "--run_dir=run", "--part=validation", "--output=json"
    )
    assert (code, err) == (0, "")
    measured = json.loads(out)["metrics"]["validation"]
    assert measured == trainer.history.best_validation
    code, _, err = helpers.run_script(tmp_path, "eval.py", "--run_dir=run")
    assert code == 2 and "the run has no test part; give --ratings=FILE" in err
    code, out, err = helpers.run_script(tmp_path, "recommend.py", "--run_dir=run", "--user=u3")
    assert code == 0 and answers[0].item in out

    with pytest.raises(InputError, match="exists; name another --run_dir or add --overwrite"):
        trainer.save(tmp_path / "run")
    trainer.save(tmp_path / "run", overwrite=True)


def test_validation_is_matched_by_raw_id(parts):
    train, validation = parts
    # the same rows, their ids the other way round
    users, items = (list(reversed(v.raw_ids)) for v in (validation.users, validation.items))
    pairs = zip(validation.user_ids, validation.item_ids, strict=True)
    names = [(validation.users.raw_ids[u], validation.items.raw_ids[i]) for u, i in pairs]
    again = mfrec.Interactions(
        np.int32([users.index(user) for user, _ in names]),
        np.int32([items.index(item) for _, item in names]),
        validation.ratings,
        None,
        mfrec.Vocabulary(tuple(users)),
        mfrec.Vocabulary(tuple(items)),
    )
    found = [mfrec.train(train, part, **SETTINGS).history for part in (validation, again)]
    assert found[0].best_validation == found[1].best_validation


def test_what_no_run_folder_can_name_is_refused(parts, tmp_path):
    trainer = mfrec.train(*parts, loss=lambda r, p: tf.square(r - p), **SETTINGS)
    with pytest.raises(InputError, match="loss 'lambda' has no name that a run folder could"):
        trainer.save(tmp_path / "run")
    assert not (tmp_path / "run").exists()
    # a recommender needs no name
    assert len(trainer.recommender().recommend("u3", k=2)) == 2

    class Local(mfrec.MatrixFactorization):
        pass

    trainer = mfrec.Trainer(Local(30, 20, 3), **SETTINGS)
    trainer.fit(*parts)
    with pytest.raises(InputError, match="model 'local' has no name that a run folder could"):
        trainer.save(tmp_path / "run")
    with pytest.raises(InputError, match="nothing was trained yet; call fit first"):
        mfrec.Trainer().save(tmp_path / "run")
    with pytest.raises(InputError, match="nothing was trained yet; call fit first"):
        mfrec.Trainer().recommender()


def test_losses_and_models_of_files_and_of_modules_are_saved_by_address(parts, tmp_path):
    (tmp_path / "own.py").write_text(OWN)
    made = own_code.load(f"{tmp_path}/own.py:Scaled", "model")(30, 20, 3, scale=0.5)
    trainer = mfrec.Trainer(made, loss=f"{tmp_path}/own.py:squared", **SETTINGS)
    trainer.fit(*parts)
    trainer.save(tmp_path / "run")
    answers = mfrec.Recommender.load(tmp_path / "run").recommend("u3", k=4)
    assert answers == trainer.recommender().recommend("u3", k=4)
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["model"]["model_args"] == "scale=0.5"
    assert config["loss"]["loss"].endswith("own.py:squared")


def test_settings_are_those_of_the_flags():
    trainer = mfrec.Trainer(optimizer="SGD", loss="mse", learning_rate=0.5, **SETTINGS)
    assert trainer.config.optimizer.learning_rate == 0.5
    for settings, message in (
        ({"learning_rat": 1}, "unknown setting 'learning_rat'; did you mean learning_rate"),
        ({"epochs": 0}, "epochs=0"),
        ({"loss": "mse", "num_negatives": 3}, "loss 'mse' draws no negatives"),
        ({"loss": "mse", "normalize": True}, "cosines rank items but are no ratings"),
    ):
        with pytest.raises(InputError, match=message):
            mfrec.Trainer(**settings)


def test_a_setting_that_the_model_was_not_made_with_is_refused():
    model = mfrec.MatrixFactorization(3, 4, 2)
    with pytest.raises(InputError, match="embedding_dim=8: the model was made with embedding_dim="):
        mfrec.Trainer(model, embedding_dim=8)
    mfrec.Trainer(model, embedding_dim=2, use_bias=True)


def test_no_epochs_are_refused(parts):
    with pytest.raises(InputError, match="epochs=0"):
        mfrec.Trainer(**SETTINGS).fit(parts[0], epochs=0)


def test_a_model_that_is_not_the_default_of_its_loss_is_reported_in_one_line(parts, capsys):
    train = parts[0]
    sizes = (train.num_users, train.num_items, 3)
    mfrec.Trainer(mfrec.MatrixFactorization(*sizes), loss="softmax", **SETTINGS).fit(train)
    assert capsys.readouterr().err == (
        "loss 'softmax' trains a model with use_bias=True (default False), normalize=False "
        "(default True); a Trainer without a model makes the default one\n"
    )
    usual = mfrec.MatrixFactorization(*sizes, use_bias=False, normalize=True)
    trainer = mfrec.Trainer(usual, loss="softmax", **SETTINGS)
    trainer.fit(train)
    assert capsys.readouterr().err == ""
    made = mfrec.train(train, loss="softmax", **SETTINGS).model
    np.testing.assert_array_equal(made.item_vectors(), usual.item_vectors())

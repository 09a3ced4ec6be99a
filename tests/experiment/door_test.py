"""What `mfrec.train` refuses and warns of: as train.py does, or settings of what it does not do."""

import json

import numpy as np
import pytest

import helpers
import mfrec
from mfrec.config.settings import Config, python_type, settings
from mfrec.data.interactions import Interactions
from mfrec.errors import InputError

SETTINGS = {"embedding_dim": 2, "epochs": 1, "run_eagerly": True}
USERS = [k % 9 for k in range(60)]
ITEMS = [100 + k * 7 % 11 for k in range(60)]
STARS = np.array([k % 5 + 1.0 for k in range(60)])
RATINGS = Interactions.from_arrays(USERS, ITEMS, STARS)
PAIRS = Interactions.from_arrays([1, 1, 2], [100, 101, 100])


@pytest.mark.parametrize(
    ("given", "remedy"),
    [
        ({"min_rating": 4.0}, "ratings.take"),
        ({"missing_ratings": "-1"}, "mfrec.read_ratings"),
        ({"min_user_interactions": 50}, "ratings.take"),
        ({"split": "nonsense"}, "mfrec.splitters"),
        ({"user_column": "zz"}, "mfrec.read_ratings"),
        ({"item_features": "nope.csv"}, "mfrec.read_ratings"),
        ({"validation_fraction": 0.3}, "mfrec.splitters"),
        ({"cross_validate": True}, "mfrec.splitters"),
        ({"fold": 99}, "mfrec.splitters"),
        ({"dataset": "toy"}, "mfrec.read_ratings"),
        ({"init_from": "nope"}, "train.py"),
        ({"refit": True}, "train.py"),
        ({"tensorboard": "full"}, "train.py"),
        ({"candidates": "nope"}, "train.py"),
        ({"test_every": 2}, "train.py"),
    ],
)
def test_settings_of_what_train_py_does_around_a_training_are_refused(given, remedy):
    (name,) = given
    for ways in (given, {"config": Config().replace(given)}):
        with pytest.raises(InputError, match=f"^{name}: train.py applies it .*{remedy}"):
            mfrec.Trainer(**ways)


def test_all_are_named_in_one_line():
    with pytest.raises(InputError, match="^min_rating, fold, refit: train.py applies them"):
        mfrec.train(RATINGS, min_rating=4.0, fold=1, refit=True)


def test_what_changes_nothing_is_taken():
    mfrec.Trainer(tensorboard="off", candidates="none", refit=False, min_rating=None)


def test_every_setting_of_files_rows_and_splits_is_refused():
    for section, setting in settings():
        if section in ("data", "positives", "split"):
            others = {str: "1", int: 7, float: 0.5, bool: True}
            value = setting.metadata.get("choices", [others[python_type(setting)]])[-1]
            with pytest.raises(InputError, match=f"^{setting.name}: train.py applies it"):
                mfrec.Trainer(**{setting.name: value})


def test_own_metrics_are_measured_and_saved(tmp_path):
    (tmp_path / "own.py").write_text(
        "def bias(ratings, predictions):\n    return abs((ratings - predictions).mean())\n"
    )
    address = f"{tmp_path}/own.py:bias"
    trainer = mfrec.train(RATINGS, RATINGS.take(slice(9)), metrics=address, **SETTINGS)
    assert set(trainer.history.best_validation) >= {"rmse", "bias"}
    trainer.save(tmp_path / "run")
    config = json.loads((tmp_path / "run" / "config.json").read_text())
    assert config["evaluation"]["metrics"] == "code/metrics/own.py:bias"


def test_a_metric_that_is_not_measured_is_refused_without_a_validation_part():
    with pytest.raises(InputError, match="--eval_metric=foo is not measured"):
        mfrec.train(RATINGS, eval_metric="foo", **SETTINGS)


def test_pairs_without_ratings_are_refused_for_losses_of_ratings():
    with pytest.raises(InputError, match="^the training part has no ratings, which loss 'mse'"):
        mfrec.train(PAIRS, **SETTINGS)
    with pytest.raises(InputError, match="^the validation part has no ratings, which a model of"):
        mfrec.train(RATINGS, PAIRS, **SETTINGS)
    trainer = mfrec.train(RATINGS, **SETTINGS)
    with pytest.raises(InputError, match="^the held-out part has no ratings"):
        mfrec.RatingEvaluator(RATINGS).evaluate(trainer.model, PAIRS)
    mfrec.train(PAIRS, PAIRS, loss="bpr", **SETTINGS)


def lines(capsys, *parts, **given):
    mfrec.train(*parts, **SETTINGS | given)
    return capsys.readouterr().err.splitlines()


def test_codes_for_missing_ratings_are_warned_of(capsys):
    for code in (-1, 99):
        ratings = np.where(np.arange(60) % 4 == 0, code, STARS)
        rows = Interactions.from_arrays(USERS, ITEMS, ratings)
        (line,) = lines(capsys, rows)
        assert line.startswith(f"warning: of 60 ratings 15 are {code}, the others lie between 1")
        assert lines(capsys, RATINGS, rows)[-2].startswith(
            f"warning: validation: of 60 ratings 15 are {code}"
        )


def test_parts_that_overlap_or_differ_in_scale_are_warned_of(capsys):
    assert lines(capsys, RATINGS) == []
    assert lines(capsys, RATINGS, RATINGS) == [
        "60 of 60 validation rows are pairs of the training part as well: what is learnt by heart "
        "is measured"
    ]
    other = Interactions.from_arrays(USERS[:9], range(100, 109), [90.0] * 9)
    assert lines(capsys, RATINGS, other)[0] == (
        "warning: validation ratings lie between 90 and 90, those of training between 1 and 5: if "
        "their scales differ, the errors say nothing"
    )
    # rankings do not read them
    assert not any("scales" in line for line in lines(capsys, RATINGS, other, loss="bpr"))


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    triples = list(zip(USERS, ITEMS, STARS, strict=True))
    helpers.write_rows(folder / "train.csv", triples)
    helpers.write_rows(folder / "large.csv", [(u, i, 20 * r) for u, i, r in triples[:20]])
    (folder / "pairs.csv").write_text("user_id,item_id\n1,101\n2,102\n")
    return helpers.Place(folder)


FLAGS = ["--embedding_dim=2", "--epochs=1", "--run_eagerly", "--tensorboard=off"]


def test_the_scripts_name_the_file_without_ratings_and_warn_of_scales(place):
    line = place.refused("train.py", "--train_ratings=train.csv", "--test_ratings=pairs.csv")
    assert (
        "pairs.csv has no ratings, which a model of loss 'mse' is measured by; give a test" in line
    )
    line = place.refused("train.py", "--train_ratings=pairs.csv", "--test_ratings=train.csv")
    assert "pairs.csv has no ratings, which loss 'mse' learns; take a loss of rankings" in line
    warning = (
        "test ratings lie between 20 and 100, those of training between 1 and 5: if their scales "
        "differ, the errors say nothing"
    )
    run = place.train("run", "--train_ratings=train.csv", "--test_ratings=large.csv", *FLAGS)
    assert warning in run.results["warnings"]
    assert warning in place.evaluate("--run_dir=run")["warnings"]
    assert warning in place.evaluate("--run_dir=run", "--ratings=large.csv")["warnings"]
    line = place.refused("eval.py", "--run_dir=run", "--ratings=pairs.csv")
    assert "pairs.csv has no ratings, which the run's loss 'mse' is measured by" in line

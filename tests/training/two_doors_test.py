"""train.py and a Trainer in a notebook train the same model, to the last digit, for every loss."""

import functools

import pytest

import helpers
import mfrec
from mfrec import losses
from mfrec.data import splitters
from mfrec.evaluation.rankings import RankingEvaluator
from mfrec.evaluation.ratings import RatingEvaluator

NAMES = [n for n, loss in losses.REGISTRY.items() if loss.function.__module__.startswith("mfrec.")]
# one of every kind: ratings, with a link, of negatives, of shared ones, of the catalogue, quadratic
QUICK = ("mse", "logistic", "bpr", "sampled_softmax", "softmax", "implicit_squared")
SETTINGS = {"embedding_dim": 4, "epochs": 2, "jit_compile": False, "seed": 7}


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    data = helpers.planted(40, 30, 900, rank=2)
    # the loss of counts takes none below 0
    rows = zip(data.user_ids, data.item_ids, data.ratings - data.ratings.min(), strict=True)
    lines = (f"user{user},item{item},{rating:.3f}\n" for user, item, rating in rows)
    (folder / "ratings.csv").write_text("user,item,rating\n" + "".join(lines))
    return folder


@functools.cache
def split_of(place):
    ratings = mfrec.read_ratings(place / "ratings.csv")
    return splitters.cut(ratings, "random", seed=SETTINGS["seed"]).encode()


def measured(trainer, split):
    """The test metrics of a trainer's model, by what the package offers to notebooks."""
    if trainer.loss.predicts_ratings:
        return RatingEvaluator(split.train).evaluate(trainer.model, split.test)
    evaluator = RankingEvaluator(split.train, seen=split.validation, cutoffs=(10,))
    return evaluator.evaluate(trainer.model.score_catalogue, split.test).metrics


@pytest.fixture(scope="module")
def by_script(place):
    """Trains by train.py and returns the metrics; once for every loss."""

    @functools.cache
    def train(name):
        flags = ["--ratings=ratings.csv", "--embedding_dim=4", "--epochs=2", "--nojit_compile"]
        flags += ["--seed=7", "--tensorboard=off", f"--loss={name}"]
        return helpers.Place(place).train(f"run-{name}", *flags).results["metrics"]

    return train


@pytest.mark.parametrize(
    "name", [n if n in QUICK else pytest.param(n, marks=pytest.mark.slow) for n in NAMES]
)
def test_both_doors_give_the_same_metrics(name, place, by_script):
    split = split_of(place)
    trainer = mfrec.train(split.train, split.validation, loss=name, **SETTINGS)
    assert measured(trainer, split) == by_script(name)["test"]
    assert trainer.history.best_validation == by_script(name)["validation"]

"""train.py and eval.py with losses of rankings, on a small file of ratings."""

import re

import numpy as np
import pytest

import helpers
from helpers import Place, read_scalars
from mfrec.runs.run_folder import RunFolder

FLAGS = ["--ratings=ratings.csv", "--split=per_user", "--embedding_dim=4", "--batch_size=64"]
FLAGS += ["--learning_rate=0.05", "--nojit_compile", "--epochs=8"]
MY_LOSS = """
import tensorflow as tf
from mfrec import losses

@losses.ranking("squared_hinge", num_negatives=3)
def squared_hinge(positive_scores, negative_scores, margin=1.0):
    margins = positive_scores[..., tf.newaxis] - negative_scores
    return tf.reduce_mean(tf.square(tf.nn.relu(margin - margins)), axis=-1)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with ratings.csv: 60 users with half of the 40 of 80 items that are theirs."""
    folder = tmp_path_factory.mktemp("place")
    helpers.write_two_tastes(folder)
    (folder / "my_losses.py").write_text(MY_LOSS)
    return Place(folder)


@pytest.fixture(scope="module")
def bpr(place):
    return place.train("bpr", *FLAGS, "--loss=bpr", "--cutoffs=5,10")


def test_a_ranking_ends_in_a_table_beside_popularity_and_chance(bpr):
    results, out = bpr.results, bpr.out
    assert "validation NDCG@5 " in bpr.err
    test = results["metrics"]["test"]
    names = {"ndcg@5", "recall@10", "precision@5", "hr@10", "map@5", "mrr", "auc", "coverage@10"}
    assert names <= set(test)
    # half of the catalogue is never liked: chance finds an AUC of 1/2, the model nearly 1
    assert test["auc"] > 0.85 > 0.65 > results["baselines"]["popularity"]["auc"]
    assert results["baselines"]["random"]["auc"] == pytest.approx(0.5, abs=0.1)
    low, high = results["intervals"]["test"]["ndcg@5"]
    assert low < test["ndcg@5"] < high
    lines = out.splitlines()
    (heading,) = [line for line in lines if "test:" in line]
    assert heading.endswith("interactions")
    assert "masked; mean over 60 users" in out and "95 % intervals over users: NDCG@5" in out
    rows = [line.split("  ")[0] for line in lines[lines.index(heading) + 4 :][:3]]
    assert rows[-1] == "mfrec bpr d=4" and set(rows[:2]) == {"random", "popularity"}


def test_a_ranking_is_watched_in_tensorboard(bpr):
    scalars = read_scalars(bpr.path / "validation")
    assert len(scalars["ndcg@5"]) == 8
    assert read_scalars(bpr.path / "test")["auc"].popitem()[1] == pytest.approx(
        bpr.results["metrics"]["test"]["auc"], rel=1e-6
    )


def test_eval_repeats_a_ranking(bpr, place):
    repeated = place.evaluate("--run_dir=bpr")
    for name in ("metrics", "intervals", "protocol", "held_out"):
        assert repeated[name]["test"] == bpr.results[name]["test"]
    assert repeated["baselines"] == bpr.results["baselines"]
    code, out, _ = place.run("eval.py", "--run_dir=bpr", "--cutoffs=3")
    assert code == 0 and "NDCG@3" in out and "NDCG@5" not in out


def test_eval_shows_both_sides_where_no_user_is_known(bpr, place):
    rows = helpers.read_rows(place / "ratings.csv")
    helpers.write_rows(place / "other.csv", [(user.upper() + " ", i, r) for user, i, r in rows])
    line = place.refused("eval.py", f"--run_dir={bpr.path}", "--ratings=other.csv")
    assert f"none of the {len(rows):,} test rows has a user that training knows" in line
    there, here = re.search("there is '(.*)', and in training '(.*)';", line).groups()
    assert there == here.upper() + " " and here in {user for user, *_ in rows}


@pytest.mark.parametrize(
    "flags",
    [
        ["--loss=implicit_squared"],
        ["--loss=sampled_softmax", "--negative_sampler=popularity", "--num_negatives=64"],
        ["--loss=my_losses.py:squared_hinge", "--loss_args=margin=0.5", "--use_bias"],
        ["--loss=softmax", "--refit"],
    ],
    ids=lambda flags: flags[0].partition("=")[2].rpartition(":")[2],
)
def test_losses_of_rankings_train_and_are_measured(place, flags):
    name = flags[0].rpartition(":")[2].rpartition("=")[2]
    run = place.train(name, *FLAGS, *flags)
    assert run.results["metrics"]["test"]["auc"] > 0.7
    assert f"mfrec {name} d=4" in run.out
    again = place.evaluate(f"--run_dir={name}")
    assert again["metrics"]["test"] == run.results["metrics"]["test"]


def test_two_rankings_are_compared_user_by_user(bpr, place):
    other = place.train("other", *FLAGS, "--loss=hinge", "--cutoffs=10", "--seed=0", "--epochs=1")
    code, out, err = place.run("eval.py", "--run_dir=bpr", "--compare_to=other")
    assert (code, err) == (0, "")
    assert out.startswith("60 users in both\n")
    (row,) = [line.split() for line in out.splitlines() if line.startswith("ndcg@10")]
    first, second = (run.results["metrics"]["test"]["ndcg@10"] for run in (bpr, other))
    assert row[1:4] == [f"{first:.4f}", f"{second:.4f}", f"{first - second:+.4f}"]


def test_the_best_epoch_on_the_test_part_is_reported_apart(place):
    flags = ["--loss=bpr", "--validation_fraction=0", "--test_every=1"]
    run = place.train("papers", *FLAGS, *flags)
    results = run.results
    best, last = results["metrics"]["test_best_epoch"], results["metrics"]["test"]
    assert 1 <= best["epoch"] <= 8 and best["ndcg@10"] >= last["ndcg@10"]
    assert "validation" not in results["metrics"] and results["epochs"] == 8
    assert f"optimistic: of epoch {best['epoch']}, the best on this very test part" in run.out


def test_a_rating_model_can_be_measured_by_its_rankings(place):
    run = place.train("rated", *FLAGS, "--loss=mse", "--cutoffs=10")
    results = run.results
    assert {"rmse", "mae", "ndcg@10"} <= set(results["metrics"]["test"])
    assert {"biases", "popularity", "random"} <= set(results["baselines"])
    (row,) = [line for line in run.out.splitlines() if line.startswith("popularity")]
    assert row.split()[1:3] == ["-", "-"]


POPULARITY = ["--negative_sampler=popularity"]


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--loss=bpr", "--log_q_correction"], "--log_q_correction: the negatives of loss 'bpr'"),
        (["--loss=mse", "--num_negatives=3"], "loss 'mse' draws no negatives"),
        (["--loss=bpr", "--cutoffs=ten"], "--cutoffs=ten: 'ten' is no whole number from 1"),
        (["--loss=bpr", "--eval_metric=ndcg@7"], "ndcg@7 is not measured; add --cutoffs=7"),
        (["--loss=bpr", "--eval_metric=hit@10"], "did you mean hr@10?"),
        (["--loss=mse", "--eval_metric=RMSE"], "did you mean rmse?"),
        (["--loss=bpr", "--num_negatives=1000000000"], "--num_negatives=1000000000: 1,000,000,000"),
        (["--loss=bpr", "--positives_per_row=1000000000"], "--positives_per_row=1000000000: "),
        (["--loss=bpr", "--loss_args=x=[1"], "--loss_args: 'x=[1': a value is a number, a word"),
        (["--loss=hinge", "--loss_args=margin=-1"], "margin=-1 of loss 'hinge' must be at least 0"),
        (
            ["--negative_sampler=popularity", "--loss=bpr", "--sampler_args=exponent=-1"],
            "at least 0",
        ),
        (["--optimizer_args=beta_1=1.5"], "beta_1=1.5 of optimizer 'adam' must be below 1"),
        (["--loss=bpr", "--negative_sampler=popular"], "did you mean popularity?"),
    ],
)
def test_what_makes_no_sense_is_refused(place, flags, message):
    assert message in place.refused("train.py", *FLAGS, *flags, "--run_dir=refused")
    assert not RunFolder(place / "refused").path.exists()


HELD_OUT_USERS = ["--split=held_out_users", "--fold_in_fraction=0.6", "--test_fraction=0.2"]


def test_rankings_for_users_who_are_held_out(place):
    flags = [*HELD_OUT_USERS, "--loss=implicit_squared", "--cutoffs=5"]
    run = place.train("held-out", *FLAGS, *flags)
    results, out = run.results, run.out
    assert "held_out_users 70/10/20, 0.6 of each folded in, seed 0" in out
    assert "each user's folded-in items masked; mean over 12 users" in out
    assert "strong generalization: 12 users held out of training, folded in from part" in out
    test = results["metrics"]["test"]
    assert test["auc"] > 0.8 > 0.65 > results["baselines"]["popularity"]["auc"]
    saved = RunFolder(place / "held-out").load_data()
    assert set(saved) == {"train"} and saved["train"].num_users == 42
    again = place.evaluate("--run_dir=held-out")
    assert again["metrics"]["test"] == test and again["baselines"] == results["baselines"]


def test_ratings_of_users_who_are_held_out(place):
    flags = [*HELD_OUT_USERS, "--loss=mse", "--refit", "--regularization=0.003", "--epochs=4"]
    run = place.train("held-out-ratings", *FLAGS, *flags, "--tensorboard=full")
    results = run.results
    rmse = results["metrics"]["test"]["rmse"]
    # a rating follows from who rates, and the damped biases do not know these users
    assert rmse < 0.5 < 1 < results["baselines"]["biases"]["rmse"]
    assert results["counts"]["users"] == 48 and "errors over every held-out rating" in run.out
    again = place.evaluate("--run_dir=held-out-ratings", "--predictions=rows.tsv")
    assert again["metrics"]["test"]["rmse"] == rmse
    rows = (place / "rows.tsv").read_text().splitlines()[1:]
    errors = [float(row.split("\t")[4]) for row in rows]
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(rmse, rel=1e-4)

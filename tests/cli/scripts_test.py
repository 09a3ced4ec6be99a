"""train.py and eval.py from flags to files, on small files of ratings."""

import functools
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import helpers
from helpers import ROOT, read_scalars
from mfrec import losses
from mfrec.data.interactions import UNKNOWN
from mfrec.runs.run_folder import RunFolder

QUICK = ["--embedding_dim=3", "--batch_size=128", "--learning_rate=0.05", "--nojit_compile"]
MY_LOSSES = """
import tensorflow as tf

def power(ratings, predictions, exponent=2.0):
    return tf.abs(ratings - predictions) ** exponent
"""


def write_ratings(path, rows):
    path.write_text("user,item,rating\n" + "".join(f"{u},{i},{r}\n" for u, i, r in rows))


def rows_of(path):
    lines = path.read_text().splitlines()[1:]
    return [(u, i, float(r)) for u, i, r in (line.split(",") for line in lines)]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with ratings.csv of 1,200 rows, cut into train.csv, valid.csv and test.csv.

    The test part holds one user and two items that the training part lacks, and a pair that it
    has.
    """
    folder = tmp_path_factory.mktemp("place")
    data = helpers.planted(50, 40, 1_200, rank=2)
    ratings = np.clip(np.round(2 * data.ratings) / 2, 1, 5)
    pairs = zip(data.user_ids.tolist(), data.item_ids.tolist(), ratings.tolist(), strict=True)
    rows = [(f"user{u}", f"item{i}", r) for u, i, r in pairs]
    strangers = [("stranger", "item0", 4.0), ("stranger", "new1", 2.0), ("user1", "new2", 5.0)]
    write_ratings(folder / "ratings.csv", rows)
    write_ratings(folder / "train.csv", rows[:900])
    write_ratings(folder / "valid.csv", rows[900:1_000])
    write_ratings(folder / "test.csv", [*rows[1_000:], *strangers, rows[0]])
    (folder / "my_losses.py").write_text(MY_LOSSES)
    return folder


@pytest.fixture(scope="module")
def run(place):
    """Runs a script in the folder of ratings."""
    return functools.partial(helpers.run_script, place)


def results_of(place, run_dir):
    return json.loads((place / run_dir / "results.json").read_text())


@pytest.fixture(scope="module")
def trained(run):
    """One run on ratings.csv, compiled; returns what it printed to the two outputs."""
    flags = ["--ratings=ratings.csv", *QUICK[:-1], "--epochs=4", "--steps_per_loop=3"]
    code, out, err = run("train.py", *flags, "--run_dir=first")
    assert code == 0, err
    return out, err


@pytest.fixture(scope="module")
def ready_made(run):
    """One run on ready-made parts."""
    parts = [
        f"--{name}_ratings={file}.csv"
        for name, file in (("train", "train"), ("validation", "valid"), ("test", "test"))
    ]
    code, out, err = run("train.py", *parts, *QUICK, "--epochs=2", "--run_dir=parts")
    assert code == 0, err
    return out, err


def refused(run, script, *flags):
    """What a script says to input that it refuses: one line, exit code 2, no output."""
    code, out, err = run(script, *flags)
    assert (code, out) == (2, "")
    assert "Traceback" not in err
    *before, last = err.splitlines()
    assert last.startswith(f"{script}: ") and not any(line.startswith(script) for line in before)
    return last


# ---------------------------------------------------------------------------- the run folder


def test_a_run_leaves_its_files(trained, place):
    found = {path.name for path in (place / "first").iterdir()}
    assert found == {
        *("config.json", "users.tsv", "items.tsv", "interactions.npz", "results.json"),
        *("checkpoints", "train", "validation", "test", "summary"),
    }


def test_config_json_holds_every_setting_resolved_and_the_derived_constants(trained, place):
    config, derived = RunFolder(place / "first").load_config()
    assert config.data.ratings == str(place / "ratings.csv")
    assert config.model.embedding_dim == 3 and config.training.steps_per_loop == 3
    assert config.regularizer.regularization is not None
    train = RunFolder(place / "first").load_data()["train"]
    assert derived == {
        "num_users": train.num_users,
        "num_items": train.num_items,
        "num_ratings": 960,
        "global_mean": pytest.approx(train.ratings.mean(dtype=np.float64)),
        "rating_min": 1.0,
        "rating_max": 5.0,
        "rating_stddev": pytest.approx(train.ratings.std(dtype=np.float64)),
    }


def test_the_saved_parts_are_rows_of_the_file(trained, place):
    parts = RunFolder(place / "first").load_data()
    known = set(rows_of(place / "ratings.csv"))
    assert (len(parts["train"]), len(parts["validation"])) == (960, 120)
    for part in parts.values():
        raw = [
            (part.users.raw_ids[u], part.items.raw_ids[i], r)
            for u, i, r in zip(part.user_ids, part.item_ids, part.ratings.tolist(), strict=True)
            if u != UNKNOWN and i != UNKNOWN
        ]
        assert len(raw) > 100 and set(raw) <= known


def test_results_json_has_the_agreed_keys(trained, place):
    results = results_of(place, "first")
    assert set(results) == {
        *("dataset", "split", "model", "protocol", "epochs", "steps", "parameters", "metrics"),
        *("intervals", "baselines", "warnings", "held_out", "counts", "timing", "versions"),
    }
    assert (results["dataset"], results["split"]) == ("ratings", "random 80/10/10, seed 0")
    assert results["model"] == "mse d=3"
    assert {part: set(m) for part, m in results["metrics"].items()} == {
        "validation": {"rmse", "mae"},
        "test": {"rmse", "mae"},
    }
    assert set(results["baselines"]) == {"global_mean", "biases"}
    assert results["counts"]["train"] == 960 and results["counts"]["test"] == 120
    assert {*("unknown_users", "unknown_items", "overlap")} <= set(results["counts"])
    assert set(results["timing"]) == {
        *("load_seconds", "compile_seconds", "train_seconds", "evaluation_seconds"),
        *("summary_seconds", "seconds_to_best", "examples_per_second", "total_seconds"),
    }
    assert min(results["timing"].values()) > 0
    parts = ("load_seconds", "compile_seconds", "train_seconds", "evaluation_seconds")
    timing = results["timing"]
    assert sum(timing[name] for name in parts) <= timing["total_seconds"]
    assert set(results["versions"]) == {"mfrec", "tensorflow", "keras", "numpy", "python"}
    # 960 ratings are eight steps of 128 an epoch; embeddings of 3 and a bias a row
    counts = results["counts"]
    assert results["steps"] == 8 * 4 and results["epochs"] == 4
    assert results["parameters"] == (counts["users"] + counts["items"]) * 4


def test_the_model_beats_the_baselines(trained, place):
    results = results_of(place, "first")
    rmse, baselines = results["metrics"]["test"]["rmse"], results["baselines"]
    assert rmse < baselines["biases"]["rmse"] < baselines["global_mean"]["rmse"]


def test_the_table_stands_on_standard_output(trained, place):
    out, err = trained
    results = results_of(place, "first")
    for part, size in (("validation", 120), ("test", 120)):
        assert f"ratings · random 80/10/10, seed 0 · {part}: {size} ratings" in out
        metrics = results["metrics"][part]
        assert f"mfrec mse d=3{metrics['rmse']:10.4f}{metrics['mae']:10.4f}" in out
    biases = results["baselines"]["biases"]
    assert f"damped biases{biases['rmse']:10.4f}{biases['mae']:10.4f}" in out
    assert "RMSE" in out and "run folder: first" in out and "epoch" not in out.split("\n\n")[0]
    assert "epoch 4/4" in err and "train 960 · validation 120 · test 120 ratings" in err


def test_what_was_chosen_from_the_data_is_said(trained, place):
    (line,) = [line for line in trained[1].splitlines() if line.startswith("chosen from the data")]
    config, _ = RunFolder(place / "first").load_config()
    assert f"regularization={config.regularizer.regularization:g}" in line
    assert "learning_rate" not in line and "batch_size" not in line


def test_event_files_hold_the_curves(trained, place):
    results = results_of(place, "first")
    train = read_scalars(place / "first" / "train")
    assert {"loss", "regularization", "learning_rate", "examples_per_second"} <= set(train)
    assert list(train["loss"]) == [8, 16, 24, 32]
    losses_by_epoch = list(train["loss"].values())
    assert losses_by_epoch == sorted(losses_by_epoch, reverse=True)
    assert list(train["learning_rate"].values())[0] < 0.05
    validation = read_scalars(place / "first" / "validation")
    assert set(validation) == {"rmse", "mae"} and list(validation["rmse"]) == [8, 16, 24, 32]
    best = 8 * results["epochs"]
    expected = results["metrics"]["validation"]
    assert validation["rmse"][best] == pytest.approx(expected["rmse"], rel=1e-6)
    test = read_scalars(place / "first" / "test")
    assert test["rmse"] == {32: pytest.approx(results["metrics"]["test"]["rmse"], rel=1e-6)}


# ------------------------------------------------------------------------------------ eval.py


def test_eval_repeats_the_numbers_to_the_last_digit(trained, run, place):
    code, out, err = run("eval.py", "--run_dir=first", "--output=json")
    assert (code, err) == (0, "")
    repeated, results = json.loads(out), results_of(place, "first")
    assert repeated["metrics"] == {"test": results["metrics"]["test"]}
    by_part = ("metrics", "held_out", "protocol")
    for name in set(results) - set(by_part):
        assert repeated[name] == results[name]
    for name in by_part:
        assert repeated[name] == {"test": results[name]["test"]}
    code, out, _ = run("eval.py", "--run_dir=first", "--output=json", "--part=validation")
    assert code == 0
    assert json.loads(out)["metrics"] == {"validation": results["metrics"]["validation"]}
    assert json.loads(out)["baselines"] == {}


def test_eval_prints_the_table_of_training(trained, run):
    for part in ("validation", "test"):
        code, out, _ = run("eval.py", "--run_dir=first", f"--part={part}")
        assert code == 0 and out.strip() in trained[0]
        assert "mfrec mse d=3" in out


def test_eval_on_a_file_counts_its_strangers(trained, run, place):
    write_ratings(
        place / "more.csv",
        [("user1", "item1", 3), ("user1", "martian", 2), ("nobody", "martian", 5)],
    )
    code, out, _ = run("eval.py", "--run_dir=first", "--ratings=more.csv", "--output=json")
    assert code == 0
    results = json.loads(out)
    counts = results["counts"]
    assert (counts["test"], counts["unknown_users"], counts["unknown_items"]) == (3, 1, 1)
    assert counts["unknown_rows"] == 2
    assert results["split"] == "all of more.csv"
    errors = predicted(place, "first", [("user1", "item1"), ("user1", ""), ("", "")]) - [3, 2, 5]
    rmse = results["metrics"]["test"]["rmse"]
    assert rmse == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-5)


def predicted(place, run_dir, pairs):
    """Ratings of raw pairs from a run's saved tables, by numpy."""
    folder = RunFolder(place / run_dir)
    config, derived = folder.load_config()
    train = folder.load_data()["train"]
    model = folder.load_model(config, losses.get("mse"), train)
    values = []
    for user, item in pairs:
        u, i = int(train.users.lookup([user])[0]), int(train.items.lookup([item])[0])
        score = derived["global_mean"]
        score += model.user_bias.numpy()[u] if u >= 0 else 0
        score += model.item_bias.numpy()[i] if i >= 0 else 0
        if u >= 0 and i >= 0:
            score += model.user_embedding.numpy()[u] @ model.item_embedding.numpy()[i]
        values.append(np.clip(score, derived["rating_min"], derived["rating_max"]))
    return np.array(values)


def test_predictions_are_written_row_by_row(ready_made, run, place):
    code, out, _ = run("eval.py", "--run_dir=parts", "--predictions=p.tsv", "--output=json")
    assert code == 0
    header, *lines = (place / "p.tsv").read_text().splitlines()
    assert header.split("\t") == ["user", "item", "rating", "prediction", "error"]
    found = [line.split("\t") for line in lines]
    expected = rows_of(place / "test.csv")
    assert [(user, item, float(rating)) for user, item, rating, *_ in found] == expected
    assert ["stranger", "new1"] in [row[:2] for row in found]
    predictions = predicted(place, "parts", [row[:2] for row in found])
    np.testing.assert_allclose([float(row[3]) for row in found], predictions, rtol=1e-5)
    errors = np.array([float(row[4]) for row in found])
    np.testing.assert_allclose(errors, predictions - [r for *_, r in expected], atol=1e-4)
    metrics = json.loads(out)["metrics"]["test"]
    assert metrics == results_of(place, "parts")["metrics"]["test"]
    assert metrics["rmse"] == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-5)
    assert metrics["mae"] == pytest.approx(np.abs(errors).mean(), rel=1e-5)


def test_predictions_of_the_validation_part(ready_made, run, place):
    code, *_ = run("eval.py", "--run_dir=parts", "--predictions=v.tsv", "--part=validation")
    assert code == 0
    rows = [line.split("\t") for line in (place / "v.tsv").read_text().splitlines()[1:]]
    assert [(u, i, float(r)) for u, i, r, *_ in rows] == rows_of(place / "valid.csv")


def test_ready_made_parts_are_counted(ready_made, place):
    out, err = ready_made
    counts = results_of(place, "parts")["counts"]
    train, test = rows_of(place / "train.csv"), rows_of(place / "test.csv")
    users, items = {row[0] for row in train}, {row[1] for row in train}
    assert (counts["train"], counts["validation"], counts["test"]) == (900, 100, 204)
    assert (counts["users"], counts["items"]) == (len(users), len(items))
    assert counts["unknown_users"] == len({u for u, *_ in test} - users) == 1
    assert counts["unknown_items"] == len({i for _, i, _ in test} - items) == 2
    assert counts["unknown_rows"] == 3 and counts["overlap"] == 1
    assert "warning: 1 test pair also in the training part" in err
    assert "test has 1 user and 2 items unknown to training (3 rows)" in err
    assert "train · ready-made · test: 204 ratings" in out


def test_eval_refuses(trained, ready_made, run, place):
    message = refused(run, "eval.py", "--run_dir=nowhere")
    assert "--run_dir=nowhere: no run folder: no config.json" in message
    message = refused(run, "eval.py", "--run_dir=first", "--run_dir=parts", "--predictions=p")
    assert "--predictions needs one run, not 2" in message
    message = refused(run, "eval.py", "--run_dir=first", "--ratings=nothing.csv")
    assert "nothing.csv: no such file" in message
    message = refused(run, "eval.py", "--run_dir=first", "--predictions=no/such/p.tsv")
    assert "eval.py: no/such/p.tsv: No such file" in message
    assert "'x' is no flag" in refused(run, "eval.py", "--run_dir=first", "x")


def test_eval_puts_runs_side_by_side_that_were_measured_on_the_same_rows(
    trained, ready_made, run, place
):
    flags = ["--ratings=ratings.csv", *QUICK, "--epochs=1", "--embedding_dim=2"]
    assert run("train.py", *flags, "--run_dir=smaller")[0] == 0
    three = ["--run_dir=first", "--run_dir=parts/", "--run_dir=smaller"]
    code, out, err = run("eval.py", *three)
    assert (code, err) == (0, "")
    of_ratings, rest = out.split("\n\nsettings that differ:\n")
    differences, of_parts = rest.split("\n\n", 1)
    first, smaller = (results_of(place, name)["metrics"]["test"] for name in ("first", "smaller"))
    assert first["rmse"] < smaller["rmse"]
    lines = of_ratings.splitlines()
    assert lines[0] == "ratings · random 80/10/10, seed 0 · test: 120 ratings"
    rows = [line for line in lines if line.startswith(("first", "smaller"))]
    assert rows == [
        f"smaller  mse d=2{smaller['rmse']:10.4f}{smaller['mae']:10.4f}",
        f"first    mse d=3{first['rmse']:10.4f}{first['mae']:10.4f}",
    ]
    assert [line.split()[0] for line in differences.splitlines()] == ["first", "smaller"]
    assert "embedding_dim=3 " in differences.splitlines()[0]
    assert "loss" not in differences
    assert (
        of_parts.startswith("train · ready-made · test: 204 ratings") and "parts  mse" in of_parts
    )

    code, out, _ = run("eval.py", *three, "--output=json")
    assert code == 0
    results = json.loads(out)
    assert list(results) == ["first", "parts", "smaller"]
    assert results["parts"]["metrics"]["test"] == results_of(place, "parts")["metrics"]["test"]
    assert results["first"]["held_out"] == results["smaller"]["held_out"]
    assert results["first"]["held_out"] != results["parts"]["held_out"]


def test_eval_takes_a_pattern_for_all_run_folders_there(trained, ready_made, run):
    code, out, _ = run("eval.py", "--run_dir=[fp]*", "--output=json")
    assert code == 0
    assert {"first", "parts"} <= set(json.loads(out)) <= {"first", "parts", "fold"}
    message = refused(run, "eval.py", "--run_dir=x*")
    assert message == "eval.py: --run_dir=x*: no run folder is named so"


def test_eval_notices_that_the_ratings_have_changed(run, place):
    rows = rows_of(place / "ratings.csv")
    write_ratings(place / "changing.csv", rows)
    flags = ["--ratings=changing.csv", *QUICK, "--epochs=1", "--run_dir=changing"]
    assert run("train.py", *flags)[0] == 0
    user, item, rating = rows[0]
    changed = [(user, item, 6 - rating)] + [(u, i, 6 - r) for u, i, r in rows[1:]]
    write_ratings(place / "changing.csv", changed)
    assert "ratings have changed" in refused(run, "eval.py", "--run_dir=changing")
    assert run("eval.py", "--run_dir=changing", "--ratings=changing.csv")[0] == 0


# ------------------------------------------------------------------------------ folds and refit


def test_one_fold(run, place):
    flags = ["--ratings=ratings.csv", *QUICK, "--epochs=1", "--fold=2", "--num_folds=4"]
    code, out, _ = run("train.py", *flags, "--run_dir=fold")
    assert code == 0
    results = results_of(place, "fold")
    assert results["split"] == "fold 2 of 4, seed 0"
    assert (results["counts"]["train"], results["counts"]["test"]) == (900, 300)
    assert set(results["metrics"]) == {"test"} and "validation" not in out
    message = refused(run, "eval.py", "--run_dir=fold", "--part=validation")
    assert "has no validation part" in message


def test_cross_validation_is_mean_and_deviation_of_its_folds(run, place):
    flags = ["--ratings=ratings.csv", *QUICK, "--epochs=1", "--num_folds=3", "--cross_validate"]
    code, out, err = run("train.py", *flags, "--run_dir=cv")
    assert code == 0, err
    results = results_of(place, "cv")
    folds = [results_of(place, f"cv/fold-{fold}") for fold in range(3)]
    assert results["folds"] == [fold["metrics"] for fold in folds]
    for name in ("rmse", "mae"):
        values = [fold["metrics"]["test"][name] for fold in folds]
        mean = sum(values) / 3
        deviation = np.sqrt(sum((value - mean) ** 2 for value in values) / 2)
        assert results["metrics"]["test"][name] == pytest.approx(mean)
        assert results["std"]["test"][name] == pytest.approx(deviation)
        biases = [fold["baselines"]["biases"][name] for fold in folds]
        assert results["baselines"]["biases"][name] == pytest.approx(sum(biases) / 3)
    assert results["counts"]["test"] == 400 and results["split"] == "3 random folds, seed 0"
    assert results["timing"]["total_seconds"] > max(f["timing"]["total_seconds"] for f in folds)
    assert f"± {results['std']['test']['rmse']:.4f}" in out and "over 3 folds" in out
    assert "fold 2 of 3" in err
    # the folds share no test row and leave none out
    tested = []
    for fold in range(3):
        flags = [f"--run_dir=cv/fold-{fold}", f"--predictions=fold{fold}.tsv"]
        assert run("eval.py", *flags)[0] == 0
        lines = (place / f"fold{fold}.tsv").read_text().splitlines()[1:]
        tested += [tuple(line.split("\t")[:2]) for line in lines]
    assert sorted(tested) == sorted(row[:2] for row in rows_of(place / "ratings.csv"))

    code, out, _ = run("eval.py", "--run_dir=cv", "--output=json")
    assert code == 0
    repeated = json.loads(out)
    for name in ("metrics", "std", "folds", "baselines", "counts", "split"):
        assert repeated[name] == results[name]
    assert "needs one fold" in refused(run, "eval.py", "--run_dir=cv", "--predictions=x.tsv")

    # the config of all folds, from another folder, and of one of them bring the numbers back
    elsewhere = place / "from_elsewhere"
    elsewhere.mkdir()
    flags = ["--config=../cv/config.json", "--run_dir=again"]
    assert helpers.run_script(elsewhere, "train.py", *flags)[0] == 0
    again = results_of(elsewhere, "again")
    assert (again["folds"], again["std"]) == (results["folds"], results["std"])
    assert run("train.py", "--config=cv/fold-1/config.json", "--run_dir=one")[0] == 0
    assert results_of(place, "one")["metrics"] == folds[1]["metrics"]


def test_refit_trains_anew_on_both_parts_for_the_best_number_of_epochs(run, place):
    flags = ["--ratings=ratings.csv", *QUICK, "--epochs=30", "--early_stopping_patience=2"]
    # a model so free that it soon learns by heart
    flags += ["--embedding_dim=40", "--init_stddev=1", "--regularization=0"]
    code, _, err = run("train.py", *flags, "--run_dir=once")
    assert code == 0, err
    code, _, err = run("train.py", *flags, "--refit", "--run_dir=refit")
    assert code == 0, err
    once, refit = results_of(place, "once"), results_of(place, "refit")
    assert 1 < once["epochs"] < 28
    # the validation metrics are those of the best epoch, of eight steps each, not of the last
    curve = read_scalars(place / "once" / "validation")["rmse"]
    best = curve[8 * once["epochs"]]
    assert best == min(curve.values()) < list(curve.values())[-1]
    assert once["metrics"]["validation"]["rmse"] == pytest.approx(best, rel=1e-6)
    # and so are the saved weights
    code, out, _ = run("eval.py", "--run_dir=once", "--output=json")
    assert code == 0
    assert json.loads(out)["metrics"] == {"test": once["metrics"]["test"]}
    assert refit["epochs"] == once["epochs"]
    assert refit["metrics"]["validation"] == once["metrics"]["validation"]
    assert refit["counts"]["train"] == 1_080 and refit["counts"]["test"] == 120
    # 1,080 ratings are nine steps an epoch
    assert refit["steps"] == 9 * refit["epochs"]
    assert f"refit: {once['epochs']} epochs on 1,080 ratings" in err
    parts = RunFolder(place / "refit").load_data()
    assert list(parts) == ["train"] and len(parts["train"]) == 1_080
    curves = read_scalars(place / "refit" / "refit")
    assert list(curves["loss"]) == [9 * epoch for epoch in range(1, refit["epochs"] + 1)]
    code, out, _ = run("eval.py", "--run_dir=refit", "--output=json")
    assert code == 0
    assert json.loads(out)["metrics"] == {"test": refit["metrics"]["test"]}


@pytest.fixture(scope="module")
def timed(place):
    """timed.csv: the rows of ratings.csv, each user's first thirty, at times that repeat.

    User "rare" has two rows, and the first of all rows stands twice.
    """
    rows = rows_of(place / "ratings.csv")
    rows += [("rare", "item1", 3.0), ("rare", "item2", 4.0), rows[0]]
    lines = [f"{u},{i},{r},{n // 2}\n" for n, (u, i, r) in enumerate(rows)]
    (place / "timed.csv").write_text("user,item,rating,timestamp\n" + "".join(lines))


SPLITS = [
    (["--split=per_user", "--refit"], "per_user 80/10/10, seed 0"),
    (["--split=leave_last_out", "--refit"], "leave_last_out, the one before for validation"),
    (["--split=temporal", "--refit"], "temporal 80/10/10"),
    (
        ["--fold_by=users", "--cross_validate", "--num_folds=2", "--test_fraction=0.2"],
        "2 random folds by users, 0.2 of each tested, seed 0",
    ),
]


@pytest.mark.parametrize("flags, described", SPLITS, ids=[flags[0] for flags, _ in SPLITS])
def test_a_split_from_flags_to_the_same_numbers_again(timed, run, place, flags, described):
    run_dir = f"--run_dir={flags[0].partition('=')[2]}"
    code, _, err = run("train.py", "--ratings=timed.csv", *QUICK, "--epochs=1", *flags, run_dir)
    assert code == 0, err
    assert "\n1 repeated pair dropped: the last rating is kept\n" in err
    results = results_of(place, run_dir.partition("=")[2])
    assert results["split"] == described and results["counts"]["repeated_pairs"] == 1
    if "--refit" in flags:
        counts = results["counts"]
        # 1,200 rows and the two of "rare"; train holds the validation rows by now
        assert counts["train"] + counts["test"] == 1_202 and counts["validation"] > 0
    code, out, _ = run("eval.py", run_dir, "--output=json")
    assert code == 0
    again = json.loads(out)
    assert again["metrics"]["test"] == results["metrics"]["test"]
    assert (again["counts"], again["split"]) == (results["counts"], results["split"])


def test_a_split_says_what_it_kept_back(timed, run, place):
    flags = ["--ratings=timed.csv", "--split=leave_last_out", *QUICK, "--epochs=1"]
    code, _, err = run("train.py", *flags, "--run_dir=kept_back")
    assert code == 0
    assert "\n1 user with fewer than 3 ratings: not tested\n" in err
    assert results_of(place, "kept_back")["counts"]["untested_users"] == 1
    flags = ["--ratings=ratings.csv", "--split=leave_last_out", *QUICK, "--epochs=1"]
    code, _, err = run("train.py", *flags, "--run_dir=no_time")
    assert code == 0 and "\nno timestamps: file order counts as time\n" in err
    assert "repeated" not in err


# ------------------------------------------------------------- settings, seeds and own losses


def test_the_config_of_a_run_repeats_it(trained, run, place):
    code, *_ = run("train.py", "--config=first/config.json", "--run_dir=again")
    assert code == 0
    first, again = results_of(place, "first"), results_of(place, "again")
    for name in ("metrics", "baselines", "counts", "split", "epochs", "steps"):
        assert again[name] == first[name]
    configs = [(place / name / "config.json").read_text() for name in ("first", "again")]
    assert configs[0] == configs[1]


def test_a_flag_beats_the_config_beats_the_preset(trained, run, place):
    flags = ["--preset=movielens-100k", "--config=first/config.json", "--embedding_dim=2"]
    code, *_ = run("train.py", *flags, "--epochs=1", "--nojit_compile", "--run_dir=precedence")
    assert code == 0
    config, _ = RunFolder(place / "precedence").load_config()
    assert config.model.embedding_dim == 2
    assert config.training.batch_size == 128
    assert results_of(place, "precedence")["dataset"] == "ratings"


def test_another_seed_gives_other_numbers(trained, run, place):
    flags = ["--config=first/config.json", "--seed=1", "--nojit_compile", "--run_dir=seed1"]
    assert run("train.py", *flags)[0] == 0
    assert results_of(place, "seed1")["metrics"] != results_of(place, "first")["metrics"]
    assert results_of(place, "seed1")["split"].endswith("seed 1")


def test_a_loss_of_the_user(ready_made, run, place):
    parts = ["--train_ratings=train.csv", "--validation_ratings=valid.csv", *QUICK, "--epochs=2"]
    parts += ["--test_ratings=test.csv", "--loss=my_losses.py:power"]
    assert run("train.py", *parts, "--run_dir=mine")[0] == 0
    results = results_of(place, "mine")
    assert results["model"] == "power d=3"
    # with exponent 2 it is mse
    expected = results_of(place, "parts")["metrics"]["test"]["rmse"]
    assert results["metrics"]["test"]["rmse"] == pytest.approx(expected, rel=1e-5)
    code, *_ = run("train.py", *parts, "--loss_args=exponent=6", "--run_dir=mine6")
    assert code == 0
    metrics = results_of(place, "mine6")["metrics"]["test"]
    assert metrics["rmse"] != pytest.approx(expected, rel=1e-4)
    # the file is found from other folders, too
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    code, out, err = helpers.run_script(elsewhere, "eval.py", "--run_dir=../mine6", "--output=json")
    assert code == 0, err
    assert json.loads(out)["metrics"]["test"] == metrics


def test_a_link_loss_is_served_through_its_link(run, place):
    flags = ["--ratings=ratings.csv", *QUICK, "--epochs=3", "--loss=logistic", "--run_dir=link"]
    assert run("train.py", *flags)[0] == 0
    results = results_of(place, "link")
    assert results["metrics"]["test"]["rmse"] < results["baselines"]["global_mean"]["rmse"]
    _, out, _ = run("eval.py", "--run_dir=link", "--output=json")
    assert json.loads(out)["metrics"]["test"] == results["metrics"]["test"]


def test_an_existing_run_is_replaced_only_when_told(run, place):
    flags = ["--ratings=ratings.csv", *QUICK, "--epochs=1", "--run_dir=kept"]
    assert run("train.py", *flags)[0] == 0
    before = (place / "kept" / "results.json").read_text()
    message = refused(run, "train.py", *flags)
    assert "kept exists; name another --run_dir or add --overwrite" in message
    # a slip beside --overwrite costs nothing either
    assert "did you mean mse" in refused(run, "train.py", *flags, "--overwrite", "--loss=msee")
    slip = refused(run, "train.py", *flags, "--overwrite", "--fold=7", "--num_folds=5")
    assert "fold 7 of 5" in slip
    assert (place / "kept" / "results.json").read_text() == before
    assert run("train.py", *flags, "--overwrite", "--seed=5")[0] == 0
    assert results_of(place, "kept")["split"].endswith("seed 5")


def test_the_default_run_folder_is_named_after_data_loss_and_time(run_script, tmp_path):
    flags = ["--dataset=toy", "--embedding_dim=1", "--epochs=1", "--nojit_compile", "--loss=mae"]
    code, out, err = run_script("train.py", *flags)
    assert code == 0, err
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("toy-mae-2") and f"run folder: runs/{folder.name}" in out
    assert results_of(tmp_path, folder)["counts"]["train"] == 7


def test_a_diverging_run_is_told(run):
    flags = ["--ratings=ratings.csv", *QUICK, "--optimizer=sgd", "--learning_rate=1e4"]
    message = refused(run, "train.py", *flags, "--epochs=30", "--run_dir=wild")
    assert "in epoch " in message and "lower --learning_rate or set --clip_norm" in message
    # half a run is no run to measure
    assert "--run_dir=wild: no run folder" in refused(run, "eval.py", "--run_dir=wild")


REFUSED = [
    (["--ratings=ratings.csv", "--dataset=toy"], "--dataset and --ratings each bring ratings"),
    (["--ratings=ratings.csv", "--fold=5"], "fold 5 of 5; folds count from 0 to 4"),
    (["--ratings=ratings.csv", "--fold=0", "--refit"], "--refit needs a validation part"),
    (["--ratings=ratings.csv", "--split=temporal"], "a temporal split needs timestamps"),
    (["--ratings=gone.csv"], "gone.csv: no such file"),
    (["--dataset=toy", "--loss=msee"], "unknown loss 'msee'; did you mean mse"),
    (["--dataset=toy", "--loss=my_losses.py:pow"], "no function 'pow' there, only ['power']"),
    (["--dataset=toy", "--loss=gone.py:power"], "/gone.py"),
    (["--dataset=toy", "--loss_args=delta=1"], "loss 'mse' has none, not 'delta'"),
    (["--dataset=toy", "--loss_args=delta"], "'delta' is not name=value"),
    (["--dataset=toy", "--embedding_dim=0"], "--embedding_dim=0: must be at least 1"),
    (["--dataset=toy", "--embedding_dim=2000000000"], "6 users and items need 240,000 MB for 5"),
    (["--dataset=toy", "--epochs=9999999999"], "--epochs=9999999999: must be at most 2147483647"),
    (["--dataset=toy", "--cross_validate", "--num_folds=1000000000"], "9 distinct pairs for"),
    (["--dataset=toy", "--optimizer_args=epsilon=nan"], "'epsilon=nan': must be a finite number"),
    (["--dataset=toy", "--optimizer_args=foo=1"], "--optimizer_args for adam: "),
    (["--dataset=toy", "--run_dir=/proc/none"], "--run_dir=/proc/none: "),
    (["--dataset=toy", "--learning_rate=nan"], "--learning_rate=nan: must be a finite number"),
    (["--dataset=toy", "--test_fraction=0.95"], "leave nothing to train on"),
    (["--dataset=toy", "--config=gone.json"], "gone.json: No such file"),
    (["--dataset=toy", "--run_dir=ratings.csv"], "ratings.csv exists"),
]


@pytest.mark.parametrize("flags, message", REFUSED, ids=[" ".join(flags) for flags, _ in REFUSED])
def test_train_refuses(run, flags, message):
    flags = flags if any("run_dir" in flag for flag in flags) else [*flags, "--run_dir=refused"]
    assert message in refused(run, "train.py", *flags)


def test_a_reduced_loss_is_refused_without_traceback(run, place):
    (place / "reduced.py").write_text(
        "import tensorflow as tf\ndef f(r, p): return tf.reduce_mean(tf.square(r - p))\n"
    )
    flags = ["--dataset=toy", "--loss=reduced.py:f", "--run_dir=reduced"]
    assert "a loss returns one value an example" in refused(run, "train.py", *flags)


# ---------------------------------------------------------------------------- real processes


def test_a_quiet_process_from_training_to_evaluation(tmp_path):
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("TF_", "PYTEST"))}

    def python(script, *flags):
        command = [sys.executable, str(ROOT / script), "--run_dir=run", *flags]
        return subprocess.run(
            command, capture_output=True, text=True, cwd=tmp_path, env=environment, timeout=300
        )

    done = python("train.py", "--dataset=toy", "--embedding_dim=2", "--epochs=2")
    assert done.returncode == 0, done.stderr
    assert "mfrec mse d=2" in done.stdout
    # nothing but our own lines: what is trained on what, what was chosen, one line an epoch
    assert [line.split(" ")[0] for line in done.stderr.splitlines()] == [
        *("toy", "train", "chosen", "epoch", "epoch")
    ]
    measured = python("eval.py", "--output=json")
    assert (measured.returncode, measured.stderr) == (0, "")
    saved = json.loads((tmp_path / "run" / "results.json").read_text())
    assert json.loads(measured.stdout)["metrics"]["test"] == saved["metrics"]["test"]


@pytest.mark.real_data
def test_movielens_100k_beats_the_biases(run_script, real_data_dir, tmp_path):
    flags = ["--dataset=movielens-100k", f"--data_dir={real_data_dir}", "--run_dir=run"]
    code, out, err = run_script("train.py", *flags, "--embedding_dim=10")
    assert code == 0, err
    results = results_of(tmp_path, "run")
    counts = results["counts"]
    assert (counts["train"], counts["validation"], counts["test"]) == (80_000, 10_000, 10_000)
    rmse, baselines = results["metrics"]["test"]["rmse"], results["baselines"]
    assert rmse < baselines["biases"]["rmse"] - 0.005
    assert baselines["biases"]["rmse"] < baselines["global_mean"]["rmse"]
    assert 0.85 < rmse < 0.95
    flags = ["--run_dir=run", f"--data_dir={real_data_dir}/../{real_data_dir.name}"]
    code, out, err = run_script("eval.py", *flags, "--output=json")
    assert code == 0, err
    assert json.loads(out)["metrics"]["test"] == results["metrics"]["test"]

"""train.py from flags to files, on a small file of ratings."""

import errno
import io
import json
import os
import subprocess
import sys

import numpy as np
import pytest

import helpers
from helpers import PARTS, QUICK, ROOT, Place, read_scalars
from mfrec.cli import train
from mfrec.data.interactions import UNKNOWN
from mfrec.runs.run_folder import RunFolder

# ---------------------------------------------------------------------------- the run folder


def test_a_run_leaves_its_files(trained):
    found = {path.name for path in trained.path.iterdir()}
    assert found == {
        *("config.json", "users.tsv", "items.tsv", "interactions.npz", "results.json"),
        *("checkpoints", "train", "validation", "test", "summary"),
    }


def test_config_json_holds_every_setting_resolved_and_the_derived_constants(trained, files):
    config, derived = RunFolder(trained.path).load_config()
    assert config.data.ratings == str(files / "ratings.csv")
    assert config.model.embedding_dim == 3 and config.training.steps_per_loop == 3
    assert config.regularizer.regularization is not None
    train = RunFolder(trained.path).load_data()["train"]
    assert derived == {
        "num_users": train.num_users,
        "num_items": train.num_items,
        "num_ratings": 960,
        "global_mean": pytest.approx(train.ratings.mean(dtype=np.float64)),
        "rating_min": 1.0,
        "rating_max": 5.0,
        "rating_stddev": pytest.approx(train.ratings.std(dtype=np.float64)),
    }


def test_the_saved_parts_are_rows_of_the_file(trained, files):
    parts = RunFolder(trained.path).load_data()
    known = set(helpers.read_rows(files / "ratings.csv"))
    assert (len(parts["train"]), len(parts["validation"])) == (960, 120)
    for part in parts.values():
        raw = [
            (part.users.raw_ids[u], part.items.raw_ids[i], r)
            for u, i, r in zip(part.user_ids, part.item_ids, part.ratings.tolist(), strict=True)
            if u != UNKNOWN and i != UNKNOWN
        ]
        assert len(raw) > 100 and set(raw) <= known


def test_results_json_has_the_agreed_keys(trained):
    results = trained.results
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
        *("load_seconds", "read_seconds", "import_seconds", "split_seconds", "prepare_seconds"),
        *("compile_seconds", "train_seconds", "evaluation_seconds", "summary_seconds"),
        *("save_seconds", "seconds_to_best", "examples_per_second", "total_seconds"),
    }
    assert min(results["timing"].values()) > 0
    timing = {name.removesuffix("_seconds"): s for name, s in results["timing"].items()}
    assert timing["read"] + timing["import"] + timing["split"] <= timing["load"]
    parts = ("load", "prepare", "compile", "train", "evaluation", "summary", "save")
    in_parts = sum(timing[name] for name in parts)
    # every second is in one of them
    assert 0.9 * timing["total"] < in_parts <= timing["total"]
    assert set(results["versions"]) == {"mfrec", "tensorflow", "keras", "numpy", "python"}
    # 960 ratings are eight steps of 128 an epoch; embeddings of 3 and a bias a row
    counts = results["counts"]
    assert results["steps"] == 8 * 4 and results["epochs"] == 4
    assert results["parameters"] == (counts["users"] + counts["items"]) * 4


def test_the_model_beats_the_baselines(trained):
    results = trained.results
    rmse, baselines = results["metrics"]["test"]["rmse"], results["baselines"]
    assert rmse < baselines["biases"]["rmse"] < baselines["global_mean"]["rmse"]


def test_the_table_stands_on_standard_output(trained):
    results, out, err = trained.results, trained.out, trained.err
    for part, size in (("validation", 120), ("test", 120)):
        assert f"ratings · random 80/10/10, seed 0 · {part}: {size} ratings" in out
        metrics = results["metrics"][part]
        assert f"mfrec mse d=3{metrics['rmse']:10.4f}{metrics['mae']:10.4f}" in out
    biases = results["baselines"]["biases"]
    assert f"damped biases{biases['rmse']:10.4f}{biases['mae']:10.4f}" in out
    assert "RMSE" in out and "run folder: first" in out and "epoch" not in out.split("\n\n")[0]
    assert "epoch 4/4" in err and "train 960 · validation 120 · test 120 ratings" in err


def test_what_was_chosen_from_the_data_is_said(trained):
    (line,) = [line for line in trained.err.splitlines() if line.startswith("chosen from the data")]
    config, _ = RunFolder(trained.path).load_config()
    assert f"regularization={config.regularizer.regularization:g}" in line
    assert "learning_rate" not in line and "batch_size" not in line


def test_event_files_hold_the_curves(trained):
    results = trained.results
    train = read_scalars(trained.path / "train")
    assert {"loss", "regularization", "learning_rate", "examples_per_second"} <= set(train)
    assert list(train["loss"]) == [8, 16, 24, 32]
    losses_by_epoch = list(train["loss"].values())
    assert losses_by_epoch == sorted(losses_by_epoch, reverse=True)
    assert list(train["learning_rate"].values())[0] < 0.05
    validation = read_scalars(trained.path / "validation")
    assert set(validation) == {"rmse", "mae"} and list(validation["rmse"]) == [8, 16, 24, 32]
    best = 8 * results["epochs"]
    expected = results["metrics"]["validation"]
    assert validation["rmse"][best] == pytest.approx(expected["rmse"], rel=1e-6)
    test = read_scalars(trained.path / "test")
    assert test["rmse"] == {32: pytest.approx(results["metrics"]["test"]["rmse"], rel=1e-6)}


# ------------------------------------------------------------- settings, seeds and own losses


def test_the_config_of_a_run_repeats_it(trained, place):
    run = place.train("again", f"--config={trained.path}/config.json")
    first, again = trained.results, run.results
    for name in ("metrics", "baselines", "counts", "split", "epochs", "steps"):
        assert again[name] == first[name]
    config, again = (
        json.loads((path / "config.json").read_text()) for path in (trained.path, run.path)
    )
    # a run of its own, of the same settings
    own = ("run", "digest")
    assert all(config.pop(name) != again.pop(name) for name in own) and config == again


def test_a_flag_beats_the_config_beats_the_preset(trained, place):
    flags = ["--preset=movielens-100k", f"--config={trained.path}/config.json"]
    flags += ["--embedding_dim=2", "--epochs=1", "--nojit_compile"]
    run = place.train("precedence", *flags)
    config, _ = RunFolder(run.path).load_config()
    assert config.model.embedding_dim == 2
    assert config.training.batch_size == 128
    assert run.results["dataset"] == "ratings"


def test_another_seed_gives_other_numbers(trained, place):
    flags = [f"--config={trained.path}/config.json", "--seed=1", "--nojit_compile"]
    results = place.train("seed1", *flags).results
    assert results["metrics"] != trained.results["metrics"]
    assert results["split"].endswith("seed 1")


def test_a_loss_of_the_user(ready_made, place):
    flags = [*PARTS, *QUICK, "--epochs=2", "--loss=my_losses.py:power"]
    results = place.train("mine", *flags).results
    assert results["model"] == "power d=3"
    # with exponent 2 it is mse
    expected = ready_made.results["metrics"]["test"]["rmse"]
    assert results["metrics"]["test"]["rmse"] == pytest.approx(expected, rel=1e-5)
    metrics = place.train("mine6", *flags, "--loss_args=exponent=6").results["metrics"]["test"]
    assert metrics["rmse"] != pytest.approx(expected, rel=1e-4)
    # the file is found from other folders, too
    elsewhere = place / "elsewhere"
    elsewhere.mkdir()
    assert Place(elsewhere).evaluate("--run_dir=../mine6")["metrics"]["test"] == metrics


def test_a_link_loss_is_served_through_its_link(place):
    flags = ["--ratings=ratings.csv", *QUICK, "--epochs=3", "--loss=logistic"]
    results = place.train("link", *flags).results
    assert results["metrics"]["test"]["rmse"] < results["baselines"]["global_mean"]["rmse"]
    again = place.evaluate("--run_dir=link")
    assert again["metrics"]["test"] == results["metrics"]["test"]


def test_an_existing_run_is_replaced_only_when_told(place):
    flags = ["--ratings=ratings.csv", *QUICK, "--epochs=1"]
    place.train("kept", *flags)
    flags += ["--run_dir=kept"]
    before = (place / "kept" / "results.json").read_text()
    message = place.refused("train.py", *flags)
    assert "kept exists; name another --run_dir or add --overwrite" in message
    # a slip beside --overwrite costs nothing either
    assert "did you mean mse" in place.refused("train.py", *flags, "--overwrite", "--loss=msee")
    slip = place.refused("train.py", *flags, "--overwrite", "--fold=7", "--num_folds=5")
    assert "fold 7 of 5" in slip
    assert (place / "kept" / "results.json").read_text() == before
    assert place.run("train.py", *flags, "--overwrite", "--seed=5")[0] == 0
    assert place.results("kept")["split"].endswith("seed 5")


def test_the_default_run_folder_is_named_after_data_loss_and_time(tmp_path):
    flags = ["--dataset=toy", "--embedding_dim=1", "--epochs=1", "--nojit_compile", "--loss=mae"]
    code, out, err = Place(tmp_path).run("train.py", *flags)
    assert code == 0, err
    (folder,) = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("toy-mae-2") and f"run folder: runs/{folder.name}" in out
    assert Place(tmp_path).results(folder)["counts"]["train"] == 7


def test_a_diverging_run_is_told(place):
    flags = ["--ratings=ratings.csv", *QUICK, "--optimizer=sgd", "--learning_rate=1e4"]
    message = place.refused("train.py", *flags, "--epochs=30", "--run_dir=wild")
    assert "in epoch " in message and "lower --learning_rate or set --clip_norm" in message
    # half a run is no run to measure
    assert "--run_dir=wild: no run folder" in place.refused("eval.py", "--run_dir=wild")


REFUSED = [
    (["--ratings=ratings.csv", "--dataset=toy"], "--dataset and --ratings each bring ratings"),
    (["--ratings=ratings.csv", "--fold=5"], "fold 5 of 5; folds count from 0 to 4"),
    (["--ratings=ratings.csv", "--fold=0", "--refit"], "--refit needs a validation part"),
    (["--ratings=ratings.csv", "--split=temporal"], "a temporal split needs timestamps"),
    (["--ratings=gone.csv"], "gone.csv: no such file"),
    (["--dataset=toy", "--loss=msee"], "unknown loss 'msee'; did you mean mse"),
    (["--dataset=toy", "--loss=my_losses.py:pow"], "no 'pow' there, only ['power']"),
    (["--dataset=toy", "--loss=gone.py:power"], "/gone.py"),
    (["--dataset=toy", "--loss_args=delta=1"], "loss 'mse' has none, not 'delta'"),
    (["--dataset=toy", "--loss_args=delta"], "'delta' is not name=value"),
    (["--dataset=toy", "--embedding_dim=0"], "--embedding_dim=0: must be at least 1"),
    (["--dataset=toy", "--embedding_dim=2000000000"], "tables of 6 users and items (weights"),
    (["--dataset=toy", "--epochs=9999999999"], "--epochs=9999999999: must be at most 2147483647"),
    (["--dataset=toy", "--cross_validate", "--num_folds=1000000000"], "9 distinct pairs for"),
    (["--dataset=toy", "--optimizer_args=epsilon=nan"], "'epsilon=nan': must be a finite number"),
    (["--dataset=toy", "--optimizer_args=foo=1"], "--optimizer_args for adam: "),
    (["--dataset=toy", "--run_dir=/proc/none"], "--run_dir=/proc/none: "),
    (["--dataset=toy", "--learning_rate=nan"], "--learning_rate=nan: must be a finite number"),
    (["--dataset=toy", "--test_fraction=0.95"], "leave nothing to train on"),
    (["--dataset=toy", "--config=gone.json"], "gone.json: no such file; check the path"),
    (["--dataset=toy", "--run_dir=ratings.csv"], "ratings.csv exists"),
]


@pytest.mark.parametrize("flags, message", REFUSED, ids=[" ".join(flags) for flags, _ in REFUSED])
def test_train_refuses(place, flags, message):
    flags = flags if any("run_dir" in flag for flag in flags) else [*flags, "--run_dir=refused"]
    assert message in place.refused("train.py", *flags)


def test_a_reduced_loss_is_refused_without_traceback(place):
    (place / "reduced.py").write_text(
        "import tensorflow as tf\ndef f(r, p): return tf.reduce_mean(tf.square(r - p))\n"
    )
    flags = ["--dataset=toy", "--loss=reduced.py:f", "--run_dir=reduced"]
    assert "of one value an example and is never reduced" in place.refused("train.py", *flags)


# ---------------------------------------------------------------------------- real processes


@pytest.mark.slow
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
    saved = Place(tmp_path).results("run")
    assert json.loads(measured.stdout)["metrics"]["test"] == saved["metrics"]["test"]


@pytest.mark.slow
@pytest.mark.real_data
def test_movielens_100k_beats_the_biases(real_data_dir, tmp_path):
    place = Place(tmp_path)
    flags = ["--dataset=movielens-100k", f"--data_dir={real_data_dir}", "--embedding_dim=10"]
    results = place.train("run", *flags).results
    counts = results["counts"]
    assert (counts["train"], counts["validation"], counts["test"]) == (80_000, 10_000, 10_000)
    rmse, baselines = results["metrics"]["test"]["rmse"], results["baselines"]
    assert rmse < baselines["biases"]["rmse"] - 0.005
    assert baselines["biases"]["rmse"] < baselines["global_mean"]["rmse"]
    assert 0.85 < rmse < 0.95
    moved = f"--data_dir={real_data_dir}/../{real_data_dir.name}"
    assert place.evaluate("--run_dir=run", moved)["metrics"]["test"] == results["metrics"]["test"]


def test_a_training_is_done_whether_its_table_is_read_or_not(files, tmp_path, monkeypatch):
    class Unread(io.StringIO):
        def write(self, text):
            raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "stdout", Unread())
    flags = [f"--ratings={files}/ratings.csv", *QUICK, "--epochs=1", "--run_dir=run"]
    assert train.main(["train.py", *flags]) == 0
    assert (tmp_path / "run" / "results.json").is_file()

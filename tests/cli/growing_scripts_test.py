"""train.py --init_from: continuing from a run, on a small file of ratings."""

import shutil

import numpy as np
import pytest

import helpers
from helpers import Place
from mfrec import losses
from mfrec.runs.run_folder import RunFolder
from mfrec.serving.recommender import Recommender

FLAGS = ["--item_features=items.csv", "--tensorboard=off"]
FIRST = ["--ratings=first.csv", "--embedding_dim=4", "--batch_size=64", "--nojit_compile"]
FIRST += ["--epochs=20", "--learning_rate=0.03"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """Ratings of 40 users and 30 items, at first those of 36 and 27."""
    folder = tmp_path_factory.mktemp("place")
    data = helpers.planted(40, 30, 900)
    columns = (data.user_ids.tolist(), data.item_ids.tolist(), data.ratings.tolist())
    lines = [(u, i, f"u{u},i{i},{r:.3f}\n") for u, i, r in zip(*columns, strict=True)]
    for name, users, items in (("first.csv", 36, 27), ("all.csv", 40, 30)):
        chosen = [line for u, i, line in lines if u < users and i < items]
        (folder / name).write_text("user,item,rating\n" + "".join(chosen))
    about = [f"i{i},{'abc'[i % 3]}\n" for i in range(30)]
    (folder / "items.csv").write_text("item,sort\n" + "".join(about))
    return Place(folder)


@pytest.fixture(scope="module")
def first(place):
    return place.train("first", *FLAGS, *FIRST)


def losses_of(err):
    return [float(line.split("loss ")[1].split()[0]) for line in err.split("\n") if "loss " in line]


def load_trained(path):
    """The model of a run folder with its optimizer, and its training part."""
    folder = RunFolder(path)
    config, _ = folder.load_config()
    train = folder.load_data()["train"]
    return folder.load_trained(config, losses.get(config.loss.loss), train), train


def test_on_the_same_ratings_it_goes_on_where_it_ended(first, place):
    flags = ["--init_from=first", "--epochs=2", "--learning_rate=1e-9", "--ratings=first.csv"]
    run = place.train("again", *FLAGS, *flags)
    again, err = run.results, run.err
    assert "first: 0 new users, 0 new items" in err and "not held out" not in err
    assert losses_of(err)[0] == pytest.approx(losses_of(first.err)[-1], abs=0.02)
    for part in ("validation", "test"):
        assert again["held_out"][part] == first.results["held_out"][part]
        assert again["metrics"][part]["rmse"] == pytest.approx(
            first.results["metrics"][part]["rmse"], abs=1e-4
        )
    before, after = (load_trained(path)[0] for path in (first.path, run.path))
    for old, new in zip(before.model.variables, after.model.variables, strict=True):
        np.testing.assert_allclose(old, new, atol=1e-5)
    steps = int(before.optimizer.iterations)
    assert steps == first.results["steps"] and again["steps"] > steps


def test_new_rows_follow_and_nothing_learnt_is_tested(first, place):
    run = place.train("grown", *FLAGS, "--init_from=first", "--ratings=all.csv")
    err = run.err
    assert "first: 4 new users, 3 new items" in err or "first: 4 new users, 0 new items" in err
    assert "rows not held out but trained on: the earlier run has learnt them" in err
    (old, old_train), (new, new_train) = map(load_trained, (first.path, run.path))
    assert new_train.users.raw_ids[: old_train.num_users] == old_train.users.raw_ids
    assert new_train.items.raw_ids[: old_train.num_items] == old_train.items.raw_ids
    assert new.model.item_features.names[:3] == old.model.item_features.names
    # settings come from the earlier run
    config, _ = RunFolder(run.path).load_config()
    assert (config.model.embedding_dim, config.training.epochs) == (4, 20)
    again = place.evaluate("--run_dir=grown")
    assert again["metrics"]["test"] == run.results["metrics"]["test"]
    assert len(Recommender.load(run.path).recommend("u39", 3)) == 3


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--embedding_dim=8"], "--embedding_dim=8: the run first was trained with 4; leave it"),
        (["--loss=mae"], "--loss=mae: the run"),
        (["--normalize"], "--normalize=True: the run"),
        (["--nouse_bias"], "--use_bias=False: the run"),
        (["--item_features="], "was trained with item_features; add --item_features=FILE"),
        (["--preset=movielens-1m"], "--init_from brings its run's settings; leave out --preset"),
        (["--refit"], "--refit trains anew and --init_from goes on; leave one out"),
        (["--cross_validate"], "--cross_validate trains anew and --init_from goes on"),
        (["--init_from=nowhere"], "--init_from=nowhere: no run folder: no config.json"),
    ],
)
def test_what_does_not_go_together_is_answered_in_one_line(first, place, flags, message):
    given = ["--init_from=first", "--ratings=all.csv", "--run_dir=none", *FLAGS, *flags]
    code, out, err = place.run("train.py", *given)
    assert code == 2 and not out and not (place / "none").exists()
    assert message.replace("first", str(place / "first")) in err or message in err
    assert err.count("\n") == 1


def test_a_run_without_memory_goes_on_without(first, place):
    found, _ = load_trained(first.path)
    shutil.copytree(first.path, place / "bare", ignore=shutil.ignore_patterns("checkpoints"))
    RunFolder(place / "bare").save_model(found.model, 7)
    flags = ["--init_from=bare", "--ratings=first.csv", "--epochs=1", "--optimizer=sgd"]
    run = place.train("on", *FLAGS, *flags)
    assert "without its optimizer state" in run.err

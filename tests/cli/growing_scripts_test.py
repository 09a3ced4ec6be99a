"""train.py --init_from: continuing from a run, on a small file of ratings."""

import functools
import json

import numpy as np
import pytest

import helpers
from mfrec import losses
from mfrec.runs.run_folder import RunFolder
from mfrec.serving.recommender import Recommender

QUICK = ["--item_features=items.csv", "--tensorboard=off"]
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
    return folder


@pytest.fixture(scope="module")
def run(place):
    return functools.partial(helpers.run_script, place)


@pytest.fixture(scope="module")
def first(run, place):
    code, _, err = run("train.py", *QUICK, *FIRST, "--run_dir=first")
    assert code == 0, err
    return json.loads((place / "first" / "results.json").read_text()), err


def losses_of(err):
    return [float(line.split("loss ")[1].split()[0]) for line in err.split("\n") if "loss " in line]


def trained(folder):
    config, _ = folder.load_config()
    train = folder.load_data()["train"]
    return folder.load_trained(config, losses.get(config.loss.loss), train), train


def test_on_the_same_ratings_it_goes_on_where_it_ended(first, run, place):
    code, out, err = run(
        "train.py",
        *QUICK,
        "--init_from=first",
        "--run_dir=again",
        "--epochs=2",
        "--learning_rate=1e-9",
        "--ratings=first.csv",
    )
    assert code == 0, err
    assert "first: 0 new users, 0 new items" in err and "not held out" not in err
    assert losses_of(err)[0] == pytest.approx(losses_of(first[1])[-1], abs=0.02)
    again = json.loads((place / "again" / "results.json").read_text())
    for part in ("validation", "test"):
        assert again["held_out"][part] == first[0]["held_out"][part]
        assert again["metrics"][part]["rmse"] == pytest.approx(
            first[0]["metrics"][part]["rmse"], abs=1e-4
        )
    before, after = (trained(RunFolder(place / name))[0] for name in ("first", "again"))
    for old, new in zip(before.model.variables, after.model.variables, strict=True):
        np.testing.assert_allclose(old, new, atol=1e-5)
    steps = int(before.optimizer.iterations)
    assert steps == first[0]["steps"] and again["steps"] > steps


def test_new_rows_follow_and_nothing_learnt_is_tested(first, run, place):
    code, out, err = run(
        "train.py", *QUICK, "--init_from=first", "--ratings=all.csv", "--run_dir=grown"
    )
    assert code == 0, err
    assert "first: 4 new users, 3 new items" in err or "first: 4 new users, 0 new items" in err
    assert "rows not held out but trained on: the earlier run has learnt them" in err
    (old, old_train), (new, new_train) = (
        trained(RunFolder(place / name)) for name in ("first", "grown")
    )
    assert new_train.users.raw_ids[: old_train.num_users] == old_train.users.raw_ids
    assert new_train.items.raw_ids[: old_train.num_items] == old_train.items.raw_ids
    assert new.model.item_features.names[:3] == old.model.item_features.names
    # settings come from the earlier run
    config, _ = RunFolder(place / "grown").load_config()
    assert (config.model.embedding_dim, config.training.epochs) == (4, 20)
    results = json.loads((place / "grown" / "results.json").read_text())
    code, out, err = run("eval.py", "--run_dir=grown", "--output=json")
    assert code == 0, err
    assert json.loads(out)["metrics"]["test"] == results["metrics"]["test"]
    assert len(Recommender.load(place / "grown").recommend("u39", 3)) == 3


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
def test_what_does_not_go_together_is_answered_in_one_line(first, run, place, flags, message):
    given = ["--init_from=first", "--ratings=all.csv", "--run_dir=none", *QUICK, *flags]
    code, out, err = run("train.py", *given)
    assert code == 2 and not out and not (place / "none").exists()
    assert message.replace("first", str(place / "first")) in err or message in err
    assert err.count("\n") == 1


def test_a_run_without_memory_goes_on_without(first, run, place):
    folder = RunFolder(place / "first")
    (found, _), kept = trained(folder), place / "bare"
    kept.mkdir()
    for file in (place / "first").iterdir():
        if file.is_file():
            (kept / file.name).write_bytes(file.read_bytes())
    RunFolder(kept).save_model(found.model, 7)
    code, _, err = run(
        "train.py",
        *QUICK,
        "--init_from=bare",
        "--ratings=first.csv",
        "--run_dir=on",
        "--epochs=1",
        "--optimizer=sgd",
    )
    assert code == 0, err
    assert "without its optimizer state" in err

"""train.py and eval.py with features of users and items, on a small file of ratings."""

import shutil

import numpy as np
import pytest

import helpers
from helpers import Place
from mfrec.runs.run_folder import RunFolder

FLAGS = ["--ratings=ratings.csv", "--item_features=items.csv", "--embedding_dim=4"]
FLAGS += ["--batch_size=64", "--nojit_compile", "--epochs=6"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """60 users like the items, of 80, that are as odd as they are; of two more nobody knows."""
    folder = tmp_path_factory.mktemp("place")
    helpers.write_two_tastes(folder)
    about = [f"item{i},{'odd' if i % 2 else 'even'}" for i in range(82) if i != 7]
    (folder / "items.csv").write_text("item,sort\n" + "\n".join(about) + "\n")
    about = [f"user{u}|{'odd' if u % 2 else 'even'}|{u % 4}" for u in range(60)]
    (folder / "users.txt").write_text("user|sort|rest\n" + "\n".join(about) + "\n")
    return Place(folder)


@pytest.fixture(scope="module")
def cold(place):
    flags = ["--loss=bpr", "--learning_rate=0.05", "--split=held_out_items"]
    return place.train("cold", *FLAGS, *flags)


def test_new_items_are_ranked_among_themselves_by_their_features(cold):
    results, out, err = cold.results, cold.out, cold.err
    assert "held_out_items 80/10/10, seed 0" in results["split"]
    assert "8 items held out for validation, 8 for the test" in err
    assert "18 items of the catalogue in no training row" in err
    assert "item features: 2 from " in err and "item7" not in out
    assert results["protocol"]["test"].startswith("8 candidates of 82 items; ")
    test, others = results["metrics"]["test"], results["baselines"]
    # what can be told is which half of the eight is liked, not which half of that is the user's
    assert test["auc"] > 0.8 > 0.6 > others["random"]["auc"]
    assert test["ndcg@10"] > others["popularity"]["ndcg@10"] + 0.1
    assert others["popularity"]["auc"] == pytest.approx(0.5)


def test_a_run_folder_needs_no_file_of_features(cold, place):
    (place / "items.csv").rename(place / "moved.csv")
    try:
        again = place.evaluate("--run_dir=cold")
    finally:
        (place / "moved.csv").rename(place / "items.csv")
    assert again["metrics"]["test"] == cold.results["metrics"]["test"]
    assert again["protocol"]["test"] == cold.results["protocol"]["test"]


def test_ratings_of_users_and_items_with_features(place):
    flags = ["--user_features=users.txt", "--seed=1", "--refit", "--no_item_ids"]
    both = place.train("both", *FLAGS, *flags, "--learning_rate=0.05")
    results, err = both.results, both.err
    assert "user features: 6 from " in err and "items of training are not in it" in err
    # users and their features, of items the features alone: rows of 4 and a bias
    assert results["parameters"] == (60 + 6 + 2) * 5
    # a user's ratings are all alike, and as even or odd as the items
    assert results["metrics"]["test"]["rmse"] < 0.5
    config, _ = RunFolder(both.path).load_config()
    train = RunFolder(both.path).load_data()["train"]
    assert not config.model.item_ids and config.data.user_features == str(place / "users.txt")
    assert place.evaluate("--run_dir=both")["metrics"]["test"] == results["metrics"]["test"]
    assert train.num_items == 82


@pytest.mark.parametrize(
    "content, message",
    [(None, "copy/item_features.npz: no such file"), (b"PK", "item_features.npz: no readable")],
)
def test_broken_features_of_a_run_are_answered_in_one_line(cold, tmp_path, content, message):
    shutil.copytree(cold.path, tmp_path / "copy")
    path = tmp_path / "copy" / "item_features.npz"
    path.unlink()
    if content:
        path.write_bytes(content)
    code, out, err = Place(tmp_path).run("eval.py", "--run_dir=copy")
    assert code == 2 and not out and message in err and err.count("\n") == 1


def test_features_of_another_vocabulary_are_answered_in_one_line(cold, tmp_path):
    shutil.copytree(cold.path, tmp_path / "copy")
    path = tmp_path / "copy" / "item_features.npz"
    with np.load(path) as arrays:
        names, ids, values = (arrays[name] for name in ("names", "ids", "values"))
    changed = {"names": names, "ids": ids[1:], "values": values[1:]}
    RunFolder(tmp_path / "copy")._write_arrays(path.name, changed)
    code, _, err = Place(tmp_path).run("eval.py", "--run_dir=copy")
    assert code == 2 and "features of 81 rows, the run has 82; restore the file" in err


def test_bad_files_leave_nothing_behind(place):
    (place / "double.csv").write_text("item,sort\nitem1,odd\nitem3,odd\nitem1,even\n")
    code, out, err = place.run("train.py", *FLAGS, "--item_features=double.csv", "--run_dir=none")
    assert code == 2 and not out and not (place / "none").exists()
    assert "double.csv:4: item 'item1' has line 2 already" in err and err.count("\n") == 1

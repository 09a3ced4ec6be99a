"""A small file of ratings, and runs trained on it, for the tests of train.py and eval.py."""

import shutil

import numpy as np
import pytest

import helpers
from helpers import PARTS, QUICK, Place

MY_LOSSES = """
import tensorflow as tf

def power(ratings, predictions, exponent=2.0):
    return tf.abs(ratings - predictions) ** exponent
"""


@pytest.fixture(scope="session")
def files(tmp_path_factory):
    """A folder with ratings.csv of 1,200 rows, cut into train.csv, valid.csv and test.csv.

    The test part holds one user and two items that the training part lacks, and a pair that it
    has. Nothing is written to this folder.
    """
    folder = tmp_path_factory.mktemp("files")
    data = helpers.planted(50, 40, 1_200, rank=2)
    ratings = np.clip(np.round(2 * data.ratings) / 2, 1, 5)
    pairs = zip(data.user_ids.tolist(), data.item_ids.tolist(), ratings.tolist(), strict=True)
    rows = [(f"user{u}", f"item{i}", r) for u, i, r in pairs]
    strangers = [("stranger", "item0", 4.0), ("stranger", "new1", 2.0), ("user1", "new2", 5.0)]
    helpers.write_rows(folder / "ratings.csv", rows)
    helpers.write_rows(folder / "train.csv", rows[:900])
    helpers.write_rows(folder / "valid.csv", rows[900:1_000])
    helpers.write_rows(folder / "test.csv", [*rows[1_000:], *strangers, rows[0]])
    (folder / "my_losses.py").write_text(MY_LOSSES)
    return folder


@pytest.fixture
def place(files, tmp_path):
    """A folder of the test's own with a copy of the files."""
    shutil.copytree(files, tmp_path, dirs_exist_ok=True)
    return Place(tmp_path)


@pytest.fixture(scope="session")
def trained(files, tmp_path_factory):
    """One run on ratings.csv, compiled; only read."""
    folder = tmp_path_factory.mktemp("trained")
    flags = [f"--ratings={files}/ratings.csv", *QUICK[:-1], "--epochs=4", "--steps_per_loop=3"]
    return Place(folder).train("first", *flags)


@pytest.fixture(scope="session")
def ready_made(files, tmp_path_factory):
    """One run on ready-made parts; only read."""
    folder = tmp_path_factory.mktemp("ready_made")
    parts = [flag.replace("=", f"={files}/") for flag in PARTS]
    return Place(folder).train("parts", *parts, *QUICK, "--epochs=2")

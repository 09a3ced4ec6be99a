"""The item table for TensorBoard's projector, with what is known of the items."""

import dataclasses

import numpy as np
import pytest

import helpers
from mfrec.data.interactions import Vocabulary
from mfrec.tensorboard import projector


@pytest.fixture
def train():
    """Items 0 to 3 have one, three, no and two ratings."""
    train = helpers.interactions([0, 0, 1, 2, 0, 1], [0, 1, 1, 1, 3, 3], [4, 1, 2, 5, 5, 4], 3, 4)
    titles = ("Twelve\tMonkeys", "Brazil\n(1985)", "unrated", "")
    return dataclasses.replace(train, items=Vocabulary(("a", "b", "c", "007"), titles))


EMBEDDING = np.array([[1, 0.5], [2, 1e-7], [3, 3], [-1 / 3, 4]], np.float32)


def written(folder):
    lines = (folder / "metadata.tsv").read_text(encoding="utf-8").split("\n")[:-1]
    vectors = np.loadtxt(folder / "item_embedding.tsv", ndmin=2)
    return [line.split("\t") for line in lines], vectors


def test_items_by_number_of_ratings_with_what_is_known_of_them(tmp_path, train):
    projector.write(tmp_path, EMBEDDING, train)
    (header, *rows), vectors = written(tmp_path)
    assert header == ["title", "item_id", "num_ratings", "log10_ratings", "mean_rating"]
    # tabs and line ends would shift everything behind them
    assert rows == [
        ["Brazil (1985)", "b", "3", "0.477", "2.6667"],
        ["007", "007", "2", "0.301", "4.5000"],
        ["Twelve Monkeys", "a", "1", "0.000", "4.0000"],
    ]
    np.testing.assert_allclose(vectors, EMBEDDING[[1, 3, 0]], rtol=1e-5)


def test_titles_do_not_act(tmp_path, train):
    items = dataclasses.replace(train.items, labels=("\x1b[2J", "\u202ea", "", ""))
    projector.write(tmp_path, EMBEDDING, dataclasses.replace(train, items=items))
    (_, *rows), _ = written(tmp_path)
    assert [row[0] for row in rows] == [r"\u202ea", "007", r"\u001b[2J"]


def test_genres_to_colour_by_and_to_search(tmp_path, train):
    genres = ("Sci-Fi|Drama", "Comedy", "Drama", "")
    items = dataclasses.replace(train.items, genres=genres)
    projector.write(tmp_path, EMBEDDING, dataclasses.replace(train, items=items))
    (header, *rows), _ = written(tmp_path)
    assert header[:4] == ["title", "genre", "genres", "item_id"]
    assert [row[:4] for row in rows] == [
        ["Brazil (1985)", "Comedy", "Comedy", "b"],
        ["007", "", "", "007"],
        ["Twelve Monkeys", "Sci-Fi", "Sci-Fi|Drama", "a"],
    ]


def test_only_the_most_rated_are_written(tmp_path, train, monkeypatch):
    monkeypatch.setattr(projector, "MAX_ITEMS", 2)
    projector.write(tmp_path, EMBEDDING, train)
    (_, *rows), vectors = written(tmp_path)
    assert [row[1] for row in rows] == ["b", "007"] and len(vectors) == 2

"""300 ratings of 20 users and 18 items in a file, and settings that train on them in a moment."""

import pytest

import helpers
from mfrec.config.settings import Config
from mfrec.data import loading


@pytest.fixture(scope="session")
def rows():
    """(user, item, rating) of every line of the file."""
    data = helpers.planted(20, 18, 300, rank=2)
    columns = (data.user_ids.tolist(), data.item_ids.tolist(), data.ratings.round(2).tolist())
    return [(f"u{u}", f"i{i}", r) for u, i, r in zip(*columns, strict=True)]


@pytest.fixture(scope="session")
def config(rows, tmp_path_factory):
    path = tmp_path_factory.mktemp("data") / "ratings.csv"
    helpers.write_rows(path, rows)
    return Config().replace(
        {
            "ratings": str(path),
            "embedding_dim": 2,
            "batch_size": 100,
            "learning_rate": 0.05,
            "epochs": 3,
            "early_stopping_patience": 0,
            "run_eagerly": True,
            "tensorboard": "off",
        }
    )


@pytest.fixture(scope="session")
def source(config):
    return loading.load(config.data)

import os

import pytest

from mfrec.config import Config
from mfrec.data import datasets, loading
from mfrec.errors import InputError


def settings(**values):
    return Config().replace({"data_dir": "/nowhere"} | values)


@pytest.fixture
def files(tmp_path):
    """Paths of a file of ten ratings, and of ready-made parts of six, two and three."""
    rows = [(f"u{n % 4}", f"i{n // 2}", 1 + n % 5) for n in range(10)]
    parts = {"all": rows, "train": rows[:6], "valid": rows[6:8], "test": [*rows[8:], ("s", "t", 5)]}
    paths = {}
    for name, part in parts.items():
        paths[name] = str(tmp_path / f"{name}.csv")
        lines = [f"{user},{item},{rating}\n" for user, item, rating in part]
        with open(paths[name], "w") as file:
            file.writelines(["user,item,rating\n", *lines])
    return paths


def test_who_names_nothing_gets_the_default_set_and_is_told(monkeypatch, capsys):
    asked = []

    def choose_default(data_dir):
        asked.append(data_dir)
        return "toy", "found nowhere else"

    monkeypatch.setattr(datasets, "choose_default", choose_default)
    config = loading.choose(Config().replace({"data_dir": "here"}))
    assert config.data.dataset == "toy"
    assert config.data.data_dir == os.path.abspath("here") and asked == ["here"]
    assert "taking toy (found nowhere else)" in capsys.readouterr().err


def test_the_data_folder_is_written_down(monkeypatch, capsys):
    monkeypatch.setenv("MFREC_DATA_DIR", "/some/where")
    assert loading.choose(Config().replace({"dataset": "toy"})).data.data_dir == "/some/where"
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    "values, message",
    [
        ({"dataset": "toy", "ratings": "x"}, "--dataset and --ratings each bring ratings"),
        ({"dataset": "toy", "test_ratings": "x"}, "--dataset and --train_ratings each bring"),
        ({"ratings": "x", "train_ratings": "y"}, "--ratings and --train_ratings each bring"),
        ({"test_ratings": "x"}, "ready-made parts need --train_ratings"),
        ({"validation_ratings": "x"}, "ready-made parts need --train_ratings"),
        ({"dataset": "toy", "fold": 0, "cross_validate": True}, "--cross_validate and --fold each"),
        ({"dataset": "toy", "fold": 0, "split": "u1"}, "--fold and --split=u1 each define"),
        ({"train_ratings": "x", "cross_validate": True}, "--cross_validate and --train_ratings"),
        ({"ratings": "x", "split": "u1"}, "--split=u1 belongs to a named data set"),
        ({"train_ratings": "x", "refit": True}, "--refit needs a validation part"),
        ({"dataset": "toy", "fold": 1, "refit": True}, "--refit needs a validation part"),
        ({"dataset": "toy", "validation_fraction": 0.0, "refit": True}, "--refit needs"),
    ],
)
def test_contradictions_are_refused(values, message):
    with pytest.raises(InputError) as error:
        loading.choose(settings(**values))
    assert message in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize(
    "values",
    [
        {"dataset": "toy", "refit": True},
        {"dataset": "toy", "fold": 0, "validation_fraction": 0.1, "refit": True},
        {"train_ratings": "x", "validation_ratings": "y", "refit": True},
        {"train_ratings": "x", "validation_fraction": 0.1, "refit": True},
        {"dataset": "movielens-100k", "split": "u1"},
        {"train_ratings": "x"},
        {"dataset": "toy", "cross_validate": True},
    ],
)
def test_what_fits_together_is_accepted(values):
    chosen = loading.choose(settings(**values))
    assert chosen == settings(**values)


def test_loads_a_named_set():
    source = loading.load(settings(dataset="toy").data)
    assert source.name == "toy" and list(source.parts) == ["all"]
    assert len(source.parts["all"]) == 9


def test_loads_files_and_is_named_after_them(files):
    source = loading.load(settings(ratings=files["all"]).data)
    assert source.name == "all" and len(source.parts["all"]) == 10
    source = loading.load(
        settings(
            train_ratings=files["train"],
            validation_ratings=files["valid"],
            test_ratings=files["test"],
        ).data
    )
    assert source.name == "train"
    assert {name: len(part) for name, part in source.parts.items()} == {
        "train": 6,
        "validation": 2,
        "test": 3,
    }
    with pytest.raises(InputError, match="gone.csv: no such file"):
        loading.load(settings(ratings="gone.csv").data)


def sizes(config):
    counts = loading.split(loading.load(config.data), config).counts
    return counts["train"], counts["validation"], counts["test"]


def test_random_split(files):
    ratings = files["all"]
    assert sizes(settings(ratings=ratings)) == (8, 1, 1)
    assert sizes(settings(ratings=ratings, validation_fraction=0.0)) == (9, 0, 1)
    values = {"validation_fraction": 0.2, "test_fraction": 0.3}
    assert sizes(settings(ratings=ratings, **values)) == (5, 2, 3)
    assert loading.describe(settings(ratings=ratings)) == "random 80/10/10, seed 0"
    config = settings(ratings=ratings, seed=7, **values)
    assert loading.describe(config) == "random 50/20/30, seed 7"


def test_folds_have_no_validation_part_unless_asked(files):
    config = settings(ratings=files["all"], fold=1, num_folds=2)
    assert sizes(config) == (5, 0, 5)
    assert loading.describe(config) == "fold 1 of 2, seed 0"
    config = config.replace({"validation_fraction": 0.2})
    assert sizes(config) == (4, 1, 5)
    assert loading.describe(config) == "fold 1 of 2, seed 0, 0.2 of it for validation"
    config = settings(ratings=files["all"], cross_validate=True, seed=3)
    assert loading.describe(config) == "5 random folds, seed 3"


def test_seed_and_fold_choose_the_test_part(files):
    def test_rows(**values):
        config = settings(ratings=files["all"], **values)
        split = loading.split(loading.load(config.data), config)
        return set(zip(*split.raw_pairs("test"), strict=True))

    first, second = (test_rows(fold=fold, num_folds=2) for fold in (0, 1))
    assert len(first | second) == 10
    assert test_rows(fold=0, num_folds=2, seed=1) != first
    assert test_rows(test_fraction=0.5) != test_rows(test_fraction=0.5, seed=1)


def test_ready_made_parts(files):
    parts = {"train_ratings": files["train"], "test_ratings": files["test"]}
    config = settings(**parts)
    assert sizes(config) == (6, 0, 3)
    assert loading.describe(config) == "ready-made"
    # a third of six rows
    config = settings(**parts, validation_fraction=1 / 3)
    assert sizes(config) == (4, 2, 3)
    config = settings(**parts, validation_ratings=files["valid"])
    assert sizes(config) == (6, 2, 3)


def test_a_split_that_the_set_does_not_have():
    config = settings(dataset="toy", split="u1")
    with pytest.raises(InputError, match="toy has no predefined split 'u1'"):
        loading.split(loading.load(config.data), config)


@pytest.mark.real_data
def test_u1_is_eighty_to_twenty_thousand(real_data_dir):
    config = settings(dataset="movielens-100k", data_dir=str(real_data_dir), split="u1")
    counts = loading.split(loading.load(config.data), config).counts
    assert (counts["train"], counts["validation"], counts["test"]) == (80_000, 0, 20_000)
    assert (counts["users"], counts["items"]) == (943, 1_650)
    assert (counts["unknown_users"], counts["unknown_items"], counts["overlap"]) == (0, 32, 0)
    assert loading.describe(config) == "u1"
    config = config.replace({"validation_fraction": 0.1})
    assert sizes(config) == (72_000, 8_000, 20_000)
    assert loading.describe(config) == "u1, 0.1 of it for validation"

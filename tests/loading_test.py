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
        ({"ratings": "x", "split": "u1"}, "--split=u1: a file of ratings has no such split"),
        ({"dataset": "toy", "split": "u1"}, "--split=u1: toy has no such split; there are: random"),
        ({"dataset": "movielens-100k", "split": "peruser"}, "did you mean per_user?"),
        ({"dataset": "toy", "split": "temporal", "cross_validate": True}, "--split=temporal each"),
        ({"train_ratings": "x", "split": "per_user"}, "--split=per_user and --train_ratings each"),
        ({"dataset": "toy", "fold_by": "users"}, "--fold_by=users needs folds"),
        ({"dataset": "toy", "fold": 0, "test_fraction": 0.1}, "means nothing with --fold;"),
        ({"train_ratings": "x", "test_fraction": 0.1}, "means nothing with --train_ratings;"),
        (
            {"dataset": "movielens-100k", "split": "u1", "test_fraction": 0.1},
            "--test_fraction means nothing with --split=u1;",
        ),
        (
            {"dataset": "toy", "split": "leave_last_out", "test_fraction": 0.2},
            "--test_fraction means nothing with --split=leave_last_out;",
        ),
        (
            {"dataset": "toy", "split": "leave_last_out", "validation_fraction": 0.1},
            "takes one rating of each user for validation",
        ),
        (
            {"dataset": "toy", "fold": 0, "fold_by": "users", "test_fraction": 0.0},
            "--test_fraction=0 leaves nothing to test",
        ),
        (
            {"dataset": "toy", "split": "temporal", "validation_fraction": 0.0, "refit": True},
            "leave out --validation_fraction=0",
        ),
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
        {"dataset": "toy", "cross_validate": True, "fold_by": "users", "test_fraction": 0.2},
        {"dataset": "toy", "split": "leave_last_out", "refit": True},
        {"dataset": "toy", "split": "leave_last_out", "validation_fraction": 0.0},
        {"dataset": "toy", "split": "temporal", "test_fraction": 0.2, "validation_fraction": 0.2},
        {"ratings": "x", "split": "per_user", "refit": True},
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


def raw_rows(data):
    users = [data.users.raw_ids[user] for user in data.user_ids]
    items = [data.items.raw_ids[item] for item in data.item_ids]
    return list(zip(users, items, data.ratings.tolist(), strict=True))


def test_the_columns_hold_for_every_file(tmp_path):
    for name in ("train", "test"):
        (tmp_path / name).write_text("w;who;what;how\n9;a;x;3\n8;b;x;4\n")
    parts = {"train_ratings": str(tmp_path / "train"), "test_ratings": str(tmp_path / "test")}
    columns = {"user_column": "who", "item_column": "2", "rating_column": "w", "delimiter": ";"}
    source = loading.load(settings(**parts, **columns).data)
    expected = [("a", "x", 9), ("b", "x", 8)]
    assert [raw_rows(part) for part in source.parts.values()] == [expected, expected]


def test_files_may_be_matrices(tmp_path):
    (tmp_path / "m.txt").write_text("5 ? 3\n? 1 2\n")
    data = settings(ratings=str(tmp_path / "m.txt"), ratings_format="matrix").data
    [part] = loading.load(data).parts.values()
    assert raw_rows(part) == [("0", "0", 5), ("0", "2", 3), ("1", "1", 1), ("1", "2", 2)]


def test_labels_come_from_a_file_and_stay_through_the_split(files, tmp_path):
    path = tmp_path / "items.csv"
    path.write_text("item_id,title,genres\ni0,Heat,Crime|Drama\ni1,Kolya,\ni9,Unseen,Comedy\n")
    config = settings(ratings=files["all"], item_labels=str(path), validation_fraction=0.2)
    split = loading.split(loading.load(config.data), config)
    for part in (split.train, split.with_validation_in_training().train):
        found = dict(zip(part.items.raw_ids, part.items.labels, strict=True))
        genres = dict(zip(part.items.raw_ids, part.items.genres, strict=True))
        assert (found["i0"], found["i1"], found["i2"]) == ("Heat", "Kolya", "")
        assert (genres["i0"], genres["i1"], genres["i2"]) == ("Crime|Drama", "", "")
    toy = settings(dataset="toy", item_labels=str(tmp_path / "toy.tsv"))
    (tmp_path / "toy.tsv").write_text("item2\tTwo\n")
    assert loading.load(toy.data).parts["all"].items.labels == ("", "Two", "")


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


def test_splits_that_look_at_users_and_times(tmp_path):
    # ten ratings of each of three users, one user after the other, at times 0 to 29
    path = tmp_path / "timed.csv"
    rows = [f"u{n // 10},i{n % 10},3,{n}\n" for n in range(30)]
    path.write_text("user,item,rating,timestamp\n" + "".join(rows))

    def described(**values):
        config = settings(ratings=str(path), **values)
        return sizes(config), loading.describe(config)

    assert described(split="per_user") == ((24, 3, 3), "per_user 80/10/10, seed 0")
    shares = {"test_fraction": 0.2, "validation_fraction": 0.0}
    assert described(split="per_user", **shares) == ((24, 0, 6), "per_user 80/0/20, seed 0")
    assert described(split="temporal", seed=1) == ((24, 3, 3), "temporal 80/10/10")
    assert described(split="temporal", **shares) == ((24, 0, 6), "temporal 80/0/20")
    validated = "leave_last_out, the one before for validation"
    assert described(split="leave_last_out") == ((24, 3, 3), validated)
    without = {"split": "leave_last_out", "validation_fraction": 0.0}
    assert described(**without) == ((27, 0, 3), "leave_last_out")
    by_users = {"fold_by": "users", "fold": 1, "num_folds": 3}
    name = "fold 1 of 3 by users, 0.1 of each tested, seed 0"
    assert described(**by_users) == ((29, 0, 1), name)
    name = "fold 1 of 3 by users, 0.5 of each tested, seed 0, 0.1 of it for validation"
    # what is left are 5, 10 and 10: a tenth of 5 is rounded to none
    by_users |= {"test_fraction": 0.5, "validation_fraction": 0.1}
    assert described(**by_users) == ((23, 2, 5), name)
    config = settings(ratings="x", cross_validate=True, fold_by="users", seed=3)
    assert loading.describe(config) == "5 random folds by users, 0.1 of each tested, seed 3"


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


@pytest.mark.real_data
def test_leave_last_out_of_movielens_100k(real_data_dir):
    values = {"dataset": "movielens-100k", "data_dir": str(real_data_dir)}
    config = settings(**values, split="leave_last_out")
    source = loading.load(config.data)
    split = loading.split(source, config)
    counts = split.counts
    assert (counts["train"], counts["validation"], counts["test"]) == (98_114, 943, 943)
    assert counts["untested_users"] == 0 and counts["overlap"] == 0
    # the file's own lines, one user after the other, in time; sorted() keeps the order of ties
    latest = {}
    for line in (real_data_dir / "ml-100k" / "u.data").read_text().splitlines():
        user, item, _, time = line.split("\t")
        latest.setdefault(user, []).append((int(time), item))
    latest = {user: sorted(rows, key=lambda row: row[0])[-2:] for user, rows in latest.items()}
    for part, place in (("validation", 0), ("test", 1)):
        found = dict(zip(*split.raw_pairs(part), strict=True))
        assert found == {user: rows[place][1] for user, rows in latest.items()}

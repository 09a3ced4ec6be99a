"""Settings into a split: which are refused, what each cuts, and its name."""

import numpy as np
import pytest

from mfrec.config.settings import Config
from mfrec.data import loading, splitting
from mfrec.errors import InputError


def has_ratings(source):
    return all(part.has_ratings for part in source.parts.values())


def settings(**values):
    return Config().replace({"data_dir": "/nowhere"} | values)


def complete(config):
    """The settings as train.py completes them."""
    return splitting.complete(loading.complete(config))


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
        ({"dataset": "toy", "weight_column": "n"}, "--weight_column is about files of ratings"),
        (
            {"ratings": "x", "weight_transform": "log1p"},
            "--weight_transform=log1p needs weights; name their column by --weight_column",
        ),
        (
            {"ratings": "x", "ratings_format": "adjacency", "weight_column": "n"},
            "--weight_column means nothing with --ratings_format=adjacency",
        ),
        (
            {"train_ratings": "x", "min_user_interactions": 5},
            "--min_user_interactions=5 would take rows out of a split that is made already (ready",
        ),
        (
            {"dataset": "movielens-100k", "split": "u1", "min_item_interactions": 2},
            "--min_item_interactions=2 would take rows out of a split that is made already (u1)",
        ),
        ({"dataset": "gowalla", "min_item_interactions": 2}, "made already (published)"),
        ({"dataset": "toy", "split": "held_out_items"}, "add --item_features=FILE"),
        (
            {"dataset": "toy", "fold_in_fraction": 0.5},
            "--fold_in_fraction means nothing with --split=",
        ),
        (
            {"dataset": "toy", "split": "held_out_users", "candidates": "x"},
            "--candidates with --split=held_out_users",
        ),
        (
            {"dataset": "toy", "split": "held_out_users", "init_from": "x"},
            "--init_from with --split=held_out_users",
        ),
        ({"dataset": "toy", "item_ids": False}, "--noitem_ids leaves items nothing but features"),
        ({"dataset": "toy", "user_ids": False}, "add --user_features=FILE"),
    ],
)
def test_contradictions_are_refused(values, message):
    with pytest.raises(InputError) as error:
        complete(settings(**values))
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
        {"ratings": "x", "weight_column": "n", "weight_transform": "log1p"},
        {"dataset": "toy", "fold": 0, "min_user_interactions": 5, "min_item_interactions": 5},
        {"train_ratings": "x", "min_rating": 4.0, "min_user_interactions": 1},
    ],
)
def test_what_fits_together_is_accepted(values):
    chosen = complete(settings(**values))
    # which split it is gets written down where no other flag says so
    otherwise = {"fold", "cross_validate", "train_ratings"} & set(values)
    assert chosen == settings(**({} if otherwise else {"split": "random"}) | values)


def test_a_set_that_came_as_parts_is_split_so_by_default():
    assert complete(settings(dataset="gowalla")).split.split == "published"
    assert splitting.describe(settings(dataset="gowalla")) == "published"
    chosen = complete(settings(dataset="gowalla", split="random"))
    assert splitting.describe(chosen) == "random 80/10/10, seed 0"
    chosen = complete(settings(dataset="gowalla", fold=0))
    assert splitting.describe(chosen) == "fold 0 of 5, seed 0"
    assert complete(chosen) == chosen
    chosen = complete(settings(dataset="gowalla", validation_fraction=0.1))
    assert splitting.describe(chosen) == "published, 0.1 of it for validation"
    with pytest.raises(InputError, match="--test_fraction means nothing with --split=published;"):
        complete(settings(dataset="gowalla", test_fraction=0.1))


def raw_rows(data):
    users = [data.users.raw_ids[user] for user in data.user_ids]
    items = [data.items.raw_ids[item] for item in data.item_ids]
    return list(zip(users, items, data.ratings.tolist(), strict=True))


def test_labels_come_from_a_file_and_stay_through_the_split(files, tmp_path):
    path = tmp_path / "items.csv"
    path.write_text("item_id,title,genres\ni0,Heat,Crime|Drama\ni1,Kolya,\ni9,Unseen,Comedy\n")
    config = settings(ratings=files["all"], item_labels=str(path), validation_fraction=0.2)
    split = splitting.split(loading.load(config.data), config)
    for part in (split.train, split.recipe.with_validation_in_training().encode().train):
        found = dict(zip(part.items.raw_ids, part.items.labels, strict=True))
        genres = dict(zip(part.items.raw_ids, part.items.genres, strict=True))
        assert (found["i0"], found["i1"], found["i2"]) == ("Heat", "Kolya", "")
        assert (genres["i0"], genres["i1"], genres["i2"]) == ("Crime|Drama", "", "")
    toy = settings(dataset="toy", item_labels=str(tmp_path / "toy.tsv"))
    (tmp_path / "toy.tsv").write_text("item2\tTwo\n")
    assert loading.load(toy.data).parts["all"].items.labels == ("", "Two", "")


def sizes(config):
    counts = splitting.split(loading.load(config.data), config).counts
    return counts["train"], counts["validation"], counts["test"]


def test_random_split(files):
    ratings = files["all"]
    assert sizes(settings(ratings=ratings)) == (8, 1, 1)
    assert sizes(settings(ratings=ratings, validation_fraction=0.0)) == (9, 0, 1)
    values = {"validation_fraction": 0.2, "test_fraction": 0.3}
    assert sizes(settings(ratings=ratings, **values)) == (5, 2, 3)
    assert splitting.describe(settings(ratings=ratings)) == "random 80/10/10, seed 0"
    config = settings(ratings=ratings, seed=7, **values)
    assert splitting.describe(config) == "random 50/20/30, seed 7"


def test_folds_have_no_validation_part_unless_asked(files):
    config = settings(ratings=files["all"], fold=1, num_folds=2)
    assert sizes(config) == (5, 0, 5)
    assert splitting.describe(config) == "fold 1 of 2, seed 0"
    config = config.replace({"validation_fraction": 0.2})
    assert sizes(config) == (4, 1, 5)
    assert splitting.describe(config) == "fold 1 of 2, seed 0, 0.2 of it for validation"
    config = settings(ratings=files["all"], cross_validate=True, seed=3)
    assert splitting.describe(config) == "5 random folds, seed 3"


def test_seed_and_fold_choose_the_test_part(files):
    def test_rows(**values):
        config = settings(ratings=files["all"], **values)
        split = splitting.split(loading.load(config.data), config)
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
        return sizes(config), splitting.describe(config)

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
    assert splitting.describe(config) == "5 random folds by users, 0.1 of each tested, seed 3"


def test_ready_made_parts(files):
    parts = {"train_ratings": files["train"], "test_ratings": files["test"]}
    config = settings(**parts)
    assert sizes(config) == (6, 0, 3)
    assert splitting.describe(config) == "ready-made"
    # a third of six rows
    config = settings(**parts, validation_fraction=1 / 3)
    assert sizes(config) == (4, 2, 3)
    config = settings(**parts, validation_ratings=files["valid"])
    assert sizes(config) == (6, 2, 3)


def test_a_split_that_the_set_does_not_have():
    config = settings(dataset="toy", split="u1")
    with pytest.raises(InputError, match="toy has no predefined split 'u1'"):
        splitting.split(loading.load(config.data), config)


def written(folder, **files):
    """The paths of these files, by their names."""
    for name, content in files.items():
        (folder / name).write_text(content)
    return {name: str(folder / name) for name in files}


def test_rows_are_chosen_before_they_are_cut(tmp_path):
    lines = ["user,item,rating", *(f"u{n % 10},i{n % 7},{1 + n % 5}" for n in range(70))]
    paths = written(tmp_path, all="\n".join([*lines, "u0,i0,1", "u99,i0,5"]))
    config = settings(ratings=paths["all"], min_rating=2.0, min_user_interactions=3)
    split = splitting.split(loading.load(config.data), config)
    # the last rating of (u0, i0) is 1, as are all of u0 and u5, two of ten; u99 has one row
    assert (split.counts["train"], split.counts["validation"], split.counts["test"]) == (44, 6, 6)
    assert split.counts["repeated_pairs"] == 1
    assert split.notes[:3] == (
        "1 repeated pair dropped: the last rating is kept",
        "14 of 71 pairs dropped: rated below 2",
        "1 of 9 users, 0 of 7 items and 1 of 57 pairs dropped, so that every user has 3 or more",
    )
    assert min(part.ratings.min() for part in (split.train, split.validation, split.test)) == 2


def test_ready_made_parts_are_chosen_from_each_by_itself(tmp_path):
    parts = written(tmp_path, train="a,x,5\na,y,1\nb,x,4\n", test="b,y,5\na,y,3\n")
    config = settings(train_ratings=parts["train"], test_ratings=parts["test"], min_rating=4.0)
    split = splitting.split(loading.load(config.data), config)
    assert raw_rows(split.raw["train"]) == [("a", "x", 5), ("b", "x", 4)]
    assert raw_rows(split.raw["test"]) == [("b", "y", 5)]
    assert split.notes[:2] == (
        "train: 1 of 3 pairs dropped: rated below 4",
        "test: 1 of 2 pairs dropped: rated below 4",
    )
    held_out = loading.read_held_out(parts["test"], config).ratings
    assert raw_rows(held_out) == [("b", "y", 5)]


def test_counts_become_weights(tmp_path):
    files = written(tmp_path, plays="user,item,plays\na,x,1\na,y,2\nb,x,4\na,x,6\n")
    columns = {"weight_column": "plays", "weight_transform": "log1p"}
    config = settings(ratings=files["plays"], **columns, test_fraction=0.0, validation_fraction=0.0)
    source = loading.load(config.data)
    assert not has_ratings(source)
    split = splitting.split(source, config)
    np.testing.assert_allclose(split.train.weights, np.log([3, 5, 8]), rtol=1e-6)
    assert split.notes == (
        "no ratings: every pair counts as a positive",
        "1 repeated pair dropped: their weights are added up",
    )
    # users with few rows in what is measured are no reason to drop them
    config = config.replace({"min_user_interactions": 9})
    assert len(loading.read_held_out(files["plays"], config).ratings) == 3


def test_a_set_that_came_as_parts_brings_its_catalogue_and_candidates(tmp_path):
    (tmp_path / "ncf-ml-1m").mkdir()
    files = {
        "ml-1m.train.rating": "0\t1\t5\n1\t2\t3\n0\t4\t1\n",
        "ml-1m.test.rating": "0\t2\t4\n1\t3\t2\n",
        "ml-1m.test.negative": "(0,2)\t3\t7\n(1,3)\t1\t7\n",
    }
    written(tmp_path / "ncf-ml-1m", **files)
    config = settings(dataset="ncf-movielens-1m", data_dir=str(tmp_path))
    source = loading.load(config.data)
    assert has_ratings(source)
    split = splitting.split(source, config)
    assert split.train.items.raw_ids == ("1", "2", "4", "3", "7")
    assert split.test.item_ids.tolist() == [1, 3]
    assert raw_rows(split.candidates) == [*(("0", "3", 0), ("0", "7", 0), ("1", "1", 0)),
                                          ("1", "7", 0)]  # fmt: skip
    full = splitting.split(source, config.replace({"candidates": "none"}))
    assert full.candidates is None and full.train.items.raw_ids == split.train.items.raw_ids
    # the negatives go with the parts that they were drawn for
    other = splitting.split(source, config.replace({"split": "random", "test_fraction": 0.2}))
    assert other.candidates is None and other.counts["untrained_items"] == 0


def test_candidates_come_from_a_file(tmp_path):
    files = written(
        tmp_path, train="0\t1\t5\n1\t2\t3\n", test="0\t2\t1\n1\t9\t1\n",
        negative="(0,2)\t1\t8\n(1,9)\t1\t7\n",
    )  # fmt: skip
    config = settings(
        train_ratings=files["train"], test_ratings=files["test"], candidates=files["negative"]
    )
    split = splitting.split(loading.load(config.data), config)
    assert split.train.items.raw_ids == ("1", "2", "9", "8", "7")
    assert split.test.item_ids.tolist() == [1, 2]
    assert split.candidates.item_ids.tolist() == [0, 3, 0, 4]
    assert split.candidates.user_ids.tolist() == [0, 0, 1, 1]


def test_unknown_users_of_adjacency_stay_unknown(tmp_path):
    files = written(tmp_path, train="0 1 2\n1 2\n2\n", test="2 1\n0 3\n")
    config = settings(
        train_ratings=files["train"], test_ratings=files["test"], ratings_format="adjacency"
    )
    source = loading.load(config.data)
    assert source.parts["train"].num_users == 3
    split = splitting.split(source, config)
    assert split.train.users.raw_ids == ("0", "1")
    assert split.test.user_ids.tolist() == [-1, 0] and split.test.item_ids.tolist() == [0, -1]


@pytest.mark.slow
@pytest.mark.real_data
def test_gowalla(real_data_dir):
    config = settings(dataset="gowalla", data_dir=str(real_data_dir))
    source = loading.load(config.data)
    assert not has_ratings(source) and source.candidates is None
    split = splitting.split(source, config)
    counts = split.counts
    assert (counts["train"], counts["validation"], counts["test"]) == (810_128, 0, 217_242)
    assert (counts["users"], counts["items"], counts["untrained_items"]) == (29_858, 40_981, 0)
    assert (counts["unknown_rows"], counts["overlap"], counts["untested_users"]) == (0, 0, 0)
    for part in ("train", "test"):
        lines = (real_data_dir / "gowalla" / f"{part}.txt").read_text().splitlines()
        found = {}
        for user, item in zip(*split.raw_pairs(part), strict=True):
            found.setdefault(user, [user]).append(item)
        assert [" ".join(fields) for fields in found.values()] == lines


@pytest.mark.slow
@pytest.mark.real_data
def test_ncf_movielens_1m(real_data_dir):
    config = settings(dataset="ncf-movielens-1m", data_dir=str(real_data_dir))
    source = loading.load(config.data)
    split = splitting.split(source, config)
    counts = split.counts
    assert (counts["train"], counts["test"], counts["users"]) == (994_169, 6_040, 6_040)
    # two more are in the test part or were drawn as negatives
    assert (counts["items"], counts["untrained_items"]) == (3_704, 2)
    assert split.train.num_items == 3_706
    assert counts["unknown_rows"] == 0 and has_ratings(source)
    assert np.bincount(split.candidates.user_ids).tolist() == [99] * 6_040
    assert split.candidates.item_ids.min() >= 0
    liked = splitting.split(source, config.replace({"min_rating": 4.0}))
    for part, file in (("train", "ml-1m.train.rating"), ("test", "ml-1m.test.rating")):
        lines = (real_data_dir / "ncf-ml-1m" / file).read_text().splitlines()
        rows = [line.split("\t")[:3] for line in lines]
        expected = [(user, item, float(rating)) for user, item, rating in rows if rating >= "4"]
        assert raw_rows(liked.raw[part]) == expected


@pytest.mark.real_data
def test_play_counts_and_quantities(real_data_dir):
    path = real_data_dir / "hetrec-lastfm" / "user_artists.dat"
    config = settings(ratings=str(path), weight_column="weight", split="per_user")
    source = loading.load(config.data)
    [part] = source.parts.values()
    assert (len(part), part.num_users, part.num_items) == (92_834, 1_892, 17_632)
    plays = [float(line.split("\t")[2]) for line in path.read_text().splitlines()[1:]]
    assert part.weights.tolist() == plays and not has_ratings(source)

    path = real_data_dir / "online-retail" / "purchases.csv"
    config = settings(
        ratings=str(path), weight_column="quantity", weight_transform="log1p",
        split="leave_last_out", min_user_interactions=5, min_item_interactions=5,
    )  # fmt: skip
    split = splitting.split(loading.load(config.data), config)
    assert sum(split.counts[part] for part in ("train", "validation", "test")) == 265_082
    quantities = {}
    for line in path.read_text().splitlines()[1:]:
        user, item, quantity, _ = line.split(",")
        quantities[user, item] = quantities.get((user, item), 0) + float(quantity)
    expected = [np.log1p(quantities[pair]) for pair in zip(*split.raw_pairs("train"), strict=True)]
    np.testing.assert_allclose(split.train.weights, expected, rtol=1e-6)


@pytest.mark.real_data
def test_u1_is_eighty_to_twenty_thousand(real_data_dir):
    config = settings(dataset="movielens-100k", data_dir=str(real_data_dir), split="u1")
    counts = splitting.split(loading.load(config.data), config).counts
    assert (counts["train"], counts["validation"], counts["test"]) == (80_000, 0, 20_000)
    assert (counts["users"], counts["items"]) == (943, 1_650)
    assert (counts["unknown_users"], counts["unknown_items"], counts["overlap"]) == (0, 32, 0)
    assert splitting.describe(config) == "u1"
    config = config.replace({"validation_fraction": 0.1})
    assert sizes(config) == (72_000, 8_000, 20_000)
    assert splitting.describe(config) == "u1, 0.1 of it for validation"


@pytest.mark.real_data
def test_leave_last_out_of_movielens_100k(real_data_dir):
    values = {"dataset": "movielens-100k", "data_dir": str(real_data_dir)}
    config = settings(**values, split="leave_last_out")
    source = loading.load(config.data)
    split = splitting.split(source, config)
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


def parts_of(path, **values):
    config = complete(settings(ratings=str(path), **values))
    recipe = splitting.recipe(loading.load(config.data), config)
    return splitting.check_parts(recipe, config)


@pytest.fixture
def same_time(tmp_path):
    path = tmp_path / "ratings.csv"
    rows = "".join(f"u{n % 5},i{n // 5},{n % 3},1300000000\n" for n in range(20))
    path.write_text("user,item,rating,time\n" + rows)
    return path


def test_a_split_that_leaves_nothing_to_test_is_refused(same_time, tmp_path):
    with pytest.raises(InputError) as raised:
        parts_of(same_time, split="temporal")
    message = str(raised.value)
    assert message.startswith("--split=temporal leaves nothing to test (20 ratings; ratings of one")
    assert message.endswith("--test_fraction=0 trains without a test") and "\n" not in message
    with pytest.raises(InputError, match="--split=per_user leaves nothing to test .*fewer than 5"):
        parts_of(same_time, split="per_user")
    one = tmp_path / "one.csv"
    one.write_text("user,item,rating\nu,i,3\n")
    for split in ("per_user", "leave_last_out", "held_out_users"):
        with pytest.raises(InputError, match=f"--split={split} leaves nothing to test .1 rating"):
            parts_of(one, split=split)
    with pytest.raises(InputError, match="--split=random leaves nothing to test"):
        parts_of(one, test_fraction=0.4)


def test_data_too_small_for_the_default_split_are_trained_on_and_warned_of(tmp_path):
    one = tmp_path / "one.csv"
    one.write_text("user,item,rating\nu,i,3\n")
    assert parts_of(one).warnings == (
        "--split=random leaves nothing to test (1 rating)",
        "--split=random leaves no validation part to choose the epochs on: their number is fixed "
        "in advance",
    )


def test_who_wants_no_test_part_goes_on(same_time):
    recipe = parts_of(same_time, split="temporal", test_fraction=0.0)
    assert len(recipe.train) == 20
    assert recipe.warnings == (
        "--split=temporal leaves no validation part to choose the epochs on: their number is fixed "
        "in advance",
    )
    recipe = parts_of(same_time, split="temporal", test_fraction=0.0, validation_fraction=0.0)
    assert recipe.warnings == ()
    with pytest.raises(InputError, match="no validation part to choose the epochs on .*--refit"):
        parts_of(same_time, split="temporal", test_fraction=0.0, refit=True)
    assert parts_of(same_time, split="random").warnings == ()


def test_a_part_of_which_nothing_is_left_is_named(files):
    parts = {"train_ratings": files["train"], "test_ratings": files["test"]}
    config = complete(settings(**parts, min_rating=5.5))
    with pytest.raises(InputError, match="train part: .*rated below 5.5: nothing is left"):
        splitting.recipe(loading.load(config.data), config)


def test_negatives_of_other_items_are_warned_of(files, tmp_path):
    path = tmp_path / "negatives.tsv"
    path.write_text("(s,t)\tx1\tx2\n(u0,i4)\tx3\tx4\n")
    config = complete(settings(ratings=files["all"], candidates=str(path)))
    assert splitting.recipe(loading.load(config.data), config).warnings == (
        "4 of 4 candidates are not in the ratings, such as 'x1' (there is 'i0')",
        "2 of 2 pairs that the negatives go with are not in the test part: the negatives belong to "
        "another split",
    )


def test_negatives_of_another_split_are_warned_of(tmp_path):
    """Three users with the items a to e, in this order: the last one tests, the others train."""
    rows = [f"{user},{item},3,{time}\n" for user in "uvw" for time, item in enumerate("abcde")]
    (tmp_path / "ratings.csv").write_text("user,item,rating,timestamp\n" + "".join(rows))
    path = tmp_path / "negatives.tsv"
    given = settings(
        ratings=str(tmp_path / "ratings.csv"), candidates=str(path), split="leave_last_out"
    )

    def warnings(held_out, negatives):
        path.write_text("".join(f"({user},{held_out})\t{negatives}\n" for user in "uvw"))
        config = complete(given)
        return splitting.recipe(loading.load(config.data), config).warnings

    assert warnings("e", "x\ty\ta")[-1].startswith(
        "3 of 9 negatives are pairs of the training part"
    )
    assert (
        "3 of 3 pairs that the negatives go with are not in the test" in warnings("a", "x\ty")[-1]
    )
    assert not any("split" in line for line in warnings("e", "x\ty"))

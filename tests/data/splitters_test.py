"""Splitters: a contract that every one keeps, what each holds out, and splitters of one's own."""

import dataclasses
import inspect
import textwrap

import numpy as np
import pytest

import helpers
from mfrec.data import splitters
from mfrec.data.interactions import Interactions
from mfrec.data.splits import SplitRecipe
from mfrec.errors import InputError


def split_by(name, data, seed=0, validation_fraction=0.1, test_fraction=0.1, **settings):
    """The split by a registered splitter, given the fractions that it takes."""
    takes = splitters.REGISTRY[name].takes
    if name != "leave_last_out" or validation_fraction == 0:
        settings["validation_fraction"] = validation_fraction
    if "test_fraction" in takes:
        settings["test_fraction"] = test_fraction
    return splitters.cut(data, name, seed, **settings).encode()


def split_by_fold(by, data, seed, fold, num_folds, validation_fraction=0.0, test_fraction=None):
    settings = {"fold": fold, "num_folds": num_folds, "validation_fraction": validation_fraction}
    if test_fraction is not None:
        settings["test_fraction"] = test_fraction
    return splitters.cut(data, splitters.FOLDS[by], seed, **settings).encode()


def ready_made_split(train, validation, test, seed=0, validation_fraction=0.0):
    recipe = splitters.ready_made(train, validation, test)
    return splitters.with_validation(recipe, seed, validation_fraction).encode()


def grid(num_users, num_items):
    """Every user rates every item, with ratings that tell all rows apart."""
    users, items = np.divmod(np.arange(num_users * num_items), num_items)
    return Interactions.from_arrays(users, items, np.arange(num_users * num_items))


def part_of(split, part):
    """Returns the rows of a part as raw (user, item, rating); none for a missing part."""
    if part not in split.raw:
        return []
    users, items = split.raw_pairs(part)
    return list(zip(users, items, getattr(split, part).ratings.tolist(), strict=True))


def all_rows(split):
    return [row for part in ("train", "validation", "test") for row in part_of(split, part)]


def make(rows, timestamps=None):
    users, items, ratings = zip(*rows, strict=True)
    return Interactions.from_arrays(users, items, ratings, timestamps)


def test_random_split_deals_every_row_once():
    data = grid(20, 10)
    split = split_by("random", data, seed=3, validation_fraction=0.1, test_fraction=0.25)
    assert [split.counts[part] for part in ("train", "validation", "test")] == [130, 20, 50]
    assert sorted(all_rows(split)) == sorted(part_of(SplitRecipe(data).encode(), "train"))
    assert split.counts["overlap"] == 0


def test_random_split_depends_on_the_seed_alone():
    data = grid(20, 10)
    once, again, other = (split_by("random", data, seed) for seed in (1, 1, 2))
    assert all_rows(once) == all_rows(again)
    assert part_of(once, "test") != part_of(other, "test")
    without_validation = split_by("random", data, 1, validation_fraction=0)
    assert without_validation.validation is None
    assert part_of(once, "test") == part_of(without_validation, "test")


def test_random_split_holds_out_uniformly():
    data = grid(100, 100)
    places = split_by("random", data, 0, 0.0, 0.2).test.ratings
    # The mean place of 2,000 from 10,000 has a standard deviation of 58 around 4,999.5.
    assert abs(places.mean() - 4_999.5) < 5 * 58


def test_repeats_never_stand_on_both_sides():
    data = make([("a", "x", rating) for rating in range(50)] + [("b", "y", 1), ("c", "z", 2)])
    for seed in range(5):
        split = split_by("random", data, seed, 0.0, 0.34)
        assert split.counts["repeated_pairs"] == 49
        assert split.counts["overlap"] == 0
        assert sorted(all_rows(split)) == [("a", "x", 49), ("b", "y", 1), ("c", "z", 2)]


def test_tiny_data_may_have_empty_parts():
    split = split_by("random", make([("a", "x", 1), ("b", "y", 2), ("c", "z", 3)]), seed=0)
    assert split.validation is None
    assert split.test is None
    assert split.counts["train"] == 3


def test_folds_share_no_row_and_cover_all():
    data = grid(1, 11)
    splits = [split_by_fold("ratings", data, 5, fold, 3) for fold in range(3)]
    assert [split.counts["test"] for split in splits] == [3, 4, 4]
    held_out = [row for split in splits for row in part_of(split, "test")]
    assert sorted(held_out) == sorted(part_of(SplitRecipe(data).encode(), "train"))
    for split in splits:
        assert sorted(all_rows(split)) == sorted(held_out)
        assert split.validation is None


def test_fold_split_cuts_validation_from_the_rest():
    data = grid(10, 10)
    split = split_by_fold("ratings", data, 0, 1, 5, validation_fraction=0.25)
    assert [split.counts[part] for part in ("train", "validation", "test")] == [60, 20, 20]
    assert len(set(all_rows(split))) == 100
    assert part_of(split, "test") == part_of(split_by_fold("ratings", data, 0, 1, 5), "test")


def test_cut_validation_moves_a_share():
    recipe = splitters.with_validation(SplitRecipe(grid(10, 10)), seed=0, fraction=0.3)
    assert (len(recipe.train), len(recipe.validation)) == (70, 30)
    assert not np.isin(recipe.validation.ratings, recipe.train.ratings).any()
    assert splitters.with_validation(SplitRecipe(grid(2, 2)), 0, 0.0).validation is None


def users_with(*num_rows):
    """Interactions of user 0, 1, ... with so many rows each, shuffled; ratings tell rows apart."""
    users = np.repeat(np.arange(len(num_rows)), num_rows)
    items = np.concatenate([np.arange(num) for num in num_rows])
    order = np.random.default_rng(9).permutation(len(users))
    return Interactions.from_arrays(users[order], items[order], np.arange(len(users)))


def rows_of_users(split, num_users):
    """How many rows of users "0", "1", ... each part has: {part: [num_users]}."""
    return {
        part: [[user for user, *_ in part_of(split, part)].count(str(u)) for u in range(num_users)]
        for part in ("train", "validation", "test")
    }


def test_per_user_takes_a_rounded_share_of_every_user():
    # tenths of 1, 5, 6, 15, 25 and 40; halves round to even
    split = split_by("per_user", users_with(1, 5, 6, 15, 25, 40), seed=0, validation_fraction=0.2)
    assert rows_of_users(split, 6) == {
        "test": [0, 0, 1, 2, 2, 4],
        "validation": [0, 1, 1, 3, 5, 8],
        "train": [1, 4, 4, 10, 18, 28],
    }
    assert split.recipe.notes == ("2 users with fewer than 6 ratings: not tested",)
    assert split.counts["untested_users"] == 2


def test_per_user_leaves_everybody_something_to_train_on():
    split = split_by(
        "per_user", users_with(1, 2, 3, 10), 0, validation_fraction=0.3, test_fraction=0.6
    )
    assert rows_of_users(split, 4) == {
        "test": [0, 1, 2, 6],
        "validation": [0, 0, 0, 3],
        "train": [1, 1, 1, 1],
    }
    assert split.recipe.notes == ("1 user with fewer than 2 ratings: not tested",)
    assert split_by("per_user", users_with(1, 2), 0, test_fraction=0).notes == ()


def test_per_user_draws_uniformly_from_each_user():
    tested = np.zeros(10)
    for seed in range(300):
        split = split_by("per_user", grid(2, 10), seed, 0.0, 0.3)
        items = [int(item) for user, item, _ in part_of(split, "test") if user == "1"]
        tested[items] += 1
    # each item three times in ten: 90 of 300 with a standard deviation below 8
    assert tested.sum() == 900 and (abs(tested - 90) < 5 * 8).all()


def test_leave_last_out_by_time_and_then_by_place():
    rows = [
        *[("a", "x", 1), ("b", "x", 2), ("a", "y", 3), ("b", "y", 4), ("a", "z", 5)],
        *[("b", "z", 6), ("c", "x", 7), ("c", "y", 8), ("d", "x", 9), ("a", "w", 10)],
    ]
    # a: x at 40, y and z tied at 50, w at 10; b: y before x before z; c has two rows, d one
    data = make(rows, [40, 60, 50, 20, 50, 70, 1, 2, 99, 10])
    split = split_by("leave_last_out", data)
    assert part_of(split, "test") == [("a", "z", 5), ("b", "z", 6)]
    assert part_of(split, "validation") == [("b", "x", 2), ("a", "y", 3)]
    assert part_of(split, "train") == [rows[place] for place in (0, 3, 6, 7, 8, 9)]
    assert split.notes == (
        "2 users with fewer than 3 ratings: not tested",
        "1 user of 2 with equal times among their last ratings: the one further down in the file "
        "counts as later",
        "test has 0 users and 1 item unknown to training (2 rows)",
    )
    split = split_by("leave_last_out", data, validation_fraction=0)
    assert part_of(split, "test") == [("a", "z", 5), ("b", "z", 6), ("c", "y", 8)]
    assert split.validation is None
    assert split.notes[0] == "1 user with fewer than 2 ratings: not tested"

    untimed = split_by("leave_last_out", make(rows))
    assert part_of(untimed, "test") == [("b", "z", 6), ("a", "w", 10)]
    assert part_of(untimed, "validation") == [("b", "y", 4), ("a", "z", 5)]
    assert untimed.notes[0] == "no timestamps: file order counts as time"


def test_the_last_of_repeated_pairs_decides_what_is_latest():
    rows = [("a", "x", 1), ("a", "y", 2), ("a", "z", 3), ("a", "x", 4)]
    split = split_by("leave_last_out", make(rows, [1, 2, 3, 4]))
    assert part_of(split, "test") == [("a", "x", 4)]
    assert part_of(split, "train") == [("a", "y", 2)]
    assert split.notes[0] == "1 repeated pair dropped: the last rating is kept"


def test_temporal_cuts_at_two_times():
    data = make([("a", n, n) for n in range(10)], [9, 8, 7, 6, 5, 4, 3, 2, 1, 0])
    split = split_by("temporal", data, validation_fraction=0.2, test_fraction=0.3)
    ratings = {part: [row[2] for row in part_of(split, part)] for part in split.raw}
    assert ratings == {"test": [0, 1, 2], "validation": [3, 4], "train": [5, 6, 7, 8, 9]}
    assert "stay together" not in " ".join(split.notes)
    split = split_by("temporal", data, validation_fraction=0.0, test_fraction=0.3)
    assert split.counts["test"] == 3 and split.validation is None
    assert split_by("temporal", data, 0, 0.2, 0.0).counts["validation"] == 2


def test_temporal_leaves_rows_of_one_time_on_the_earlier_side():
    def cut(timestamps):
        split = split_by(
            "temporal", make([("a", n, n) for n in range(10)], timestamps), 0, 0.2, 0.3
        )
        ratings = [[row[2] for row in part_of(split, part)] for part in ("validation", "test")]
        return ratings, [note for note in split.notes if "stay together" in note]

    why = "ratings of one time stay together, on the earlier side of a cut: "
    ratings, notes = cut([0, 1, 2, 3, 4, 5, 7, 7, 8, 9])
    assert ratings == [[5, 6, 7], [8, 9]]
    assert notes == [why + "validation has 3, not 2 and test has 2, not 3"]
    ratings, notes = cut([0, 1, 2, 4, 4, 4, 6, 7, 8, 9])
    assert ratings == [[6], [7, 8, 9]]
    assert notes == [why + "validation has 1, not 2"]
    assert cut([0] * 10)[0] == [[], []]
    # tied rows that no cut meets stay where they are
    assert cut([0, 0, 0, 0, 0, 5, 5, 7, 7, 7]) == ([[5, 6], [7, 8, 9]], [])


def test_folds_of_users_test_every_user_once():
    num_rows = [1, 2, 4, 10, 10, 20, 30]
    data = users_with(*num_rows)
    splits = [split_by_fold("users", data, 5, fold, 3, 0.0, test_fraction=0.2) for fold in range(3)]
    tested = [{user for user, *_ in part_of(split, "test")} for split in splits]
    assert sorted(user for users in tested for user in users) == list("123456")
    sizes = np.sum([rows_of_users(split, 7)["test"] for split in splits], axis=0)
    # 0.2 * 2 would be none: everybody with two rows or more is tested, if only on one
    assert sizes.tolist() == [0, 1, 1, 2, 2, 4, 6]
    for split in splits:
        assert split.validation is None and len(set(all_rows(split))) == sum(num_rows)
        assert min(rows_of_users(split, 7)["train"]) >= 1
    lonely = [split.recipe.notes for split in splits if split.recipe.notes]
    assert lonely == [("1 user with fewer than 2 ratings: not tested",)]
    # seven users in three folds, of which one has a single row
    assert sorted(len(users) for users in tested) in ([2, 2, 2], [1, 2, 3])


def test_folds_of_users_cut_validation_from_what_each_user_has_left():
    split = split_by_fold(
        "users", grid(4, 10), 0, 1, 2, validation_fraction=0.25, test_fraction=0.4
    )
    parts = rows_of_users(split, 4)
    assert sorted(parts["test"]) == [0, 0, 4, 4]
    left = [10 - test for test in parts["test"]]
    # a quarter of 10 and of 6: 2.5 and 1.5, both rounded to 2
    assert parts["validation"] == [2] * 4
    assert parts["train"] == [num - 2 for num in left]


def random_data(seed, timestamps=True):
    random = np.random.default_rng(seed)
    times = random.integers(0, 60, 400) if timestamps else None
    users = (random.random(400) ** 2 * 40).astype(int)
    return Interactions.from_arrays(users, random.integers(0, 25, 400), np.arange(400), times)


REGISTERED = dict(splitters.REGISTRY)
EVERY = {**REGISTERED, **{f"folds of {by}": cut for by, cut in splitters.FOLDS.items()}}


@pytest.fixture(params=EVERY.values(), ids=EVERY)
def splitter(request):
    return request.param


def cut_by(splitter, data, seed, **settings):
    """The recipe by any splitter; folds are the second of four."""
    if "fold" in splitter.takes:
        settings |= {"fold": 1, "num_folds": 4}
    return splitters.cut(data, splitter, seed, **settings)


def rows_of(recipe):
    """The rows of all parts and histories as raw (user, item, rating)."""
    parts = (recipe.train, recipe.validation, recipe.test, *recipe.histories.values())
    return [row for part in parts if part is not None for row in raw_rows(part)]


def raw_rows(rows):
    users = (rows.users.raw_ids[user] for user in rows.user_ids.tolist())
    items = (rows.items.raw_ids[item] for item in rows.item_ids.tolist())
    return list(zip(users, items, rows.ratings.tolist(), strict=True))


@pytest.mark.parametrize("seed", range(3))
def test_every_splitter_deals_each_pair_at_most_once_in_file_order(splitter, seed):
    data = random_data(seed)
    recipe = cut_by(splitter, data, seed)
    dealt, distinct = rows_of(recipe), raw_rows(data.without_repeats())
    assert len(set(dealt)) == len(dealt) and set(dealt) <= set(distinct)
    left_out = len(distinct) - len(dealt)
    assert left_out == 0 or f"{left_out} of their ratings left out" in " ".join(recipe.notes)
    assert recipe.repeated_pairs == len(data) - len(distinct) > 0
    assert len(recipe.train) and len(recipe.test)
    for part in (recipe.train, recipe.validation, recipe.test):
        # the ratings count the lines of the file
        assert part is None or (np.diff(part.ratings) > 0).all()


@pytest.mark.parametrize("seed", range(3))
def test_every_splitter_depends_on_the_seed_and_never_on_the_ratings(splitter, seed):
    data = random_data(seed)
    recipe, again = cut_by(splitter, data, seed), cut_by(splitter, data, seed)
    assert rows_of(recipe) == rows_of(again) and recipe.notes == again.notes
    other = cut_by(splitter, data, seed + 100)
    assert (raw_rows(other.test) != raw_rows(recipe.test)) == splitter.draws
    flat = cut_by(splitter, dataclasses.replace(data, ratings=np.ones(400, np.float32)), seed)
    for part in ("train", "test"):
        rows, same = getattr(recipe, part), getattr(flat, part)
        assert rows.pairs().tolist() == same.pairs().tolist()


def test_every_splitter_takes_its_fractions(splitter):
    data = random_data(0)
    if "test_fraction" in splitter.takes:
        sizes = [len(cut_by(splitter, data, 0, test_fraction=f).test) for f in (0.1, 0.3, 0.6)]
        assert sizes == sorted(set(sizes))
        with pytest.raises(InputError, match="test_fraction is 1.5"):
            cut_by(splitter, data, 0, test_fraction=1.5)
    else:
        with pytest.raises(InputError, match="takes no test_fraction"):
            cut_by(splitter, data, 0, test_fraction=0.1)
    without = cut_by(splitter, data, 0, validation_fraction=0.0)
    assert without.encode().validation is None
    if splitter.name == "leave_last_out":
        # users with two ratings are tested as well
        assert set(raw_rows(cut_by(splitter, data, 0).test)) < set(raw_rows(without.test))
        return
    validated = cut_by(splitter, data, 0, validation_fraction=0.3)
    assert len(validated.validation) > 0
    # the validation part takes nothing from the test part
    assert raw_rows(validated.test) == raw_rows(without.test)
    with pytest.raises(InputError, match="validation_fraction is -0.1"):
        cut_by(splitter, data, 0, validation_fraction=-0.1)


def test_every_splitter_leaves_vocabularies_of_the_training_part_alone(splitter):
    split = cut_by(splitter, random_data(1), 1).encode()
    users, items = split.raw_pairs("train")
    assert set(split.train.users.raw_ids) == set(users)
    assert set(split.train.items.raw_ids) == set(items)
    assert split.counts["overlap"] == 0


def test_every_splitter_joins_validation_and_training(splitter):
    recipe = cut_by(splitter, random_data(2), 2)
    if recipe.validation is None:
        recipe = cut_by(splitter, random_data(2), 2, validation_fraction=0.2)
    joined = recipe.with_validation_in_training()
    assert sorted(rows_of(joined)) == sorted(rows_of(recipe))
    assert raw_rows(joined.test) == raw_rows(recipe.test) and joined.notes == recipe.notes
    split = joined.encode()
    assert split.validation is None and split.counts["validation"] == len(recipe.validation) > 0


def test_every_registered_splitter_describes_itself_and_says_what_it_is():
    for name, splitter in REGISTERED.items():
        assert splitter.describe({}).startswith(name)
        assert inspect.getdoc(splitter.function).partition("\n")[0].endswith(".")
        if "test_fraction" in splitter.takes and "validation_fraction" in splitter.takes:
            given = {"validation_fraction": 0.2, "test_fraction": 0.3}
            assert splitter.describe(given).startswith(f"{name} 50/20/30")


def test_every_splitter_that_needs_timestamps_refuses_data_without(splitter):
    data = random_data(0, timestamps=False)
    if "timestamps" in splitter.needs:
        with pytest.raises(InputError, match="needs timestamps, and the ratings have none"):
            cut_by(splitter, data, 0)
    else:
        assert len(cut_by(splitter, data, 0).test)


@pytest.mark.parametrize("seed", range(3))
def test_time_runs_from_training_over_validation_to_test(seed):
    data = random_data(seed)
    split = split_by("temporal", data)
    times = [split.raw[part].timestamps for part in ("train", "validation", "test")]
    assert times[0].max() < times[1].min() and times[1].max() < times[2].min()
    split = split_by("leave_last_out", data)
    rows = data.without_repeats()
    # last to first by time and place, user by user, with nothing but Python's sort
    order = sorted(range(len(rows)), key=lambda row: (rows.timestamps[row], row))
    expected = {"test": [], "validation": []}
    for user in range(rows.num_users):
        own = [rows.ratings[row] for row in order if rows.user_ids[row] == user]
        if len(own) >= 3:
            expected["test"].append(own[-1])
            expected["validation"].append(own[-2])
    for part, ratings in expected.items():
        assert sorted(split.raw[part].ratings) == sorted(ratings)
    untested = set(split.train.users.raw_ids) - set(split.raw_pairs("test")[0])
    assert split.counts["untested_users"] == len(untested)


def test_ready_made_parts_lose_their_own_repeats_and_show_their_overlap():
    train = make([("a", "x", 1), ("a", "x", 2), ("b", "y", 3)])
    test = make([("b", "y", 4), ("b", "z", 5), ("b", "z", 6)])
    split = ready_made_split(train, None, test)
    assert part_of(split, "train") == [("a", "x", 2), ("b", "y", 3)]
    assert part_of(split, "test") == [("b", "y", 4), ("b", "z", 6)]
    assert split.counts["repeated_pairs"] == 2
    assert split.counts["overlap"] == 1
    cut = ready_made_split(grid(10, 10), None, test, seed=1, validation_fraction=0.1)
    assert cut.counts["validation"] == 10


def timed(data):
    return dataclasses.replace(data, timestamps=np.arange(len(data)))


@pytest.mark.parametrize(
    ("make_split", "message"),
    [
        (lambda data: split_by("random", data, 0, 0.1, 1.0), "test_fraction is 1.0"),
        (lambda data: split_by("random", data, 0, -0.1, 0.1), "validation_fraction is -0.1"),
        (lambda data: split_by("random", data, 0, float("nan"), 0.1), "validation_fraction is nan"),
        (lambda data: split_by("random", data, 0, 0.5, 0.5), "leave nothing to train on"),
        (
            lambda data: split_by("random", data.take([0]), 0, 0, 0.9),
            "no rows are left to train on",
        ),
        (
            lambda data: split_by_fold("ratings", data, 0, 3, 3),
            "fold 3 of 3; folds count from 0 to 2",
        ),
        (lambda data: split_by_fold("ratings", data, 0, -1, 3), "fold -1 of 3"),
        (lambda data: split_by_fold("ratings", data, 0, 0, 1), "num_folds is 1"),
        (lambda data: split_by_fold("ratings", data, 0, 0, 5), "4 distinct pairs for 5 folds"),
        (lambda data: split_by_fold("ratings", data, 0, 0, 2, 1.5), "validation_fraction is 1.5"),
        (lambda data: split_by("per_user", data, 0, 0.5, 0.5), "leave nothing to train on"),
        (lambda data: split_by("per_user", data.take([]), 0), "no rows are left"),
        (lambda data: split_by("leave_last_out", data.take([])), "no rows are left"),
        (lambda data: split_by("temporal", data), "needs timestamps, and the ratings have none"),
        (lambda data: split_by("temporal", timed(data), 0, 0.5, 0.5), "leave nothing to train on"),
        (lambda data: split_by("temporal", timed(data.take([0])), 0, 0, 0.9), "no rows are left"),
        (lambda data: split_by_fold("users", data, 0, 0, 3), "2 users for 3 folds"),
        (lambda data: split_by_fold("users", data, 0, 2, 2), "fold 2 of 2"),
        (lambda data: split_by_fold("users", data, 0, 0, 2, 0.0, 1.0), "test_fraction is 1.0"),
        (lambda data: ready_made_split(data, data, None, 0, 0.1), "leave one out"),
        (lambda data: ready_made_split(data.take([]), None, data), "no rows are left"),
    ],
)
def test_refuses_what_cannot_be_split(make_split, message):
    with pytest.raises(InputError, match=message):
        make_split(grid(2, 2))


def test_notes_say_what_repeats_come_to():
    pairs, once = [("a", "b", "a"), ("x", "y", "x")], [("a", "b"), ("x", "y")]

    def notes(columns, **others):
        return split_by("random", Interactions.from_arrays(*columns, **others), 0, 0, 0).notes

    implicit = "no ratings: every pair counts as a positive"
    assert notes(once) == (implicit,)
    assert notes(once, ratings=[1, 2]) == ()
    assert notes(pairs) == (implicit, "1 repeated pair dropped: each counts once")
    added = "1 repeated pair dropped: their weights are added up"
    assert notes(pairs, weights=[1, 2, 3]) == (implicit, added)
    assert notes(pairs, weights=[1, 2, 3], ratings=[1, 2, 3]) == (added,)


def test_held_out_items_are_held_out_whole():
    random = np.random.default_rng(0)
    data = make([(f"u{u}", f"i{i}", 1) for u, i in random.integers(0, 40, (900, 2))])
    split = split_by("held_out_items", data, 3, validation_fraction=0.1, test_fraction=0.25)
    items = [set(split.raw_pairs(part)[1]) for part in ("train", "validation", "test")]
    assert [len(of_part) for of_part in items] == [26, 4, 10]
    assert len(set.union(*items)) == 40
    assert sum(split.counts[part] for part in ("train", "validation", "test")) == len(
        data.without_repeats()
    )
    assert split.ranks_held_out_items
    assert "4 items held out for validation, 10 for the test" in split.notes
    refit = split.recipe.with_validation_in_training().encode()
    assert refit.ranks_held_out_items and refit.counts["items"] == 30
    again = split_by("held_out_items", data, 3, validation_fraction=0, test_fraction=0.25)
    assert again.digest("test") == split.digest("test")
    other = split_by("held_out_items", data, 4, validation_fraction=0, test_fraction=0.25)
    assert other.digest("test") != split.digest("test")


def test_held_out_users_are_held_out_whole():
    random = np.random.default_rng(0)
    pairs = [(f"u{u}", f"i{i}", u + i) for u, i in random.integers(0, 40, (900, 2))]
    # of u1000 nothing can be tested; i1000 is unknown to training or everybody's but one user's
    data = make([*pairs, ("u1000", "i0", 1), *((f"u{u}", f"i{1000 + u}", 1) for u in range(40))])
    split = split_by("held_out_users", data, 3, validation_fraction=0.1, test_fraction=0.25)
    train = part_of(split, "train")
    users = {part: {user for user, *_ in part_of(split, part)} for part in split.raw}
    assert [len(users[part]) for part in ("train", "validation", "test")] == [27, 4, 9]
    assert not users["train"] & (users["validation"] | users["test"])
    assert "4 users held out for validation, 9 for the test" in split.recipe.notes[0]
    assert split.recipe.notes[1].startswith("14 of their ratings left out")
    known = {item for _, item, *_ in train}
    for part, history in split.histories.items():
        held_out = getattr(split, part)
        assert history.users is held_out.users and history.items is split.train.items
        assert set(history.users.raw_ids) == users[part] and (held_out.user_ids >= 0).all()
        # together all that the user rated of what training knows
        both = {
            (rows.users.raw_ids[user], rows.items.raw_ids[item])
            for rows in (history, held_out)
            for user, item in zip(rows.user_ids.tolist(), rows.item_ids.tolist(), strict=True)
        }
        of_users = {(u, i) for u, i, _ in pairs if u in users[part] and i in known}
        assert both == of_users and len(both) == len(history) + len(held_out)
        folded, left = (np.bincount(rows.user_ids) for rows in (history, held_out))
        np.testing.assert_array_equal(folded, np.round(0.8 * (folded + left)))
    refit = split.recipe.with_validation_in_training().encode()
    assert refit.validation is None and set(refit.histories) == {"test"}
    added = len(split.validation) + len(split.histories["validation"])
    assert len(refit.train) == len(split.train) + added
    assert refit.digest("test") == split.digest("test")
    assert len(refit.histories["test"]) == len(split.histories["test"])
    assert refit.histories["test"].items is refit.train.items
    catalogued = dataclasses.replace(split.recipe, catalogue=data.items).encode()
    assert catalogued.train.num_items == catalogued.histories["test"].num_items == data.num_items


def test_other_shares_of_held_out_users():
    data = make([(f"u{u}", f"i{i}", 1) for u in range(10) for i in range(5)])
    split = split_by("held_out_users", data, 0, 0, 0.2, fold_in_fraction=0.99)
    assert split.validation is None and set(split.histories) == {"test"}
    assert np.bincount(split.histories["test"].user_ids).tolist() == [4, 4]
    split = split_by("held_out_users", data, 1, 0, 0.2, fold_in_fraction=0.01)
    assert np.bincount(split.histories["test"].user_ids).tolist() == [1, 1]
    assert split.digest("test") == split_by(
        "held_out_users", data, 1, 0.3, 0.2, fold_in_fraction=0.01
    ).digest("test")


# ------------------------------------------------------------------- splitters of one's own


def example():
    """The example of the module's docstring, as a file's content."""
    code = inspect.getdoc(splitters).partition("# my_splits.py")[2].partition("\n")[2]
    return textwrap.dedent(code.partition("The settings")[0])


def write_timed(folder):
    """30 users who rate 20 items; item n comes out at time 100 n."""
    lines = [f"u{u},i{i},{1 + (u + i) % 5},{100 * i + u}" for u in range(30) for i in range(20)]
    (folder / "ratings.csv").write_text("user,item,rating,timestamp\n" + "\n".join(lines) + "\n")


def test_a_splitter_of_ones_own_from_a_file_through_train_and_eval(tmp_path):
    (tmp_path / "my_splits.py").write_text(example())
    assert len(example().strip().splitlines()) < 15
    write_timed(tmp_path)
    flags = ["--ratings=ratings.csv", "--epochs=1", "--embedding_dim=2", "--nojit_compile"]
    flags += ["--split=my_splits.py:newest_items", "--test_fraction=0.2"]
    place = helpers.Place(tmp_path)
    results = place.train("run", *flags, "--validation_fraction=0.25").results
    # 4 of 20 items are tested; a quarter of what is left validates
    assert results["split"] == "newest_items 80/0/20, 0.25 of it for validation"
    counts = results["counts"]
    assert (counts["train"], counts["validation"], counts["test"]) == (360, 120, 120)
    assert (counts["items"], counts["unknown_items"]) == (16, 4)
    assert place.evaluate("--run_dir=run")["metrics"]["test"] == results["metrics"]["test"]


@pytest.mark.parametrize(
    "code, flag, message",
    [
        ("", "my_splits.py:mine", "--split=my_splits.py:mine: no 'mine' there"),
        ("mine = 3", "my_splits.py:mine", "my_splits.py:mine: not a function"),
        ("def mine(interactions, random):\n    return 3", "my_splits.py:mine", "returns int, not"),
        ("1 / 0", "my_splits.py:mine", "my_splits.py:1: ZeroDivisionError"),
        ("", "gone.py:mine", "--split=gone.py:mine: no file gone.py"),
        ("", "randon", "--split=randon: unknown; did you mean random?"),
    ],
)
def test_splitters_that_cannot_be_used_are_refused(tmp_path, monkeypatch, code, flag, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_splits.py").write_text(code)
    with pytest.raises(InputError) as error:
        splitters.cut(grid(5, 5), flag)
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_function_is_a_splitter_and_its_rows_are_checked():
    def mine(interactions, random, *, test_fraction=0.2):
        return splitters.HeldOut(test=np.arange(round(test_fraction * len(interactions))))

    split = splitters.cut(grid(5, 5), mine).encode()
    assert part_of(split, "test") == [("0", str(item), item) for item in range(5)]
    assert splitters.get(mine).describe({}) == "mine 80/0/20"
    with pytest.raises(InputError, match="split 'mine' takes no fold_in_fraction"):
        splitters.cut(grid(5, 5), mine, fold_in_fraction=0.5)

    def held_out(**rows):
        return lambda interactions, random: splitters.HeldOut(**rows)

    for rows, message in (
        ({"test": [0, 1], "validation": [1]}, "puts 1 rows into two parts"),
        ({"test": [25]}, "test rows: index 25 is out of bounds"),
        ({"left_out": np.zeros(3, bool)}, "left_out rows: boolean index did not match"),
    ):
        with pytest.raises(InputError, match=message):
            splitters.cut(grid(5, 5), held_out(**rows))


def test_names_are_taken_once():
    with pytest.raises(ValueError, match="there is a splitter named 'random' already"):
        splitters.register("random")(lambda interactions, random: splitters.HeldOut())


@pytest.mark.parametrize(
    ("times", "users"),
    [
        # the test row, the one before and the first that trains; ties further back do not matter
        ([3, 2, 1, 1], 0),
        ([3, 3, 1, 1], 1),
        ([3, 2, 2, 1], 1),
        ([1, 1, 1, 1], 1),
        ([0.5, 0.25, 0.125, 0], 0),
    ],
)
def test_leave_last_out_counts_the_users_whose_times_do_not_tell(times, users):
    rows = [("a", item, 1) for item in "wxyz"] + [("b", item, 1) for item in "wxyz"]
    notes = split_by("leave_last_out", make(rows, [*times, 4, 3, 2, 1])).notes
    tied = [note for note in notes if "equal times" in note]
    expected = (
        f"{users} user of 2 with equal times among their last ratings: the one further down in the "
        "file counts as later"
    )
    assert tied == [expected][:users]


def test_ties_with_the_validation_row_do_not_matter_without_a_validation_part():
    data = make([("a", item, 1) for item in "xyz"], [3, 2, 2])
    cut = splitters.cut(data, "leave_last_out", validation_fraction=0)
    assert not any("equal times" in note for note in cut.notes)
    cut = splitters.cut(data, "leave_last_out")
    assert cut.notes[0].startswith("1 user of 1 with equal times")


def test_fractions_of_a_second_decide_which_row_is_last():
    times = [0.3, 0.1, 0.2, 0.9]
    rows = [("a", item, 1) for item in "wxyz"]
    assert part_of(split_by("leave_last_out", make(rows, times)), "test") == [("a", "z", 1)]
    shifted = make(rows, 1_569_888_000 + np.array(times) / 1000)
    assert part_of(split_by("leave_last_out", shifted), "validation") == [("a", "w", 1)]
    cut = split_by("temporal", make(rows, times), 0, 0.25, 0.25)
    assert part_of(cut, "test") == [("a", "z", 1)]

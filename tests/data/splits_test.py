import dataclasses
import time

import numpy as np
import pytest

from mfrec.data.interactions import UNKNOWN, Interactions, Vocabulary
from mfrec.data.splits import (
    assemble,
    cut_validation,
    fold_split,
    held_out_items_split,
    held_out_users_split,
    leave_last_out_split,
    per_user_split,
    random_split,
    ready_made_split,
    temporal_split,
    user_fold_split,
)
from mfrec.errors import InputError


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


def test_assemble_encodes_in_the_training_vocabulary_and_keeps_strangers():
    train = make([("a", "x", 1), ("b", "y", 2)])
    test = make([("b", "x", 3), ("c", "x", 4), ("c", "z", 5), ("a", "z", 1), ("a", "x", 2)])
    split = assemble(train, None, test, repeated_pairs=7)
    assert split.validation is None
    assert split.train.users.raw_ids == split.test.users.raw_ids == ("a", "b")
    assert split.test.items.raw_ids == ("x", "y")
    assert split.test.user_ids.tolist() == [1, UNKNOWN, UNKNOWN, 0, 0]
    assert split.test.item_ids.tolist() == [0, 0, UNKNOWN, UNKNOWN, 0]
    assert split.raw_pairs("test") == (["b", "c", "c", "a", "a"], ["x", "x", "z", "z", "x"])
    assert split.counts == {
        "train": 2,
        "validation": 0,
        "test": 5,
        "repeated_pairs": 7,
        "users": 2,
        "items": 2,
        "untrained_items": 0,
        "unknown_users": 1,
        "unknown_items": 1,
        "unknown_rows": 3,
        "untested_users": 0,
        "overlap": 1,
    }
    assert split.notes == (
        "7 repeated pairs dropped: the last rating is kept",
        "test has 1 user and 1 item unknown to training (3 rows)",
        "warning: 1 test pair also in the training part",
    )


def test_assemble_drops_training_ids_without_rows():
    data = make([("a", "x", 1), ("b", "y", 2), ("c", "z", 3)])
    split = assemble(data.take([2]), data.take([1]), data.take([0]))
    assert split.train.users.raw_ids == ("c",)
    assert split.train.items.raw_ids == ("z",)
    assert part_of(split, "validation") == [("b", "y", 2)]


def test_random_split_deals_every_row_once():
    data = grid(20, 10)
    split = random_split(data, seed=3, validation_fraction=0.1, test_fraction=0.25)
    assert [split.counts[part] for part in ("train", "validation", "test")] == [130, 20, 50]
    assert sorted(all_rows(split)) == sorted(part_of(assemble(data, None, None), "train"))
    assert split.counts["overlap"] == 0


def test_random_split_depends_on_the_seed_alone():
    data = grid(20, 10)
    once, again, other = (random_split(data, seed) for seed in (1, 1, 2))
    assert all_rows(once) == all_rows(again)
    assert part_of(once, "test") != part_of(other, "test")
    without_validation = random_split(data, 1, validation_fraction=0)
    assert without_validation.validation is None
    assert part_of(once, "test") == part_of(without_validation, "test")


def test_random_split_holds_out_uniformly():
    data = grid(100, 100)
    places = random_split(data, 0, 0.0, 0.2).test.ratings
    # The mean place of 2,000 from 10,000 has a standard deviation of 58 around 4,999.5.
    assert abs(places.mean() - 4_999.5) < 5 * 58


def test_repeats_never_stand_on_both_sides():
    data = make([("a", "x", rating) for rating in range(50)] + [("b", "y", 1), ("c", "z", 2)])
    for seed in range(5):
        split = random_split(data, seed, 0.0, 0.34)
        assert split.counts["repeated_pairs"] == 49
        assert split.counts["overlap"] == 0
        assert sorted(all_rows(split)) == [("a", "x", 49), ("b", "y", 1), ("c", "z", 2)]


def test_tiny_data_may_have_empty_parts():
    split = random_split(make([("a", "x", 1), ("b", "y", 2), ("c", "z", 3)]), seed=0)
    assert split.validation is None
    assert split.test is None
    assert split.counts["train"] == 3


def test_folds_share_no_row_and_cover_all():
    data = grid(1, 11)
    splits = [fold_split(data, 5, fold, 3) for fold in range(3)]
    assert [split.counts["test"] for split in splits] == [3, 4, 4]
    held_out = [row for split in splits for row in part_of(split, "test")]
    assert sorted(held_out) == sorted(part_of(assemble(data, None, None), "train"))
    for split in splits:
        assert sorted(all_rows(split)) == sorted(held_out)
        assert split.validation is None


def test_fold_split_cuts_validation_from_the_rest():
    data = grid(10, 10)
    split = fold_split(data, 0, 1, 5, validation_fraction=0.25)
    assert [split.counts[part] for part in ("train", "validation", "test")] == [60, 20, 20]
    assert len(set(all_rows(split))) == 100
    assert part_of(split, "test") == part_of(fold_split(data, 0, 1, 5), "test")


def test_cut_validation_moves_a_share():
    rest, validation = cut_validation(grid(10, 10), seed=0, fraction=0.3)
    assert (len(rest), len(validation)) == (70, 30)
    assert not np.isin(validation.ratings, rest.ratings).any()
    assert cut_validation(grid(2, 2), 0, 0.0)[1] is None


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
    split = per_user_split(users_with(1, 5, 6, 15, 25, 40), seed=0, validation_fraction=0.2)
    assert rows_of_users(split, 6) == {
        "test": [0, 0, 1, 2, 2, 4],
        "validation": [0, 1, 1, 3, 5, 8],
        "train": [1, 4, 4, 10, 18, 28],
    }
    assert split.cut_notes == ("2 users with fewer than 6 ratings: nothing of theirs is tested",)
    assert split.counts["untested_users"] == 2


def test_per_user_leaves_everybody_something_to_train_on():
    split = per_user_split(users_with(1, 2, 3, 10), 0, validation_fraction=0.3, test_fraction=0.6)
    assert rows_of_users(split, 4) == {
        "test": [0, 1, 2, 6],
        "validation": [0, 0, 0, 3],
        "train": [1, 1, 1, 1],
    }
    assert split.cut_notes == ("1 user with fewer than 2 ratings: nothing of theirs is tested",)
    assert per_user_split(users_with(1, 2), 0, test_fraction=0).notes == ()


def test_per_user_draws_uniformly_from_each_user():
    tested = np.zeros(10)
    for seed in range(300):
        split = per_user_split(grid(2, 10), seed, 0.0, 0.3)
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
    split = leave_last_out_split(data)
    assert part_of(split, "test") == [("a", "z", 5), ("b", "z", 6)]
    assert part_of(split, "validation") == [("b", "x", 2), ("a", "y", 3)]
    assert part_of(split, "train") == [rows[place] for place in (0, 3, 6, 7, 8, 9)]
    assert split.notes == (
        "2 users with fewer than 3 ratings: nothing of theirs is tested",
        "test has 0 users and 1 item unknown to training (2 rows)",
    )
    split = leave_last_out_split(data, with_validation=False)
    assert part_of(split, "test") == [("a", "z", 5), ("b", "z", 6), ("c", "y", 8)]
    assert split.validation is None
    assert split.notes[0] == "1 user with fewer than 2 ratings: nothing of theirs is tested"

    untimed = leave_last_out_split(make(rows))
    assert part_of(untimed, "test") == [("b", "z", 6), ("a", "w", 10)]
    assert part_of(untimed, "validation") == [("b", "y", 4), ("a", "z", 5)]
    assert untimed.notes[0] == "no timestamps: file order counts as time"


def test_the_last_of_repeated_pairs_decides_what_is_latest():
    rows = [("a", "x", 1), ("a", "y", 2), ("a", "z", 3), ("a", "x", 4)]
    split = leave_last_out_split(make(rows, [1, 2, 3, 4]))
    assert part_of(split, "test") == [("a", "x", 4)]
    assert part_of(split, "train") == [("a", "y", 2)]
    assert split.notes[0] == "1 repeated pair dropped: the last rating is kept"


def test_temporal_cuts_at_two_times():
    data = make([("a", n, n) for n in range(10)], [9, 8, 7, 6, 5, 4, 3, 2, 1, 0])
    split = temporal_split(data, validation_fraction=0.2, test_fraction=0.3)
    ratings = {part: [row[2] for row in part_of(split, part)] for part in split.raw}
    assert ratings == {"test": [0, 1, 2], "validation": [3, 4], "train": [5, 6, 7, 8, 9]}
    assert "stay together" not in " ".join(split.notes)
    split = temporal_split(data, validation_fraction=0.0, test_fraction=0.3)
    assert split.counts["test"] == 3 and split.validation is None
    assert temporal_split(data, 0.2, 0.0).counts["validation"] == 2


def test_temporal_leaves_rows_of_one_time_on_the_earlier_side():
    def cut(timestamps):
        split = temporal_split(make([("a", n, n) for n in range(10)], timestamps), 0.2, 0.3)
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
    splits = [user_fold_split(data, 5, fold, 3, 0.0, test_fraction=0.2) for fold in range(3)]
    tested = [{user for user, *_ in part_of(split, "test")} for split in splits]
    assert sorted(user for users in tested for user in users) == list("123456")
    sizes = np.sum([rows_of_users(split, 7)["test"] for split in splits], axis=0)
    # 0.2 * 2 would be none: everybody with two rows or more is tested, if only on one
    assert sizes.tolist() == [0, 1, 1, 2, 2, 4, 6]
    for split in splits:
        assert split.validation is None and len(set(all_rows(split))) == sum(num_rows)
        assert min(rows_of_users(split, 7)["train"]) >= 1
    lonely = [split.cut_notes for split in splits if split.cut_notes]
    assert lonely == [("1 user with fewer than 2 ratings: nothing of theirs is tested",)]
    # seven users in three folds, of which one has a single row
    assert sorted(len(users) for users in tested) in ([2, 2, 2], [1, 2, 3])


def test_folds_of_users_cut_validation_from_what_each_user_has_left():
    split = user_fold_split(grid(4, 10), 0, 1, 2, validation_fraction=0.25, test_fraction=0.4)
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


CUTS = {
    "random": random_split,
    "per_user": per_user_split,
    "leave_last_out": lambda data, seed, validation=0.1: leave_last_out_split(data, validation > 0),
    "held_out_items": held_out_items_split,
    "temporal": lambda data, seed, validation=0.1: temporal_split(data, validation),
    "fold": lambda data, seed, validation=0.1: fold_split(data, seed, 1, 4, validation),
    "user_fold": lambda data, seed, validation=0.1: user_fold_split(data, seed, 1, 4, validation),
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
@pytest.mark.parametrize("seed", range(3))
def test_every_cut_deals_each_pair_once_in_file_order_whatever_its_rating(cut, seed):
    data = random_data(seed)
    split, again = cut(data, seed), cut(data, seed)
    assert all_rows(split) == all_rows(again) and split.notes == again.notes
    distinct = part_of(assemble(data.without_repeats(), None, None), "train")
    assert sorted(all_rows(split)) == sorted(distinct) and split.counts["overlap"] == 0
    for part in split.raw.values():
        # the ratings count the lines of the file
        assert (np.diff(part.ratings) > 0).all() and len(part)
    flat = cut(dataclasses.replace(data, ratings=np.ones(400, np.float32)), seed)
    for part in split.raw:
        assert flat.raw_pairs(part) == split.raw_pairs(part)
    # less validation: the same test part, or with leave_last_out more users to test
    tested = part_of(cut(data, seed, 0.0), "test")
    assert set(part_of(split, "test")) <= set(tested)
    assert cut is CUTS["leave_last_out"] or tested == part_of(split, "test")
    joined = split.with_validation_in_training()
    assert part_of(joined, "test") == part_of(split, "test") and joined.validation is None
    assert sorted(all_rows(joined)) == sorted(distinct)
    assert joined.cut_notes == split.cut_notes
    assert joined.counts["validation"] == split.counts["validation"] > 0


@pytest.mark.parametrize("seed", range(3))
def test_time_runs_from_training_over_validation_to_test(seed):
    data = random_data(seed)
    split = temporal_split(data)
    times = [split.raw[part].timestamps for part in ("train", "validation", "test")]
    assert times[0].max() < times[1].min() and times[1].max() < times[2].min()
    split = leave_last_out_split(data)
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
        (lambda data: random_split(data, 0, 0.1, 1.0), "test_fraction is 1.0"),
        (lambda data: random_split(data, 0, -0.1, 0.1), "validation_fraction is -0.1"),
        (lambda data: random_split(data, 0, float("nan"), 0.1), "validation_fraction is nan"),
        (lambda data: random_split(data, 0, 0.5, 0.5), "leave nothing to train on"),
        (lambda data: random_split(data.take([0]), 0, 0, 0.9), "no rows are left to train on"),
        (lambda data: fold_split(data, 0, 3, 3), "fold 3 of 3; folds count from 0 to 2"),
        (lambda data: fold_split(data, 0, -1, 3), "fold -1 of 3"),
        (lambda data: fold_split(data, 0, 0, 1), "num_folds is 1"),
        (lambda data: fold_split(data, 0, 0, 5), "4 distinct pairs for 5 folds"),
        (lambda data: fold_split(data, 0, 0, 2, 1.5), "validation_fraction is 1.5"),
        (lambda data: per_user_split(data, 0, 0.5, 0.5), "leave nothing to train on"),
        (lambda data: per_user_split(data.take([]), 0), "no rows are left"),
        (lambda data: leave_last_out_split(data.take([])), "no rows are left"),
        (lambda data: temporal_split(data), "needs timestamps, and the ratings have none"),
        (lambda data: temporal_split(timed(data), 0.5, 0.5), "leave nothing to train on"),
        (lambda data: temporal_split(timed(data.take([0])), 0, 0.9), "no rows are left"),
        (lambda data: user_fold_split(data, 0, 0, 3), "2 users for 3 folds"),
        (lambda data: user_fold_split(data, 0, 2, 2), "fold 2 of 2"),
        (lambda data: user_fold_split(data, 0, 0, 2, 0.0, 1.0), "test_fraction is 1.0"),
        (lambda data: ready_made_split(data, data, None, 0, 0.1), "leave one out"),
        (lambda data: ready_made_split(data.take([]), None, data), "no rows are left"),
    ],
)
def test_refuses_what_cannot_be_split(make_split, message):
    with pytest.raises(InputError, match=message):
        make_split(grid(2, 2))


def test_a_million_rows_split_in_a_moment():
    users, items = np.divmod(np.arange(1_000_000, dtype=np.int32), 200)
    names = Vocabulary(tuple(map(str, range(5_000))))
    data = Interactions(users, items, np.ones(1_000_000, np.float32), None, names, names)
    started = time.perf_counter()
    split = random_split(data, 0)
    # A third of a second on an idle core; the margin is for a busy machine.
    assert time.perf_counter() - started < 5
    assert split.counts["test"] == 100_000


def test_equal_digests_are_equal_rows():
    train = make([("a", "x", 1), ("b", "y", 2)])
    rows = [("b", "x", 3), ("c", "z", 4)]

    def of_rows(rows):
        return assemble(train, None, make(rows)).digest("test")

    assert len(of_rows(rows)) == 16
    # the training part, and how its vocabulary numbers the rows, has nothing to do with it
    other = make([("c", "z", 5)])
    assert assemble(other, None, make(rows)).digest("test") == of_rows(rows)
    changed = [
        [("b", "x", 3.5), ("c", "z", 4)],
        [("b", "x", 3), ("d", "z", 4)],
        [("b", "z", 3), ("c", "x", 4)],
        [("b", "x", 3)],
    ]
    assert len({of_rows(rows), *map(of_rows, changed)}) == 5


def test_a_catalogue_extends_what_training_has():
    train = make([("a", "x", 1), ("b", "z", 2)])
    validation, test = make([("a", "w", 3)]), make([("b", "y", 4), ("c", "v", 5)])
    catalogue = Vocabulary(("w", "x", "y", "z"), ("W", "X", "Y", "Z"))
    candidates = make([("b", "w", 0), ("b", "u", 0), ("d", "x", 0)])
    plain = assemble(train, validation, test)
    split = plain.with_catalogue(catalogue, candidates)
    for part in (split.train, split.validation, split.test, split.candidates):
        assert part.items.raw_ids == ("x", "z", "w", "y")
        assert part.users.raw_ids == ("a", "b")
    assert split.train.item_ids.tolist() == plain.train.item_ids.tolist()
    assert split.train.items.labels == ("", "", "W", "Y")
    assert split.validation.item_ids.tolist() == [2]
    assert split.test.item_ids.tolist() == [3, UNKNOWN]
    assert split.candidates.item_ids.tolist() == [2, UNKNOWN, 0]
    assert split.candidates.user_ids.tolist() == [1, 1, UNKNOWN]
    assert (split.counts["items"], split.counts["untrained_items"]) == (2, 2)
    assert split.counts["unknown_items"] == 1
    assert "2 items of the catalogue in no training row" in split.notes
    assert plain.counts["untrained_items"] == 0 and plain.candidates is None

    refit = split.with_validation_in_training()
    assert refit.train.items.raw_ids == ("x", "z", "w", "y")
    assert (refit.counts["untrained_items"], refit.counts["validation"]) == (1, 1)
    assert part_of(refit, "train") == [*part_of(split, "train"), ("a", "w", 3)]
    assert refit.candidates.item_ids.tolist() == split.candidates.item_ids.tolist()


def test_notes_say_what_repeats_come_to():
    pairs, once = [("a", "b", "a"), ("x", "y", "x")], [("a", "b"), ("x", "y")]

    def notes(columns, **others):
        return random_split(Interactions.from_arrays(*columns, **others), 0, 0, 0).notes

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
    split = held_out_items_split(data, 3, validation_fraction=0.1, test_fraction=0.25)
    items = [set(split.raw_pairs(part)[1]) for part in ("train", "validation", "test")]
    assert [len(of_part) for of_part in items] == [26, 4, 10]
    assert len(set.union(*items)) == 40
    assert sum(split.counts[part] for part in ("train", "validation", "test")) == len(
        data.without_repeats()
    )
    assert split.ranks_held_out_items and split.with_catalogue(data.items).ranks_held_out_items
    assert "4 items held out for validation, 10 for the test" in split.notes
    refit = split.with_validation_in_training()
    assert refit.ranks_held_out_items and refit.counts["items"] == 30
    again = held_out_items_split(data, 3, validation_fraction=0, test_fraction=0.25)
    assert again.digest("test") == split.digest("test")
    other = held_out_items_split(data, 4, validation_fraction=0, test_fraction=0.25)
    assert other.digest("test") != split.digest("test")


def test_after_an_earlier_training_rows_keep_their_numbers_and_nothing_learnt_is_tested():
    earlier = make([("z", "q", 1), ("a", "x", 1), ("b", "y", 1)])
    validated = make([("b", "x", 1), ("a", "w", 1)])
    split = assemble(
        make([("new", "x", 5), ("a", "y", 5)]),
        make([("b", "y", 5), ("a", "w", 5)]),
        make([("b", "x", 5), ("z", "x", 5), ("a", "x", 5)]),
        catalogue=Vocabulary(("v",)),
    ).after(earlier, validated)
    assert split.train.users.raw_ids == ("z", "a", "b", "new")
    assert split.train.items.raw_ids == ("q", "x", "y", "v")
    assert part_of(split, "train") == [
        *(("new", "x", 5), ("a", "y", 5)),
        # of the validation part what was trained on, of the test also what was validated on
        *(("b", "y", 5), ("b", "x", 5), ("a", "x", 5)),
    ]
    assert part_of(split, "validation") == [("a", "w", 5)]
    assert part_of(split, "test") == [("z", "x", 5)]
    assert split.test.user_ids.tolist() == [0] and split.counts["unknown_users"] == 0
    assert "3 rows not held out but trained on: the earlier run has learnt them" in split.notes
    # eval.py makes it again from what the run saved
    assert split.counts["users"] == 3 and split.counts["items"] == 2
    assert split.with_validation_in_training().train.users.raw_ids == ("z", "a", "b", "new")


def test_held_out_users_are_held_out_whole():
    random = np.random.default_rng(0)
    pairs = [(f"u{u}", f"i{i}", u + i) for u, i in random.integers(0, 40, (900, 2))]
    # of u1000 nothing can be tested; i1000 is unknown to training or everybody's but one user's
    data = make([*pairs, ("u1000", "i0", 1), *((f"u{u}", f"i{1000 + u}", 1) for u in range(40))])
    split = held_out_users_split(data, 3, validation_fraction=0.1, test_fraction=0.25)
    train = part_of(split, "train")
    users = {part: {user for user, *_ in part_of(split, part)} for part in split.raw}
    assert [len(users[part]) for part in ("train", "validation", "test")] == [27, 4, 9]
    assert not users["train"] & (users["validation"] | users["test"])
    assert "4 users held out for validation, 9 for the test" in split.cut_notes[0]
    assert split.cut_notes[1].startswith("14 ratings of theirs left out")
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
    refit = split.with_validation_in_training()
    assert refit.validation is None and set(refit.histories) == {"test"}
    added = len(split.validation) + len(split.histories["validation"])
    assert len(refit.train) == len(split.train) + added
    assert refit.digest("test") == split.digest("test")
    assert len(refit.histories["test"]) == len(split.histories["test"])
    assert refit.histories["test"].items is refit.train.items
    catalogued = split.with_catalogue(data.items)
    assert catalogued.train.num_items == catalogued.histories["test"].num_items == data.num_items


def test_other_shares_of_held_out_users():
    data = make([(f"u{u}", f"i{i}", 1) for u in range(10) for i in range(5)])
    split = held_out_users_split(data, 0, 0, 0.2, 0.99)
    assert split.validation is None and set(split.histories) == {"test"}
    assert np.bincount(split.histories["test"].user_ids).tolist() == [4, 4]
    split = held_out_users_split(data, 1, 0, 0.2, 0.01)
    assert np.bincount(split.histories["test"].user_ids).tolist() == [1, 1]
    assert split.digest("test") == held_out_users_split(data, 1, 0.3, 0.2, 0.01).digest("test")

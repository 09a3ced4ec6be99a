import time

import numpy as np
import pytest

from mfrec.data.interactions import UNKNOWN, Interactions, Vocabulary
from mfrec.data.splits import (
    assemble,
    cut_validation,
    fold_split,
    random_split,
    ready_made_split,
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
        "unknown_users": 1,
        "unknown_items": 1,
        "unknown_rows": 3,
        "overlap": 1,
    }


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

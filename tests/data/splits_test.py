"""Split recipes: what they encode to, and how they change before that."""

import dataclasses

from mfrec.data.interactions import Interactions
from mfrec.data.splits import SplitRecipe
from mfrec.data.vocabulary import UNKNOWN, Vocabulary


def part_of(split, part):
    """Returns the rows of a part as raw (user, item, rating); none for a missing part."""
    if part not in split.raw:
        return []
    users, items = split.raw_pairs(part)
    return list(zip(users, items, getattr(split, part).ratings.tolist(), strict=True))


def make(rows, timestamps=None):
    users, items, ratings = zip(*rows, strict=True)
    return Interactions.from_arrays(users, items, ratings, timestamps)


def test_parts_are_encoded_in_the_training_vocabulary_and_unknown_ids_kept():
    train = make([("a", "x", 1), ("b", "y", 2)])
    test = make([("b", "x", 3), ("c", "x", 4), ("c", "z", 5), ("a", "z", 1), ("a", "x", 2)])
    split = SplitRecipe(train, None, test, repeated_pairs=7).encode()
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
    )
    assert split.warnings == (
        "1 test pair also in the training part, of 5: what was learnt by heart is measured",
    )


def test_the_training_vocabulary_has_only_ids_with_rows():
    data = make([("a", "x", 1), ("b", "y", 2), ("c", "z", 3)])
    split = SplitRecipe(data.take([2]), data.take([1]), data.take([0])).encode()
    assert split.train.users.raw_ids == ("c",)
    assert split.train.items.raw_ids == ("z",)
    assert part_of(split, "validation") == [("b", "y", 2)]


def test_equal_digests_are_equal_rows():
    train = make([("a", "x", 1), ("b", "y", 2)])
    rows = [("b", "x", 3), ("c", "z", 4)]

    def digest(rows):
        return SplitRecipe(train, None, make(rows)).encode().digest("test")

    assert len(digest(rows)) == 16
    # the training part, and how its vocabulary numbers the rows, has nothing to do with it
    other = make([("c", "z", 5)])
    assert SplitRecipe(other, None, make(rows)).encode().digest("test") == digest(rows)
    changed = [
        [("b", "x", 3.5), ("c", "z", 4)],
        [("b", "x", 3), ("d", "z", 4)],
        [("b", "z", 3), ("c", "x", 4)],
        [("b", "x", 3)],
    ]
    assert len({digest(rows), *map(digest, changed)}) == 5


def test_a_catalogue_extends_what_training_has():
    train = make([("a", "x", 1), ("b", "z", 2)])
    validation, test = make([("a", "w", 3)]), make([("b", "y", 4), ("c", "v", 5)])
    catalogue = Vocabulary(("w", "x", "y", "z"), ("W", "X", "Y", "Z"))
    candidates = make([("b", "w", 0), ("b", "u", 0), ("d", "x", 0)])
    recipe = SplitRecipe(train, validation, test)
    plain = recipe.encode()
    recipe = dataclasses.replace(recipe, catalogue=catalogue, candidates=candidates)
    split = recipe.encode()
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

    refit = recipe.with_validation_in_training().encode()
    assert refit.train.items.raw_ids == ("x", "z", "w", "y")
    assert (refit.counts["untrained_items"], refit.counts["validation"]) == (1, 1)
    assert part_of(refit, "train") == [*part_of(split, "train"), ("a", "w", 3)]
    assert refit.candidates.item_ids.tolist() == split.candidates.item_ids.tolist()


def test_after_an_earlier_training_rows_keep_their_numbers_and_nothing_learnt_is_tested():
    earlier = make([("z", "q", 1), ("a", "x", 1), ("b", "y", 1)])
    validated = make([("b", "x", 1), ("a", "w", 1)])
    recipe = SplitRecipe(
        make([("new", "x", 5), ("a", "y", 5)]),
        make([("b", "y", 5), ("a", "w", 5)]),
        make([("b", "x", 5), ("z", "x", 5), ("a", "x", 5)]),
        catalogue=Vocabulary(("v",)),
    ).after(earlier, validated)
    split = recipe.encode()
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
    joined = recipe.with_validation_in_training().encode()
    assert joined.train.users.raw_ids == ("z", "a", "b", "new")

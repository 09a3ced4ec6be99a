"""Held-out parts beside the training part: unknown ids, spelling, shared pairs."""

import pytest

from mfrec.data.interactions import Interactions
from mfrec.data.splits import SplitRecipe


def made(pairs, timestamps=None):
    users, items = zip(*pairs, strict=True)
    return Interactions.from_arrays(users, items, [3] * len(pairs), timestamps)


PAIRS = [(user, item) for user in range(20) for item in range(10)]
TRAIN, REST = made(PAIRS[:150]), PAIRS[150:]


def warnings_of(test, train=TRAIN, validation=None, **more):
    return SplitRecipe(train, validation, test, **more).encode().warnings


def test_parts_that_share_their_ids_and_no_pair_raise_no_warning():
    assert warnings_of(made(PAIRS[::3]), made(PAIRS[1::3])) == ()
    # a tenth of new users is usual
    assert warnings_of(made([*PAIRS[141:150], ("new", "0")]), made(PAIRS[:141])) == ()


@pytest.mark.parametrize(
    "spell",
    [
        lambda n: f"{n:04}",
        lambda n: f" {n}",
        lambda n: f"{n}.0",
        lambda n: f"'{n}'",
    ],
)
def test_ids_that_are_spelt_otherwise_are_shown_with_one_of_each_side(spell):
    (warning,) = warnings_of(made([(spell(user), item) for user, item in PAIRS[:50]]))
    assert warning == (
        f"50 of 50 test rows have users or items unknown to training: users such as {spell(0)!r} "
        "(training has '0'); spell ids alike in both files"
    )


def test_case_and_items_as_well_and_few_of_them():
    train = made([(f"u{user}", f"Item {item}") for user, item in PAIRS])
    (warning,) = warnings_of(made([("u1", "item 3")]), train)
    assert "items such as 'item 3' (training has 'Item 3'); spell ids alike" in warning
    # three of nine rows: not nearly all, but it is the spelling
    rows = [*PAIRS[:6], ("007", "1"), ("007", "2"), ("008", "2")]
    (warning,) = warnings_of(made(rows), made(PAIRS[6:]))
    assert warning.startswith("3 of 9 test rows") and "'007' (training has '7')" in warning


def test_other_people_are_no_matter_of_spelling():
    (warning,) = warnings_of(made([(f"other {user}", item) for user, item in PAIRS]))
    assert warning.startswith("200 of 200 test rows have users or items unknown to training")
    assert "users such as 'other 0' (training has '0')" in warning
    assert "spell" not in warning and "items" not in warning.split(":")[1]


def test_whole_users_or_items_are_held_out_by_design():
    new_users = made([(f"new {user}", item) for user, item in PAIRS[:20]])
    assert warnings_of(new_users, histories={"test": new_users}) == ()
    new_items = made([(user, f"new {item}") for user, item in PAIRS[:20]])
    assert warnings_of(new_items, ranks_held_out_items=True) == ()


def test_shared_pairs_are_counted_in_every_part():
    both = made([*PAIRS[140:160]])
    test, validation = warnings_of(both), warnings_of(None, validation=both)
    assert test == (
        "10 test pairs also in the training part, of 20: what was learnt by heart is measured",
    )
    assert validation[0].startswith("10 validation pairs also in the training part, of 20")
    train = made([(user, item) for user in range(20) for item in range(5)])
    held_out = made([(user, item) for user in range(20) for item in range(5, 9)])
    warnings = SplitRecipe(train, held_out, held_out.take(slice(0, 7))).encode().warnings
    # items 5 to 8 are unknown to training, so that these pairs have no ids to compare
    assert all("unknown to training" in line for line in warnings) and len(warnings) == 2
    known = made([(user, item % 5) for user, item in PAIRS])
    split = SplitRecipe(known, made(PAIRS[:5]), made(PAIRS[3:5])).encode()
    assert "2 test rows in the validation part as well" in split.warnings[-1]

"""The selection of rows: rating bounds, weights, k-core."""

import math

import numpy as np
import pytest

from mfrec.config.settings import PositivesConfig
from mfrec.data.interactions import Interactions
from mfrec.data.positives import k_core, select
from mfrec.errors import InputError


def raw_rows(data):
    users = [data.users.raw_ids[user] for user in data.user_ids]
    items = [data.items.raw_ids[item] for item in data.item_ids]
    values = (data.ratings if data.weights is None else data.weights).tolist()
    return list(zip(users, items, values, strict=True))


RATED = Interactions.from_arrays([*"abbcab"], [*"xxyzxx"], [5, 4, 3.5, 4, 2, 3], [1, 2, 3, 4, 5, 0])
COUNTED = Interactions.from_arrays([*"abab"], [*"xxxy"], weights=[3, 1, 4.5, 0.5])


def test_without_wishes_everything_stays_as_it_is():
    selection = select(RATED, PositivesConfig())
    assert selection.rows is RATED
    assert (selection.repeated_pairs, selection.notes) == (0, ())


def test_what_is_liked_is_said_by_the_last_rating():
    # (a, x) was 5 and is 2 later; (b, x) is 4, the 3 behind it is earlier
    selection = select(RATED, PositivesConfig(min_rating=4))
    assert raw_rows(selection.rows) == [("b", "x", 4), ("c", "z", 4)]
    assert selection.repeated_pairs == 2
    assert selection.notes == ("2 of 4 pairs dropped: rated below 4",)


def test_the_bound_is_met_where_float32_rounds_it():
    data = Interactions.from_arrays([*"ab"], [*"xy"], [0.7, 0.6999])
    assert raw_rows(select(data, PositivesConfig(min_rating=0.7)).rows)[0][:2] == ("a", "x")
    assert len(select(data, PositivesConfig(min_rating=0.7)).rows) == 1


def test_weights_add_up_before_they_are_transformed():
    linear = select(COUNTED, PositivesConfig())
    assert raw_rows(linear.rows) == [("b", "x", 1), ("a", "x", 7.5), ("b", "y", 0.5)]
    assert linear.repeated_pairs == 1 and linear.notes == ()
    logs = select(COUNTED, PositivesConfig(weight_transform="log1p")).rows
    expected = [math.log(2), math.log(8.5), math.log(1.5)]
    np.testing.assert_allclose(logs.weights, expected, rtol=1e-6)
    assert logs.weights.dtype == np.float32
    none = select(COUNTED, PositivesConfig(weight_transform="none")).rows
    assert none.weights is None and len(none) == 3


def slow_core(pairs, min_users_rows, min_items_rows):
    """One pair after another, until nobody has too few."""
    pairs = list(pairs)
    while True:
        for user, item in pairs:
            of_user = sum(other == user for other, _ in pairs)
            of_item = sum(other == item for _, other in pairs)
            if of_user < min_users_rows or of_item < min_items_rows:
                pairs.remove((user, item))
                break
        else:
            return pairs


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("least", [(3, 3), (4, 3), (0, 5), (4, 0)])
def test_the_core_is_what_dropping_one_by_one_leaves(seed, least):
    random = np.random.default_rng(seed)
    pairs = random.permutation(np.argwhere(random.random((20, 15)) < 0.3)).tolist()
    data = Interactions.from_arrays(*zip(*pairs, strict=True))
    core = k_core(data, *least)
    expected = [(str(user), str(item)) for user, item in slow_core(map(tuple, pairs), *least)]
    assert [row[:2] for row in raw_rows(core)] == expected
    assert 0 < len(expected) < len(pairs)


def test_a_core_may_unravel_row_by_row():
    # a chain: a-x, x-b, b-y, y-c, c-z loses its ends, and then its new ends
    chain = Interactions.from_arrays([*"abbcc"], [*"xxyyz"])
    assert len(k_core(chain, 2, 2)) == 0
    circle = Interactions.from_arrays([*"abbccad"], [*"xxyyzzx"])
    assert raw_rows(k_core(circle, 2, 2)) == raw_rows(circle)[:-1]


def test_the_core_counts_distinct_pairs_of_what_is_liked_and_says_what_went():
    users, items, ratings = [*"aaaabbbccd"], [*"xxyzxyzxyx"], [5, 5, 5, 5, 5, 5, 1, 5, 5, 5]
    data = Interactions.from_arrays(users, items, ratings)
    settings = PositivesConfig(min_rating=2, min_user_interactions=2, min_item_interactions=2)
    selection = select(data, settings)
    expected = [("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"), ("c", "x"), ("c", "y")]
    assert [row[:2] for row in raw_rows(selection.rows)] == expected
    assert selection.repeated_pairs == 1
    assert selection.notes == (
        "1 of 9 pairs dropped: rated below 2",
        "1 of 4 users, 1 of 3 items and 2 of 8 pairs dropped, so that every user has 2 or more "
        "and every item has 2 or more",
    )
    [note] = select(data, PositivesConfig(min_user_interactions=3)).notes
    assert note.endswith("2 of 4 users, 0 of 3 items and 3 of 9 pairs dropped, so that every user "
                         "has 3 or more")  # fmt: skip


def test_nothing_left_and_no_ratings_are_refused():
    with pytest.raises(InputError, match="4 of 4 pairs dropped: rated below 6: nothing is left"):
        select(RATED, PositivesConfig(min_rating=6))
    with pytest.raises(InputError, match="every item has 9 or more: nothing is left; ask for less"):
        select(RATED, PositivesConfig(min_item_interactions=9))
    with pytest.raises(InputError, match="--min_rating=4 needs ratings and the data have none"):
        select(COUNTED, PositivesConfig(min_rating=4))

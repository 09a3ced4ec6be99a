"""Ratings that mean "not rated", and columns of row numbers: what is warned of, and what is not."""

import numpy as np
import pytest

from mfrec.data import suspicions
from mfrec.data.interactions import Interactions

DRAW = np.random.default_rng(0)
STARS = DRAW.choice([1, 2, 3, 4, 5], 400, p=[0.05, 0.1, 0.25, 0.35, 0.25])
TENS = DRAW.choice(np.arange(1, 11), 400)
JOKES = DRAW.uniform(-10, 10, 400)
COUNTS = np.floor(DRAW.pareto(1.2, 400) + 1)


def with_codes(ratings, *codes, share=0.2):
    ratings = np.array(ratings, np.float32)
    for code in codes:
        ratings[DRAW.random(len(ratings)) < share] = code
    return ratings


@pytest.mark.parametrize(
    ("ratings", "codes"),
    [
        (with_codes(JOKES, 99), [99]),
        (with_codes(JOKES, 99, share=0.7), [99]),
        (with_codes(JOKES, -99), [-99]),
        (with_codes(STARS, 99, share=0.01), [99]),
        (with_codes(STARS, -1), [-1]),
        (with_codes(STARS, 0), [0]),
        (with_codes(STARS, 0, share=0.01), [0]),
        (with_codes(STARS, -1, 99), [-1, 99]),
        (with_codes(STARS, 0, 99), [0, 99]),
        (with_codes(STARS, -1, 0), [-1, 0]),
        (with_codes(TENS, -1), [-1]),
        (with_codes(TENS, 0, share=0.5), [0]),
        (with_codes(2 * STARS, 0, share=0.35), [0]),
        (with_codes(TENS / 2, -1), [-1]),
        (with_codes(TENS, -999), [-999]),
        # not codes
        (STARS, []),
        (TENS, []),
        (TENS / 2, []),
        (JOKES, []),
        (COUNTS, []),
        (with_codes(TENS, 0, share=0.1), []),
        (with_codes(TENS / 2, 0, share=0.1), []),
        (DRAW.choice([-1, 1], 400), []),
        (DRAW.choice([-1, 0, 1], 400), []),
        (DRAW.choice([-2, -1, 0, 1, 2], 400), []),
        (DRAW.choice([0, 1], 400), []),
        (DRAW.choice([0, 1, 2, 3], 400), []),
        (DRAW.choice([1, 5], 400), []),
        (DRAW.choice([0, 100], 400), []),
        (np.ones(400), []),
        (DRAW.uniform(-1, 1, 400), []),
        (DRAW.normal(3, 1, 400), []),
        (np.array([]), []),
        (np.array([3.0]), []),
    ],
)
def test_codes_for_not_rated(ratings, codes):
    assert suspicions.codes_for_missing(np.array(ratings, np.float32)) == codes


def test_the_warning_says_how_many_and_which_flag_leaves_them_out():
    ratings = [1, 2, 3, 4, 5] * 4 + [-1, -1, 99]
    data = Interactions.from_arrays([0] * 23, range(23), ratings)
    assert suspicions.of_ratings(data) == [
        "of 23 ratings 2 are -1 and 1 are 99, the others lie between 1 and 5; if that means not "
        "rated, --missing_ratings=-1,99 leaves them out"
    ]
    assert suspicions.of_ratings(Interactions.from_arrays([0] * 23, range(23))) == []


def test_a_column_of_row_numbers_is_warned_of():
    data = Interactions.from_arrays(range(20), [n % 5 for n in range(20)])
    (warning,) = suspicions.of_training(data)
    assert warning.startswith("every user has one rating") and "--user_column" in warning
    data = Interactions.from_arrays([n % 5 for n in range(20)], range(20))
    assert suspicions.of_training(data)[0].startswith("every item has one rating")
    assert suspicions.of_training(data.take(slice(0, 5))) == []


@pytest.mark.parametrize(
    ("name", "count"), [("movielens-100k", 100_000), ("movietweetings-100k", 100_000)]
)
def test_real_sets_raise_no_alarm(name, count, real_data_dir):
    from mfrec.data import datasets

    data = datasets.load(name, real_data_dir, download=False)
    assert len(data) == count and suspicions.of_training(data) == []


def of(ratings):
    count = len(ratings)
    return Interactions.from_arrays(range(count), range(count), ratings)


@pytest.mark.parametrize(
    ("train", "held_out", "is_other"),
    [
        (STARS, [90.0] * 3, True),
        (STARS, [90.0] * 40, True),
        (STARS, STARS[:40] * 20, True),
        (STARS, STARS[:40] / 5, True),
        (TENS * 10, STARS[:20], True),
        (TENS, STARS[:40], True),
        # the same scale, if with other ratings
        (STARS, STARS[:40], False),
        (STARS, [5.0] * 40, False),
        (STARS, [1.0, 2.0], False),
        (TENS, [5.0, 3.0], False),
        (STARS[STARS < 5], [5.0], False),
        ([5.0] * 10, [4.0], False),
        (JOKES, JOKES[:40], False),
        (COUNTS, COUNTS[:40], False),
        (DRAW.normal(3, 1, 400), DRAW.normal(3, 1, 40), False),
        (STARS, [], False),
    ],
)
def test_held_out_ratings_on_another_scale(train, held_out, is_other):
    parts = {"validation": None, "test": of(held_out)}
    assert bool(suspicions.of_scales(of(train), parts)) == is_other


def test_the_line_about_scales_names_both():
    pairs = Interactions.from_arrays([1, 2], [1, 2])
    assert suspicions.of_scales(of([1, 5]), {"test": pairs}) == []
    assert suspicions.of_scales(of([1, 5]), {"test": of([90, 80])}) == [
        "test ratings lie between 80 and 90, those of training between 1 and 5: if their scales "
        "differ, the errors say nothing"
    ]


def test_from_python_no_flag_is_named():
    rows = of(with_codes(STARS, 99, share=0.3))
    codes, *others = suspicions.of_training(rows, by_flags=False)
    assert codes.endswith("leave them out: ratings.take(~np.isin(ratings.ratings, [99]))")
    assert len(others) == 2 and not any("--" in line for line in others)

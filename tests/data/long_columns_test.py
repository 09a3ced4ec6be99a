"""What is fast for long columns gives what its plain definition gives: blocks of a few rows."""

import hashlib
from dataclasses import replace

import numpy as np
import pytest

from mfrec import parallel
from mfrec.data import counting, numbering, pairs
from mfrec.data.interactions import Interactions
from mfrec.data.raw_ids import factorized
from mfrec.data.splits import SplitRecipe
from mfrec.data.vocabulary import Vocabulary


@pytest.fixture(params=[1, 3, 64])
def block(request, monkeypatch):
    monkeypatch.setattr(parallel, "BLOCK", request.param)
    return request.param


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.int64, np.uint64])
def test_integers_are_numbered_in_order_of_first_appearance(dtype, block):
    random, info = np.random.default_rng(0), np.iinfo(dtype)
    ranges = [(0, 9), (info.min, info.min + 9), (info.max - 9, info.max), (info.min, info.max)]
    for low, high in ranges:
        values = random.integers(low, high, 100, dtype, endpoint=True)
        distinct = list(dict.fromkeys(values.tolist()))
        expected = [distinct.index(value) for value in values.tolist()]
        for number in (numbering.number_integers, numbering._number_by_hash):
            codes, found = number(values)
            assert codes.tolist() == expected and codes.dtype == np.int32
            assert found.tolist() == distinct and found.dtype == dtype
        assert factorized(values)[1] == tuple(map(str, distinct))


def test_counts_and_sums_of_rows(block):
    random = np.random.default_rng(0)
    ids, ratings = random.integers(-1, 7, 100).astype(np.int32), random.random(100)
    rows = [np.flatnonzero(ids == row) for row in range(8)]
    assert counting.count_rows(ids, 8).tolist() == [len(own) for own in rows]
    assert counting.which_come(ids, 8).tolist() == list(range(7))
    known = ids[ids >= 0]
    sums = counting.sum_rows(known, lambda block: ratings[ids >= 0][block], 8)
    assert sums == pytest.approx([ratings[own].sum() for own in rows])


@pytest.mark.parametrize("num_values", [5, 1000])
def test_counts_of_values(num_values, block):
    values = np.random.default_rng(0).integers(0, num_values, 200).astype(np.float32) / 2
    expected = np.unique(values, return_counts=True)
    for found, wanted in zip(counting.value_counts(values), expected, strict=True):
        assert found.tolist() == wanted.tolist() and found.dtype == wanted.dtype


@pytest.mark.parametrize("has_times", [False, True])
def test_of_repeated_pairs_the_last_is_kept_and_weights_are_summed(has_times, block):
    random = np.random.default_rng(0)
    names = Vocabulary(tuple("abcdefgh"))
    for num_rows in (0, 1, 7, 80):
        rows = Interactions(
            random.integers(-1, 8, num_rows).astype(np.int32),
            random.integers(-1, 8, num_rows).astype(np.int32),
            np.arange(num_rows, dtype=np.float32),
            random.integers(0, 4, num_rows) if has_times else None,
            names,
            names,
            weights=np.ones(num_rows, np.float32),
        )
        last, counts = {}, {}
        for row in range(num_rows):
            pair = rows.user_ids[row], rows.item_ids[row]
            time = rows.timestamps[row] if has_times else 0
            last[pair] = max(last.get(pair, (-1, -1)), (time, row))
            counts[pair] = counts.get(pair, 0) + 1
        kept = {row: counts[pair] for pair, (_, row) in last.items()}
        found = rows.without_repeats()
        assert found.ratings.tolist() == sorted(kept)
        assert found.weights.tolist() == [kept[row] for row in sorted(kept)]


def test_pairs_repeat_whether_or_not_positions_have_room_beside_them():
    for user, size in ((4, 7), (2**30, 2**31 - 1)):
        # of the large size, the numbers of the first two pairs differ in their highest bits alone
        users, items = np.array([[0, user, 2, 0], [1, 1, 1, 1]], np.int32)
        (rows,) = pairs.repeated_rows(users, items, size, size)
        assert rows.tolist() == [0, 3]
        assert pairs.repeated_rows(users[1:], items[1:], size, size) == []


def test_pairs_of_two_parts_are_counted(block):
    known, some = np.array([5, 3, 5, 9] * 9), np.array([3, 5, 5, 4, 10])
    assert pairs.count_shared(some, known) == 3
    assert pairs.distinct(known).tolist() == [3, 5, 9]
    assert pairs.count_shared(some, known[:0]) == 0
    assert known[:4].tolist() == [5, 3, 5, 9]


def test_the_digest_is_of_the_raw_ids_as_lines_and_of_the_ratings(block):
    names = Vocabulary(("a", "bé", "x\ny", "日本", "10"))
    ids = np.random.default_rng(0).integers(0, 5, (2, 20)).astype(np.int32)
    rows = Interactions(*ids, np.arange(20, dtype=np.float32), None, names, names)
    split = SplitRecipe(rows, None, rows).encode()
    text = "\n".join(names.raw_ids[row] for row in ids.ravel().tolist())
    expected = hashlib.sha256(text.encode() + rows.ratings.tobytes()).hexdigest()
    assert split.digest("test") == expected[:16]


def test_parts_cut_from_one_table_need_no_search_for_shared_pairs():
    rows = Interactions.from_arrays([1, 1, 2, 2], [1, 2, 1, 2])
    shared = SplitRecipe(rows, None, rows.take([3]))
    assert shared.encode().counts["overlap"] == 1
    # what splitters.cut knows of its parts is believed
    assert replace(shared, are_apart=True).encode().counts["overlap"] == 0


def test_a_vocabulary_keeps_its_rows_in_one_other():
    first, second = Vocabulary(("a", "b", "c")), Vocabulary(("c", "a"))
    for _ in range(2):
        assert first.rows_in(second).tolist() == [1, -1, 0]
    assert first.rows_in(Vocabulary(("b",))).tolist() == [-1, 0, -1]


def test_work_is_done_in_order_whatever_takes_longer():
    assert parallel.blocks(5, 2) == [slice(0, 2), slice(2, 4), slice(4, 5)]
    assert parallel.each(lambda block: block.stop, parallel.blocks(5, 2)) == [2, 4, 5]

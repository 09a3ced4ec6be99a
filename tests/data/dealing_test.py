"""Users are dealt by their raw ids: the same part everywhere, and as many users in each."""

import numpy as np
import pytest

from mfrec.data import dealing
from mfrec.data.dealing import hashes_of, part_of
from mfrec.errors import InputError


def test_a_hash_is_the_crc_of_the_text_mixed():
    # CRC-32's own check value, then MurmurHash3's last step in Python's integers
    number = 0xCBF43926
    number ^= number >> 16
    number = number * 0x85EBCA6B % 2**32
    number ^= number >> 13
    number = number * 0xC2B2AE35 % 2**32
    number ^= number >> 16
    assert hashes_of(["123456789"]).tolist() == [number]


def test_parts_are_the_same_for_ever():
    parts = part_of(["27", "user", "é", "", "007"], 1000)
    assert parts.tolist() == [371, 787, 165, 0, 694]
    assert parts.dtype == np.int32


@pytest.mark.parametrize("form", ["27", b"27", 27, np.int64(27), np.array([27]), [27.0], ("27",)])
def test_an_id_in_any_form_has_one_part(form):
    assert part_of(form, 1000).tolist() == [371]


def test_ids_by_blocks_have_the_parts_that_they_have_together(monkeypatch):
    ids = np.arange(10)
    together = part_of(ids, 1000)
    monkeypatch.setattr(dealing, "_BLOCK", 3)
    assert part_of(ids, 1000).tolist() == together.tolist()


@pytest.mark.parametrize("num_parts", [2, 3, 16])
@pytest.mark.parametrize("step", [1, 16, 1000])
def test_parts_are_of_one_size_whatever_the_ids(num_parts, step):
    sizes = np.bincount(part_of(np.arange(20_000) * step, num_parts), minlength=num_parts)
    expected = 20_000 / num_parts
    # five standard deviations of a fair deal
    assert np.abs(sizes - expected).max() < 5 * np.sqrt(expected)


def test_what_cannot_be_dealt():
    assert part_of([], 3).tolist() == []
    with pytest.raises(InputError, match="num_parts=0"):
        part_of(["a"], 0)
    with pytest.raises(InputError, match="missing"):
        part_of([None], 3)

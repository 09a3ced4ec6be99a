"""Users are dealt to parts: the shards of a converted data set, and the workers of a training.

The part follows from the raw id alone: whoever reads the id, in whatever order, on whatever machine
and Python, deals it to the same part. Hashes of 32 bits spread users evenly, whatever the ids are.
"""

import zlib
from typing import Any

import numpy as np

from mfrec.data.raw_ids import as_raw_ids
from mfrec.data.values import as_count

# Ids that are text at once: integers become text a block at a time.
_BLOCK = 1 << 20


def part_of(raw_ids: Any, num_parts: int) -> np.ndarray:
    """Return the part of each raw id, int32 [n] from 0 to num_parts − 1.

    Args:
        raw_ids: as for `as_raw_ids`; 27, "27" and b"27" are the same raw id.
        num_parts: how many parts there are, at least 1.

    Raises:
        InputError: an id is missing or no raw id, or there is no part.
    """
    num_parts = as_count(num_parts, "num_parts", most=2**31 - 1)
    if not isinstance(raw_ids, (np.ndarray, tuple, list)):
        raw_ids = as_raw_ids(raw_ids)
    blocks = [raw_ids[start : start + _BLOCK] for start in range(0, len(raw_ids), _BLOCK)]
    hashes = [hashes_of(as_raw_ids(block)) for block in blocks]
    return (np.concatenate([np.empty(0, np.uint32), *hashes]) % num_parts).astype(np.int32)


def hashes_of(texts: list[str]) -> np.ndarray:
    """Return a number of 32 bits for each text, uint32 [n]: the CRC-32 of its UTF-8, mixed."""
    # half a character has no UTF-8, but may be in data frames
    encoded = (text.encode("utf-8", "surrogatepass") for text in texts)
    return mixed(np.fromiter(map(zlib.crc32, encoded), np.uint32, len(texts)))


def mixed(numbers: np.ndarray) -> np.ndarray:
    """Return numbers whose every bit depends on all bits of the given ones, uint32 [n].

    The remainders of CRCs, which are linear in the text, would fall on few parts where ids differ
    in few bits. This is the last step of MurmurHash3, which loses no number.
    """
    numbers = numbers ^ (numbers >> np.uint32(16))
    numbers = numbers * np.uint32(0x85EBCA6B)
    numbers = numbers ^ (numbers >> np.uint32(13))
    numbers = numbers * np.uint32(0xC2B2AE35)
    return numbers ^ (numbers >> np.uint32(16))

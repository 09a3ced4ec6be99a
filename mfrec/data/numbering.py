"""Ids numbered in order of first appearance, without a sort; texts eight bytes at a time."""

import numpy as np

from mfrec import parallel

# Bytes that are read at once, as one number.
WORD = 8
_ALL_BYTES = 0x0101010101010101
# Slots of the hash table for texts, as powers of two: what fits into the processor's cache, and
# what is enough for any file.
_FEWEST_BITS = 20
_MOST_BITS = 24
# Integers are looked up in a table if it has at most so many entries for each of them.
_ENTRIES_EACH = 2
_SMALLEST_TABLE = 1 << 16
# Blocks that are hashed at once: of fewer, most ids would come again in the next.
_BLOCKS_TO_HASH = 16
# The smallest number that has so many digits, none of them in vain; by their number.
_SMALLEST_OF_LENGTH = np.array([0, 0, *(10**digits for digits in range(1, 2 * WORD))])
_SAMPLE_ROWS = 100


def number_integers(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Number distinct integers in order of first appearance.

    Args:
        values: integers of any type [n].

    Returns:
        int32 [n], each value's code, and the distinct values.
    """
    if not len(values):
        return np.empty(0, np.int32), values
    low, high = int(values.min()), int(values.max())
    if high - low < max(_ENTRIES_EACH * len(values), _SMALLEST_TABLE):
        return _number_by_table(values, low, high)
    return _number_by_hash(values)


def _number_by_table(values: np.ndarray, low: int, high: int) -> tuple[np.ndarray, np.ndarray]:
    """The same for integers that lie close together: a table holds the code of each."""
    table = np.full(high - low + 1, -1, np.int32)
    codes = np.empty(len(values), np.int32)
    distinct: list[np.ndarray] = []
    num_distinct = 0
    for block in parallel.blocks(len(values)):
        # the difference fits into the type without a sign, whatever wraps around below it
        places = (values[block] - values.dtype.type(low)).view(f"u{values.dtype.itemsize}")
        found = table[places]
        unseen = np.flatnonzero(found < 0)
        if len(unseen):
            new = places[unseen]
            # Of repeated indices numpy keeps the last write: written backwards, the first row.
            table[new[::-1]] = np.arange(len(new), dtype=np.int32)[::-1]
            firsts = np.flatnonzero(table[new] == np.arange(len(new)))
            table[new[firsts]] = np.arange(num_distinct, num_distinct + len(firsts))
            found[unseen] = table[new]
            distinct.append(values[block][unseen[firsts]])
            num_distinct += len(firsts)
        codes[block] = found
    return codes, np.concatenate(distinct)


def _number_by_hash(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The same for any integers: those of each block by hashing, then the distinct ones of all."""

    def number(block: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        first = _first_equal_row([block.astype(np.uint64)])
        codes, firsts = _codes(first)
        return codes, block[firsts]

    large = parallel.blocks(len(values), _BLOCKS_TO_HASH * parallel.BLOCK)
    parts = parallel.each(number, [values[block] for block in large])
    if len(parts) == 1:
        return parts[0]
    merged, distinct = number(np.concatenate([found for _, found in parts]))
    starts = np.cumsum([0] + [len(found) for _, found in parts])
    codes = [merged[start:][own] for start, (own, _) in zip(starts, parts, strict=False)]
    return np.concatenate(codes), distinct


def words_at(data: bytes, starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """Return `sizes` bytes from each start, at most eight, filled up with zeros: uint64.

    Args:
        data: bytes, and then one word of padding.
        starts: integers [n].
        sizes: integers [n].
    """
    words = np.ndarray(len(data) - WORD + 1, "<u8", data, strides=(1,))[starts]
    masks = np.array([256**size - 1 for size in range(WORD + 1)], np.uint64)
    words &= masks[np.minimum(sizes, WORD)]
    return words


def number_texts(
    data: bytes, starts: np.ndarray, lengths: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Number distinct texts in order of first appearance.

    Rows that agree so far and are longer are compared by their next eight bytes. Text contains no
    NUL, so padding with zeros is unambiguous.

    Args:
        data: bytes, and then one word of padding.
        starts: integers [rows], where each text begins.
        lengths: integers [rows], in bytes.

    Returns:
        int32 [rows], each row's code, and int64 [distinct], where each code appears first.
    """
    longest = int(lengths.max(initial=0))
    integers = _as_integers(data, starts, lengths, longest)
    if integers is not None:
        codes, _ = number_integers(integers)
        # a text is new where its code is higher than all before
        highest = np.maximum.accumulate(codes)
        return codes, np.append(0, np.flatnonzero(highest[1:] != highest[:-1]) + 1)
    # Rows that agree in their length as well as in their words end together.
    first = _first_equal_row([words_at(data, starts, lengths), lengths.astype(np.uint64)])
    rows = np.arange(len(starts))
    for offset in range(WORD, longest, WORD):
        rows = rows[lengths[rows] > offset]
        words = words_at(data, starts[rows] + offset, lengths[rows] - offset)
        first[rows] = rows[_first_equal_row([words, first[rows].astype(np.uint64)])]
    return _codes(first)


def parse_integers(data: bytes, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray | None:
    """Return texts of 1 to 16 digits as int64 [rows]; None if one is anything else."""
    # a column of something else shows it at once
    first = slice(0, _SAMPLE_ROWS)
    if not len(starts) or _parse_block(data, starts[first], lengths[first]) is None:
        return None
    blocks = parallel.blocks(len(starts))
    parts = parallel.each(lambda block: _parse_block(data, starts[block], lengths[block]), blocks)
    known = [part for part in parts if part is not None]
    return np.concatenate(known) if len(known) == len(parts) else None


def _as_integers(
    data: bytes, starts: np.ndarray, lengths: np.ndarray, longest: int
) -> np.ndarray | None:
    """Return one integer for each different text; None if some are too long for that.

    Digits are read as a number, unless there are zeros before it: 007 is not 7. Other texts of up
    to eight bytes are the words that they are.
    """
    blocks = parallel.blocks(len(starts))
    integers = parse_integers(data, starts, lengths) if longest <= 2 * WORD else None
    if integers is not None and all(
        parallel.each(lambda b: (integers[b] >= _SMALLEST_OF_LENGTH[lengths[b]]).all(), blocks)
    ):
        return integers
    if longest > WORD or not blocks:
        return None
    return np.concatenate(
        parallel.each(lambda block: words_at(data, starts[block], lengths[block]), blocks)
    )


def _parse_block(data: bytes, starts: np.ndarray, lengths: np.ndarray) -> np.ndarray | None:
    if lengths.min() < 1 or lengths.max() > 2 * WORD:
        return None
    high = np.maximum(lengths - WORD, 0)
    low = _parse_digits(words_at(data, starts + high, lengths - high), lengths - high)
    if low is None or not high.any():
        return low
    rows = np.flatnonzero(high)
    upper = _parse_digits(words_at(data, starts[rows], high[rows]), high[rows])
    if upper is not None:
        low[rows] += 10**WORD * upper
        return low
    return None


def _codes(first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return each row's code, int32 [rows], and where each code appears first, int64 [distinct].

    Args:
        first: of every row the first row that equals it.
    """
    is_first = first == np.arange(len(first))
    ranks = np.cumsum(is_first, dtype=np.int32) - np.int32(1)
    return ranks[first], np.flatnonzero(is_first)


def _first_equal_row(keys: list[np.ndarray]) -> np.ndarray:
    """Return for every row the first row with the same keys: int64 [rows].

    Rows are put into slots by a multiplicative hash of their keys, and the first row of a slot is
    the answer for all that equal it. The others, which only share its slot, go into another round
    with another hash and more slots; each round settles at least one key of every slot.

    Args:
        keys: uint64 arrays [rows].
    """
    first = np.empty(len(keys[0]), np.int64)
    rows = np.arange(len(first))
    bits = min(_FEWEST_BITS, len(rows).bit_length() + 1)
    multiplier = 0x9E3779B97F4A7C15
    while len(rows):
        open_keys = [key[rows] for key in keys]
        mixed = open_keys[0] * np.uint64(multiplier)
        for key in open_keys[1:]:
            mixed = (mixed ^ (mixed >> np.uint64(32)) ^ key) * np.uint64(multiplier)
        slots = (mixed >> np.uint64(64 - bits)).astype(np.int64)
        owners = np.empty(1 << bits, np.int64)
        # Of repeated indices numpy keeps the last write: written backwards, the first row.
        owners[slots[::-1]] = rows[::-1]
        candidates = owners[slots]
        same = np.ones(len(rows), bool)
        for key, open_key in zip(keys, open_keys, strict=True):
            same &= key[candidates] == open_key
        first[rows[same]] = candidates[same]
        rows = rows[~same]
        bits = min(bits + 2, _MOST_BITS)
        multiplier = multiplier * 0xBF58476D1CE4E5B9 % 2**64
    return first


def _parse_digits(words: np.ndarray, sizes: np.ndarray) -> np.ndarray | None:
    """Return numbers of up to eight ASCII digits per word, the first digit in its lowest byte.

    Shifted to the top of its word, with zeros below, a text is a number of eight digits; pairs of
    digits, then of pairs, then of fours are added up in parallel within the word.

    Returns:
        int64 [rows]; None if a byte is not a digit.
    """
    missing = (8 * (WORD - sizes)).astype(np.uint64)
    zeros = np.uint64(ord("0") * _ALL_BYTES)
    # A shift by a whole word is undefined: there is always at least one digit.
    words = (words << missing) | (zeros & ~(np.uint64(2**64 - 1) << missing))
    digits = words ^ zeros
    if ((digits | (digits + np.uint64(6 * _ALL_BYTES))) & np.uint64(0xF0 * _ALL_BYTES)).any():
        return None
    digits = (digits * np.uint64(10 * 2**8 + 1) >> np.uint64(8)) & np.uint64(0x00FF00FF00FF00FF)
    digits = (digits * np.uint64(100 * 2**16 + 1) >> np.uint64(16)) & np.uint64(0x0000FFFF0000FFFF)
    digits = (digits * np.uint64(10_000 * 2**32 + 1)) >> np.uint64(32)
    return digits.astype(np.int64)

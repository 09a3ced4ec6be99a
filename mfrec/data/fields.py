"""Text split into fields: positions in its bytes, found by numpy, or by csv where quotes matter.

A field is a start and an end in the bytes of the file. Where every quoted field is quoted as a
whole and hides no delimiter, the quotes are cut off by numpy as well; everything else is left to
the csv module, which is slow but knows what quotes mean.
"""

import contextlib
import csv
import io
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mfrec import parallel
from mfrec.errors import InputError

# With these delimiters quotes always mean what they mean in CSV.
_CSV_DELIMITERS = (",", ";")
_NEWLINE, _QUOTE, _SPACE = ord("\n"), ord('"'), ord(" ")
_ESCAPES = re.compile(rb'\\(["\\\n\r])')
_ESCAPED = {b'"': b'""'}


@dataclass(frozen=True, eq=False)
class Fields:
    """The fields of a text; rows may differ in length.

    Attributes:
        data: the bytes that positions refer to.
        starts: integers [fields], where each field begins in `data`.
        ends: integers [fields], where each field ends.
        counts: integers [rows], how many fields each row has.
        numbers: integers [rows], line numbers from 1.
        note: what was assumed about the file, for people; empty if nothing.
    """

    data: bytes
    starts: np.ndarray
    ends: np.ndarray
    counts: np.ndarray
    numbers: np.ndarray
    note: str = ""

    @property
    def is_even(self) -> bool:
        """Whether all rows have as many fields."""
        return bool((self.counts == self.counts[0]).all()) if len(self.counts) else True

    def texts(self) -> list[bytes]:
        """Return every field, row after row."""
        bounds = zip(self.starts.tolist(), self.ends.tolist(), strict=True)
        return [self.data[start:end] for start, end in bounds]


def with_newlines(data: bytes) -> bytes:
    r"""Return the same text with \n for every kind of line end."""
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return data


def split(path: str | Path, data: bytes, delimiter: str) -> Fields:
    r"""Find every field.

    Args:
        path: of the file, for messages.
        data: UTF-8, with any kind of line end.
        delimiter: between fields. Quotes mean what they mean in CSV beside , and ;, and nothing
            beside delimiters of several characters. Beside other characters they do if the file
            makes sense by that alone. \" inside of quotes is a quote if the file makes no sense
            otherwise.

    Raises:
        InputError: quotes that are not closed, or that can be read in two ways; names the line.
    """
    plain, is_padded = _without_padding(split_plainly(data, delimiter), delimiter)
    # Files with "::" or other long delimiters have no quoting: a quote in a title is just that.
    if b'"' not in data or len(delimiter) > 1:
        return plain
    whole = _without_quotes(plain)
    if whole is not None and (whole.is_even or delimiter in _CSV_DELIMITERS):
        return whole
    quoted = None
    try:
        quoted = _split_quoted(path, data, delimiter, is_padded)
    except InputError:
        if delimiter in _CSV_DELIMITERS and b'\\"' not in data:
            raise
    if b'\\"' in data:
        quoted = _split_escaped(path, data, delimiter, quoted)
    if delimiter in _CSV_DELIMITERS:
        return quoted or _split_quoted(path, data, delimiter)
    if quoted is None or not quoted.is_even:
        return plain
    if plain.is_even and len(plain.counts) != len(quoted.counts):
        _refuse_two_ways(path, quoted, plain)
    return quoted


def split_plainly(data: bytes, delimiter: str) -> Fields:
    """Find the fields of text without quotes; blank lines are no rows."""
    data, mark = with_newlines(data), delimiter.encode()
    if mark == b" " and re.search(rb"  |^ | $", data, re.MULTILINE):
        data = re.sub(rb" +", b" ", data)
        data = re.sub(rb"^ | $", b"", data, flags=re.MULTILINE)
    if len(mark) > 1:
        # One byte is faster to find than two; UTF-8 never uses this one.
        data = data.replace(mark, b"\xff")
        mark = b"\xff"
    if not data.endswith(b"\n"):
        data += b"\n"
    array = np.frombuffer(data, np.uint8)
    ends, num_lines = _find(array, mark[0])
    starts = np.empty_like(ends)
    starts[0] = 0
    np.add(ends[:-1], 1, out=starts[1:])

    width = len(ends) // num_lines
    if width > 1 and _are_even(array, ends, num_lines):
        numbers = np.arange(1, num_lines + 1, dtype=ends.dtype)
        return Fields(data, starts, ends, np.broadcast_to(width, num_lines), numbers)
    last_fields = np.flatnonzero(array[ends] == _NEWLINE)
    counts = np.diff(last_fields, prepend=-1)
    is_blank = (counts == 1) & (starts[last_fields] == ends[last_fields])
    numbers = np.flatnonzero(~is_blank) + 1
    if is_blank.any():
        kept = np.repeat(~is_blank, counts)
        starts, ends, counts = starts[kept], ends[kept], counts[~is_blank]
    return Fields(data, starts, ends, counts, numbers)


def _are_even(array: np.ndarray, ends: np.ndarray, num_lines: int) -> bool:
    """Whether all lines have as many fields, two or more, as they have on average."""
    width = len(ends) // num_lines
    return width * num_lines == len(ends) and bool(
        (array[ends[width - 1 :: width]] == _NEWLINE).all()
    )


def from_texts(texts: list[bytes], counts: np.ndarray, numbers: np.ndarray) -> Fields:
    """Return fields whose texts are given, row after row."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    ends = np.cumsum(lengths)
    return Fields(b"".join(texts), ends - lengths, ends, counts, numbers)


def count_fields(lines: Iterable[str], delimiter: str) -> list[int]:
    """Return how many fields a few lines have."""
    lines = list(lines)
    if len(delimiter) == 1 and any('"' in line for line in lines):
        rows = csv.reader(lines, delimiter=delimiter, skipinitialspace=True)
        # a field that is too long for csv is none that quotes hold together
        with contextlib.suppress(csv.Error):
            return [len(row) for row in rows]
    if delimiter == " ":
        return [len(re.split(" +", line.strip(" "))) for line in lines]
    return [line.count(delimiter) + 1 for line in lines]


def _find(array: np.ndarray, mark: int) -> tuple[np.ndarray, int]:
    """Positions of `mark` and of line ends, and how many line ends there are.

    Positions are int32 if that is large enough for the array, else int64.
    """
    dtype = np.int32 if len(array) < 2**31 else np.int64

    def find(block: slice) -> tuple[np.ndarray, int]:
        piece = array[block]
        is_end = piece == _NEWLINE
        positions = np.flatnonzero((piece == mark) | is_end) + block.start
        return positions.astype(dtype), int(np.count_nonzero(is_end))

    found = parallel.each(find, parallel.blocks(len(array)))
    return np.concatenate([positions for positions, _ in found]), sum(ends for _, ends in found)


def _without_padding(plain: Fields, delimiter: str) -> tuple[Fields, bool]:
    """Leave out the spaces beside delimiters if there is one behind every delimiter.

    `1, 2, 3` and `1 | 2 | 3` are written so that people can read them. If only some fields begin
    with a space, it belongs to these.

    Returns:
        The fields, and whether there were spaces.
    """
    array = np.frombuffer(plain.data, np.uint8)
    starts, ends = plain.starts, plain.ends
    width = int(plain.counts[0]) if len(plain.counts) else 0
    # the first row tells for most files
    if delimiter == " " or width < 2 or not (array[starts[1:width]] == _SPACE).all():
        return plain, False
    is_first = np.zeros(len(starts), bool)
    is_first[np.cumsum(plain.counts) - plain.counts] = True
    if not ((array[starts] == _SPACE) | is_first).all():
        return plain, False
    starts, ends = starts.copy(), ends.copy()
    while (is_padded := (array[starts] == _SPACE) & (starts < ends)).any():
        starts += is_padded
    while (is_padded := (array[ends - 1] == _SPACE) & (starts < ends)).any():
        ends -= is_padded
    note = "the spaces beside delimiters left out"
    return replace(plain, starts=starts, ends=ends, note=note), True


def _without_quotes(plain: Fields) -> Fields | None:
    """Cut off the quotes around fields; None if there are any others."""
    array = np.frombuffer(plain.data, np.uint8)
    starts, ends = plain.starts, plain.ends
    # an empty field's start is a delimiter or a line end: no quote
    is_quoted = (array[starts] == _QUOTE) & (array[ends - 1] == _QUOTE) & (ends - starts > 1)
    if 2 * int(is_quoted.sum()) != plain.data.count(b'"'):
        return None
    return replace(plain, starts=starts + is_quoted, ends=ends - is_quoted)


def _split_quoted(path: str | Path, data: bytes, delimiter: str, is_padded: bool = False) -> Fields:
    """Find the fields of CSV by the csv module."""
    file = io.StringIO(data.decode(), newline="")
    # several spaces in a row are one delimiter
    skips = is_padded or delimiter == " "
    reader = csv.reader(file, delimiter=delimiter, strict=True, skipinitialspace=skips)
    texts: list[bytes] = []
    counts, numbers = [], []
    line = 1
    try:
        for row in reader:
            if row:
                texts += [field.encode() for field in row]
                counts.append(len(row))
                numbers.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}:{line}: {error}; correct the quotes of this line") from None
    return from_texts(texts, np.array(counts), np.array(numbers))


def _split_escaped(
    path: str | Path, data: bytes, delimiter: str, quoted: Fields | None
) -> Fields | None:
    r"""Return the fields if \" is a quote inside of quotes, where the file makes no sense else.

    MySQL and Spark write so. There a backslash before a quote, a backslash or a line end stands
    for that; before anything else it stands for itself.

    Args:
        path: of the file, for messages.
        data: its text.
        delimiter: between fields.
        quoted: the fields by the rules of CSV, where a backslash is a character like others.
    """
    try:
        escaped = _split_quoted(
            path,
            _ESCAPES.sub(lambda found: _ESCAPED.get(found[1], found[1]), data),
            delimiter,
        )
    except InputError:
        return quoted
    if quoted is not None and quoted.is_even:
        # a quote that no quoted field holds means the same either way
        if escaped.is_even and not re.search(rb'(?:^|[\r\n,;|\t ])"', data):
            return quoted
        if escaped.is_even and escaped.texts() != quoted.texts():
            _refuse_two_ways(path, quoted, escaped)
        return quoted
    note = r"\" as a quote inside of quotes"
    return replace(escaped, note=note)


def _refuse_two_ways(path: str | Path, one: Fields, other: Fields) -> None:
    """Refuse quotes that make sense in two ways; names the first row that differs."""
    line = next(
        (
            number
            for number, first, second in zip(
                one.numbers.tolist(), _rows(one), _rows(other), strict=False
            )
            if first != second
        ),
        one.numbers[-1],
    )
    raise InputError(
        f'{path}:{line}: the quotes can be read in two ways; write quotes as "" inside of quotes, '
        "or save the file without any"
    )


def _rows(fields: Fields) -> Iterable[list[bytes]]:
    texts, stop = fields.texts(), 0
    for count in fields.counts.tolist():
        stop += count
        yield texts[stop - count : stop]

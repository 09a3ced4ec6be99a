"""Text in which a row needs other lines to be understood: Netflix's listings, MatrixMarket."""

import re
from pathlib import Path

import numpy as np

from mfrec.data.fields import Fields, split_plainly, with_newlines
from mfrec.data.named_columns import NamedColumns
from mfrec.errors import InputError, short

_MARKET = b"%%matrixmarket"
# An item and a colon alone in a line, and below it a line that ends otherwise.
_BY_ITEM = re.compile(rb"\s*[^\s,;|:\"]+:[ \t]*(?:\r\n?|\n)[^\r\n]*[^\r\n: \t]")
_NUMBER = re.compile(r"\d+(?:\.\d+)?")


def is_by_item(data: bytes) -> bool:
    """Return whether a text lists the rows of one item after another, as Netflix's files do."""
    return _BY_ITEM.match(data) is not None


def read_by_item(path: str | Path, data: bytes, delimiter: str) -> NamedColumns:
    """Read `item:` lines, each followed by `user,rating,date` lines.

    The lines may lack the date, or be users alone.

    Raises:
        InputError: lines of different lengths; names the first.
    """
    fields = split_plainly(data, delimiter)
    array = np.frombuffer(fields.data, np.uint8)
    firsts = np.cumsum(fields.counts) - fields.counts
    lasts = fields.ends[firsts] - 1
    is_item = (fields.counts == 1) & (array[lasts] == ord(":"))
    if not is_item[0] or is_item.all():
        raise InputError(f"{path}: items but no ratings; give a file with ratings")
    widths, numbers = fields.counts[~is_item], fields.numbers[~is_item]
    wrong = np.flatnonzero(widths != widths[0])
    if len(wrong):
        raise InputError(
            f"{path}:{numbers[wrong[0]]}: {widths[wrong[0]]} fields, {widths[0]} expected as in "
            f"line {numbers[0]}; correct or drop the line"
        )
    width = int(widths[0])
    is_kept = np.repeat(~is_item, fields.counts)
    starts, ends = (
        positions[is_kept].reshape(-1, width) for positions in (fields.starts, fields.ends)
    )
    # every row belongs to the last item above it
    items = firsts[is_item][np.cumsum(is_item)[~is_item] - 1]
    starts = np.column_stack([fields.starts[items], starts])
    ends = np.column_stack([fields.ends[items] - 1, ends])
    sample = fields.data[starts[0, -1] : ends[0, -1]].decode()
    names = ("item", "user", "rating", "date", *(f"column {n}" for n in range(4, width + 1)))
    if width == 2 and not _NUMBER.fullmatch(sample):
        names = ("item", "user", "date")
    counts = np.full(len(starts), width + 1)
    rows = Fields(fields.data, starts.ravel(), ends.ravel(), counts, numbers)
    return NamedColumns(names[: width + 1], rows)


def is_matrix_market(data: bytes) -> bool:
    """Return whether a text is in the MatrixMarket format."""
    return data[: len(_MARKET)].lower() == _MARKET


def read_matrix_market(path: str | Path, data: bytes) -> NamedColumns:
    """Read the entries of a sparse matrix: user, item and rating, by number from 1.

    Raises:
        InputError: it is no general matrix of entries, or has fewer or more than it says.
    """
    data = with_newlines(data)
    kind = data.split(b"\n", 1)[0].decode().lower().split()[1:]
    if kind[:2] != ["matrix", "coordinate"] or kind[-1:] != ["general"] or "complex" in kind:
        raise InputError(
            f"{path}:1: a {' '.join(kind)} of MatrixMarket; save a general coordinate matrix"
        )
    # blank instead of comments, so that line numbers stay right
    data = re.sub(rb"(?m)^[ \t]*%[^\n]*$", b"", data).replace(b"\t", b" ")
    fields = split_plainly(data, " ")
    width = 2 if "pattern" in kind else 3
    bounds = zip(fields.starts[:3], fields.ends[:3], strict=True)
    sizes = [fields.data[start:end].decode() for start, end in bounds]
    if not len(fields.counts) or fields.counts[0] != 3 or not all(map(str.isdecimal, sizes)):
        raise InputError(f"{path}: no line of rows, columns and entries; save the matrix anew")
    wrong = np.flatnonzero(fields.counts[1:] != width) + 1
    if len(wrong):
        row = wrong[0]
        raise InputError(
            f"{path}:{fields.numbers[row]}: {fields.counts[row]} fields, {width} expected; correct "
            "the line"
        )
    found = len(fields.counts) - 1
    if found != int(sizes[2]):
        raise InputError(
            f"{path}: {found:,} entries where {short(sizes[2])} should be; save the matrix anew"
        )
    rows = Fields(
        fields.data, fields.starts[3:], fields.ends[3:], fields.counts[1:], fields.numbers[1:]
    )
    return NamedColumns(("user", "item", "rating")[:width], rows)

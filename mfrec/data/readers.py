"""Text files of ratings and labels, read whole and taken apart by numpy.

A file becomes one array of bytes. The positions of its delimiters and line ends give the start
and end of every field; a column is then made into codes by comparing its fields as machine
words. Only distinct values ever become Python objects, so that a million ratings load in about
a second, and still every raw id survives exactly as it was written ("007" is not "7").
"""

import csv
import io
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import NoReturn

import numpy as np

from mfrec.data.interactions import Interactions, Vocabulary
from mfrec.errors import InputError

_DELIMITERS = ("::", "\t", ",", ";", "|", " ")

# What the columns are usually called, without case, "_", "-" and spaces.
_USUAL_NAMES = {
    "user": {"user", "users", "userid", "uid", "customer", "customerid", "reviewerid"},
    "item": {
        *("item", "items", "itemid", "iid", "movie", "movieid", "isbn", "book", "bookid"),
        *("asin", "parentasin", "product", "productid", "artist", "artistid", "song", "songid"),
    },
    "rating": {"rating", "ratings", "score", "stars", "overall", "value", "ratingvalue"},
    "timestamp": {"timestamp", "time", "date", "datetime", "unixtime", "unixreviewtime"},
}

_LARGEST_RATING = float(np.finfo(np.float32).max)
_NEWLINE = ord("\n")
_WORD = 8


@dataclass(frozen=True, eq=False)
class _Table:
    """The fields of a file, as positions in its bytes.

    Attributes:
        path: where the bytes come from, for messages.
        data: UTF-8 bytes.
        starts: int64 [rows, fields], where each field begins in `data`.
        ends: int64 [rows, fields], where each field ends.
        lines: int64 [rows], line numbers from 1.
    """

    path: str
    data: bytes
    starts: np.ndarray
    ends: np.ndarray
    lines: np.ndarray

    @property
    def num_fields(self) -> int:
        return self.starts.shape[1]

    def row(self, row: int) -> list[str]:
        return [self.text(row, column) for column in range(self.num_fields)]

    def text(self, row: int, column: int) -> str:
        return self.data[self.starts[row, column] : self.ends[row, column]].decode()

    def without_first_row(self) -> "_Table":
        return _Table(self.path, self.data, self.starts[1:], self.ends[1:], self.lines[1:])

    def refuse(self, row: int, what: str) -> NoReturn:
        raise InputError(f"{self.path}:{self.lines[row]}: {what}")


def read_ratings(
    path: str | Path,
    *,
    delimiter: str | None = None,
    header: bool | None = None,
    user_column: str | int | None = None,
    item_column: str | int | None = None,
    rating_column: str | int | None = None,
    timestamp_column: str | int | None = None,
) -> Interactions:
    """Reads a text file of one rating a line.

    Args:
        path: a UTF-8 file. Blank lines and a byte order mark are passed over; double quotes
            mean what they mean in CSV, unless the delimiter is "::".
        delimiter: between fields; guessed from the first line by default.
        header: whether the first line names the columns; guessed by default.
        user_column: name or number (from 0) of the users' column. By default known by its
            usual names, and without a header by position: user, item, rating, timestamp.
        item_column: the same for items.
        rating_column: the same for ratings.
        timestamp_column: the same for timestamps, which a file need not have: numbers, or
            dates in ISO format, which become seconds since 1970 (UTC where they name no zone).

    Returns:
        Interactions whose ids are numbered in order of first appearance.

    Raises:
        InputError: the file is missing or empty, a column is missing, or a line cannot be
            read; says which.
    """
    data = _read(path)
    _decode(path, data)
    table = _split_fields(path, data, delimiter)
    wanted = {
        "user": user_column,
        "item": item_column,
        "rating": rating_column,
        "timestamp": timestamp_column,
    }
    if header is None:
        header = _has_header(table.row(0), wanted)
    names = table.row(0) if header else None
    columns = _choose_columns(table, names, wanted)
    if header:
        table = table.without_first_row()
        if not len(table.lines):
            raise InputError(f"{table.path}: a header but no ratings; give a file with ratings")

    user_ids, users = _read_ids(table, columns["user"], "user id")
    item_ids, items = _read_ids(table, columns["item"], "item id")
    ratings = _read_values(table, columns["rating"], _as_rating).astype(np.float32)
    timestamps = None
    if columns["timestamp"] is not None:
        timestamps = _read_timestamps(table, columns["timestamp"])
    return Interactions(user_ids, item_ids, ratings, timestamps, users, items)


def read_labels(
    path: str | Path,
    delimiter: str,
    id_column: int = 0,
    label_column: int = 1,
    encoding: str | None = None,
) -> dict[str, str]:
    """Reads labels, such as titles, from a text file without a header.

    Args:
        path: a file of one id and its label a line.
        delimiter: between fields.
        id_column: number of the raw ids' column, from 0.
        label_column: number of the labels' column.
        encoding: of the file; by default UTF-8, or else Latin-1, as MovieLens has it.

    Returns:
        Label by raw id; of a repeated raw id the last.

    Raises:
        InputError: the file is missing or empty, or a line has too few or too many fields.
    """
    data = _read(path)
    if encoding is not None:
        text = _decode(path, data, encoding)
    else:
        try:
            text = data.decode()
        except UnicodeDecodeError:
            text = data.decode("latin-1")
    table = _split_fields(path, text.encode(), delimiter)
    if table.num_fields <= max(id_column, label_column):
        wanted = max(id_column, label_column) + 1
        table.refuse(0, f"{table.num_fields} fields, {wanted} expected; check the delimiter")
    rows = range(len(table.lines))
    return {table.text(row, id_column): table.text(row, label_column) for row in rows}


def _read(path: str | Path) -> bytes:
    """Returns a file's bytes, with "\\n" for every kind of line end and no byte order mark."""
    try:
        data = Path(path).read_bytes()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; name a file inside it") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check it") from None
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not data.strip():
        raise InputError(f"{path}: is empty; give a file with one row a line")
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise InputError(f"{path}:{line}: not text (NUL bytes); unpack or convert the file")
    return data


def _decode(path: str | Path, data: bytes, encoding: str = "utf-8") -> str:
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}:{line}: not {encoding} text; convert the file") from None


def _split_fields(path: str | Path, data: bytes, delimiter: str | None) -> _Table:
    """Finds every field; raises InputError for the first row of another length than row one."""
    if delimiter is None:
        first_line = data.lstrip(b"\n").split(b"\n", 1)[0].decode()
        delimiter = next((known for known in _DELIMITERS if known in first_line), None)
        if delimiter is None:
            raise InputError(
                f"{path}: cannot tell what separates the fields of {_short(first_line)}; "
                "name the delimiter"
            )
    if not delimiter or re.search(r'[\r\n"]', delimiter):
        raise InputError(f"{path}: {delimiter!r} cannot separate fields; name another")
    # Files with "::" or other long delimiters know no quoting: a quote in a title is just that.
    quoted = b'"' in data and len(delimiter) == 1
    starts, ends, counts, lines, data = (
        _split_quoted(path, data, delimiter) if quoted else _split_plain(data, delimiter)
    )
    wrong = np.flatnonzero(counts != counts[0])
    if len(wrong):
        row = wrong[0]
        raise InputError(
            f"{path}:{lines[row]}: {counts[row]} fields, {counts[0]} expected as in line "
            f"{lines[0]} (delimiter {delimiter!r}); correct or drop the line"
        )
    shape = (len(lines), counts[0])
    return _Table(str(path), data, starts.reshape(shape), ends.reshape(shape), lines)


def _split_plain(data: bytes, delimiter: str) -> tuple[np.ndarray, ...]:
    """Returns starts and ends of all fields, fields and line numbers of all rows, and bytes."""
    mark = delimiter.encode()
    if len(mark) > 1:
        # One byte is faster to find than two; UTF-8 never uses this one.
        data = data.replace(mark, b"\xff")
        mark = b"\xff"
    if not data.endswith(b"\n"):
        data += b"\n"
    array = np.frombuffer(data, np.uint8)
    ends = np.flatnonzero((array == mark[0]) | (array == _NEWLINE))
    starts = np.empty_like(ends)
    starts[0] = 0
    starts[1:] = ends[:-1] + 1

    ends_line = array[ends] == _NEWLINE
    last_fields = np.flatnonzero(ends_line)
    counts = np.diff(last_fields, prepend=-1)
    is_blank = (counts == 1) & (starts[last_fields] == ends[last_fields])
    lines = np.flatnonzero(~is_blank) + 1
    if is_blank.any():
        kept = np.repeat(~is_blank, counts)
        starts, ends, counts = starts[kept], ends[kept], counts[~is_blank]
    return starts, ends, counts, lines, data


def _split_quoted(path: str | Path, data: bytes, delimiter: str) -> tuple[np.ndarray, ...]:
    """Does the same by the csv module, which is slow but knows what quotes mean."""
    file = io.StringIO(data.decode(), newline="")
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    fields: list[bytes] = []
    counts, lines = [], []
    line = 1
    try:
        for row in reader:
            if row:
                fields += [field.encode() for field in row]
                counts.append(len(row))
                lines.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}:{line}: {error}; correct the quotes of this line") from None
    lengths = np.fromiter(map(len, fields), np.int64)
    ends = np.cumsum(lengths)
    return ends - lengths, ends, np.array(counts), np.array(lines), b"".join(fields)


def _has_header(fields: list[str], wanted: dict[str, str | int | None]) -> bool:
    if any(isinstance(column, str) for column in wanted.values()):
        return True
    rating = 2 if wanted["rating"] is None else wanted["rating"]
    if rating < len(fields) and _is_number(fields[rating]):
        return False
    known = set().union(*_USUAL_NAMES.values())
    return any(_plain(field) in known for field in fields) or not any(map(_is_number, fields))


def _choose_columns(
    table: _Table, names: list[str] | None, wanted: dict[str, str | int | None]
) -> dict[str, int | None]:
    """Returns the number of each role's column, None for timestamps where there are none."""
    columns = {
        role: _choose_column(table, names, role, position, column)
        for position, (role, column) in enumerate(wanted.items())
    }
    chosen = [column for column in columns.values() if column is not None]
    if len(set(chosen)) < len(chosen):
        roles = ", ".join(f"{role} {column}" for role, column in columns.items())
        raise InputError(f"{table.path}: one column in two roles ({roles}); name each column")
    return columns


def _choose_column(
    table: _Table, names: list[str] | None, role: str, position: int, wanted: str | int | None
) -> int | None:
    """Returns the number of one role's column; `position` is where it stands by default."""
    if names is None:
        found = f"{table.num_fields} fields a line and no header"
        matches = range(table.num_fields) if wanted is None else ()
        matches = matches[position : position + 1]
    else:
        found = ", ".join(names)
        usual = _USUAL_NAMES[role] if wanted is None else {_plain(str(wanted))}
        matches = [column for column, name in enumerate(names) if name == wanted] or [
            column for column, name in enumerate(names) if _plain(name) in usual
        ]
    if isinstance(wanted, int):
        matches = [wanted] if 0 <= wanted < table.num_fields else []
    if matches:
        return matches[0]
    if wanted is None and role == "timestamp":
        return None
    missing = f"cannot tell the {role} column" if wanted is None else f"no column {wanted!r}"
    raise InputError(
        f"{table.path}: {missing}; the file has: {found}; give {role}_column as a name of the "
        "header or a number from 0"
    )


def _plain(name: str) -> str:
    """Returns a column's name without case, punctuation and RecBole's ":type"."""
    return re.sub(r"[\W_]", "", name.split(":")[0].lower())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _read_ids(table: _Table, column: int, what: str) -> tuple[np.ndarray, Vocabulary]:
    empty = np.flatnonzero(table.starts[:, column] == table.ends[:, column])
    if len(empty):
        table.refuse(empty[0], f"the {what} is empty; fill it in or drop the line")
    codes, first_rows = _factorize(table, column)
    raw_ids = tuple(table.text(row, column) for row in first_rows.tolist())
    return codes, Vocabulary(raw_ids)


def _read_values(table: _Table, column: int, convert: Callable[[str], float | int]) -> np.ndarray:
    """Converts each distinct text once; `convert` raises ValueError saying what is wrong."""
    codes, first_rows = _factorize(table, column)
    values = []
    for row in first_rows.tolist():
        try:
            values.append(convert(table.text(row, column)))
        except ValueError as error:
            table.refuse(row, str(error))
    return np.array(values)[codes]


def _as_rating(text: str) -> float:
    # float() takes "1_000" for a number; no data file means that.
    if not _is_number(text) or "_" in text:
        raise ValueError(f"the rating {_short(text)} is no number; correct or drop the line")
    value = float(text)
    if not abs(value) <= _LARGEST_RATING:
        raise ValueError(f"the rating {_short(text)} is not finite; correct or drop the line")
    return value


def _read_timestamps(table: _Table, column: int) -> np.ndarray:
    starts, ends = table.starts[:, column], table.ends[:, column]
    lengths = ends - starts
    # 18 digits always fit an int64; what is longer, signed or no integer goes one by one.
    if lengths.min() < 1 or lengths.max() > 18:
        return _read_values(table, column, _as_timestamp).astype(np.int64)
    array = np.frombuffer(table.data, np.uint8)
    values = np.zeros(len(starts), np.int64)
    for position in range(lengths.max()):
        inside = position < lengths
        digits = array[np.where(inside, starts + position, starts)] - ord("0")
        if (digits > 9).any():
            return _read_values(table, column, _as_timestamp).astype(np.int64)
        values = np.where(inside, values * 10 + digits, values)
    return values


def _as_timestamp(text: str) -> int:
    value: float = math.nan
    try:
        value = int(text) if re.fullmatch(r"[+-]?\d+", text) else float(text)
    except ValueError:
        try:
            moment = datetime.fromisoformat(text)
        except ValueError:
            pass
        else:
            utc = moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)
            value = utc.timestamp()
    if not abs(value) < 2**63:
        raise ValueError(
            f"the timestamp {_short(text)} is neither a number nor a date; correct or drop the line"
        )
    return int(value)


def _factorize(table: _Table, column: int) -> tuple[np.ndarray, np.ndarray]:
    """Numbers a column's distinct texts in order of first appearance.

    Eight bytes at a time are read as one number; rows that agree so far and have more are told
    apart by their next eight. Text holds no NUL, so filling up with zeros confuses nothing.

    Returns:
        codes: int32 [rows].
        first_rows: int64 [distinct], the row where each code appears first.
    """
    starts = table.starts[:, column]
    lengths = table.ends[:, column] - starts
    padded = np.frombuffer(table.data + bytes(_WORD), np.uint8)
    words = np.ndarray(len(table.data) + 1, "<u8", padded, strides=(1,))
    masks = np.array([256**size - 1 for size in range(_WORD + 1)], np.uint64)

    codes = np.zeros(len(starts), np.int64)
    num_codes = 1
    rows: np.ndarray | slice = slice(None)
    for offset in range(0, int(lengths.max(initial=1)), _WORD):
        if offset:
            rows = np.flatnonzero(lengths > offset)
        sizes = np.minimum(lengths[rows] - offset, _WORD)
        distinct, word_codes = np.unique(
            words[starts[rows] + offset] & masks[sizes], return_inverse=True
        )
        pairs = codes[rows] * len(distinct) + word_codes
        distinct_pairs, pair_codes = (
            (distinct, word_codes) if offset == 0 else np.unique(pairs, return_inverse=True)
        )
        codes[rows] = num_codes + pair_codes
        num_codes += len(distinct_pairs)

    # Of repeated indices numpy keeps what is written last: backwards, the first appearance.
    first_rows = np.full(num_codes, len(codes))
    first_rows[codes[::-1]] = np.arange(len(codes))[::-1]
    order = np.argsort(first_rows, kind="stable")
    order = order[first_rows[order] < len(codes)]
    ranks = np.empty(num_codes, np.int32)
    ranks[order] = np.arange(len(order))
    return ranks[codes], first_rows[order]


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:37] + "...")

"""Files of ratings: text with one rating or one user per line, and numpy's files."""

import math
import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

import numpy as np

from mfrec.data import arrays, tables
from mfrec.data.interactions import Interactions
from mfrec.data.tables import Lines, Table, short
from mfrec.data.times import DayOrder, parse_time
from mfrec.data.vocabulary import Vocabulary
from mfrec.errors import InputError

# The usual names of the columns, as `plain_name` returns them.
# fmt: off
USUAL_NAMES = {
    "user": {
        "user", "users", "userid", "uid", "username", "customer", "customerid",
        "reviewer", "reviewerid",
    },
    "item": {
        "item", "items", "itemid", "iid", "movie", "movieid", "isbn", "book", "bookid",
        "asin", "parentasin", "product", "productid", "artist", "artistid", "song", "songid",
        "track", "trackid", "business", "businessid", "anime", "animeid", "game", "gameid",
        "stockcode", "sku",
    },
    "rating": {"rating", "ratings", "score", "stars", "overall", "value", "ratingvalue"},
    "timestamp": {"timestamp", "time", "date", "datetime", "unixtime", "unixreviewtime"},
}
# fmt: on

# The order of the columns in a file without a header.
_BY_POSITION = ("user", "item", "rating", "timestamp")
# Given as the rating column of a file without one.
NO_COLUMN = "none"

# Cells of a matrix that stand for no rating.
_NOT_RATED = ("", "?", "nan", "na")
_LARGEST_RATING = float(np.finfo(np.float32).max)
_SMALLEST_WEIGHT = float(np.finfo(np.float32).tiny)


def read_ratings(
    path: str | Path,
    *,
    ratings_format: str = "auto",
    delimiter: str | None = None,
    header: bool | None = None,
    user_column: str | int | None = None,
    item_column: str | int | None = None,
    rating_column: str | int | None = None,
    timestamp_column: str | int | None = None,
    weight_column: str | int | None = None,
) -> Interactions:
    """Read a file of ratings, or of pairs without ratings.

    Args:
        path: UTF-8 text (see `tables.read`), or a file of arrays that ends in .npz or .npy
            (see `arrays.read`); the other options are for text.
        ratings_format: "table" is text with one rating per line; "matrix" text with one user
            per line and one item per column, where an empty field, "?", "nan" or "na" stands
            for no rating; "adjacency" text with one user and then that user's items per line;
            "auto" goes by the ending and takes text for a table, unless it can only be
            adjacency: lines of different lengths, digits and spaces only, no user twice.
        delimiter: between fields, or "tab" and such; guessed from the first lines by default.
        header: whether the first line names the columns; guessed by default.
        user_column: name or number (from 0) of the users' column; digits are a number unless
            the header has them as a name. By default found by its usual names, and without a
            header by position: user, item, rating, timestamp.
        item_column: the same for items.
        rating_column: the same for ratings; "none" if there is none. A table of users and
            items, with or without timestamps and weights, has none either: all ratings are 1.
        timestamp_column: the same for timestamps, if there are any: numbers, or dates, which become
            seconds since 1970 (see `mfrec.data.times`).
        weight_column: name or number of a column of numbers above 0, such as counts.

    Returns:
        Interactions in the order of the file. The ids of a table are numbered in order of
        first appearance, those of a matrix by row and column. Users of an adjacency file that
        have no items are in the vocabulary.

    Raises:
        InputError: the file is missing or empty, a column is missing, or a line cannot be
            read; names the line.
    """
    if ratings_format == "auto" and arrays.known_by_ending(path):
        return arrays.read(path)
    lines = tables.read_lines(path, delimiter)
    wanted = {
        "user": user_column,
        "item": item_column,
        "rating": rating_column,
        "timestamp": timestamp_column,
        "weight": weight_column,
    }
    none_wanted = all(column is None for column in wanted.values())
    if ratings_format == "adjacency" or (
        ratings_format == "auto" and none_wanted and _looks_like_adjacency(lines)
    ):
        return _read_adjacency(lines)
    if ratings_format != "matrix":
        lines = lines.without_empty_end()
    table = lines.table()
    del lines  # ten million rows: 80 MB
    if ratings_format == "matrix":
        return _read_matrix(table)
    if header is None:
        header = table.names is None and _has_header(table.row(0), wanted)
    names = table.row(0) if header else table.names
    columns = _choose_columns(table, names, wanted)
    if header:
        table = table.take(slice(1, None))
        if not len(table):
            raise InputError(f"{table.path}: a header but no ratings; give a file with ratings")

    user_column, item_column = columns["user"], columns["item"]
    assert user_column is not None and item_column is not None  # else it was refused
    user_ids, users = _read_ids(table, user_column, "user id")
    item_ids, items = _read_ids(table, item_column, "item id")
    ratings = np.ones(len(table), np.float32)
    if columns["rating"] is not None:
        ratings = table.values(columns["rating"], _as_rating).astype(np.float32)
    timestamps = weights = None
    if columns["timestamp"] is not None:
        timestamps, note = _read_timestamps(table, columns["timestamp"])
    if columns["weight"] is not None:
        weights = table.values(columns["weight"], _as_weight).astype(np.float32)
    return Interactions(
        user_ids,
        item_ids,
        ratings,
        timestamps,
        users,
        items,
        weights=weights,
        has_ratings=columns["rating"] is not None,
    )


def plain_name(name: str) -> str:
    """Return a column's name without case, punctuation and RecBole's ":type"."""
    return re.sub(r"[\W_]", "", name.split(":")[0].lower())


def _has_header(fields: list[str], wanted: dict[str, str | int | None]) -> bool:
    given = {role: column for role, column in wanted.items() if column not in (None, NO_COLUMN)}
    if any(_column_number(column) is None for column in given.values()):
        return True
    known = any(plain_name(field) in names for field in fields for names in USUAL_NAMES.values())
    given_numbers = [_column_number(given[role]) for role in ("rating", "weight") if role in given]
    if wanted["rating"] is None and not given_numbers:
        given_numbers = [2]
    numbers = [number for number in given_numbers if number is not None and number < len(fields)]
    if any(_is_number(fields[number]) for number in numbers):
        return False
    # Columns given by number and none of numbers to tell by: no header, unless by a usual name.
    return known or not (any(map(_is_number, fields)) or (given and not numbers))


def _column_number(column: str | int) -> int | None:
    """The number that a column was given by, None if it was given by name."""
    return int(column) if isinstance(column, int) or column.isdecimal() else None


def _choose_columns(
    table: Table, names: Sequence[str] | None, wanted: dict[str, str | int | None]
) -> dict[str, int | None]:
    """The number of each role's column, None for a role that the file lacks."""
    none_given = all(column is None for column in wanted.values())
    if names is None and none_given and table.num_fields > len(_BY_POSITION):
        table.refuse(
            0,
            f"{table.num_fields} fields and no header; say which are which by --user_column=0 "
            "and so on, or --ratings_format=matrix or adjacency if each line is one user",
        )
    columns = {role: _find_column(table, names, role, column) for role, column in wanted.items()}
    # A column that the user named for one role is not taken for another by its usual name.
    named = {column for role, column in columns.items() if wanted[role] is not None}
    for role in ("rating", "timestamp"):
        if wanted[role] is None and columns[role] in named:
            columns[role] = None
    chosen = [column for column in columns.values() if column is not None]
    says_what_counts = wanted["rating"] is not None or wanted["weight"] is not None
    if columns["rating"] is None and not says_what_counts and len(chosen) < table.num_fields:
        _refuse_column(table, names, "rating", None)
    if len(set(chosen)) < len(chosen):
        roles = ", ".join(f"{role} {column}" for role, column in columns.items())
        raise InputError(f"{table.path}: one column in two roles ({roles}); name each column")
    return columns


def _find_column(
    table: Table, names: Sequence[str] | None, role: str, wanted: str | int | None
) -> int | None:
    """Return the number of one role's column, None if the file lacks it and may."""
    if role == "rating" and wanted == NO_COLUMN and wanted not in (names or ()):
        return None
    if role == "weight" and wanted is None:
        return None
    number = None if wanted is None or wanted in (names or ()) else _column_number(wanted)
    matches: Sequence[int]
    if number is not None:
        matches = [number] if 0 <= number < table.num_fields else []
    elif names is None:
        position = _BY_POSITION.index(role)
        matches = range(table.num_fields)[position : position + 1] if wanted is None else []
    else:
        usual = USUAL_NAMES[role] if wanted is None else {plain_name(str(wanted))}
        matches = [column for column, name in enumerate(names) if name == wanted] or [
            column for column, name in enumerate(names) if plain_name(name) in usual
        ]
    if matches:
        return matches[0]
    if wanted is not None or role in ("user", "item"):
        _refuse_column(table, names, role, wanted)
    return None


def _refuse_column(
    table: Table, names: Sequence[str] | None, role: str, wanted: str | int | None
) -> NoReturn:
    found = f"{table.num_fields} fields per line, no header" if names is None else ", ".join(names)
    missing = f"cannot tell the {role} column" if wanted is None else f"no column {wanted!r}"
    remedy = f"give --{role}_column as a name of the header or a number from 0"
    if role == "rating" and wanted is None:
        remedy += f", as {NO_COLUMN} if every line is a positive, or --weight_column for counts"
    raise InputError(f"{table.path}:{table.lines[0]}: {missing}; the file has: {found}; {remedy}")


def _is_number(text: str) -> bool:
    # float() takes "1_000" for a number; no data file means that.
    try:
        float(text)
    except ValueError:
        return False
    return "_" not in text


def _read_ids(table: Table, column: int, what: str) -> tuple[np.ndarray, Vocabulary]:
    empty = np.flatnonzero(table.lengths(column) == 0)
    if len(empty):
        table.refuse(empty[0], f"the {what} is empty; fill it in or drop the line")
    codes, raw_ids = table.texts(column)
    return codes, Vocabulary(tuple(raw_ids))


def _as_rating(text: str) -> float:
    if not _is_number(text):
        raise ValueError(f"the rating {short(text)} is no number; correct or drop the line")
    value = float(text)
    if not abs(value) <= _LARGEST_RATING:
        raise ValueError(f"the rating {short(text)} is not finite; correct or drop the line")
    return value


def _as_weight(text: str) -> float:
    value = float(text) if _is_number(text) else math.nan
    if not _SMALLEST_WEIGHT <= value <= _LARGEST_RATING:
        raise ValueError(
            f"the weight {short(text)} is no finite number above 0; correct or drop the line"
        )
    return value


def _read_timestamps(table: Table, column: int) -> tuple[np.ndarray, str]:
    """Return the times, and which order of day and month was found if it matters."""
    integers = table.integers(column)
    if integers is not None:
        return integers, ""
    order = DayOrder.of(table.texts(column)[1])
    return table.values(column, partial(parse_time, order=order)), order.note()


def _looks_like_adjacency(lines: Lines) -> bool:
    """Return whether lines can only be `user item item ...`.

    A table of ratings with a broken line is ragged as well, but its users are repeated.
    """
    if lines.delimiter != " " or not lines.are_ragged() or not lines.hold_only(b"0123456789"):
        return False
    heads, _ = lines.heads_and_others()
    return len(heads.texts(0)[1]) == len(heads)


def _read_adjacency(lines: Lines) -> Interactions:
    """Read lines of one user and then that user's items."""
    heads, others = lines.heads_and_others()
    if not len(others):
        raise InputError(f"{lines.path}: users but no items; give a file with interactions")
    user_ids, users = _read_ids(heads, 0, "user id")
    item_ids, items = _read_ids(others, 0, "item id")
    return Interactions(
        np.repeat(user_ids, lines.counts - 1),
        item_ids,
        np.ones(len(item_ids), np.float32),
        None,
        users,
        items,
        has_ratings=False,
    )


def _read_matrix(table: Table) -> Interactions:
    """Read a table of one user per line, with or without names in its first row and column."""
    head = table.row(0)
    has_items, has_users = _find_names(head, [table.text(row, 0) for row in range(1, len(table))])
    first_row, first_column = int(has_items), int(has_users)
    cells = table.take(slice(first_row, None), slice(first_column, None))
    if not len(cells) or not cells.num_fields:
        raise InputError(f"{table.path}: no ratings beside the names; give a file with ratings")
    values = cells.as_one_column().values(0, _as_cell).reshape(len(cells), cells.num_fields)
    users = [table.text(row, 0) for row in range(first_row, len(table))] if has_users else None
    items = head[first_column:] if has_items else None
    try:
        return Interactions.from_matrix(values, users, items)
    except InputError as error:
        raise InputError(f"{table.path}: {error}") from None


def _find_names(first_row: list[str], column: list[str]) -> tuple[bool, bool]:
    """Return whether the first row of a matrix names the items, and its first column the users.

    Text is a name. Numbers are names if the corner says "user" or the like, or if it is empty and
    none of the others is empty or repeated.

    Args:
        first_row: all of it.
        column: the first column below that.
    """
    corner, row = first_row[0], first_row[1:]
    nameless_corner = corner == "" and _are_distinct(row) and _are_distinct(column)
    if nameless_corner or plain_name(corner) in USUAL_NAMES["user"]:
        return True, True
    has_users = not all(map(_is_cell, column))
    return not all(map(_is_cell, row if has_users else first_row)), has_users


def _are_distinct(names: list[str]) -> bool:
    return len(names) > 0 and "" not in names and len(set(names)) == len(names)


def _is_cell(text: str) -> bool:
    return text.strip().lower() in _NOT_RATED or _is_number(text)


def _as_cell(text: str) -> float:
    return math.nan if text.strip().lower() in _NOT_RATED else _as_rating(text)

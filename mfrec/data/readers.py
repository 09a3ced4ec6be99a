"""Files of ratings into Interactions: one rating a line, a matrix, or numpy's own files."""

import math
import re
from datetime import datetime, timezone
from pathlib import Path

import numpy as np

from mfrec.data import arrays, tables
from mfrec.data.interactions import Interactions, Vocabulary
from mfrec.data.tables import Table, short
from mfrec.errors import InputError

# What the columns are usually called, as `plain_name` gives it.
USUAL_NAMES = {
    "user": {
        *("user", "users", "userid", "uid", "username", "customer", "customerid"),
        *("reviewer", "reviewerid"),
    },
    "item": {
        *("item", "items", "itemid", "iid", "movie", "movieid", "isbn", "book", "bookid"),
        *("asin", "parentasin", "product", "productid", "artist", "artistid", "song", "songid"),
        *("track", "trackid", "business", "businessid", "anime", "animeid", "game", "gameid"),
        *("stockcode", "sku"),
    },
    "rating": {"rating", "ratings", "score", "stars", "overall", "value", "ratingvalue"},
    "timestamp": {"timestamp", "time", "date", "datetime", "unixtime", "unixreviewtime"},
}

# How a matrix says that a user has not rated an item.
_NOT_RATED = ("", "?", "nan", "na")
_LARGEST_RATING = float(np.finfo(np.float32).max)


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
) -> Interactions:
    """Reads a file of ratings.

    Args:
        path: UTF-8 text (see `tables.read`), or a file of arrays that ends in .npz or .npy
            (see `arrays.read`); the other options are for text.
        ratings_format: "table" is text of one rating a line; "matrix" text of one user a line
            and one item a column, where nothing, "?", "nan" or "na" stands for no rating;
            "auto" goes by the ending and takes text for a table.
        delimiter: between fields, or "tab" and such; guessed from the first lines by default.
        header: whether the first line names the columns; guessed by default.
        user_column: name or number (from 0) of the users' column; digits are a number unless
            the header holds them as a name. By default known by its usual names, and without a
            header by position: user, item, rating, timestamp.
        item_column: the same for items.
        rating_column: the same for ratings.
        timestamp_column: the same for timestamps, which a file need not have: numbers, or
            dates in ISO format, which become seconds since 1970 (UTC where they name no zone).

    Returns:
        Interactions in the order of the file. The ids of a table are numbered in order of
        first appearance, those of a matrix by row and column.

    Raises:
        InputError: the file is missing or empty, a column is missing, or a line cannot be
            read; says which.
    """
    if ratings_format == "auto" and arrays.known_by_ending(path):
        return arrays.read(path)
    table = tables.read(path, delimiter)
    if ratings_format == "matrix":
        return _read_matrix(table)
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
        table = table.take(slice(1, None))
        if not len(table):
            raise InputError(f"{table.path}: a header but no ratings; give a file with ratings")

    user_ids, users = _read_ids(table, columns["user"], "user id")
    item_ids, items = _read_ids(table, columns["item"], "item id")
    ratings = table.values(columns["rating"], _as_rating).astype(np.float32)
    timestamps = None
    if columns["timestamp"] is not None:
        timestamps = table.digits(columns["timestamp"])
        if timestamps is None:
            timestamps = table.values(columns["timestamp"], _as_timestamp).astype(np.int64)
    return Interactions(user_ids, item_ids, ratings, timestamps, users, items)


def plain_name(name: str) -> str:
    """Returns a column's name without case, punctuation and RecBole's ":type"."""
    return re.sub(r"[\W_]", "", name.split(":")[0].lower())


def _has_header(fields: list[str], wanted: dict[str, str | int | None]) -> bool:
    if any(column is not None and _number(column) is None for column in wanted.values()):
        return True
    rating = 2 if wanted["rating"] is None else _number(wanted["rating"])
    if rating < len(fields) and _is_number(fields[rating]):
        return False
    known = set().union(*USUAL_NAMES.values())
    return any(plain_name(field) in known for field in fields) or not any(map(_is_number, fields))


def _number(column: str | int) -> int | None:
    """Returns the number that a column was given as, None where it was given by name."""
    return int(column) if isinstance(column, int) or column.isdecimal() else None


def _choose_columns(
    table: Table, names: list[str] | None, wanted: dict[str, str | int | None]
) -> dict[str, int | None]:
    """Returns the number of each role's column, None for timestamps where there are none."""
    none_given = all(column is None for column in wanted.values())
    if names is None and none_given and table.num_fields > len(wanted):
        table.refuse(
            0,
            f"{table.num_fields} fields and no header; say which are which by --user_column=0 "
            "and so on, or --ratings_format=matrix if each line is one user",
        )
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
    table: Table, names: list[str] | None, role: str, position: int, wanted: str | int | None
) -> int | None:
    """Returns the number of one role's column; `position` is where it stands by default."""
    number = None if wanted is None or wanted in (names or ()) else _number(wanted)
    if names is None:
        found = f"{table.num_fields} fields a line and no header"
        matches = range(table.num_fields) if wanted is None else ()
        matches = matches[position : position + 1]
    else:
        found = ", ".join(names)
        usual = USUAL_NAMES[role] if wanted is None else {plain_name(str(wanted))}
        matches = [column for column, name in enumerate(names) if name == wanted] or [
            column for column, name in enumerate(names) if plain_name(name) in usual
        ]
    if number is not None:
        matches = [number] if 0 <= number < table.num_fields else []
    if matches:
        return matches[0]
    if wanted is None and role == "timestamp":
        return None
    missing = f"cannot tell the {role} column" if wanted is None else f"no column {wanted!r}"
    raise InputError(
        f"{table.path}:{table.lines[0]}: {missing}; the file has: {found}; give "
        f"--{role}_column as a name of the header or a number from 0"
    )


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
            f"the timestamp {short(text)} is neither a number nor a date; correct or drop the line"
        )
    return int(value)


def _read_matrix(table: Table) -> Interactions:
    """Reads a table of one user a line, with or without names in its first row and column."""
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
    """Tells whether the first row of a matrix names the items, and its first column the users.

    Text is a name. Names that are numbers are known by the corner: it says "user" or such, or
    it is empty and none of the others is empty or occurs twice.

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

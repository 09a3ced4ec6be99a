"""Files of ratings: text with one rating or one user per line, and numpy's files."""

import math
import os
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from mfrec.data import arrays, columns, tables
from mfrec.data.columns import Columns, shown
from mfrec.data.interactions import Interactions
from mfrec.data.tables import Lines, Table, short
from mfrec.data.times import DayOrder, parse_time
from mfrec.data.vocabulary import Vocabulary
from mfrec.errors import InputError
from mfrec.progress import say

# Cells of a matrix that stand for no rating.
_NOT_RATED = ("", "?", "nan", "na")
_LARGEST_RATING = float(np.finfo(np.float32).max)
_SMALLEST_WEIGHT = float(np.finfo(np.float32).tiny)


def read_ratings(path: str | Path, **options: Any) -> Interactions:
    """Read a file of ratings, or of pairs without ratings, and print what was taken for what.

    Args:
        path: UTF-8 text (see `tables.read`), or a file of arrays that ends in .npz or .npy
            (see `arrays.read`).
        **options: how text is to be read, by name:

            ratings_format: "table" is text with one rating per line; "matrix" text with one user
                per line and one item per column, where an empty field, "?", "nan" or "na" stands
                for no rating; "adjacency" text with one user and then that user's items per line;
                "auto", the default, goes by the ending and takes text for a table, unless it can
                only be adjacency: lines of different lengths, digits and spaces only, no user
                twice.
            delimiter: between fields, or "tab" and such; guessed from the first lines by default.
            header: whether the first line names the columns; guessed by default.
            user_column: name or number (from 0) of the users' column; digits are a number unless
                the header has them as a name. By default found by its usual names, and without a
                header by position: user, item, rating, timestamp.
            item_column: the same for items.
            rating_column: the same for ratings; "none" if there is none. A table of users and
                items, with or without timestamps and weights, has none either: all ratings are 1.
            timestamp_column: the same for timestamps, if there are any: numbers, or dates, which
                become seconds since 1970 (see `mfrec.data.times`); "none" leaves them out.
            weight_column: name or number of a column of numbers above 0, such as counts.

    Returns:
        Interactions in the order of the file. The ids of a table are numbered in order of
        first appearance, those of a matrix by row and column. Users of an adjacency file that
        have no items are in the vocabulary.

    Raises:
        InputError: the file is missing or empty, a column is missing, or a line cannot be
            read; names the line.
    """
    interactions, notes = read(path, **options)
    for note in notes:
        say(note_on(path, note))
    return interactions


def note_on(path: str | Path, note: str) -> str:
    """Return a line for people about what was assumed in reading a file."""
    return f"read {shown(os.path.basename(path))}: {note}"


def read(
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
) -> tuple[Interactions, tuple[str, ...]]:
    """Return what `read_ratings` returns, and what was assumed in reading it, a line each."""
    if ratings_format == "auto" and arrays.known_by_ending(path):
        interactions, notes = arrays.read(path)
        return interactions, (*notes, _first_row("a numpy file", interactions))
    lines = tables.read_lines(path, delimiter)
    wanted = {
        "user": user_column,
        "item": item_column,
        "rating": rating_column,
        "timestamp": timestamp_column,
        "weight": weight_column,
    }
    file_notes = lines.notes
    none_wanted = all(column is None for column in wanted.values())
    if ratings_format == "adjacency" or (
        ratings_format == "auto" and none_wanted and _looks_like_adjacency(lines)
    ):
        interactions = _read_adjacency(lines)
        layout = "one user a line, then that user's items"
        return interactions, (*file_notes, _first_row(layout, interactions))
    if ratings_format != "matrix":
        lines = lines.without_empty_end()
        file_notes = lines.notes
    table = lines.table()
    del lines  # ten million rows: 80 MB
    if ratings_format == "matrix":
        interactions = _read_matrix(table)
        shape = f"a matrix of {interactions.num_users:,} users and {interactions.num_items:,} items"
        return interactions, (*file_notes, _first_row(shape, interactions))
    if header is None:
        header = table.names is None and columns.has_header(table.row(0), wanted)
    names = table.row(0) if header else table.names
    chosen = columns.choose(table, names, wanted)
    if header:
        table = table.take(slice(1, None))
        if not len(table):
            raise InputError(f"{table.path}: a header but no ratings; give a file with ratings")
    interactions, notes = _read_table(table, chosen)
    return interactions, (*file_notes, chosen.describe(table.row(0)), *chosen.notes, *notes)


def _read_table(table: Table, chosen: Columns) -> tuple[Interactions, tuple[str, ...]]:
    """Read the rows below the header."""
    numbers = chosen.numbers
    user_ids, users = _read_ids(table, numbers["user"], "user id")
    item_ids, items = _read_ids(table, numbers["item"], "item id")
    ratings = np.ones(len(table), np.float32)
    if "rating" in numbers:
        convert = chosen.explain("rating", _as_rating)
        ratings = table.values(numbers["rating"], convert).astype(np.float32)
    timestamps, weights, note = None, None, ""
    if "timestamp" in numbers:
        timestamps, note = _read_timestamps(table, chosen)
    if "weight" in numbers:
        weights = table.values(numbers["weight"], _as_weight).astype(np.float32)
    interactions = Interactions(
        user_ids,
        item_ids,
        ratings,
        timestamps,
        users,
        items,
        weights=weights,
        has_ratings="rating" in numbers,
    )
    return interactions, (note,) if note else ()


def _first_row(layout: str, interactions: Interactions) -> str:
    """Say how a file was read, with its first rating as an example."""
    if not len(interactions):
        return layout
    first = interactions.take(slice(0, 1))
    user, item = first.users.raw_ids[first.user_ids[0]], first.items.raw_ids[first.item_ids[0]]
    row = [("user", user), ("item", item)]
    if first.has_ratings:
        row.append(("rating", f"{first.ratings[0]:g}"))
    if first.timestamps is not None:
        row.append(("timestamp", str(first.timestamps[0])))
    return f"{layout}; first: {columns.example(row)}"


def _read_ids(table: Table, column: int, what: str) -> tuple[np.ndarray, Vocabulary]:
    empty = np.flatnonzero(table.lengths(column) == 0)
    if len(empty):
        table.refuse(empty[0], f"the {what} is empty; fill it in or drop the line")
    codes, raw_ids = table.texts(column)
    return codes, Vocabulary(tuple(raw_ids))


def _as_rating(text: str) -> float:
    if not columns.is_number(text):
        raise ValueError(f"the rating {short(text)} is no number; correct or drop the line")
    value = float(text)
    if not abs(value) <= _LARGEST_RATING:
        raise ValueError(f"the rating {short(text)} is not finite; correct or drop the line")
    return value


def _as_weight(text: str) -> float:
    value = float(text) if columns.is_number(text) else math.nan
    if not _SMALLEST_WEIGHT <= value <= _LARGEST_RATING:
        raise ValueError(
            f"the weight {short(text)} is no finite number above 0; correct or drop the line"
        )
    return value


def _read_timestamps(table: Table, chosen: Columns) -> tuple[np.ndarray, str]:
    """Return the times, and which order of day and month was found if it matters."""
    column = chosen.numbers["timestamp"]
    integers = table.integers(column)
    if integers is not None:
        return integers, ""
    order = DayOrder.of(table.texts(column)[1])
    convert = chosen.explain("timestamp", partial(parse_time, order=order))
    return table.values(column, convert), order.note()


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
    if nameless_corner or columns.plain_name(corner) in columns.USUAL_NAMES["user"]:
        return True, True
    has_users = not all(map(_is_cell, column))
    return not all(map(_is_cell, row if has_users else first_row)), has_users


def _are_distinct(names: list[str]) -> bool:
    return len(names) > 0 and "" not in names and len(set(names)) == len(names)


def _is_cell(text: str) -> bool:
    return text.strip().lower() in _NOT_RATED or columns.is_number(text)


def _as_cell(text: str) -> float:
    return math.nan if text.strip().lower() in _NOT_RATED else _as_rating(text)

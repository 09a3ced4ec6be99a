"""Text with one user a line: matrices, and lists of each user's items."""

import math

import numpy as np

from mfrec.data import columns
from mfrec.data.cells import as_rating, read_ids, read_numbers
from mfrec.data.interactions import Interactions
from mfrec.data.tables import Lines, Table, short
from mfrec.data.usual_names import USUAL_NAMES, plain_name
from mfrec.errors import InputError

# Cells of a matrix that stand for no rating.
_NOT_RATED = ("", "?", "nan", "na")
# What the first cell says if the first column names the users.
_USERS = USUAL_NAMES["user"] | {"id", "index", "unnamed", "useritem"}
_ITEMS = {"item", "items", "itemid", "movieid", "itemuser"}
# Ratings are in this range, if the others of a matrix are not elsewhere.
_USUAL_RATINGS = (0.0, 10.0)


def looks_like_adjacency(lines: Lines) -> bool:
    """Return whether lines can only be `user item item ...`.

    A table of ratings with a broken line is ragged as well, but its users are repeated.
    """
    if lines.delimiter != " " or not lines.are_ragged() or not lines.hold_only(b"0123456789"):
        return False
    heads, _ = lines.heads_and_others()
    return len(heads.texts(0)[1]) == len(heads)


def read_adjacency(lines: Lines) -> Interactions:
    """Read lines of one user and then that user's items.

    Raises:
        InputError: an id is empty, or no user has items.
    """
    _refuse_names(lines, "adjacency")
    heads, others = lines.heads_and_others()
    if not len(others):
        raise InputError(f"{lines.path}: users but no items; give a file with interactions")
    user_ids, users = read_ids(heads, 0, "user id")
    item_ids, items = read_ids(others, 0, "item id")
    return Interactions(
        np.repeat(user_ids, lines.counts - 1),
        item_ids,
        np.ones(len(item_ids), np.float32),
        None,
        users,
        items,
        has_ratings=False,
    )


def read_matrix(lines: Lines) -> tuple[Interactions, tuple[str, ...]]:
    """Read a table of one user per line, with or without names in its first row and column.

    Returns:
        The ratings, and what was taken for names, for people.

    Raises:
        InputError: lines of different lengths, a cell that is no rating, names that repeat, or a
            first row and column that may be names or ratings.
    """
    _refuse_names(lines, "matrix")
    table = lines.table()
    has_items, has_users = _find_names(table)
    first_row, first_column = int(has_items), int(has_users)
    cells = table.take(slice(first_row, None), slice(first_column, None))
    if not len(cells) or not cells.num_fields:
        raise InputError(f"{table.path}: no ratings beside the names; give a file with ratings")
    values, notes = read_numbers(cells.as_one_column(), 0, _as_cell)
    users = [table.text(row, 0) for row in range(first_row, len(table))] if has_users else None
    items = table.row(0)[first_column:] if has_items else None
    for names, what in ((users, "user"), (items, "item")):
        if names and "" in names:
            raise InputError(f"{table.path}: {what} {names.index('') + 1} has no name; give it one")
    try:
        interactions = Interactions.from_matrix(
            values.reshape(len(cells), cells.num_fields), users, items
        )
    except InputError as error:
        raise InputError(f"{table.path}: {error}") from None
    return interactions, (_describe(interactions, has_items, has_users), *notes)


def _refuse_names(lines: Lines, layout: str) -> None:
    if lines.names is not None:
        raise InputError(
            f"{lines.path}: --ratings_format={layout} is about delimited text; leave it out"
        )


def _describe(interactions: Interactions, has_items: bool, has_users: bool) -> str:
    users = "its first column names the users" if has_users else "users are numbered from 0"
    items = "its first row names the items" if has_items else "items are numbered from 0"
    return (
        f"a matrix of {interactions.num_users:,} users and {interactions.num_items:,} items: "
        f"{items}, {users}"
    )


def _find_names(table: Table) -> tuple[bool, bool]:
    """Return whether the first row of a matrix names the items, and its first column the users.

    Text is a name. Numbers are names if the first cell says "user" or the like, or if it is empty
    and the numbers can only be names.
    """
    first_row = table.row(0)
    corner, row = first_row[0], first_row[1:]
    column = [table.text(line, 0) for line in range(1, len(table))]
    if not row or not column:
        return not all(map(_is_cell, first_row)), False
    if plain_name(corner) in _USERS:
        return True, True
    if plain_name(corner) in _ITEMS:
        table.refuse(
            0,
            f"the first cell is {short(corner)}: a matrix has one user a line; transpose it, or "
            "write user there",
        )
    has_users = not all(map(_is_cell, column))
    has_items = not all(map(_is_cell, row if has_users else first_row))
    if corner.strip() == "" and (has_items or has_users or _are_names(table, row, column)):
        return True, True
    return has_items, has_users


def _are_names(table: Table, row: list[str], column: list[str]) -> bool:
    """Whether numbers beside an empty first cell are names, and not ratings.

    Names are whole and differ. Ratings lie where the others do, or between 0 and 10. If the
    numbers may be either, the file is refused.
    """
    if not all(map(str.isdecimal, (*row, *column))) or not (_differ(row) and _differ(column)):
        return False
    cells = table.take(slice(1, None), slice(1, None)).as_one_column()
    ratings = [_as_cell(text) for text in cells.texts(0)[1] if _is_rating(text)]
    lowest, highest = min(ratings + [_USUAL_RATINGS[0]]), max(ratings + [_USUAL_RATINGS[1]])
    if any(not lowest <= int(name) <= highest for name in (*row, *column)):
        return True
    table.refuse(
        0,
        "beside an empty first cell, the numbers of the first row and column may be names or "
        "ratings; write user there if they are names, ? if they are ratings",
    )


def _differ(names: list[str]) -> bool:
    return len(set(names)) == len(names)


def _is_rating(text: str) -> bool:
    return _is_cell(text) and text.strip().lower() not in _NOT_RATED and "," not in text


def _is_cell(text: str) -> bool:
    return text.strip().lower() in _NOT_RATED or columns.is_number(text)


def _as_cell(text: str) -> float:
    return math.nan if text.strip().lower() in _NOT_RATED else as_rating(text)

"""Text with one user a line: matrices, and lists of each user's items."""

import math

import numpy as np

from mfrec.data import columns, corners, doubts
from mfrec.data.cells import as_rating, read_ids, read_numbers
from mfrec.data.interactions import Interactions
from mfrec.data.tables import Lines, Table, short
from mfrec.data.usual_names import plain_name
from mfrec.errors import InputError

# Cells of a matrix that stand for no rating.
_NOT_RATED = ("", "?", "nan", "na")


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
    matrix = values.reshape(len(cells), cells.num_fields)
    _refuse_numbers(table, matrix, has_items, has_users)
    users = [table.text(row, 0) for row in range(first_row, len(table))] if has_users else None
    items = table.row(0)[first_column:] if has_items else None
    _refuse_sums(table, users, items)
    for names, what in ((users, "user"), (items, "item")):
        if names and "" in names:
            raise InputError(f"{table.path}: {what} {names.index('') + 1} has no name; give it one")
        missing = doubts.missing_id(names) if names else None
        if names and missing is not None:
            raise InputError(
                f"{table.path}: {what} {missing + 1} is called {short(names[missing])}, which "
                "stands for a missing name; give it one"
            )
    try:
        interactions = Interactions.from_matrix(matrix, users, items)
    except InputError as error:
        raise InputError(f"{table.path}: {error}") from None
    return interactions, (_describe(interactions, has_items, has_users), *notes)


def _refuse_sums(table: Table, users: list[str] | None, items: list[str] | None) -> None:
    """Refuse a last row or column that holds sums, or means, of the others."""
    lasts = [names[-1] for names in (users, items) if names]
    are_margins = len(lasts) == 2 and all(plain_name(last) in doubts.TOTALS for last in lasts)
    for names, what in ((users, "row"), (items, "column")):
        if names and (are_margins or doubts.is_total(names[:-1], names[-1])):
            raise InputError(
                f"{table.path}: the last {what} {short(names[-1])} looks like a sum of the others; "
                "drop it"
            )


def _refuse_numbers(table: Table, matrix: np.ndarray, has_items: bool, has_users: bool) -> None:
    """Refuse a first row or column that was read as ratings and can hardly hold any."""
    if not has_users and corners.may_be_names(matrix[:, 0], matrix[:, 1:]):
        how = "the first cell" if has_items else "the first cell of a line of items above"
        table.refuse(
            0,
            "the numbers of the first column may be names of users rather than ratings; write user "
            f"in {how} if they are names, or put a column of users before them if not",
        )
    if not has_items and corners.may_be_names(matrix[0], matrix[1:]):
        table.refuse(
            0,
            "the numbers of the first row may be names of items rather than ratings; put a column "
            "of users before all, with user in its first cell, if they are names, or a line of "
            "items above if not",
        )


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
    if corners.says_users(corner):
        return True, True
    if corners.says_items(corner):
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
    lowest, highest = (
        min(ratings + [corners.USUAL_RATINGS[0]]),
        max(ratings + [corners.USUAL_RATINGS[1]]),
    )
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

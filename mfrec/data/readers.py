"""Files of ratings: text with one rating or one user per line, and numpy's files."""

from collections.abc import Mapping
from numbers import Integral
from pathlib import Path
from typing import Any

import numpy as np

from mfrec.config.settings import COLUMNS, FILE_OPTIONS, Config
from mfrec.data import (
    arrays,
    columns,
    doubts,
    encodings,
    kinds_of_time,
    opening,
    tables,
    text_matrices,
)
from mfrec.data.cells import as_rating, as_weight, read_ids, read_numbers
from mfrec.data.columns import Columns, shown
from mfrec.data.interactions import Interactions
from mfrec.data.tables import Lines, Table
from mfrec.data.times import DayOrder, has_small_numbers_first, is_plain_number, parse_time
from mfrec.data.values import as_flag
from mfrec.errors import InputError, did_you_mean, short
from mfrec.files import as_path
from mfrec.progress import say


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
            encoding: of text, such as "latin-1"; by default UTF-8, or what the byte order mark
                says.
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
        InputError: the file is missing or empty, an option is unknown or without effect, a column
            is missing, or a line cannot be read; names the line.
    """
    path = as_path(path, "file of ratings")
    options = _checked_options(options)
    _refuse_useless(path, options)
    interactions, notes = read(path, **options)
    for note in notes:
        say(note_on(path, note))
    return interactions


def _checked_options(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return how text is to be read; options are checked as the flags of the same names are.

    Raises:
        InputError: an unknown option, or a value that it does not take.
    """
    known = (*FILE_OPTIONS, "header")
    for name in options:
        if name not in known:
            raise InputError(f"read_ratings: unknown option '{name}'{did_you_mean(name, known)}")
    numbers = {
        name: int(number)
        for name, number in options.items()
        if name in COLUMNS and isinstance(number, Integral) and not isinstance(number, bool)
    }
    if options.get("header") is not None:
        as_flag(options["header"], "header")
    Config().replace({n: v for n, v in options.items() if n not in numbers and n != "header"})
    return {**options, **numbers}


def _refuse_useless(path: str | Path, options: Mapping[str, Any]) -> None:
    """Refuse options that say nothing about a file of this kind."""
    layout = options.get("ratings_format", "auto")
    given = [name for name, value in options.items() if value not in (None, encodings.AUTO)]
    of_tables = [name for name in given if name in COLUMNS or name == "header"]
    if layout in ("matrix", "adjacency") and of_tables:
        raise InputError(
            f"{', '.join(of_tables)} means nothing with ratings_format={layout!r}; leave it out"
        )
    if layout == "auto" and arrays.known_by_ending(path) and given:
        raise InputError(f"{', '.join(given)} is about text files; leave it out with {path}")


def note_on(path: str | Path, note: str) -> str:
    """Return a line for people about what was assumed in reading a file."""
    return f"read {shown(opening.name_of(path))}: {note}"


def read(
    path: str | Path,
    *,
    ratings_format: str = "auto",
    delimiter: str | None = None,
    encoding: str = encodings.AUTO,
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
    lines = tables.read_lines(path, delimiter, encoding)
    wanted = {
        "user": user_column,
        "item": item_column,
        "rating": rating_column,
        "timestamp": timestamp_column,
        "weight": weight_column,
    }
    none_wanted = all(column is None for column in wanted.values())
    if ratings_format == "adjacency" or (
        ratings_format == "auto" and none_wanted and text_matrices.looks_like_adjacency(lines)
    ):
        interactions = text_matrices.read_adjacency(lines)
        layout = "one user a line, then that user's items"
        return interactions, (*lines.notes, _first_row(layout, interactions))
    if ratings_format == "matrix":
        interactions, notes = text_matrices.read_matrix(lines)
        return interactions, (*lines.notes, _first_row(notes[0], interactions), *notes[1:])
    table, chosen = choose_columns(lines, header, wanted)
    del lines  # ten million rows: 80 MB
    interactions, read_notes = read_rows(table, chosen)
    return interactions, (*table.notes, chosen.describe(table.row(0)), *chosen.notes, *read_notes)


def choose_columns(
    lines: Lines, header: bool | None, wanted: columns.Wanted
) -> tuple[Table, Columns]:
    """Return the rows below the header, and the column of each role.

    Args:
        lines: a table from its beginning.
        header: whether the first line names the columns; guessed by default.
        wanted: by role, see `columns.choose`.

    Raises:
        InputError: a column is missing, or hardly is what it was taken for.
    """
    complete = lines.without_empty_end()
    is_cut = complete is not lines and wanted["rating"] is None
    table = complete.table()
    may_be_header = header is None and table.names is None
    if header is None:
        header = may_be_header and columns.has_header(table.row(0), wanted)
    names = table.row(0) if header else table.names
    if is_cut and names is None and table.num_fields == 2:
        table.refuse(
            0,
            "the third field of every line is empty, where the rating would be; fill it in, or "
            f"give --rating_column={columns.NO_COLUMN} if every line is a positive",
        )
    chosen = columns.choose(table, names, wanted)
    if names is None:
        if may_be_header:
            doubts.refuse_header(table, chosen)
        doubts.refuse_positions(table, chosen)
    if header:
        table = table.take(slice(1, None))
        if not len(table):
            raise InputError(f"{table.path}: a header but no ratings; give a file with ratings")
    doubts.refuse_lists(table, chosen)
    return table, chosen


def read_rows(
    table: Table, chosen: Columns, order: DayOrder | None = None, is_end: bool = True
) -> tuple[Interactions, tuple[str, ...]]:
    """Read rows below the header; return them, and what was assumed.

    Args:
        table: the rows.
        chosen: the column of each role.
        order: of the dates, if rows before these have told it.
        is_end: whether the table ends with these rows, perhaps in a line of sums.

    Raises:
        InputError: a line cannot be read; names it.
    """
    numbers = chosen.numbers
    user_ids, users = read_ids(table, numbers["user"], "user id")
    item_ids, items = read_ids(table, numbers["item"], "item id")
    if is_end:
        doubts.refuse_total(table, "user id", user_ids, users.raw_ids)
        doubts.refuse_total(table, "item id", item_ids, items.raw_ids)
    ratings, timestamps, weights = np.ones(len(table), np.float32), None, None
    notes: list[str] = []
    if "rating" in numbers:
        convert = chosen.explain("rating", as_rating)
        ratings, assumed = read_numbers(table, numbers["rating"], convert)
        notes += assumed
    if "timestamp" in numbers:
        timestamps, note = _read_timestamps(table, chosen, order)
        notes += [note] if note else []
    if "weight" in numbers:
        weights, assumed = read_numbers(table, numbers["weight"], as_weight)
        notes += assumed
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
    return interactions, tuple(notes)


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


def _read_timestamps(
    table: Table, chosen: Columns, order: DayOrder | None
) -> tuple[np.ndarray, str]:
    """Return the times, and which order of day and month was found if it matters."""
    column = chosen.numbers["timestamp"]
    integers = table.integers(column)
    if integers is not None:
        _refuse_two_kinds(table, column, integers)
        return integers, ""
    # all texts take seconds for ten million rows
    if order is None and any(map(has_small_numbers_first, columns.sample(table, column))):
        order = DayOrder.of(table.texts(column)[1])
    order = order or DayOrder()
    numbers: dict[int | float, str] = {}
    dates: list[str] = []

    def convert(text: str) -> int | float:
        time = parse_time(text, order)
        if is_plain_number(text):
            numbers.setdefault(time, text)
        elif not dates:
            dates.append(text)
        return time

    times = table.values(column, chosen.explain("timestamp", convert))
    if not dates:
        _refuse_two_kinds(table, column, times)
        return times, order.note()
    odd = kinds_of_time.no_seconds(numbers)
    if odd is not None:
        codes, texts = table.texts(column)
        table.refuse(
            int(np.argmax(codes == texts.index(numbers[odd]))),
            f"the timestamp {short(numbers[odd])} is {kinds_of_time.describe(odd)}, others such as "
            f"{short(dates[0])} are dates; write all of them alike",
        )
    return times, order.note()


def _refuse_two_kinds(table: Table, column: int, times: np.ndarray) -> None:
    pair = kinds_of_time.two_kinds(times)
    if pair:
        first, other = (
            f"{short(table.text(row, column))} is {kinds_of_time.describe(times[row])}"
            for row in pair
        )
        table.refuse(
            pair[1],
            f"the timestamp {other}, but {first} in line {table.lines[pair[0]]}; write all of them "
            "alike",
        )

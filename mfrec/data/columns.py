"""Which column of a table has which role: by flag, by a usual name, or by its position."""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from mfrec.data.tables import Table
from mfrec.data.times import DayOrder, is_date, parse_time
from mfrec.data.usual_names import USUAL_NAMES, best_matches, plain_name
from mfrec.errors import InputError, short

# The order of the columns in a file without a header.
_BY_POSITION = ("user", "item", "rating", "timestamp")
ROLES = (*_BY_POSITION, "weight")
# Given as the column of ratings, timestamps or weights of a file without one.
NO_COLUMN = "none"
_OPTIONAL = ("rating", "timestamp", "weight")

# Rows that are looked at to tell what a column without a name holds.
_SAMPLE_ROWS = 100
# Characters of a line that messages quote.
_LINE_LENGTH = 100
# Numbers below are hours played or the like rather than seconds since 1970: this is in 1973.
_EARLIEST_SECONDS = 10**8

Wanted = Mapping[str, str | int | None]


@dataclass(frozen=True)
class Columns:
    """The column of each role.

    Attributes:
        numbers: by role, from 0; roles that the table lacks are missing.
        names: of all columns; None without a header.
        num_fields: the number of columns.
        guessed: roles whose column nobody named.
        notes: what was assumed besides, for people.
    """

    numbers: Mapping[str, int]
    names: Sequence[str] | None
    num_fields: int
    guessed: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def describe(self, first_row: Sequence[str]) -> str:
        """Return in one line which columns are read as what, with an example.

        Args:
            first_row: the texts of the first row.
        """
        read = ", ".join(f"{self._name(number)} → {role}" for role, number in self._in_order())
        if len(self.numbers) < self.num_fields:
            read += f", {len(self.numbers)} of {self.num_fields} columns"
        row = ((role, first_row[number]) for role, number in self._in_order())
        return f"{read}; first row: {example(row)}"

    def explain(self, role: str, convert: Callable[[str], Any]) -> Callable[[str], Any]:
        """Return the same conversion, whose errors say so if the column was not named."""
        if role not in self.guessed:
            return convert
        number = self.numbers[role]

        def explained(text: str) -> Any:
            try:
                return convert(text)
            except ValueError as error:
                flag = f"--{role}_column={NO_COLUMN} or its number"
                if role == "rating" and is_date(text):
                    flag = f"--timestamp_column={number}"
                column = self._name(number)
                raise ValueError(f"{error}, or if {column} is no {role}, give {flag}") from None

        return explained

    def _in_order(self) -> list[tuple[str, int]]:
        return [(role, self.numbers[role]) for role in ROLES if role in self.numbers]

    def _name(self, number: int) -> str:
        return f"column {number}" if self.names is None else shown(self.names[number])


def choose(table: Table, names: Sequence[str] | None, wanted: Wanted) -> Columns:
    """Find the column of each role.

    Args:
        table: the rows, that of the header included.
        names: the header; None without one.
        wanted: by role the column that the user named, by its name or number; None for a role
            that nobody named, "none" for one that the table lacks.

    Raises:
        InputError: a column is missing, or more than one can be meant.
    """
    given = {
        role: _find_given(table, names, role, column)
        for role, column in wanted.items()
        if column is not None and not _is_none(role, column, names)
    }
    open_roles = [role for role in _BY_POSITION if wanted[role] is None]
    notes: tuple[str, ...] = ()
    if names is None:
        any_wanted = any(column is not None for column in wanted.values())
        found, notes = _by_position(table, given, open_roles, any_wanted)
    else:
        found = _by_name(table, names, given, open_roles)
    numbers = given | found
    says_what_counts = wanted["rating"] is not None or wanted["weight"] is not None
    if "rating" not in numbers and not says_what_counts and len(numbers) < table.num_fields:
        _refuse_column(table, names, "rating", None)
    if len(set(numbers.values())) < len(numbers):
        roles = ", ".join(f"{role} {number}" for role, number in numbers.items())
        raise InputError(f"{table.path}: one column in two roles ({roles}); name each column")
    return Columns(numbers, names, table.num_fields, frozenset(found), notes)


def has_header(fields: Sequence[str], wanted: Wanted) -> bool:
    """Return whether the first row names the columns."""
    given = {role: column for role, column in wanted.items() if column not in (None, NO_COLUMN)}
    if any(_as_number(column) is None for column in given.values()):
        return True
    known = any(plain_name(field) in names for field in fields for names in USUAL_NAMES.values())
    given_numbers = [_as_number(given[role]) for role in ("rating", "weight") if role in given]
    if wanted["rating"] is None and not given_numbers:
        given_numbers = [2]
    numbers = [number for number in given_numbers if number is not None and number < len(fields)]
    if any(is_number(fields[number]) for number in numbers):
        return False
    # Columns given by number and none of numbers to tell by: no header, unless by a usual name.
    return known or not (any(map(is_number, fields)) or (given and not numbers))


def is_number(text: str) -> bool:
    """Return whether a text is a number, as data files mean it; 4,5 is one as well."""
    # float() takes "1_000" for a number; no data file means that.
    try:
        float(re.sub(r"(?<=\d),(?=\d)", ".", text))
    except ValueError:
        return False
    return "_" not in text


def example(row: Iterable[tuple[str, str]]) -> str:
    """Return 'user 27, item 12, rating 4' for pairs of role and text."""
    return ", ".join(f"{role} {shown(text)}" for role, text in row)


def shown(text: str) -> str:
    """Return a text as notes show it: in quotes where it would not be readable without."""
    is_plain = text.isprintable() and text.strip() == text and 0 < len(text) <= 40
    return text if is_plain else short(text)


def _is_none(role: str, column: str | int | None, names: Sequence[str] | None) -> bool:
    """Whether the user says that there is no such column; a header may have that very name."""
    return role in _OPTIONAL and column == NO_COLUMN and column not in (names or ())


def _as_number(column: str | int | None) -> int | None:
    """The number that a column was given by, None if it was given by name."""
    if column is None or isinstance(column, int):
        return column
    return int(column) if column.isdecimal() else None


def _find_given(
    table: Table, names: Sequence[str] | None, role: str, column: str | int | None
) -> int:
    """The number of a column that the user named."""
    number = None if column in (names or ()) else _as_number(column)
    if number is not None:
        if not 0 <= number < table.num_fields:
            _refuse_column(table, names, role, column)
        return number
    matches = [n for n, name in enumerate(names or ()) if name == column] or [
        n for n, name in enumerate(names or ()) if plain_name(name) == plain_name(str(column))
    ]
    if not matches:
        _refuse_column(table, names, role, column)
    if len(matches) > 1:
        _refuse_two(table, names, role, matches)
    return matches[0]


def _by_name(
    table: Table, names: Sequence[str], given: Mapping[str, int], open_roles: Sequence[str]
) -> dict[str, int]:
    """The columns of roles that the user left open, by their usual names."""
    found: dict[str, int] = {}
    # A column that the user named for one role is not taken for another by its usual name.
    free = {n: name for n, name in enumerate(names) if n not in given.values()}
    for role in open_roles:
        matches = best_matches(role, free)
        if not matches and role not in _OPTIONAL:
            # to be refused as one column in two roles
            matches = best_matches(role, dict(enumerate(names)))
        if len(matches) > 1:
            _refuse_two(table, names, role, matches)
        if matches:
            found[role] = matches[0]
        elif role not in _OPTIONAL:
            _refuse_column(table, names, role, None)
    return found


def _by_position(
    table: Table, given: Mapping[str, int], open_roles: Sequence[str], any_wanted: bool
) -> tuple[dict[str, int], tuple[str, ...]]:
    """The columns of roles that the user left open, by their order; and notes.

    Where the user explains some of the columns, no other is taken for a rating or a time unless
    it looks like one.
    """
    if not any_wanted and table.num_fields > len(_BY_POSITION):
        table.refuse(
            0,
            f"{table.num_fields} fields and no header; say which are which by --user_column=0 and "
            "so on, or --ratings_format=matrix or adjacency if each line is one user "
            f"({_first_line(table)})",
        )
    found: dict[str, int] = {}
    notes: tuple[str, ...] = ()
    for role in open_roles:
        number = _BY_POSITION.index(role)
        if number >= table.num_fields and role not in _OPTIONAL:
            _refuse_column(table, None, role, None)
        if number >= table.num_fields or (role in _OPTIONAL and number in given.values()):
            continue
        if role in ("user", "item") and all(map(is_date, sample(table, number))):
            table.refuse(
                0,
                f"column {number} holds times where the {role}s would be ({_first_line(table)}); "
                "say which column is which by --user_column, --item_column, --rating_column and "
                f"--timestamp_column={number}",
            )
        if role == "rating" and any_wanted and not _may_be_rating(table, given):
            if "weight" in given:
                notes += (
                    f"column {number} is not taken for a rating, as by --rating_column={NO_COLUMN}",
                )
            continue
        if role == "timestamp" and any_wanted and not are_times(sample(table, number)):
            notes += (
                f"column {number} does not look like a time and is not taken for one; "
                f"--timestamp_column={number} would",
            )
            continue
        if role == "rating" and are_times(sample(table, number)):
            table.refuse(
                0,
                f"column {number} holds times where the rating would be ({_first_line(table)}); "
                f"--timestamp_column={number} reads it as one",
            )
        found[role] = number
    return found, notes


def _may_be_rating(table: Table, given: Mapping[str, int]) -> bool:
    """Whether the third column may be the rating where the user explained others alone."""
    ids = {given.get(role, number) for number, role in enumerate(_BY_POSITION[:2])}
    in_order = ids == {0, 1} and "weight" not in given and given.get("timestamp", 3) == 3
    explained = {*ids, *given.values()}
    is_the_only_one_left = len(explained) == table.num_fields - 1
    return (in_order or is_the_only_one_left) and (
        table.num_fields <= len(_BY_POSITION) or all(map(is_number, sample(table, 2)))
    )


def are_times(texts: Sequence[str]) -> bool:
    """Return whether texts are dates, or numbers as large as seconds since 1970 are."""
    order = DayOrder.of(texts)
    try:
        times = [parse_time(text, order) for text in texts]
    except ValueError:
        return False
    pairs = zip(texts, times, strict=True)
    return all(time >= _EARLIEST_SECONDS or is_date(text) for text, time in pairs)


def sample(table: Table, column: int) -> list[str]:
    """Return the first texts of a column."""
    return [table.text(row, column) for row in range(min(len(table), _SAMPLE_ROWS))]


def _first_line(table: Table) -> str:
    fields = " | ".join(table.row(0))
    return f"the first: {fields[:_LINE_LENGTH]!r}"


def _refuse_two(
    table: Table, names: Sequence[str] | None, role: str, matches: Sequence[int]
) -> NoReturn:
    found = " and ".join(f"{shown((names or ())[number])} ({number})" for number in matches)
    table.refuse(
        0,
        f"columns {found} may each be the {role} column; give one by --{role}_column, "
        "as a name or a number from 0",
    )


def _refuse_column(
    table: Table, names: Sequence[str] | None, role: str, column: str | int | None
) -> NoReturn:
    found = (
        f"{table.num_fields} fields per line, no header"
        if names is None
        else ", ".join(map(shown, names))
    )
    if names is None and column is None:
        found += f", {_first_line(table)}"
    missing = f"cannot tell the {role} column" if column is None else f"no column {column!r}"
    remedy = f"give --{role}_column as a name of the header or a number from 0"
    if role == "rating" and column is None:
        remedy += (
            f", --rating_column={NO_COLUMN} if every line is a positive, or --weight_column for "
            "counts"
        )
    table.refuse(0, f"{missing}; the file has: {found}; {remedy}")

"""The fields of a table as ids, ratings and weights."""

import re
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from mfrec.data.doubts import missing_id
from mfrec.data.tables import Table
from mfrec.data.values import SMALLEST, TOO_SMALL, note_on_rounding
from mfrec.data.vocabulary import Vocabulary
from mfrec.errors import InputError, short

_LARGEST_RATING = float(np.finfo(np.float32).max)

_KINDS = {
    "booleans": "a boolean",
    "times": "a time",
    "fractions": "which is not whole, or too large to be exact",
}

_DECIMAL_COMMA = re.compile(r"\s*[+-]?\d*,\d+\s*")
# 1,234 may be either; 1,234.5 and 1.234,5 can only have separators of thousands
_EITHER = re.compile(r"\s*[+-]?[1-9]\d{0,2},\d{3}\s*")
_THOUSANDS = re.compile(r"\s*[+-]?\d{1,3}(?:([.,'’\s])\d{3})(?:\1\d{3})*(?:[.,]\d+)?\s*")


def read_ids(table: Table, column: int, what: str) -> tuple[np.ndarray, Vocabulary]:
    """Number the ids of a column.

    Args:
        table: the rows.
        column: its number.
        what: the ids are, for errors.

    Returns:
        int32 [rows], and the vocabulary of the distinct ids.

    Raises:
        InputError: one is empty, stands for a missing one, or is no id where a data frame would
            have none either: a boolean, a time, 1.5; names the line.
    """
    typed = table.typed.get(column)
    if typed:
        raise InputError(
            f"{table.path}:{typed.line}: the {what} is {short(typed.example)}, "
            f"{_KINDS[typed.kind]}; give integers or text"
        )
    codes, raw_ids = table.texts(column)
    if "" in raw_ids:
        row = np.argmax(codes == raw_ids.index(""))
        table.refuse(int(row), f"the {what} is empty; fill it in or drop the line")
    missing = missing_id(raw_ids)
    if missing is not None:
        rows = np.flatnonzero(codes == missing)
        more = f", as in {len(rows) - 1:,} other lines" if len(rows) > 1 else ""
        table.refuse(
            rows[0],
            f"the {what} {short(raw_ids[missing])} stands for a missing one{more}; drop such "
            "lines, or spell it differently if it is an id",
        )
    return codes, Vocabulary(tuple(raw_ids))


def read_numbers(
    table: Table, column: int, convert: Callable[[str], float]
) -> tuple[np.ndarray, tuple[str, ...]]:
    """Read a column of numbers, which may have decimal commas.

    Args:
        table: the rows.
        column: its number.
        convert: text to number; raises ValueError for text that is wrong.

    Returns:
        float32 [rows], and what was assumed, for people.

    Raises:
        InputError: a text is no number, or its comma may separate thousands, or the column holds
            times; names the line.
    """
    typed = table.typed.get(column)
    if typed and typed.kind == "times":
        name = table.names[column] if table.names else column
        raise InputError(
            f"{table.path}:{typed.line}: column {name!r} holds times where numbers should be; name "
            "another one"
        )
    if typed and typed.kind == "booleans":
        convert = _of_booleans(convert)
    try:
        values = table.values(column, convert)
        return values.astype(np.float32), note_on_rounding(values)
    except InputError:
        example = _decimal_comma(table, column)
        if example is None:
            raise
    table = replace(table, decimal_commas=frozenset({column}))
    values = table.values(column, convert)
    note = f"{example!r} as {example.replace(',', '.').strip()}, with a decimal comma"
    return values.astype(np.float32), (note, *note_on_rounding(values))


def _decimal_comma(table: Table, column: int) -> str | None:
    """The first number with a decimal comma, if a column has no other commas; else None."""
    codes, texts = table.texts(column)
    numbers = [text for text in texts if "," in text]
    if not numbers or not all(map(_DECIMAL_COMMA.fullmatch, numbers)):
        return None
    if any("." in text for text in texts):
        return None
    if all(map(_EITHER.fullmatch, numbers)):
        row = np.flatnonzero(codes == texts.index(numbers[0]))[0]
        table.refuse(
            row,
            f"{short(numbers[0])} may have a decimal comma or a separator of thousands; write it "
            "with a point, or without separator",
        )
    return numbers[0]


def _of_booleans(convert: Callable[[str], float]) -> Callable[[str], float]:
    """The same conversion, for which true is 1 and false 0, as in data frames."""
    return lambda text: convert({"true": "1", "false": "0"}.get(text, text))


def as_rating(text: str) -> float:
    """Return a rating; raises ValueError for what is none."""
    value = _as_number(text)
    if value is None:
        raise ValueError(f"the rating {short(text)} is no number{_remedy(text)}")
    if not abs(value) <= _LARGEST_RATING:
        raise ValueError(f"the rating {short(text)} is not finite; correct or drop the line")
    if 0 < abs(value) < SMALLEST:
        raise ValueError(f"the rating {short(text)} {TOO_SMALL}")
    return value


def as_weight(text: str) -> float:
    """Return a weight; raises ValueError for what is none."""
    value = _as_number(text)
    if value is None or not SMALLEST <= value <= _LARGEST_RATING:
        raise ValueError(f"the weight {short(text)} is no finite number above 0{_remedy(text)}")
    return value


def _as_number(text: str) -> float | None:
    # float() takes "1_000" for a number; no data file means that.
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _remedy(text: str) -> str:
    if _THOUSANDS.fullmatch(text) or _DECIMAL_COMMA.fullmatch(text):
        return "; write numbers with a decimal point and without separators of thousands"
    return "; correct or drop the line"

"""JSON lines: one object a line, whose keys are the names of columns.

Some published files hold Python's dictionaries instead, with single quotes; these are read as well.
"""

import ast
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from mfrec.data.fields import Fields, from_texts, with_newlines
from mfrec.data.named_columns import NamedColumns, Typed
from mfrec.errors import InputError, first_line, short

# How JSON begins, and ids in braces or brackets do not.
_OBJECT = re.compile(rb'\{\s*(?:"|u?\'|\Z|\}\s*(?:[\r\n]|\Z))')
_LIST = re.compile(rb'\[\s*(?:\{\s*["}]|\Z)')
_HEAD_BYTES = 4096
# Rows that are Python objects at once.
_ROWS = 50_000


def is_json(data: bytes) -> bool:
    """Return whether a text is JSON: objects or a list."""
    head = data[:_HEAD_BYTES].lstrip()
    if _OBJECT.match(head) or _LIST.match(head):
        return True
    if not head.startswith(b"["):
        return False
    first_line = re.split(rb"[\r\n]", head, maxsplit=1)[0].strip()
    # the first of several lines of a list ends in a comma, or is its bracket alone
    if first_line.endswith(b","):
        first_line = first_line[:-1] + b"]"
    return first_line == b"[" or _is_list(first_line)


def _is_list(text: bytes) -> bool:
    try:
        return isinstance(json.loads(text), list)
    except (ValueError, RecursionError):
        return False


def read(path: str | Path, data: bytes) -> NamedColumns:
    """Read objects of one line each.

    A key that an object lacks, and null, are an empty field. Numbers are kept as they are written,
    but for whole ones: 27.0 and 2.7e1 are 27.

    Raises:
        InputError: a line is no object, or holds a key twice; names it.
    """
    decoder = json.JSONDecoder(
        object_pairs_hook=_as_object, parse_int=str, parse_float=_number, parse_constant=_Fraction
    )
    parts: list[Fields] = []
    names: dict[str, None] = {}
    unusable: dict[int, tuple[int, str]] = {}
    typed: dict[int, Typed] = {}
    rows: list[dict[str, Any]] = []
    numbers: list[int] = []
    for number, line in enumerate(io.BytesIO(with_newlines(data)), start=1):
        if line.isspace():
            continue
        rows.append(_object(path, number, line.decode().strip(), decoder))
        numbers.append(number)
        if len(rows) == _ROWS:
            parts.append(_fields(rows, numbers, names, unusable, typed))
            rows, numbers = [], []
    if rows:
        parts.append(_fields(rows, numbers, names, unusable, typed))
    if not names:
        raise InputError(f"{path}: objects without keys; give them ids and ratings")
    return NamedColumns(tuple(names), _joined(parts, len(names)), unusable, typed)


def _fields(
    rows: list[dict[str, Any]],
    numbers: list[int],
    names: dict[str, None],
    unusable: dict[int, tuple[int, str]],
    typed: dict[int, Typed],
) -> Fields:
    """Turn objects into fields; adds to the names of columns and to what is known of these."""
    for keys in dict.fromkeys(map(tuple, rows)):
        names |= dict.fromkeys(map(str, keys))
    values = [row.get(name) for row in rows for name in names]
    width = len(names)
    for place in [place for place, value in enumerate(values) if type(value) is not str]:
        value, column, number = values[place], place % width, numbers[place // width]
        values[place] = text = _text(value)
        if text is None:
            problem = f"{list(names)[column]!r} holds {_kind(value)}, no value"
            unusable.setdefault(column, (number, problem))
            values[place] = ""
        elif column not in typed and isinstance(value, bool):
            typed[column] = Typed("booleans", number, text)
        elif column not in typed and type(text) is _Fraction:
            typed[column] = Typed("fractions", number, text)
    whole = "".join(values)
    if "\0" in whole or not whole.isascii():
        values = _encodable(values, numbers, list(names), unusable)
    texts = [text.encode() for text in values]
    return from_texts(texts, np.full(len(rows), len(names)), np.array(numbers))


def _encodable(
    values: list[str],
    numbers: list[int],
    names: list[str],
    unusable: dict[int, tuple[int, str]],
) -> list[str]:
    """The same texts without NUL and halves of surrogate pairs, whose columns are unusable."""
    bad = re.compile("[\0\ud800-\udfff]")
    for place, text in enumerate(values):
        if bad.search(text):
            row, column = divmod(place, len(names))
            problem = (numbers[row], f"{names[column]!r} holds text that is not Unicode, no value")
            unusable.setdefault(column, problem)
            values[place] = ""
    return values


def _joined(parts: list[Fields], width: int) -> Fields:
    """Put parts of a file together; earlier ones may lack the last columns."""
    starts: list[np.ndarray] = []
    ends: list[np.ndarray] = []
    position = 0
    for part in parts:
        shape = (len(part.counts), int(part.counts[0]))
        missing = ((0, 0), (0, width - shape[1]))
        for positions, found in ((part.starts, starts), (part.ends, ends)):
            found.append(np.pad(positions.reshape(shape), missing) + position)
        position += len(part.data)
    numbers = np.concatenate([part.numbers for part in parts])
    return Fields(
        b"".join(part.data for part in parts),
        np.concatenate(starts).ravel(),
        np.concatenate(ends).ravel(),
        np.full(len(numbers), width),
        numbers,
    )


def _object(path: str | Path, number: int, line: str, decoder: json.JSONDecoder) -> dict[str, Any]:
    try:
        is_python = re.match(r"\{\s*u?'", line)
        row = ast.literal_eval(line) if is_python else decoder.decode(line)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        if line[:1] in "{[" and number == 1:
            what = "JSON, but not one object a line; write it so, such as by jq -c"
            raise InputError(f"{path}: looks like {what}") from None
        reason = "nested too deeply" if isinstance(error, RecursionError) else first_line(error)
        raise InputError(f"{path}:{number}: no JSON object ({reason}); correct the line") from None
    if not isinstance(row, dict):
        raise InputError(
            f"{path}:{number}: {short(line)} where a JSON object should be; write one object with "
            "names a line, such as by jq -c"
        )
    return row


def _as_object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    row = dict(pairs)
    if len(row) < len(pairs):
        raise ValueError("a key comes twice")
    return row


class _Fraction(str):
    """A number that is no id: it is not whole, or so large that its last digits may be lost."""


def _number(text: str) -> str:
    """A number as it is written; a whole one by its digits alone."""
    whole, point, zeros = text.partition(".")
    if point and not zeros.strip("0"):
        return whole
    if zeros.isdigit():
        return _Fraction(text)
    value = float(text)
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else _Fraction(text)


def _text(value: Any) -> str | None:
    """A value as text; None if it has none."""
    if value is None:
        return ""
    if value is True or value is False:
        return str(value).lower()
    if isinstance(value, _Fraction):
        return value
    if isinstance(value, (int, float)):
        return str(value) if isinstance(value, int) else _number(repr(value))
    return None


def _kind(value: Any) -> str:
    return "a list" if isinstance(value, list) else "an object"

"""JSON lines: one object a line, whose keys are the names of columns.

Some published files hold Python's dictionaries instead, with single quotes; these are read as well.
"""

import ast
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from mfrec.data.fields import from_texts, with_newlines
from mfrec.data.named_columns import NamedColumns
from mfrec.errors import InputError, first_line, short

# How JSON begins, and ids in braces or brackets do not.
_OBJECT = re.compile(rb'\{\s*(?:"|u?\'|\Z|\}\s*(?:[\r\n]|\Z))')
_LIST = re.compile(rb'\[\s*(?:\{\s*["}]|\Z)')
_HEAD_BYTES = 4096
_WHOLE = re.compile(r"(-?\d+)\.0+")


class _Number(str):
    """A number as it is written in the file; a whole float is written as an integer."""

    def __new__(cls, text: str) -> "_Number":
        whole = _WHOLE.fullmatch(text)
        return super().__new__(cls, whole[1] if whole else text)


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
    but for whole ones: 27.0 is 27.

    Raises:
        InputError: a line is no object, or holds a key twice; names it.
    """
    rows, numbers = [], []
    decoder = json.JSONDecoder(
        object_pairs_hook=_as_object, parse_int=_Number, parse_float=_Number, parse_constant=str
    )
    for number, line in enumerate(with_newlines(data).decode().split("\n"), start=1):
        if not line or line.isspace():
            continue
        rows.append(_object(path, number, line, decoder))
        numbers.append(number)
    names = list(dict.fromkeys(str(key) for row in rows for key in row))
    if not names:
        raise InputError(f"{path}: objects without keys; give them ids and ratings")
    unusable: dict[int, tuple[int, str]] = {}
    texts = []
    for number, row in zip(numbers, rows, strict=True):
        for column, name in enumerate(names):
            value = row.get(name)
            text = _text(value)
            if text is None:
                unusable.setdefault(column, (number, f"{name!r} holds {_kind(value)}, no value"))
            texts.append(text or b"")
    counts = np.full(len(rows), len(names))
    return NamedColumns(tuple(names), from_texts(texts, counts, np.array(numbers)), unusable)


def _object(path: str | Path, number: int, line: str, decoder: json.JSONDecoder) -> dict[str, Any]:
    try:
        is_python = re.match(r"\s*\{\s*u?'", line)
        row = ast.literal_eval(line.strip()) if is_python else decoder.decode(line.strip())
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError) as error:
        if line.lstrip()[:1] in "{[" and number == 1:
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


def _text(value: Any) -> bytes | None:
    """A value as text; None if it has none."""
    if value is None:
        return b""
    if value is True or value is False:
        return str(value).lower().encode()
    if isinstance(value, (int, float)):
        value = _Number(repr(value))
    if not isinstance(value, str) or "\0" in value:
        return None
    try:
        return value.encode()
    except UnicodeEncodeError:  # half of a surrogate pair
        return None


def _kind(value: Any) -> str:
    if isinstance(value, str):
        return "text that is not Unicode"
    return "a list" if isinstance(value, list) else "an object"

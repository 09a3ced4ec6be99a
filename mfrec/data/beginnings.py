"""The lines at the top of a text that are no rows: comments and Excel's `sep=;`."""

import re
from dataclasses import dataclass
from pathlib import Path

from mfrec.data import delimiters
from mfrec.data.fields import count_fields
from mfrec.errors import InputError, short

_EXCEL = re.compile(rb'\s*"?sep=(.)"?[ \t]*(?=[\r\n])', re.IGNORECASE)
_LINE = re.compile(rb"([^\r\n]*)(\r\n?|\n|\Z)")
_COMMENT = re.compile(r"\s*(?:#+|%+|//)(\s*)(.*)")
# More lines than that are no comments, but ids that begin so.
_MOST_COMMENTS = 1_000
# What a line is that may be a comment or a row.
_EITHER = ""
_NUMBER = re.compile(r"[+-]?(?:\d[\d.,:]*|[.,]\d+)(?:[eE][+-]?\d+)?")


@dataclass(frozen=True)
class Beginning:
    """A text without what is no row.

    Attributes:
        data: the text; the lines that are no rows are blank, so that line numbers stay right.
        delimiter: between its fields; None if nothing was left out that says so.
        notes: what was left out, for people.
    """

    data: bytes
    delimiter: str | None = None
    notes: tuple[str, ...] = ()


def cut(path: str | Path, data: bytes, delimiter: str | None) -> Beginning:
    """Return a text without Excel's first line and without comments at its top.

    A comment that has as many fields as the rows below it is their header.

    Args:
        path: of the file, for messages.
        data: the text.
        delimiter: between fields; guessed by default.
    """
    excel = _EXCEL.match(data)
    if excel:
        return Beginning(data[excel.end() :], delimiter or excel[1].decode("latin-1"))
    lines, rest = _marked_lines(data)
    if not lines or not rest.strip():
        return Beginning(data, delimiter)
    if delimiter is None:
        delimiter = delimiters.guess(path, rest) if _has_delimiter(rest) else " "
    kept, num_comments = [], 0
    last = max(number for number, (text, _) in enumerate(lines) if text.strip())
    for number, (text, end) in enumerate(lines):
        if not text.strip():
            kept.append(end)
            continue
        row = _row(text, _first_row(rest, delimiter), delimiter, number == last)
        if row is _EITHER:
            raise InputError(
                f"{path}:{number + 1}: {short(text)} may be a comment or a row; drop it, or write "
                "it without a blank behind the mark"
            )
        if row is None:
            num_comments += 1
        kept.append((row or "").encode() + end)
    if num_comments:
        plural = "s" if num_comments > 1 else ""
        note = f"{num_comments} comment line{plural} at the top left out"
        return Beginning(b"".join(kept) + rest, delimiter, (note,))
    return Beginning(b"".join(kept) + rest, delimiter)


def _marked_lines(data: bytes) -> tuple[list[tuple[str, bytes]], bytes]:
    """The lines at the top that begin like comments, with their line ends; and the rest."""
    lines: list[tuple[str, bytes]] = []
    position = 0
    while position < len(data):
        line = _LINE.match(data, position)
        assert line is not None  # it may be empty
        text = line[1].decode()
        if text.strip() and not _COMMENT.match(text):
            break
        lines.append((text, line[2]))
        position = line.end()
        if len(lines) > _MOST_COMMENTS:
            return [], data
    if not any(text.strip() for text, _ in lines):
        return [], data
    return lines, data[position:]


def _first_row(rest: bytes, delimiter: str) -> str:
    """The first row, with something else for the line ends inside of its quotes."""
    row, position = b"", 0
    while position < len(rest):
        line = _LINE.match(rest, position)
        assert line is not None  # it may be empty
        row, position = rest[: line.end(1)], line.end()
        if len(delimiter) > 1 or row.count(b'"') % 2 == 0:
            break
    return re.sub(r"[\r\n]+", "\v", row.decode())


def _has_delimiter(rest: bytes) -> bool:
    return bool(re.search(r"::|[\t,;| ]", _first_row(rest, ",")))


def _row(text: str, below: str, delimiter: str, is_last: bool) -> str | None:
    """Return the row that a line at the top is; None if it is a comment, or _EITHER.

    Args:
        text: the line.
        below: the first line that is no comment.
        delimiter: between fields.
        is_last: whether it is the last line that begins so, and may be a header.
    """
    comment = _COMMENT.match(text)
    assert comment is not None
    blank, content = comment.groups()
    width, whole, bare = (count_fields([row], delimiter)[0] for row in (below, text, content))
    if not blank and whole == width:
        return text  # an id such as #love, or a header
    parts = content.split(None if delimiter == " " else delimiter)
    has_number = any(_NUMBER.fullmatch(part.strip(' "')) for part in parts)
    if whole == width and has_number:
        return _EITHER
    return content if is_last and bare == width and not has_number else None

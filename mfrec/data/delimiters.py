"""Which character separates the fields of a text, by its first lines."""

import re
from pathlib import Path
from typing import NoReturn

from mfrec.data.fields import count_fields, with_newlines
from mfrec.errors import InputError, short

_DELIMITERS = ("::", "\t", ",", ";", "|", " ")
# Names for delimiters that are hard to type in a shell.
_NAMES = {
    "tab": "\t",
    r"\t": "\t",
    "space": " ",
    "comma": ",",
    "semicolon": ";",
    "pipe": "|",
    "colons": "::",
}
_SAMPLE_BYTES = 1 << 16
_SAMPLE_LINES = 100
_NUMBER = re.compile(r'\s*"?[+-]?(?:\d+(?:[.,]\d*)?|[.,]\d+)(?:[eE][+-]?\d+)?"?\s*')
_OPENING = re.compile(r'(?:^|[,;\t|: ])"')
_DECIMAL = re.compile(r'\s*"?[+-]?\d+,\d+"?\s*')


def named(path: str | Path, delimiter: str) -> str:
    """Return the delimiter that a user has given, perhaps by a name such as "tab".

    Raises:
        InputError: it cannot separate fields.
    """
    delimiter = _NAMES.get(delimiter.lower(), delimiter)
    if not delimiter or re.search(r'[\r\n"\0]', delimiter):
        raise InputError(f"{path}: {delimiter!r} cannot separate fields; give another --delimiter")
    return delimiter


def guess(path: str | Path, data: bytes) -> str:
    """Return the first delimiter that splits the first lines evenly, else the first that occurs.

    Of several that do, the one that leaves a number where the rating is wins: `1;2;4,5` has three
    fields, the last a number with a decimal comma.

    Raises:
        InputError: none occurs, or two would make pairs of the lines.
    """
    lines = _first_lines(data)
    if not lines:
        raise InputError(f"{path}: is empty; give a file with one row per line")
    candidates = [delimiter for delimiter in _DELIMITERS if delimiter in lines[0]]
    # The first line of an adjacency file may be a user without items.
    candidates = candidates or [
        delimiter for delimiter in _DELIMITERS if any(delimiter in line for line in lines)
    ]
    if not candidates:
        raise InputError(
            f"{path}: cannot guess the delimiter of {short(lines[0])}; give it by --delimiter"
        )
    counts = {delimiter: count_fields(lines, delimiter) for delimiter in candidates}
    even = [delimiter for delimiter in candidates if len(set(counts[delimiter])) == 1]
    if len(even) < 2:
        return even[0] if even else candidates[0]
    return _choose(path, lines, {delimiter: counts[delimiter][0] for delimiter in even})


def _first_lines(data: bytes) -> list[str]:
    sample = data[:_SAMPLE_BYTES]
    if len(data) > _SAMPLE_BYTES:
        # without the line that the sample cuts off, unless there is no other
        whole = re.match(rb"(?s).*[\r\n]", sample)
        sample = whole[0] if whole and whole[0].strip() else data.split(b"\n", 1)[0]
    text = with_newlines(sample).decode(errors="replace")
    return _rows([line for line in text.split("\n") if line.strip()][:_SAMPLE_LINES])


def _rows(lines: list[str]) -> list[str]:
    """Lines that a quoted field with a line end continues are one row, without that line end."""
    rows: list[str] = []
    is_open = False
    for line in lines:
        if is_open:
            rows[-1] += "\v" + line
        else:
            rows.append(line)
        # a quote within a field, as in 5" disc, opens nothing
        is_open = rows[-1].count('"') % 2 == 1 and _OPENING.search(rows[-1]) is not None
    return lines if is_open else rows


def _choose(path: str | Path, lines: list[str], widths: dict[str, int]) -> str:
    """Return one of several delimiters that split all lines evenly.

    Args:
        path: of the file, for messages.
        lines: its first lines.
        widths: the number of fields for each delimiter, the usual one first.
    """
    usual = next(iter(widths))
    rated = [d for d, width in widths.items() if width > 2 and _are_numbers(lines, d, 2)]
    decimal = [d for d in rated if d != "," and "," in widths and _commas_are_decimal(lines, d)]
    if decimal and ("," in rated or (decimal == [" "] and usual == "," and widths[","] == 2)):
        _refuse_two(path, lines[0], ",", decimal[0])
    # Words of a title may be as many in every line: spaces come after everything else.
    for delimiter in [d for d in decimal or rated if d != " "]:
        return delimiter
    pairs = [d for d, width in widths.items() if width == 2 and d != " "]
    if pairs == ["\t"] and usual == "\t" and " " in widths:
        # u1 7<TAB>4 may be three fields
        if _are_numbers([line.replace("\t", " ") for line in lines], " ", 2):
            _refuse_two(path, lines[0], "\t", " ")
    if usual not in pairs or len(pairs) < 2:
        return usual
    numbered = [d for d in pairs if _are_numbers(lines, d, 0)]
    if len(numbered) != 1:
        _refuse_two(path, lines[0], *pairs[:2])
    return numbered[0]


def _refuse_two(path: str | Path, line: str, one: str, other: str) -> NoReturn:
    raise InputError(
        f"{path}: {short(line)} can be split at {one!r} and at {other!r}; say which by --delimiter"
    )


def _are_numbers(lines: list[str], delimiter: str, column: int) -> bool:
    """Whether a field is a number in every line, or in every line but the first."""
    is_number = []
    for line in lines:
        fields = line.split() if delimiter == " " else line.split(delimiter)
        field = fields[column] if column < len(fields) else ""
        is_number.append(bool(_NUMBER.fullmatch(field)) and not (delimiter == "," and "," in field))
    return all(is_number[1:] or is_number)


def _commas_are_decimal(lines: list[str], delimiter: str) -> bool:
    """Whether commas stand only within numbers."""
    return all(
        _DECIMAL.fullmatch(field)
        for line in lines
        for field in line.split(delimiter)
        if "," in field
    )

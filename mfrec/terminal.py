"""Text and numbers on a terminal: what only acts is shown as escapes, columns stay aligned.

Titles and ids come from other people's files. An escape sequence in one would clear the screen, a
line end would break a table, and a right-to-left override would turn the text behind it around.
"""

import codecs
import json
import math
import unicodedata

import numpy as np

# Control, format (bidi, zero-width) and surrogate characters; ends of lines and paragraphs.
_ESCAPED = {"Cc", "Cf", "Cs", "Zl", "Zp"}
_NO_COLUMN = {"Mn", "Me"}
_TWO_COLUMNS = {"W", "F"}


def visible(text: str) -> str:
    """Return the text with every character that only acts as JSON writes it: \\n, \\u202e.

    JSON text stays JSON with the same content.
    """
    if text.isprintable():
        return text
    return "".join(_escape(c) if unicodedata.category(c) in _ESCAPED else c for c in text)


def width(text: str) -> int:
    """Return how many columns a text takes: 2 for a wide character, 0 for a combining one."""
    if text.isascii():
        return len(text)
    return sum(map(_columns, text))


def left(text: str, columns: int) -> str:
    """Return the text padded at its end to a width."""
    return text + " " * (columns - width(text))


def right(text: str, columns: int) -> str:
    """Return the text padded at its beginning to a width."""
    return " " * (columns - width(text)) + text


def spec(*values: float | None) -> str:
    """Return the format of numbers that stand together: four digits behind the point.

    Very small and very large ones get as many significant digits instead.
    """
    known = [abs(value) for value in values if value is not None and math.isfinite(value)]
    largest = max(known, default=0.0)
    return ".4f" if largest == 0 or 0.001 <= largest < 1e9 else ".4e"


def number(value: float | None, format_spec: str = "") -> str:
    """Return a number as tables show it, "-" for None; `format_spec` is that of its column."""
    return "-" if value is None else format(value, format_spec or spec(value))


def exact(value: float) -> str:
    """Return a short text that float32 reads as this number: 4, 3.7, 1234567."""
    text = f"{value:g}"
    return text if np.float32(text) == np.float32(value) else f"{value:.9g}"


def _columns(character: str) -> int:
    if unicodedata.category(character) in _NO_COLUMN:
        return 0
    return 2 if unicodedata.east_asian_width(character) in _TWO_COLUMNS else 1


def _escape(character: str) -> str:
    return json.dumps(character)[1:-1]


def _escape_unencodable(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    return "".join(map(_escape, error.object[error.start : error.end])), error.end


# What a stream does with characters that its encoding lacks: `errors=ESCAPE`.
ESCAPE = "mfrec.escape"
codecs.register_error(ESCAPE, _escape_unencodable)

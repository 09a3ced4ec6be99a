"""Lines of the files that mfrec writes: a field never ends its line or shifts a column."""

import csv
from typing import Any, TextIO

# Spreadsheets run a cell that begins so; they skip blanks before it.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


class CsvWriter:
    """Writes rows of comma-separated values, quoted where it is needed.

    Args:
        file: opened with newline="".
    """

    def __init__(self, file: TextIO) -> None:
        self._minimal = csv.writer(file, lineterminator="\n")
        self._quoted = csv.writer(file, lineterminator="\n", quoting=csv.QUOTE_ALL)

    def row(self, *fields: Any) -> None:
        """Write one row."""
        # Python before 3.13 leaves a lone carriage return bare, which readers take for a line end
        has_return = any("\r" in field for field in fields if isinstance(field, str))
        (self._quoted if has_return else self._minimal).writerow(fields)


def as_no_formula(title: str) -> str:
    """Return a title with an apostrophe first if a spreadsheet would take it for a formula."""
    return f"'{title}" if title.startswith(_FORMULA) else title

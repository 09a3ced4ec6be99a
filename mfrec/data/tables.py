"""Files of rows and fields, in every format that holds them.

A file becomes one array of bytes. The positions of its delimiters and line ends give the start
and end of every field; the fields of a column are then numbered by comparing them as machine
words. Only distinct values become Python objects, so that ten million rows load in seconds, and
every text is kept exactly as it was written ("007" is not "7").

    opening         a path becomes bytes: plain, compressed, from a pipe
    encodings       these become UTF-8
    beginnings      comments and Excel's first line
    delimiters      what separates the fields
    fields          where the fields are; quotes
    json_lines      one object a line
    listings        Netflix's and MatrixMarket's files
    columnar        Parquet and Feather
    numbering       texts as numbers
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NoReturn

import numpy as np

from mfrec.data import (
    beginnings,
    columnar,
    delimiters,
    encodings,
    fields,
    json_lines,
    listings,
    numbering,
    opening,
)
from mfrec.data.fields import Fields
from mfrec.data.named_columns import NamedColumns, Typed
from mfrec.errors import InputError, short

__all__ = ["Lines", "Table", "read", "read_lines", "short"]


@dataclass(frozen=True, eq=False)
class Lines:
    """The fields of a file, as positions in its bytes; lines may differ in length.

    Attributes:
        path: of the file, for messages.
        data: UTF-8 bytes, and then one machine word of padding.
        starts: integers [fields], where each field begins in `data`.
        ends: integers [fields], where each field ends.
        counts: integers [rows], how many fields each row has.
        numbers: integers [rows], line numbers from 1.
        delimiter: between fields; empty in formats without one.
        encoding: how the file was read, such as "utf-8".
        names: of the columns, in formats that name every column; None if a header may do so.
        notes: what was assumed about the file, one line each, for people.
        unusable: what is wrong with the columns that are no text or numbers, and in which line.
        typed: columns of booleans, times and fractions, in formats that tell them from text.
    """

    path: str
    data: bytes
    starts: np.ndarray
    ends: np.ndarray
    counts: np.ndarray
    numbers: np.ndarray
    delimiter: str
    encoding: str = "utf-8"
    names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    unusable: Mapping[int, tuple[int, str]] = field(default_factory=dict)
    typed: Mapping[int, Typed] = field(default_factory=dict)

    def table(self) -> "Table":
        """Return the fields as a table; raises InputError if lines differ in length."""
        counts, numbers = self.counts, self.numbers
        wrong = np.flatnonzero(counts != counts[0])
        if len(wrong):
            row = wrong[0]
            raise InputError(
                f"{self.path}:{numbers[row]}: {counts[row]} fields, {counts[0]} expected as in "
                f"line {numbers[0]} (delimiter {self.delimiter!r}); correct or drop the line"
            )
        return self._table(self.starts, self.ends, numbers, int(counts[0]))

    def without_empty_end(self) -> "Lines":
        """Return the same lines without the delimiter that every one of them ends with.

        A header may lack it: `user,item,rating` above `1,2,3,`.
        """
        # most files are done here
        if self.names is not None or self.starts[-1] != self.ends[-1]:
            return self
        stops = np.cumsum(self.counts)
        lasts = stops - 1
        is_empty = self.starts[lasts] == self.ends[lasts]
        width = int(self.counts[-1])
        header_lacks_it = len(stops) > 1 and self.counts[0] == width - 1 and not is_empty[0]
        rows = slice(1, None) if header_lacks_it else slice(None)
        if width < 3 or not is_empty[rows].all() or (self.counts[rows] != width).any():
            return self
        is_kept = np.ones(len(self.starts), bool)
        is_kept[lasts[rows]] = False
        counts = self.counts.copy()
        counts[rows] -= 1
        note = f"the {self.delimiter!r} at the end of every line left out"
        fewer = replace(
            self,
            starts=self.starts[is_kept],
            ends=self.ends[is_kept],
            counts=counts,
            notes=(*self.notes, *({note} - set(self.notes))),
        )
        # there may be several
        return fewer.without_empty_end()

    def heads_and_others(self) -> tuple["Table", "Table"]:
        """Return the first field of every line, and all other fields: two tables of one column."""
        is_head = np.zeros(len(self.starts), bool)
        is_head[np.cumsum(self.counts) - self.counts] = True
        others = np.repeat(self.numbers, self.counts - 1)
        return (
            self._table(self.starts[is_head], self.ends[is_head], self.numbers, 1),
            self._table(self.starts[~is_head], self.ends[~is_head], others, 1),
        )

    def are_ragged(self) -> bool:
        """Return whether some lines have more fields than others."""
        return bool((self.counts != self.counts[0]).any())

    def hold_only(self, characters: bytes) -> bool:
        """Return whether all fields consist of these ASCII characters."""
        text = self.data[: -numbering.WORD]
        return not text.translate(None, characters + self.delimiter.encode() + b"\n")

    def _table(
        self, starts: np.ndarray, ends: np.ndarray, lines: np.ndarray, num_fields: int
    ) -> "Table":
        return Table(
            self.path,
            self.data,
            starts.reshape(-1, num_fields),
            ends.reshape(-1, num_fields),
            lines,
            self.encoding,
            self.names,
            self.notes,
            self.unusable,
            self.typed,
        )


@dataclass(frozen=True, eq=False)
class Table:
    """Fields of a file in rows of one length.

    Attributes:
        path: of the file, for messages.
        data: UTF-8 bytes, and then one machine word of padding.
        starts: integers [rows, fields], where each field begins in `data`.
        ends: integers [rows, fields], where each field ends.
        lines: integers [rows], line numbers from 1.
        encoding: how the file was read, such as "utf-8".
        names: of the columns, in formats that name every column; None if a header may do so.
        notes: what was assumed about the file, one line each, for people.
        unusable: what is wrong with the columns that are no text or numbers, and in which line.
        typed: columns of booleans, times and fractions, in formats that tell them from text.
        decimal_commas: the columns of numbers with a comma where others have a point.
    """

    path: str
    data: bytes
    starts: np.ndarray
    ends: np.ndarray
    lines: np.ndarray
    encoding: str = "utf-8"
    names: tuple[str, ...] | None = None
    notes: tuple[str, ...] = ()
    unusable: Mapping[int, tuple[int, str]] = field(default_factory=dict)
    typed: Mapping[int, Typed] = field(default_factory=dict)
    decimal_commas: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return len(self.lines)

    @property
    def num_fields(self) -> int:
        """The number of fields in every row."""
        return self.starts.shape[1]

    def row(self, row: int) -> list[str]:
        """Return the fields of a row."""
        return [self.text(row, column) for column in range(self.num_fields)]

    def text(self, row: int, column: int) -> str:
        """Return one field."""
        return self.data[self.starts[row, column] : self.ends[row, column]].decode()

    def lengths(self, column: int) -> np.ndarray:
        """Return the length of a column's fields in bytes: integers [rows]."""
        return self.ends[:, column] - self.starts[:, column]

    def take(self, rows: slice, columns: slice = slice(None)) -> "Table":
        """Return these rows and columns as a table."""
        starts, ends = self.starts[rows, columns], self.ends[rows, columns]
        return replace(self, starts=starts, ends=ends, lines=self.lines[rows])

    def as_one_column(self) -> "Table":
        """Return every field as a row of its own, row after row."""
        lines = np.repeat(self.lines, self.num_fields)
        starts, ends = self.starts.reshape(-1, 1), self.ends.reshape(-1, 1)
        return replace(self, starts=starts, ends=ends, lines=lines)

    def refuse(self, row: int, what: str) -> NoReturn:
        """Raise InputError for a row, naming its file and line."""
        raise InputError(f"{self.path}:{self.lines[row]}: {what}")

    def texts(self, column: int) -> tuple[np.ndarray, list[str]]:
        """Number a column's distinct texts in order of first appearance.

        Returns:
            int32 [rows], the position of each row's text among the distinct texts, and these.
        """
        codes, rows = self._factorize(column)
        bounds = (positions[rows, column].tolist() for positions in (self.starts, self.ends))
        return codes, [self.data[start:end].decode() for start, end in zip(*bounds, strict=True)]

    def values(self, column: int, convert: Callable[[str], float | int]) -> np.ndarray:
        """Return a column's values: [rows]; each distinct text is converted once.

        Args:
            column: number of the column.
            convert: text to value; raises ValueError for text that is wrong.

        Raises:
            InputError: `convert` refuses a text; names the line.
        """
        codes, first_rows = self._factorize(column)
        values = []
        for row in first_rows.tolist():
            text = self.text(row, column)
            if column in self.decimal_commas:
                text = text.replace(",", ".")
            try:
                values.append(convert(text))
            except ValueError as error:
                self.refuse(row, str(error))
        return np.array(values)[codes]

    def integers(self, column: int) -> np.ndarray | None:
        """Return a column of 1 to 16 digits as int64 [rows]; None if it holds anything else."""
        self._check_usable(column)
        return numbering.parse_integers(self.data, self.starts[:, column], self.lengths(column))

    def _factorize(self, column: int) -> tuple[np.ndarray, np.ndarray]:
        """Number a column's distinct texts in order of first appearance.

        Returns:
            int32 [rows], each row's code, and int64 [distinct], where each code appears first.
        """
        self._check_usable(column)
        return numbering.number_texts(self.data, self.starts[:, column], self.lengths(column))

    def _check_usable(self, column: int) -> None:
        if column in self.unusable:
            line, what = self.unusable[column]
            raise InputError(f"{self.path}:{line}: {what}")


def read(
    path: str | Path,
    delimiter: str | None = None,
    encoding: str = encodings.AUTO,
    fallback: str | None = None,
) -> Table:
    """Read a file of rows of one length; see `read_lines`.

    Raises:
        InputError: the file is missing, empty or no table, or its rows differ in length.
    """
    return read_lines(path, delimiter, encoding, fallback).table()


def read_lines(
    path: str | Path,
    delimiter: str | None = None,
    encoding: str = encodings.AUTO,
    fallback: str | None = None,
) -> Lines:
    """Read a file of rows, which may differ in length.

    Args:
        path: delimited text, JSON lines, Netflix's or MatrixMarket's listings, Parquet or Feather,
            plain or compressed, a file or a pipe. Of text, blank lines, a byte order mark and
            comments at the top are skipped; double quotes mean what `fields.split` says.
        delimiter: between fields, or a name such as "tab"; guessed from the first lines by
            default. Several spaces in a row count as one.
        encoding: of text; "auto" is UTF-8, or what the byte order mark says.
        fallback: the encoding of a file that is not UTF-8; such a file is refused by default.

    Raises:
        InputError: the file is missing, empty or no table.
    """
    data, opened = opening.read_bytes(path)
    if columnar.is_columnar(data):
        return from_columns(path, columnar.read(path, data), "utf-8", opened)
    data, encoding, decoded = encodings.as_utf8(path, data, encoding, fallback)
    return parse(path, data, delimiter, encoding, (*opened, *decoded))


def parse(
    path: str | Path, data: bytes, delimiter: str | None, encoding: str, notes: tuple[str, ...] = ()
) -> Lines:
    """Find the rows of a text from its beginning; see `read_lines`.

    Args:
        path: of the file, for messages.
        data: its text in UTF-8.
        delimiter: between fields; guessed by default.
        encoding: the text was in.
        notes: what was assumed about it so far.
    """
    if not data or data.isspace():
        raise InputError(f"{path}: is empty; give a file with one row per line")
    if json_lines.is_json(data):
        return from_columns(path, json_lines.read(path, data), encoding, notes)
    if listings.is_matrix_market(data):
        return from_columns(path, listings.read_matrix_market(path, data), encoding, notes)
    if delimiter is not None:
        delimiter = delimiters.named(path, delimiter)
    beginning = beginnings.cut(path, data, delimiter)
    data, notes = beginning.data, (*notes, *beginning.notes)
    delimiter = beginning.delimiter or delimiters.guess(path, data)
    if listings.is_by_item(data):
        return from_columns(path, listings.read_by_item(path, data, delimiter), encoding, notes)
    found = fields.split(path, data, delimiter)
    notes += (found.note,) if found.note else ()
    return from_fields(path, found, delimiter, encoding, notes)


def from_fields(
    path: str | Path, found: Fields, delimiter: str, encoding: str, notes: tuple[str, ...] = ()
) -> Lines:
    """Return the rows whose fields were found."""
    data = found.data + bytes(numbering.WORD)
    positions = (found.starts, found.ends, found.counts, found.numbers)
    return Lines(str(path), data, *positions, delimiter, encoding, notes=notes)


def from_columns(
    path: str | Path, columns: NamedColumns, encoding: str, notes: tuple[str, ...] = ()
) -> Lines:
    """Return the rows of a format that names every column."""
    lines = from_fields(path, columns.fields, "", encoding, notes)
    return replace(lines, names=columns.names, unusable=columns.unusable, typed=columns.typed)

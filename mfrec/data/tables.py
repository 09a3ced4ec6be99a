"""Delimited text, read at once and split by numpy.

A file becomes one array of bytes. The positions of its delimiters and line ends give the start
and end of every field; the fields of a column are then numbered by comparing them as machine
words. Only distinct values become Python objects, so that ten million rows load in seconds, and
every text is kept exactly as it was written ("007" is not "7").
"""

import csv
import io
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import numpy as np

from mfrec.errors import InputError

_DELIMITERS = ("::", "\t", ",", ";", "|", " ")
# With these delimiters quotes always mean what they mean in CSV.
_CSV_DELIMITERS = (",", ";")
# Names for delimiters that are hard to type in a shell.
_DELIMITER_NAMES = {
    "tab": "\t",
    r"\t": "\t",
    "space": " ",
    "comma": ",",
    "semicolon": ";",
    "pipe": "|",
    "colons": "::",
}

# The first bytes of files that are not text, what these are, and what to do about it.
_UNPACK = "unpack it and give the file inside"
_EXPORT = "export the ratings as CSV or npz"
_FOREIGN = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook", f"{_UNPACK}, or save the sheet as CSV"),
    (b"\x1f\x8b", "a gzip file", f"gunzip it or otherwise {_UNPACK}"),
    (b"BZh", "a bzip2 file", _UNPACK),
    (b"\xfd7zXZ\0", "an xz file", _UNPACK),
    (b"\x28\xb5\x2f\xfd", "a zstd file", _UNPACK),
    (b"7z\xbc\xaf", "a 7z archive", _UNPACK),
    (b"Rar!", "a rar archive", _UNPACK),
    (b"PAR1", "a Parquet file", "export it as CSV, such as by pandas: read_parquet, to_csv"),
    (b"\x93NUMPY", "a numpy array", "give the file an .npy ending"),
    (b"\x89HDF", "an HDF5 file", _EXPORT),
    (b"SQLite format 3", "an SQLite database", _EXPORT),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook", "save the sheet as CSV"),
    *(
        (bytes([0x80, protocol]), "a pickle", f"pickles can run code and are not read; {_EXPORT}")
        for protocol in range(2, 6)
    ),
    (b"\xff\xfe", "UTF-16 text", "save it as UTF-8"),
    (b"\xfe\xff", "UTF-16 text", "save it as UTF-8"),
    (b"%PDF", "a PDF", _EXPORT),
    (b"<", "HTML or XML", f"perhaps a page saved instead of a file; {_EXPORT}"),
    (b"{", "JSON", _EXPORT),
    (b"[", "JSON", _EXPORT),
)

_NEWLINE = ord("\n")
_WORD = 8
_ALL_BYTES = 0x0101010101010101
_SAMPLE_BYTES = 1 << 16
_SAMPLE_LINES = 100
_CHUNK_BYTES = 1 << 20
# Slots of the hash table for texts, as powers of two: what fits into the processor's cache, and
# what is enough for any file.
_FEWEST_BITS = 20
_MOST_BITS = 24


# Starts and ends of all fields, number of fields and line number of each row, and bytes.
_Fields = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, bytes]


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
        delimiter: between fields.
        encoding: how the file was read, "utf-8" or "latin-1".
    """

    path: str
    data: bytes
    starts: np.ndarray
    ends: np.ndarray
    counts: np.ndarray
    numbers: np.ndarray
    delimiter: str
    encoding: str = "utf-8"

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
        return not self.data[:-_WORD].translate(None, characters + self.delimiter.encode() + b"\n")

    def _table(
        self, starts: np.ndarray, ends: np.ndarray, lines: np.ndarray, num_fields: int
    ) -> "Table":
        starts, ends = starts.reshape(-1, num_fields), ends.reshape(-1, num_fields)
        return Table(self.path, self.data, starts, ends, lines, self.encoding)


@dataclass(frozen=True, eq=False)
class Table:
    """Fields of a file in rows of one length.

    Attributes:
        path: of the file, for messages.
        data: UTF-8 bytes, and then one machine word of padding.
        starts: integers [rows, fields], where each field begins in `data`.
        ends: integers [rows, fields], where each field ends.
        lines: integers [rows], line numbers from 1.
        encoding: how the file was read, "utf-8" or "latin-1".
    """

    path: str
    data: bytes
    starts: np.ndarray
    ends: np.ndarray
    lines: np.ndarray
    encoding: str = "utf-8"

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
        codes, first_rows = self._factorize(column)
        return codes, [self.text(row, column) for row in first_rows.tolist()]

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
            try:
                values.append(convert(self.text(row, column)))
            except ValueError as error:
                self.refuse(row, str(error))
        return np.array(values)[codes]

    def integers(self, column: int) -> np.ndarray | None:
        """Return a column of 1 to 16 digits as int64 [rows]; None if it holds anything else."""
        starts, lengths = self.starts[:, column], self.lengths(column)
        if lengths.min() < 1 or lengths.max() > 2 * _WORD:
            return None
        high = np.maximum(lengths - _WORD, 0)
        low = _parse_digits(self._words(starts + high, lengths - high), lengths - high)
        if low is None or not high.any():
            return low
        rows = np.flatnonzero(high)
        upper = _parse_digits(self._words(starts[rows], high[rows]), high[rows])
        if upper is not None:
            low[rows] += 10**_WORD * upper
            return low
        return None

    def _words(self, starts: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """Return `sizes` bytes from each start, filled up with zeros: uint64."""
        words = np.ndarray(len(self.data) - _WORD + 1, "<u8", self.data, strides=(1,))[starts]
        masks = np.array([256**size - 1 for size in range(_WORD + 1)], np.uint64)
        words &= masks[np.minimum(sizes, _WORD)]
        return words

    def _factorize(self, column: int) -> tuple[np.ndarray, np.ndarray]:
        """Number a column's distinct texts in order of first appearance.

        Eight bytes at a time are read as one number; rows that agree so far and are longer are
        compared by their next eight. Text contains no NUL, so padding with zeros is unambiguous.

        Returns:
            int32 [rows], each row's code, and int64 [distinct], where each code appears first.
        """
        starts, lengths = self.starts[:, column], self.lengths(column)
        keys = [self._words(starts, lengths)]
        longest = int(lengths.max(initial=0))
        if longest > _WORD:
            # Rows that agree in this as well have the same length, and end together.
            keys.append(lengths.astype(np.uint64))
        first = _first_equal_row(keys)
        rows = np.arange(len(starts))
        for offset in range(_WORD, longest, _WORD):
            rows = rows[lengths[rows] > offset]
            words = self._words(starts[rows] + offset, lengths[rows] - offset)
            first[rows] = rows[_first_equal_row([words, first[rows].astype(np.uint64)])]
        is_first = first == np.arange(len(first))
        ranks = np.cumsum(is_first, dtype=np.int32) - np.int32(1)
        return ranks[first], np.flatnonzero(is_first)


def read(path: str | Path, delimiter: str | None = None, latin1: bool = False) -> Table:
    """Read a delimited text file.

    Args:
        path: a UTF-8 file. Blank lines and a byte order mark are skipped, and so is a "#" or
            "//" before the first line if the delimiter is a space; double quotes mean what they
            mean in CSV, except with "::", and with a tab or bar in files that would not be valid
            CSV.
        delimiter: between fields, or a name such as "tab"; guessed from the first lines by
            default. Several spaces in a row count as one.
        latin1: whether a file that is not UTF-8 is read as Latin-1.

    Raises:
        InputError: the file is missing, empty or not text, or its rows differ in length.
    """
    return read_lines(path, delimiter, latin1).table()


def read_lines(path: str | Path, delimiter: str | None = None, latin1: bool = False) -> Lines:
    """Read a delimited text file whose lines may differ in length; otherwise like `read`."""
    data, encoding = _read(path), "utf-8"
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError as error:
            if not latin1:
                line = data.count(b"\n", 0, error.start) + 1
                raise InputError(
                    f"{path}:{line}: not UTF-8 text; convert the file, such as by iconv"
                ) from None
            encoding = "latin-1"
            data = data.decode(encoding).encode()
    if delimiter is None:
        delimiter = _guess_delimiter(path, data)
    delimiter = _DELIMITER_NAMES.get(delimiter.lower(), delimiter)
    if not delimiter or re.search(r'[\r\n"]', delimiter):
        raise InputError(f"{path}: {delimiter!r} cannot separate fields; give another --delimiter")
    return replace(_split(path, data, delimiter), encoding=encoding)


def _read(path: str | Path) -> bytes:
    """Return a file's bytes, with "\\n" for every kind of line end and no byte order mark."""
    try:
        with open(path, "rb") as file:
            head = file.read(32).removeprefix(b"\xef\xbb\xbf").lstrip(b" \t\r\n")
            for magic, what, remedy in _FOREIGN:
                if head.startswith(magic):
                    raise InputError(f"{path}: looks like {what}; {remedy}")
            file.seek(0)
            data = file.read()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; check the path") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; name a file inside it") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); check it") from None
    data = data.removeprefix(b"\xef\xbb\xbf")
    if b"\r" in data:
        data = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    if not data or data.isspace():
        raise InputError(f"{path}: is empty; give a file with one row per line")
    if b"\0" in data:
        line = data.count(b"\n", 0, data.index(b"\0")) + 1
        raise InputError(f"{path}:{line}: not text (NUL bytes); unpack or convert the file")
    return data


def _guess_delimiter(path: str | Path, data: bytes) -> str:
    """The first delimiter that splits the first lines evenly, else the first that occurs."""
    sample, _, cut_off = data[:_SAMPLE_BYTES].rpartition(b"\n")
    lines = [
        line for line in (sample or cut_off).decode(errors="replace").split("\n") if line.strip()
    ]
    lines = lines or [data.lstrip(b"\n").split(b"\n", 1)[0].decode()]
    candidates = [delimiter for delimiter in _DELIMITERS if delimiter in lines[0]]
    # The first line of an adjacency file may be a user without items.
    candidates = candidates or [
        delimiter for delimiter in _DELIMITERS if any(delimiter in line for line in lines)
    ]
    if not candidates:
        raise InputError(
            f"{path}: cannot guess the delimiter of {short(lines[0])}; give it by --delimiter"
        )
    for delimiter in candidates:
        if len(set(_count_fields(lines[:_SAMPLE_LINES], delimiter))) == 1:
            return delimiter
    return candidates[0]


def _count_fields(lines: list[str], delimiter: str) -> list[int]:
    if delimiter == " ":
        return [len(line.split()) for line in lines]
    if len(delimiter) == 1 and any('"' in line for line in lines):
        return [len(row) for row in csv.reader(lines, delimiter=delimiter)]
    return [line.count(delimiter) for line in lines]


def _split(path: str | Path, data: bytes, delimiter: str) -> Lines:
    """Find every field."""
    # Files with "::" or other long delimiters have no quoting: a quote in a title is just that.
    quoted = b'"' in data and len(delimiter) == 1
    if quoted and delimiter not in _CSV_DELIMITERS:
        # Nor have most with tabs or bars, but some are CSV nevertheless.
        try:
            _, _, counts, _, _ = _split_quoted(path, data, delimiter)
            num_lines = sum(map(bool, data.split(b"\n")))
            quoted = len(set(counts.tolist())) == 1 and len(counts) == num_lines
        except InputError:
            quoted = False
    starts, ends, counts, lines, data = (
        _split_quoted(path, data, delimiter) if quoted else _split_plain(data, delimiter)
    )
    data += bytes(_WORD)
    return Lines(str(path), data, starts, ends, counts, lines, delimiter)


def _split_plain(data: bytes, delimiter: str) -> _Fields:
    """Find the fields of text without quotes."""
    mark = delimiter.encode()
    if mark == b" ":
        # numpy.savetxt writes the header as a comment.
        data = re.sub(rb"\A\s*(?:#|//) +", b"", data)
    if mark == b" " and re.search(rb"  |^ | $", data, re.MULTILINE):
        data = re.sub(rb" +", b" ", data)
        data = re.sub(rb"^ | $", b"", data, flags=re.MULTILINE)
    if len(mark) > 1:
        # One byte is faster to find than two; UTF-8 never uses this one.
        data = data.replace(mark, b"\xff")
        mark = b"\xff"
    if not data.endswith(b"\n"):
        data += b"\n"
    array = np.frombuffer(data, np.uint8)
    ends = _find(array, mark[0])
    starts = np.empty_like(ends)
    starts[0] = 0
    np.add(ends[:-1], 1, out=starts[1:])

    last_fields = np.flatnonzero(array[ends] == _NEWLINE)
    counts = np.diff(last_fields, prepend=-1)
    is_blank = (counts == 1) & (starts[last_fields] == ends[last_fields])
    lines = np.flatnonzero(~is_blank) + 1
    if is_blank.any():
        kept = np.repeat(~is_blank, counts)
        starts, ends, counts = starts[kept], ends[kept], counts[~is_blank]
    return starts, ends, counts, lines, data


def _find(array: np.ndarray, mark: int) -> np.ndarray:
    """Positions of `mark` and of line ends: int32 if large enough for the array, else int64."""
    dtype = np.int32 if len(array) < 2**31 else np.int64
    found = []
    # A piece at a time stays in the processor's cache.
    for start in range(0, len(array), _CHUNK_BYTES):
        piece = array[start : start + _CHUNK_BYTES]
        found.append((np.flatnonzero((piece == mark) | (piece == _NEWLINE)) + start).astype(dtype))
    return np.concatenate(found)


def _split_quoted(path: str | Path, data: bytes, delimiter: str) -> _Fields:
    """Like `_split_plain`, by the csv module, which is slow but interprets quotes."""
    file = io.StringIO(data.decode(), newline="")
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    fields: list[bytes] = []
    counts, lines = [], []
    line = 1
    try:
        for row in reader:
            if row:
                fields += [field.encode() for field in row]
                counts.append(len(row))
                lines.append(line)
            line = reader.line_num + 1
    except csv.Error as error:
        raise InputError(f"{path}:{line}: {error}; correct the quotes of this line") from None
    lengths = np.fromiter(map(len, fields), np.int64)
    ends = np.cumsum(lengths)
    return ends - lengths, ends, np.array(counts), np.array(lines), b"".join(fields)


def _first_equal_row(keys: list[np.ndarray]) -> np.ndarray:
    """Return for every row the first row with the same keys: int64 [rows].

    Rows are put into slots by a multiplicative hash of their keys, and the first row of a slot is
    the answer for all that equal it. The others, which only share its slot, go into another round
    with another hash and more slots; each round settles at least one key of every slot.

    Args:
        keys: uint64 arrays [rows].
    """
    first = np.empty(len(keys[0]), np.int64)
    rows = np.arange(len(first))
    bits = min(_FEWEST_BITS, len(rows).bit_length() + 1)
    multiplier = 0x9E3779B97F4A7C15
    while len(rows):
        open_keys = [key[rows] for key in keys]
        mixed = open_keys[0] * np.uint64(multiplier)
        for key in open_keys[1:]:
            mixed = (mixed ^ (mixed >> np.uint64(32)) ^ key) * np.uint64(multiplier)
        slots = (mixed >> np.uint64(64 - bits)).astype(np.int64)
        owners = np.empty(1 << bits, np.int64)
        # Of repeated indices numpy keeps the last write: written backwards, the first row.
        owners[slots[::-1]] = rows[::-1]
        candidates = owners[slots]
        same = np.ones(len(rows), bool)
        for key, open_key in zip(keys, open_keys, strict=True):
            same &= key[candidates] == open_key
        first[rows[same]] = candidates[same]
        rows = rows[~same]
        bits = min(bits + 2, _MOST_BITS)
        multiplier = multiplier * 0xBF58476D1CE4E5B9 % 2**64
    return first


def _parse_digits(words: np.ndarray, sizes: np.ndarray) -> np.ndarray | None:
    """Return numbers of up to eight ASCII digits per word, the first digit in its lowest byte.

    Shifted to the top of its word, with zeros below, a text is a number of eight digits; pairs of
    digits, then of pairs, then of fours are added up in parallel within the word.

    Returns:
        int64 [rows]; None if a byte is not a digit.
    """
    missing = (8 * (_WORD - sizes)).astype(np.uint64)
    zeros = np.uint64(ord("0") * _ALL_BYTES)
    # A shift by a whole word is undefined: there is always at least one digit.
    words = (words << missing) | (zeros & ~(np.uint64(2**64 - 1) << missing))
    digits = words ^ zeros
    if ((digits | (digits + np.uint64(6 * _ALL_BYTES))) & np.uint64(0xF0 * _ALL_BYTES)).any():
        return None
    digits = (digits * np.uint64(10 * 2**8 + 1) >> np.uint64(8)) & np.uint64(0x00FF00FF00FF00FF)
    digits = (digits * np.uint64(100 * 2**16 + 1) >> np.uint64(16)) & np.uint64(0x0000FFFF0000FFFF)
    digits = (digits * np.uint64(10_000 * 2**32 + 1)) >> np.uint64(32)
    return digits.astype(np.int64)


def short(text: str) -> str:
    """Return a text as messages quote it."""
    return repr(text if len(text) <= 40 else text[:37] + "...")

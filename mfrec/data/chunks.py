"""Files of ratings read chunk by chunk, in memory that does not grow with the file.

    text               whole lines, about 16 MB at a time, by the steps of files that are read whole
    Parquet, Feather   a million rows at a time
    npz                the arrays user_ids, item_ids, ratings … side by side, a million rows each

Every chunk has vocabularies of its own. What a file is (its delimiter, encoding, columns, order of
dates) is found out from its first chunk; a later one that contradicts it is refused with its line.
"""

import codecs
import contextlib
import re
import zipfile
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mfrec.data import (
    arrays,
    columnar,
    columns,
    encodings,
    fields,
    json_lines,
    kinds_of_time,
    listings,
    opening,
    readers,
    tables,
    text_matrices,
)
from mfrec.data.columns import Columns
from mfrec.data.interactions import Interactions
from mfrec.data.tables import Lines, Table
from mfrec.data.times import DayOrder, has_small_numbers_first
from mfrec.errors import InputError, first_line

TEXT_BYTES = 1 << 24
ROWS = 1 << 20

# Text without a line end for longer than this is no table.
_LONGEST_LINE = 1 << 26
# Line ends that are tried for one outside of quotes, from the end of a chunk.
_LINE_ENDS_TRIED = 10_000
_DECIMAL_COMMA = "with a decimal comma"
_PADDING = "the spaces beside delimiters left out"

Chunk = tuple[Interactions, tuple[str, ...]]


def read(path: str | Path, **options: Any) -> Iterator[Chunk]:
    """Yield the rows of a file in order, each chunk with notes on what was assumed.

    Args:
        path: as for `readers.read_ratings`: a table of text, plain, packed or from a pipe, JSON
            lines, Parquet, Feather, or an .npz file of columns.
        options: how text is to be read, as for `readers.read`.

    Raises:
        InputError: as `readers.read`; or a matrix or lists of items, which are read whole only.
    """
    layout = options.pop("ratings_format", "auto")
    if layout in ("matrix", "adjacency"):
        raise _read_whole(path, f"--ratings_format={layout}")
    if layout == "auto" and arrays.known_by_ending(path):
        return _of_arrays(path)
    return _of_tables(path, **options)


def _read_whole(path: str | Path, what: str) -> InputError:
    return InputError(
        f"{path}: {what}: only tables of one rating a line are converted; train on the file "
        "itself, or write it as one"
    )


def _of_tables(
    path: str | Path,
    *,
    delimiter: str | None = None,
    encoding: str = encodings.AUTO,
    user_column: str | int | None = None,
    item_column: str | int | None = None,
    rating_column: str | int | None = None,
    timestamp_column: str | int | None = None,
    weight_column: str | int | None = None,
) -> Iterator[Chunk]:
    wanted = {
        "user": user_column,
        "item": item_column,
        "rating": rating_column,
        "timestamp": timestamp_column,
        "weight": weight_column,
    }
    pieces = iter(_pieces_of_lines(path, delimiter, encoding))
    lines = next(pieces, None)
    if lines is None:
        raise InputError(f"{path}: is empty; give a file with one row per line")
    is_text = lines.names is None and bool(lines.delimiter)
    none_wanted = all(column is None for column in wanted.values())
    if is_text and none_wanted and text_matrices.looks_like_adjacency(lines):
        raise _read_whole(path, "holds one user a line, then that user's items")
    table, chosen = readers.choose_columns(lines, None, wanted)
    first_notes = (*table.notes, chosen.describe(table.row(0)), *chosen.notes)
    reader = _TableReader(chosen, table)
    # one chunk ahead: the last line of a table may be a sum
    for following in pieces:
        yield reader.read(table, is_end=False, notes=first_notes)
        table, first_notes = reader.table_of(following), ()
    yield reader.read(table, is_end=True, notes=first_notes)


class _TableReader:
    """Reads the chunks of a table as its first one is read.

    Args:
        chosen: the columns of the first chunk.
        table: the first chunk.
    """

    def __init__(self, chosen: Columns, table: Table) -> None:
        self._chosen = chosen
        self._names = table.names
        self._num_fields = table.num_fields
        self._is_padded = _PADDING in table.notes
        self._order: DayOrder | None = None
        self._times: list[float] = []
        self._commas: set[bool] = set()

    def table_of(self, lines: Lines) -> Table:
        """Return the rows of a later chunk.

        Raises:
            InputError: they are written otherwise than those of the first.
        """
        table = lines.without_empty_end().table()
        if self._names is None and table.num_fields != self._num_fields:
            table.refuse(
                0, f"{table.num_fields} fields, {self._num_fields} in the lines above; correct it"
            )
        if self._names is None and (_PADDING in table.notes) != self._is_padded:
            table.refuse(
                0,
                "spaces stand beside the delimiters of some lines only; write all of them alike",
            )
        return table

    def read(self, table: Table, is_end: bool, notes: tuple[str, ...]) -> Chunk:
        """Return the rows of a chunk, and notes.

        Raises:
            InputError: a line cannot be read, or not beside those before it.
        """
        chosen = self._columns_of(table)
        if "timestamp" in chosen.numbers and self._order is None:
            self._order = _day_order(table, chosen.numbers["timestamp"])
        rows, found = readers.read_rows(table, chosen, self._order, is_end)
        self._check_commas(table, chosen, found)
        if rows.timestamps is not None:
            self._check_times(table, rows.timestamps)
        return rows, (*notes, *found)

    def _columns_of(self, table: Table) -> Columns:
        """The chosen columns, which objects of JSON may have in another order."""
        if table.names == self._names or table.names is None:
            return self._chosen
        known = self._names or ()
        numbers = {}
        for role, number in self._chosen.numbers.items():
            if known[number] not in table.names:
                table.refuse(0, f"nobody has a {known[number]!r} from here on; it is the {role}")
            numbers[role] = table.names.index(known[number])
        return replace(self._chosen, numbers=numbers, names=table.names)

    def _check_commas(self, table: Table, chosen: Columns, notes: Iterable[str]) -> None:
        """Refuse numbers with decimal commas beside numbers with points in other chunks."""
        has_commas = any(_DECIMAL_COMMA in note for note in notes)
        numbers = [chosen.numbers[role] for role in ("rating", "weight") if role in chosen.numbers]
        has_points = not has_commas and any(
            "." in text for number in numbers for text in columns.sample(table, number)
        )
        self._commas |= {True} if has_commas else {False} if has_points else set()
        if len(self._commas) > 1:
            table.refuse(
                0, "numbers have a decimal comma in some lines and a point in others; write one"
            )

    def _check_times(self, table: Table, times: np.ndarray) -> None:
        """Refuse times of another kind than those of the chunks before."""
        ends = [float(times.min()), float(times.max())]
        pair = kinds_of_time.two_kinds(np.array([*self._times, *ends]))
        if pair:
            first, other = (kinds_of_time.describe([*self._times, *ends][n]) for n in pair)
            table.refuse(
                0,
                f"the times of some lines are {first}, of others {other}; write all of them alike",
            )
        self._times = [*self._times[:1], *ends]


def _day_order(table: Table, column: int) -> DayOrder | None:
    """The order of a chunk's dates, if they tell it."""
    if not any(map(has_small_numbers_first, columns.sample(table, column))):
        return None
    order = DayOrder.of(table.texts(column)[1])
    return order if order.day_first is not None else None


def _pieces_of_lines(path: str | Path, delimiter: str | None, encoding: str) -> Iterator[Lines]:
    """Yield the lines of a file, numbered through, about as many as `TEXT_BYTES` hold."""
    blocks = opening.blocks(path, TEXT_BYTES)
    first = next(blocks, b"")
    if columnar.is_columnar(first):
        blocks.close()  # type: ignore[attr-defined]
        if not opening.is_regular(path):
            raise InputError(f"{path}: Parquet and Feather are read from files, not from a pipe")
        for found in columnar.read_batches(path, ROWS):
            yield tables.from_columns(path, found, "utf-8")
        return
    text = _as_utf8(path, _chained(first, blocks), encoding)
    number = 0
    head = kind = None
    for piece in _whole_lines(path, text):
        # the line of the item, if it is repeated above
        offset = number - (head is not None)
        with _renumbered(path, offset):
            if kind is None:
                data, used, notes = encodings.as_utf8(path, piece, "utf-8")
                lines = tables.parse(path, data, delimiter, used, notes)
                kind = _kind(path, data)
                delimiter = lines.delimiter or delimiter
            else:
                data, _, notes = encodings.as_utf8(path, piece, "utf-8")
                if not data or data.isspace():
                    number += _count_lines(piece)
                    continue
                lines = _following(path, data, kind, delimiter, head)
        yield replace(lines, numbers=lines.numbers + offset)
        number += _count_lines(piece)
        head = _last_item(data, head) if kind == "by item" else None


def _kind(path: str | Path, data: bytes) -> str:
    """What following pieces of a text are read as."""
    if listings.is_matrix_market(data):
        raise _read_whole(path, "a matrix of MatrixMarket")
    if json_lines.is_json(data):
        return "json"
    return "by item" if listings.is_by_item(data) else "table"


def _following(
    path: str | Path, data: bytes, kind: str, delimiter: str | None, head: bytes | None
) -> Lines:
    """The lines of a later piece of text."""
    if kind == "json":
        return tables.from_columns(path, json_lines.read(path, data), "utf-8")
    delimiter = delimiter or ","
    if kind == "by item":
        data = (head or b"") + b"\n" + data
        return tables.from_columns(path, listings.read_by_item(path, data, delimiter), "utf-8")
    found = fields.split(path, data, delimiter)
    return tables.from_fields(path, found, delimiter, "utf-8", (found.note,) if found.note else ())


def _last_item(data: bytes, before: bytes | None) -> bytes | None:
    """The last line of a listing that names an item."""
    data = fields.with_newlines(data)
    end = data.rfind(b":\n")
    return before if end < 0 else data[data.rfind(b"\n", 0, end) + 1 : end + 1]


def _chained(first: bytes, others: Iterable[bytes]) -> Iterator[bytes]:
    yield first
    yield from others


def _as_utf8(path: str | Path, blocks: Iterator[bytes], encoding: str) -> Iterator[bytes]:
    """Decode text that is in another encoding than UTF-8, block by block."""
    encodings.check(encoding)
    first = next(blocks, b"")
    marked = next((name for mark, name in encodings.MARKS if first.startswith(mark)), None)
    used = marked or ("utf-8" if encoding == encodings.AUTO else codecs.lookup(encoding).name)
    blocks = _chained(first, blocks)
    if used.startswith("utf-8"):
        yield from blocks
        return
    decoder, lines = codecs.getincrementaldecoder(used)(), 1
    for block in blocks:
        try:
            text = decoder.decode(block)
        except UnicodeError as error:
            raise InputError(
                f"{path}: not {used} text in the lines from {lines:,} on ({first_line(error)}); "
                "name another --encoding"
            ) from None
        lines += text.count("\n")
        yield text.encode()


def _whole_lines(path: str | Path, blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Yield text cut behind line ends that stand outside of quotes."""
    rest = b""
    for block in blocks:
        text = rest + block
        end = _last_line_end(text)
        if not end and len(text) > _LONGEST_LINE:
            raise InputError(
                f"{path}: a line of over {_LONGEST_LINE >> 20} MB; is it a file with one rating a "
                "line?"
            )
        if end:
            yield text[:end]
        rest = text[end:]
    if rest:
        yield rest


def _last_line_end(text: bytes) -> int:
    r"""The position behind the last line end with an even number of quotes before it; 0 for none.

    A text in which quotes are letters like others has none, and is cut behind its last line.
    """
    mark = b"\n" if b"\n" in text else b"\r"
    last = text.rfind(mark)
    # a \r at the very end may be the first half of a line end
    if mark == b"\r" and last == len(text) - 1:
        last = text.rfind(mark, 0, last)
    if last < 0:
        return 0
    end, quotes = last, text.count(b'"', 0, last)
    for _ in range(_LINE_ENDS_TRIED):
        if quotes % 2 == 0:
            return end + 1
        before = text.rfind(mark, 0, end)
        if before < 0:
            break
        quotes -= text.count(b'"', before, end)
        end = before
    return last + 1


def _count_lines(text: bytes) -> int:
    return text.count(b"\n") + text.count(b"\r") - text.count(b"\r\n")


@contextlib.contextmanager
def _renumbered(path: str | Path, offset: int) -> Iterator[None]:
    """Let errors of a piece of text name the lines of the file."""
    try:
        yield
    except InputError as error:
        place = re.match(re.escape(f"{path}:") + r"(\d+):", str(error))
        if not place:
            raise
        line = int(place[1]) + offset
        raise InputError(f"{path}:{line}:{str(error)[place.end() :]}") from None


def _of_arrays(path: str | Path) -> Iterator[Chunk]:
    """Yield the rows of an .npz file of columns."""
    if Path(path).suffix.lower() != ".npz":
        raise _read_whole(path, "one array")
    with opening.refusing(path), contextlib.ExitStack() as stack:
        try:
            archive = stack.enter_context(zipfile.ZipFile(path))
            members = {
                name.removesuffix(".npy"): _Member(stack.enter_context(archive.open(name)), name)
                for name in archive.namelist()
            }
            missing = [name for name in arrays.REQUIRED if name not in members]
            if missing:
                raise _read_whole(path, f"holds no {missing[0]}")
            notes = arrays.unread(members, arrays.COLUMNS)
            wanted = {name: members[name] for name in arrays.COLUMNS if name in members}
            lengths = {name: member.length for name, member in wanted.items()}
            if len(set(lengths.values())) > 1:
                found = ", ".join(f"{length} {name}" for name, length in lengths.items())
                raise InputError(f"{path}: lengths differ: {found}; give one of each")
            if not lengths["user_ids"]:
                raise InputError(f"{path}: holds no ratings; give a file with ratings")
            for start in range(0, lengths["user_ids"], ROWS):
                size = min(ROWS, lengths["user_ids"] - start)
                found_columns = {name: member.read(size) for name, member in wanted.items()}
                with _in_rows(path, start):
                    yield arrays.from_columns(found_columns), notes
                notes = ()
        except (zipfile.BadZipFile, EOFError, ValueError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{path}: no readable numpy file ({first_line(error)}); save it anew"
            ) from None


class _Member:
    """One array of an archive, read from its beginning.

    Args:
        stream: the array as numpy saves it.
        name: of the array, for errors.
    """

    def __init__(self, stream: Any, name: str) -> None:
        version = np.lib.format.read_magic(stream)
        read_header = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            read_header = np.lib.format.read_array_header_2_0
        shape, _, self._dtype = read_header(stream)
        if len(shape) != 1 or self._dtype.hasobject:
            raise InputError(f"{name} is an array {self._dtype} {shape}; save plain columns")
        self.length = int(shape[0])
        self._stream = stream

    def read(self, size: int) -> np.ndarray:
        """Return the next numbers."""
        data = self._stream.read(size * self._dtype.itemsize)
        if len(data) < size * self._dtype.itemsize:
            raise EOFError("it ends early")
        return np.frombuffer(data, self._dtype)


@contextlib.contextmanager
def _in_rows(path: str | Path, start: int) -> Iterator[None]:
    try:
        yield
    except InputError as error:
        place = f"{path}: in the rows from {start:,} on: " if start else f"{path}: "
        raise InputError(f"{place}{error}") from None

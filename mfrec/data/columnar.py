"""Parquet and Feather, by pyarrow: columns become texts as a CSV file would hold them."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from mfrec import memory
from mfrec.data.fields import Fields
from mfrec.data.named_columns import NamedColumns, Typed
from mfrec.data.opening import ARROW_REMEDY
from mfrec.errors import InputError, first_line

_KINDS = ((b"PAR1", "Parquet"), (b"ARRO", "Feather"), (b"FEA1", "Feather"))
# What a value takes while it is turned into text: the value, the text and where it lies.
_BYTES_A_VALUE = 32


def is_columnar(data: bytes) -> bool:
    """Return whether bytes are a Parquet or a Feather file."""
    return _kind(data) is not None


def read(path: str | Path, data: bytes) -> NamedColumns:
    """Read a Parquet or Feather file; rows are numbered from 1.

    Missing values are empty texts, booleans are true and false. Times become seconds since 1970, as
    fractions if they have any; numbers are written as short as they can be read back: 27.0 is 27.

    Raises:
        InputError: pyarrow is not installed, or the file is damaged or too large for memory.
    """
    kind = _kind(data)
    try:
        import pyarrow
    except ImportError:
        raise InputError(
            f"{path}: is a {kind} file, which needs pyarrow: {ARROW_REMEDY}, or export it as CSV"
        ) from None
    try:
        columns = _named_columns(_table(path, data, kind == "Parquet"))
    except InputError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError, MemoryError) as error:
        raise InputError(f"{path}: no readable {kind} file ({first_line(error)})") from None
    if columns is None:
        raise InputError(f"{path}: holds no rows; give a file with ratings")
    return columns


def read_batches(path: str | Path, rows: int) -> Iterator[NamedColumns]:
    """Read a Parquet or Feather file in batches of at most this many rows; see `read`.

    Raises:
        InputError: as `read`.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise InputError(f"{path}: needs pyarrow: {ARROW_REMEDY}, or export it as CSV") from None
    offset = 0
    try:
        with pyarrow.OSFile(str(path)) as file:
            if _kind(file.read(4)) == "Parquet":
                batches = parquet.ParquetFile(path).iter_batches(rows)
            else:
                reader = pyarrow.ipc.open_file(str(path))
                batches = (
                    batch.slice(start, rows)
                    for batch in map(reader.get_batch, range(reader.num_record_batches))
                    for start in range(0, len(batch), rows)
                )
            for batch in batches:
                columns = _named_columns(pyarrow.Table.from_batches([batch]))
                if columns is not None:
                    yield _shifted(columns, offset)
                offset += len(batch)
    except (pyarrow.ArrowException, OSError, ValueError, MemoryError) as error:
        if isinstance(error, InputError):
            raise
        raise InputError(f"{path}: no readable file of columns ({first_line(error)})") from None


def _shifted(columns: NamedColumns, offset: int) -> NamedColumns:
    """The same columns, their rows numbered on from an offset."""
    unusable = {n: (line + offset, what) for n, (line, what) in columns.unusable.items()}
    typed = {n: replace(found, line=found.line + offset) for n, found in columns.typed.items()}
    fields = replace(columns.fields, numbers=columns.fields.numbers + offset)
    return NamedColumns(columns.names, fields, unusable, typed)


def _named_columns(table: Any) -> NamedColumns | None:
    """The columns of pyarrow's table as texts; None if it has no rows."""
    unusable: dict[int, tuple[int, str]] = {}
    typed: dict[int, Typed] = {}
    texts = []
    for number, name in enumerate(table.column_names):
        column = _plain(table.column(number))
        text, problem = _usable(column)
        texts.append(text)
        found = None if problem else _typed(column, text)
        if found:
            typed[number] = found
        if problem:
            line, what = problem
            unusable[number] = (line, f"{name!r} holds {what}")
    if not len(table) or not texts:
        return None
    return NamedColumns(tuple(table.column_names), _fields(texts), unusable, typed)


def _kind(data: bytes) -> str | None:
    return next((name for magic, name in _KINDS if data.startswith(magic)), None)


def _table(path: str | Path, data: bytes, is_parquet: bool) -> Any:
    import pyarrow

    if not is_parquet:
        from pyarrow import feather

        return feather.read_table(pyarrow.BufferReader(data))
    from pyarrow import parquet

    with parquet.ParquetFile(pyarrow.BufferReader(data)) as file:
        # a few bytes may stand for a billion equal values
        needed = file.metadata.num_rows * file.metadata.num_columns * _BYTES_A_VALUE
        if needed > (free := memory.free_bytes()):
            raise InputError(
                f"{path}: {file.metadata.num_rows:,} rows of {file.metadata.num_columns} columns "
                f"need {needed / 1e6:,.0f} MB, {free / 1e6:,.0f} MB are free; give a smaller file"
            )
        return file.read()


def _plain(column: Any) -> Any:
    """A column without a dictionary, half floats as floats."""
    import pyarrow
    from pyarrow import types

    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(pyarrow.float32()) if types.is_float16(column.type) else column


def _typed(column: Any, text: Any) -> Typed | None:
    """What a column holds beside text and whole numbers, its texts given; None if nothing."""
    from pyarrow import compute, types

    kind = column.type
    if types.is_floating(kind):
        largest = 2.0 ** (24 if types.is_float32(kind) else 53)
        is_other = compute.or_(
            compute.not_equal(compute.floor(column), column),
            compute.greater_equal(compute.abs(column), largest),
        )
        name = "fractions"
    elif types.is_decimal(kind):
        is_whole = compute.match_substring_regex(text, r"^(-?\d+)?$")
        is_other, name = compute.invert(is_whole), "fractions"
    elif types.is_boolean(kind):
        is_other, name = compute.is_valid(column), "booleans"
    elif types.is_date(kind) or types.is_timestamp(kind):
        is_other, name = compute.is_valid(column), "times"
    else:
        return None
    row = compute.index(is_other, True).as_py()
    return None if row < 0 else Typed(name, row + 1, str(column[row].as_py()))


def _usable(column: Any) -> tuple[Any, tuple[int, str] | None]:
    """A column as an array of texts; if it has none, empty texts, and where and why."""
    import pyarrow
    from pyarrow import compute

    empty = pyarrow.array([""] * len(column), pyarrow.large_string())
    try:
        text = _as_text(column)
    except pyarrow.ArrowInvalid:
        return empty, (1, "bytes that are not UTF-8")
    if text is None:
        return empty, (1, f"{str(column.type)[:40]}, no text or numbers")
    # what follows a NUL would be lost
    has_nul = compute.index(compute.match_substring(text, "\0"), True).as_py()
    return text, None if has_nul < 0 else (has_nul + 1, "text with NUL bytes")


def _as_text(column: Any) -> Any:
    """A column as one array of texts; None if it holds neither text nor numbers."""
    import pyarrow
    from pyarrow import compute, types

    kind = column.type
    if types.is_date(kind) or types.is_timestamp(kind):
        column = _seconds(column)
    elif types.is_binary(kind) or types.is_large_binary(kind) or types.is_fixed_size_binary(kind):
        column = column.cast(pyarrow.large_binary())
    elif not (
        types.is_integer(kind)
        or types.is_floating(kind)
        or types.is_decimal(kind)
        or types.is_boolean(kind)
        or types.is_string(kind)
        or types.is_large_string(kind)
        or str(kind) == "string_view"
        or types.is_null(kind)
    ):
        return None
    if types.is_null(kind):
        column = pyarrow.nulls(len(column), pyarrow.large_string())
    text = compute.fill_null(compute.cast(column, pyarrow.large_string()), "")
    if isinstance(text, pyarrow.ChunkedArray):
        text = pyarrow.concat_arrays(text.chunks) if text.num_chunks else text.combine_chunks()
    if types.is_floating(kind) or types.is_decimal(kind):
        # as long as it is written like that: 1e+20 and 0.5 stay
        text = compute.replace_substring_regex(text, r"^(-?\d+)\.0+$", r"\1")
    return text


def _seconds(column: Any) -> Any:
    """Times as seconds since 1970: integers if all are whole, else floats."""
    import pyarrow
    from pyarrow import compute

    per_second = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
    if pyarrow.types.is_date32(column.type):
        return compute.multiply(column.cast(pyarrow.int32()).cast(pyarrow.int64()), 86_400)
    unit = "ms" if pyarrow.types.is_date64(column.type) else column.type.unit
    whole = column.cast(pyarrow.int64())
    seconds = compute.divide(whole, per_second[unit])
    rest = compute.subtract(whole, compute.multiply(seconds, per_second[unit]))
    if not compute.any(compute.not_equal(rest, 0)).as_py():
        return seconds
    fractions = compute.divide(rest.cast(pyarrow.float64()), float(per_second[unit]))
    return compute.add(seconds.cast(pyarrow.float64(), safe=False), fractions)


def _fields(texts: list[Any]) -> Fields:
    """Texts by column as fields by row, in one array of bytes."""
    parts, starts, ends, position = [], [], [], 0
    for text in texts:
        _, offsets, content = text.buffers()
        bounds = np.frombuffer(offsets, np.int64, len(text) + 1, text.offset * 8)
        part = content.to_pybytes()[bounds[0] : bounds[-1]] if content is not None else b""
        starts.append(bounds[:-1] - bounds[0] + position)
        ends.append(bounds[1:] - bounds[0] + position)
        position += len(part)
        parts.append(part)
    num_rows, width = len(texts[0]), len(texts)
    return Fields(
        b"".join(parts),
        np.column_stack(starts).ravel(),
        np.column_stack(ends).ravel(),
        np.full(num_rows, width),
        np.arange(1, num_rows + 1),
    )

"""A path becomes bytes: plain or compressed, from a file or a pipe.

The first bytes tell what a file is, never its ending. Compressed files and zip
archives of one table are unpacked in memory; what is neither text nor a table is refused with a
word on what to do. Nothing is ever read backwards, so that pipes work:

    zcat ratings.csv.gz | train.py --ratings=/dev/stdin
    train.py --ratings=<(zcat ratings.csv.gz)
"""

import bz2
import contextlib
import gzip
import io
import lzma
import os
import stat
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

from mfrec import memory
from mfrec.errors import InputError, first_line

ARROW_REMEDY = "pip install 'mfrec[arrow]'"

_CHUNK_BYTES = 1 << 24
# Text needs several times its size while it is split: as text, as fields, as numbers.
_COPIES = 3
# How long somebody may take to write to a pipe once more.
_SECONDS_FOR_A_WRITER = 0.5
# A gzip file inside of a zip archive is plausible; more than that is not.
_MOST_LAYERS = 3

# The first bytes of files that are no table of text, what these are, and what to do about it.
_EXPORT = "export the ratings as CSV or npz"
_UNPACK = "unpack it and give the file inside"
_FOREIGN = (
    (b"7z\xbc\xaf", "a 7z archive", _UNPACK),
    (b"Rar!", "a rar archive", _UNPACK),
    (b"\x1f\x9d", "a file of compress", _UNPACK),
    (b"\x93NUMPY", "a numpy array", "give the file an .npy ending"),
    (b"\x89HDF", "an HDF5 file", _EXPORT),
    (b"ORC\n", "an ORC file", "export it as Parquet or CSV"),
    (b"Obj\x01", "an Avro file", "export it as Parquet or CSV"),
    (b"SQLite format 3", "an SQLite database", _EXPORT),
    (b"\xd0\xcf\x11\xe0", "an Excel workbook", "save the sheet as CSV"),
    *(
        (bytes([0x80, protocol]), "a pickle", f"pickles can run code and are not read; {_EXPORT}")
        for protocol in range(2, 6)
    ),
    (b"%PDF", "a PDF", _EXPORT),
)
_PAGES = (b"<!doctype", b"<html", b"<head", b"<body", b"<?xml", b"<!--", b"<script")
# tar writes this at byte 257
_TAR, _TAR_AT = b"ustar", 257
# Members of a zip archive that may be a table, if there are several.
_TABLES = (
    *(".csv", ".tsv", ".txt", ".dat", ".data", ".inter", ".rating", ".mtx"),
    *(".json", ".jsonl", ".ndjson", ".parquet", ".feather", ".gz", ".bz2", ".xz", ".zst"),
)

# Endings of packed files, and where shells put the pipes of <(…).
_PACKED = (".gz", ".bz2", ".xz", ".zst", ".lz4", ".zip")
_NUMBERED = ("/dev/fd/", "/proc/")

# What pipes have held, by device and number: they can be read only once.
_pipes: dict[tuple[int, int], bytes] = {}


def read_bytes(path: str | Path) -> tuple[bytes, tuple[str, ...]]:
    """Return what a file or a pipe holds, unpacked if it is compressed.

    gzip, bzip2, xz, zstd and lz4 are unpacked, and zip archives that hold one file, or one table
    among other files. What a pipe has held is kept, so that it may be asked for again.

    Returns:
        The bytes, and notes for people on what was chosen.

    Raises:
        InputError: there is no such file, it cannot be read or unpacked or would not fit into
            memory, or it holds something else than text or a table.
    """
    with refusing(path):
        data, remembered = _read(path)
        notes = [remembered] if remembered else []
        for _ in range(_MOST_LAYERS):
            unpack = _unpacker(data)
            if unpack is None:
                break
            data, note = unpack(path, data)
            notes += [note] if note else []
    _refuse_foreign(path, data)
    return data, tuple(notes)


def blocks(path: str | Path, size: int = _CHUNK_BYTES) -> Iterator[bytes]:
    """Yield what `read_bytes` returns block by block, in bounded memory; a pipe is read once.

    Args:
        path: of the file or pipe.
        size: of a block; the last one may be shorter.

    Raises:
        InputError: as `read_bytes`, or an archive that comes through a pipe.
    """
    with contextlib.ExitStack() as stack:
        with refusing(path):
            if os.path.isdir(path):
                raise IsADirectoryError
            file: Any = stack.enter_context(open(path, "rb"))
            if file.isatty():
                raise InputError(f"{path}: is a terminal; lead a file or a pipe into it")
        name, head = "", b""
        for _ in range(_MOST_LAYERS + 1):
            with _refusing_damage(path, name) if name else refusing(path):
                head = _read_exactly(file, max(size, _TAR_AT + len(_TAR)))
            packed = next((s for s in _STREAMS if head.startswith(s[0])), None)
            if head.startswith(_ZIPS):
                file, name = stack.enter_context(_open_zip(path, file)), "zip archive"
            elif packed:
                _, name, opener = packed
                with _refusing_damage(path, name):
                    file = stack.enter_context(opener(io.BufferedReader(_Rejoined(head, file))))
            else:
                break
        _refuse_foreign(path, head)
        while head:
            yield head
            with _refusing_damage(path, name) if name else refusing(path):
                head = _read_exactly(file, size)


def _read_exactly(file: Any, size: int) -> bytes:
    """Read this many bytes, fewer only at the end: pipes give what they have."""
    parts: list[bytes] = []
    while size and (part := file.read(size)):
        parts.append(part)
        size -= len(part)
    return b"".join(parts)


class _Rejoined(io.RawIOBase):
    """A stream whose first bytes were read already."""

    def __init__(self, head: bytes, rest: Any) -> None:
        self._head = memoryview(head)
        self._rest = rest

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        if not self._head:
            part = self._rest.read(len(buffer))
        else:
            part, self._head = self._head[: len(buffer)], self._head[len(buffer) :]
        buffer[: len(part)] = part
        return len(part)


def _open_zip(path: str | Path, file: Any) -> Any:
    """Open the one file of an archive, or its one table."""
    if not (hasattr(file, "seekable") and file.seekable()):
        raise InputError(f"{path}: is a zip archive in a pipe; {_UNPACK}")
    with _refusing_damage(path, "zip archive"):
        archive = zipfile.ZipFile(file)
        member = _choose_member(path, archive)
        if member.flag_bits & 1:
            raise InputError(f"{path}: is locked by a password; {_UNPACK}")
        return archive.open(member)


@contextlib.contextmanager
def refusing(path: str | Path) -> Iterator[None]:
    """Raise InputError instead of what Python raises for a path that cannot be read."""
    try:
        yield
    except InputError:
        raise
    except FileNotFoundError:
        is_pipe = str(path).startswith(_NUMBERED)
        reason = "the pipe is gone; save what it gave as a file" if is_pipe else "check the path"
        raise InputError(f"{path}: no such file; {reason}") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; name a file inside it") from None
    except OSError as error:
        # errors of Python's own, such as of files that cannot seek, have no strerror
        reason = error.strerror or first_line(error)
        raise InputError(f"{path}: cannot be read ({reason}); check it") from None
    except ValueError as error:
        # a NUL in the path, or a character that the file system cannot spell
        raise InputError(f"{str(path)!r}: no path ({first_line(error)}); check it") from None


def name_of(path: str | Path) -> str:
    """Return a file's name as messages show it; "pipe" for one that a shell has numbered."""
    return "pipe" if str(path).startswith(_NUMBERED) else os.path.basename(path)


def stem_of(path: str | Path) -> str:
    """Return a file's name without its endings: `ratings` of `ratings.csv.gz`."""
    stem, ending = os.path.splitext(name_of(path))
    return os.path.splitext(stem)[0] if ending.lower() in _PACKED else stem


def is_regular(path: str | Path) -> bool:
    """Return whether a path is a file that can be read again: no pipe, no device, no folder."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)
    except (OSError, ValueError):
        return False


def _read(path: str | Path) -> tuple[bytes, str]:
    """Return what a path holds, and a note if it had to be remembered."""
    status = os.stat(path)
    if stat.S_ISDIR(status.st_mode):
        raise IsADirectoryError
    if stat.S_ISFIFO(status.st_mode):
        return _read_pipe(path, (status.st_dev, status.st_ino))
    with open(path, "rb", buffering=0) as file:
        if file.isatty():
            raise InputError(f"{path}: is a terminal; lead a file or a pipe into it")
        return _read_all(path, file, status.st_size), ""


def _read_pipe(path: str | Path, key: tuple[int, int]) -> tuple[bytes, str]:
    """Read a pipe to its end; if it was read before and nobody writes to it, what it held."""
    if key not in _pipes:
        with open(path, "rb", buffering=0) as file:
            _pipes[key] = _read_all(path, file)
        return _pipes[key], ""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    with os.fdopen(descriptor, "rb", buffering=0) as file:
        deadline = time.monotonic() + _SECONDS_FOR_A_WRITER
        # b"": nobody writes; None: somebody does, but has not written yet
        while (first := file.read(1)) == b"":
            if time.monotonic() > deadline:
                return _pipes[key], "what the pipe held before, since nobody writes to it now"
            time.sleep(0.01)
        os.set_blocking(descriptor, True)
        _pipes[key] = (first or b"") + _read_all(path, file)
    return _pipes[key], ""


def _read_all(path: str | Path, file: Any, size: int = 0) -> bytes:
    """Read to the end, but no more than memory can hold.

    Args:
        path: of the file, for messages.
        file: anything that can be read.
        size: how many bytes there are, if that is known.
    """
    most = memory.free_bytes() / _COPIES
    content = io.BytesIO()
    if size <= most:
        # in one piece, if it has just that size
        content.write(file.read(size) if size else b"")
        while chunk := file.read(_CHUNK_BYTES):
            content.write(chunk)
            if content.tell() > most:
                break
        else:
            return content.getvalue()
    raise InputError(
        f"{path}: holds more than the {most / 1e6:,.0f} MB that can be split in the memory that is "
        "free; free some, or give a smaller file"
    )


# Takes the path, for messages, and packed bytes; returns unpacked bytes and a note, if any.
_Unpacker = Callable[[str | Path, bytes], tuple[bytes, str]]


def _unpacker(data: bytes) -> _Unpacker | None:
    return next((unpack for magic, unpack in _UNPACKERS if data.startswith(magic)), None)


def _stream(name: str, opener: Callable[[Any], Any]) -> _Unpacker:
    """Return what unpacks a format that can be opened as a file."""

    def unpack(path: str | Path, data: bytes) -> tuple[bytes, str]:
        with _refusing_damage(path, name), opener(io.BytesIO(data)) as file:
            return _read_all(path, file), ""

    return unpack


@contextlib.contextmanager
def _refusing_damage(path: str | Path, name: str) -> Iterator[None]:
    """Raise InputError instead of what is raised for a packed file that cannot be unpacked."""
    try:
        yield
    except InputError:
        raise
    except ImportError:
        raise InputError(f"{path}: looks like a {name}; {ARROW_REMEDY}, or {_UNPACK}") from None
    except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zipfile.BadZipFile) as error:
        _refuse_damaged(path, name, error)


def _open_zstd(file: Any) -> Any:
    try:
        from compression import zstd  # since Python 3.14
    except ImportError:
        return _open_by_arrow(file, "zstd")
    return zstd.ZstdFile(file)


def _open_by_arrow(file: Any, codec: str) -> Any:
    import pyarrow

    return pyarrow.CompressedInputStream(pyarrow.PythonFile(file, "r"), codec)


def _unzip(path: str | Path, data: bytes) -> tuple[bytes, str]:
    """Unpack the one file of an archive, or its one table."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            member = _choose_member(path, archive)
            if member.flag_bits & 1:
                raise InputError(f"{path}: is locked by a password; {_UNPACK}")
            with archive.open(member) as file:
                return _read_all(path, file), f"{member.filename!r} inside of it"
    except InputError:
        raise
    except Exception as error:  # zipfile has many errors for what is damaged
        _refuse_damaged(path, "zip archive", error)


def _choose_member(path: str | Path, archive: zipfile.ZipFile) -> zipfile.ZipInfo:
    members = [
        member
        for member in archive.infolist()
        if not member.is_dir() and not member.filename.startswith(("__MACOSX/", "."))
    ]
    names = [member.filename for member in members]
    if "[Content_Types].xml" in names or "mimetype" in names:
        raise InputError(f"{path}: looks like an Excel workbook or the like; save the sheet as CSV")
    if names and all(name.endswith(".npy") for name in names):
        raise InputError(f"{path}: looks like numpy's arrays; give the file an .npz ending")
    if len(members) > 1:
        members = [
            member
            for member in members
            if member.filename.lower().endswith(_TABLES)
            and Path(member.filename).stem.lower() not in ("readme", "license")
        ]
    if len(members) == 1:
        return members[0]
    inside = ", ".join(map(repr, names[:5])) + (" …" if len(names) > 5 else "")
    raise InputError(
        f"{path}: is a zip archive of {inside or 'nothing'}; unpack it and give one file"
    )


def _refuse_damaged(path: str | Path, name: str, error: Exception) -> NoReturn:
    raise InputError(
        f"{path}: is a damaged {name} ({first_line(error)}); download or pack it anew"
    ) from None


def _refuse_foreign(path: str | Path, data: bytes) -> None:
    for magic, what, remedy in _FOREIGN:
        if data.startswith(magic):
            raise InputError(f"{path}: looks like {what}; {remedy}")
    if data[_TAR_AT : _TAR_AT + len(_TAR)] == _TAR:
        raise InputError(f"{path}: looks like a tar archive; {_UNPACK}")
    head = data[:64].removeprefix(b"\xef\xbb\xbf").lstrip()
    if head.lower().startswith(_PAGES):
        raise InputError(
            f"{path}: looks like HTML or XML; perhaps a page saved instead of a file; {_EXPORT}"
        )
    if _unpacker(data) is not None:
        raise InputError(f"{path}: is packed more than {_MOST_LAYERS} times; {_UNPACK}")


# The first bytes of packed streams, what these are, and what opens them.
_STREAMS: tuple[tuple[bytes, str, Callable[[Any], Any]], ...] = (
    (b"\x1f\x8b", "gzip file", lambda file: gzip.GzipFile(fileobj=file)),
    (b"BZh", "bzip2 file", bz2.BZ2File),
    (b"\xfd7zXZ\0", "xz file", lzma.LZMAFile),
    (b"\x28\xb5\x2f\xfd", "zstd file", _open_zstd),
    (b"\x04\x22\x4d\x18", "lz4 file", lambda file: _open_by_arrow(file, "lz4")),
)
_ZIPS = (b"PK\x03\x04", b"PK\x05\x06")
_UNPACKERS: tuple[tuple[bytes, _Unpacker], ...] = (
    *((magic, _stream(name, opener)) for magic, name, opener in _STREAMS),
    *((magic, _unzip) for magic in _ZIPS),
)

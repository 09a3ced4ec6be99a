"""Bytes of a text file in any encoding become UTF-8, or are refused with the line that is wrong."""

import codecs
import re
from pathlib import Path

from mfrec.errors import InputError

# What --encoding says by default: UTF-8, or what a mark at the beginning of the file says.
AUTO = "auto"

# Byte order marks, the longer ones first: UTF-16's begins UTF-32's.
MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
# A file that begins with a mark was appended to another.
_MARK_OF_A_LINE = re.compile(rb"(?<![^\r\n])" + codecs.BOM_UTF8)


def check(encoding: str) -> None:
    """Refuse an encoding that Python does not know.

    Raises:
        InputError: there is no such encoding, or it is none of text.
    """
    try:
        known = encoding == AUTO or codecs.lookup(encoding)._is_text_encoding
    except (LookupError, ValueError, UnicodeError):
        known = False
    if not known:
        raise InputError(
            f"--encoding={encoding}: no such encoding; there are {AUTO}, utf-8, latin-1, cp1252, "
            "utf-16, shift_jis, gb18030 and all others that Python knows"
        )


def as_utf8(
    path: str | Path, data: bytes, encoding: str = AUTO, fallback: str | None = None
) -> tuple[bytes, str, tuple[str, ...]]:
    """Return a text in UTF-8.

    Args:
        path: of the file, for messages.
        data: its bytes. A byte order mark says how to read them whatever `encoding` is.
        encoding: "auto" is UTF-8.
        fallback: how to read a file that is not UTF-8; refused by default. With a fallback, a file
            that is UTF-8 is read as such, whatever `encoding` is.

    Returns:
        UTF-8 bytes without byte order mark and padding, the name of the encoding that the file
        was in, and notes for people.

    Raises:
        InputError: the file is not text in this encoding; names the line.
    """
    check(encoding)
    notes = []
    marked = next((name for mark, name in MARKS if data.startswith(mark)), None)
    wanted = "utf-8" if encoding == AUTO else codecs.lookup(encoding).name
    used = marked or wanted
    if marked and marked != "utf-8-sig":
        notes.append(f"as {marked.upper()}, which its byte order mark says")
    elif marked and wanted != "utf-8":
        notes.append("as UTF-8, which its byte order mark says")
    if used.startswith("utf-8"):
        data = data.removeprefix(codecs.BOM_UTF8)
        if not data.isascii() and (start := _first_error(data)) is not None:
            if fallback is None:
                raise InputError(_not_utf8(path, data, start))
            used = fallback if encoding == AUTO else wanted
            notes.append(f"as {used}, since it is not UTF-8; --encoding names another")
            data = _decode(path, data, used)
    elif not marked and not data.isascii() and _first_error(data) is None:
        if fallback is not None:
            used = "utf-8"
        else:
            notes.append(f"as {used}, which --encoding says, though it is valid UTF-8")
            data = _decode(path, data, used)
    else:
        data = _decode(path, data, used)
    return _without_padding(path, data, notes, used)


def _first_error(data: bytes) -> int | None:
    """The position of the first byte that is not UTF-8."""
    try:
        data.decode()
    except UnicodeDecodeError as error:
        return error.start
    return None


def _not_utf8(path: str | Path, data: bytes, start: int) -> str:
    line = _line(data[:start])
    if b"\0" in data[:4096]:
        return _not_text(path, data)
    return (
        f"{path}:{line}: not UTF-8 text; name its encoding, such as --encoding=latin-1, or convert "
        "the file"
    )


def _decode(path: str | Path, data: bytes, encoding: str) -> bytes:
    try:
        return data.decode(encoding).encode()
    except UnicodeDecodeError as error:
        before = data[: error.start].decode(encoding, "replace").encode("utf-8", "replace")
        raise InputError(
            f"{path}:{_line(before)}: not {encoding} text; name another --encoding"
        ) from None
    except UnicodeError as error:
        raise InputError(
            f"{path}: not {encoding} text ({error}); name another --encoding"
        ) from None


def _without_padding(
    path: str | Path, data: bytes, notes: list[str], used: str
) -> tuple[bytes, str, tuple[str, ...]]:
    """Cut what programs put around text: NUL bytes, Ctrl-Z, byte order marks of joined files."""
    if data.endswith(b"\0"):
        text = data.rstrip(b"\0")
        notes.append(f"{len(data) - len(text):,} NUL bytes at its end left out")
        data = text
    if b"\0" in data:
        raise InputError(_not_text(path, data))
    if data.endswith(b"\x1a"):
        data = data.rstrip(b"\x1a")
        notes.append("the Ctrl-Z at its end left out")
    if codecs.BOM_UTF8 in data:
        data, count = _MARK_OF_A_LINE.subn(b"", data)
        notes += [f"{count} byte order marks within the text left out"] if count else []
    return data, "utf-8" if used == "utf-8-sig" else used, tuple(notes)


def _not_text(path: str | Path, data: bytes) -> str:
    line, head = _line(data[: data.index(b"\0")]), data[:64]
    # of two bytes a letter, one is NUL in most languages of Europe
    is_wide = 4 * max(head[::2].count(b"\0"), head[1::2].count(b"\0")) > len(head)
    remedy = "name its encoding, such as --encoding=utf-16-le"
    if not is_wide:
        remedy = "unpack or convert the file"
    return f"{path}:{line}: not text (NUL bytes); {remedy}"


def _line(before: bytes) -> int:
    """The number of the line that comes after these bytes, for any kind of line end."""
    return before.count(b"\n") + before.count(b"\r") - before.count(b"\r\n") + 1

"""Digests that tell whether a file of a run folder is as its run wrote it.

Each is the SHA-256 of the run's own number, the file's name and its content. So a damaged file does
not pass, and neither does a whole one of another run or with another name. It stands in the file
itself (config.json, results.json, the arrays) or in one beside it that is written afterwards, so
that a run that is killed leaves nothing that contradicts itself.
"""

import hashlib
import json
import secrets
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mfrec.errors import InputError

DIGEST = "digest"


def new_run() -> str:
    """Return a number that no other run has, as text."""
    return secrets.token_hex(8)


def of_bytes(run: str, name: str, content: bytes) -> str:
    """Return the digest of a file.

    Args:
        run: the run's number.
        name: of the file.
        content: what it holds.
    """
    # a damaged number may hold half a character
    head = f"{run}\n{name}\n".encode("utf-8", "surrogatepass")
    return hashlib.sha256(head + content).hexdigest()


def of_json(run: str, name: str, content: Mapping[str, Any]) -> str:
    """Return the digest of a JSON object without its own; layout and order do not matter."""
    values = {key: value for key, value in content.items() if key != DIGEST}
    return of_bytes(run, name, json.dumps(values, sort_keys=True).encode())


def seal_arrays(path: Path, run: str, name: str) -> None:
    """Write the digest of an .npz file into it, as the comment of the archive.

    The archive has a checksum of each array's bytes; the digest is of these, and of the names.
    """
    with zipfile.ZipFile(path, "a") as archive:
        archive.comment = of_members(archive, run, name).encode()


def check_arrays(path: Path, run: str, name: str) -> None:
    """Refuse an .npz file that is not as `seal_arrays` left it.

    Raises:
        InputError: its digest is another, or it has none though the run has a number.
    """
    with zipfile.ZipFile(path) as archive:
        found = archive.comment.decode("ascii", "replace")
        expected = of_members(archive, run, name)
    check(found or None, expected, run, path)


def check(found: str | None, expected: str, run: str, path: Path) -> None:
    """Refuse a file whose digest is not the expected one.

    Raises:
        InputError: it is another, or there is none though the run has a number.
    """
    # runs of earlier versions have neither number nor digests
    if found != expected and (found or run):
        raise InputError(f"{path}: not as this run wrote it (another digest); restore the file")


def of_members(archive: zipfile.ZipFile, run: str, name: str) -> str:
    """Return the digest of an archive, of the checksums that it has of its members."""
    members = [(entry.filename, entry.CRC, entry.file_size) for entry in archive.infolist()]
    return of_bytes(run, name, repr(members).encode())

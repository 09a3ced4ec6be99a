"""A cache of parsed text files of ratings, in a binary form that loads at once.

`<data folder>/.mfrec-cache/` holds one .npz file for every text file and way of reading it. It is
used only while the text file has the size, time and first and last bytes that it had when it was
parsed; stale and broken files are made anew, and in a folder that cannot be written nothing is
cached. Everything in it can be deleted at any time.
"""

import contextlib
import hashlib
import json
import os
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mfrec.data import arrays, opening, readers
from mfrec.data.interactions import Interactions
from mfrec.data.vocabulary import Vocabulary

FOLDER = ".mfrec-cache"
# Smaller files are parsed as fast as they are looked up.
MIN_BYTES = 1_000_000

# Increased whenever the readers begin to read the same file differently.
_VERSION = 5
_EDGE_BYTES = 1 << 16
# No raw id contains NUL: the readers refuse text with one.
_SEPARATOR = "\0"
# The arrays of one entry a rating, and their kinds; the last two are missing in many files.
_COLUMNS = {"user_ids": "i", "item_ids": "i", "ratings": "f", "timestamps": "if", "weights": "f"}


def read(
    path: str | Path, data_dir: str | Path, **options: Any
) -> tuple[Interactions, tuple[str, ...]]:
    """Read a file of ratings, from the cache if it is there.

    Args:
        path: the file.
        data_dir: the data folder, where the cache is.
        **options: how to read it, as for `readers.read`.

    Returns:
        Exactly what `readers.read` returns.

    Raises:
        InputError: as `readers.read` does.
    """
    source = _fingerprint(path, options)
    if source is None:
        return readers.read(path, **options)
    name = hashlib.sha256(json.dumps(source["key"]).encode()).hexdigest()[:32]
    cached = Path(data_dir) / FOLDER / f"{name}.npz"
    # numpy and zipfile raise whatever a damaged file leads them to
    with contextlib.suppress(Exception):
        return _load(cached, source)
    interactions, notes = readers.read(path, **options)
    # A file that was written to meanwhile may have been read in part.
    if _fingerprint(path, options) == source:
        with contextlib.suppress(OSError):
            _save(cached, source, interactions, notes)
    return interactions, notes


def read_set_file(path: Path, **options: Any) -> Interactions:
    """Read a file in the folder of a named set; see `read`."""
    # The set's folder lies in the data folder.
    return read(path, path.parent.parent, **options)[0]


def _fingerprint(path: str | Path, options: dict[str, Any]) -> dict[str, Any] | None:
    """What has to be the same for a cached file to be used; None for files that are not cached."""
    # a pipe can be read only once
    if arrays.known_by_ending(path) or not opening.is_regular(path):
        return None
    try:
        with open(path, "rb") as file:
            status = os.stat(file.fileno())
            if status.st_size < MIN_BYTES:
                return None
            edges = hashlib.sha256(file.read(_EDGE_BYTES))
            file.seek(max(status.st_size - _EDGE_BYTES, 0))
            edges.update(file.read(_EDGE_BYTES))
    except OSError:
        return None
    return {
        "key": [os.path.abspath(path), sorted(options.items()), _VERSION],
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "edges": edges.hexdigest(),
    }


def _load(cached: Path, source: dict[str, Any]) -> tuple[Interactions, tuple[str, ...]]:
    """Load a cached file; raises any exception if it is stale, damaged or none of ours.

    The zip format has a checksum for the content of every member; a digest of their names and
    kinds stands in for the list of members.
    """
    # numpy closes only files that it can read.
    with cached.open("rb") as file, np.load(file, allow_pickle=False) as archive:
        if archive["source"].item() != json.dumps(source):
            raise ValueError("stale")
        content = {name: archive[name] for name in archive.files}
    digest = content.pop("digest").item()
    if digest != _digest(content):
        raise ValueError("damaged")
    columns = {name: content.get(name) for name in _COLUMNS}
    interactions = Interactions(
        **columns,
        users=_unpack(content["users"]),
        items=_unpack(content["items"]),
        has_ratings=bool(content["has_ratings"].item()),
    )
    _check(interactions)
    return interactions, tuple(json.loads(content["notes"].item()))


def _save(
    cached: Path, source: dict[str, Any], interactions: Interactions, notes: tuple[str, ...]
) -> None:
    """Write a cached file, completely or not at all; raises OSError if it cannot."""
    data_dir = cached.parent.parent
    if data_dir.exists() and not data_dir.stat().st_mode & 0o222:
        # Root, as in a container, could write there all the same.
        raise PermissionError(f"{data_dir} is read-only")
    columns = {name: getattr(interactions, name) for name in _COLUMNS}
    content: dict[str, Any] = {
        "source": np.array(json.dumps(source)),
        "notes": np.array(json.dumps(notes)),
        "users": _pack(interactions.users),
        "items": _pack(interactions.items),
        "has_ratings": np.array(interactions.has_ratings),
        **{name: column for name, column in columns.items() if column is not None},
    }
    content["digest"] = np.array(_digest(content))
    cached.parent.mkdir(parents=True, exist_ok=True)
    # a name of its own for every writer: another process or thread may write the same file
    temporary = cached.with_name(f".writing-{cached.name}-{uuid.uuid4().hex}")
    try:
        with temporary.open("wb") as file:
            np.savez(file, **content)
        os.replace(temporary, cached)
    finally:
        temporary.unlink(missing_ok=True)


def _digest(content: Mapping[str, np.ndarray]) -> str:
    members = sorted((name, array.dtype.str, array.shape) for name, array in content.items())
    return hashlib.sha256(json.dumps(members).encode()).hexdigest()


def _check(interactions: Interactions) -> None:
    """Refuse arrays that no reader can have returned; raises ValueError."""
    length = len(interactions.user_ids)
    for name, kinds in _COLUMNS.items():
        column = getattr(interactions, name)
        if column is not None and (column.shape != (length,) or column.dtype.kind not in kinds):
            raise ValueError(f"{name} are damaged")
    for ids, names in (
        (interactions.user_ids, interactions.users),
        (interactions.item_ids, interactions.items),
    ):
        if length and not (ids.min() >= 0 and ids.max() < len(names)):
            raise ValueError("ids without names")


def _pack(vocabulary: Vocabulary) -> np.ndarray:
    return np.frombuffer(_SEPARATOR.join(vocabulary.raw_ids).encode(), np.uint8)


def _unpack(raw_ids: np.ndarray) -> Vocabulary:
    return Vocabulary(tuple(raw_ids.tobytes().decode().split(_SEPARATOR)))

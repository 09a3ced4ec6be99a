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
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from mfrec.data import arrays, readers
from mfrec.data.interactions import Interactions
from mfrec.data.vocabulary import Vocabulary

FOLDER = ".mfrec-cache"
# Smaller files are parsed as fast as they are looked up.
MIN_BYTES = 1_000_000

# Increased whenever the readers begin to read the same file differently.
_VERSION = 3
_EDGE_BYTES = 1 << 16
# No raw id contains NUL: the readers refuse text with one.
_SEPARATOR = "\0"
# What loading raises for a file of another version, or a damaged one.
_BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


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
    with contextlib.suppress(*_BROKEN):
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
    if arrays.known_by_ending(path):
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
    """Load a cached file; raises one of _BROKEN if it is stale or damaged."""
    # numpy closes only files that it can read.
    with cached.open("rb") as file, np.load(file, allow_pickle=False) as content:
        if content["source"].item() != json.dumps(source):
            raise ValueError("stale")
        timestamps, weights = (
            content[name] if name in content else None for name in ("timestamps", "weights")
        )
        interactions = Interactions(
            content["user_ids"],
            content["item_ids"],
            content["ratings"],
            timestamps,
            _unpack(content["users"]),
            _unpack(content["items"]),
            weights=weights,
            has_ratings=content["has_ratings"].item(),
        )
        return interactions, tuple(json.loads(content["notes"].item()))


def _save(
    cached: Path, source: dict[str, Any], interactions: Interactions, notes: tuple[str, ...]
) -> None:
    """Write a cached file, completely or not at all; raises OSError if it cannot."""
    data_dir = cached.parent.parent
    if data_dir.exists() and not data_dir.stat().st_mode & 0o222:
        # Root, as in a container, could write there all the same.
        raise PermissionError(f"{data_dir} is read-only")
    content: dict[str, Any] = {
        "source": np.array(json.dumps(source)),
        "notes": np.array(json.dumps(notes)),
        "user_ids": interactions.user_ids,
        "item_ids": interactions.item_ids,
        "ratings": interactions.ratings,
        "users": _pack(interactions.users),
        "items": _pack(interactions.items),
        "has_ratings": np.array(interactions.has_ratings),
    }
    for name in ("timestamps", "weights"):
        column = getattr(interactions, name)
        if column is not None:
            content[name] = column
    cached.parent.mkdir(parents=True, exist_ok=True)
    temporary = cached.with_name(f".writing-{cached.name}-{os.getpid()}")
    try:
        with temporary.open("wb") as file:
            np.savez(file, **content)
        os.replace(temporary, cached)
    finally:
        temporary.unlink(missing_ok=True)


def _pack(vocabulary: Vocabulary) -> np.ndarray:
    return np.frombuffer(_SEPARATOR.join(vocabulary.raw_ids).encode(), np.uint8)


def _unpack(raw_ids: np.ndarray) -> Vocabulary:
    return Vocabulary(tuple(raw_ids.tobytes().decode().split(_SEPARATOR)))

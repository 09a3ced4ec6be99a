"""Parsed text files of ratings, kept in a plain binary form that loads at once.

`<data folder>/.mfrec-cache/` holds one .npz file for every text file and way of reading it. It is
used only while the text file has the size, the time and the first and last bytes that it had
when it was parsed; what is stale or broken is made anew, and a folder that cannot be written
means no cache. Everything in it can be deleted at any time.
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
from mfrec.data.interactions import Interactions, Vocabulary

FOLDER = ".mfrec-cache"
# Smaller files are parsed as fast as they are looked up.
MIN_BYTES = 1_000_000

# Counted up whenever the readers begin to see something else in the same file.
_VERSION = 2
_EDGE_BYTES = 1 << 16
# Raw ids hold no NUL: text that does is refused.
_SEPARATOR = "\0"
# What reading a file may raise that is no cache of this version, or no longer whole.
_BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)


def read_ratings(path: str | Path, data_dir: str | Path, **options: Any) -> Interactions:
    """Reads a file of ratings, from the cache where it stands there.

    Args:
        path: the file.
        data_dir: the data folder, where the cache is.
        **options: how to read it, as for `readers.read_ratings`.

    Returns:
        Exactly what `readers.read_ratings` returns.

    Raises:
        InputError: as `readers.read_ratings` does.
    """
    source = _describe_source(path, options)
    if source is None:
        return readers.read_ratings(path, **options)
    name = hashlib.sha256(json.dumps(source["key"]).encode()).hexdigest()[:32]
    cached = Path(data_dir) / FOLDER / f"{name}.npz"
    with contextlib.suppress(*_BROKEN):
        return _load(cached, source)
    interactions = readers.read_ratings(path, **options)
    # A file that was written to meanwhile may have been read in part.
    if _describe_source(path, options) == source:
        with contextlib.suppress(OSError):
            _save(cached, source, interactions)
    return interactions


def _describe_source(path: str | Path, options: dict[str, Any]) -> dict[str, Any] | None:
    """What has to be the same for a cached file to be used; None for what is not cached."""
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


def _load(cached: Path, source: dict[str, Any]) -> Interactions:
    """Reads a cached file; raises one of _BROKEN where it is another's, or damaged."""
    # numpy closes only files that it can read.
    with cached.open("rb") as file, np.load(file, allow_pickle=False) as content:
        if content["source"].item() != json.dumps(source):
            raise ValueError("stale")
        timestamps, weights = (
            content[name] if name in content else None for name in ("timestamps", "weights")
        )
        return Interactions(
            content["user_ids"],
            content["item_ids"],
            content["ratings"],
            timestamps,
            _unpack(content["users"]),
            _unpack(content["items"]),
            weights=weights,
            has_ratings=content["has_ratings"].item(),
        )


def _save(cached: Path, source: dict[str, Any], interactions: Interactions) -> None:
    """Writes a cached file, whole or not at all; raises OSError where it cannot."""
    data_dir = cached.parent.parent
    if data_dir.exists() and not data_dir.stat().st_mode & 0o222:
        # Root, as in a container, could write there all the same.
        raise PermissionError(f"{data_dir} is read-only")
    content = {
        "source": np.array(json.dumps(source)),
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

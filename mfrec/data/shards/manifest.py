"""What a converted folder holds, and its files written and read with their digests."""

import dataclasses
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from mfrec import digests
from mfrec.data.vocabulary import Vocabulary
from mfrec.errors import InputError, first_line
from mfrec.files import read_json
from mfrec.numpy_files import read_npz

NAME = "manifest.json"
PARTS = ("train", "validation", "test")
_FORMAT = 1
_REMEDY = "restore the file, or convert again"


@dataclass(frozen=True)
class Shard:
    """The size of one shard.

    Attributes:
        users: those with training rows.
        all_users: those, and the users of held-out rows alone.
        rows: by part.
    """

    users: int
    all_users: int
    rows: Mapping[str, int]


@dataclass(frozen=True)
class Statistics:
    """Of the training ratings.

    Attributes:
        mean: their mean, μ.
        stddev: their standard deviation.
        low: the lowest rating.
        high: the highest rating.
    """

    mean: float
    stddev: float
    low: float
    high: float


@dataclass(frozen=True)
class Manifest:
    """What a converted folder holds.

    Attributes:
        conversion: a number that no other conversion has, as text.
        source: the name of the file that was converted, without its endings.
        split: the split in words.
        num_items: items with training rows.
        all_items: those, and the items of held-out rows alone.
        has_ratings: False if the file holds pairs without ratings.
        has_weights: whether rows have weights.
        statistics: of the training ratings.
        counts: as those of `Split`.
        shards: the size of each.
        digests: of the vocabularies, by the name of their file.
        notes: what was assumed, one line each, for people.
        warnings: what is suspicious, one line each.
    """

    conversion: str
    source: str
    split: str
    num_items: int
    all_items: int
    has_ratings: bool
    has_weights: bool
    statistics: Statistics
    counts: Mapping[str, int]
    shards: tuple[Shard, ...]
    digests: Mapping[str, str]
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = field(default=())

    @property
    def num_users(self) -> int:
        """The users with training rows."""
        return sum(shard.users for shard in self.shards)

    def rows(self, part: str) -> int:
        """Return the number of rows of a part."""
        return sum(shard.rows[part] for shard in self.shards)


class Folder:
    """Reads and writes the files of a converted folder.

    Args:
        path: the folder.
        conversion: the conversion's number.
    """

    def __init__(self, path: str | Path, conversion: str) -> None:
        self.path = Path(path)
        self.conversion = conversion

    def save_manifest(self, manifest: Manifest) -> None:
        """Write manifest.json, the last file of a conversion."""
        content = {"format": _FORMAT, **dataclasses.asdict(manifest)}
        content[digests.DIGEST] = digests.of_json(self.conversion, NAME, content)
        text = json.dumps(content, indent=2) + "\n"
        (self.path / NAME).write_text(text, encoding="utf-8")

    def save_arrays(self, name: str, arrays: Mapping[str, np.ndarray]) -> None:
        """Write an .npz file, with the conversion's number and its digest in it."""
        path = self.path / name
        with path.open("wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        with zipfile.ZipFile(path, "a") as archive:
            digest = digests.of_members(archive, self.conversion, name)
            archive.comment = f"{self.conversion} {digest}".encode()

    def load_arrays(self, name: str) -> dict[str, np.ndarray]:
        """Return the arrays of a file.

        Raises:
            InputError: it is missing, damaged or of another conversion.
        """
        path = self.path / name
        arrays = read_npz(path, _REMEDY, _REMEDY)
        with zipfile.ZipFile(path) as archive:
            found = archive.comment.decode("ascii", "replace").partition(" ")
            expected = digests.of_members(archive, self.conversion, name)
        self._check(path, found[0], found[2], expected)
        return arrays

    def save_vocabulary(self, name: str, vocabulary: Vocabulary) -> str:
        """Write a vocabulary, and return the digest that the manifest is to hold."""
        vocabulary.save(self.path / name)
        return digests.of_bytes(self.conversion, name, (self.path / name).read_bytes())

    def load_vocabulary(self, name: str, manifest: Manifest) -> Vocabulary:
        """Return a vocabulary.

        Raises:
            InputError: it is missing, damaged or of another conversion.
        """
        path = self.path / name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}; {_REMEDY}") from None
        expected = digests.of_bytes(self.conversion, name, content)
        self._check(path, self.conversion, manifest.digests.get(name, ""), expected)
        return Vocabulary.load(path)

    def _check(self, path: Path, conversion: str, digest: str, expected: str) -> None:
        if digest == expected:
            return
        if conversion != self.conversion:
            raise InputError(f"{path}: of another conversion than {NAME} beside it; {_REMEDY}")
        raise InputError(f"{path}: not as it was converted (another digest); {_REMEDY}")


def is_converted(path: str | Path | None) -> bool:
    """Return whether a path is a folder that convert.py made."""
    return path is not None and (Path(path) / NAME).is_file()


def load_manifest(path: str | Path) -> Manifest:
    """Return what a converted folder holds.

    Raises:
        InputError: its manifest is missing, damaged or of a later version.
    """
    place = Path(path) / NAME
    content = read_json(place, _REMEDY)
    conversion = str(content.get("conversion", ""))
    if content.get("format") != _FORMAT:
        raise InputError(f"{place}: format {content.get('format')!r}; convert the ratings again")
    if content.get(digests.DIGEST) != digests.of_json(conversion, NAME, content):
        raise InputError(f"{place}: changed since its conversion; {_REMEDY}")
    try:
        values: dict[str, Any] = {of.name: content[of.name] for of in dataclasses.fields(Manifest)}
        values["statistics"] = Statistics(**values["statistics"])
        values["shards"] = tuple(Shard(**shard) for shard in values["shards"])
        for name in ("notes", "warnings"):
            values[name] = tuple(values[name])
        return Manifest(**values)
    except (KeyError, TypeError) as error:
        raise InputError(f"{place}: lacks {first_line(error)}; {_REMEDY}") from None


def file_of(part: str, shard: int) -> str:
    """Return the name of a shard's file of a part, or of its "users"."""
    return f"{part}-{shard:04d}.{'tsv' if part == 'users' else 'npz'}"

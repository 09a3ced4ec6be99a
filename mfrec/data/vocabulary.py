"""Raw ids and the int32 ids that stand for them inside mfrec.

Raw ids are what the user's data hold, always text. Ids are the rows of a `Vocabulary`, counted
from 0; `UNKNOWN` stands for a raw id that a vocabulary lacks.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mfrec import parallel
from mfrec.data.raw_ids import as_raw_id, as_raw_ids, factorized
from mfrec.data.values import is_missing, refuse_sets
from mfrec.errors import InputError, did_you_mean

UNKNOWN = -1

_ESCAPES = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}
_ESCAPE = str.maketrans(_ESCAPES)
_UNESCAPE = {escaped: character for character, escaped in _ESCAPES.items()}

# Raw ids that a misspelt one is compared with: this many take about a second.
_MOST_COMPARED = 50_000
_MOST_SUGGESTED = 3


@dataclass(frozen=True)
class Vocabulary:
    """Raw ids by row, and optionally a label of each, such as a title, and genres.

    Attributes:
        raw_ids: distinct raw ids, made text as by `as_raw_ids`; their positions are the ids.
        labels: one per row, "" for a row without; None if no row has one.
        genres: the genres of each row as the data have them, "|" between several, "" for a
            row without; None if no row has any.
    """

    raw_ids: tuple[str, ...]
    labels: tuple[str, ...] | None = None
    genres: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.raw_ids, tuple) or set(map(type, self.raw_ids)) - {str}:
            refuse_sets(self.raw_ids, "raw id")
            object.__setattr__(self, "raw_ids", tuple(as_raw_ids(self.raw_ids, "raw id")))
        for what, texts in (("labels", self.labels), ("genres", self.genres)):
            if texts is not None and len(texts) != len(self.raw_ids):
                raise InputError(f"{len(texts)} {what} for {len(self)} raw ids; give one for each")

    def __len__(self) -> int:
        return len(self.raw_ids)

    @cached_property
    def _rows(self) -> dict[str, int]:
        rows = {raw_id: row for row, raw_id in enumerate(self.raw_ids)}
        if len(rows) < len(self):
            repeated = next(raw_id for row, raw_id in enumerate(self.raw_ids) if rows[raw_id] > row)
            raise InputError(f"a vocabulary with two rows '{repeated}'; raw ids must differ")
        return rows

    def lookup(self, raw_ids: Any) -> np.ndarray:
        """Return the ids of raw ids: int32 [n], UNKNOWN where the vocabulary lacks one.

        Args:
            raw_ids: as for `as_raw_ids`, which also says what is refused.
        """
        texts, rows = as_raw_ids(raw_ids), self._rows
        return np.fromiter((rows.get(text, UNKNOWN) for text in texts), np.int32, len(texts))

    def rows_in(self, other: "Vocabulary") -> np.ndarray:
        """Return the ids of these raw ids in another vocabulary: int32 [n], UNKNOWN where it
        lacks one.

        The answer is kept: all parts of one table are translated from one vocabulary to another.
        """
        latest, rows = self.__dict__.get("_latest", (None, None))
        if latest is not other:
            rows = other.lookup(self.raw_ids)
            self.remember(other, rows)
        return rows

    def remember(self, other: "Vocabulary", rows: np.ndarray) -> None:
        """Keep what `rows_in` returns for this vocabulary: whoever made it knows."""
        self.__dict__["_latest"] = other, rows

    def lines(self, rows: np.ndarray) -> list[bytes]:
        """Return the raw ids of rows in UTF-8, a line end behind each, in pieces of many lines."""
        texts = [raw_id.encode() + b"\n" for raw_id in self.raw_ids]
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        starts = np.cumsum(lengths) - lengths
        text = np.frombuffer(b"".join(texts), np.uint8)

        def piece(block: slice) -> bytes:
            some = rows[block]
            sizes = lengths[some]
            ends = np.cumsum(sizes)
            # from the place in the piece to the place in the text
            places = np.repeat(starts[some] - (ends - sizes), sizes)
            places += np.arange(len(places))
            return text[places].tobytes()

        return parallel.each(piece, parallel.blocks(len(rows)))

    def label(self, row: int) -> str:
        """Return the label of a row, or its raw id if it has none."""
        return (self.labels and self.labels[row]) or self.raw_ids[row]

    @cached_property
    def _rows_by_label(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for row, label in enumerate(self.labels or ()):
            rows.setdefault(label.casefold(), []).append(row)
        return rows

    def labelled(self, label: str) -> list[int]:
        """Return the rows with this label; case does not matter."""
        return self._rows_by_label.get(label.casefold(), []) if label else []

    def row(self, name: Any) -> int:
        """Return the row with this raw id or else the only row with this label, else UNKNOWN."""
        name = as_raw_id(name)
        row, labelled = self._rows.get(name, UNKNOWN), self.labelled(name)
        return labelled[0] if row == UNKNOWN and len(labelled) == 1 else row

    def resolve(self, names: Any) -> np.ndarray:
        """Return the ids of raw ids or labels: int32 [n], UNKNOWN for neither; see `row`.

        Args:
            names: as for `as_raw_ids`; a bare string is one name.
        """
        names = as_raw_ids(names, "name")
        ids = self.lookup(names)
        for position in np.flatnonzero(ids == UNKNOWN).tolist():
            ids[position] = self.row(names[position])
        return ids

    def suggestion(self, name: Any) -> str:
        """Return '; did you mean …?' for a name that `row` does not know, "" without an idea.

        Suggested are 27 for 27.0, or the rows with this label if there are several, or else
        those whose label contains the name, or else similar raw ids.
        """
        name = as_raw_id(name)
        whole = re.sub(r"\.0+$", "", name)
        if whole != name and whole in self._rows:
            return f"; did you mean {whole}?"
        wanted = name.casefold()
        rows = self.labelled(name) or [
            row
            for row, label in enumerate(self.labels or ())
            if wanted and wanted in label.casefold()
        ]
        if not rows:
            return did_you_mean(name, self.raw_ids[:_MOST_COMPARED], otherwise="")
        shown = (f"{self.raw_ids[row]} ({self.label(row)})" for row in rows[:_MOST_SUGGESTED])
        return f"; did you mean {' or '.join(shown)}?"

    def take(self, rows: Iterable[int]) -> "Vocabulary":
        """Return the vocabulary of these rows, in this order."""
        rows = np.asarray(rows).tolist()

        def taken(column: tuple[str, ...] | None) -> tuple[str, ...] | None:
            return None if column is None else tuple(column[row] for row in rows)

        raw_ids = tuple(self.raw_ids[row] for row in rows)
        return Vocabulary(raw_ids, taken(self.labels), taken(self.genres))

    def with_labels(
        self, labels: Mapping[Any, str], genres: Mapping[Any, str] | None = None
    ) -> "Vocabulary":
        """Return the same rows, labelled by mappings from raw id to label and to genres.

        Rows that a mapping lacks keep what they have; None and NaN are no labels.
        """
        return Vocabulary(
            self.raw_ids,
            self._updated(self.labels, labels),
            self._updated(self.genres, genres or {}),
        )

    def extended(self, other: "Vocabulary") -> "Vocabulary":
        """Return these rows, then the raw ids of `other` that are not among them."""
        new = np.flatnonzero(self.lookup(other.raw_ids) == UNKNOWN)
        if not len(new):
            return self
        added = other.take(new)

        def joined(first: tuple[str, ...] | None, second: tuple[str, ...] | None) -> Any:
            if first is None and second is None:
                return None
            return (first or ("",) * len(self)) + (second or ("",) * len(added))

        return Vocabulary(
            self.raw_ids + added.raw_ids,
            joined(self.labels, added.labels),
            joined(self.genres, added.genres),
        )

    def continued(self, other: "Vocabulary") -> "Vocabulary":
        """Return these rows as `other` labels them, then the raw ids that only `other` has."""
        if other.raw_ids[: len(self)] == self.raw_ids:
            return other
        labels, genres = (
            dict(zip(other.raw_ids, texts or (), strict=False))
            for texts in (other.labels, other.genres)
        )
        return self.extended(other).with_labels(labels, genres)

    def save(self, path: str | Path) -> None:
        """Write a UTF-8 file with one `raw_id<TAB>label[<TAB>genres]` line per row.

        Tabs, line ends and backslashes are written as \\t, \\n, \\r and \\\\, so that every
        raw id is read back unchanged.
        """
        columns = [self.raw_ids, self.labels or ("",) * len(self)]
        if self.genres is not None:
            columns.append(self.genres)
        lines = ("\t".join(map(escaped, fields)) + "\n" for fields in zip(*columns, strict=True))
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(lines)

    @classmethod
    def load(cls, path: str | Path) -> "Vocabulary":
        """Read what `save` wrote; raises InputError for a line that it cannot have written."""
        # Not splitlines(): raw ids may hold the other characters that it takes for line ends.
        with open(path, encoding="utf-8", newline="\n") as file:
            lines = file.read().split("\n")[:-1]
        wanted = 3 if lines and lines[0].count("\t") == 2 else 2
        for number, line in enumerate(lines, start=1):
            found = line.count("\t") + 1
            if found != wanted:
                raise InputError(
                    f"{path}:{number}: {found} fields where raw id and label"
                    f"{' and genres' if wanted == 3 else ''} should be; restore the file"
                )
        # All at once: a list per line would start the garbage collector many times.
        fields = "\t".join(lines).split("\t") if lines else []
        columns = [tuple(map(_unescape, fields[column::wanted])) for column in range(wanted)]
        raw_ids, labels, genres = (*columns, *[()] * 3)[:3]
        return cls(raw_ids, labels if any(labels) else None, genres if any(genres) else None)

    def _updated(
        self, texts: tuple[str, ...] | None, changes: Mapping[Any, str]
    ) -> tuple[str, ...] | None:
        old = texts or ("",) * len(self)
        # also a series of a data frame, whose index holds the raw ids
        changes = dict(changes.items())
        named = dict(zip(as_raw_ids(list(changes)), changes.values(), strict=True))
        named = {raw: "" if is_missing(text) else str(text) for raw, text in named.items()}
        new = tuple(named.get(raw, text) for raw, text in zip(self.raw_ids, old, strict=True))
        return new if any(new) else None


def factorize(raw_ids: Any, what: str) -> tuple[np.ndarray, Vocabulary]:
    """Number raw ids in order of first appearance.

    Args:
        raw_ids: as for `as_raw_ids`; a bare string is one.
        what: they are, for errors.

    Returns:
        int32 [n], and the vocabulary of the distinct ones.

    Raises:
        InputError: one is missing, empty or no raw id.
    """
    refuse_sets(raw_ids, what)
    ids, texts = factorized(raw_ids, what)
    if "" in texts:
        position = np.flatnonzero(ids == texts.index(""))[0]
        raise InputError(f"{what} at position {position} is missing (''); drop such rows first")
    return ids, Vocabulary(texts)


def named(names: Any, length: int, what: str) -> Vocabulary:
    """Return the vocabulary of the rows or columns of a matrix: "0", "1", ... by default.

    Raises:
        InputError: names that repeat, or more or fewer than `length`.
    """
    if names is None:
        return Vocabulary(tuple(map(str, range(length))))
    refuse_sets(names, f"names of {what}")
    ids, raw_ids = factorized(names, f"{what} name")
    if len(ids) != length:
        raise InputError(f"{len(ids)} names for {length} {what}s; give one a {what}")
    if len(raw_ids) != length:
        repeated = raw_ids[np.argmax(np.bincount(ids))]
        raise InputError(f"two {what}s are named {repeated!r}; names must differ")
    return Vocabulary(raw_ids)


def escaped(text: str) -> str:
    """Return text as a field of a line: tabs, line ends and backslashes as \\t, \\n, \\r, \\\\."""
    return text.translate(_ESCAPE)


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    return re.sub(r"\\.", lambda match: _UNESCAPE.get(match[0], match[0]), text)

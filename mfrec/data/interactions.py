"""Who rated what: parallel numpy arrays of ids, and the vocabularies that name their rows.

Raw ids are what the user's data hold, always text. Ids are the int32 rows of a vocabulary,
counted from 0; `UNKNOWN` stands for a raw id that a vocabulary lacks.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mfrec.errors import InputError

UNKNOWN = -1

_ESCAPES = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}
_ESCAPE = str.maketrans(_ESCAPES)
_UNESCAPE = {escaped: character for character, escaped in _ESCAPES.items()}

# What Python and the data frame libraries print for a value that is not there.
_MISSING = ("", "None", "nan", "<NA>", "NaT")


@dataclass(frozen=True)
class Vocabulary:
    """Raw ids by row, and optionally a label for each, such as a title, and genres.

    Attributes:
        raw_ids: distinct raw ids; their positions are the ids.
        labels: one a row, "" where a row has none; None where no row has one.
        genres: the genres of each row as the data have them, "|" between several, "" where a
            row has none; None where no row has one.
    """

    raw_ids: tuple[str, ...]
    labels: tuple[str, ...] | None = None
    genres: tuple[str, ...] | None = None

    def __len__(self) -> int:
        return len(self.raw_ids)

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {raw_id: row for row, raw_id in enumerate(self.raw_ids)}

    def lookup(self, raw_ids: Sequence[str]) -> np.ndarray:
        """Returns the ids of raw ids: int32 [n], UNKNOWN for strangers."""
        rows = self._rows
        return np.fromiter((rows.get(raw_id, UNKNOWN) for raw_id in raw_ids), np.int32)

    def label(self, row: int) -> str:
        """Returns the label of a row, or its raw id where it has none."""
        return (self.labels and self.labels[row]) or self.raw_ids[row]

    @cached_property
    def _rows_by_label(self) -> dict[str, list[int]]:
        rows: dict[str, list[int]] = {}
        for row, label in enumerate(self.labels or ()):
            rows.setdefault(label.casefold(), []).append(row)
        return rows

    def labelled(self, label: str) -> list[int]:
        """Returns the rows with this label, in whatever case."""
        return self._rows_by_label.get(label.casefold(), []) if label else []

    def row(self, name: str) -> int:
        """Returns the row with this raw id or, without one, the only row with this label."""
        row, labelled = self._rows.get(name, UNKNOWN), self.labelled(name)
        return labelled[0] if row == UNKNOWN and len(labelled) == 1 else row

    def take(self, rows: Iterable[int]) -> "Vocabulary":
        """Returns the vocabulary of these rows, in this order."""
        rows = np.asarray(rows).tolist()
        columns = (self.raw_ids, self.labels, self.genres)
        return Vocabulary(
            *(None if column is None else tuple(column[row] for row in rows) for column in columns)
        )

    def with_labels(
        self, labels: Mapping[str, str], genres: Mapping[str, str] | None = None
    ) -> "Vocabulary":
        """Returns the same rows, labelled by mappings from raw id to label and to genres.

        Rows that a mapping lacks keep what they have.
        """
        return Vocabulary(
            self.raw_ids,
            self._updated(self.labels, labels),
            self._updated(self.genres, genres or {}),
        )

    def extended(self, other: "Vocabulary") -> "Vocabulary":
        """Returns these rows followed by those raw ids of `other` that are not among them."""
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

    def save(self, path: str | Path) -> None:
        """Writes a UTF-8 file of one `raw_id<TAB>label[<TAB>genres]` line a row.

        Tabs, line ends and backslashes are written as \\t, \\n, \\r and \\\\, so that every
        raw id comes back as it was.
        """
        columns = [self.raw_ids, self.labels or ("",) * len(self)]
        if self.genres is not None:
            columns.append(self.genres)
        lines = (
            "\t".join(field.translate(_ESCAPE) for field in fields) + "\n"
            for fields in zip(*columns, strict=True)
        )
        with open(path, "w", encoding="utf-8", newline="\n") as file:
            file.writelines(lines)

    @classmethod
    def load(cls, path: str | Path) -> "Vocabulary":
        """Reads what `save` wrote; raises InputError for a line that it cannot have written."""
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
        # all at once: a list a line would wake the garbage collector many times
        fields = "\t".join(lines).split("\t") if lines else []
        columns = [tuple(map(_unescape, fields[column::wanted])) for column in range(wanted)]
        raw_ids, labels, genres = (*columns, *[()] * 3)[:3]
        return cls(raw_ids, labels if any(labels) else None, genres if any(genres) else None)

    def _updated(
        self, texts: tuple[str, ...] | None, changes: Mapping[str, str]
    ) -> tuple[str, ...] | None:
        old = texts or ("",) * len(self)
        new = tuple(changes.get(raw, text) for raw, text in zip(self.raw_ids, old, strict=True))
        return new if any(new) else None


@dataclass(frozen=True, eq=False)
class Interactions:
    """Ratings as parallel arrays, one row a rating.

    Attributes:
        user_ids: int32 [n], rows of `users`.
        item_ids: int32 [n], rows of `items`.
        ratings: float32 [n], finite.
        timestamps: int64 [n], usually seconds since 1970; None where the data have none.
        users: names the users.
        items: names the items.
        expected_ratings: float32 [n], each rating's mean under the process that drew it;
            known for generated data only, else None.
        weights: float32 [n], above 0, how much each row counts in training; None where all
            count 1.
        has_ratings: False where the data have pairs alone, so that all ratings are 1.
    """

    user_ids: np.ndarray
    item_ids: np.ndarray
    ratings: np.ndarray
    timestamps: np.ndarray | None
    users: Vocabulary
    items: Vocabulary
    expected_ratings: np.ndarray | None = None
    weights: np.ndarray | None = None
    has_ratings: bool = True

    @classmethod
    def from_arrays(
        cls,
        user_ids: Sequence[Any],
        item_ids: Sequence[Any],
        ratings: Sequence[float] | None = None,
        timestamps: Sequence[Any] | None = None,
        weights: Sequence[float] | None = None,
    ) -> "Interactions":
        """Numbers raw ids in order of first appearance.

        Args:
            user_ids: raw ids [n]: text, or anything that `str` turns into text.
            item_ids: raw ids [n].
            ratings: numbers [n]; 1 everywhere by default.
            timestamps: integers or datetime64 [n]; the latter become seconds since 1970.
            weights: numbers [n] above 0.

        Raises:
            InputError: lengths differ, an id is missing or empty, a rating or weight is no
                finite number, a weight is not above 0, or a timestamp is no time.
        """
        user_rows, users = _number(user_ids, "user id")
        item_rows, items = _number(item_ids, "item id")
        values = np.ones(len(user_rows)) if ratings is None else ratings
        times = None if timestamps is None else _as_timestamps(timestamps)
        lengths = {"user ids": len(user_rows), "item ids": len(item_rows)}
        lengths |= {"ratings": len(values)}
        if times is not None:
            lengths |= {"timestamps": len(times)}
        if weights is not None:
            weights = _as_weights(weights)
            lengths |= {"weights": len(weights)}
        if len(set(lengths.values())) > 1:
            found = ", ".join(f"{length} {name}" for name, length in lengths.items())
            raise InputError(f"lengths differ: {found}; give one of each for every rating")
        return cls(
            user_rows,
            item_rows,
            _as_numbers(values, "rating"),
            times,
            users,
            items,
            weights=weights,
            has_ratings=ratings is not None,
        )

    @classmethod
    def from_dataframe(
        cls,
        frame: Any,
        user_column: str = "user_id",
        item_column: str = "item_id",
        rating_column: str | None = "rating",
        timestamp_column: str | None = None,
        weight_column: str | None = None,
    ) -> "Interactions":
        """Reads a pandas or polars data frame; see `from_arrays`.

        A column "timestamp" is used where no other is named; `rating_column=None` makes every
        rating 1.

        Raises:
            InputError: the frame lacks a named column, or `from_arrays` refuses its values.
        """
        columns = list(frame.columns)
        if timestamp_column is None and "timestamp" in columns:
            timestamp_column = "timestamp"
        wanted = (user_column, item_column, rating_column, timestamp_column, weight_column)
        for column in wanted:
            if column is not None and column not in columns:
                found = ", ".join(map(str, columns))
                raise InputError(f"no column {column!r} in the frame; its columns: {found}")
        return cls.from_arrays(
            frame[user_column],
            frame[item_column],
            None if rating_column is None else frame[rating_column],
            None if timestamp_column is None else frame[timestamp_column],
            None if weight_column is None else frame[weight_column],
        )

    @classmethod
    def from_matrix(
        cls,
        matrix: Any,
        users: Sequence[Any] | None = None,
        items: Sequence[Any] | None = None,
    ) -> "Interactions":
        """Reads a matrix of ratings [num_users, num_items]; its rows and columns are the ids.

        Args:
            matrix: array-like where NaN means not rated, or a scipy sparse matrix whose
                stored entries are the ratings.
            users: raw ids of the rows; "0", "1", ... by default.
            items: raw ids of the columns; "0", "1", ... by default.

        Raises:
            InputError: no matrix, names that do not fit it or repeat, or an infinite rating.
        """
        if hasattr(matrix, "tocoo"):
            entries = matrix.tocoo()
            row, column, ratings = entries.row, entries.col, entries.data
            return cls.from_entries(row, column, ratings, entries.shape, users, items)
        dense = np.asarray(matrix, np.float64)
        if dense.ndim != 2:
            raise InputError(f"a rating matrix has 2 dimensions, this one {dense.ndim}")
        row, column = np.nonzero(~np.isnan(dense))
        return cls.from_entries(row, column, dense[row, column], dense.shape, users, items)

    @classmethod
    def from_entries(
        cls,
        user_ids: np.ndarray,
        item_ids: np.ndarray,
        ratings: np.ndarray,
        shape: tuple[int, int],
        users: Sequence[Any] | None = None,
        items: Sequence[Any] | None = None,
    ) -> "Interactions":
        """Takes the entries of a matrix as the ratings.

        Args:
            user_ids: integers [n], row of each entry.
            item_ids: integers [n], column of each entry.
            ratings: numbers [n].
            shape: [num_users, num_items], larger than every row and column.
            users: raw ids of the rows; "0", "1", ... by default.
            items: raw ids of the columns; "0", "1", ... by default.

        Raises:
            InputError: names that do not fit the shape or repeat, or a rating not finite.
        """
        return cls(
            user_ids.astype(np.int32),
            item_ids.astype(np.int32),
            _as_numbers(ratings, "rating"),
            None,
            _named(users, shape[0], "row"),
            _named(items, shape[1], "column"),
        )

    @classmethod
    def from_file(cls, path: str | Path, **options: Any) -> "Interactions":
        """Reads a file of ratings; options as for `mfrec.data.readers.read_ratings`."""
        # The readers build Interactions, so they can only be imported once it exists.
        from mfrec.data import readers

        return readers.read_ratings(path, **options)

    def __len__(self) -> int:
        return len(self.user_ids)

    @property
    def num_users(self) -> int:
        """The number of users in the vocabulary, with or without ratings."""
        return len(self.users)

    @property
    def num_items(self) -> int:
        """The number of items in the vocabulary, with or without ratings."""
        return len(self.items)

    def take(self, index: Any) -> "Interactions":
        """Returns the rows that numpy indexing by `index` picks; the vocabularies stay."""
        return replace(
            self,
            user_ids=self.user_ids[index],
            item_ids=self.item_ids[index],
            ratings=self.ratings[index],
            timestamps=None if self.timestamps is None else self.timestamps[index],
            expected_ratings=(
                None if self.expected_ratings is None else self.expected_ratings[index]
            ),
            weights=None if self.weights is None else self.weights[index],
        )

    def weights_or_ones(self) -> np.ndarray:
        """Returns how much each row counts: float32 [n]."""
        return np.ones(len(self), np.float32) if self.weights is None else self.weights

    def without_repeats(self) -> "Interactions":
        """Returns one row a (user, item) pair: its last rating, in the original order.

        The last is the one with the latest timestamp, and of several the one that stands
        last; without timestamps it is the one that stands last. Weights are summed. Rows of
        unknown users or items count as one and the same, so call this before `encode`.
        """
        pairs = self.pairs()
        # Most data repeat nothing, which a plain sort finds out much sooner than an argsort.
        if (np.diff(np.sort(pairs)) != 0).all():
            return self
        if self.timestamps is None:
            order = np.argsort(pairs, kind="stable")
        else:
            order = np.lexsort((self.timestamps, pairs))
        is_last = np.ones(len(self), bool)
        is_last[:-1] = np.diff(pairs[order]) != 0
        last = order[is_last]
        rows = self
        if self.weights is not None:
            ends = np.flatnonzero(is_last) + 1
            starts = np.concatenate([[0], ends[:-1]])
            weights = self.weights.copy()
            weights[last] = np.add.reduceat(self.weights[order].astype(np.float64), starts)
            rows = replace(self, weights=weights)
        return rows.take(np.sort(last))

    def pairs(self) -> np.ndarray:
        """Returns one number for each row's (user, item): int64 [n], equal for equal pairs."""
        # UNKNOWN is -1: everything moves up by one so that no pair takes another's number.
        return (self.user_ids.astype(np.int64) + 1) * (self.num_items + 1) + self.item_ids + 1

    def compact(self) -> "Interactions":
        """Returns the same rows with vocabularies cut down to ids that occur, order kept."""
        user_ids, users = _compact(self.user_ids, self.users)
        item_ids, items = _compact(self.item_ids, self.items)
        return replace(self, user_ids=user_ids, item_ids=item_ids, users=users, items=items)

    def encode(self, users: Vocabulary, items: Vocabulary) -> "Interactions":
        """Returns the same rows in other vocabularies, UNKNOWN where these lack the raw id."""
        return replace(
            self,
            user_ids=_translate(self.user_ids, self.users, users),
            item_ids=_translate(self.item_ids, self.items, items),
            users=users,
            items=items,
        )


def concatenate(first: Interactions, second: Interactions) -> Interactions:
    """Returns the rows of `first`, then those of `second`, in one pair of vocabularies.

    The vocabularies are those of `first` followed by what `second` adds. Timestamps, expected
    ratings and weights survive where both have them.
    """
    users = first.users.extended(second.users)
    items = first.items.extended(second.items)
    second = second.encode(users, items)
    return Interactions(
        np.concatenate([first.user_ids, second.user_ids]),
        np.concatenate([first.item_ids, second.item_ids]),
        np.concatenate([first.ratings, second.ratings]),
        _concatenate_if_both(first.timestamps, second.timestamps),
        users,
        items,
        _concatenate_if_both(first.expected_ratings, second.expected_ratings),
        _concatenate_if_both(first.weights, second.weights),
        first.has_ratings and second.has_ratings,
    )


def _concatenate_if_both(first: np.ndarray | None, second: np.ndarray | None) -> np.ndarray | None:
    if first is None or second is None:
        return None
    return np.concatenate([first, second])


def _translate(ids: np.ndarray, old: Vocabulary, new: Vocabulary) -> np.ndarray:
    if old is new:
        return ids
    # The last entry answers for UNKNOWN, which is -1 and so reads it.
    return np.append(new.lookup(old.raw_ids), np.int32(UNKNOWN))[ids]


def _compact(ids: np.ndarray, vocabulary: Vocabulary) -> tuple[np.ndarray, Vocabulary]:
    kept = np.flatnonzero(np.bincount(ids[ids != UNKNOWN], minlength=len(vocabulary)))
    if len(kept) == len(vocabulary):
        return ids, vocabulary
    new_ids = np.full(len(vocabulary) + 1, UNKNOWN, np.int32)
    new_ids[kept] = np.arange(len(kept))
    return new_ids[ids], vocabulary.take(kept)


def _number(raw_ids: Sequence[Any], what: str) -> tuple[np.ndarray, Vocabulary]:
    values = raw_ids.tolist() if isinstance(raw_ids, np.ndarray) else list(raw_ids)
    rows: dict[str, int] = {}
    ids = np.fromiter((rows.setdefault(str(value), len(rows)) for value in values), np.int32)
    for text in _MISSING:
        if text in rows:
            _refuse_missing(values, text, what)
    return ids, Vocabulary(tuple(rows))


def _refuse_missing(values: list[Any], text: str, what: str) -> None:
    # The text "nan" is a raw id like any other; the number NaN is a missing one.
    for position, value in enumerate(values):
        if str(value) == text and not (text and isinstance(value, str)):
            raise InputError(
                f"{what} at position {position} is missing ({value!r}); drop such rows first"
            )


def _named(names: Sequence[Any] | None, length: int, what: str) -> Vocabulary:
    raw_ids = tuple(map(str, range(length) if names is None else names))
    if len(raw_ids) != length:
        raise InputError(f"{len(raw_ids)} names for {length} {what}s; give one a {what}")
    if len(set(raw_ids)) != length:
        repeated = next(name for name in raw_ids if raw_ids.count(name) > 1)
        raise InputError(f"two {what}s are named {repeated!r}; names must differ")
    return Vocabulary(raw_ids)


def _as_numbers(values: Any, what: str) -> np.ndarray:
    try:
        with np.errstate(over="ignore"):
            numbers = np.asarray(values, np.float64).astype(np.float32)
    except (TypeError, ValueError) as error:
        raise InputError(f"{what}s must be numbers: {error}") from error
    bad = np.flatnonzero(~np.isfinite(numbers))
    if len(bad):
        raise InputError(
            f"{what} at position {bad[0]} is {numbers[bad[0]]}, no finite number; "
            "drop such rows first"
        )
    return numbers


def _as_weights(values: Any) -> np.ndarray:
    weights = _as_numbers(values, "weight")
    bad = np.flatnonzero(weights <= 0)
    if len(bad):
        raise InputError(
            f"weight at position {bad[0]} is {weights[bad[0]]}, not above 0; drop such rows first"
        )
    return weights


def _as_timestamps(values: Any) -> np.ndarray:
    array = np.asarray(values)
    if array.dtype.kind == "M":
        missing = np.isnat(array)
        array = array.astype("datetime64[s]").astype(np.int64)
    else:
        try:
            missing = ~np.isfinite(array.astype(np.float64))
        except (TypeError, ValueError) as error:
            raise InputError(f"timestamps must be numbers or datetime64: {error}") from error
    if missing.any():
        raise InputError(
            f"timestamp at position {np.flatnonzero(missing)[0]} is missing; drop such rows "
            "first or leave timestamps out"
        )
    return array.astype(np.int64)


def _unescape(text: str) -> str:
    if "\\" not in text:
        return text
    return re.sub(r"\\.", lambda match: _UNESCAPE.get(match[0], match[0]), text)

"""Who rated what: parallel numpy arrays of ids, and the vocabularies of these ids."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sized
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from mfrec import parallel
from mfrec.data import pairs
from mfrec.data.columns import USUAL_NAMES, plain_name
from mfrec.data.counting import count_rows
from mfrec.data.matrices import Entries, entries_of
from mfrec.data.times import as_timestamps
from mfrec.data.values import as_numbers, as_weights, refuse_masked
from mfrec.data.vocabulary import UNKNOWN, Vocabulary, factorize, named
from mfrec.errors import InputError
from mfrec.progress import say

_DTYPES: dict[str, type | None] = {
    "user_ids": np.int32,
    "item_ids": np.int32,
    "ratings": np.float32,
    "timestamps": None,
    "expected_ratings": np.float32,
    "weights": np.float32,
}


@dataclass(frozen=True, eq=False)
class Interactions:
    """Ratings as parallel arrays, one row per rating.

    Attributes:
        user_ids: int32 [n], rows of `users`.
        item_ids: int32 [n], rows of `items`.
        ratings: float32 [n], finite.
        timestamps: int64 [n] if all are whole, else float64 [n]; usually seconds since 1970; None
            if the data have none.
        users: raw ids of the users.
        items: raw ids of the items.
        expected_ratings: float32 [n], each rating's mean under the process that drew it;
            None except for generated data.
        weights: float32 [n], above 0, how much each row counts in training; None if all
            count 1.
        has_ratings: False if the data are pairs without ratings, so that all ratings are 1.
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
    # the columns are in memory, unlike those of `ShardedRatings`
    is_streamed: ClassVar[bool] = False

    def __post_init__(self) -> None:
        for name, dtype in _DTYPES.items():
            column = getattr(self, name)
            if column is None:
                continue
            if not isinstance(column, np.ndarray):
                column = np.asarray(column, dtype)
                object.__setattr__(self, name, column)
            if column.shape != self.user_ids.shape or column.ndim != 1:
                raise InputError(
                    f"{name} of shape {column.shape}, user_ids of {self.user_ids.shape}; give one "
                    "of each for every rating"
                )

    @classmethod
    def from_arrays(
        cls,
        user_ids: Iterable[Any],
        item_ids: Iterable[Any],
        ratings: ArrayLike | None = None,
        timestamps: ArrayLike | None = None,
        weights: ArrayLike | None = None,
    ) -> "Interactions":
        """Number raw ids in order of first appearance.

        Args:
            user_ids: raw ids [n]: integers, text, bytes, whole floats or UUIDs; see `as_raw_ids`.
            item_ids: raw ids [n].
            ratings: numbers [n]; 1 everywhere by default.
            timestamps: numbers, dates or text [n], see `times.as_timestamps`; dates become seconds
                since 1970.
            weights: numbers [n] above 0.

        Raises:
            InputError: lengths differ, an id is missing or empty, a rating or weight is not
                a finite number, a weight is not above 0, or a timestamp is not a time.
        """
        num_rows = len(user_ids) if isinstance(user_ids, Sized) else 0
        (user_rows, users), (item_rows, items) = parallel.each(
            lambda column: factorize(*column),
            ((user_ids, "user id"), (item_ids, "item id")),
            num_rows,
        )
        columns = {
            "user ids": user_rows,
            "item ids": item_rows,
            "ratings": np.ones(len(user_rows), np.float32),
        }
        if ratings is not None:
            columns["ratings"] = as_numbers(ratings, "rating")
        if timestamps is not None:
            refuse_masked(timestamps, "timestamp")
            columns["timestamps"] = as_timestamps(timestamps)
        if weights is not None:
            columns["weights"] = as_weights(weights)
        if len(set(map(len, columns.values()))) > 1:
            found = ", ".join(f"{len(column)} {name}" for name, column in columns.items())
            raise InputError(f"lengths differ: {found}; give one of each for every rating")
        return cls(
            user_rows,
            item_rows,
            columns["ratings"],
            columns.get("timestamps"),
            users,
            items,
            weights=columns.get("weights"),
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
        """Read the columns of a pandas, polars or pyarrow table; see `from_arrays`.

        A dict of lists and a structured array are tables, too. Rows go by their order: an index is
        ignored. A column "timestamp" is used by default if there is one; `rating_column=None`
        makes every rating 1.

        Raises:
            InputError: the frame lacks a named column or has two of the name, one column is named
                twice, or `from_arrays` refuses its values.
        """
        columns = _columns_of(frame)
        others = (user_column, item_column, rating_column, weight_column)
        if timestamp_column is None and "timestamp" in columns and "timestamp" not in others:
            timestamp_column = "timestamp"
        wanted = {
            "user": user_column,
            "item": item_column,
            "rating": rating_column,
            "timestamp": timestamp_column,
            "weight": weight_column,
        }
        for role, column in wanted.items():
            if column is not None and columns.count(column) != 1:
                raise _refused_column(frame, columns, column, role)
        _refuse_two_roles(wanted)
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
        users: Any = None,
        items: Any = None,
    ) -> "Interactions":
        """Read a matrix of ratings [num_users, num_items]; its rows and columns are the ids.

        Args:
            matrix: array-like where NaN, None or a mask means not rated, a scipy sparse matrix
                whose stored entries are the ratings, or a pandas frame; see `matrices`.
            users: raw ids of the rows; by default the index of a frame, else "0", "1", ...
            items: raw ids of the columns; by default the columns of a frame, else "0", "1", ...

        Raises:
            InputError: not a matrix, names that repeat or are too many or too few, or an
                infinite rating.
        """
        entries = entries_of(matrix, users is not None, items is not None)
        for note in entries.notes:
            say(f"from_matrix: {note}")
        return cls.from_entries(entries, users, items)

    @classmethod
    def from_entries(cls, entries: Entries, users: Any = None, items: Any = None) -> "Interactions":
        """Take the entries of a matrix as the ratings.

        Args:
            entries: rows, columns and ratings, and names if the matrix has any.
            users: raw ids of the rows, before those of the matrix; else "0", "1", ...
            items: raw ids of the columns, before those of the matrix; else "0", "1", ...

        Raises:
            InputError: names that repeat or are too many or too few, or a rating that is not
                finite.
        """
        users = entries.row_names if users is None else users
        items = entries.column_names if items is None else items
        return cls(
            entries.rows.astype(np.int32),
            entries.columns.astype(np.int32),
            as_numbers(entries.values, "rating"),
            None,
            named(users, entries.shape[0], "row"),
            named(items, entries.shape[1], "column"),
            has_ratings=entries.has_ratings,
        )

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

    @property
    def whole(self) -> "Interactions":
        """The rows of all users, where these are the share of one of several workers."""
        return self

    @cached_property
    def user_counts(self) -> np.ndarray:
        """The number of rows of each user, int64 [num_users]; unknown users count nowhere."""
        return count_rows(self.user_ids, self.num_users)

    @cached_property
    def item_counts(self) -> np.ndarray:
        """The number of rows of each item, int64 [num_items]; unknown items count nowhere."""
        return count_rows(self.item_ids, self.num_items)

    @cached_property
    def user_weights(self) -> np.ndarray:
        """The sum of the weights of each user's rows, float64 [num_users]."""
        if self.weights is None:
            return self.user_counts.astype(np.float64)
        return np.bincount(self.user_ids, self.weights, minlength=self.num_users)

    @property
    def item_sums(self) -> np.ndarray:
        """The sum of each item's ratings, float64 [num_items]."""
        return np.bincount(self.item_ids, self.ratings, minlength=self.num_items)

    @property
    def rating_range(self) -> tuple[float, float]:
        """The lowest and the highest rating."""
        return float(self.ratings.min()), float(self.ratings.max())

    @property
    def rating_mean(self) -> float:
        """The mean of the ratings."""
        return float(self.ratings.mean(dtype=np.float64))

    @property
    def rating_stddev(self) -> float:
        """The standard deviation of the ratings."""
        return float(self.ratings.std(dtype=np.float64))

    def shards(self) -> Iterator["Interactions"]:
        """Yield the rows some at a time: here all at once, elsewhere shard by shard."""
        yield self

    def items_of(self, user: int) -> np.ndarray:
        """Return the distinct items of a user's rows, rising."""
        return np.unique(self.item_ids[self.user_ids == user])

    def take(self, index: Any) -> "Interactions":
        """Return the rows that numpy indexing by `index` picks; the vocabularies stay."""
        columns = {name: getattr(self, name) for name in _DTYPES}
        given = {name: column for name, column in columns.items() if column is not None}
        taken = parallel.each(lambda column: column[index], given.values(), len(self))
        return replace(self, **dict(zip(given, taken, strict=True)))

    def weights_or_ones(self) -> np.ndarray:
        """Return how much each row counts: float32 [n]."""
        return np.ones(len(self), np.float32) if self.weights is None else self.weights

    def digest(self) -> str:
        """Return a fingerprint of the rows and the raw ids, 16 hexadecimal digits."""
        digest = hashlib.sha256("\n".join([*self.users.raw_ids, *self.items.raw_ids]).encode())
        for column in (self.user_ids, self.item_ids, self.ratings, self.weights):
            digest.update(b"" if column is None else np.ascontiguousarray(column).data)
        return digest.hexdigest()[:16]

    def without_repeats(self) -> "Interactions":
        """Return one row per (user, item) pair: its last rating, in the original order.

        The last has the latest timestamp, and among equal timestamps, or without any, the
        last position. Weights are summed. All unknown users count as one user, and so do
        unknown items, so call this before `encode`.
        """
        repeated = pairs.repeated_rows(self.user_ids, self.item_ids, self.num_users, self.num_items)
        if not repeated:
            return self
        is_kept = np.ones(len(self), bool)
        weights = None if self.weights is None else self.weights.copy()
        for rows in repeated:
            some = self.take(rows)
            numbers = some.pairs()
            if some.timestamps is None:
                order = np.argsort(numbers, kind="stable")
            else:
                order = np.lexsort((some.timestamps, numbers))
            is_last = np.ones(len(order), bool)
            is_last[:-1] = np.diff(numbers[order]) != 0
            last = rows[order[is_last]]
            is_kept[rows] = False
            is_kept[last] = True
            if weights is not None and some.weights is not None:
                ends = np.flatnonzero(is_last) + 1
                starts = np.concatenate([[0], ends[:-1]])
                weights[last] = np.add.reduceat(some.weights[order].astype(np.float64), starts)
        return replace(self, weights=weights).take(is_kept)

    def pairs(self) -> np.ndarray:
        """Return one number for each row's (user, item): int64 [n], equal for equal pairs."""
        return pairs.numbers(self.user_ids, self.item_ids, self.num_items)

    def compact(self) -> "Interactions":
        """Return the same rows with vocabularies cut down to ids that occur, order kept."""
        user_ids, users = _compact(self.user_ids, self.user_counts, self.users)
        item_ids, items = _compact(self.item_ids, self.item_counts, self.items)
        return replace(self, user_ids=user_ids, item_ids=item_ids, users=users, items=items)

    def encode(self, users: Vocabulary, items: Vocabulary) -> "Interactions":
        """Return the same rows in other vocabularies, UNKNOWN where these lack the raw id."""
        return replace(
            self,
            user_ids=_translate(self.user_ids, self.users, users),
            item_ids=_translate(self.item_ids, self.items, items),
            users=users,
            items=items,
        )


def check_kind(value: Any, what: str) -> Interactions:
    """Return interactions; refuse what they are made of, such as a data frame.

    Raises:
        InputError: says how to make them.
    """
    if isinstance(value, Interactions) or getattr(value, "is_streamed", False):
        return value
    how = "from_arrays(user_ids, item_ids, ratings)"
    if hasattr(value, "columns") or isinstance(value, Mapping):
        how = "from_dataframe(…)"
    elif hasattr(value, "shape"):
        how = "from_matrix(…)"
    raise InputError(f"{what}: a {type(value).__name__}; give Interactions.{how}")


def require_ratings(rows: Interactions, what: str, use: str) -> None:
    """Refuse pairs without ratings where ratings are needed: theirs would all be 1.

    Args:
        rows: the ratings.
        what: they are, such as the name of a file.
        use: of the ratings, and what to do without any.

    Raises:
        InputError: there are none.
    """
    if not rows.has_ratings:
        raise InputError(f"{what} has no ratings, which {use}")


def _columns_of(frame: Any) -> list[Any]:
    """Return the names of a table's columns."""
    if isinstance(frame, Mapping):
        return list(frame)
    if type(frame).__name__ == "LazyFrame":
        raise InputError("a LazyFrame holds no rows yet; give frame.collect()")
    names = getattr(getattr(frame, "dtype", None), "names", None)
    for attribute in ("column_names", "columns"):
        names = getattr(frame, attribute, None) if names is None else names
    if names is None:
        raise InputError(f"{type(frame).__name__} is no table with named columns; see from_arrays")
    return list(names)


def _refuse_two_roles(wanted: Mapping[str, Any]) -> None:
    """Refuse one column as user and item, and the like."""
    roles: dict[Any, str] = {}
    for role, column in wanted.items():
        if column is not None and column in roles:
            raise InputError(
                f"column {column!r} as {roles[column]} and as {role}; name another {role}_column"
            )
        roles[column] = role


def _refused_column(frame: Any, columns: list[Any], column: Any, role: str) -> InputError:
    if column in columns:
        return InputError(
            f"{columns.count(column)} columns are named {column!r}; rename all but one"
        )
    if column in getattr(getattr(frame, "index", None), "names", ()):
        return InputError(f"{column!r} is the frame's index; give frame.reset_index()")
    found = ", ".join(map(str, columns))
    usual = [name for name in columns if plain_name(str(name)) in USUAL_NAMES.get(role, ())]
    how = f"give {role}_column={usual[0] if usual else '…'!r}"
    if role == "rating":
        how += ", or None for pairs without ratings"
    return InputError(f"no column {column!r} in the frame; its columns: {found}; {how}")


def continuing(rows: Interactions, users: Vocabulary, items: Vocabulary) -> Interactions:
    """Return the same rows in vocabularies that begin with these; new raw ids follow."""
    return rows.encode(users.continued(rows.users), items.continued(rows.items))


def concatenate(first: Interactions, second: Interactions) -> Interactions:
    """Return the rows of `first`, then those of `second`, in one pair of vocabularies.

    The vocabularies are those of `first` followed by what `second` adds. Timestamps, expected
    ratings and weights are kept if both have them.
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
    if old is new or old.raw_ids == new.raw_ids:
        return ids
    if len(ids) and not UNKNOWN <= ids.min() <= ids.max() < len(old):
        raise InputError(
            f"ids from {ids.min()} to {ids.max()} of a vocabulary with {len(old)} rows; "
            "from_arrays numbers raw ids"
        )
    # UNKNOWN is -1 and so reads the last entry.
    return np.append(old.rows_in(new), np.int32(UNKNOWN))[ids]


def _compact(
    ids: np.ndarray, counts: np.ndarray, vocabulary: Vocabulary
) -> tuple[np.ndarray, Vocabulary]:
    kept = np.flatnonzero(counts)
    if len(kept) == len(vocabulary):
        return ids, vocabulary
    new_ids = np.full(len(vocabulary) + 1, UNKNOWN, np.int32)
    new_ids[kept] = np.arange(len(kept))
    compacted = vocabulary.take(kept)
    vocabulary.remember(compacted, new_ids[:-1])
    return new_ids[ids], compacted

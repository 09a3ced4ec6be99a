"""A converted folder as training and evaluation see it: sizes at once, rows shard by shard.

    data = Converted.open("converted")
    train = data.part("train")
    len(train), train.user_counts, train.rating_mean     at once
    for rows in train.shards(): …                        `Interactions`, one shard at a time

Several workers share a folder: `data.dealt(W)` numbers users worker by worker, and its
`of_worker(w)` holds the shards s with s % W == w alone, and the users of these, who are numbered
from 0, so that a worker's tables are its own. Items have the same numbers everywhere, and
`item_counts` and the statistics are those of all workers.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Any, NoReturn

import numpy as np

from mfrec import digests
from mfrec.data.interactions import Interactions
from mfrec.data.shards.manifest import (
    NAME,
    PARTS,
    Folder,
    Manifest,
    file_of,
    load_manifest,
)
from mfrec.data.vocabulary import UNKNOWN, Vocabulary
from mfrec.errors import InputError

# Shards that are kept while users of a few of them are asked for.
_KEPT_SHARDS = 4


class NotInMemory(InputError):
    """A column of streamed rows is asked for."""


class Converted:
    """A converted folder, or a worker's share of it.

    Args:
        path: the folder.
        manifest: what it holds.
        numbers: the shards, in the order of their users' rows.
        num_workers: among whom the folder's shards are dealt; users are numbered worker by worker.

    Attributes:
        first_users: the row of the first user of each of these shards, int64 [shards + 1].
    """

    def __init__(
        self, path: str | Path, manifest: Manifest, numbers: Sequence[int], num_workers: int = 1
    ) -> None:
        self.path = Path(path)
        self.num_workers = num_workers
        self.manifest = manifest
        self.numbers = numbers
        self._files = Folder(path, manifest.conversion)
        sizes = [manifest.shards[number].users for number in numbers]
        self.first_users = np.cumsum([0, *sizes])

    @classmethod
    def open(cls, path: str | Path) -> "Converted":
        """Open a folder that convert.py made.

        Raises:
            InputError: it is none, or a file of it is missing.
        """
        manifest = load_manifest(path)
        numbers = range(len(manifest.shards))
        names = [file_of(part, n) for part in (*PARTS, "users") for n in numbers]
        for name in (*names, "items.tsv", "counts.npz"):
            if not (Path(path) / name).is_file():
                raise InputError(
                    f"{Path(path) / name}: no such file, and {NAME} names it; restore the file, or "
                    "convert again"
                )
        return cls(path, manifest, numbers)

    def dealt(self, num_workers: int) -> "Converted":
        """Return the folder for several workers: the shards of the first, then the second's, …

        Raises:
            InputError: the workers cannot have as many shards each.
        """
        # else the shard of a user would not follow from the user's worker
        if len(self.manifest.shards) % num_workers:
            raise InputError(
                f"{self.path}: {len(self.manifest.shards)} shards for {num_workers} workers; "
                f"convert with a multiple of {num_workers} as --num_shards"
            )
        own = (_of_worker(self.manifest, k, num_workers) for k in range(num_workers))
        numbers = [number for shards in own for number in shards]
        return Converted(self.path, self.manifest, numbers, num_workers)

    def of_worker(self, worker: int) -> "Converted":
        """Return the shards and users of one of the workers."""
        numbers = _of_worker(self.manifest, worker, self.num_workers)
        return Converted(self.path, self.manifest, numbers, self.num_workers)

    @cached_property
    def users(self) -> Vocabulary:
        """The users with training rows, shard after shard."""
        raw_ids = [
            raw_id
            for number in self.numbers
            for raw_id in self._users(number).raw_ids[: self.manifest.shards[number].users]
        ]
        return Vocabulary(tuple(raw_ids))

    @cached_property
    def items(self) -> Vocabulary:
        """The items with training rows."""
        items = self._files.load_vocabulary("items.tsv", self.manifest)
        return items.take(np.arange(self.manifest.num_items))

    @cached_property
    def counts(self) -> dict[str, np.ndarray]:
        """The arrays of counts.npz, those of users for these shards' users."""
        arrays = self._files.load_arrays("counts.npz")
        firsts = np.cumsum([0, *(shard.users for shard in self.manifest.shards)])
        own = [np.arange(firsts[number], firsts[number + 1]) for number in self.numbers]
        rows = np.concatenate([np.empty(0, np.int64), *own])
        return {n: a[rows] if n.startswith("user_") else a for n, a in arrays.items()}

    @property
    def whole(self) -> "Converted":
        """The folder with the shards of all workers."""
        return self.dealt(self.num_workers)

    def take_vocabularies(self, users: Vocabulary, items: Vocabulary) -> None:
        """Use vocabularies that were read elsewhere, instead of reading them from the folder.

        Raises:
            InputError: they are of other sizes.
        """
        if (len(users), len(items)) != (self.first_users[-1], self.manifest.num_items):
            raise InputError(f"{self.path}: has other users and items than the run; restore it")
        self.__dict__.update(users=users, items=items)

    def part(self, name: str) -> "ShardedRatings | None":
        """Return "train", "validation" or "test"; None if it has no rows."""
        part = ShardedRatings(self, name)
        return part if len(part) else None

    def columns(self, part: str, number: int) -> dict[str, np.ndarray]:
        """Return the columns of a shard, users as rows of all these shards'; UNKNOWN where training
        knows none.

        Raises:
            InputError: its file is missing, damaged or of another conversion.
        """
        arrays = self._files.load_arrays(file_of(part, number))
        first = self.users_of(number).start
        users, items = arrays["user_ids"], arrays["item_ids"]
        is_known = users < self.manifest.shards[number].users
        users = np.where(is_known, users + np.int32(first), np.int32(UNKNOWN))
        items = np.where(items < self.manifest.num_items, items, np.int32(UNKNOWN))
        return arrays | {"user_ids": users, "item_ids": items}

    def users_of(self, number: int) -> range:
        """Return the rows of a shard's users."""
        place = self.numbers.index(number)
        return range(*self.first_users[place : place + 2].tolist())

    def raw_pairs(self, part: str, number: int) -> tuple[list[str], list[str]]:
        """Return the raw users and items of a shard's rows, those that training lacks too."""
        arrays = self._files.load_arrays(file_of(part, number))
        users = self._users(number).raw_ids
        items = self._files.load_vocabulary("items.tsv", self.manifest).raw_ids
        return (
            [users[row] for row in arrays["user_ids"].tolist()],
            [items[row] for row in arrays["item_ids"].tolist()],
        )

    def digest(self, part: str) -> str:
        """Return a fingerprint of a part's rows: conversion and part tell it."""
        return digests.of_bytes(self.manifest.conversion, part, b"")[:16]

    def _users(self, number: int) -> Vocabulary:
        return self._files.load_vocabulary(file_of("users", number), self.manifest)


def _of_worker(manifest: Manifest, worker: int, num_workers: int) -> range:
    """Return the shards of a worker."""
    return range(worker, len(manifest.shards), num_workers)


class ShardedRatings:
    """A part of a converted folder; what it lacks of `Interactions` are the columns.

    Args:
        data: the folder.
        name: "train", "validation" or "test".
    """

    is_streamed = True
    expected_ratings = None

    def __init__(self, data: Converted, name: str) -> None:
        self.data = data
        self.name = name
        self._kept_columns = lru_cache(_KEPT_SHARDS)(lambda number: data.columns(name, number))

    def __len__(self) -> int:
        return sum(self.rows_of(number) for number in self.data.numbers)

    def rows_of(self, number: int) -> int:
        """Return the number of rows of a shard."""
        return self.data.manifest.shards[number].rows[self.name]

    @property
    def whole(self) -> "ShardedRatings":
        """The rows of all users, where these are the share of one of several workers."""
        data = self.data
        return self if len(data.numbers) == len(data.manifest.shards) else self._whole

    @cached_property
    def _whole(self) -> "ShardedRatings":
        return ShardedRatings(self.data.whole, self.name)

    @property
    def users(self) -> Vocabulary:
        """The users with training rows."""
        return self.data.users

    @property
    def items(self) -> Vocabulary:
        """The items with training rows."""
        return self.data.items

    @property
    def num_users(self) -> int:
        """The number of users with training rows."""
        return int(self.data.first_users[-1])

    @property
    def num_items(self) -> int:
        """The number of items with training rows."""
        return self.data.manifest.num_items

    @property
    def has_ratings(self) -> bool:
        """False if the data are pairs without ratings, so that all ratings are 1."""
        return self.data.manifest.has_ratings

    @property
    def has_weights(self) -> bool:
        """Whether rows have weights."""
        return self.data.manifest.has_weights

    @cached_property
    def user_counts(self) -> np.ndarray:
        """The number of rows of each user, int64 [num_users]."""
        if self.name == "train":
            return self.data.counts["user_counts"].astype(np.int64)
        return sum((rows.user_counts for rows in self.shards()), np.zeros(self.num_users, np.int64))

    @cached_property
    def item_counts(self) -> np.ndarray:
        """The number of rows of each item, int64 [num_items]; with several workers of all."""
        if self.name == "train":
            return self.data.counts["item_counts"]
        return sum((rows.item_counts for rows in self.shards()), np.zeros(self.num_items, np.int64))

    @property
    def user_weights(self) -> np.ndarray:
        """The sum of the weights of each user's training rows, float64 [num_users]."""
        name = "user_weights" if self.has_weights else "user_counts"
        return self.data.counts[name].astype(np.float64)

    @property
    def item_sums(self) -> np.ndarray:
        """The sum of each item's training ratings, float64 [num_items]."""
        return self.data.counts["item_sums"]

    @property
    def rating_range(self) -> tuple[float, float]:
        """The lowest and the highest training rating."""
        return self.data.manifest.statistics.low, self.data.manifest.statistics.high

    @property
    def rating_mean(self) -> float:
        """The mean of the training ratings."""
        return self.data.manifest.statistics.mean

    @property
    def rating_stddev(self) -> float:
        """The standard deviation of the training ratings."""
        return self.data.manifest.statistics.stddev

    def shards(self) -> Iterator[Interactions]:
        """Yield the rows shard by shard, in the ids of the training part."""
        return map(self.shard, self.data.numbers)

    def shard(self, number: int) -> Interactions:
        """Return the rows of a shard, in the ids of the training part."""
        columns = self.data.columns(self.name, number)
        return Interactions(
            columns["user_ids"],
            columns["item_ids"],
            columns["ratings"],
            None,
            self.users,
            self.items,
            weights=columns.get("weights"),
            has_ratings=self.has_ratings,
        )

    def items_of(self, user: int) -> np.ndarray:
        """Return the items of a user's rows, rising."""
        number = self.data.numbers[int(np.searchsorted(self.data.first_users, user, "right")) - 1]
        columns = self._kept_columns(number)
        # user by user
        start, stop = np.searchsorted(columns["user_ids"], [user, user + 1])
        items = columns["item_ids"][start:stop]
        return np.sort(items[items != UNKNOWN])

    def encode(self, users: Vocabulary, items: Vocabulary) -> "ShardedRatings":
        """Return the same part: streamed rows keep their vocabularies.

        Raises:
            InputError: the vocabularies are others.
        """
        same = (users is self.users or users.raw_ids == self.users.raw_ids) and (
            items is self.items or items.raw_ids == self.items.raw_ids
        )
        if not same:
            raise InputError(
                f"{self.data.path}: its users and items are others than the model's; train anew"
            )
        return self

    def __getattr__(self, name: str) -> Any:
        if name in ("user_ids", "item_ids", "ratings", "take", "pairs", "weights_or_ones"):
            self._refuse(name)
        raise AttributeError(name)

    def _refuse(self, name: str) -> NoReturn:
        raise NotInMemory(
            f"train.{name}: the converted folder {self.data.path} is streamed, so only counts and "
            "statistics of all rows are in memory; read these, or train on the original file"
        )


@contextmanager
def naming(flag: str) -> Iterator[None]:
    """Let errors about what a converted folder lacks begin with the flag that asks for it."""
    try:
        yield
    except NotInMemory as error:
        raise InputError(f"{flag} asks for {error}") from None

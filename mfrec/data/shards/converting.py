"""A file of ratings becomes a folder of shards, in memory that does not grow with the file.

One pass over the file numbers ids and deals rows by their user to parts on disk. Then part by
part, which hold all rows of their users: repeated pairs are dropped, rows are split, and a shard is
written. In memory is a chunk of the file, a shard, and the vocabularies: about 150 bytes an id.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from mfrec import digests
from mfrec.config.settings import PositivesConfig
from mfrec.data import items as labelling
from mfrec.data import positives, suspicions
from mfrec.data.chunks import Chunk
from mfrec.data.dealing import hashes_of
from mfrec.data.interactions import Interactions
from mfrec.data.shards.cutting import Cut
from mfrec.data.shards.manifest import PARTS, Folder, Manifest, Shard, Statistics, file_of
from mfrec.data.shards.spilling import Spill
from mfrec.data.splits import NOTHING_LEFT, count_of
from mfrec.data.vocabulary import Vocabulary
from mfrec.errors import InputError
from mfrec.progress import Progress

# Shards of a conversion that names no number: the first that leaves at most so many rows a shard.
# Each divides the last one, so that rows can be dealt before it is known how many there are.
SHARD_COUNTS = (12, 24, 60, 120, 240)
SHARD_ROWS = 1_000_000


@dataclass(frozen=True)
class Recipe:
    """How ratings are converted.

    Attributes:
        cut: the split.
        positives: which rows count.
        missing_ratings: ratings that stand for none.
        num_shards: how many; by default one of `SHARD_COUNTS`.
        source: the name of the file without its endings.
        descriptions: labels of the items, if there are any.
    """

    cut: Cut
    positives: PositivesConfig
    missing_ratings: tuple[float, ...] = ()
    num_shards: int | None = None
    source: str = "ratings"
    descriptions: labelling.ItemDescriptions | None = None


def convert(chunks: Iterator[Chunk], folder: Path, recipe: Recipe) -> Manifest:
    """Convert ratings, chunk by chunk.

    Args:
        chunks: the rows of a file, see `chunks.read`.
        folder: an empty folder.
        recipe: what to do with them.

    Raises:
        InputError: a line cannot be read, or no training rows are left.
    """
    conversion = _Conversion(folder, recipe)
    with Progress("reading") as progress:
        for rows, notes in chunks:
            conversion.add(rows, notes)
            progress.update(conversion.num_rows, f"{conversion.num_rows:,} rows")
    return conversion.finish()


class _Numbers:
    """Raw ids numbered in order of first appearance, and a hash of each."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._hashes: list[np.ndarray] = []

    def add(self, raw_ids: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the numbers of raw ids, int32, and the hashes of all so far."""
        numbers, before = self._numbers, len(self._numbers)
        found = [numbers.setdefault(raw_id, len(numbers)) for raw_id in raw_ids]
        if len(numbers) > before:
            new = [raw_id for raw_id, n in zip(raw_ids, found, strict=True) if n >= before]
            self._hashes.append(hashes_of(new))
            if len(self._hashes) > 1:
                self._hashes = [np.concatenate(self._hashes)]
        return np.array(found, np.int32), self._hashes[0]

    def close(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Return all raw ids and their hashes, and forget how they are looked up."""
        raw_ids, self._numbers = tuple(self._numbers), {}
        return raw_ids, self._hashes[0]


class _Conversion:
    """One conversion: `add` every chunk, then `finish`."""

    def __init__(self, folder: Path, recipe: Recipe) -> None:
        self._recipe = recipe
        self._files = Folder(folder, digests.new_run())
        self._users, self._items = _Numbers(), _Numbers()
        self._num_parts = recipe.num_shards or SHARD_COUNTS[-1]
        self._spill: Spill | None = None
        self._notes: dict[str, None] = {}
        self._has_ratings = self._has_weights = True
        self._num_missing = self._repeated = self._disliked = self._untested = 0
        self._shards: list[Shard] = []
        self._user_counts: list[np.ndarray] = []
        self._user_weights: list[np.ndarray] = []
        self._digests: dict[str, str] = {}
        self._sample: list[Interactions] = []
        self.num_rows = 0

    def add(self, rows: Interactions, notes: Sequence[str]) -> None:
        """Number the ids of a chunk, and put its rows on the disk."""
        self._notes |= dict.fromkeys(notes)
        self.num_rows += len(rows)
        rows = self._without_missing(rows)
        if self._spill is None:
            has_times, self._has_weights = rows.timestamps is not None, rows.weights is not None
            self._has_ratings = rows.has_ratings
            self._check(rows)
            self._spill = Spill(self._files.path, self._num_parts, has_times, self._has_weights)
        users, user_hashes = self._users.add(rows.users.raw_ids)
        items, _ = self._items.add(rows.items.raw_ids)
        user_ids, item_ids = users[rows.user_ids], items[rows.item_ids]
        columns = {"user_ids": user_ids, "item_ids": item_ids, "ratings": rows.ratings}
        if rows.timestamps is not None:
            columns["timestamps"] = rows.timestamps
            self._recipe.cut.look_at(rows.timestamps)
        if rows.weights is not None:
            columns["weights"] = rows.weights
        self._spill.add((user_hashes % np.uint32(self._num_parts))[user_ids], **columns)

    def _without_missing(self, rows: Interactions) -> Interactions:
        codes = self._recipe.missing_ratings
        if not codes:
            return rows
        if not rows.has_ratings:
            # says that there are none
            positives.without_missing(rows, codes)
        kept = rows.take(~np.isin(rows.ratings, np.array(codes, np.float32)))
        self._num_missing += len(rows) - len(kept)
        return kept

    def _check(self, rows: Interactions) -> None:
        settings = self._recipe.positives
        if settings.min_rating is not None and not rows.has_ratings:
            raise InputError(
                f"--min_rating={settings.min_rating:g} needs ratings and the data have none; "
                "leave it out"
            )
        if self._recipe.cut.needs_times and rows.timestamps is None:
            raise InputError(
                f"a {self._recipe.cut.split} split needs timestamps, and the ratings have none; "
                "add them or take another split"
            )

    def finish(self) -> Manifest:
        """Write the shards and all else, and return what the folder holds."""
        spill, recipe = self._spill, self._recipe
        if spill is None:
            raise InputError(NOTHING_LEFT)
        raw_users, user_hashes = self._users.close()
        raw_items, item_hashes = self._items.close()
        items = Vocabulary(raw_items)
        self._sums = _Sums(len(items))
        self._item_rows = {part: np.zeros(len(items), np.int64) for part in PARTS}
        num_shards = recipe.num_shards or _num_shards(int(spill.counts.sum()))
        recipe.cut.decide(spill.times() if recipe.cut.needs_times else ())
        with Progress("writing shards", num_shards) as progress:
            for number in range(num_shards):
                own = spill.take(list(range(number, self._num_parts, num_shards)))
                user_rows, user_ids = np.unique(own["user_ids"], return_inverse=True)
                users = Vocabulary(tuple(raw_users[row] for row in user_rows.tolist()))
                rows = self._distinct(own, user_ids.astype(np.int32), users, items)
                parts = recipe.cut.parts(rows, user_hashes[user_rows], item_hashes, number)
                self._save_shard(number, parts)
                progress.update(number + 1)
        if not self._sums.count:
            raise InputError(NOTHING_LEFT)
        item_rows = self._number_items(num_shards)
        items = items.take(item_rows)
        if recipe.descriptions:
            items = labelling.labelled(items, recipe.descriptions)
        self._digests["items.tsv"] = self._files.save_vocabulary("items.tsv", items)
        self._save_counts(item_rows)
        manifest = self._manifest(items)
        self._files.save_manifest(manifest)
        return manifest

    def _distinct(
        self, own: np.ndarray, user_ids: np.ndarray, users: Vocabulary, items: Vocabulary
    ) -> Interactions:
        """The rows of a shard that count, one a pair."""
        names = own.dtype.names or ()
        rows = Interactions(
            user_ids,
            own["item_ids"].copy(),
            own["ratings"].copy(),
            own["timestamps"].copy() if "timestamps" in names else None,
            users,
            items,
            weights=own["weights"].copy() if "weights" in names else None,
            has_ratings=self._has_ratings,
        )
        settings = self._recipe.positives
        distinct = positives.weighted(rows.without_repeats(), settings.weight_transform)
        self._repeated += len(rows) - len(distinct)
        if settings.min_rating is None:
            return distinct
        liked = distinct.take(distinct.ratings >= np.float32(settings.min_rating))
        self._disliked += len(distinct) - len(liked)
        return liked

    def _save_shard(self, number: int, parts: dict[str, Interactions]) -> None:
        """Write the rows and the users of a shard, and add up what is said of all of them."""
        train = parts["train"]
        is_trained, has_rows = train.user_counts > 0, sum(p.user_counts for p in parts.values()) > 0
        # users without a training row come last
        order = np.concatenate([np.flatnonzero(is_trained), np.flatnonzero(has_rows & ~is_trained)])
        num_users = int(is_trained.sum())
        new_ids = np.empty(len(is_trained), np.int32)
        new_ids[order] = np.arange(len(order), dtype=np.int32)
        users = train.users.take(order)
        name = file_of("users", number)
        self._digests[name] = self._files.save_vocabulary(name, users)
        for part, rows in parts.items():
            rows = replace(rows, user_ids=new_ids[rows.user_ids], users=users)
            rows = rows.take(np.argsort(rows.user_ids, kind="stable"))
            self._files.save_arrays(file_of(part, number), columns_of(rows))
            self._item_rows[part] += rows.item_counts
        self._sums.add(train)
        self._user_counts.append(train.user_counts[order[:num_users]].astype(np.int32))
        self._user_weights.append(train.user_weights[order[:num_users]])
        self._untested += int((parts["test"].user_counts[is_trained] == 0).sum())
        sizes = {part: len(rows) for part, rows in parts.items()}
        self._shards.append(Shard(num_users, len(users), sizes))
        if sum(map(len, self._sample)) < SHARD_ROWS and len(train):
            self._sample.append(train)

    def _number_items(self, num_shards: int) -> np.ndarray:
        """Let items without a training row come last; return the order of the items."""
        is_trained = self._item_rows["train"] > 0
        has_rows = sum(self._item_rows.values()) > 0
        order = np.concatenate([np.flatnonzero(is_trained), np.flatnonzero(has_rows & ~is_trained)])
        if len(order) == len(is_trained) and is_trained.all():
            return order
        new_ids = np.empty(len(is_trained), np.int32)
        new_ids[order] = np.arange(len(order), dtype=np.int32)
        for name in (file_of(part, number) for part in PARTS for number in range(num_shards)):
            arrays = self._files.load_arrays(name)
            self._files.save_arrays(name, arrays | {"item_ids": new_ids[arrays["item_ids"]]})
        return order

    def _save_counts(self, item_rows: np.ndarray) -> None:
        trained = item_rows[self._item_rows["train"][item_rows] > 0]
        arrays = {
            "user_counts": np.concatenate(self._user_counts),
            "item_counts": self._item_rows["train"][trained],
            "item_sums": self._sums.by_item[trained],
        }
        if self._has_weights:
            arrays["user_weights"] = np.concatenate(self._user_weights)
        self._files.save_arrays("counts.npz", arrays)

    def _manifest(self, items: Vocabulary) -> Manifest:
        num_items = int((self._item_rows["train"] > 0).sum())
        rows = {part: sum(shard.rows[part] for shard in self._shards) for part in PARTS}
        num_users = sum(shard.users for shard in self._shards)
        counts = {
            **rows,
            "repeated_pairs": self._repeated,
            "users": num_users,
            "items": num_items,
            "untrained_items": 0,
            **self._unknown(num_items),
            "untested_users": self._untested,
            "overlap": 0,
        }
        if self._num_missing:
            counts["missing_ratings"] = self._num_missing
        return Manifest(
            self._files.conversion,
            self._recipe.source,
            self._recipe.cut.describe(),
            num_items,
            len(items),
            self._has_ratings,
            self._has_weights,
            self._sums.statistics(),
            counts,
            tuple(self._shards),
            self._digests,
            tuple(self._all_notes()),
            tuple(self._warnings()),
        )

    def _unknown(self, num_items: int) -> dict[str, int]:
        """Users, items and rows of the test part that training lacks."""
        items: set[int] = set()
        users = rows = 0
        for number, shard in enumerate(self._shards):
            test = self._files.load_arrays(file_of("test", number))
            is_user, is_item = test["user_ids"] >= shard.users, test["item_ids"] >= num_items
            users += len(np.unique(test["user_ids"][is_user]))
            items |= set(np.unique(test["item_ids"][is_item]).tolist())
            rows += int((is_user | is_item).sum())
        return {"unknown_users": users, "unknown_items": len(items), "unknown_rows": rows}

    def _all_notes(self) -> Iterator[str]:
        yield from self._notes
        if self._num_missing:
            yield f"{count_of(self._num_missing, 'rating')} of --missing_ratings left out"
        if not self._has_ratings:
            yield "no ratings: every pair counts as a positive"
        if self._repeated:
            kept = "the last rating is kept" if self._has_ratings else "each counts once"
            if self._has_weights:
                kept = "their weights are added up"
            yield f"{count_of(self._repeated, 'repeated pair')} dropped: {kept}"
        if self._disliked:
            yield (
                f"{count_of(self._disliked, 'pair')} dropped: rated below "
                f"{self._recipe.positives.min_rating:g}"
            )

    def _warnings(self) -> list[str]:
        """What is suspicious about the ratings of the first shards."""
        columns = [columns_of(rows) for rows in self._sample]
        joined = {name: np.concatenate([c[name] for c in columns]) for name in columns[0]}
        some = Interactions(
            **joined,
            timestamps=None,
            users=self._sample[0].users,
            items=self._sample[0].items,
            has_ratings=self._has_ratings,
        )
        rows = {part: int(counts.sum()) for part, counts in self._item_rows.items()}
        lacking = (
            f"{self._recipe.cut.describe()} leaves no {part} part"
            for part in self._recipe.cut.lacking(rows)
        )
        return [*suspicions.of_ratings(some), *lacking]


class _Sums:
    """Sums over the training ratings, shard by shard.

    Args:
        num_items: all items so far.

    Attributes:
        count: the number of ratings.
        by_item: the sum of each item's ratings, float64 [num_items].
    """

    def __init__(self, num_items: int) -> None:
        self.count = 0
        self.by_item = np.zeros(num_items)
        self._mean = self._squares = 0.0
        self._ends = (np.inf, -np.inf)

    def add(self, train: Interactions) -> None:
        """Add a shard's ratings; their squared deviations are joined as Chan et al. 1979 do."""
        if not len(train):
            return
        ratings = train.ratings.astype(np.float64)
        self.by_item += np.bincount(train.item_ids, ratings, minlength=len(self.by_item))
        total = self.count + len(ratings)
        off = ratings.mean() - self._mean
        self._squares += ratings.var() * len(ratings)
        self._squares += off**2 * self.count * len(ratings) / total
        self._mean += off * len(ratings) / total
        self._ends = min(self._ends[0], ratings.min()), max(self._ends[1], ratings.max())
        self.count = total

    def statistics(self) -> Statistics:
        """Return the statistics of all ratings so far."""
        stddev = float(np.sqrt(self._squares / self.count))
        return Statistics(float(self._mean), stddev, *map(float, self._ends))


def columns_of(rows: Interactions) -> dict[str, np.ndarray]:
    """Return the columns of rows as a shard holds them."""
    columns = {"user_ids": rows.user_ids, "item_ids": rows.item_ids, "ratings": rows.ratings}
    return columns if rows.weights is None else columns | {"weights": rows.weights}


def _num_shards(num_rows: int) -> int:
    """The first of `SHARD_COUNTS` that leaves few enough rows a shard."""
    fitting = (count for count in SHARD_COUNTS if num_rows <= count * SHARD_ROWS)
    return next(fitting, SHARD_COUNTS[-1])

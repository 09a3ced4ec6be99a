"""The k best of a row of scores, and the items that each user has.

Shared by evaluation, recommending and export: highest scores first, lower ids first among equal
scores. Nothing here is compiled by XLA: compiling takes as long as answering one user, and gains
next to nothing for many.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from mfrec.data.interactions import Interactions, check_kind
from mfrec.data.pairs import distinct
from mfrec.data.vocabulary import UNKNOWN
from mfrec.quiet_tensorflow import tf

# Scores that lie together and are reduced first.
CHUNK = 32

_BLOCK_BYTES = 1 << 25
_BLOCK_USERS = 1024


def users_per_block(num_items: int) -> int:
    """Return the number of users whose scores fit 32 MB, at most 1,024."""
    return min(_BLOCK_USERS, max(1, _BLOCK_BYTES // (4 * num_items)))


def best_items(scores: tf.Tensor, k: int | tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Return the items with the k best scores, in order, and these scores.

    They all lie in the k chunks with the highest maxima, earlier chunks first among equal ones:
    where an item's chunk is not among these, each of them has an item that comes before it.

    Args:
        scores: float32 [B, num_items], −∞ where an item may not be listed.
        k: length of the lists, at most num_items.

    Returns:
        Item ids, int32 [B, k], UNKNOWN from where only −∞ is left; their scores, float32 [B, k].
    """
    filling = -scores.shape[1] % CHUNK
    if filling:
        scores = tf.pad(scores, [[0, 0], [0, filling]], constant_values=-np.inf)
    num_chunks = scores.shape[1] // CHUNK
    chunks = tf.reshape(scores, (-1, num_chunks, CHUNK))
    places = tf.math.top_k(tf.reduce_max(chunks, axis=2), tf.minimum(k, num_chunks)).indices
    # in the order of the ids again, for top_k puts the first of equal scores first
    places = tf.sort(places, axis=1)
    candidates = tf.gather(chunks, places, batch_dims=1)
    candidates = tf.reshape(candidates, (-1, tf.shape(places)[1] * CHUNK))
    best = tf.math.top_k(candidates, k)
    items = tf.gather(places, best.indices // CHUNK, batch_dims=1) * CHUNK + best.indices % CHUNK
    return tf.where(best.values == -np.inf, UNKNOWN, items), best.values


@dataclass(frozen=True, eq=False)
class ItemsByUser:
    """Distinct items of every user.

    Attributes:
        item_ids: int64 [n], user by user, each in rising order.
        counts: items of each user, int64 [num_users].
        num_items: of the catalogue.
        first_user: the users are those of these rows on: all, or those of a shard.
    """

    item_ids: np.ndarray
    counts: np.ndarray
    num_items: int
    first_user: int = 0

    @classmethod
    def from_parts(
        cls, train: Interactions, parts: Sequence[Interactions], users: range | None = None
    ) -> "ItemsByUser":
        """Return the items of the parts' rows in the training vocabularies, without unknown ids.

        Args:
            train: the training part.
            parts: rows in any vocabularies.
            users: the rows of the users who have any of the items; by default all.
        """
        users = range(train.num_users) if users is None else users
        pairs = []
        for part in parts:
            part = check_kind(part, "rows").encode(train.users, train.items)
            known = (part.user_ids != UNKNOWN) & (part.item_ids != UNKNOWN)
            user_ids = part.user_ids[known].astype(np.int64) - users.start
            pairs.append(user_ids * train.num_items + part.item_ids[known])
        found = cls.from_pairs(np.concatenate(pairs), len(users), train.num_items)
        return replace(found, first_user=users.start)

    @classmethod
    def from_pairs(cls, pairs: np.ndarray, num_users: int, num_items: int) -> "ItemsByUser":
        """Return the items of pairs user · num_items + item, int64 [n], in any order, repeated."""
        users, item_ids = np.divmod(distinct(pairs), num_items)
        return cls(item_ids, np.bincount(users, minlength=num_users), num_items)

    @classmethod
    def of_shards(cls, parts: Sequence[Any]) -> "ItemsByUser":
        """Return the items of all users in streamed parts, `ShardedRatings` of one folder."""
        train, data = parts[0], parts[0].data
        found = [
            cls.from_parts(train, [part.shard(number) for part in parts], data.users_of(number))
            for number in data.numbers
        ]
        item_ids, counts = (
            np.concatenate([getattr(of, n) for of in found]) for n in ("item_ids", "counts")
        )
        return cls(item_ids, counts, train.num_items)

    @classmethod
    def of_users(cls, parts: Sequence[Any], user_ids: np.ndarray) -> "ItemsByUser":
        """Return the items of some users in streamed parts, from the shards that hold them.

        Args:
            parts: `ShardedRatings` of one folder.
            user_ids: rows of users, near each other; UNKNOWN allowed.
        """
        train = parts[0]
        known = user_ids[user_ids != UNKNOWN]
        users = range(int(known.min()), int(known.max()) + 1) if len(known) else range(0)
        pairs = [np.empty(0, np.int64)]
        for part in parts:
            for user in np.unique(known).tolist():
                items = part.items_of(user)
                pairs.append((user - users.start) * np.int64(train.num_items) + items)
        found = cls.from_pairs(np.concatenate(pairs), max(len(users), 1), train.num_items)
        return replace(found, first_user=users.start)

    @cached_property
    def pairs(self) -> np.ndarray:
        """user · num_items + item, int64 [n], rising."""
        users = np.repeat(np.arange(len(self.counts)), self.counts)
        return users * self.num_items + self.item_ids

    @cached_property
    def users_per_item(self) -> np.ndarray:
        """The number of users who have each item, int64 [num_items]."""
        return np.bincount(self.item_ids, minlength=self.num_items)

    @cached_property
    def _ends(self) -> np.ndarray:
        return np.cumsum(self.counts)

    def select(self, user_ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return owners (positions in `user_ids`) and item ids of these users, int64 [n] each.

        An UNKNOWN user has no items.
        """
        is_unknown = user_ids == UNKNOWN
        user_ids = np.where(is_unknown, 0, user_ids - self.first_user)
        counts = np.where(is_unknown, 0, self.counts[user_ids])
        owners = np.repeat(np.arange(len(user_ids)), counts)
        # a user's last item is at the end of that user's part
        behind = np.cumsum(counts)[owners] - np.arange(len(owners))
        return owners, self.item_ids[self._ends[user_ids][owners] - behind]

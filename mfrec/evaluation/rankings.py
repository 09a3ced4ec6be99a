"""What a ranking is measured by: the full catalogue, ranked exactly, for every user.

Every user with a held-out item gets the whole catalogue scored and ranked, except for the items
they had in training; `mfrec.metrics` says what is then made of it. Nothing is sampled and nothing
rounded: the rank of a held-out item comes from comparing its score with all others of the same
row, so that mrr and auc see the whole ranking and equal scores are equal.

Users go through in blocks of some megabytes of scores, on the training device:

1. `score` fills a matrix [block, num_items], compiled together with what cleans it.
2. Masked items become −∞.
3. `best_items` finds the lists, lower ids first among equal scores.
4. One pass over each row counts who stands before the held-out items.

Users come in order of their number of held-out items, so that a block has little padding.
"""

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from mfrec.data.interactions import UNKNOWN, Interactions
from mfrec.errors import InputError
from mfrec.evaluation import metrics, significance
from mfrec.evaluation.top_items import CHUNK, ItemsByUser, best_items, users_per_block
from mfrec.quiet_tensorflow import graph_function, tf

Score = Callable[[tf.Tensor], tf.Tensor]

# Held-out items of a user that one pass over the scores counts for.
_ITEMS_PER_PASS = 4
_HALF = 1 << 16

# So many users' lists are compared before masking, and so large a share of equal ones smells.
_LISTS_COMPARED = 200
_FEWEST_LISTS = 10
_EQUAL_LISTS = 0.9


@dataclass(frozen=True, eq=False)
class RankingResult:
    """What one evaluation found.

    Attributes:
        metrics: every metric by name; the accuracy metrics are means over the users.
        per_user: the metrics that single users have, float64 [num_users] each.
        user_ids: the users evaluated, rows of the training vocabulary, int32 [num_users].
        counts: "users" evaluated; "held_out" items in their T, of which "unknown_items" that
            training has never seen and "outside_candidates" that may not be recommended, both
            misses; "overlap", those that the user also had in training (masked, they are misses
            as well); "cold_rows", held-out rows of users whom training has never seen and
            who are not evaluated; "exhausted_users" with fewer candidates than the largest k.
        warnings: one line for each thing that smells.
        protocol: one line that says what the numbers mean.
        seed: of the bootstrap.
    """

    metrics: dict[str, float]
    per_user: dict[str, np.ndarray]
    user_ids: np.ndarray
    counts: dict[str, int]
    warnings: list[str]
    protocol: str
    seed: int = 0

    @cached_property
    def intervals(self) -> dict[str, tuple[float, float]]:
        """95 % bootstrap intervals over users of the metrics in `per_user`, drawn when asked for.

        coverage@k and gini@k have none. They are no means over users: a resample holds some
        lists twice and others not at all, and so covers less than the real ones, always.
        """
        values = np.stack(list(self.per_user.values()), axis=1)
        intervals = significance.bootstrap_intervals(values, self.seed).tolist()
        return dict(zip(self.per_user, map(tuple, intervals), strict=True))

    def below(self, popularity: "RankingResult") -> list[str]:
        """A warning for each ndcg@k in which the popularity baseline is better."""
        return [
            f"{name} {value:.4f} is below the {popularity.metrics[name]:.4f} of recommending "
            "everybody the most popular items"
            for name, value in self.metrics.items()
            if name.startswith("ndcg") and value < popularity.metrics[name]
        ]


class RankingEvaluator:
    """Ranks the catalogue for every user with a held-out item.

    Every held-out row counts as an item of T, whatever its rating; repeated pairs count once.

    Args:
        train: the training part. Its vocabularies are the users and the catalogue; its items
            are masked, and their numbers of users are the popularity baseline. Of users whom
            training does not know, the rows that are folded in.
        seen: further rows to mask, such as the validation part when testing.
        cutoffs: the k of the metrics, each at least 1.
        mask_seen: False ranks what the user had in training like everything else.
        popularity: what training learnt from where `train` is folded in, in any vocabularies: the
            users of its items are the popularity baseline then.
        candidate_items: the only items that may be recommended, int [n] ids; by default all.
        candidates: fixed negatives, as `read_candidates` reads them: a user's held-out
            items are ranked among the negatives of that user, whatever they had in training (the
            sampled protocol of He et al. 2017, "Neural collaborative filtering"). Novelty, coverage
            and gini are left out then: lists of samples say nothing about the catalogue.
        seed: of the random baseline and of the bootstrap.
        block_users: users a block; by default as many as fit 32 MB of scores, at most 1,024.

    Raises:
        InputError: a cutoff below 1, no candidate, or two ways to restrict them.
    """

    def __init__(
        self,
        train: Interactions,
        *,
        seen: Interactions | None = None,
        cutoffs: Sequence[int] = (10,),
        mask_seen: bool = True,
        popularity: Interactions | None = None,
        candidate_items: np.ndarray | None = None,
        candidates: Interactions | None = None,
        seed: int = 0,
        block_users: int | None = None,
    ) -> None:
        if not cutoffs or min(cutoffs) < 1:
            raise InputError(f"cutoffs {list(cutoffs)}; give one or more, each at least 1")
        if candidates is not None and candidate_items is not None:
            raise InputError("fixed negatives and a list of candidate items; leave one out")
        self._train = train
        self._cutoffs = sorted(set(cutoffs))
        self._seed = seed
        self._longest = min(self._cutoffs[-1], train.num_items)
        self._block_users = block_users or users_per_block(train.num_items)
        self._seen = ItemsByUser.of_parts(train, [train] if seen is None else [train, seen])
        self._masks = "training and validation" if seen is not None else "training"
        if popularity is not None:
            self._masks = "folded-in"
        if not mask_seen or candidates is not None:
            self._masks = ""
        self._negatives = None if candidates is None else ItemsByUser.of_parts(train, [candidates])
        self._is_candidate = np.full(train.num_items, candidate_items is None)
        if candidate_items is not None:
            self._is_candidate[candidate_items] = True
        if not self._is_candidate.any():
            raise InputError("no item may be recommended; name at least one candidate")
        popularity = train if popularity is None else popularity
        popularity = popularity.encode(popularity.users, train.items)
        had = ItemsByUser.of_parts(popularity, [popularity])
        self._users_of_item = np.bincount(had.item_ids, minlength=train.num_items)
        self._num_training_users = np.count_nonzero(had.counts)
        self._compiled: dict[Score, Callable[..., tuple[tf.Tensor, tf.Tensor]]] = {}

    def evaluate(self, score: Score, held_out: Interactions) -> RankingResult:
        """Measures a scoring function.

        Args:
            score: maps user ids, int32 [B], to their scores of the whole catalogue, float32
                [B, num_items]. It is compiled once for every function that equals no earlier
                one; a bound method does, a new lambda does not.
            held_out: the rows whose items should rank high, in any vocabularies.

        Raises:
            InputError: no held-out row has a user of the training part, a user has no fixed
                negatives, or a score is not finite.
        """
        held_out = held_out.encode(self._train.users, self._train.items)
        positives = ItemsByUser.of_parts(self._train, [held_out])
        unknown = held_out.user_ids[held_out.item_ids == UNKNOWN]
        unknown = np.bincount(unknown[unknown != UNKNOWN], minlength=self._train.num_users)
        num_positives = positives.counts + unknown
        user_ids = np.flatnonzero(num_positives).astype(np.int32)
        if not len(user_ids):
            raise InputError("no held-out row has a user that training knows; nothing to rank")
        num_positives, unknown = num_positives[user_ids], unknown[user_ids]

        if self._negatives is None:
            listed = self._seen if self._masks else None
            num_candidates = self._num_candidates(user_ids)
        else:
            self._check_negatives(user_ids)
            listed = ItemsByUser.from_pairs(
                np.concatenate([self._negatives.pairs, positives.pairs]),
                self._train.num_users,
                self._train.num_items,
            )
            num_candidates = listed.counts[user_ids]
        ranking = self._rank(score, user_ids, positives, listed)
        equal_lists = 0.0
        if self._negatives is None and len(user_ids) >= _FEWEST_LISTS:
            equal_lists = self._share_of_equal_lists(score, user_ids)

        per_user = metrics.hit_metrics(
            ranking.ranks, ranking.owners, num_positives, self._cutoffs
        ) | {"auc": metrics.auc(ranking.better, ranking.owners, num_positives, num_candidates)}
        of_all_lists = {}
        if self._negatives is None:
            popularity = np.maximum(self._users_of_item, 1) / self._num_training_users
            for k in self._cutoffs:
                lists = ranking.lists[:, :k]
                counts = np.bincount(lists[lists >= 0], minlength=self._train.num_items)
                per_user[f"novelty@{k}"] = metrics.novelty(lists, popularity)
                of_all_lists[f"coverage@{k}"] = metrics.coverage(counts[self._is_candidate])
                of_all_lists[f"gini@{k}"] = metrics.gini(counts[self._is_candidate])
        means = {name: float(values.mean()) for name, values in per_user.items()}
        counts = {
            "users": len(user_ids),
            "held_out": int(num_positives.sum()),
            "unknown_items": int(unknown.sum()),
            "outside_candidates": int((~self._is_candidate[positives.item_ids]).sum()),
            "overlap": int(np.isin(positives.pairs, self._seen.pairs, assume_unique=True).sum()),
            "cold_rows": int((held_out.user_ids == UNKNOWN).sum()),
            "exhausted_users": int((num_candidates < self._cutoffs[-1]).sum()),
        }
        return RankingResult(
            means | of_all_lists,
            per_user,
            user_ids,
            counts,
            self._warnings(counts, equal_lists),
            self._protocol(user_ids),
            self._seed,
        )

    def baselines(self, held_out: Interactions) -> dict[str, RankingResult]:
        """Results of "random" scores and of "popularity", the number of users who had an item."""
        return {
            "random": self.evaluate(self._random_scores, held_out),
            "popularity": self.evaluate(self._popularity_scores, held_out),
        }

    def _random_scores(self, user_ids: tf.Tensor) -> tf.Tensor:
        # a hash of seed, user and item: the same in whatever block a user comes
        users = _hashed(tf.cast(user_ids, tf.uint32) ^ np.uint32(self._seed % (1 << 32)))
        items = tf.cast(tf.range(self._train.num_items), tf.uint32)
        hashes = _hashed(users[:, None] ^ items)
        return tf.cast(tf.bitwise.right_shift(hashes, np.uint32(8)), tf.float32)

    def _popularity_scores(self, user_ids: tf.Tensor) -> tf.Tensor:
        scores = tf.constant(self._users_of_item, tf.float32)
        return tf.broadcast_to(scores, (tf.shape(user_ids)[0], self._train.num_items))

    def _num_candidates(self, user_ids: np.ndarray) -> np.ndarray:
        """How many items may be recommended to each user, int [num_users]."""
        num_candidates = np.full(len(user_ids), np.count_nonzero(self._is_candidate))
        if self._masks:
            owners, item_ids = self._seen.of(user_ids)
            num_candidates -= np.bincount(
                owners[self._is_candidate[item_ids]], minlength=len(user_ids)
            )
        return num_candidates

    def _check_negatives(self, user_ids: np.ndarray) -> None:
        lacking = user_ids[self._negatives.counts[user_ids] == 0]
        if len(lacking):
            raise InputError(
                f"{len(lacking):,} users with held-out items have no negatives, such as "
                f"'{self._train.users.raw_ids[lacking[0]]}'; give some for every user"
            )

    def _rank(
        self,
        score: Score,
        user_ids: np.ndarray,
        positives: ItemsByUser,
        listed: ItemsByUser | None,
    ) -> "_Ranking":
        """Ranks the held-out items and lists the best items of every user.

        Args:
            score: the scoring function.
            user_ids: the users, int32 [num_users].
            positives: the held-out items.
            listed: the items that are masked or, with fixed negatives, the only ones that are
                not.
        """
        size = min(self._block_users, len(user_ids))
        lists = np.empty((len(user_ids), self._longest), np.int32)
        parts = []
        order = np.argsort(-positives.counts[user_ids], kind="stable")
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            block = user_ids[rows]
            scores = self._masked_scores(score, np.resize(block, size), listed)
            lists[rows] = best_items(scores, self._longest)[0].numpy()[: len(rows)]
            owners, item_ids = positives.of(block)
            parts.append((rows[owners], *_standing(scores, owners, item_ids)))
        owners, ranks, better = map(np.concatenate, zip(*parts, strict=True))
        return _Ranking(owners, ranks, better, lists)

    def _masked_scores(
        self, score: Score, user_ids: np.ndarray, listed: ItemsByUser | None
    ) -> tf.Tensor:
        """Scores of these users, −∞ where an item is no candidate, float32 [B, n · chunk].

        Raises:
            InputError: a score is not finite.
        """
        if score not in self._compiled:
            self._compiled[score] = self._compile(score)
        pairs = np.empty((0, 2), np.int32)
        if listed is not None:
            pairs = np.stack(listed.of(user_ids), axis=1).astype(np.int32)
        scores, is_finite = self._compiled[score](tf.constant(user_ids), tf.constant(pairs))
        broken = user_ids[~is_finite.numpy()]
        if len(broken):
            raise InputError(
                f"the scores of user '{self._train.users.raw_ids[broken[0]]}' are not finite: "
                "the model has diverged; lower the learning rate"
            )
        return scores

    def _compile(self, score: Score) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
        """A function from user_ids [B] and (row, item) pairs [n, 2] to clean, masked scores."""
        num_items = self._train.num_items
        filling = -num_items % CHUNK

        @functools.partial(graph_function, jit_compile=True)
        def clean_scores(user_ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            scores = tf.cast(score(user_ids), tf.float32)
            scores.shape.assert_is_compatible_with((None, num_items))
            is_finite = tf.reduce_all(tf.math.is_finite(scores), axis=1)
            # −0 equals 0, though not for the compiled top_k
            scores = tf.where(scores == 0, 0.0, scores)
            scores = tf.where(self._is_candidate, scores, -np.inf)
            return tf.pad(scores, [[0, 0], [0, filling]], constant_values=-np.inf), is_finite

        # XLA would compile anew for every number of pairs, so that the masks stay outside
        @graph_function
        def masked_scores(user_ids: tf.Tensor, pairs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            scores, is_finite = clean_scores(user_ids)
            if self._negatives is None:
                values = tf.fill(tf.shape(pairs)[:1], -np.inf)
            else:
                values = tf.gather_nd(scores, pairs)
                scores = tf.fill(tf.shape(scores), -np.inf)
            return tf.tensor_scatter_nd_update(scores, pairs, values), is_finite

        return masked_scores.get_concrete_function(
            tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, 2], tf.int32)
        )

    def _share_of_equal_lists(self, score: Score, user_ids: np.ndarray) -> float:
        """Of some users, the share that has the commonest list before masking."""
        size = min(self._block_users, len(user_ids))
        some = user_ids[:: -(-len(user_ids) // min(_LISTS_COMPARED, size))]
        scores = self._masked_scores(score, np.resize(some, size), None)
        lists = best_items(scores, self._longest)[0].numpy()[: len(some)]
        return np.unique(lists, axis=0, return_counts=True)[1].max() / len(some)

    def _warnings(self, counts: dict[str, int], equal_lists: float) -> list[str]:
        lines = []
        if counts["overlap"]:
            fate = "masked and so missed" if self._masks else "not masked, and easy to find"
            lines.append(
                f"{counts['overlap']:,} held-out items are among those that their users already "
                f"had: {fate}"
            )
        if counts["outside_candidates"]:
            lines.append(
                f"{counts['outside_candidates']:,} held-out items may not be recommended; "
                "they count as missed"
            )
        if counts["exhausted_users"]:
            lines.append(
                f"{counts['exhausted_users']:,} users have fewer than {self._cutoffs[-1]} "
                "candidates left; their lists are shorter"
            )
        if equal_lists >= _EQUAL_LISTS:
            lines.append(
                f"{equal_lists:.0%} of the users would get one and the same list but for the "
                "masks: the scores hardly depend on the user"
            )
        return lines

    def _protocol(self, user_ids: np.ndarray) -> str:
        num_items, num_candidates = self._train.num_items, np.count_nonzero(self._is_candidate)
        masked = f"each user's {self._masks} items masked" if self._masks else "nothing masked"
        if self._negatives is not None:
            numbers = self._negatives.counts[user_ids]
            numbers = sorted({numbers.min(), numbers.max()})
            ranked = (
                "SAMPLED, not the full catalogue: each user's held-out items among "
                f"{' to '.join(f'{number:,}' for number in numbers)} fixed negatives"
            )
        elif num_candidates == num_items:
            ranked = f"full catalogue of {num_items:,} items"
        else:
            ranked = f"{num_candidates:,} candidates of {num_items:,} items"
        return (
            f"{ranked}; {masked}; mean over {len(user_ids):,} users with held-out items; "
            "ties by lower id"
        )


@dataclass(frozen=True, eq=False)
class _Ranking:
    """Where the held-out items stand, and who stands first.

    Attributes:
        owners: position of each held-out item's user, int [n].
        ranks: float64 [n], from 1; infinite where an item is no candidate.
        better: candidates with a higher score plus half of the others with the same, [n];
            infinite where an item is no candidate.
        lists: each user's best items, int32 [num_users, k]; UNKNOWN where candidates end.
    """

    owners: np.ndarray
    ranks: np.ndarray
    better: np.ndarray
    lists: np.ndarray


def _standing(
    scores: tf.Tensor, owners: np.ndarray, item_ids: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """`ranks` and `better` (see `_Ranking`) of items among all scores of their rows.

    Args:
        scores: float32 [B, n · chunk].
        owners: rows, int [n], rising.
        item_ids: int [n].
    """
    columns = np.arange(len(owners)) - np.searchsorted(owners, owners)
    width = columns.max(initial=0) + 1
    width += -width % _ITEMS_PER_PASS
    table = np.zeros((len(scores), width), np.int32)
    table[owners, columns] = item_ids
    passes = np.split(table, width // _ITEMS_PER_PASS, axis=1)
    counts = [_count(scores, items) for items in passes]
    before, better = (
        np.concatenate([count[i] for count in counts], axis=1)[owners, columns] for i in (0, 1)
    )
    return np.where(before < 0, np.inf, before + 1), np.where(before < 0, np.inf, (better - 1) / 2)


@functools.partial(tf.function, jit_compile=True)
def _count(scores: tf.Tensor, item_ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Counts who stands before some items of each row; int32 [B, C] each.

    Both counts travel as halves of one int32, which would not hold those of a whole row. XLA
    uses vector registers for sums over a chunk, not for sums over a row.

    Args:
        scores: float32 [B, n · chunk].
        item_ids: int32 [B, C].

    Returns:
        How many have a higher score, or the same and a lower id; −1 for an item of score −∞.
        How many have a higher score plus how many have a score as high, the item itself too.
    """
    own_scores = tf.gather(scores, item_ids, batch_dims=1)
    own_score, own_id = (x[:, :, None, None] for x in (own_scores, item_ids))
    chunks = tf.reshape(scores, (scores.shape[0], 1, -1, CHUNK))
    ids = tf.reshape(tf.range(scores.shape[1]), (-1, CHUNK))
    if_equal = tf.where(ids < own_id, _HALF + 1, 1)
    counts = tf.where(chunks > own_score, _HALF + 2, tf.where(chunks == own_score, if_equal, 0))
    counts = tf.reduce_sum(counts, axis=3)
    before = tf.reduce_sum(counts // _HALF, axis=2)
    higher = tf.reduce_sum(counts % _HALF, axis=2)
    return tf.where(own_scores == -np.inf, -1, before), higher


def _hashed(values: tf.Tensor) -> tf.Tensor:
    """Mixes the bits of uint32 (the finalizer of MurmurHash3, Appleby 2011)."""
    for shift, factor in ((16, 0x85EBCA6B), (13, 0xC2B2AE35), (16, 1)):
        values = (values ^ tf.bitwise.right_shift(values, np.uint32(shift))) * np.uint32(factor)
    return values

"""Evaluation of rankings: the full catalogue, ranked exactly, for every user.

For every user with a held-out item the whole catalogue is scored and ranked, except for the items
the user had in training; `mfrec.evaluation.metrics` defines the numbers. Nothing is sampled and
nothing rounded: the rank of a held-out item comes from comparing its score with all others of the
same row, so that mrr and auc see the whole ranking and equal scores are equal.

Users are evaluated in blocks of some megabytes of scores, on the training device:

1. `score` fills a matrix [block, num_items], compiled together with its checks.
2. Masked items become −∞.
3. `best_items` finds the lists, lower ids first among equal scores.
4. `ranks.exact_ranks` counts, in one pass over each row, the items before the held-out ones.

Users are ordered by their number of held-out items, so that a block has little padding.
"""

import numbers
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import numpy as np

from mfrec.data.interactions import Interactions, check_kind
from mfrec.data.one_process import ONE_PROCESS, OneProcess
from mfrec.data.values import as_count, as_flag
from mfrec.data.vocabulary import UNKNOWN, Vocabulary
from mfrec.errors import InputError
from mfrec.evaluation import baselines, metrics, ranks, significance
from mfrec.evaluation.top_items import CHUNK, ItemsByUser, best_items, users_per_block
from mfrec.models.base import Model
from mfrec.quiet_tensorflow import graph_function, tf

Score = Callable[[tf.Tensor], tf.Tensor]
# user ids [B] and pairs [n, 2] to scores and whether each row is finite; rows of users and of items
_MaskedScores = Callable[[tf.Tensor, tf.Tensor], tuple[tf.Tensor, tf.Tensor]]
_ModelRows = tuple[np.ndarray, np.ndarray]

# Degenerate models: warn if 90 % of at most 200 users get the same list before masking.
_LISTS_COMPARED = 200
_FEWEST_LISTS = 10
_EQUAL_LISTS = 0.9
_LARGEST_CUTOFF = 1_000_000


@dataclass(frozen=True, eq=False)
class RankingResult:
    """The result of one evaluation.

    Attributes:
        metrics: every metric by name; the accuracy metrics are means over the users.
        per_user: the metrics that each user has, float64 [num_users] each.
        user_ids: the users evaluated, rows of the training vocabulary, int32 [num_users].
        counts: "users" evaluated; "held_out", the items of their T, of which "unknown_items" are
            not in training and "outside_candidates" may not be recommended (both are misses);
            "overlap", held-out items that the user also had in training (misses if they are
            masked); "cold_rows", held-out rows of users unknown to training, who are not
            evaluated; "exhausted_users", users with fewer candidates than the largest k.
        warnings: one line per suspicious finding.
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
        """95 % bootstrap intervals over users of the metrics in `per_user`, drawn on first use.

        coverage@k and gini@k have none. They are no means over users: a resample holds some
        lists twice and others not at all, and so always covers less than the real lists.
        """
        values = np.stack(list(self.per_user.values()), axis=1)
        intervals = significance.bootstrap_intervals(values, self.seed).tolist()
        return dict(zip(self.per_user, map(tuple, intervals), strict=True))

    def below(self, popularity: "RankingResult") -> list[str]:
        """Return a warning for each ndcg@k in which the popularity baseline is better."""
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
        train: the training part, or the histories of users who are folded in. Its vocabularies
            are the users and the catalogue. Its items are masked, and their numbers of users are
            the popularity baseline.
        seen: further rows to mask, such as the validation part when testing.
        cutoffs: the k of the metrics, each at least 1.
        mask_seen: False ranks the user's training items like all others.
        popularity: the rows to take the popularity baseline from where `train` is folded in, in
            any vocabularies.
        candidate_items: the only items that may be recommended, int [n] ids; by default all.
        candidates: fixed negatives, as `read_candidates` reads them: a user's held-out
            items are ranked among the negatives of that user, seen in training or not (the
            sampled protocol of He et al. 2017, "Neural collaborative filtering"). Novelty, coverage
            and gini are left out then: lists of samples say nothing about the catalogue.
        seed: of the random baseline and of the bootstrap.
        workers: who measure together: each ranks for its own users, and all see the rankings of
            all.
        block_users: users per block; by default as many as fit 32 MB of scores, at most 1,024.
        jit_compile: whether XLA compiles the scoring functions.

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
        workers: OneProcess = ONE_PROCESS,
        block_users: int | None = None,
        jit_compile: bool = True,
    ) -> None:
        cutoffs, train = _checked_cutoffs(cutoffs), check_kind(train, "training part")
        if candidates is not None and candidate_items is not None:
            raise InputError("fixed negatives and a list of candidate items; leave one out")
        self._train = train
        self._cutoffs = cutoffs
        self._seed = seed
        self._workers = workers
        self._longest = min(self._cutoffs[-1], train.num_items)
        self._block_users = block_users or users_per_block(train.num_items)
        self._others_seen = None if seen is None else check_kind(seen, "seen rows")
        self._masks = "training and validation" if seen is not None else "training"
        if popularity is not None:
            self._masks = "folded-in"
        if not as_flag(mask_seen, "mask_seen") or candidates is not None:
            self._masks = ""
        self._negatives = (
            None if candidates is None else ItemsByUser.from_parts(train, [candidates])
        )
        self._is_candidate = np.full(train.num_items, candidate_items is None)
        if candidate_items is not None:
            self._is_candidate[_checked_rows(candidate_items, train.num_items)] = True
        if not self._is_candidate.any():
            raise InputError("no item may be recommended; name at least one candidate")
        popularity = train if popularity is None else popularity
        popularity = popularity.encode(popularity.users, train.items)
        if popularity.is_streamed:
            # distinct pairs
            self._users_per_item = popularity.item_counts
        else:
            had = ItemsByUser.from_parts(popularity, [popularity])
            self._users_per_item = had.users_per_item
        self._num_training_users = np.count_nonzero(popularity.user_counts)
        self._jit_compile = jit_compile
        self._baselines: dict[str, Score] = {
            "random": partial(baselines.random_scores, num_items=train.num_items, seed=seed),
            "popularity": partial(baselines.popularity_scores, users_per_item=self._users_per_item),
        }
        self._compiled: dict[Score, tuple[Any, Any]] = {}

    def evaluate(self, score: "Score | Model", held_out: Interactions) -> RankingResult:
        """Measure a scoring function.

        Args:
            score: maps user ids, int32 [B], to their scores of the whole catalogue, float32
                [B, num_items], in the rows of the training part; or a model, whose rows are
                matched by raw id. It is compiled once for every function that equals no earlier
                one; a bound method does, a new lambda does not.
            held_out: the rows whose items should rank high, in any vocabularies.

        Raises:
            InputError: no held-out row has a user of the training part, a user has no fixed
                negatives, or a score is not finite.
        """
        score = getattr(score, "score_catalogue", score)
        held_out = check_kind(held_out, "held-out rows")
        held_out = held_out.encode(self._train.users, self._train.items)
        windows = [self._window(score, *items) for items in self._items_by_window(held_out)]
        found = _Window.joined(windows)
        if not len(found.user_ids):
            raise InputError("no held-out row has a user that training knows; nothing to rank")
        values = metrics.of_ranking(
            metrics.Ranking(
                found.ranks,
                found.owners,
                found.num_positives,
                better=found.better,
                num_candidates=found.num_candidates,
                lists=found.lists,
                popularity=np.maximum(self._users_per_item, 1) / max(self._num_training_users, 1),
                is_candidate=self._is_candidate,
            ),
            self._cutoffs,
            over_catalogue=self._negatives is None,
        )
        per_user = {name: np.asarray(value) for name, value in values.items() if np.ndim(value)}
        means = {name: float(value.mean()) for name, value in per_user.items()}
        all_lists = {name: float(value) for name, value in values.items() if not np.ndim(value)}
        counts = {
            "users": len(found.user_ids),
            "held_out": int(found.num_positives.sum()),
            **found.counts,
            "exhausted_users": int((found.num_candidates < self._cutoffs[-1]).sum()),
        }
        return RankingResult(
            means | all_lists,
            per_user,
            found.user_ids,
            counts,
            self._warnings(counts, found.equal_lists),
            self._protocol(found.user_ids),
            self._seed,
        )

    def _items_by_window(
        self, held_out: Interactions
    ) -> Iterator[tuple[ItemsByUser, ItemsByUser, Interactions]]:
        """Yield seen items, held-out items and held-out rows of some users: all, or a shard's."""
        train: Any = self._train
        others: Any = self._others_seen
        rows: Any = held_out
        if not train.is_streamed:
            seen = self._seen_in_memory
            yield seen, ItemsByUser.from_parts(train, [held_out]), held_out
            return
        for number in train.data.numbers:
            own, users = rows.shard(number), train.data.users_of(number)
            parts = [part.shard(number) for part in (train, others) if part is not None]
            seen = ItemsByUser.from_parts(train, parts, users)
            yield seen, ItemsByUser.from_parts(train, [own], users), own

    @cached_property
    def _seen_in_memory(self) -> ItemsByUser:
        others = [] if self._others_seen is None else [self._others_seen]
        return ItemsByUser.from_parts(self._train, [self._train, *others])

    def _window(
        self, score: Score, seen: ItemsByUser, positives: ItemsByUser, held_out: Interactions
    ) -> "_Window":
        """Rank the held-out items of some users.

        Args:
            score: the scoring function.
            seen: the items that these users had.
            positives: their held-out items.
            held_out: the rows of these, unknown items included.
        """
        first, num_users = positives.first_user, len(positives.counts)
        unknown = held_out.user_ids[held_out.item_ids == UNKNOWN]
        unknown = np.bincount(unknown[unknown != UNKNOWN] - first, minlength=num_users)
        num_positives = positives.counts + unknown
        rows = np.flatnonzero(num_positives)
        user_ids = (rows + first).astype(np.int32)
        num_positives, unknown = num_positives[rows], unknown[rows]
        if self._negatives is None:
            listed = seen if self._masks else None
            num_candidates = self._num_candidates(user_ids, seen)
        else:
            self._check_negatives(self._negatives, user_ids)
            listed = ItemsByUser.from_pairs(
                np.concatenate([self._negatives.pairs, positives.pairs]),
                self._train.num_users,
                self._train.num_items,
            )
            num_candidates = listed.counts[user_ids]
        equal_lists = 0.0
        own_users = user_ids[self._workers.owns(self._train.users)[user_ids]]
        if self._negatives is None and len(own_users) >= _FEWEST_LISTS:
            equal_lists = self._share_of_equal_lists(score, own_users)
        lists, owners, found_ranks, better = self._rank(score, user_ids, positives, listed)
        return _Window(
            lists,
            owners,
            found_ranks,
            better,
            user_ids,
            num_positives,
            num_candidates,
            {
                "unknown_items": int(unknown.sum()),
                "outside_candidates": int((~self._is_candidate[positives.item_ids]).sum()),
                "overlap": int(np.isin(positives.pairs, seen.pairs, assume_unique=True).sum()),
                "cold_rows": int((held_out.user_ids == UNKNOWN).sum()),
            },
            equal_lists,
        )

    def baselines(self, held_out: Interactions) -> dict[str, RankingResult]:
        """Return the results of "random" scores and of "popularity", see `baselines`."""
        return {name: self.evaluate(score, held_out) for name, score in self._baselines.items()}

    def _num_candidates(self, user_ids: np.ndarray, seen: ItemsByUser) -> np.ndarray:
        """Return the number of items that may be recommended to each user, int [num_users]."""
        num_candidates = np.full(len(user_ids), np.count_nonzero(self._is_candidate))
        if self._masks:
            owners, item_ids = seen.select(user_ids)
            num_candidates -= np.bincount(
                owners[self._is_candidate[item_ids]], minlength=len(user_ids)
            )
        return num_candidates

    def _check_negatives(self, negatives: ItemsByUser, user_ids: np.ndarray) -> None:
        lacking = user_ids[negatives.counts[user_ids] == 0]
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
    ) -> tuple[np.ndarray, ...]:
        """Rank the held-out items and list the best items of every user.

        Returns:
            lists, owners, ranks and better, as `_Window` holds them.

        Args:
            score: the scoring function.
            user_ids: the users, int32 [num_users].
            positives: the held-out items.
            listed: the items to mask or, with fixed negatives, the only items not to mask.
        """
        own = np.flatnonzero(self._workers.owns(self._train.users)[user_ids])
        size = self._block_size(own)
        lists = np.zeros((len(user_ids), self._longest), np.int32)
        parts = [(np.empty(0, np.int64), np.empty(0), np.empty(0))]
        counts = positives.counts[user_ids[own] - positives.first_user]
        order = own[np.argsort(-counts, kind="stable")]
        for start in range(0, len(order), size):
            rows = order[start : start + size]
            block = user_ids[rows]
            scores = self._masked_scores(score, np.resize(block, size), listed)
            lists[rows] = best_items(scores, self._longest)[0].numpy()[: len(rows)]
            owners, item_ids = positives.select(block)
            parts.append((rows[owners], *ranks.exact_ranks(scores, owners, item_ids)))
        columns = map(np.concatenate, zip(*parts, strict=True))
        # lists are 0 where another worker ranks
        return self._workers.sum(lists), *map(self._workers.concatenated, columns)

    def _block_size(self, user_ids: np.ndarray) -> int:
        """The users of a block; the same for all shards, as each size is compiled anew."""
        if self._train.is_streamed:
            return self._block_users
        return max(min(self._block_users, len(user_ids)), 1)

    def _masked_scores(
        self, score: Score, user_ids: np.ndarray, listed: ItemsByUser | None
    ) -> tf.Tensor:
        """Return the scores of these users, −∞ for items that are no candidates.

        float32 [B, n · CHUNK].

        Raises:
            InputError: a score is not finite.
        """
        model_rows, clean_scores = self._prepared(score)
        if model_rows and (model_rows[0][user_ids] == UNKNOWN).any():
            stranger = user_ids[np.argmin(model_rows[0][user_ids])]
            raise _strange("user", self._train.users.raw_ids[stranger])
        pairs = np.empty((0, 2), np.int32)
        if listed is not None:
            pairs = np.stack(listed.select(user_ids), axis=1).astype(np.int32)
        scores, is_finite = clean_scores(tf.constant(user_ids), tf.constant(pairs))
        broken = user_ids[~is_finite.numpy()]
        if len(broken):
            raise InputError(
                f"the scores of user '{self._train.users.raw_ids[broken[0]]}' are not finite: "
                "the model has diverged; lower the learning rate"
            )
        return scores

    def _prepared(self, score: Score) -> tuple["_ModelRows | None", "_MaskedScores"]:
        """Return a function as `_compile` makes it, and the rows that a model has for ours."""
        model = getattr(score, "__self__", None)
        vocabularies: Any = getattr(model, "vocabularies", None)
        known, prepared = self._compiled.get(score, (None, None))
        if prepared is None or known is not vocabularies:
            model_rows = None
            if vocabularies is not None:
                users, items = vocabularies
                model_rows = self._model_rows(users, items, model.num_items)
            elif getattr(model, "num_items", self._train.num_items) != self._train.num_items:
                raise InputError(
                    f"the model has {model.num_items} items, the training part "
                    f"{self._train.num_items}; give the part that it was trained on"
                )
            prepared = model_rows, self._compile(score, model_rows)
            self._compiled[score] = vocabularies, prepared
        return prepared

    def _model_rows(
        self, users: Vocabulary, items: Vocabulary, num_items: int
    ) -> "_ModelRows | None":
        """Return a model's row of each of our users and items, None if they are the same rows.

        Raises:
            InputError: the model does not know one of our items.
        """
        ours = self._train.users, self._train.items
        if num_items == len(items) and all(
            known.raw_ids == our.raw_ids for known, our in zip((users, items), ours, strict=True)
        ):
            return None
        rows = users.lookup(ours[0].raw_ids), items.lookup(ours[1].raw_ids)
        if UNKNOWN in rows[1]:
            raise _strange("item", ours[1].raw_ids[np.argmin(rows[1])])
        return rows

    def _compile(self, score: Score, model_rows: "_ModelRows | None") -> "_MaskedScores":
        """Return a function from user_ids [B] and (row, item) pairs [n, 2] to masked scores."""
        num_items = self._train.num_items
        filling = -num_items % CHUNK

        @partial(graph_function, jit_compile=self._jit_compile)
        def clean_scores(user_ids: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            if model_rows is not None:
                user_ids = tf.gather(model_rows[0], user_ids)
            scores = tf.cast(score(user_ids), tf.float32)
            if model_rows is not None:
                scores = tf.gather(scores, model_rows[1], axis=1)
            scores.shape.assert_is_compatible_with((None, num_items))
            is_finite = tf.reduce_all(tf.math.is_finite(scores), axis=1)
            # −0 equals 0, though not for the compiled top_k
            scores = tf.where(scores == 0, 0.0, scores)
            scores = tf.where(self._is_candidate, scores, -np.inf)
            return tf.pad(scores, [[0, 0], [0, filling]], constant_values=-np.inf), is_finite

        # XLA would compile anew for every number of pairs, so that the masks stay outside
        signature = [tf.TensorSpec([None], tf.int32), tf.TensorSpec([None, 2], tf.int32)]

        @partial(graph_function, input_signature=signature)
        def masked_scores(user_ids: tf.Tensor, pairs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
            scores, is_finite = clean_scores(user_ids)
            if self._negatives is None:
                values = tf.fill(tf.shape(pairs)[:1], -np.inf)
            else:
                values = tf.gather_nd(scores, pairs)
                scores = tf.fill(tf.shape(scores), -np.inf)
            return tf.tensor_scatter_nd_update(scores, pairs, values), is_finite

        return masked_scores

    def _share_of_equal_lists(self, score: Score, user_ids: np.ndarray) -> float:
        """Return the share of users, of a sample, that has the commonest list before masking."""
        size = self._block_size(user_ids)
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


def _checked_cutoffs(cutoffs: Sequence[int] | int) -> list[int]:
    """Return the cutoffs in rising order."""
    given = np.atleast_1d(np.asarray(cutoffs, object)).tolist()
    if not given or any(isinstance(k, numbers.Integral) and k < 1 for k in given):
        raise InputError(f"cutoffs {given}; give one or more, each at least 1")
    return sorted({as_count(k, "cutoffs", most=_LARGEST_CUTOFF) for k in given})


def _checked_rows(rows: Any, num_items: int) -> np.ndarray:
    """Return ids of items, which are rows and no raw ids."""
    ids = np.asarray(rows)
    if ids.size and (ids.dtype.kind not in "iu" or ids.min() < 0 or ids.max() >= num_items):
        raise InputError(
            f"candidate_items are rows of the training part's items, 0 to {num_items - 1}; "
            "train.items.lookup(raw_ids) finds them"
        )
    return ids.astype(np.int64)


def _strange(role: str, raw_id: str) -> InputError:
    return InputError(
        f"the model does not know {role} '{raw_id}' of the evaluator's training part; evaluate it "
        "with the part that it was trained on"
    )


@dataclass(frozen=True, eq=False)
class _Window:
    """The ranks of the held-out items, and the lists, of some users.

    Attributes:
        lists: each user's best items, int32 [num_users, k]; UNKNOWN where candidates end.
        owners: position of each held-out item's user, int [n].
        ranks: float64 [n], see `ranks.exact_ranks`.
        better: float64 [n], see `ranks.exact_ranks`.
        user_ids: the users, int32 [num_users].
        num_positives: the held-out items of each, int [num_users].
        num_candidates: the items that may be recommended to each, int [num_users].
        counts: numbers that add up over windows.
        equal_lists: see `_share_of_equal_lists`.
    """

    lists: np.ndarray
    owners: np.ndarray
    ranks: np.ndarray
    better: np.ndarray
    user_ids: np.ndarray
    num_positives: np.ndarray
    num_candidates: np.ndarray
    counts: dict[str, int]
    equal_lists: float

    @classmethod
    def joined(cls, windows: "Sequence[_Window]") -> "_Window":
        """Return the windows as one."""
        if len(windows) == 1:
            return windows[0]
        firsts = np.cumsum([0, *(len(window.user_ids) for window in windows)])
        names = ("ranks", "better", "user_ids", "num_positives", "num_candidates", "lists")
        columns = {n: np.concatenate([getattr(window, n) for window in windows]) for n in names}
        owners = [w.owners + first for w, first in zip(windows, firsts, strict=False)]
        counts = {n: sum(window.counts[n] for window in windows) for n in windows[0].counts}
        return cls(
            **columns,
            owners=np.concatenate(owners),
            counts=counts,
            equal_lists=max(window.equal_lists for window in windows),
        )

"""A finished run answering in raw ids: what to recommend, what is similar, what to expect, why.

    recommender = Recommender.load("runs/my-run")
    for row in recommender.recommend("7", k=5):
        print(row.rank, row.item, row.label, row.score)

Items are ranked by score(u,i) = μ + <user_vector, item_vector>, as evaluation ranks them, lower
rows first among equal scores. All that is needed lies in the run folder.

Users and items are named by raw id or, where no raw id is spelt so, by label, such as a title,
in whatever case.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from mfrec import losses
from mfrec.config.settings import Config, nearest
from mfrec.data.interactions import UNKNOWN, Interactions, Vocabulary
from mfrec.errors import InputError
from mfrec.evaluation.top_items import ItemsByUser, best_items, users_per_block
from mfrec.losses import Loss
from mfrec.models.matrix_factorization import MatrixFactorization
from mfrec.quiet_tensorflow import tf
from mfrec.runs.run_folder import RunFolder
from mfrec.training.fold_in import FoldIn

ON_UNKNOWN = ("error", "popular", "skip")

# Weight of the ridge in `explain`, in average items of the history.
_RIDGE = 1.0
# Raw ids among which a misspelt one is looked for: the search takes about a second for so many.
_SPELLINGS = 50_000
_SHOWN = 3


@dataclass(frozen=True)
class RankedItem:
    """One row of a list of items.

    Attributes:
        rank: from 1.
        item: raw id.
        label: such as a title; the raw id where the item has none.
        score: what the list is ordered by.
    """

    rank: int
    item: str
    label: str
    score: float


@dataclass(frozen=True)
class RankedUser:
    """One row of a list of users; like `RankedItem`."""

    rank: int
    user: str
    label: str
    score: float


class Recommender:
    """Answers questions about users and items of a trained model.

    Args:
        model: what scores.
        loss: what it was trained on.
        config: the settings of the training.
        train: the training part.
        validation: further interactions that are not recommended again.

    Attributes:
        users: vocabulary of the users; items: vocabulary of the items.
        seen: the distinct items that every user has in training and validation.
    """

    def __init__(
        self,
        model: MatrixFactorization,
        loss: Loss,
        config: Config,
        train: Interactions,
        validation: Interactions | None = None,
    ) -> None:
        self.model = model
        self.loss = loss
        self.config = config
        self.train = train
        self.users = train.users
        self.items = train.items
        self._parts = [train] if validation is None else [train, validation]

    @classmethod
    def load(cls, run_dir: str | Path) -> "Recommender":
        """The recommender of a run folder; the run may still be training.

        Raises:
            InputError: no run folder, no weights in it yet, a cross-validation, whose folds are
                runs of their own, or a broken file.
        """
        folder = RunFolder(run_dir)
        config, _ = folder.load_config()
        if config.split.cross_validate:
            raise InputError(
                f"{run_dir} is a cross-validation; name one of its folds: {folder.path / 'fold-0'}"
            )
        if not folder.has_model():
            raise InputError(f"{run_dir} holds no checkpoint; the run has saved none yet")
        parts = folder.load_data()
        train = parts["train"]
        loss = losses.configured(config.loss)
        model = folder.load_model(config, loss, train)
        return cls(model, loss, config, train, parts.get("validation"))

    @property
    def predicts_ratings(self) -> bool:
        """Whether scores stand for ratings, not just for ranks."""
        return self.loss.traits.kind == "rating"

    @cached_property
    def seen(self) -> ItemsByUser:
        """The distinct items that every user has in training and validation."""
        return ItemsByUser.from_parts(self.train, self._parts)

    def recommend(
        self,
        user: Any,
        k: int = 10,
        exclude_seen: bool = True,
        candidates: Iterable[Any] | None = None,
        exclude: Iterable[Any] | None = None,
        on_unknown: str = "error",
    ) -> list[RankedItem]:
        """The k best items for a user, fewer where no more are left.

        Args:
            user: raw id or label.
            k: length of the list, at least 1.
            exclude_seen: whether the user's training and validation items are left out.
            candidates: the only items that may be recommended; all by default.
            exclude: items that may not be.
            on_unknown: what becomes of a user whom the run does not know: "error"; "popular", the
                items that most users have, their number being the score; "skip", no list.
                Unknown candidates and exclusions are an error or left out.

        Raises:
            InputError: k below 1, an unknown name, or no candidate at all.
        """
        lists = self.recommend_all([user], k, exclude_seen, candidates, exclude, on_unknown)
        return next((items for _, items in lists), [])

    def recommend_all(
        self,
        users: Iterable[Any] | None = None,
        k: int = 10,
        exclude_seen: bool = True,
        candidates: Iterable[Any] | None = None,
        exclude: Iterable[Any] | None = None,
        on_unknown: str = "error",
    ) -> Iterator[tuple[str, list[RankedItem]]]:
        """The lists of many users, one after the other, in blocks of bounded memory.

        Args:
            users: raw ids or labels; all users of the run by default.

        The other arguments and errors are those of `recommend`. What can be wrong is found before
        the first list is asked for.

        Yields:
            The user, as named, and that user's list; users to skip are left out.
        """
        k = _checked(k)
        names = self.users.raw_ids if users is None else [str(user) for user in users]
        ids = self.user_ids(names, on_unknown)
        allowed = self._allowed(candidates, exclude, on_unknown)
        return self._blocks(names, ids, k, exclude_seen, allowed, on_unknown)

    def recommend_from_history(
        self,
        items: Sequence[Any],
        ratings: Sequence[float] | None = None,
        k: int = 10,
        exclude_seen: bool = True,
        candidates: Iterable[Any] | None = None,
        exclude: Iterable[Any] | None = None,
        on_unknown: str = "error",
    ) -> list[RankedItem]:
        """The k best items for somebody whom training has not seen, from a history.

        The user's vector is folded in, the items staying as they are: see `FoldIn`.

        Args:
            items: the history, raw ids or labels; of one that comes again the last counts.
            ratings: of these items; needed where the run predicts ratings. Where it ranks what was
                rated so high or higher (--min_rating), other items are not counted as liked.
            k: length of the list, at least 1.
            exclude_seen: whether the history is left out.
            candidates: the only items that may be recommended; all by default.
            exclude: items that may not be.
            on_unknown: whether unknown items are an "error" or else left out.

        Raises:
            InputError: k below 1, an unknown name, no item that can be used, or ratings that are
                missing or outside the range of the run's.
        """
        k, allowed = _checked(k), self._allowed(candidates, exclude, on_unknown)
        ids = self.item_ids(items, on_unknown)
        if ratings is None and self.predicts_ratings:
            raise InputError("the run predicts ratings: give one with every item of the history")
        values = np.ones(len(ids), np.float32) if ratings is None else np.float32(ratings)
        if len(values) != len(ids):
            raise InputError(f"{len(values)} ratings for a history of {len(ids)} items")
        low, high = self.model.rating_range.numpy().tolist()
        if self.predicts_ratings:
            for item, rating in zip(items, values.tolist(), strict=True):
                if not low <= rating <= high:
                    raise InputError(
                        f"rating {rating:g} of item '{item}': the run's are from {low:g} to "
                        f"{high:g}"
                    )
        counted = ids != UNKNOWN
        least = self.config.positives.min_rating
        if ratings is not None and least is not None:
            counted &= values >= least
        if not counted.any():
            rated = "" if least is None else f" rated {least:g} or higher"
            raise InputError(f"the history holds no item{rated} that the run knows")
        history = (ids[counted], values[counted], np.ones(counted.sum(), np.float32))
        user_vectors = self.fold_in(*(tf.constant(column[np.newaxis]) for column in history))
        known = ids[ids != UNKNOWN]
        had = (np.zeros_like(known), known) if exclude_seen else ()
        return self._lists(finite(user_vectors), k, allowed, had)[0]

    @cached_property
    def fold_in(self) -> FoldIn:
        """Makes user vectors of histories."""
        return FoldIn(self.model, self.loss, self.config, self.train)

    def similar_items(self, item: Any, k: int = 10) -> list[RankedItem]:
        """The k other items nearest to one, by the cosine of their embeddings.

        Embeddings as they score, without the biases: how much all users like an item says nothing
        about which others it resembles.

        Raises:
            InputError: k below 1 or an unknown item.
        """
        k, row = _checked(k), self.item_ids([item])[0]
        return _ranked(RankedItem, self.items, *self._neighbours(self._item_vectors, row, k))

    def similar_users(self, user: Any, k: int = 10) -> list[RankedUser]:
        """The k other users nearest to one, by the cosine of their embeddings.

        Raises:
            InputError: k below 1 or an unknown user.
        """
        k, row = _checked(k), self.user_ids([user])[0]
        vectors = finite(self.model.user_vectors())
        return _ranked(RankedUser, self.users, *self._neighbours(vectors, row, k))

    def predict(self, user: Any, item: Any, fall_back: bool = False) -> float:
        """The rating to expect, or the score of a loss of rankings.

        Ratings went through the loss's link and were clipped to the training ratings' range.

        Args:
            user: raw id or label.
            item: raw id or label.
            fall_back: whether an unknown user or item leaves what is known of the score: μ + b_i,
                μ + b_u or μ.

        Raises:
            InputError: an unknown user or item, unless `fall_back`.
        """
        on_unknown = "skip" if fall_back else "error"
        pair = self.user_ids([user], on_unknown), self.item_ids([item], on_unknown)
        return self.served(float(self.model(tuple(map(tf.constant, pair)))[0]))

    def served(self, score: float) -> float:
        """What a score stands for: a rating to expect, or itself with a loss of rankings."""
        return float(self.model.to_ratings(tf.constant(score))) if self.predicts_ratings else score

    def explain(self, user: Any, item: Any, k: int = 5) -> list[RankedItem]:
        """The k items of the user's training history that speak most for an item.

        The personal part of the score, <p_u, q_i>, is taken apart into a sum over the history H,

            c_j = q_iᵀ (Σ_{h∈H} q_h q_hᵀ + ρI)⁻¹ q_j · <p_u, q_j>,

        how much q_i leans on q_j times how much the user, says the model, likes j. This is the
        decomposition of Hu, Koren, Volinsky 2008, "Collaborative filtering for implicit feedback
        datasets", section 5, of the ridge regression through the model's own scores rather than
        through ratings, so that it holds for every loss. As ρ falls to 0, Σ_j c_j becomes
        <p_u, q_i> exactly wherever the history spans q_i; ρ is one average ‖q_h‖², which keeps
        items that are nearly alike from taking each other's credit with opposite signs.

        Args:
            user: raw id or label.
            item: raw id or label; seen or not.
            k: length of the list, at least 1.

        Returns:
            Items with c_j as score, highest first; fewer than k where no more speak for it.

        Raises:
            InputError: k below 1, or an unknown user or item.
        """
        k = _checked(k)
        user_id, item_id = self.user_ids([user])[0], self.item_ids([item])[0]
        history = np.unique(self.train.item_ids[self.train.user_ids == user_id])
        dim = self.model.embedding_dim
        p_u = self._user_vectors(np.array([user_id])).numpy()[0, :dim].astype(np.float64)
        q = self._item_vectors.numpy()[:, :dim].astype(np.float64)
        of_history = q[history]
        ridge = _RIDGE * np.square(of_history).sum() / max(len(history), 1)
        system = of_history.T @ of_history + max(ridge, np.finfo(np.float32).tiny) * np.eye(dim)
        contributions = (of_history @ np.linalg.solve(system, q[item_id])) * (of_history @ p_u)
        order = np.argsort(-contributions, kind="stable")[:k]
        order = order[contributions[order] > 0]
        return _ranked(RankedItem, self.items, history[order], contributions[order])

    def user_ids(self, names: Iterable[Any], on_unknown: str = "error") -> np.ndarray:
        """The ids of users named by raw id or label, int32 [n]; UNKNOWN for strangers.

        Raises:
            InputError: a stranger, if `on_unknown` is "error", or `on_unknown` is none of the ways.
        """
        return _ids(self.users, names, "user", on_unknown)

    def item_ids(self, names: Iterable[Any], on_unknown: str = "error") -> np.ndarray:
        """The ids of items named by raw id or label; like `user_ids`."""
        return _ids(self.items, names, "item", on_unknown)

    @cached_property
    def _item_vectors(self) -> tf.Tensor:
        return finite(self.model.item_vectors())

    def _user_vectors(self, user_ids: np.ndarray) -> tf.Tensor:
        return finite(self.model.user_vectors(tf.constant(user_ids)))

    def _blocks(
        self,
        names: Sequence[str],
        ids: np.ndarray,
        k: int,
        exclude_seen: bool,
        allowed: np.ndarray,
        on_unknown: str,
    ) -> Iterator[tuple[str, list[RankedItem]]]:
        """What `recommend_all` yields."""
        size = users_per_block(len(self.items))
        for start in range(0, len(ids), size):
            block = ids[start : start + size]
            known = block[block != UNKNOWN]
            had = self.seen.select(known) if exclude_seen else ()
            lists = iter(self._lists(self._user_vectors(known), k, allowed, had))
            for name, row in zip(names[start : start + size], block, strict=True):
                if row != UNKNOWN:
                    yield name, next(lists)
                elif on_unknown == "popular":
                    yield name, self._best(self._popularity, k, allowed, ())[0]

    def _allowed(
        self, candidates: Iterable[Any] | None, exclude: Iterable[Any] | None, on_unknown: str
    ) -> np.ndarray:
        """Which items may be recommended to anybody, bool [num_items]."""
        allowed = np.full(len(self.items), candidates is None)
        for names, value in ((candidates or (), True), (exclude or (), False)):
            ids = self.item_ids(names, on_unknown)
            allowed[ids[ids != UNKNOWN]] = value
        if not allowed.any():
            raise InputError("no item is left to recommend; name candidates that the run knows")
        return allowed

    def _lists(
        self, user_vectors: tf.Tensor, k: int, allowed: np.ndarray, had: tuple[np.ndarray, ...]
    ) -> list[list[RankedItem]]:
        """The lists of a block of users.

        Args:
            user_vectors: float32 [B, dim].
            k: length of the lists.
            allowed: which items may be recommended, bool [num_items].
            had: (positions in the block, items) of what is left out, int64 [n] each; or nothing.
        """
        scores = tf.matmul(user_vectors, self._item_vectors, transpose_b=True)
        return self._best(self.model.global_bias + scores, k, allowed, had)

    def _best(
        self, scores: tf.Tensor, k: int, allowed: np.ndarray, had: tuple[np.ndarray, ...]
    ) -> list[list[RankedItem]]:
        """The lists that these scores make, float32 [B, num_items]; like `_lists`."""
        if not allowed.all():
            scores = tf.where(allowed, scores, -np.inf)
        if had:
            scores = _without(scores, *had)
        return [_ranked(RankedItem, self.items, *best) for best in _best(scores, k)]

    @cached_property
    def _popularity(self) -> tf.Tensor:
        """How many users have each item, float32 [1, num_items]."""
        counts = np.bincount(self.seen.item_ids, minlength=len(self.items))
        return tf.constant(counts[np.newaxis], tf.float32)

    def _neighbours(self, vectors: tf.Tensor, row: int, k: int) -> tuple[np.ndarray, np.ndarray]:
        """The k rows with the highest cosine to this one, and the cosines."""
        units = tf.math.l2_normalize(vectors[:, : self.model.embedding_dim], axis=1)
        cosines = tf.linalg.matvec(units, units[row])[tf.newaxis]
        return _best(_without(cosines, [0], [row]), k)[0]


def _checked(k: int) -> int:
    if k < 1:
        raise InputError(f"k={k}: ask for at least 1")
    return k


def finite(vectors: tf.Tensor) -> tf.Tensor:
    """These vectors; raises InputError where a diverged training left some that are not finite."""
    if not tf.reduce_all(tf.math.is_finite(vectors)):
        raise InputError("the model has diverged: its weights are not finite; train it again")
    return vectors


def _without(scores: tf.Tensor, rows: Sequence[int], columns: Sequence[int]) -> tf.Tensor:
    """The scores with −∞ at these places."""
    places = np.stack([rows, columns], axis=1).astype(np.int32)
    return tf.tensor_scatter_nd_update(scores, places, tf.fill([len(places)], -np.inf))


def _best(scores: tf.Tensor, k: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """Of each row the columns of the k best scores, and these; fewer where only −∞ is left."""
    columns, values = (of.numpy() for of in best_items(scores, min(k, scores.shape[1])))
    lengths = np.count_nonzero(columns != UNKNOWN, axis=1)
    return [(c[:n], v[:n]) for c, v, n in zip(columns, values, lengths, strict=True)]


def _ranked(kind: type, vocabulary: Vocabulary, rows: np.ndarray, scores: np.ndarray) -> list[Any]:
    """RankedItems or RankedUsers."""
    pairs = enumerate(zip(rows.tolist(), scores.tolist(), strict=True), start=1)
    return [
        kind(rank, vocabulary.raw_ids[row], vocabulary.label(row), score)
        for rank, (row, score) in pairs
    ]


def _ids(vocabulary: Vocabulary, names: Iterable[Any], what: str, on_unknown: str) -> np.ndarray:
    """The ids of names, int32 [n]; see `Recommender.user_ids`."""
    if on_unknown not in ON_UNKNOWN:
        raise InputError(f"on_unknown={on_unknown}: unknown{nearest(on_unknown, ON_UNKNOWN)}")
    names = [str(name) for name in names]
    ids = vocabulary.lookup(names)
    for position in np.flatnonzero(ids == UNKNOWN).tolist():
        name = names[position]
        ids[position] = vocabulary.row(name)
        if ids[position] == UNKNOWN and on_unknown == "error":
            hint = _suggestion(vocabulary, name)
            raise InputError(f"the run knows no {what} '{name}'{hint}")
    return ids


def _suggestion(vocabulary: Vocabulary, name: str) -> str:
    """'; did you mean …?', or nothing."""
    wanted = name.casefold()
    rows = vocabulary.labelled(name) or [
        row
        for row, label in enumerate(vocabulary.labels or ())
        if wanted and wanted in label.casefold()
    ]
    if not rows:
        return nearest(name, vocabulary.raw_ids[:_SPELLINGS], otherwise="")
    shown = (f"{vocabulary.raw_ids[row]} ({vocabulary.label(row)})" for row in rows[:_SHOWN])
    return f"; did you mean {' or '.join(shown)}?"

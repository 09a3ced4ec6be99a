"""Recommendations, similar items, predictions and explanations of a finished run, by raw id.

    recommender = Recommender.load("runs/my-run")
    for row in recommender.recommend("7", k=5):
        print(row.rank, row.item, row.label, row.score)

Items are ranked by their scores, as evaluation ranks them, lower rows first among equal scores.
Everything needed is in the run folder.

Users and items are named by raw id or, where no raw id matches, by label, such as a title; case
does not matter. The integer 7 and the text "7" are the same raw id, and one name is a list of one.
"""

from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from mfrec import losses
from mfrec.config.settings import Config
from mfrec.data.interactions import Interactions
from mfrec.data.values import as_count, as_flag, as_number
from mfrec.data.vocabulary import UNKNOWN, Vocabulary, as_raw_ids
from mfrec.errors import InputError, did_you_mean
from mfrec.evaluation.top_items import ItemsByUser, users_per_block
from mfrec.losses import Loss
from mfrec.models import Model
from mfrec.quiet_tensorflow import tf
from mfrec.runs.run_folder import RunFolder
from mfrec.serving import explanations, lists
from mfrec.serving.histories import check_history
from mfrec.serving.ranked import RankedItem, RankedUser, UserList, ranked
from mfrec.training.fold_in import FoldIn

ON_UNKNOWN = ("error", "popular", "skip")


class Recommender:
    """Answers questions about users and items of a trained model.

    Args:
        model: the trained model.
        loss: the loss it was trained on.
        config: the settings of the training.
        train: the training part.
        validation: further interactions that are not recommended again.

    Attributes:
        users: vocabulary of the users; items: vocabulary of the items.
        seen: the distinct items that every user has in training and validation.
    """

    def __init__(
        self,
        model: Model,
        loss: Loss,
        config: Config,
        train: Interactions,
        validation: Interactions | None = None,
    ) -> None:
        self.model = model
        self.loss = loss
        self.config = config
        train = model.matched_training_part(train)
        self.train = train
        self.users = train.users
        self.items = train.items
        self._parts = [train] if validation is None else [train, validation]

    @classmethod
    def load(cls, run_dir: str | Path, allow_code: bool = False) -> "Recommender":
        """Return the recommender of a run folder; the run may still be training.

        Args:
            run_dir: the run folder.
            allow_code: whether code in it is run that this user has not trained with.

        Raises:
            InputError: no run folder, no weights in it yet, a cross-validation (its folds are
                runs of their own), a broken file, or code that is not allowed.
        """
        folder = RunFolder(run_dir, allow_code)
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
        """Whether scores stand for ratings rather than only rank."""
        return self.loss.predicts_ratings

    @cached_property
    def seen(self) -> ItemsByUser:
        """The distinct items that every user has in training and validation."""
        if self.train.is_streamed:
            return ItemsByUser.of_shards(self._parts)
        return ItemsByUser.from_parts(self.train, self._parts)

    def seen_by(self, user_ids: np.ndarray) -> ItemsByUser:
        """The distinct items that some users have in training and validation."""
        if self.train.is_streamed:
            return ItemsByUser.of_users(self._parts, user_ids)
        return self.seen

    def recommend(
        self,
        user: Any,
        k: int = 10,
        exclude_seen: bool = True,
        candidates: Iterable[Any] | None = None,
        exclude: Iterable[Any] | None = None,
        on_unknown: str = "error",
    ) -> list[RankedItem]:
        """Return the k best items for a user, fewer where no more are left.

        Args:
            user: raw id or label.
            k: length of the list, at least 1.
            exclude_seen: whether the user's training and validation items are left out.
            candidates: the only items that may be recommended; all by default.
            exclude: items that may not be recommended.
            on_unknown: for a user the run does not know: "error"; "popular", the items that most
                users have, with the number of users as score; "skip", no list. Unknown candidates
                and exclusions are an error for "error", else ignored.

        Raises:
            InputError: k below 1, an unknown name, or no candidate at all.
        """
        found = self.recommend_all([user], k, exclude_seen, candidates, exclude, on_unknown)
        return next((user_list.items for user_list in found), [])

    def recommend_all(
        self,
        users: Iterable[Any] | None = None,
        k: int = 10,
        exclude_seen: bool = True,
        candidates: Iterable[Any] | None = None,
        exclude: Iterable[Any] | None = None,
        on_unknown: str = "error",
    ) -> Iterator[UserList]:
        """Yield the lists of many users, in blocks of bounded memory.

        The other arguments and the errors are those of `recommend`. Errors are raised by the call
        itself, before the first list.

        Args:
            users: raw ids or labels; all users of the run by default. Skipped users yield nothing.
        """
        k, exclude_seen = _checked(k), as_flag(exclude_seen, "exclude_seen")
        names: Sequence[str] = self.users.raw_ids
        if users is not None:
            names = as_raw_ids(users, "user")
        ids = self.user_ids(names, on_unknown)
        if on_unknown == "skip":
            names = [name for name, row in zip(names, ids, strict=True) if row != UNKNOWN]
            ids = ids[ids != UNKNOWN]
        allowed = self._allowed(candidates, exclude, on_unknown)
        return self._user_lists(names, ids, k, exclude_seen, allowed)

    def recommend_from_history(
        self,
        items: Iterable[Any],
        ratings: ArrayLike | None = None,
        k: int = 10,
        exclude_seen: bool = True,
        candidates: Iterable[Any] | None = None,
        exclude: Iterable[Any] | None = None,
        on_unknown: str = "error",
    ) -> list[RankedItem]:
        """Return the k best items for a user that training has not seen, from a history.

        The user's vector is folded in while the items stay as they are: see `FoldIn`.

        Args:
            items: the history, raw ids or labels; the last of repeated items counts.
            ratings: of these items; required where the run predicts ratings. Where the run ranks
                items rated at least --min_rating, items with a lower rating do not count as liked.
            exclude_seen: whether the history is left out.
            on_unknown: "error" for unknown items; anything else ignores them.

        The other arguments are those of `recommend`.

        Raises:
            InputError: k below 1, an unknown name, no item that counts, or ratings that are
                missing or outside the range of the run's.
        """
        exclude_seen = as_flag(exclude_seen, "exclude_seen")
        k, allowed = _checked(k), self._allowed(candidates, exclude, on_unknown)
        if isinstance(items, (set, frozenset)) and ratings is not None:
            raise InputError("items: a set has no order that ratings could go by; give a list")
        items = as_raw_ids(items, "item")
        ids = self.item_ids(items, on_unknown)
        rating_range = self.model.rating_range.numpy().tolist() if self.predicts_ratings else None
        min_rating = self.config.positives.min_rating
        history = check_history(items, ids, ratings, rating_range, min_rating)
        user_vectors = self.fold_in(*(tf.constant(column[np.newaxis]) for column in history))
        scores = self._vector_scores(finite(user_vectors))
        left_out = lists.places(tf.constant(ids[np.newaxis])) if exclude_seen else None
        return self._ranked_items(lists.best(scores, k, allowed, left_out))[0]

    @cached_property
    def fold_in(self) -> FoldIn:
        """Makes user vectors from histories."""
        return FoldIn(self.model, self.loss, self.config, self.train)

    def similar_items(self, item: Any, k: int = 10) -> list[RankedItem]:
        """Return the k other items nearest to one, by the cosine of their embeddings.

        Embeddings as they score, without the biases: how much all users like an item says nothing
        about which items resemble it.

        Raises:
            InputError: k below 1, an unknown item, or a model without vectors.
        """
        self._check_vectors("no similar items")
        k, row = _checked(k), self.item_ids([item])[0]
        return ranked(RankedItem, self.items, *_nearest(self.item_units, row, k))

    def similar_users(self, user: Any, k: int = 10) -> list[RankedUser]:
        """Return the k other users nearest to one, by the cosine of their embeddings.

        Raises:
            InputError: k below 1, an unknown user, or a model without vectors.
        """
        self._check_vectors("no similar users")
        k, row = _checked(k), self.user_ids([user])[0]
        units = _units(self._user_embeddings(None))
        return ranked(RankedUser, self.users, *_nearest(units, row, k))

    def predict(self, user: Any, item: Any, fall_back: bool = False) -> float:
        """Return the rating to expect, or the score where the loss only ranks.

        Ratings go through the loss's link and are clipped to the training ratings' range.

        Args:
            user: raw id or label.
            item: raw id or label.
            fall_back: whether to predict for an unknown user or item as well, from the parts of
                the score that are known: μ + b_i, μ + b_u or μ.

        Raises:
            InputError: an unknown user or item, unless `fall_back`.
        """
        on_unknown = "skip" if as_flag(fall_back, "fall_back") else "error"
        pair = self.user_ids([user], on_unknown), self.item_ids([item], on_unknown)
        return self.to_rating(float(self.model(tuple(map(tf.constant, pair)))[0]))

    def to_rating(self, score: float) -> float:
        """Return the rating that a score stands for; the score itself where the loss only ranks."""
        score = as_number(score, "score")
        return float(self.model.to_ratings(tf.constant(score))) if self.predicts_ratings else score

    def explain(self, user: Any, item: Any, k: int = 5) -> list[RankedItem]:
        """Return the k items of the user's training history that speak most for an item.

        The method and its formula are those of `explanations`.

        Args:
            user: raw id or label.
            item: raw id or label; seen or not.
            k: length of the list, at least 1.

        Returns:
            Items with c_j as score, highest first; fewer than k where no more speak for it.

        Raises:
            InputError: k below 1, an unknown user or item, or a model without vectors.
        """
        self._check_vectors("no explanations")
        k = _checked(k)
        user_id, item_id = self.user_ids([user])[0], self.item_ids([item])[0]
        history = self.train.items_of(user_id)
        p_u = self._user_embeddings([user_id])[0]
        q_i, q_h = (tf.gather(self._item_embeddings, rows) for rows in (item_id, history))
        contributions = explanations.contributions(p_u.numpy(), q_i.numpy(), q_h.numpy())
        order = np.argsort(-contributions, kind="stable")[:k]
        order = order[contributions[order] > 0]
        return ranked(RankedItem, self.items, history[order], contributions[order])

    def user_ids(self, names: Iterable[Any], on_unknown: str = "error") -> np.ndarray:
        """Return the ids of users named by raw id or label, int32 [n]; UNKNOWN for no such user.

        Raises:
            InputError: an unknown user, if `on_unknown` is "error"; or another `on_unknown` than
                the three.
        """
        return _resolve(self.users, names, "user", on_unknown)

    def item_ids(self, names: Iterable[Any], on_unknown: str = "error") -> np.ndarray:
        """Return the ids of items named by raw id or label; like `user_ids`."""
        return _resolve(self.items, names, "item", on_unknown)

    def _check_vectors(self, lacking: str) -> None:
        if not self.model.has_vectors:
            raise InputError(
                f"model '{self.model.name}' has no vectors, and so {lacking}; take a model with "
                "vectors, such as --model=matrix_factorization"
            )

    @cached_property
    def popularity(self) -> tf.Tensor:
        """The number of users who have each item, float32 [num_items]."""
        if self.train.is_streamed:
            # distinct pairs, each in one part
            return tf.constant(sum(part.item_counts for part in self._parts), tf.float32)
        return tf.constant(self.seen.users_per_item, tf.float32)

    @cached_property
    def item_units(self) -> tf.Tensor:
        """The items' embeddings divided by their lengths, float32 [num_items, width]."""
        return _units(self._item_embeddings)

    @cached_property
    def _item_embeddings(self) -> tf.Tensor:
        return self.model.split_item_vectors(self._item_vectors)[0]

    @cached_property
    def _item_vectors(self) -> tf.Tensor:
        return finite(self.model.item_vectors())

    def _user_embeddings(self, user_ids: Sequence[int] | None) -> tf.Tensor:
        return self.model.split_user_vectors(finite(self.model.user_vectors(user_ids)))[0]

    def _vector_scores(self, user_vectors: tf.Tensor) -> tf.Tensor:
        """Return the scores of all items, float32 [B, num_items], for user vectors [B, dim]."""
        scores = tf.matmul(user_vectors, self._item_vectors, transpose_b=True)
        return self.model.global_bias + scores

    def _scores(self, user_ids: np.ndarray) -> tf.Tensor:
        """Return the scores of all items; popularity for UNKNOWN users, float32 [B, num_items]."""
        known = user_ids != UNKNOWN
        known_ids = tf.constant(user_ids[known])
        if self.model.has_vectors:
            scores = self._vector_scores(finite(self.model.user_vectors(known_ids)))
        else:
            scores = finite(self.model.score_catalogue(known_ids))
        if known.all():
            return scores
        # one row for all unknown users, behind those of the known ones
        rows = np.where(known, np.cumsum(known) - 1, len(scores))
        return tf.gather(tf.concat([scores, self.popularity[tf.newaxis]], axis=0), rows)

    def _user_lists(
        self,
        names: Sequence[str],
        ids: np.ndarray,
        k: int,
        exclude_seen: bool,
        allowed: np.ndarray | None,
    ) -> Iterator[UserList]:
        size = users_per_block(len(self.items))
        for start in range(0, len(ids), size):
            block = ids[start : start + size]
            left_out = None
            if exclude_seen:
                left_out = np.stack(self.seen_by(block).select(block), axis=1).astype(np.int32)
            found = self._ranked_items(lists.best(self._scores(block), k, allowed, left_out))
            yield from map(UserList, names[start : start + size], block.tolist(), found)

    def _allowed(
        self, candidates: Iterable[Any] | None, exclude: Iterable[Any] | None, on_unknown: str
    ) -> np.ndarray | None:
        """Return which items may be recommended, bool [num_items]; None for all."""
        if candidates is None and exclude is None:
            return None
        allowed = np.full(len(self.items), candidates is None)
        for names, value in ((candidates, True), (exclude, False)):
            if names is not None:
                ids = self.item_ids(names, on_unknown)
                allowed[ids[ids != UNKNOWN]] = value
        if not allowed.any():
            raise InputError("no item is left to recommend; name candidates that the run knows")
        return allowed

    def _ranked_items(self, best: tuple[tf.Tensor, tf.Tensor]) -> list[list[RankedItem]]:
        """Return the rows of `lists.best` as lists."""
        items, scores = (tensor.numpy() for tensor in best)
        rows = zip(items, scores, strict=True)
        return [ranked(RankedItem, self.items, *row) for row in rows]


def _checked(k: int) -> int:
    # TensorFlow counts in int32; no list is longer than its catalogue anyway
    return min(as_count(k, "k"), np.iinfo(np.int32).max)


def finite(vectors: tf.Tensor) -> tf.Tensor:
    """Return these vectors; raise InputError if a diverged training left some not finite."""
    if not tf.reduce_all(tf.math.is_finite(vectors)):
        raise InputError("the model has diverged: its weights are not finite; train it again")
    return vectors


def _units(embeddings: tf.Tensor) -> tf.Tensor:
    return tf.math.l2_normalize(embeddings, axis=1)


def _nearest(units: tf.Tensor, row: int, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the k rows with the highest cosine to this one, without itself, and the cosines."""
    itself = tf.constant([[0, row]], tf.int32)
    rows, cosines = lists.best(lists.cosines(units, [row]), k, left_out=itself)
    return rows[0].numpy(), cosines[0].numpy()


def _resolve(
    vocabulary: Vocabulary, names: Iterable[Any], what: str, on_unknown: str
) -> np.ndarray:
    """Return the ids of names, int32 [n]; see `Recommender.user_ids`."""
    if on_unknown not in ON_UNKNOWN:
        hint = did_you_mean(str(on_unknown), ON_UNKNOWN)
        raise InputError(f"on_unknown={on_unknown}: unknown{hint}")
    names = as_raw_ids(names, what)
    ids = vocabulary.resolve(names)
    if on_unknown == "error" and UNKNOWN in ids:
        name = names[np.argmin(ids)]
        hint = vocabulary.suggestion(name) or "; give a raw id or label that it was trained with"
        raise InputError(f"the run knows no {what} '{name}'{hint}")
    return ids

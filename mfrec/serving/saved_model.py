"""Export of a SavedModel that answers requests in raw ids by itself.

It needs TensorFlow alone, or TensorFlow Serving: no mfrec and no custom operations. Its signatures
answer B requests at once, one per row; text is raw ids, "" is padding:

    recommend               user_ids string [B], k int32 [B], exclude string [B, M],
                            include string [B, N]
    recommend_from_history  history string [B, H], ratings float32 [B, H], k, exclude, include
    similar_items           item_ids string [B], k int32 [B]
      -> item_ids string [B, K], labels string [B, K], scores float32 [B, K], known bool [B]
    score                   user_ids string [B], item_ids string [B]
      -> scores float32 [B], known_users bool [B], known_items bool [B]

K is the largest k of the batch, at most the number of items. Where a row asks for fewer, or no
more items are left, item_ids and labels are "" and scores 0: JSON has no −∞. Every input of a
signature is required and has the first dimension B, as TensorFlow Serving demands. `include` names
the only items that may be recommended; if it is empty, all may. Unknown ids there, in `exclude` and
in `history` are ignored. The user's training and validation items, or the items of the history,
are left out. Unknown users (known is False) get the items that most users have, with the number of
users as score, and so do histories in which nothing counts; an unknown item has no similar ones. A
k below 1 is an error, and so are ratings outside the training ratings' range where the loss
predicts ratings. In the histories of a run with --min_rating, items with a lower rating are left
out of the list but do not count as liked.

Of a model without vectors there are `recommend` and `score` alone.
"""

import itertools
from pathlib import Path

import numpy as np

from mfrec.data.values import as_flag
from mfrec.data.vocabulary import UNKNOWN, Vocabulary
from mfrec.errors import InputError, first_line
from mfrec.files import new_folder
from mfrec.progress import say
from mfrec.quiet_tensorflow import tf
from mfrec.serving import histories, lists
from mfrec.serving.recommender import Recommender, finite
from mfrec.serving.vectors import FILES, both_sides


def saved_model(recommender: Recommender, folder: str | Path, overwrite: bool = False) -> None:
    """Write the SavedModel that the module's docstring describes.

    Args:
        recommender: it gives the recommender's answers.
        folder: the folder to write; TensorFlow Serving expects NAME/VERSION, the version being a
            number.
        overwrite: whether an earlier export there may be replaced.

    Raises:
        InputError: the folder exists, or cannot be written; the model has diverged; or the loss,
            by which histories are folded in, runs Python.
    """
    has_vectors = recommender.model.has_vectors
    with new_folder(folder, as_flag(overwrite, "overwrite"), FILES) as path:
        served = (_ServedVectors if has_vectors else _ServedModel)(recommender)
        signatures = {name: getattr(served, name) for name in served.signatures}
        # the model's own variables that a signature reads have to be saved, and no others
        traced = [signature.get_concrete_function().graph for signature in signatures.values()]
        if any(map(_runs_python, traced)):
            name = f"loss '{recommender.loss.name}'" if has_vectors else served.model_name
            raise InputError(
                f"the {name} runs Python, as by tf.py_function, which no SavedModel can hold; "
                "write it in TensorFlow alone"
            )
        served.variables_read = [variable for graph in traced for variable in graph.variables]
        try:
            tf.saved_model.save(served, str(path), signatures)
        except tf.errors.OpError as error:
            # the name of a temporary file comes before
            raise InputError(f"{folder}: {first_line(error).rpartition('; ')[2]}") from None
    if not has_vectors:
        say(
            f"{served.model_name} has no vectors: the SavedModel answers {' and '.join(signatures)}"
            " alone"
        )


_USER_IDS = tf.TensorSpec([None], tf.string, "user_ids")
_ITEM_IDS = tf.TensorSpec([None], tf.string, "item_ids")
_HISTORY = tf.TensorSpec([None, None], tf.string, "history")
_RATINGS = tf.TensorSpec([None, None], tf.float32, "ratings")
_K = tf.TensorSpec([None], tf.int32, "k")
_EXCLUDE = tf.TensorSpec([None, None], tf.string, "exclude")
_INCLUDE = tf.TensorSpec([None, None], tf.string, "include")


class _Served(tf.Module):
    """The tables and functions of every SavedModel; subclasses say how users and items score."""

    signatures: tuple[str, ...] = ("recommend", "score")

    def __init__(self, recommender: Recommender) -> None:
        super().__init__()
        model, seen = recommender.model, recommender.seen
        self.model_name = f"model '{model.name}'"
        # a bound method: the model itself would be saved with all its variables
        self._to_rating = model.to_ratings if recommender.predicts_ratings else tf.identity
        self._num_users, self._num_items = len(recommender.users), len(recommender.items)
        self._seen_items = _table(seen.item_ids.astype(np.int32))
        # the last row is the unknown user's, who has seen nothing
        self._seen_splits = _table(np.cumsum([0, *seen.counts, 0]))
        self._popularity = _table(recommender.popularity)
        self._user_ids = _lookup(recommender.users)
        self._item_ids = _lookup(recommender.items)
        # the last row is padding
        self._raw_ids = _table([*recommender.items.raw_ids, ""])
        self._labels = _table([*map(recommender.items.label, range(self._num_items)), ""])

    def catalogue_scores(self, users: tf.Tensor) -> tf.Tensor:
        """Return the scores of all items, float32 [B, num_items], for known users, int32 [B]."""
        raise NotImplementedError

    def pair_scores(self, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        """Return the scores of pairs, float32 [B]; UNKNOWN falls back as in the model's call."""
        raise NotImplementedError

    @tf.function(input_signature=[_USER_IDS, _K, _EXCLUDE, _INCLUDE])
    def recommend(
        self, user_ids: tf.Tensor, k: tf.Tensor, exclude: tf.Tensor, include: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        users = self._user_ids.lookup(user_ids)
        known = users != UNKNOWN
        seen = tf.RaggedTensor.from_row_splits(self._seen_items, self._seen_splits, validate=False)
        seen = tf.gather(seen, tf.where(known, users, self._num_users))
        scores = self.catalogue_scores(tf.maximum(users, 0))
        return self._recommended(scores, known, seen, k, exclude, include)

    @tf.function(input_signature=[_USER_IDS, _ITEM_IDS])
    def score(self, user_ids: tf.Tensor, item_ids: tf.Tensor) -> dict[str, tf.Tensor]:
        users, items = self._user_ids.lookup(user_ids), self._item_ids.lookup(item_ids)
        return {
            "scores": self._to_rating(self.pair_scores(users, items)),
            "known_users": users != UNKNOWN,
            "known_items": items != UNKNOWN,
        }

    def _recommended(
        self,
        scores: tf.Tensor,
        known: tf.Tensor,
        left_out: tf.Tensor | tf.RaggedTensor,
        k: tf.Tensor,
        exclude: tf.Tensor,
        include: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """Return the lists that these scores make, float32 [B, num_items].

        Args:
            known: whose scores mean anything, bool [B].
            left_out: the items that these users have, int32 [B, …].
            k: the lengths of the lists, int32 [B].
            exclude: raw ids, string [B, M].
            include: raw ids, string [B, N].
        """
        scores = tf.where(known[:, tf.newaxis], scores, self._popularity)
        everything = tf.reduce_all(include == "", axis=1)[:, tf.newaxis]
        included = lists.is_among(self._item_ids.lookup(include), self._num_items)
        left_out = tf.concat([left_out, self._item_ids.lookup(exclude)], axis=1)
        return self._lists(scores, known, k, everything | included, lists.places(left_out))

    def _lists(
        self,
        scores: tf.Tensor,
        known: tf.Tensor,
        k: tf.Tensor,
        allowed: tf.Tensor,
        left_out: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """Return the answer that `lists.best` gives, as text; `known` is handed through."""
        # before anything fails on a k of 0 with a message of its own
        with tf.control_dependencies([tf.debugging.assert_positive(k, "k: ask for at least 1")]):
            k = tf.identity(k)
        items, values = lists.best(scores, k, allowed, left_out)
        items = tf.where(items == UNKNOWN, self._num_items, items)
        return {
            "item_ids": tf.gather(self._raw_ids, items),
            "labels": tf.gather(self._labels, items),
            "scores": values,
            "known": known,
        }


class _ServedModel(_Served):
    """Of a model without vectors: its own functions, traced."""

    def __init__(self, recommender: Recommender) -> None:
        super().__init__(recommender)
        for variable in recommender.model.trainable_variables:
            finite(variable)
        self._score_catalogue = recommender.model.score_catalogue
        self._call = recommender.model.call

    def catalogue_scores(self, users: tf.Tensor) -> tf.Tensor:
        return self._score_catalogue(users)

    def pair_scores(self, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        return self._call((users, items))


class _ServedVectors(_Served):
    """Of a model with vectors: tables of these, however the model makes them."""

    signatures = ("recommend", "recommend_from_history", "similar_items", "score")

    def __init__(self, recommender: Recommender) -> None:
        super().__init__(recommender)
        model = recommender.model
        users, items = both_sides(recommender)
        self._global_bias = _table(model.global_bias.numpy())
        self._user_vectors = _table(users)
        self._item_vectors = _table(items)
        self._item_units = _table(recommender.item_units)
        self._split_user_vectors = model.split_user_vectors
        self._split_item_vectors = model.split_item_vectors
        self._fold_in = recommender.fold_in
        self._rating_range = None
        if recommender.predicts_ratings:
            self._rating_range = model.rating_range.numpy().tolist()
        self._min_rating = recommender.config.positives.min_rating

    def catalogue_scores(self, users: tf.Tensor) -> tf.Tensor:
        return self._vector_scores(tf.gather(self._user_vectors, users))

    def _vector_scores(self, user_vectors: tf.Tensor) -> tf.Tensor:
        products = tf.matmul(user_vectors, self._item_vectors, transpose_b=True)
        return self._global_bias + products

    def pair_scores(self, users: tf.Tensor, items: tf.Tensor) -> tf.Tensor:
        known_users, known_items = users != UNKNOWN, items != UNKNOWN
        user_vectors = tf.gather(self._user_vectors, tf.maximum(users, 0))
        item_vectors = tf.gather(self._item_vectors, tf.maximum(items, 0))
        p, user_biases = self._split_user_vectors(user_vectors)
        q, item_biases = self._split_item_vectors(item_vectors)
        personal = tf.where(known_users & known_items, tf.reduce_sum(p * q, axis=1), 0)
        if user_biases is None:
            return self._global_bias + personal
        user_biases = tf.where(known_users, user_biases, 0)
        item_biases = tf.where(known_items, item_biases, 0)
        return self._global_bias + user_biases + item_biases + personal

    @tf.function(input_signature=[_HISTORY, _RATINGS, _K, _EXCLUDE, _INCLUDE])
    def recommend_from_history(
        self,
        history: tf.Tensor,
        ratings: tf.Tensor,
        k: tf.Tensor,
        exclude: tf.Tensor,
        include: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        items = self._item_ids.lookup(history)
        if self._rating_range:
            low, high = self._rating_range
            possible = (items == UNKNOWN) | histories.is_in_range(ratings, (low, high))
            tf.debugging.assert_equal(possible, True, f"ratings: they are from {low:g} to {high:g}")
        counted = histories.is_liked(items, ratings, self._min_rating)
        vectors = self._fold_in(tf.where(counted, items, UNKNOWN), ratings, tf.ones_like(ratings))
        known = tf.reduce_any(counted, axis=1)
        return self._recommended(self._vector_scores(vectors), known, items, k, exclude, include)

    @tf.function(input_signature=[_ITEM_IDS, _K])
    def similar_items(self, item_ids: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        items = self._item_ids.lookup(item_ids)
        known = items != UNKNOWN
        cosines = lists.cosines(self._item_units, tf.maximum(items, 0))
        itself = lists.places(items[:, tf.newaxis])
        return self._lists(cosines, known, k, known[:, tf.newaxis], itself)


def _runs_python(graph: tf.Graph) -> bool:
    """Return whether a graph calls back into this process."""
    definition = graph.as_graph_def()
    nodes = [definition.node, *(function.node_def for function in definition.library.function)]
    return any("PyFunc" in node.op for node in itertools.chain(*nodes))


def _table(values: object) -> tf.Variable:
    # not a constant: these are written into the graph, which may not exceed 2 GB
    return tf.Variable(values, trainable=False)


def _lookup(vocabulary: Vocabulary) -> tf.lookup.StaticHashTable:
    """Return the table from raw ids to rows, with UNKNOWN for any other text."""
    rows = tf.range(len(vocabulary))
    contents = tf.lookup.KeyValueTensorInitializer(tf.constant(vocabulary.raw_ids), rows)
    return tf.lookup.StaticHashTable(contents, UNKNOWN)

"""A trained model for others to use: as a SavedModel that answers by itself, or as bare vectors.

    recommender = Recommender.load("runs/my-run")
    export.saved_model(recommender, "models/mfrec/1")
    export.npy(recommender, "vectors")

The SavedModel needs TensorFlow alone, or TensorFlow Serving: no mfrec, no operations of its own.
Its signatures, one row a request, B requests at once; text is raw ids, "" fills rows up:

    recommend               user_ids string [B], k int32 [B], exclude string [B, M],
                            include string [B, N]
    recommend_from_history  history string [B, H], ratings float32 [B, H], k, exclude, include
    similar_items           item_ids string [B], k int32 [B]
      -> item_ids string [B, K], labels string [B, K], scores float32 [B, K], known bool [B]
    score                   user_ids string [B], item_ids string [B]
      -> scores float32 [B], known_users bool [B], known_items bool [B]

K is the largest k of the batch, or the number of items where that is less. Where a row asks for
fewer, or no more items are left, item_ids and labels are "" and scores 0: JSON has no −∞.
Everything that a signature names is required, and B is the first dimension of all of it, as
TensorFlow Serving wants it. `include` names the only items that may be recommended, none stands
for all of them; unknown ids there, in `exclude` and in `history` are ignored. The user's items of
training and validation, or those of the history, are left out. Unknown users (known is False) are
given the items that most users have, the number of users being the score, and so are histories in
which nothing counts; an unknown item has no similar ones. A k below 1 is an error, and so are
ratings outside the training ratings' range where the loss predicts ratings. In the histories of a
run with --min_rating what is rated lower is left out of the list, but does not count as liked.

The bare vectors have the biases folded in: μ + <user_vector, item_vector> is the score.
"""

import itertools
import re
import urllib.parse
from collections.abc import Callable
from pathlib import Path

import numpy as np

from mfrec.data.interactions import UNKNOWN, Vocabulary
from mfrec.errors import InputError, first_line
from mfrec.evaluation.top_items import best_items
from mfrec.files import new_folder
from mfrec.progress import say
from mfrec.quiet_tensorflow import tf
from mfrec.serving.recommender import Recommender, finite

SIGNATURES = ("recommend", "recommend_from_history", "similar_items", "score")

# All that an export may consist of; a folder with anything else in it is never replaced.
FILES = (
    *("saved_model.pb", "fingerprint.pb", "variables", "assets"),
    *("user_vectors.npy", "item_vectors.npy", "global_bias.npy", "users.tsv", "items.tsv"),
    *("user_vectors.txt", "item_vectors.txt", "index.faiss"),
)


def saved_model(recommender: Recommender, folder: str | Path, overwrite: bool = False) -> None:
    """Writes the SavedModel that the module's docstring describes.

    Args:
        recommender: whose answers it gives.
        folder: where to; TensorFlow Serving looks for NAME/VERSION, the version being a number.
        overwrite: whether an earlier export there may be replaced.

    Raises:
        InputError: the folder exists, or cannot be written; or the loss, by which histories are
            folded in, runs Python.
    """
    with new_folder(folder, overwrite, FILES) as path:
        served = _Served(recommender)
        signatures = {name: getattr(served, name) for name in SIGNATURES}
        # the model's own variables that a signature reads have to be saved, and no others
        traced = [signature.get_concrete_function().graph for signature in signatures.values()]
        if any(map(_runs_python, traced)):
            raise InputError(
                f"the loss '{recommender.loss.name}' runs Python, as by tf.py_function, which no "
                "SavedModel can hold; write it in TensorFlow alone"
            )
        served.variables_read = [variable for graph in traced for variable in graph.variables]
        try:
            tf.saved_model.save(served, str(path), signatures)
        except tf.errors.OpError as error:
            # what stands before is a temporary file's name
            raise InputError(f"{folder}: {first_line(error).rpartition('; ')[2]}") from None


def npy(recommender: Recommender, folder: str | Path, overwrite: bool = False) -> None:
    """Writes the vectors as numpy arrays; rows are named by users.tsv and items.tsv.

    user_vectors.npy float32 [num_users, dim], item_vectors.npy float32 [num_items, dim],
    global_bias.npy float32 [], and a `raw_id<TAB>label` line a row (see Vocabulary.save).

    Args and errors are those of `saved_model`.
    """
    with new_folder(folder, overwrite, FILES) as path:
        _write_arrays(recommender, path)


def text(recommender: Recommender, folder: str | Path, overwrite: bool = False) -> None:
    """Writes the vectors in the text format of word2vec, which most vector tools read.

    user_vectors.txt and item_vectors.txt: a line `rows dim`, then one `raw_id v1 v2 …` line a row,
    digits enough to give back every float32. The format ends an id at the first space, so white
    space and % in raw ids are written as in addresses: %20, %25.

    Args and errors are those of `saved_model`.
    """
    with new_folder(folder, overwrite, FILES) as path:
        users, items = _vectors(recommender)
        _write_text(path / "user_vectors.txt", recommender.users, users)
        _write_text(path / "item_vectors.txt", recommender.items, items)


def faiss_index(recommender: Recommender, folder: str | Path, overwrite: bool = False) -> None:
    """Writes what `npy` writes and index.faiss, of the item vectors; tells how good it is.

    Args and errors are those of `saved_model`, and one where faiss is missing.
    """
    from mfrec.serving import ann

    with new_folder(folder, overwrite, FILES) as path:
        users, items = _write_arrays(recommender, path)
        index, quality = ann.build(items, users)
        say(f"index.faiss: {quality}")
        (path / "index.faiss").write_bytes(ann.faiss.serialize_index(index))


FORMATS: dict[str, Callable[[Recommender, str | Path, bool], None]] = {
    "savedmodel": saved_model,
    "npy": npy,
    "text": text,
    "faiss": faiss_index,
}


class _Served(tf.Module):
    """The tables and the functions of the SavedModel.

    Whatever is unknown has a row of its own behind the others, so that no function has to ask.
    """

    def __init__(self, recommender: Recommender) -> None:
        super().__init__()
        model, seen = recommender.model, recommender.seen
        self._num_users, self._num_items = len(recommender.users), len(recommender.items)
        self._to_rating = model.to_ratings if recommender.predicts_ratings else tf.identity
        self._fold_in = recommender.fold_in
        low, high = np.finfo(np.float32).min, np.finfo(np.float32).max
        of_training = model.rating_range.numpy().tolist()
        self._rating_range = of_training if recommender.predicts_ratings else (low, high)
        least = recommender.config.positives.min_rating
        self._least_rating = low if least is None else least
        users, items = _vectors(recommender)
        of_unknown_user, of_unknown_item = np.zeros((2, 1, users.shape[1]), np.float32)
        if model.use_bias:
            # what is left of a score is the bias of the other side
            of_unknown_user[:, -1] = of_unknown_item[:, -2] = 1
        self._global_bias = _table(model.global_bias.numpy())
        self._user_vectors = _table(np.concatenate([users, of_unknown_user]))
        self._item_vectors = _table(np.concatenate([items, of_unknown_item]))
        self._is_embedding = tf.constant(np.arange(users.shape[1]) < model.embedding_dim)
        squares = tf.reduce_sum(self._embeddings(self._item_vectors) ** 2, axis=1)
        # times these, inner products of embeddings are cosines
        self._inverse_lengths = _table(tf.math.rsqrt(tf.maximum(squares, 1e-12)))
        self._seen_items = _table(seen.item_ids.astype(np.int32))
        self._seen_splits = _table(np.cumsum([0, *seen.counts, 0]))
        num_owners = np.bincount(seen.item_ids, minlength=self._num_items + 1)
        self._popularity = _table(num_owners.astype(np.float32))
        self._raw_ids = _table([*recommender.items.raw_ids, ""])
        self._labels = _table([*map(recommender.items.label, range(self._num_items)), ""])
        self._user_ids = _lookup(recommender.users)
        self._item_ids = _lookup(recommender.items)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, "user_ids"),
            tf.TensorSpec([None], tf.int32, "k"),
            tf.TensorSpec([None, None], tf.string, "exclude"),
            tf.TensorSpec([None, None], tf.string, "include"),
        ]
    )
    def recommend(
        self, user_ids: tf.Tensor, k: tf.Tensor, exclude: tf.Tensor, include: tf.Tensor
    ) -> dict[str, tf.Tensor]:
        users = self._user_ids.lookup(user_ids)
        seen = tf.RaggedTensor.from_row_splits(self._seen_items, self._seen_splits, validate=False)
        vectors, known = tf.gather(self._user_vectors, users), users < self._num_users
        return self._lists(vectors, known, tf.gather(seen, users), k, exclude, include)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None], tf.string, "history"),
            tf.TensorSpec([None, None], tf.float32, "ratings"),
            tf.TensorSpec([None], tf.int32, "k"),
            tf.TensorSpec([None, None], tf.string, "exclude"),
            tf.TensorSpec([None, None], tf.string, "include"),
        ]
    )
    def recommend_from_history(
        self,
        history: tf.Tensor,
        ratings: tf.Tensor,
        k: tf.Tensor,
        exclude: tf.Tensor,
        include: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        items = self._item_ids.lookup(history)
        is_known = items < self._num_items
        low, high = self._rating_range
        possible = ~is_known | ((ratings >= low) & (ratings <= high))
        tf.debugging.assert_equal(possible, True, f"ratings: they are from {low:g} to {high:g}")
        counted = is_known & (ratings >= self._least_rating)
        rows = tf.where(counted, items, UNKNOWN)
        vectors = self._fold_in(rows, ratings, tf.ones_like(ratings))
        known = tf.reduce_any(counted, axis=1)
        return self._lists(vectors, known, items, k, exclude, include)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, "item_ids"),
            tf.TensorSpec([None], tf.int32, "k"),
        ]
    )
    def similar_items(self, item_ids: tf.Tensor, k: tf.Tensor) -> dict[str, tf.Tensor]:
        items = self._item_ids.lookup(item_ids)
        known = items < self._num_items
        vectors = self._embeddings(tf.gather(self._item_vectors, items))
        lengths = tf.gather(self._inverse_lengths, items)[:, tf.newaxis]
        products = tf.matmul(vectors * lengths, self._item_vectors, transpose_b=True)
        cosines = tf.where(known[:, tf.newaxis], products * self._inverse_lengths, -np.inf)
        return self._best(cosines, known, items[:, tf.newaxis], k)

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, "user_ids"),
            tf.TensorSpec([None], tf.string, "item_ids"),
        ]
    )
    def score(self, user_ids: tf.Tensor, item_ids: tf.Tensor) -> dict[str, tf.Tensor]:
        users, items = self._user_ids.lookup(user_ids), self._item_ids.lookup(item_ids)
        products = tf.gather(self._user_vectors, users) * tf.gather(self._item_vectors, items)
        return {
            "scores": self._to_rating(self._global_bias + tf.reduce_sum(products, axis=1)),
            "known_users": users < self._num_users,
            "known_items": items < self._num_items,
        }

    def _embeddings(self, vectors: tf.Tensor) -> tf.Tensor:
        """These vectors [B, dim] with 0 in place of the biases."""
        return tf.where(self._is_embedding, vectors, 0)

    def _lists(
        self,
        user_vectors: tf.Tensor,
        known: tf.Tensor,
        had: tf.Tensor | tf.RaggedTensor,
        k: tf.Tensor,
        exclude: tf.Tensor,
        include: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """What `recommend` answers to users with these vectors, float32 [B, dim].

        Args:
            known: whose vectors mean anything, bool [B].
            had: the items that these users had, int32 [B, …].
        """
        scores = self._global_bias + tf.matmul(user_vectors, self._item_vectors, transpose_b=True)
        scores = tf.where(known[:, tf.newaxis], scores, self._popularity)
        everything = tf.reduce_all(include == "", axis=1)[:, tf.newaxis]
        included = _places(self._item_ids.lookup(include))
        included = tf.scatter_nd(included, tf.ones_like(included[:, 0]), tf.shape(scores)) > 0
        scores = tf.where(everything | included, scores, -np.inf)
        excluded = self._item_ids.lookup(exclude)
        return self._best(scores, known, tf.concat([had, excluded], axis=1), k)

    def _best(
        self,
        scores: tf.Tensor,
        known: tf.Tensor,
        left_out: tf.Tensor | tf.RaggedTensor,
        k: tf.Tensor,
    ) -> dict[str, tf.Tensor]:
        """The lists that these scores make, float32 [B, num_items + 1].

        Args:
            known: bool [B], handed through.
            left_out: items that no list may hold, int32 [B, …].
            k: the lengths of the lists, int32 [B].
        """
        tf.debugging.assert_positive(k, "k: ask for at least 1")
        nobody = tf.fill([tf.shape(scores)[0], 1], self._num_items)
        places = _places(tf.concat([left_out, nobody], axis=1))
        scores = tf.tensor_scatter_nd_update(scores, places, tf.fill(tf.shape(places)[:1], -np.inf))
        items, values = best_items(scores, tf.minimum(tf.reduce_max(k), self._num_items))
        is_listed = (items >= 0) & (tf.range(tf.shape(items)[1]) < k[:, tf.newaxis])
        items = tf.where(is_listed, items, self._num_items)
        return {
            "item_ids": tf.gather(self._raw_ids, items),
            "labels": tf.gather(self._labels, items),
            "scores": tf.where(is_listed, values, 0),
            "known": known,
        }


def _vectors(recommender: Recommender) -> tuple[np.ndarray, np.ndarray]:
    """Those of all users and of all items, float32 [rows, dim]."""
    model = recommender.model
    return finite(model.user_vectors()).numpy(), finite(model.item_vectors()).numpy()


def _runs_python(graph: tf.Graph) -> bool:
    """Whether a graph calls back into this process."""
    definition = graph.as_graph_def()
    nodes = [definition.node, *(function.node_def for function in definition.library.function)]
    return any("PyFunc" in node.op for node in itertools.chain(*nodes))


def _table(values: object) -> tf.Variable:
    # not a constant: these are written into the graph, which may not exceed 2 GB
    return tf.Variable(values, trainable=False)


def _lookup(vocabulary: Vocabulary) -> tf.lookup.StaticHashTable:
    """From raw ids to rows; the number of rows stands for strangers."""
    rows = tf.range(len(vocabulary))
    contents = tf.lookup.KeyValueTensorInitializer(tf.constant(vocabulary.raw_ids), rows)
    return tf.lookup.StaticHashTable(contents, len(vocabulary))


def _places(columns: tf.Tensor | tf.RaggedTensor) -> tf.Tensor:
    """(row, column) of every column that a row names, int32 [n, 2]."""
    columns = tf.RaggedTensor.from_tensor(columns) if isinstance(columns, tf.Tensor) else columns
    rows = tf.cast(columns.value_rowids(), tf.int32)
    return tf.stack([rows, columns.values], axis=1)


def _write_arrays(recommender: Recommender, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """What `npy` writes; returns the vectors of users and items."""
    users, items = _vectors(recommender)
    np.save(path / "user_vectors.npy", users)
    np.save(path / "item_vectors.npy", items)
    np.save(path / "global_bias.npy", recommender.model.global_bias.numpy())
    recommender.users.save(path / "users.tsv")
    recommender.items.save(path / "items.tsv")
    return users, items


def _write_text(path: Path, vocabulary: Vocabulary, vectors: np.ndarray) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.write(f"{len(vectors)} {vectors.shape[1]}\n")
        for raw_id, vector in zip(vocabulary.raw_ids, vectors, strict=True):
            name = re.sub(r"[\s%]", lambda found: urllib.parse.quote(found[0]), raw_id)
            file.write(f"{name} {' '.join(vector.astype(str))}\n")

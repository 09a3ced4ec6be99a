"""What every model has: `Model` is whatever scores.

    class Model                      yours: scores(user_ids, item_ids)
    class InnerProduct(Model)        yours: user_rows(ids), item_rows(ids) -> (vectors, biases)

All else follows and may be overridden: `call`, `contrast` for losses of rankings,
`score_catalogue` for evaluation and lists, the link and the range of ratings, unknown ids, saving.
Losses of the whole catalogue, fold-in, similar items, explanations and exports of vectors need an
`InnerProduct`.

Tables are made in `__init__` by `self.table(name, rows="users")`. The name and the rows tell all
else about it: what the regularizer charges, which rows a grown model takes over, what checkpoints
keep and what TensorBoard shows. Whatever a model looks up in the training part it takes in `adapt`.
"""

import random
import zlib
from collections.abc import Mapping
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np

from mfrec import memory
from mfrec.data import pipelines
from mfrec.data.features import Features
from mfrec.data.interactions import UNKNOWN, Interactions, check_kind, continuing
from mfrec.data.unknown import note_on_unknown
from mfrec.data.values import as_count, as_flag
from mfrec.data.vocabulary import Vocabulary
from mfrec.errors import InputError
from mfrec.losses.links import LINKS
from mfrec.models import checks
from mfrec.models.keras_model import KerasModel, snake_case
from mfrec.progress import say
from mfrec.quiet_tensorflow import graph_function, tf
from mfrec.ranges import Range

# Pairs of a user and an item that are scored at once where a model has no vectors.
_PAIRS_PER_BLOCK = 1 << 20
# ids are int32
_MOST_ROWS = 2**31 - 1
# The range of ratings before any were seen; finite, as weights have to be.
_LARGEST = float(np.finfo(np.float32).max)


class Table(NamedTuple):
    """A variable with a row for every user, every item or every feature.

    Attributes:
        name: of the variable and of the model's attribute.
        rows: "users", "items", "user_features" or "item_features"; None for rows of its own.
        variable: float32 [rows, width], or [rows] for biases.
    """

    name: str
    rows: str | None
    variable: tf.Variable


class Model(KerasModel):
    """Whatever scores users and items.

    A subclass makes its tables in `__init__` and overrides `scores`. Its own keyword arguments are
    set by --model_args; those that it hands on in `**settings` are the ones below.

    Args:
        num_users: rows of the tables of users.
        num_items: rows of the tables of items.
        embedding_dim: length of an embedding.
        init_stddev: embeddings start at N(0, init_stddev/√width), biases at 0.
        clip_predictions: whether predicted ratings are clipped to the training ratings' range.
        link: how scores become ratings, a name in losses.LINKS; None if scores only rank.
        seed: fixes the initial embeddings.

    Attributes:
        global_bias: μ, float32 []; fixed by `adapt`.
        rating_range: lowest and highest training rating, float32 [2]; all numbers before `adapt`.
    """

    # the numbers that a subclass's own arguments may be: {"depth": Range(minimum=1)}
    domain: Mapping[str, Range] = {}
    # whether `user_rows` and `item_rows` exist; and whether embeddings have length 1
    has_vectors = False
    normalize = False
    # of the training part; None before `adapt`
    vocabularies: tuple[Vocabulary, Vocabulary] | None = None
    user_features: Features | None = None
    item_features: Features | None = None

    def __init__(
        self,
        num_users: int,
        num_items: int,
        embedding_dim: int = 64,
        *,
        init_stddev: float = 0.1,
        clip_predictions: bool = True,
        link: str | None = "identity",
        seed: int = 0,
    ) -> None:
        super().__init__(name=snake_case(type(self).__name__), dtype="float32")
        self.num_users = as_count(num_users, "num_users", most=_MOST_ROWS)
        self.num_items = as_count(num_items, "num_items", most=_MOST_ROWS)
        self.embedding_dim = as_count(embedding_dim, "embedding_dim", most=_MOST_ROWS)
        self.init_stddev = init_stddev
        self.clip_predictions = as_flag(clip_predictions, "clip_predictions")
        self.link = link
        self.seed = seed
        # Keras draws the seeds of layers from it
        random.seed(seed)
        self.__dict__["_tables"] = []
        self.global_bias = self.add_weight(
            name="global_bias", shape=(), initializer="zeros", trainable=False
        )
        self.rating_range = self.add_weight(
            name="rating_range", shape=(2,), initializer=_unlimited, trainable=False
        )
        self.built = True

    # what a subclass says

    def scores(self, user_ids: tf.Tensor, item_ids: tf.Tensor) -> tf.Tensor:
        """Return the scores ŷ(u,i), float32 of the shape that the two broadcast to.

        Args:
            user_ids: int32, all known.
            item_ids: int32, all known.
        """
        raise InputError(f"{type(self).__name__} has to override scores(user_ids, item_ids)")

    def adapt(self, train: Interactions) -> None:
        """Take the constants of the training part: μ and the range of ratings.

        Called by `Trainer.fit` before the first step, and again on the run's own training part
        when a run folder is loaded. μ stays 0 where scores only rank.

        Raises:
            InputError: the ratings name more users or items than the model has.
        """
        checks.check_interactions(train, self.num_users, self.num_items)
        self.name_rows(train.users, train.items)
        if self.link is None:
            self.global_bias.assign(0.0)
            return
        low, high = train.whole.rating_range
        mean = np.float32(train.whole.rating_mean)
        self.rating_range.assign([low, high])
        self.global_bias.assign(LINKS[self.link].to_score(mean, low, high))

    def name_rows(self, users: Vocabulary, items: Vocabulary) -> None:
        """Keep whose rows these are, so that interactions are matched by raw id from now on."""
        known = self.vocabularies
        if known is None or known[0] is not users or known[1] is not items:
            # not by attribute: Keras would look for layers in them
            self.__dict__["vocabularies"] = (users, items)

    def matched(self, interactions: Interactions) -> Interactions:
        """Return interactions in the model's own rows, matched by raw id.

        UNKNOWN stands for raw ids that it was not trained on; a line on standard error says how
        many there are. A model that was never trained takes rows by their numbers, and so does one
        that Keras has read, which is said.

        Raises:
            InputError: they name more users or items than the model has.
        """
        interactions = check_kind(interactions, "rows")
        if self.vocabularies is not None:
            given, interactions = interactions, interactions.encode(*self.vocabularies)
            self._say_once(note_on_unknown(given, interactions))
        elif float(self.rating_range[1]) < _LARGEST:
            self._say_once(
                "this model was trained but knows no raw ids, as models that Keras has read: rows "
                "are taken by their numbers"
            )
        checks.check_interactions(interactions, self.num_users, self.num_items, UNKNOWN)
        return interactions

    def _say_once(self, note: str) -> None:
        if note and note != self.__dict__.get("_latest_note"):
            say(note)
            self.__dict__["_latest_note"] = note

    def matched_training_part(self, train: Interactions) -> Interactions:
        """Return the part that the model was trained on in the model's own rows, with its labels.

        Raises:
            InputError: it has raw ids that the model was not trained on.
        """
        train = check_kind(train, "training part")
        if self.vocabularies is None:
            checks.check_interactions(train, self.num_users, self.num_items)
            return train
        train = continuing(train, *self.vocabularies)
        named = zip(("user", "item"), (train.users, train.items), self.vocabularies, strict=True)
        for role, found, known in named:
            if len(found) > len(known):
                raise InputError(
                    f"the model was trained without {role} '{found.raw_ids[len(known)]}'; give the "
                    "part that it was trained on"
                )
        return train

    def table(
        self,
        name: str,
        rows: str | int,
        *,
        width: int | None = None,
        is_bias: bool = False,
        trainable: bool = True,
        seed: int | None = None,
        number: int | None = None,
    ) -> tf.Variable:
        """Make a variable with a row for every user, every item, or each of a number.

        It becomes the attribute `name` of the model. The regularizer charges each row of users and
        items as it charges the user's and the item's embedding (biases as biases), and no others.

        Args:
            name: of the variable; one name, one table.
            rows: "users", "items", or a number of rows of its own.
            width: numbers in a row; by default embedding_dim.
            is_bias: one number a row, starting at 0.
            trainable: False keeps the table at 0.
            seed: of the initial values; by default it follows from the model's seed and the name.
            number: of rows, where `rows` names what else they stand for, such as features.

        Returns:
            float32 [rows, width], starting at N(0, init_stddev/√width); or [rows].
        """
        if number is None:
            numbers = {"users": self.num_users, "items": self.num_items}
            number = numbers[rows] if isinstance(rows, str) else rows
        width = width or self.embedding_dim
        # three copies while the initial values are drawn
        needed = 3 * 4 * number * (1 if is_bias else width)
        memory.check(f"embedding_dim={width}", f"{number:,} rows of {name}", needed)
        start = "zeros"
        if trainable and not is_bias:
            if seed is None:
                seed = _seed_of(name, self.seed)
            stddev = self.init_stddev / np.sqrt(width)
            start = tf.keras.initializers.RandomNormal(stddev=stddev, seed=seed)
        shape = (number,) if is_bias else (number, width)
        variable = self.add_weight(name=name, shape=shape, initializer=start, trainable=trainable)
        # checkpoints know variables by the names of attributes
        setattr(self, name, variable)
        self._tables.append(Table(name, rows if isinstance(rows, str) else None, variable))
        return variable

    def tables(self) -> list[Table]:
        """Return the tables in the order in which they were made."""
        return list(self._tables)

    def rows_of_users(self) -> list[tf.Variable]:
        """Return the variables with a row for each user, which workers divide among themselves."""
        return [table.variable for table in self.tables() if table.rows == "users"]

    # what follows from it

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Return the scores ŷ(u,i) of pairs, float32 of the shape of the ids.

        Args:
            inputs: (user_ids, item_ids), int32 of one shape. Pairs with UNKNOWN (−1) score μ.
        """
        user_ids, item_ids = inputs
        scores = self.scores(tf.maximum(user_ids, 0), tf.maximum(item_ids, 0))
        return tf.where((user_ids >= 0) & (item_ids >= 0), scores, self.global_bias)

    def contrast(
        self, user_ids: tf.Tensor, positives: tf.Tensor, negatives: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the scores of positives and of negatives, for ranking losses.

        Args:
            user_ids: int32 [B], or [B, 1] for rows of positives.
            positives: item ids, int32 [B] or [B, P].
            negatives: item ids, int32 [N] for the whole batch, or [B, N] or [B, 1, N].

        Returns:
            float32 of the shape of `positives`, and float32 [B, N] or [B, 1, N].
        """
        return (
            self.scores(user_ids, positives),
            self.scores(user_ids[..., tf.newaxis], negatives),
        )

    def score_catalogue(self, user_ids: tf.Tensor) -> tf.Tensor:
        """Return the scores of every item for these users, float32 [B, num_items].

        Args:
            user_ids: int32 [B], all known.
        """
        return self._score_catalogue(checks.checked_ids(user_ids, self.num_users, "user"))

    @cached_property
    def _score_catalogue(self) -> Any:
        self._build_layers()
        # of the users' rank: TensorFlow's optimizer of graphs mixes up sums that broadcast ranks
        items = np.arange(self.num_items, dtype=np.int32)[np.newaxis]
        users_at_once = max(_PAIRS_PER_BLOCK // self.num_items, 1)

        def score(user_ids: tf.Tensor) -> tf.Tensor:
            return self.scores(user_ids[:, tf.newaxis], items)

        def score_in_blocks(user_ids: tf.Tensor) -> tf.Tensor:
            if user_ids.shape[0] is not None and user_ids.shape[0] <= users_at_once:
                return score(user_ids)
            filling = -tf.size(user_ids) % users_at_once
            blocks = tf.reshape(tf.pad(user_ids, [[0, filling]]), (-1, users_at_once))
            scores = tf.map_fn(score, blocks, fn_output_signature=tf.float32)
            return tf.reshape(scores, (-1, self.num_items))[: tf.size(user_ids)]

        return graph_function(score_in_blocks, reduce_retracing=True)

    def targets(self, ratings: tf.Tensor) -> tf.Tensor:
        """Return ratings on the scale on which a loss compares them with scores, float32 [B]."""
        if self.link is None:
            return ratings
        return LINKS[self.link].to_target(ratings, *self._scale())

    def predict_ratings(self, user_ids: tf.Tensor, item_ids: tf.Tensor) -> tf.Tensor:
        """Return expected ratings of pairs, float32 [...]: scores through the link, then clipped.

        Args:
            user_ids: int32 [...], UNKNOWN (−1) allowed.
            item_ids: int32 of the same shape, UNKNOWN (−1) allowed.
        """
        return self.to_ratings(self((user_ids, item_ids)))

    def to_ratings(self, scores: tf.Tensor) -> tf.Tensor:
        """Return the ratings that scores stand for, float32 [B]: through the link, then clipped."""
        if self.link is None:
            return scores
        ratings = LINKS[self.link].from_score(scores, *self._scale())
        low, high = self.rating_range[0], self.rating_range[1]
        return tf.clip_by_value(ratings, low, high) if self.clip_predictions else ratings

    def _scale(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Return the lowest and highest rating; 0 and 1 until training ratings were seen."""
        low, high = self.rating_range[0], self.rating_range[1]
        is_known = high < _LARGEST
        return tf.where(is_known, low, 0.0), tf.where(is_known, high, 1.0)

    def predict_interactions(self, interactions: Interactions) -> np.ndarray:
        """Return expected ratings of all rows, float32 [n], in blocks of bounded memory.

        Rows are matched by raw id, see `matched`; those with UNKNOWN fall back.
        """
        interactions = self.matched(interactions)
        if not len(interactions):
            return np.empty(0, np.float32)
        blocks = [
            self._predict_block(user_ids, item_ids)
            for user_ids, item_ids in pipelines.evaluation_blocks(interactions)
        ]
        return np.concatenate(blocks)[: len(interactions)]

    @cached_property
    def _predict_block(self) -> Any:
        self._build_layers()
        return graph_function(self.predict_ratings)

    def prepare(self, train: Interactions) -> None:
        """Adapt to the training part, and make the variables of layers inside the model.

        Raises:
            InputError: what the subclass returns is not what its method has to return.
        """
        self.adapt(train)
        self._build_layers()
        if not self.has_vectors:
            checks.check_scores(self.scores)

    def take_over(self, earlier: "Model") -> None:
        """Give the first rows of all variables the values that they have in an earlier model."""
        variables = zip(self.trainable_variables, earlier.trainable_variables, strict=True)
        for variable, before in variables:
            variable.assign(with_first_rows(variable, before))


def with_first_rows(variable: tf.Variable, earlier: tf.Variable) -> np.ndarray:
    """Return the values of a variable, with those of an earlier one in its first rows."""
    values, before = variable.numpy(), earlier.numpy()
    if not values.shape:
        return before
    values[: len(before)] = before
    return values


def _unlimited(shape: tuple[int, ...], dtype: Any = None) -> tf.Tensor:
    return tf.constant([-_LARGEST, _LARGEST], dtype)


def _seed_of(name: str, seed: int) -> int:
    """Another number for every table and every seed."""
    return (zlib.crc32(name.encode()) + 0x9E3779B1 * (seed + 1)) % 2**32

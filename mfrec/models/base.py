"""What every model has: `Model` is whatever scores, `InnerProduct` scores by vectors.

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

import inspect
import random
import re
import zlib
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple, cast

import numpy as np

from mfrec.data import pipelines
from mfrec.data.features import Features
from mfrec.data.interactions import UNKNOWN, Interactions
from mfrec.errors import InputError
from mfrec.losses.links import LINKS
from mfrec.models import checks
from mfrec.models.bag import Bag
from mfrec.quiet_tensorflow import graph_function, tf

# What every model is made from, in this order.
SIZES = ("num_users", "num_items", "embedding_dim")
# Pairs of a user and an item that are scored at once where a model has no vectors.
_PAIRS_PER_BLOCK = 1 << 20
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


class _Reproducible(type(tf.keras.Model)):  # type: ignore[misc]
    """Makes models, and the layers inside, of float32 and of the model's own seed.

    Global policies and generators neither change a model nor are changed by making one.
    """

    def __call__(cls, *args: Any, **kwargs: Any) -> "Model":
        policy, state = tf.keras.config.dtype_policy(), random.getstate()
        # half-precision tables stop learning; layers inside a model go with its tables
        tf.keras.config.set_dtype_policy("float32")
        try:
            model = super().__call__(*args, **kwargs)
        finally:
            tf.keras.config.set_dtype_policy(policy)
            random.setstate(state)
        # not an attribute of Keras's: it would wrap the dict
        model.__dict__["_arguments"] = _named_arguments(cls, args, kwargs)
        return model


class Model(tf.keras.Model, metaclass=_Reproducible):
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

    # whether `user_rows` and `item_rows` exist; and whether embeddings have length 1
    has_vectors = False
    normalize = False
    user_features: Features | None = None
    item_features: Features | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        tf.keras.utils.register_keras_serializable("mfrec")(cls)

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
        super().__init__(name=_snake_case(type(self).__name__), dtype="float32")
        self.num_users = num_users
        self.num_items = num_items
        self.embedding_dim = embedding_dim
        self.init_stddev = init_stddev
        self.clip_predictions = clip_predictions
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
        """Scores ŷ(u,i), float32 of the shape that the two broadcast to.

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
        if self.link is None:
            self.global_bias.assign(0.0)
            return
        low, high = float(train.ratings.min()), float(train.ratings.max())
        mean = np.float32(train.ratings.mean(dtype=np.float64))
        self.rating_range.assign([low, high])
        self.global_bias.assign(LINKS[self.link].to_score(mean, low, high))

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
        """The tables in the order in which they were made."""
        return list(self._tables)

    # what follows from it

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Scores ŷ(u,i) of pairs, float32 of the shape of the ids.

        Args:
            inputs: (user_ids, item_ids), int32 of one shape. Pairs with UNKNOWN (−1) score μ.
        """
        user_ids, item_ids = inputs
        scores = self.scores(tf.maximum(user_ids, 0), tf.maximum(item_ids, 0))
        return tf.where((user_ids >= 0) & (item_ids >= 0), scores, self.global_bias)

    def contrast(
        self, user_ids: tf.Tensor, positives: tf.Tensor, negatives: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Scores of positives and of negatives, for losses of rankings.

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
        """Scores of every item for these users, float32 [B, num_items].

        Args:
            user_ids: int32 [B], all known.
        """
        return self._score_catalogue(checks.checked_ids(user_ids, self.num_users, "user"))

    @cached_property
    def _score_catalogue(self) -> Any:
        self._build_layers()
        items = np.arange(self.num_items, dtype=np.int32)
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
        """Ratings on the scale on which the loss compares them with scores, float32 [B]."""
        if self.link is None:
            return ratings
        return LINKS[self.link].to_target(ratings, *self._scale())

    def predict_ratings(self, user_ids: tf.Tensor, item_ids: tf.Tensor) -> tf.Tensor:
        """Expected ratings of pairs, float32 [...]: the score through the link, then clipped.

        Args:
            user_ids: int32 [...], UNKNOWN (−1) allowed.
            item_ids: int32 of the same shape, UNKNOWN (−1) allowed.
        """
        return self.to_ratings(self((user_ids, item_ids)))

    def to_ratings(self, scores: tf.Tensor) -> tf.Tensor:
        """Ratings that scores, float32 [B], stand for: through the link, then clipped."""
        if self.link is None:
            return scores
        ratings = LINKS[self.link].from_score(scores, *self._scale())
        low, high = self.rating_range[0], self.rating_range[1]
        return tf.clip_by_value(ratings, low, high) if self.clip_predictions else ratings

    def _scale(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Lowest and highest rating; 0 and 1 as long as no training ratings were seen."""
        low, high = self.rating_range[0], self.rating_range[1]
        is_known = high < _LARGEST
        return tf.where(is_known, low, 0.0), tf.where(is_known, high, 1.0)

    def predict_interactions(self, interactions: Interactions) -> np.ndarray:
        """Expected ratings of all rows, float32 [n], in blocks of bounded memory."""
        checks.check_interactions(interactions, self.num_users, self.num_items, UNKNOWN)
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
        """Adapt to the training part, and make the variables of layers inside the model."""
        self.adapt(train)
        self._build_layers()

    def _build_layers(self) -> None:
        """Make the variables of layers inside the model, which come with the first ids."""
        if not all(layer.built for layer in self._flatten_layers(include_self=False)):
            first = tf.zeros([1], tf.int32)
            self.scores(first, first)

    def take_over(self, earlier: "Model") -> None:
        """Give the first rows of all variables the values that they have in an earlier model."""
        variables = zip(self.trainable_variables, earlier.trainable_variables, strict=True)
        for variable, before in variables:
            variable.assign(with_first_rows(variable, before))

    # Keras

    def __call__(self, inputs: Any, *args: Any, **kwargs: Any) -> Any:
        """Scores ŷ(u,i) of pairs, as `call` gives them, once their ids are checked.

        Args:
            inputs: (user_ids, item_ids), integers of one shape, UNKNOWN (−1) allowed.
            args: what else Keras hands on.
            kwargs: likewise.

        Raises:
            InputError: ids are no integers, outside the tables, or of two shapes.
        """
        user_ids, item_ids = checks.checked_pair(inputs, self.num_users, self.num_items)
        if tf.TensorShape(user_ids.shape).rank:
            return super().__call__((user_ids, item_ids), *args, **kwargs)
        # layers inside a model take no single vectors, and none of unknown rank
        pair = tf.reshape(user_ids, [-1]), tf.reshape(item_ids, [-1])
        return tf.reshape(super().__call__(pair, *args, **kwargs), tf.shape(user_ids))

    def compute_loss(
        self,
        x: Any = None,
        y: Any = None,
        y_pred: Any = None,
        sample_weight: Any = None,
        training: bool = True,
    ) -> tf.Tensor:
        """Keras's loss of a batch, each example counted alike whatever the shape of the ids."""
        return super().compute_loss(x, *_in_columns(y, y_pred), sample_weight, training)

    def compute_metrics(self, x: Any, y: Any, y_pred: Any, sample_weight: Any = None) -> Any:
        """Keras's metrics so far, each example counted alike whatever the shape of the ids."""
        return super().compute_metrics(x, *_in_columns(y, y_pred), sample_weight)

    # each begins with the examples
    fit = checks.checks_ids_first(tf.keras.Model.fit)
    evaluate = checks.checks_ids_first(tf.keras.Model.evaluate)
    predict = checks.checks_ids_first(tf.keras.Model.predict)
    train_on_batch = checks.checks_ids_first(tf.keras.Model.train_on_batch)
    test_on_batch = checks.checks_ids_first(tf.keras.Model.test_on_batch)
    predict_on_batch = checks.checks_ids_first(tf.keras.Model.predict_on_batch)

    def export(self, filepath: str, *args: Any, **kwargs: Any) -> None:
        """Write Keras's SavedModel of `call`, by default for ids int32 [B].

        Args:
            filepath: the folder to write.
            args: Keras's, such as the format.
            kwargs: likewise; `input_signature` asks for other shapes.
        """
        self._build_layers()
        spec = tf.TensorSpec([None], tf.int32)
        kwargs.setdefault("input_signature", [(spec, spec)])
        super().export(filepath, *args, **kwargs)

    def get_config(self) -> dict[str, Any]:
        """The arguments that the model was made with, by name; and its link, as it is now."""
        config = {name: _as_json(value) for name, value in self._arguments.items()}
        # a Trainer sets it to that of the loss
        return config | ({"link": self.link} if "link" in arguments(type(self)) else {})

    @classmethod
    def from_config(cls, config: dict[str, Any], custom_objects: Any = None) -> "Model":
        """The untrained model of a `get_config`; Keras's own entries are ignored."""
        taken = arguments(cls)
        return cls(
            **{
                name: _from_json(value, custom_objects)
                for name, value in config.items()
                if name in taken or name not in ("name", "dtype", "trainable")
            }
        )

    def __deepcopy__(self, memo: dict) -> "Model":
        cls = type(self)
        # a later class of the same name may have taken its place
        with tf.keras.utils.custom_object_scope({tf.keras.utils.get_registered_name(cls): cls}):
            load, saved = cast(tuple, self.__reduce__())
            return load(*saved)

    def save_own_variables(self, store: Any) -> None:
        """Write variables, and what the model looks up in the training part."""
        self._build_layers()
        super().save_own_variables(store)
        for name, bag in self._bags():
            store[f"{name}_splits"], store[f"{name}_members"] = bag.splits, bag.members

    def load_own_variables(self, store: Any) -> None:
        """Read what `save_own_variables` wrote."""
        kept = {key: np.array(store[key]) for key in store.keys()}
        for name in [key.removesuffix("_splits") for key in kept if key.endswith("_splits")]:
            setattr(self, name, Bag(kept.pop(f"{name}_splits"), kept.pop(f"{name}_members")))
        super().load_own_variables(kept)
        # Keras loads those of layers next
        self._build_layers()

    def _bags(self) -> Iterator[tuple[str, Bag]]:
        return ((name, value) for name, value in vars(self).items() if isinstance(value, Bag))


class VectorScores:
    """Scores by inner products of vectors; needs `user_vectors`, `item_vectors`, `global_bias`."""

    num_users: int
    num_items: int
    global_bias: tf.Tensor | tf.Variable

    def user_vectors(self, user_ids: tf.Tensor | None = None) -> tf.Tensor:
        """Vectors of users, float32 [..., dim] of int32 [...], or of all."""
        raise InputError(f"{type(self).__name__} has to override user_vectors(user_ids)")

    def item_vectors(self, item_ids: tf.Tensor | None = None) -> tf.Tensor:
        """Vectors of items, float32 [..., dim] of int32 [...], or of all."""
        raise InputError(f"{type(self).__name__} has to override item_vectors(item_ids)")

    def scores(self, user_ids: tf.Tensor, item_ids: tf.Tensor) -> tf.Tensor:
        """Scores ŷ(u,i), float32 of the shape that the ids broadcast to."""
        products = self.user_vectors(user_ids) * self.item_vectors(item_ids)
        return self.global_bias + tf.reduce_sum(products, axis=-1)

    def score_catalogue(self, user_ids: tf.Tensor) -> tf.Tensor:
        """Scores of every item for these users, int32 [B]: float32 [B, num_items]."""
        scores = tf.matmul(self.user_vectors(user_ids), self.item_vectors(), transpose_b=True)
        return self.global_bias + scores

    def contrast(
        self, user_ids: tf.Tensor, positives: tf.Tensor, negatives: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Scores of positives and of negatives, without μ, which is 0 for losses of rankings.

        Args and shapes are those of `Model.contrast`.
        """
        score = self._contrast_shared if len(negatives.shape) == 1 else self._contrast_own
        return score(user_ids, positives, negatives)

    def _contrast_shared(
        self, user_ids: tf.Tensor, positives: tf.Tensor, negatives: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        users, items = self.user_vectors(user_ids), self.item_vectors(positives)
        # tf.matmul would multiply row by row where users are [B, 1, d]
        scores = tf.tensordot(users, self.item_vectors(negatives), axes=(-1, -1))
        return tf.reduce_sum(users * items, axis=-1), scores

    def _contrast_own(
        self, user_ids: tf.Tensor, positives: tf.Tensor, negatives: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Read together, positives and negatives cost one visit to the item table and one to its
        gradient: a quarter of the step where there is one negative.
        """
        user_ids = tf.reshape(user_ids, [-1])
        rows = tf.shape(user_ids)[0]
        columns = [tf.reshape(ids, (rows, -1)) for ids in (positives, negatives)]
        items = self.item_vectors(tf.concat(columns, axis=1))
        users = self.user_vectors(user_ids)[:, tf.newaxis]
        # summed by a product with ones, for which XLA uses vector registers
        ones = tf.ones((users.shape[-1], 1))
        scores = tf.matmul(tf.reshape(users * items, (-1, len(ones))), ones)
        scores = tf.reshape(scores, (rows, -1))
        width = tf.shape(columns[0])[1]
        return (
            tf.reshape(scores[:, :width], tf.shape(positives)),
            tf.reshape(scores[:, width:], tf.shape(negatives)),
        )


class InnerProduct(VectorScores, Model):
    """Scores ŷ(u,i) = μ + b_u + b_i + <p_u, q_i>, whatever p_u and q_i are made of.

    A subclass overrides `user_rows` and `item_rows`. Biases fold into the vectors, so that a plain
    inner product ranks as the score does: [p_u, b_u, 1] and [q_i, 1, b_i].
    """

    has_vectors = True

    def user_rows(self, user_ids: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor | None]:
        """p_u, float32 [..., width], and b_u, float32 [...] or None, of these users or of all.

        Args:
            user_ids: int32 [...], all known; None for all users.
        """
        raise InputError(f"{type(self).__name__} has to override user_rows(user_ids)")

    def item_rows(self, item_ids: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor | None]:
        """q_i and b_i, like `user_rows`; biases there and None here do not go together."""
        raise InputError(f"{type(self).__name__} has to override item_rows(item_ids)")

    @property
    def width(self) -> int:
        """Length of p_u and q_i, which need not be embedding_dim."""
        return self._shape_of_rows[0]

    @property
    def has_biases(self) -> bool:
        """Whether vectors hold biases."""
        return self._shape_of_rows[1]

    @cached_property
    def _shape_of_rows(self) -> tuple[int, bool]:
        self._build_layers()
        with tf.Graph().as_default():
            # traced, not computed: rows may cost a pass over the training part
            vectors, biases = (
                tf.function(self.item_rows)
                .get_concrete_function(tf.TensorSpec([1], tf.int32))
                .structured_outputs
            )
        return int(vectors.shape[-1]), biases is not None

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Scores ŷ(u,i) of pairs, float32 of the shape of the ids.

        Args:
            inputs: (user_ids, item_ids), int32 of one shape. UNKNOWN (−1) is a row of zeros, which
                leaves μ + b_i for an unknown user, μ + b_u for an unknown item, and μ for both.
        """
        user_known, item_known = (tf.cast(ids >= 0, tf.float32) for ids in inputs)
        user_ids, item_ids = (tf.maximum(ids, 0) for ids in inputs)
        p_u, b_u = self.user_rows(user_ids)
        q_i, b_i = self.item_rows(item_ids)
        interaction = user_known * item_known * tf.reduce_sum(p_u * q_i, axis=-1)
        if b_u is None:
            return self.global_bias + interaction
        return self.global_bias + user_known * b_u + item_known * b_i + interaction

    def user_vectors(self, user_ids: tf.Tensor | None = None) -> tf.Tensor:
        """[p_u, b_u, 1], or p_u without biases: float32 [..., dim] of int32 [...], or of all.

        score − μ = <user_vectors(u), item_vectors(i)>.
        """
        if user_ids is not None:
            user_ids = checks.checked_ids(user_ids, self.num_users, "user")
        vectors, biases = self.user_rows(user_ids)
        if biases is None:
            return vectors
        biases = biases[..., tf.newaxis]
        return tf.concat([vectors, biases, tf.ones_like(biases)], axis=-1)

    def item_vectors(self, item_ids: tf.Tensor | None = None) -> tf.Tensor:
        """[q_i, 1, b_i], or q_i without biases: float32 [..., dim] of int32 [...], or of all."""
        if item_ids is not None:
            item_ids = checks.checked_ids(item_ids, self.num_items, "item")
        vectors, biases = self.item_rows(item_ids)
        if biases is None:
            return vectors
        biases = biases[..., tf.newaxis]
        return tf.concat([vectors, tf.ones_like(biases), biases], axis=-1)

    def split_user_vectors(self, vectors: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
        """p_u and b_u (None without biases) of user vectors [..., dim]; arrays do as well."""
        width = self.width
        return vectors[..., :width], vectors[..., width] if self.has_biases else None

    def split_item_vectors(self, vectors: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
        """q_i and b_i (None without biases) of item vectors [..., dim]; arrays do as well."""
        width = self.width
        return vectors[..., :width], vectors[..., width + 1] if self.has_biases else None


def rows(table: tf.Tensor | tf.Variable, ids: tf.Tensor | None) -> tf.Tensor:
    """These rows of a table, [..., width] of int32 [...], or all of them."""
    return tf.convert_to_tensor(table) if ids is None else tf.gather(table, ids)


def with_first_rows(variable: tf.Variable, earlier: tf.Variable) -> np.ndarray:
    """The values of a variable, with those of an earlier one in place of its first rows."""
    values, before = variable.numpy(), earlier.numpy()
    if not values.shape:
        return before
    values[: len(before)] = before
    return values


def arguments(model: type[Model]) -> dict[str, inspect.Parameter]:
    """What a model's constructor takes by name, that of its base classes included."""
    found: dict[str, inspect.Parameter] = {}
    for cls in model.__mro__:
        if "__init__" not in vars(cls):
            continue
        parameters = list(inspect.signature(cls.__init__).parameters.values())[1:]
        for parameter in parameters:
            if parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                found.setdefault(parameter.name, parameter)
        # what a constructor does not hand on its bases cannot be given
        if cls is Model or not any(p.kind is p.VAR_KEYWORD for p in parameters):
            break
    return found


def _named_arguments(model: type[Model], args: tuple, kwargs: dict[str, Any]) -> dict[str, Any]:
    parameters = list(inspect.signature(model.__init__).parameters.values())[1:]
    names = [p.name for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        names += [name for name in SIZES if name not in names]
    return dict(zip(names, args, strict=False)) | kwargs


def _as_json(value: Any) -> Any:
    if isinstance(value, Features):
        return {
            "names": list(value.names),
            "ids": value.ids.tolist(),
            "values": value.values.tolist(),
        }
    return value.item() if isinstance(value, np.generic) else value


def _from_json(value: Any, custom_objects: Any) -> Any:
    if isinstance(value, dict) and set(value) == {"names", "ids", "values"}:
        return Features(
            tuple(value["names"]),
            np.array(value["ids"], np.int32),
            np.array(value["values"], np.float32),
        )
    if isinstance(value, dict) and "class_name" in value:
        return tf.keras.utils.deserialize_keras_object(value, custom_objects)
    return value


def _in_columns(y: Any, y_pred: tf.Tensor) -> tuple[Any, tf.Tensor]:
    """Ratings and scores, both [B, 1] where they are [B].

    Keras's losses are means over the last axis, which is to be no axis of examples.
    """
    if y_pred.shape.rank == 1:
        y_pred = y_pred[:, tf.newaxis]
    elif y_pred.shape.rank is None:
        y_pred = tf.reshape(y_pred, (tf.shape(y_pred)[0], -1))
    return y if y is None else tf.reshape(y, tf.shape(y_pred)), y_pred


def _unlimited(shape: tuple[int, ...], dtype: Any = None) -> tf.Tensor:
    return tf.constant([-_LARGEST, _LARGEST], dtype)


def _seed_of(name: str, seed: int) -> int:
    """Another number for every table and every seed."""
    return (zlib.crc32(name.encode()) + 0x9E3779B1 * (seed + 1)) % 2**32


def _snake_case(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()

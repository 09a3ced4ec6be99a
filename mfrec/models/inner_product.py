"""Models that score by vectors: ŷ(u,i) = μ + b_u + b_i + <p_u, q_i>, whatever these are made of."""

from collections.abc import Callable
from functools import cached_property

from mfrec.data.interactions import Interactions
from mfrec.errors import InputError
from mfrec.faults import described
from mfrec.models import checks
from mfrec.models.base import Model
from mfrec.models.reads import known
from mfrec.quiet_tensorflow import tf


class VectorScores:
    """Scores by inner products of vectors; needs `user_vectors`, `item_vectors`, `global_bias`."""

    num_users: int
    num_items: int
    global_bias: tf.Tensor | tf.Variable

    def user_vectors(self, user_ids: tf.Tensor | None = None) -> tf.Tensor:
        """Return vectors of users, float32 [..., dim] of int32 [...], or of all."""
        raise InputError(f"{type(self).__name__} has to override user_vectors(user_ids)")

    def item_vectors(self, item_ids: tf.Tensor | None = None) -> tf.Tensor:
        """Return vectors of items, float32 [..., dim] of int32 [...], or of all."""
        raise InputError(f"{type(self).__name__} has to override item_vectors(item_ids)")

    def scores(self, user_ids: tf.Tensor, item_ids: tf.Tensor) -> tf.Tensor:
        """Return the scores ŷ(u,i), float32 of the shape that the ids broadcast to."""
        products = self.user_vectors(user_ids) * self.item_vectors(item_ids)
        return self.global_bias + tf.reduce_sum(products, axis=-1)

    def score_catalogue(self, user_ids: tf.Tensor) -> tf.Tensor:
        """Return the scores of every item for these users, int32 [B]: float32 [B, num_items]."""
        scores = tf.matmul(self.user_vectors(user_ids), self.item_vectors(), transpose_b=True)
        return self.global_bias + scores

    def contrast(
        self, user_ids: tf.Tensor, positives: tf.Tensor, negatives: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Return scores of positives and of negatives, without μ, which is 0 for ranking losses.

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
        """Score positives and negatives in one go.

        Read together they cost one visit to the item table and one to its gradient: that saves a
        quarter of the step where there is one negative.
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
        """Return p_u, float32 [..., width], and b_u, float32 [...] or None, of these users or all.

        Args:
            user_ids: int32 [...], all known; None for all users.
        """
        raise InputError(f"{type(self).__name__} has to override user_rows(user_ids)")

    def item_rows(self, item_ids: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return q_i and b_i, like `user_rows`; both return biases, or neither does."""
        raise InputError(f"{type(self).__name__} has to override item_rows(item_ids)")

    def prepare(self, train: Interactions) -> None:
        """Adapt and make the variables, as every model, and check what rows are made of.

        Raises:
            InputError: rows of users and of items do not go together.
        """
        super().prepare(train)
        users, items = _shape_of(self.user_rows), self._shape_of_rows
        if users != items:
            raise InputError(
                f"model '{self.name}': user_rows returns vectors of width {users[0]} "
                f"{_with_biases(users)}, item_rows of width {items[0]} {_with_biases(items)}; both "
                "widths have to be equal, and both return biases or None"
            )

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
        return _shape_of(self.item_rows)

    def call(self, inputs: tuple[tf.Tensor, tf.Tensor]) -> tf.Tensor:
        """Return the scores ŷ(u,i) of pairs, float32 of the shape of the ids.

        Args:
            inputs: (user_ids, item_ids), int32 of one shape. UNKNOWN (−1) is a row of zeros, which
                leaves μ + b_i for an unknown user, μ + b_u for an unknown item, and μ for both.
        """
        user_known, item_known = (tf.cast(ids >= 0, tf.float32) for ids in inputs)
        user_ids, item_ids = map(known, inputs)
        p_u, b_u = self.user_rows(user_ids)
        q_i, b_i = self.item_rows(item_ids)
        interaction = user_known * item_known * tf.reduce_sum(p_u * q_i, axis=-1)
        if b_u is None:
            return self.global_bias + interaction
        return self.global_bias + user_known * b_u + item_known * b_i + interaction

    def user_vectors(self, user_ids: tf.Tensor | None = None) -> tf.Tensor:
        """Return [p_u, b_u, 1], or p_u without biases: float32 [..., dim] of int32 [...], or all.

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
        """Return [q_i, 1, b_i], or q_i without biases; shapes as for `user_vectors`."""
        if item_ids is not None:
            item_ids = checks.checked_ids(item_ids, self.num_items, "item")
        vectors, biases = self.item_rows(item_ids)
        if biases is None:
            return vectors
        biases = biases[..., tf.newaxis]
        return tf.concat([vectors, tf.ones_like(biases), biases], axis=-1)

    def split_user_vectors(self, vectors: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return p_u and b_u (None without biases) of user vectors [..., dim]; arrays do too."""
        width = self.width
        return vectors[..., :width], vectors[..., width] if self.has_biases else None

    def split_item_vectors(self, vectors: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return q_i and b_i (None without biases) of item vectors [..., dim]; arrays do too."""
        width = self.width
        return vectors[..., :width], vectors[..., width + 1] if self.has_biases else None


def _shape_of(rows: Callable[..., tuple[tf.Tensor, tf.Tensor | None]]) -> tuple[int, bool]:
    """Return the width of vectors, and whether there are biases."""
    # traced, not computed: rows may cost a pass over the training part
    returned = checks.traced_outputs(rows, [1])
    vectors, biases = returned if isinstance(returned, tuple) and len(returned) == 2 else (None, 0)
    is_right = checks.is_float32(vectors, [1, None]) and vectors.shape[-1] is not None
    if not is_right or not (biases is None or checks.is_float32(biases, [1])):
        found = ", ".join(map(described, returned)) if isinstance(returned, tuple) else ""
        raise InputError(
            f"{rows.__qualname__} returned {found or described(returned)} for one id; it returns "
            "two things, float32 vectors [..., width] and float32 biases [...] or None"
        )
    return int(vectors.shape[-1]), biases is not None


def _with_biases(shape: tuple[int, bool]) -> str:
    return "with biases" if shape[1] else "without biases"

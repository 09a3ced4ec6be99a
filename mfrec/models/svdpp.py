"""SVD++: a user is also the items that the user has rated.

    ŷ(u,i) = μ + b_u + b_i + <p_u + |N(u)|^(−1/2) Σ_{j∈N(u)} y_j, q_i>

N(u) are the items of the user's training examples, y_j a second embedding of each item. Koren
2008, "Factorization meets the neighborhood: a multifaceted collaborative filtering model".
"""

from typing import Any

from mfrec.data.interactions import Interactions
from mfrec.models.bag import Bag
from mfrec.models.matrix_factorization import MatrixFactorization
from mfrec.models.registry import register
from mfrec.quiet_tensorflow import tf


@register("svdpp")
class SVDpp(MatrixFactorization):
    """Matrix factorization with the user's history in the user's vector.

    Variables are those of `MatrixFactorization` and `implicit_embedding`, y, float32
    [num_items, embedding_dim]. Every step sums the y_j of all training examples.
    """

    rated: Bag | None = None

    def __init__(self, *args: Any, **settings: Any) -> None:
        super().__init__(*args, **settings)
        self.table("implicit_embedding", "items")

    def adapt(self, train: Interactions) -> None:
        """Take what `MatrixFactorization` takes, and which items every user has rated."""
        super().adapt(train)
        self.rated = Bag.of_pairs(train.user_ids, train.item_ids, self.num_users)

    def user_rows(self, user_ids: tf.Tensor | None) -> tuple[tf.Tensor, tf.Tensor | None]:
        """Return p_u with the sum over the user's items, float32 [..., d], and b_u."""
        vectors, biases = super().user_rows(user_ids)
        if self.rated is not None:
            vectors += self.rated.sum(self.implicit_embedding, user_ids)
        return vectors, biases

"""A model of one's own: SVD++, in which a user is also the items that the user has rated.

    python train.py --model=examples/my_model.py:SVDpp --embedding_dim=10

Koren 2008, "Factorization meets the neighborhood: a multifaceted collaborative filtering model".
"""

from mfrec import models


class SVDpp(models.MatrixFactorization):
    """p_u + |N(u)|^(−1/2) Σ_{j∈N(u)} y_j in place of p_u; N(u) are the items that u has rated."""

    def __init__(self, *sizes, **settings):
        super().__init__(*sizes, **settings)
        self.table("implicit_embedding", rows="items")

    def adapt(self, train):
        super().adapt(train)
        self.rated = models.Bag.of_pairs(train.user_ids, train.item_ids, self.num_users)

    def user_rows(self, user_ids):
        vectors, biases = super().user_rows(user_ids)
        return vectors + self.rated.sum(self.implicit_embedding, user_ids), biases

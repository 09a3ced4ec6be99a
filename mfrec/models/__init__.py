"""Models: whatever scores users and items, and what follows from it.

    # my_models.py         python train.py --model=my_models.py:TwoTowers
    from mfrec import models

    class TwoTowers(models.InnerProduct):
        def __init__(self, *sizes, **settings):
            super().__init__(*sizes, **settings)
            self.table("user_embedding", "users")
            self.table("item_embedding", "items")

        def user_rows(self, user_ids):
            return models.rows(self.user_embedding, user_ids), None

        def item_rows(self, item_ids):
            return tf.nn.relu(models.rows(self.item_embedding, item_ids)), None

A model with vectors subclasses `InnerProduct`, any other `Model`; base.py says what is asked of
them and what follows. `@models.register("name")` gives a class a name for --model.
"""

from mfrec.models.bag import Bag
from mfrec.models.base import Model, Table
from mfrec.models.inner_product import InnerProduct

# isort: split
# registers the built-in ones, in the order in which --help lists them
from mfrec.models.matrix_factorization import MatrixFactorization
from mfrec.models.reads import rows
from mfrec.models.registry import REGISTRY, build, get, own_arguments, register, settings_of, suit
from mfrec.models.svdpp import SVDpp
from mfrec.ranges import Range

__all__ = [
    "REGISTRY",
    "Bag",
    "InnerProduct",
    "MatrixFactorization",
    "Model",
    "Range",
    "SVDpp",
    "Table",
    "build",
    "get",
    "own_arguments",
    "register",
    "rows",
    "settings_of",
    "suit",
]

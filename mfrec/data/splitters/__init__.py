"""Ways to hold out rows, each a function that `--split` names.

A splitter gets distinct pairs and a random generator made from the seed, and says which rows are
held out; all other rows train:

    # my_splits.py            python train.py --split=my_splits.py:newest_items
    import numpy as np
    from mfrec import splitters

    @splitters.register("newest_items", needs=("timestamps",), draws=False)
    def newest_items(interactions, random, *, test_fraction=0.1):
        first_rated = np.full(interactions.num_items, np.inf)
        np.minimum.at(first_rated, interactions.item_ids, interactions.timestamps)
        newest = np.argsort(first_rated)[round(interactions.num_items * (1 - test_fraction)) :]
        return splitters.HeldOut(test=np.isin(interactions.item_ids, newest))

The settings that a splitter names among its keyword arguments reach it by name:
`validation_fraction`, `test_fraction`, `fold_in_fraction`. Its own defaults hold where the user
gives none. A splitter that makes a validation part has to name `validation_fraction`; for one that
does not, that share of its training rows becomes the validation part. `random` is made from
`--seed`: the same seed has to give the same rows, whatever their ratings are.

Without `register` a function takes the name that it is defined with. Repeated pairs are dropped
before a splitter is called, so no pair can be on both sides.
"""

from mfrec.data.splitters.built_in import FOLDS
from mfrec.data.splitters.cutting import cut, ready_made, with_validation
from mfrec.data.splitters.registry import REGISTRY, HeldOut, Splitter, get, register

__all__ = [
    "FOLDS",
    "REGISTRY",
    "HeldOut",
    "Splitter",
    "cut",
    "get",
    "ready_made",
    "register",
    "with_validation",
]

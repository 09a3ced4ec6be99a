"""A negative sampler of your own, for ranking losses.

python train.py --loss=bpr --negative_sampler=examples/my_sampler.py:head
"""

import numpy as np
import tensorflow as tf

from mfrec import samplers


def head(train, *, share=0.2):
    """Draw from this share of the items, the most popular: negatives that are hard to tell."""
    counts = np.bincount(train.item_ids, minlength=train.num_items)
    items = np.argsort(-counts, kind="stable")[: int(np.ceil(share * train.num_items))]

    def sample(seed, shape, user_ids, batch_items):
        places = samplers.random_uniform(shape, seed, 0, len(items), tf.int32)
        log_probabilities = tf.fill(shape, np.float32(-np.log(len(items))))
        return samplers.Negatives(tf.gather(np.int32(items), places), log_probabilities)

    return sample

"""A ranking loss of your own: python train.py --loss=examples/my_ranking_loss.py:squared_hinge"""

import tensorflow as tf

from mfrec import losses


@losses.ranking("squared_hinge", num_negatives=4)
def squared_hinge(positive_scores, negative_scores, margin=1.0):
    """max(0, margin − s⁺ + s⁻)², mean over the negatives: one far too high weighs most."""
    margins = positive_scores[..., tf.newaxis] - negative_scores
    return tf.reduce_mean(tf.nn.relu(margin - margins) ** 2, axis=-1)

"""A loss of your own: python train.py --loss=examples/my_loss.py:focal_squared_error"""

import tensorflow as tf


def focal_squared_error(ratings, predictions, focus=0.5):
    """Squared error, weighted by |error|^focus: what is predicted badly counts more."""
    error = tf.abs(ratings - predictions)
    return error**2 * tf.stop_gradient(error**focus)

"""All of matrix factorization in one file: BPR with tf.data, tf.function and GradientTape.

    python examples/minimal_loop.py ratings.csv

The method of mfrec without mfrec, to be read from top to bottom: two tables, pairs of a positive
and a random negative, −log σ(s⁺ − s⁻) + λ · squares, Adam, recall@20. The file has lines
user,item[,anything]; one item in five of each user is held out.

Rendle, Freudenthaler, Gantner, Schmidt-Thieme 2009, "BPR: Bayesian personalized ranking from
implicit feedback".
"""

import sys

import numpy as np
import tensorflow as tf


def read_pairs(path):
    """Distinct (user, item) pairs of a file as ids 0, 1, 2, ..., int32 [n, 2]."""
    rows = np.loadtxt(path, str, delimiter=",", skiprows=1, usecols=(0, 1))
    ids = [np.unique(column, return_inverse=True)[1] for column in rows.T]
    return np.unique(np.stack(ids, axis=1), axis=0).astype(np.int32)


def hold_out(pairs, share=0.2, seed=0):
    """Training and test pairs: a random share of each user's pairs, rounded down, is test."""
    pairs = np.random.default_rng(seed).permutation(pairs)
    pairs = pairs[np.argsort(pairs[:, 0], kind="stable")]
    counts = np.bincount(pairs[:, 0])
    place = np.arange(len(pairs)) - np.repeat(np.cumsum(counts) - counts, counts)
    is_test = place < (share * counts[pairs[:, 0]]).astype(int)
    return pairs[~is_test], pairs[is_test]


class Tables(tf.Module):
    """A vector of each user and of each item; the score of a pair is their inner product."""

    def __init__(self, num_users, num_items, dim, seed=0):
        super().__init__()
        users, items = tf.random.Generator.from_seed(seed).split(2)
        stddev = 0.1 / np.sqrt(dim)
        self.users = tf.Variable(users.normal([num_users, dim], stddev=stddev))
        self.items = tf.Variable(items.normal([num_items, dim], stddev=stddev))


def train(
    pairs,
    sizes,
    dim=16,
    epochs=20,
    batch_size=512,
    learning_rate=0.01,
    regularization=0.003,
    seed=0,
):
    """Train on pairs [n, 2]; return the tables and the mean loss of each epoch."""
    tables = Tables(*sizes, dim, seed)
    optimizer = tf.keras.optimizers.Adam(learning_rate)
    variables = [tables.users, tables.items]
    batches = tf.data.Dataset.from_tensor_slices(pairs).cache().shuffle(len(pairs), seed=seed)
    batches = batches.batch(batch_size).prefetch(2)
    random = tf.random.Generator.from_seed(seed + 1)

    @tf.function(jit_compile=True)
    def step(batch, negatives):
        with tf.GradientTape() as tape:
            users = tf.gather(tables.users, batch[:, 0])
            positives = tf.gather(tables.items, batch[:, 1])
            margins = tf.reduce_sum(users * (positives - tf.gather(tables.items, negatives)), 1)
            loss = tf.reduce_mean(tf.nn.softplus(-margins))
            squares = tf.reduce_sum(tf.square(users) + tf.square(positives), axis=1)
            objective = loss + regularization * tf.reduce_mean(squares)
        # dense: Keras optimizers do not sum the gradients of repeated ids
        gradients = [tf.convert_to_tensor(g) for g in tape.gradient(objective, variables)]
        optimizer.apply_gradients(zip(gradients, variables, strict=True))
        return loss

    optimizer.build(variables)
    means = []
    for _ in range(epochs):
        # a negative may be one of the user's positives: rarely, and BPR does not mind
        losses = [
            step(batch, random.uniform([len(batch)], maxval=sizes[1], dtype=tf.int32))
            for batch in batches
        ]
        means.append(float(tf.reduce_mean(losses)))
    return tables, means


def recall(tables, known, held_out, k=20):
    """recall@k: hits among a user's k best unknown items / held-out items, mean over users."""
    scores = tf.matmul(tables.users, tables.items, transpose_b=True).numpy()
    scores[known[:, 0], known[:, 1]] = -np.inf
    best = np.argsort(-scores, axis=1, kind="stable")[:, :k]
    is_held_out = np.zeros(scores.shape, bool)
    is_held_out[held_out[:, 0], held_out[:, 1]] = True
    hits = np.take_along_axis(is_held_out, best, axis=1).sum(axis=1)
    wanted = is_held_out.sum(axis=1)
    return np.mean(hits[wanted > 0] / wanted[wanted > 0])


def main(path):
    pairs = read_pairs(path)
    sizes = pairs.max(axis=0) + 1
    known, held_out = hold_out(pairs)
    tables, losses = train(known, sizes)
    print(f"{len(known):,} pairs of {sizes[0]:,} users and {sizes[1]:,} items")
    print(
        f"loss {losses[0]:.4f} -> {losses[-1]:.4f}, recall@20 {recall(tables, known, held_out):.4f}"
    )


if __name__ == "__main__":
    main(sys.argv[1])

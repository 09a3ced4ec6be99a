"""Training examples per second: mfrec beside plain Keras and libraries in C++, in one run.

    pip install -e '.[benchmarks]'
    python benchmarks/throughput.py --data_dir=../shared/data
    python benchmarks/throughput.py --data_dir=../shared/data --loss=bpr --embedding_dims=64

With --loss=mse all train the same biased factorization of the same ratings. With --loss=bpr they
rank: positives are ratings of 4 and more, 80 % of each user's, with one uniform negative each,
which Keras reads from numpy, new ones for every epoch; nobody but implicit has biases. "Rows of 8":
up to eight positives of one user share their negative (--positives_per_row=8).

mfrec's figure is that of its table: the loops alone, pipeline included. Keras: Model.fit of a
functional model, on numpy arrays and on from_tensor_slices().shuffle().batch(), a whole epoch
after one that compiles; it has no regularizer, which spares it work. Surprise, cornac, libmf and
implicit: fit(), everything included, at as many epochs as make it a second or more. Every
measurement is a process of its own, as a user would start it; all take turns, three times by
default, and the median of each is printed.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
from absl import app, flags

from mfrec.config.settings import PositivesConfig, TrainingConfig
from mfrec.data import datasets, positives, splitters
from mfrec.data.interactions import Interactions
from mfrec.models.matrix_factorization import MatrixFactorization
from mfrec.quiet_tensorflow import tf
from mfrec.training.trainer import Trainer

DATASET = flags.DEFINE_string("dataset", "movielens-1m", "named data set")
DATA_DIR = flags.DEFINE_string("data_dir", None, "folder of the named sets")
LOSS = flags.DEFINE_enum("loss", "mse", ["mse", "bpr"], "what is trained")
DIMS = flags.DEFINE_list("embedding_dims", ["10", "64"], "embedding lengths")
ROUNDS = flags.DEFINE_integer("rounds", 3, "turns of each; the median counts")
MEASURE = flags.DEFINE_string("measure", None, "measure only this one, here, and print its speed")
EPOCHS = flags.DEFINE_integer("epochs", 10, "epochs of mfrec's measurement")

# Makes the inputs and the targets of one epoch.
Examples = Callable[[], tuple[list[np.ndarray], np.ndarray]]


def mfrec(batch_size: int, **settings: int) -> Callable[[Interactions, int], float]:
    """mfrec's loop at this batch size."""

    def measure(ratings: Interactions, dim: int) -> float:
        rates = LOSS.value == "mse"
        model = MatrixFactorization(ratings.num_users, ratings.num_items, dim, use_bias=rates)
        config = TrainingConfig(batch_size=batch_size, epochs=EPOCHS.value, **settings)
        return Trainer(model, "adam", LOSS.value, config).fit(ratings).examples_per_second

    return measure


def keras(batch_size: int, pipeline: bool) -> Callable[[Interactions, int], float]:
    """Model.fit at this batch size, on arrays or on the usual shuffled and batched pipeline."""

    def measure(ratings: Interactions, dim: int) -> float:
        model, examples = (_rating_model if LOSS.value == "mse" else _bpr_model)(ratings, dim)

        def epoch() -> None:
            inputs, targets = examples()
            if pipeline:
                rows = tf.data.Dataset.from_tensor_slices((tuple(inputs), targets))
                batches = rows.shuffle(100_000).batch(batch_size).prefetch(2)
                model.fit(batches, shuffle=False, verbose=0)
            else:
                model.fit(inputs, targets, batch_size=batch_size, verbose=0)

        epoch()
        return len(ratings) / seconds(epoch)

    return measure


def _rating_model(ratings: Interactions, dim: int) -> tuple[tf.keras.Model, Examples]:
    """A biased factorization, and what makes an epoch's examples."""
    layers = tf.keras.layers
    user, item = layers.Input((), dtype="int32"), layers.Input((), dtype="int32")
    vectors = [
        layers.Embedding(ratings.num_users, dim)(user),
        layers.Embedding(ratings.num_items, dim)(item),
    ]
    biases = [
        layers.Embedding(ratings.num_users, 1)(user),
        layers.Embedding(ratings.num_items, 1)(item),
    ]
    score = layers.Add()([layers.Dot(1)(vectors), *biases])
    model = tf.keras.Model([user, item], score)
    model.compile(tf.keras.optimizers.Adam(0.005), "mse")
    targets = ratings.ratings - ratings.ratings.mean()
    return model, lambda: ([ratings.user_ids, ratings.item_ids], targets)


def _bpr_model(ratings: Interactions, dim: int) -> tuple[tf.keras.Model, Examples]:
    """Differences of scores, trained to be positive, and what makes an epoch's examples."""
    layers = tf.keras.layers
    user, positive, negative = (layers.Input((), dtype="int32") for _ in range(3))
    of_user = layers.Embedding(ratings.num_users, dim)(user)
    of_item = layers.Embedding(ratings.num_items, dim)
    scores = [layers.Dot(1)([of_user, of_item(item)]) for item in (positive, negative)]
    model = tf.keras.Model([user, positive, negative], layers.Subtract()(scores))
    loss = tf.keras.losses.BinaryCrossentropy(from_logits=True)
    model.compile(tf.keras.optimizers.Adam(0.005), loss)
    random, ones = np.random.default_rng(0), np.ones(len(ratings), np.float32)

    def examples() -> tuple[list[np.ndarray], np.ndarray]:
        negatives = random.integers(ratings.num_items, size=len(ratings), dtype=np.int32)
        return [ratings.user_ids, ratings.item_ids, negatives], ones

    return model, examples


def surprise(ratings: Interactions, dim: int) -> float:
    """scikit-surprise SVD, two epochs."""
    from surprise import SVD, Dataset, Reader

    rows = zip(
        ratings.user_ids.tolist(), ratings.item_ids.tolist(), ratings.ratings.tolist(), strict=True
    )
    data = Dataset(Reader(rating_scale=(1, 5)))
    train = data.construct_trainset([(str(u), str(i), r, None) for u, i, r in rows])
    svd = SVD(n_factors=dim, n_epochs=2, random_state=0)
    return 2 * len(ratings) / seconds(lambda: svd.fit(train))


def cornac(ratings: Interactions, dim: int) -> float:
    """cornac MF (its C++ SGD, all cores), twenty epochs."""
    from cornac.data import Dataset
    from cornac.models import MF

    rows = (ratings.user_ids.tolist(), ratings.item_ids.tolist(), ratings.ratings.tolist())
    train = Dataset.from_uir(zip(*rows, strict=True))
    model = MF(k=dim, max_iter=20, learning_rate=0.01, early_stop=False, seed=0, verbose=False)
    return 20 * len(ratings) / seconds(lambda: model.fit(train))


def libmf(ratings: Interactions, dim: int) -> float:
    """libmf (its C++ SGD, all cores, no biases), twenty epochs."""
    from libmf import mf

    columns = (ratings.user_ids, ratings.item_ids, ratings.ratings)
    rows = np.stack([column.astype(np.float64) for column in columns], axis=1)
    engine = mf.MF(k=dim, nr_iters=20, nr_threads=2, quiet=True)
    return 20 * len(ratings) / seconds(lambda: engine.fit(rows))


def implicit(ratings: Interactions, dim: int) -> float:
    """implicit's BPR (Cython and OpenMP, all cores), fifty epochs."""
    from implicit.cpu.bpr import BayesianPersonalizedRanking
    from scipy.sparse import csr_matrix

    ones = np.ones(len(ratings), np.float32)
    matrix = csr_matrix((ones, (ratings.user_ids, ratings.item_ids)))
    model = BayesianPersonalizedRanking(factors=dim, iterations=50, random_state=0)
    return 50 * len(ratings) / seconds(lambda: model.fit(matrix, show_progress=False))


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


TRAINERS: dict[str, Callable[[Interactions, int], float]] = {
    "mfrec, batch 8,192": mfrec(8192),
    "Keras, arrays, 1,024": keras(1024, pipeline=False),
    "Keras, arrays, 8,192": keras(8192, pipeline=False),
    "Keras, tf.data, 1,024": keras(1024, pipeline=True),
    "Keras, tf.data, 8,192": keras(8192, pipeline=True),
}
LIBRARIES = {
    "mse": {"Surprise SVD": surprise, "cornac MF": cornac, "libmf": libmf},
    "bpr": {
        "implicit BPR": implicit,
        "mfrec, rows of 8, 16,384": mfrec(16384, positives_per_row=8),
    },
}


def training_rows() -> Interactions:
    """What is trained on."""
    ratings = datasets.load(DATASET.value, DATA_DIR.value or datasets.default_data_dir())
    if LOSS.value == "mse":
        return ratings.compact()
    liked = positives.select(ratings, PositivesConfig(min_rating=4)).rows
    fractions = {"validation_fraction": 0.0, "test_fraction": 0.2}
    return splitters.cut(liked, "per_user", **fractions).encode().train


def measured(name: str, dim: str) -> float | None:
    """Examples per second of one contender in a process of its own; None if not installed."""
    command = [sys.executable, *sys.argv, f"--measure={name}", f"--embedding_dims={dim}"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    last = output.splitlines()[-1]
    return None if last == "None" else float(last)


def main(_: list[str]) -> None:
    contenders = TRAINERS | LIBRARIES[LOSS.value]
    if MEASURE.value:
        try:
            print(contenders[MEASURE.value](training_rows(), int(DIMS.value[0])))
        except ImportError:
            print(None)
        return
    print(f"{DATASET.value}, {LOSS.value}: M examples/s, and mfrec's multiple of it")
    for dim in DIMS.value:
        print(f"d = {dim}")
        rounds = [{name: measured(name, dim) for name in contenders} for _ in range(ROUNDS.value)]
        ours = 0.0
        for name in contenders:
            speeds = [speed for turn in rounds if (speed := turn[name])]
            if not speeds:
                print(f"  {name:<24} not installed")
                continue
            speed = statistics.median(speeds)
            ours = ours or speed
            print(f"  {name:<24}{speed / 1e6:8.3f}{ours / speed:9.1f} x", flush=True)


if __name__ == "__main__":
    app.run(main)

"""Training examples per second: mfrec beside plain Keras, Surprise, cornac and libmf, in one run.

    pip install -e '.[benchmarks]'
    python benchmarks/throughput.py --data_dir=../shared/data

All train the same biased factorization of the same ratings. mfrec's figure is that of its
table: the loops alone, pipeline included. Keras: Model.fit of a functional model, on numpy arrays
and on from_tensor_slices().shuffle().batch(), a whole epoch after one that compiles; it has no
regularizer, which spares it work.
Surprise, cornac and libmf: fit(), everything included, at as many epochs as make it a second or
more. Every measurement is a process of its own, as a user would start it; all take turns, three
times by default, and the median of each is printed.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
from absl import app, flags

from mfrec.config import TrainingConfig
from mfrec.data import datasets
from mfrec.data.interactions import Interactions
from mfrec.model import MatrixFactorization
from mfrec.quiet_tensorflow import tf
from mfrec.training import Trainer

DATASET = flags.DEFINE_string("dataset", "movielens-1m", "named data set")
DATA_DIR = flags.DEFINE_string("data_dir", None, "folder of the named sets")
DIMS = flags.DEFINE_list("embedding_dims", ["10", "64"], "embedding lengths")
ROUNDS = flags.DEFINE_integer("rounds", 3, "turns of each; the median counts")
MEASURE = flags.DEFINE_string("measure", None, "measure only this one, here, and print its speed")
EPOCHS = flags.DEFINE_integer("epochs", 10, "epochs of mfrec's measurement")


def mfrec(ratings: Interactions, dim: int) -> float:
    """mfrec's loop at batches of 8,192."""
    model = MatrixFactorization(ratings.num_users, ratings.num_items, dim)
    config = TrainingConfig(batch_size=8192, epochs=EPOCHS.value)
    return Trainer(model, "adam", "mse", config).fit(ratings).examples_per_second


def keras(batch_size: int, pipeline: bool) -> Callable[[Interactions, int], float]:
    """Model.fit at this batch size, on arrays or on the usual shuffled and batched pipeline."""

    def measure(ratings: Interactions, dim: int) -> float:
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
        inputs = [ratings.user_ids, ratings.item_ids]
        targets = ratings.ratings - ratings.ratings.mean()

        examples = tf.data.Dataset.from_tensor_slices((tuple(inputs), targets))
        batches = examples.shuffle(100_000).batch(batch_size).prefetch(2)

        def epoch() -> None:
            if pipeline:
                model.fit(batches, shuffle=False, verbose=0)
            else:
                model.fit(inputs, targets, batch_size=batch_size, verbose=0)

        epoch()
        return len(ratings) / seconds(epoch)

    return measure


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


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


CONTENDERS: dict[str, Callable[[Interactions, int], float]] = {
    "mfrec, batch 8,192": mfrec,
    "Keras, arrays, 1,024": keras(1024, pipeline=False),
    "Keras, arrays, 8,192": keras(8192, pipeline=False),
    "Keras, tf.data, 1,024": keras(1024, pipeline=True),
    "Keras, tf.data, 8,192": keras(8192, pipeline=True),
    "Surprise SVD": surprise,
    "cornac MF": cornac,
    "libmf": libmf,
}


def measured(name: str, dim: str) -> float | None:
    """Examples per second of one contender in a process of its own; None if not installed."""
    command = [sys.executable, *sys.argv, f"--measure={name}", f"--embedding_dims={dim}"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    last = output.splitlines()[-1]
    return None if last == "None" else float(last)


def main(_: list[str]) -> None:
    if MEASURE.value:
        data_dir = DATA_DIR.value or datasets.default_data_dir()
        ratings = datasets.load(DATASET.value, data_dir).compact()
        try:
            print(CONTENDERS[MEASURE.value](ratings, int(DIMS.value[0])))
        except ImportError:
            print(None)
        return
    print(f"{DATASET.value}: M examples/s, and mfrec's multiple of it")
    for dim in DIMS.value:
        print(f"d = {dim}")
        rounds = [{name: measured(name, dim) for name in CONTENDERS} for _ in range(ROUNDS.value)]
        ours = 0.0
        for name in CONTENDERS:
            speeds = [speed for turn in rounds if (speed := turn[name])]
            if not speeds:
                print(f"  {name:<24} not installed")
                continue
            speed = statistics.median(speeds)
            ours = ours or speed
            print(f"  {name:<24}{speed / 1e6:8.3f}{ours / speed:9.1f} x", flush=True)


if __name__ == "__main__":
    app.run(main)

"""Trains a model as one of several workers, or alone on what two workers train on together.

    python same_batches.py FILE.npz            one process; with TF_CONFIG a worker

Writes the item tables, the user tables and the losses of every case to FILE.npz; worker k to
FILE-k.npz. Run by distribution_test.py.
"""

import os
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np

from mfrec import losses, models, samplers
from mfrec.config.settings import Config
from mfrec.data.interactions import Interactions
from mfrec.data.one_process import ONE_PROCESS
from mfrec.data.pipelines import ColumnsInMemory, EpochShape, Examples, Loop
from mfrec.data.shares import dealt
from mfrec.data.splits import SplitRecipe
from mfrec.quiet_tensorflow import tf
from mfrec.training import distribution, trainer
from mfrec.training.samplers import Negatives

CASES = {
    "rows": {"loss": "mse", "optimizer": "sparse_adam", "clip_norm": 0.05},
    "dense": {"loss": "mse", "optimizer": "adam", "clip_norm": 0.05},
    "catalogue": {"loss": "softmax", "optimizer": "sparse_adagrad", "positives_per_row": 1},
    "negatives": {"loss": "bpr", "optimizer": "rowwise_adagrad", "negative_sampler": "next"},
    "iALS": {"loss": "implicit_squared", "optimizer": "adam", "frequency_exponent": 0.7},
}
SETTINGS = {
    **{"embedding_dim": 4, "batch_size": 64, "steps_per_loop": 3, "epochs": 3, "seed": 3},
    **{"learning_rate": 0.05, "regularization": 0.1, "bias_regularization": 0.05},
}


@samplers.register("next")
def next_item(train):
    """The item after each of the batch, so that nothing depends on who draws."""

    def sample(seed, shape, user_ids, batch_items):
        ids = ((batch_items + 1) % train.num_items)[:, tf.newaxis]
        return Negatives(ids, tf.zeros(tf.shape(ids)))

    return sample


def ratings():
    """300 users, some of whom rate much more than others, so that shares differ.

    A batch reads fewer rows than any table has, so that optimizers by rows go by rows.
    """
    random = np.random.default_rng(0)
    users = random.zipf(1.5, 1_500) % 300
    items = random.integers(0, 200, 1_500)
    values = random.integers(1, 6, 1_500)
    rows = Interactions.from_arrays(users.tolist(), items.tolist(), values.tolist())
    return dealt(SplitRecipe(rows.without_repeats()).encode(), 2).train


class Share(distribution.Workers):
    """What a worker would have of the data, in a process that exchanges nothing."""

    def __init__(self, index, counts=()):
        self.index, self.number, self._owned, self.counts = index, 2, {}, counts

    def concatenated(self, values):
        """The rows of both."""
        return np.array(self.counts)


class TakenTogether:
    """The batches of two workers side by side, as the data of one process."""

    def __init__(self, train, config):
        shares = [Share(0), Share(1)]
        rows = [share.own_rows(train) for share in shares]
        counts = [len(own) for own in rows]
        self.parts = [
            ColumnsInMemory(own, config, Share(share.index, counts))
            for share, own in zip(shares, rows, strict=True)
        ]
        self.first_rows = [0, rows[0].num_users]
        one = self.parts[0].shape
        self.shape = EpochShape(
            len(train), config.batch_size, one.steps_per_loop, one.steps, 2 * one.width
        )

    def loops(self, epochs, seed):
        """Pairs of the workers' loops."""
        both = tf.data.Dataset.zip(tuple(part.loops(epochs, seed) for part in self.parts))
        return both.map(lambda first, second: Pair(first, second, first.num_steps))

    def blocks(self, loop):
        """The workers' blocks, one after the other in every step."""
        columns = [part.blocks(each) for part, each in zip(self.parts, loop[:2], strict=True)]
        numbered = [
            block._replace(user_ids=block.user_ids + first)
            for block, first in zip(columns, self.first_rows, strict=True)
        ]
        return Examples(*(tf.concat(each, axis=1) for each in zip(*numbered, strict=True)))

    def empty_loop(self):
        """The workers' empty loops."""
        return Pair(*(part.empty_loop() for part in self.parts), tf.constant(0))


class Pair(NamedTuple):
    """Two loops, which have as many steps."""

    first: Loop
    second: Loop
    num_steps: tf.Tensor


def trained(settings, workers):
    """Train, and return the tables and the losses of the epochs."""
    train = ratings()
    config = Config().replace(SETTINGS | settings)
    if workers is ONE_PROCESS:
        trainer.ColumnsInMemory = lambda train, config, _: TakenTogether(train, config)
    made = trainer.Trainer(config=config, workers=workers)
    if workers is ONE_PROCESS:
        start = starting_users(made, train)
        build = models.build

        def with_start(*arguments):
            model = build(*arguments)
            for name, values in start.items():
                getattr(model, name).assign(values)
            return model

        models.build = with_start
    history = made.fit(train)
    if workers is ONE_PROCESS:
        models.build = build
    model = made.model
    names = ("item_embedding", "item_bias", "user_embedding", "user_bias")
    tables = {name: getattr(model, name).numpy() for name in names}
    return tables | {"losses": [[*map(log.train.get, LOGGED)] for log in history.epochs]}


LOGGED = ("loss", "regularization")


def starting_users(made, train):
    """The workers' own starts of their users, one after the other."""
    config = trainer.resolve(made.config, losses.configured(made.config.loss), train)
    starts = []
    for index in range(2):
        share = Share(index)
        own = config.replace({"seed": share.seed(config.training.seed)})
        rows = (share.own_rows(train).num_users, train.num_items)
        starts.append(models.build(own, made.loss, rows).user_embedding.numpy())
    return {"user_embedding": np.concatenate(starts)}


def main(path):
    """Train every case and write what came of it."""
    kind = "multi_worker" if "TF_CONFIG" in os.environ else "none"
    with distribution.start(kind) as workers:
        found = {
            f"{case}/{name}": values
            for case, settings in CASES.items()
            for name, values in trained(settings, workers).items()
        }
    name = path if workers is ONE_PROCESS else path.with_stem(f"{path.stem}-{workers.index}")
    np.savez(name, **found)


if __name__ == "__main__":
    main(Path(sys.argv[1]))

"""Training and evaluation on one GPU: speed, quality by time, and the share of its bandwidth.

    python benchmarks/gpu.py --data_dir=../shared/data
    python benchmarks/gpu.py --device=cpu --size=tiny       # the same code, in seconds, anywhere

--data_dir holds ml-1m/ and gowalla/; without them, synthetic sets of their shape are taken, which
the table says. The third set has the shape of the Netflix prize and is always synthetic. A row is
one training by plain defaults apart from what it names; examples/s are those of the loops alone,
as train.py prints them, data pipeline included. "Of the bandwidth" is what `bytes_of_step` says
that a step moves at least, by the time of a step, against a copy that is measured first. A matrix
product is not bound by memory: for the softmax of the whole catalogue the share says how far from
it the step is.
"""

import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import synthetic
from absl import app, flags
from synthetic import Shape

from mfrec.data import datasets, splitters
from mfrec.data.interactions import Interactions
from mfrec.data.readers import read
from mfrec.evaluation.rankings import RankingEvaluator
from mfrec.models.base import Model
from mfrec.optimizers import RowOptimizer
from mfrec.quiet_tensorflow import tf
from mfrec.training.trainer import Trainer

Parts = tuple[Interactions, Interactions]


@dataclass(frozen=True)
class Size:
    """How large the sets are that are synthetic, and how much is done with each.

    Attributes:
        ratings: shape in place of MovieLens 1M.
        pairs: shape in place of Gowalla.
        large: shape of the large set.
        powers: its batches are 2^power.
        epochs: of training on ratings.
        epochs_of_ranking: of training on pairs.
        numbers_copied: float32 numbers of the array that is copied.
    """

    ratings: Shape
    pairs: Shape
    large: Shape
    powers: tuple[int, ...]
    epochs: int
    epochs_of_ranking: int
    numbers_copied: int


SIZES = {
    "full": Size(
        Shape(1_000_000, 6_040, 3_706),
        Shape(1_000_000, 29_858, 40_981),
        Shape(100_000_000, 480_000, 17_770),
        powers=(16, 18, 20),
        epochs=20,
        epochs_of_ranking=5,
        numbers_copied=1 << 28,
    ),
    "tiny": Size(
        Shape(2_000, 60, 40),
        Shape(1_000, 50, 30),
        Shape(4_000, 100, 50),
        powers=(8, 9),
        epochs=2,
        epochs_of_ranking=1,
        numbers_copied=1 << 16,
    ),
}

DATA_DIR = flags.DEFINE_string("data_dir", None, "folder with ml-1m/ and gowalla/")
DEVICE = flags.DEFINE_enum("device", "gpu", ["gpu", "cpu"], "what is measured")
SIZE = flags.DEFINE_enum("size", "full", list(SIZES), "tiny only shows that everything runs")


def bytes_of_step(
    examples: int, width: int, gathered: int, rewritten: int, by_rows: bool, scores: int
) -> int:
    """Return how many bytes a step moves at least between the chip and its memory.

    Everything is float32 or int32, 4 bytes. What a step needs again it reads again: no cache.

    Args:
        examples: of a batch.
        width: numbers of a row of a table, its bias included.
        gathered: rows that the batch reads by id, repeated ones included.
        rewritten: rows of the tables that the optimizer goes through whole.
        by_rows: whether the optimizer changes gathered rows alone, else Adam whole tables.
        scores: numbers of a matrix of scores, if the loss makes one.
    """
    # position, user, item, rating, weight
    numbers = 5 * examples
    # a row is read forwards and backwards
    numbers += gathered * width * 2
    if by_rows:
        # its gradient written and read, the row's sum written and read, weights and two moments
        # read and written; three numbers of the slot table, the last step read and written
        numbers += gathered * (width * (4 + 6) + 5)
    else:
        # its gradient added to a table that is as large
        numbers += gathered * width * 2
    # gradients zeroed and read; weights and two moments read and written
    numbers += rewritten * width * (2 + 6)
    # scores and their gradients, written and read
    numbers += scores * 4
    return 4 * numbers


def bandwidth() -> float:
    """Bytes a second that a copy reads and writes: the best of ten."""
    array = tf.Variable(tf.zeros(SIZES[SIZE.value].numbers_copied))

    @tf.function(jit_compile=True)
    def copy() -> tf.Tensor:
        array.assign_add(tf.ones_like(array))
        return array[0]

    copy().numpy()
    best = min(_seconds(lambda: copy().numpy()) for _ in range(10))
    return 2 * 4 * SIZES[SIZE.value].numbers_copied / best


def trained(
    what: str, parts: Parts, dim: int, copy_speed: float, loss: str = "mse", **settings: int
) -> tuple[str, Model]:
    """Train, and return a row of the table and the model."""
    train, validation = parts
    trainer = Trainer(None, None, loss, embedding_dim=dim, **settings)
    # pairs are evaluated once, at the end: their rankings are another row
    history = trainer.fit(train, validation if loss == "mse" else None)
    config, model = trainer.resolved, trainer.model
    batch = config.training.batch_size
    users = batch // config.training.positives_per_row
    by_rows, by_catalogue = isinstance(trainer.optimizer, RowOptimizer), loss == "softmax"
    negatives = config.sampler.num_negatives if loss == "bpr" else 0
    moved = bytes_of_step(
        batch,
        dim + bool(config.model.use_bias),
        gathered=users + (0 if by_catalogue else batch * (1 + negatives)),
        rewritten=(0 if by_rows else model.num_users)
        + (0 if by_rows and not by_catalogue else model.num_items),
        by_rows=by_rows,
        scores=users * model.num_items if by_catalogue else 0,
    )
    speed = moved * history.steps / history.train_seconds
    quality = ""
    if history.best_validation:
        rmse = history.best_validation["rmse"]
        quality = f"RMSE {rmse:.4f} in {history.seconds_to_best:.2f} s"
    cells = (
        f"{what}, d = {dim}, batch {batch:,}, {config.optimizer.optimizer}",
        f"{history.examples_per_second / 1e6:.2f} M",
        quality,
        f"{speed / 1e9:.1f} GB/s",
        f"{100 * speed / copy_speed:.0f} %",
    )
    return _row(*cells), model


def rows(copy_speed: float) -> Iterator[str]:
    """Measure everything; yield a row of the table for each."""
    size = SIZES[SIZE.value]
    name, parts = _ratings(size.ratings)
    for dim in (10, 64):
        yield trained(name, parts, dim, copy_speed, epochs=size.epochs)[0]
    name, parts = _pairs(size.pairs)
    for loss in ("bpr", "softmax"):
        epochs = size.epochs_of_ranking
        row, model = trained(f"{name}, {loss}", parts, 64, copy_speed, loss, epochs=epochs)
        yield row
    evaluator = RankingEvaluator(parts[0], cutoffs=(20,))
    # the first compiles
    first, again = (_seconds(lambda: evaluator.evaluate(model, parts[1])) for _ in range(2))
    yield _row(f"{name}, evaluation of all users", "", f"{again:.2f} s; first {first:.2f} s")
    ratings = Interactions.from_arrays(*synthetic.arrays(size.large))
    few = ratings.take(slice(0, 1000))
    for power in size.powers:
        what = f"{len(ratings):,} ratings (synthetic)"
        settings = {"batch_size": 2**power, "epochs": 1}
        yield trained(what, (ratings, few), 32, copy_speed, **settings)[0]


def _ratings(shape: Shape) -> tuple[str, Parts]:
    """MovieLens 1M or its like, 90 % of it to train on."""
    folder = _folder("ml-1m")
    if folder:
        name, ratings = "MovieLens 1M", datasets.load("movielens-1m", folder.parent)
    else:
        name = "in the shape of MovieLens 1M (synthetic)"
        ratings = Interactions.from_arrays(*synthetic.arrays(shape))
    fractions = {"validation_fraction": 0.1, "test_fraction": 0.0}
    split = splitters.cut(ratings, "random", **fractions).encode()
    return name, (split.train, split.validation)


def _pairs(shape: Shape) -> tuple[str, Parts]:
    """Gowalla in LightGCN's split, or its like."""
    folder = _folder("gowalla")
    if folder:
        parts = [
            read(folder / f"{p}.txt", ratings_format="adjacency")[0] for p in ("train", "test")
        ]
        return "Gowalla", (parts[0], parts[1])
    pairs = Interactions.from_arrays(*synthetic.arrays(shape))
    fractions = {"validation_fraction": 0.0, "test_fraction": 0.2}
    split = splitters.cut(pairs, "random", **fractions).encode()
    return "in the shape of Gowalla (synthetic)", (split.train, split.test)


def _folder(name: str) -> Path | None:
    folder = Path(DATA_DIR.value or "") / name
    return folder if DATA_DIR.value and SIZE.value == "full" and folder.exists() else None


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _row(*cells: str) -> str:
    return f"| {' | '.join((*cells, *[''] * (5 - len(cells))))} |"


def main(_: list[str]) -> None:
    gpus = tf.config.list_physical_devices("GPU")
    if DEVICE.value == "cpu":
        tf.config.set_visible_devices([], "GPU")
        name = "processor"
    elif gpus:
        name = tf.config.experimental.get_device_details(gpus[0])["device_name"]
    else:
        sys.exit("gpu.py: TensorFlow sees no GPU; --device=cpu measures the processor")
    copy_speed = bandwidth()
    print(f"{name}: a copy reads and writes {copy_speed / 1e9:,.0f} GB/s\n")
    print(_row("what", "examples/s", "quality, time", "implied traffic", "of the bandwidth"))
    print("|---|---|---|---|---|")
    for row in rows(copy_speed):
        print(row, flush=True)


if __name__ == "__main__":
    app.run(main)

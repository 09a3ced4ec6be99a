"""--optimizer=auto: Adam, or Adam by rows where a batch reads a small part of large tables.

A step of dense Adam rewrites every row of every table; a step of `sparse_adam` costs what the batch
reads. A row that a batch reads costs `_COST_OF_READING` times a row that dense Adam rewrites: it
lies anywhere in memory, and repeated ones are summed first. Both read tables whole that the loss or
the model needs whole; a loss that scores all items spends most of a step on that. Small tables cost
less than compiling. BUILD_NOTES.md tells how the constants were measured.
"""

from typing import NamedTuple

from mfrec.config.parsing import parse_arguments
from mfrec.config.settings import Config

AUTO = "auto"
DENSE, _SPARSE = "adam", "sparse_adam"
_COST_OF_READING = 3
# scores of pairs that cost as much as a row that dense Adam rewrites
_SCORES_OF_A_ROW = 160
_SMALL = 4_000
# what both take; other arguments of Adam change every row
_ARGUMENTS = {"beta_1", "beta_2", "epsilon", "clipnorm", "clipvalue", "global_clipnorm"}


class Choice(NamedTuple):
    """An optimizer and why it was chosen, in words."""

    optimizer: str
    reason: str


def choose(
    config: Config, num_rows: tuple[int, int], reads_vectors: bool, reads_whole: str = ""
) -> Choice:
    """Return what --optimizer=auto stands for.

    Args:
        config: the settings, resolved but for the optimizer.
        num_rows: rows of the tables of users and of items.
        reads_vectors: whether the loss reads the vectors of all items.
        reads_whole: what else reads tables whole, in words; "" for nothing.
    """
    if reads_whole:
        return Choice(DENSE, f"{reads_whole} may read whole tables")
    arguments = parse_arguments(config.optimizer.optimizer_args or "", "optimizer_args")
    for name in arguments.keys() - _ARGUMENTS:
        return Choice(DENSE, f"{name} is an argument of dense Adam")
    read = _rows_read(config)
    of_tables = list(zip(num_rows, read, strict=True))[: 1 if reads_vectors else 2]
    rows, read_rows = (sum(numbers) for numbers in zip(*of_tables, strict=True))
    cost = _COST_OF_READING * read_rows
    if reads_vectors:
        cost += read_rows * num_rows[1] // _SCORES_OF_A_ROW
    optimizer = _SPARSE if rows > max(cost, _SMALL) else DENSE
    whole = "users; the loss reads all items" if reads_vectors else "users and items"
    return Choice(optimizer, f"a batch reads {read_rows:,} of {rows:,} rows of {whole}")


def _rows_read(config: Config) -> tuple[int, int]:
    """Return how many rows of users and of items a batch reads, repeated ones included."""
    sampling, batch_size = config.sampler, config.training.batch_size or 1
    users = -(-batch_size // (config.training.positives_per_row or 1))
    negatives = (sampling.num_negatives or 0) * sampling.hard_negatives
    return users, batch_size + negatives * (1 if sampling.shared_negatives else users)

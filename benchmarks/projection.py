"""What a training too large for one machine would take: a projection, not a measurement.

    python benchmarks/projection.py
    python benchmarks/projection.py --num_users=1e8 --optimizer=sparse_adam

Users are assigned to workers, items are on all (docs/scaling.md). From the bytes of a row follows
how many machines hold the tables, from measured speed and the traffic of a step how long an epoch
takes:

    machines   users · bytes of a row / (memory of a machine − items · bytes of a row)
    a step     batch / examples per second  +  machines · batch · bytes sent of an example / network
    an epoch   ratings / (machines · batch) steps

`--examples_per_second` is that of one machine; the default was measured on two cores by
`benchmarks/scaling.py --figure=huge`. The exchange is not overlapped with computing. Reading
shards, evaluation, checkpoints and waiting for the slowest worker are left out.
"""

import math

from absl import app, flags

# Slots of an optimizer: numbers kept for each number of a table, and numbers a row. With a slot of
# the table that finds repeated ids, and for those that decay the last step that saw a row.
SLOTS = {
    "sparse_adam": (2, 2),
    "sparse_adagrad": (1, 1),
    "rowwise_adagrad": (0, 2),
    "sparse_sgd": (0, 1),
}

NUM_USERS = flags.DEFINE_float("num_users", 1e9, "users")
NUM_ITEMS = flags.DEFINE_float("num_items", 1e7, "items")
RATINGS = flags.DEFINE_float("ratings_per_user", 100, "ratings of a user")
DIM = flags.DEFINE_integer("embedding_dim", 32, "numbers of a row, without its bias")
OPTIMIZER = flags.DEFINE_enum("optimizer", "rowwise_adagrad", list(SLOTS), "whose state is held")
BATCH = flags.DEFINE_integer("batch_size", 65_536, "examples of a step of one machine")
MEMORY = flags.DEFINE_float("gigabytes", 48, "of a machine, for tables")
NETWORK = flags.DEFINE_float("network", 1.25e9, "bytes a second that a machine receives")
SPEED = flags.DEFINE_float("examples_per_second", 1e6, "of one machine, at large tables")


def bytes_of_row(dim: int, optimizer: str, keeps_best: bool = False) -> int:
    """Return the bytes of a user or an item: embedding and bias, two tables.

    Args:
        dim: numbers of the embedding.
        optimizer: whose slots it has.
        keeps_best: whether the best weights so far are kept, as with a validation part.
    """
    of_numbers, of_rows = SLOTS[optimizer]
    return 4 * ((dim + 1) * (1 + of_numbers + keeps_best) + 2 * of_rows)


def bytes_sent(dim: int) -> int:
    """Return the bytes that every machine receives of an example: item, its row's gradient."""
    return 4 * (1 + dim + 1)


def main(_: list[str]) -> None:
    dim, optimizer = DIM.value, OPTIMIZER.value
    print("| optimizer | bytes of a row | with the best weights |\n|---|---|---|")
    for name in SLOTS:
        print(f"| `{name}` | {bytes_of_row(dim, name)} | {bytes_of_row(dim, name, True)} |")
    row = bytes_of_row(dim, optimizer, keeps_best=True)
    items = NUM_ITEMS.value * row / 1e9
    users = NUM_USERS.value * row / 1e9
    machines = math.ceil(users / (MEMORY.value - items))
    computing = BATCH.value / SPEED.value
    exchange = machines * BATCH.value * bytes_sent(dim) / NETWORK.value if machines > 1 else 0.0
    ratings = NUM_USERS.value * RATINGS.value
    steps = ratings / (machines * BATCH.value)
    print(
        "",
        f"{NUM_USERS.value:,.0f} users × {NUM_ITEMS.value:,.0f} items, d = {dim}, {optimizer}",
        f"users    {NUM_USERS.value:.0e} · {row} bytes = {users:,.0f} GB, shared by the machines",
        f"items    {NUM_ITEMS.value:.0e} · {row} bytes = {items:,.1f} GB, on every machine",
        f"so       {users:,.0f} / ({MEMORY.value:.0f} − {items:.1f}) = {machines} machines",
        f"a step   {BATCH.value:,} / {SPEED.value:,.0f} = {1e3 * computing:.0f} ms to compute",
        f"         {machines} · {BATCH.value:,} · {bytes_sent(dim)} bytes / {NETWORK.value:.2e} = "
        f"{1e3 * exchange:.0f} ms to exchange",
        f"an epoch {ratings:.0e} / ({machines} · {BATCH.value:,}) = {steps:,.0f} steps: "
        f"{steps * (computing + exchange) / 3600:.1f} hours",
        sep="\n",
    )


if __name__ == "__main__":
    app.run(main)

"""Synthetic ratings of any size, made a piece at a time: files for the scripts beside this one.

Popularity falls as a power, as in published sets: in the shape of the Netflix prize the most
popular item has 0.2 % of all ratings and the most active user 9,000 of them. Every user and every
item occurs. A rating is 3.6, plus a user's and an item's bias (standard deviation 0.4 each), plus
an inner product of rank 8 (0.5), plus noise (0.8), rounded and clipped to 1 to 5.
"""

import math
import os
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

_ROWS_AT_ONCE = 1_000_000
_RANK = 8
# Shares of the first x of all users, items are x^(1/1.4), x^(1/1.6).
_USER_SKEW, _ITEM_SKEW = 1.4, 1.6
COLUMNS = {"user_ids": np.int32, "item_ids": np.int32, "ratings": np.float32}

Block = tuple[np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Shape:
    """How large a set is."""

    num_ratings: int
    num_users: int
    num_items: int

    def __str__(self) -> str:
        return f"{self.num_ratings:,} ratings, {self.num_users:,} × {self.num_items:,}"


def blocks(shape: Shape, seed: int = 0) -> Iterator[Block]:
    """Yield user ids, item ids (int32, from 1) and ratings (float32) of up to a million rows."""
    random = np.random.default_rng(seed)
    sizes = (shape.num_users, shape.num_items)
    factors = [random.standard_normal((size, _RANK), np.float32) for size in sizes]
    biases = [0.4 * random.standard_normal(size, np.float32) for size in sizes]
    orders = [_order(shape.num_ratings, seed + place) for place in (1, 2)]
    names = [_order(size, seed + 3) for size in sizes]
    for start in range(0, shape.num_ratings, _ROWS_AT_ONCE):
        rows = np.arange(start, min(start + _ROWS_AT_ONCE, shape.num_ratings))
        users, items = (
            _drawn(random, rows, order, size, skew)
            for order, size, skew in zip(orders, sizes, (_USER_SKEW, _ITEM_SKEW), strict=True)
        )
        scores = 3.6 + biases[0][users] + biases[1][items]
        products = np.einsum("nd,nd->n", factors[0][users], factors[1][items])
        scores += 0.5 / math.sqrt(_RANK) * products
        scores += 0.8 * random.standard_normal(len(rows), np.float32)
        raw_users, raw_items = (
            (order(ids) + 1).astype(np.int32)
            for order, ids in zip(names, (users, items), strict=True)
        )
        yield raw_users, raw_items, np.clip(np.round(scores), 1, 5)


def arrays(shape: Shape, seed: int = 0) -> Block:
    """Return all rows at once."""
    users, items, ratings = map(np.concatenate, zip(*blocks(shape, seed), strict=True))
    return users, items, ratings


def write_npz(path: Path, shape: Shape, seed: int = 0) -> None:
    """Write the arrays that `train.py --ratings=FILE.npz` reads; a million rows are in memory."""
    parts = {name: path.with_name(f".{path.name}-{name}.npy") for name in COLUMNS}
    try:
        columns = [
            np.lib.format.open_memmap(parts[name], "w+", dtype, (shape.num_ratings,))
            for name, dtype in COLUMNS.items()
        ]
        start = 0
        for block in blocks(shape, seed):
            stop = start + len(block[0])
            for column, values in zip(columns, block, strict=True):
                column[start:stop] = values
            start = stop
        for column in columns:
            column.flush()
        unfinished = path.with_name(f".{path.name}")
        with zipfile.ZipFile(unfinished, "w") as archive:
            for name, part in parts.items():
                archive.write(part, f"{name}.npy")
        os.replace(unfinished, path)
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)


def write_csv(path: Path, shape: Shape, seed: int = 0) -> None:
    """Write the same ratings as text, `user_id,item_id,rating`, a header first."""
    unfinished = path.with_name(f".{path.name}")
    with open(unfinished, "w", encoding="ascii") as file:
        file.write("user_id,item_id,rating\n")
        for block in blocks(shape, seed):
            numbers = np.stack([column.astype(np.int32) for column in block], axis=1)
            # one text of the block: a third of the time that a text a row takes
            file.write("%d,%d,%d\n" * len(numbers) % tuple(numbers.ravel().tolist()))
    os.replace(unfinished, path)


class _order:
    """A permutation of 0 … size − 1 that takes no memory: x → (a x + b) mod size."""

    def __init__(self, size: int, seed: int) -> None:
        self.size = size
        self.factor = int(size * 0.618) + seed
        while math.gcd(self.factor, size) > 1:
            self.factor += 1
        self.offset = size // 3

    def __call__(self, values: np.ndarray) -> np.ndarray:
        return (values.astype(np.int64) * self.factor + self.offset) % self.size


def _drawn(
    random: np.random.Generator, rows: np.ndarray, order: _order, size: int, skew: float
) -> np.ndarray:
    """Ids drawn with falling popularity; rows whose place in the order is below size have that id.

    So every id occurs, wherever a row lies in the file.
    """
    drawn = (size * random.random(len(rows)) ** skew).astype(np.int64)
    places = order(rows)
    return np.where(places < size, places, np.minimum(drawn, size - 1))

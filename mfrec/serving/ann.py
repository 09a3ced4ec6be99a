"""Approximate nearest neighbours: a faiss index of the item vectors.

The vectors have the biases folded in, so that the largest inner products with a user's vector are
that user's best items. The index is an inverted file (Jégou, Douze, Schmid 2011, "Product
quantization for nearest neighbor search", without the quantization): k-means puts the items into
about 4√n cells, and a search looks into the cells whose centres have the largest inner products
with the query. The number of cells to search is measured: it grows by a quarter until the lists of
half of a sample of users are good enough; the reported quality is measured on the other half.
"""

import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from mfrec.errors import InputError

try:
    import faiss
except ImportError:
    raise InputError("an index needs faiss: pip install 'mfrec[ann]'") from None

K = 10
# The recall that the first half must reach, a little above the 0.95 that others should reach.
_RECALL = 0.96
_NUM_QUERIES = 1000
# faiss's own minimum of points per centre for k-means.
_ITEMS_PER_CELL = 39


@dataclass(frozen=True)
class Quality:
    """An index compared with faiss's exact search at the same number of threads.

    Attributes:
        recall: share of the exact best 10 items that the index finds.
        times_as_fast: seconds of exact search for all queries at once, divided by the index's.
        num_queries: users it was measured on.
        num_cells: cells of the index.
        searched_cells: cells that a search looks into, at most `num_cells`.
    """

    recall: float
    times_as_fast: float
    num_queries: int
    num_cells: int
    searched_cells: int

    def __str__(self) -> str:
        return (
            f"recall@{K} {self.recall:.4f} against exact search, {self.times_as_fast:.1f} times as "
            f"fast ({self.num_queries} users; {self.searched_cells} of {self.num_cells:,} cells)"
        )


def build(item_vectors: np.ndarray, user_vectors: np.ndarray) -> tuple[faiss.Index, Quality]:
    """Return an index of these items and its quality for these users.

    Args:
        item_vectors: float32 [num_items, dim]; an item's row is its number in the index.
        user_vectors: float32 [num_users, dim], at least 2.
    """
    num_items, dim = item_vectors.shape
    num_cells = max(1, min(int(4 * num_items**0.5), num_items // _ITEMS_PER_CELL))
    index: Any = faiss.index_factory(dim, f"IVF{num_cells},Flat", faiss.METRIC_INNER_PRODUCT)
    index.train(item_vectors)
    index.add(item_vectors)

    exact = faiss.IndexFlatIP(dim)
    exact.add(item_vectors)
    queries = np.random.default_rng(0).permutation(user_vectors)[:_NUM_QUERIES]
    tuning, measuring = np.array_split(queries, 2)
    k = min(K, num_items)
    expected, _ = _search(exact, tuning, k)
    index.nprobe = 1
    while index.nprobe < num_cells and recall(_search(index, tuning, k)[0], expected) < _RECALL:
        index.nprobe = min(index.nprobe + 1 + index.nprobe // 4, num_cells)

    expected, exact_seconds = _search(exact, measuring, k)
    found, seconds = _search(index, measuring, k)
    times = exact_seconds / seconds
    quality = Quality(recall(found, expected), times, len(measuring), num_cells, index.nprobe)
    return index, quality


def _search(index: faiss.Index, queries: np.ndarray, k: int) -> tuple[np.ndarray, float]:
    """Return the rows of the k largest inner products, int64 [B, k], and the seconds."""
    started = time.perf_counter()
    _, rows = index.search(queries, k)
    return rows, time.perf_counter() - started


def recall(found: np.ndarray, expected: np.ndarray) -> float:
    """Return the share of the expected rows, int64 [B, k], that were found."""
    return float((found[:, :, np.newaxis] == expected[:, np.newaxis]).any(axis=1).mean())

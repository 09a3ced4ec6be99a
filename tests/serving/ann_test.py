"""Approximate search: the recall that is reported, and how many cells are searched."""

import numpy as np
import pytest

pytest.importorskip("faiss")
from mfrec.serving import ann


def clustered(num_rows, seed):
    random = np.random.default_rng(seed)
    centres = np.random.default_rng(9).normal(size=(25, 8))
    rows = centres[random.integers(0, 25, num_rows)] + random.normal(0, 0.5, (num_rows, 8))
    return rows.astype(np.float32)


@pytest.fixture(scope="module")
def built():
    items, users = clustered(3_000, 1), clustered(300, 2)
    return items, users, *ann.build(items, users)


def exact_lists(users, items):
    return np.argsort(-(users @ items.T), axis=1, kind="stable")[:, :10]


def test_the_reported_recall_is_that_of_users_it_was_not_settled_by(built):
    items, users, index, quality = built
    _, found = index.search(users, 10)
    hits = [
        len(set(f) & set(e)) / 10 for f, e in zip(found, exact_lists(users, items), strict=True)
    ]
    others = np.random.default_rng(0).permutation(300)[150:]
    assert quality.recall == pytest.approx(np.mean(np.array(hits)[others]))
    assert quality.recall >= 0.9 and quality.num_queries == 150


def test_no_more_cells_are_searched_than_needed(built):
    items, users, index, quality = built
    # 3,000 / 39
    assert index.nlist == quality.num_cells == 76
    assert 1 < index.nprobe == quality.searched_cells < quality.num_cells
    settled_by = np.random.default_rng(0).permutation(users)[:150]
    expected = exact_lists(settled_by, items)
    recalls = []
    for index.nprobe in (quality.searched_cells, quality.searched_cells // 2):
        recalls.append(ann.recall(index.search(settled_by, 10)[1], expected))
    index.nprobe = quality.searched_cells
    assert recalls[0] >= 0.96 > recalls[1]


def test_items_keep_their_rows_and_scores(built):
    items, users, index, _ = built
    scores, rows = index.search(users[:5], 3)
    expected = np.einsum("ud,ukd->uk", users[:5], items[rows])
    np.testing.assert_allclose(scores, expected, rtol=1e-5)


def test_fewer_items_than_a_list_is_long():
    items = clustered(4, 1)
    index, quality = ann.build(items, clustered(2, 2))
    assert (index.ntotal, quality.recall, quality.num_cells) == (4, 1, 1)


def test_recall_counts_what_is_found_in_any_order():
    assert ann.recall(np.array([[3, 1, -1], [4, 5, 6]]), np.array([[1, 2, 3], [6, 5, 4]])) == 5 / 6

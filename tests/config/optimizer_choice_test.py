"""--optimizer=auto: which optimizer it is for which tables, batches and settings."""

import pytest

from mfrec.config import optimizer_choice
from mfrec.config.settings import Config

SPARSE, DENSE = "sparse_adam", "adam"


@pytest.fixture(autouse=True)
def costs(monkeypatch):
    """A row that is read costs five that are rewritten; no tables are small."""
    monkeypatch.setattr(optimizer_choice, "_COST_OF_READING", 5)
    monkeypatch.setattr(optimizer_choice, "_SCORES_OF_A_ROW", 10)
    monkeypatch.setattr(optimizer_choice, "_SMALL", 0)


def choice(num_rows, reads_vectors=False, reads_whole="", **settings):
    config = Config().replace({"batch_size": 100} | settings)
    return optimizer_choice.choose(config, num_rows, reads_vectors, reads_whole)


@pytest.mark.parametrize(
    ("num_rows", "settings", "read", "expected"),
    [
        # a batch reads 100 users and 100 items: as many as 1,000 rows cost
        ((900, 100), {}, 200, DENSE),
        ((900, 101), {}, 200, SPARSE),
        # a positive and three negatives of each of 100 users
        ((2000, 500), {"num_negatives": 3, "shared_negatives": False}, 500, DENSE),
        ((2000, 501), {"num_negatives": 3, "shared_negatives": False}, 500, SPARSE),
        # 25 users, 100 positives, 30 negatives for all, chosen among 60 candidates
        (
            (500, 426),
            {"positives_per_row": 4, "num_negatives": 30, "shared_negatives": True}
            | {"hard_negatives": 2},
            185,
            SPARSE,
        ),
        # in-batch negatives are items that are read anyway
        ((900, 101), {"negative_sampler": "in_batch"}, 200, SPARSE),
    ],
)
def test_rows_of_tables_against_rows_that_a_batch_reads(num_rows, settings, read, expected):
    found = choice(num_rows, **settings)
    text = f"a batch reads {read:,} of {sum(num_rows):,} rows of users and items"
    assert found == (expected, text)


def test_tables_of_items_that_a_loss_reads_whole_do_not_count():
    # 100 users are read, and scored with 10 items: as much as 500 and 100 rows
    assert choice((600, 10), reads_vectors=True).optimizer == DENSE
    assert choice((601, 10), reads_vectors=True) == (
        SPARSE,
        "a batch reads 100 of 601 rows of users; the loss reads all items",
    )


def test_small_tables_get_the_dense_one(monkeypatch):
    monkeypatch.setattr(optimizer_choice, "_SMALL", 1_001)
    assert choice((900, 101)).optimizer == DENSE
    assert choice((900, 102)).optimizer == SPARSE


def test_what_needs_whole_tables_gets_the_dense_one():
    large = (10**6, 10**6)
    assert choice(large, reads_whole="model 'svdpp'") == (
        DENSE,
        "model 'svdpp' may read whole tables",
    )
    assert choice(large, optimizer_args="beta_1=0.8,epsilon=1e-5").optimizer == SPARSE
    assert choice(large, optimizer_args="beta_1=0.8,weight_decay=0.1") == (
        DENSE,
        "weight_decay is an argument of dense Adam",
    )

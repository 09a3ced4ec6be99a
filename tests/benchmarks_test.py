"""The benchmarks: their synthetic sets, and that the one for GPUs runs without one."""

import importlib
import os
import subprocess
import sys

import numpy as np
import pytest

from helpers import ROOT
from mfrec import optimizers
from mfrec.data.readers import read
from mfrec.quiet_tensorflow import tf
from mfrec.training.optimizers import ROW_CLASSES

FOLDER = ROOT / "benchmarks"


@pytest.fixture
def synthetic(monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    module = importlib.import_module("synthetic")
    monkeypatch.setattr(module, "_ROWS_AT_ONCE", 300)
    return module


def test_few_items_of_a_synthetic_set_are_popular(synthetic):
    users, items, ratings = synthetic.arrays(synthetic.Shape(5_000, 500, 60))
    assert (users.dtype, items.dtype, ratings.dtype) == (np.int32, np.int32, np.float32)
    counts = np.sort(np.bincount(items)[1:])
    assert counts[0] > 0 and len(counts) == 60
    # a fifth of all items drawn by x^(1/1.6) has 0.2^0.625 = 37 % of the ratings
    assert 0.33 < counts[-12:].sum() / 5_000 < 0.42
    assert set(ratings.tolist()) == {1, 2, 3, 4, 5}


def test_every_user_of_a_synthetic_set_occurs(synthetic):
    users, items, _ = synthetic.arrays(synthetic.Shape(600, 500, 600))
    assert np.unique(users).tolist() == list(range(1, 501))
    assert np.unique(items).tolist() == list(range(1, 601))


def test_ratings_of_a_synthetic_set_are_planted(synthetic):
    """Its user and item means explain more than noise would."""
    users, _, ratings = synthetic.arrays(synthetic.Shape(20_000, 100, 50))
    means = np.bincount(users, ratings)[1:] / np.bincount(users)[1:]
    # biases of 0.4 beside means of 200 ratings, whose noise is 1.1/√200 = 0.08
    assert 0.3 < means.std() < 0.5


def test_the_files_of_a_synthetic_set_hold_the_same(synthetic, tmp_path):
    shape = synthetic.Shape(1_000, 200, 30)
    expected = synthetic.arrays(shape)
    synthetic.write_npz(tmp_path / "set.npz", shape)
    synthetic.write_csv(tmp_path / "set.csv", shape)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["set.csv", "set.npz"]
    for name in ("set.npz", "set.csv"):
        found, _ = read(tmp_path / name)
        for ids, names, values in (
            (found.user_ids, found.users, expected[0]),
            (found.item_ids, found.items, expected[1]),
        ):
            assert [names.raw_ids[row] for row in ids] == list(map(str, values.tolist()))
        assert found.ratings.tolist() == expected[2].tolist()


@pytest.mark.parametrize("name", ROW_CLASSES)
def test_the_projection_knows_the_bytes_of_a_row(name, monkeypatch):
    monkeypatch.syspath_prepend(FOLDER)
    projection = importlib.import_module("projection")
    rows, dim = 10, 5
    tables = [tf.keras.Variable(np.zeros(shape, np.float32)) for shape in ((rows, dim), (rows,))]
    optimizer = getattr(optimizers, ROW_CLASSES[name])()
    optimizer.build(tables)
    held = [*tables, *(slot for slot in optimizer.variables if len(slot.shape))]
    held += [table.positions for table in optimizer._tables]
    numbers = sum(int(np.prod(variable.shape)) for variable in held)
    # a weight, an id and a step have 4 bytes each
    assert projection.bytes_of_row(dim, name) == 4 * numbers / rows
    assert projection.bytes_of_row(dim, name, True) == 4 * numbers / rows + 4 * (dim + 1)


@pytest.mark.slow
def test_the_benchmark_of_gpus_runs_without_one():
    done = subprocess.run(
        [sys.executable, FOLDER / "gpu.py", "--device=cpu", "--size=tiny"],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    table = [line.split("|")[1:-1] for line in done.stdout.splitlines() if line.startswith("|")]
    assert len(table) == 2 + 7 and {len(cells) for cells in table} == {5}
    assert sum("RMSE" in row[2] for row in table) == 4

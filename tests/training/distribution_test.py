"""Two workers against one process on the same batches, and what is refused or lost."""

from pathlib import Path

import numpy as np
import pytest

import workers
from workers import Workers

SAME_BATCHES = Path(__file__).with_name("same_batches.py")


@pytest.fixture(scope="module")
def tables(tmp_path_factory):
    """By name, arrays of one process and of two workers that trained on the same batches."""
    folder = tmp_path_factory.mktemp("same_batches")
    with Workers(folder, SAME_BATCHES, ["tables.npz"]) as together:
        assert [code for code, _ in together.ends()] == [0, 0]
    alone = workers.start(folder, SAME_BATCHES, ["tables.npz"], None)
    _, err = alone.communicate(timeout=300)
    assert alone.returncode == 0, err
    return [np.load(folder / name) for name in ("tables.npz", "tables-0.npz", "tables-1.npz")]


@pytest.mark.slow
@pytest.mark.parametrize("case", ["rows", "dense", "catalogue", "negatives", "iALS"])
def test_two_workers_train_as_one_process_does_on_the_same_batches(tables, case):
    one, *two = tables
    for name in ("item_embedding", "item_bias", "losses"):
        for worker in two:
            values = worker[f"{case}/{name}"]
            np.testing.assert_allclose(values, one[f"{case}/{name}"], rtol=1e-5, atol=1e-5)
            np.testing.assert_array_equal(values, two[0][f"{case}/{name}"])
    for name in ("user_embedding", "user_bias"):
        found = np.concatenate([worker[f"{case}/{name}"] for worker in two])
        np.testing.assert_allclose(found, one[f"{case}/{name}"], rtol=1e-5, atol=1e-5)


@pytest.mark.slow
def test_two_devices_train_as_one_does_on_the_same_batches(tmp_path):
    script = Path(__file__).with_name("mirrored_devices.py")
    process = workers.start(tmp_path, script, [], None)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    differences = [float(line.split()[-1]) for line in out.splitlines()]
    assert len(differences) == 3 and max(differences) < 1e-5, out

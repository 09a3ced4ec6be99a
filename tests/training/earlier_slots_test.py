"""Slots of an earlier optimizer, of the same kind or of its twin."""

import numpy as np
import pytest

from mfrec.config.settings import OptimizerConfig
from mfrec.quiet_tensorflow import tf
from mfrec.training import optimizers
from mfrec.training.earlier_slots import same_slots, take_over

TABLE = np.arange(8, dtype=np.float32).reshape(4, 2) / 10
# steps that see row 0, rows 1 and 2, row 0 again
SEEN = ([0], [1, 2], [0])


def config(name, **settings):
    return OptimizerConfig(name, learning_rate=0.1, learning_rate_schedule="constant", **settings)


def made(name, rows=4, **settings):
    table = tf.keras.Variable(TABLE[:rows])
    optimizer = optimizers.build(config(name, **settings), 1, 1)
    optimizer.build([table])
    return optimizer, table


def trained(optimizer, table, seen=SEEN):
    for rows in seen:
        values = tf.constant([[row + 1.0, -row - 0.5] for row in rows])
        gradient = tf.IndexedSlices(values, tf.constant(rows), tf.constant(table.shape))
        if not hasattr(optimizer, "catch_up"):
            gradient = tf.convert_to_tensor(gradient)
        optimizer.apply([gradient], [table])
    return table.numpy()


@pytest.mark.parametrize("averages", [0.0, 0.75])
@pytest.mark.parametrize(
    ("first", "second"),
    [("sparse_adam", "adam"), ("adam", "sparse_adam"), ("sparse_adagrad", "adagrad")],
)
def test_twins_go_on_with_each_others_slots(first, second, averages):
    """Gradients of all rows in the last step: what the twin does then, the first would have done.

    In the earlier steps their tables differ, as a dense Adam moves rows that are not seen.
    """
    settings = {"average_weights": averages}
    earlier, table = made(first, **settings)
    trained(earlier, table)
    later, other = made(second, **settings)
    take_over(later, earlier)
    other.assign(table)
    every_row = [[0, 1, 2, 3]] * 2
    expected, found = trained(earlier, table, every_row), trained(later, other, every_row)
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    if averages:
        for optimizer, variable in ((earlier, table), (later, other)):
            optimizer.finalize_variable_values([variable])
        np.testing.assert_allclose(other.numpy(), table.numpy(), rtol=1e-5)


def test_new_rows_start_without_slots():
    earlier, table = made("sparse_adam", rows=2)
    trained(earlier, table, ([0], [1], [0]))
    later, _ = made("sparse_adam")
    take_over(later, earlier)
    momentum = next(v for v in later.variables if v.name.endswith("_momentum")).numpy()
    # row 1 was seen in step 2: 0.1 · gradient, decayed once
    np.testing.assert_allclose(momentum[1], 0.9 * 0.1 * np.array([2.0, -1.5]), rtol=1e-5)
    assert (momentum[2:] == 0).all() and int(later.iterations) == 3


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (config("adam"), config("sparse_adam", optimizer_args="beta_1=0.5"), True),
        (config("sparse_adagrad"), config("adagrad"), True),
        # Keras's momentum holds the learning rate
        (
            config("sgd", optimizer_args="momentum=0.5"),
            config("sparse_sgd", optimizer_args="momentum=0.5"),
            False,
        ),
        (config("rowwise_adagrad"), config("sparse_adagrad"), False),
        (config("adam"), config("adam", average_weights=0.5), False),
        (config("adam"), config("adam", optimizer_args="amsgrad=true"), False),
        (config("adam"), config("nadam"), False),
    ],
)
def test_whose_slots_are_the_same(first, second, expected):
    assert same_slots(first, second) == same_slots(second, first) == expected

"""Optimizers by rows: equal to dense ones where they promise it, and by hand where they differ."""

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.python.framework import kernels

from mfrec import optimizers

KERAS = tf.keras.optimizers
TABLE = np.arange(12, dtype=np.float32).reshape(6, 2) / 10
BIASES = np.arange(6, dtype=np.float32) / 10


def steps(number, all_rows=False, seed=0):
    """Draw (ids, gradients of a table, gradients of biases); ids repeat."""
    random = np.random.default_rng(seed)
    for _ in range(number):
        ids = random.integers(0, 6, 5)
        if all_rows:
            ids = np.concatenate([ids, np.arange(6)])
        size = len(ids)
        yield ids.astype(np.int32), random.normal(size=(size, 2)), random.normal(size=size)


def trained(optimizer, drawn, by_rows=True, jit_compile=False):
    """Return table and biases after these steps, and their averages if there are any."""
    table, biases = tf.keras.Variable(TABLE), tf.keras.Variable(BIASES)
    optimizer.build([table, biases])

    @tf.function(jit_compile=jit_compile)
    def step(ids, of_table, of_biases):
        gradients = [
            tf.IndexedSlices(of_table, ids, tf.constant([6, 2])),
            tf.IndexedSlices(of_biases, ids, tf.constant([6])),
        ]
        if not by_rows:
            gradients = [tf.convert_to_tensor(gradient) for gradient in gradients]
        optimizer.apply(gradients, [table, biases])

    for ids, of_table, of_biases in drawn:
        step(ids, np.float32(of_table), np.float32(of_biases))
    values = [table.numpy(), biases.numpy()]
    if optimizer.use_ema:
        optimizer.finalize_variable_values([table, biases])
        values += [table.numpy(), biases.numpy()]
    return values


def assert_equal(found, expected):
    for values, others in zip(found, expected, strict=True):
        np.testing.assert_allclose(values, others, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize(
    ("by_rows", "dense"),
    [
        (optimizers.SparseAdagrad(0.1), KERAS.Adagrad(0.1)),
        (optimizers.SparseSGD(0.1), KERAS.SGD(0.1)),
        # without momentum, rows that are not seen stand still in dense Adam as well
        (optimizers.SparseAdam(0.1, beta_1=0.0), KERAS.Adam(0.1, beta_1=0.0)),
        (
            optimizers.SparseAdagrad(0.1, global_clipnorm=0.5),
            KERAS.Adagrad(0.1, global_clipnorm=0.5),
        ),
        (optimizers.SparseAdagrad(0.1, clipnorm=0.5), KERAS.Adagrad(0.1, clipnorm=0.5)),
        (optimizers.SparseAdagrad(0.1, clipvalue=0.3), KERAS.Adagrad(0.1, clipvalue=0.3)),
        (
            optimizers.SparseAdagrad(0.1, use_ema=True, ema_momentum=0.8),
            KERAS.Adagrad(0.1, use_ema=True, ema_momentum=0.8),
        ),
    ],
    ids=["adagrad", "sgd", "adam", "global_clipnorm", "clipnorm", "clipvalue", "average"],
)
def test_equals_the_dense_optimizer_given_dense_gradients(by_rows, dense, jit_compile):
    fresh = type(by_rows).from_config(by_rows.get_config())
    twin = type(dense).from_config(dense.get_config())
    found = trained(fresh, steps(7), jit_compile=jit_compile)
    assert_equal(found, trained(twin, steps(7), by_rows=False))


@pytest.mark.parametrize(
    ("by_rows", "dense"),
    [
        (optimizers.SparseAdam(0.1), KERAS.Adam(0.1)),
        (optimizers.SparseSGD(0.1, momentum=0.9), KERAS.SGD(0.1, momentum=0.9)),
    ],
    ids=["adam", "momentum"],
)
def test_equals_the_dense_optimizer_where_every_step_sees_every_row(by_rows, dense):
    drawn = list(steps(7, all_rows=True))
    assert_equal(trained(by_rows, drawn), trained(dense, drawn, by_rows=False))


def test_repeated_rows_are_summed_first_unlike_in_keras():
    """Gradients 1 and 3 on one row: g = 4 in each of two Adam steps of 0.1, so 0.1 each."""

    def after_two_steps(optimizer):
        variable = tf.keras.Variable([[0.0]])
        optimizer.build([variable])
        for _ in range(2):
            gradient = tf.IndexedSlices(tf.constant([[1.0], [3.0]]), tf.constant([0, 0]), [1, 1])
            optimizer.apply([gradient], [variable])
        return float(variable.numpy()[0, 0])

    assert after_two_steps(optimizers.SparseAdam(0.1)) == pytest.approx(-0.2, abs=1e-5)
    # were Keras ever to sum them, it could be handed IndexedSlices as well
    assert after_two_steps(KERAS.Adam(0.1)) == pytest.approx(-0.253, abs=1e-3)


def test_moments_of_adam_decay_while_a_row_is_not_seen():
    """Row 0 is seen in steps 1 and 4: m = 0.9³ · 0.1 g + 0.1 g, likewise v."""
    variable = tf.keras.Variable(np.zeros((2, 1), np.float32))
    optimizer = optimizers.SparseAdam(0.1, beta_2=0.99, epsilon=1e-12)
    optimizer.build([variable])
    for row in (0, 1, 1, 0):
        gradient = tf.IndexedSlices(tf.constant([[2.0]]), tf.constant([row]), [2, 1])
        optimizer.apply([gradient], [variable])
    first = 0.1  # |m̂/√v̂| is 1 in the first step
    momentum = 0.1 * 2 * (1 + 0.9**3)
    velocity = 0.01 * 4 * (1 + 0.99**3)
    rate = 0.1 * np.sqrt(1 - 0.99**4) / (1 - 0.9**4)
    second = rate * momentum / np.sqrt(velocity)
    # what m = 0.2 and v = 0.04 of step 1 do in steps 2 and 3, v at their middle
    drift = rate * 0.2 * (0.9 + 0.9**2) / np.sqrt(0.04 * 0.99**1.5)
    optimizer.catch_up()
    assert variable.numpy()[0, 0] == pytest.approx(-(first + drift + second), rel=1e-5)


@pytest.mark.parametrize(
    ("by_rows", "dense"),
    [
        (optimizers.SparseAdam(0.1), KERAS.Adam(0.1)),
        (optimizers.SparseSGD(0.1, momentum=0.9), KERAS.SGD(0.1, momentum=0.9)),
    ],
    ids=["adam", "momentum"],
)
def test_caught_up_after_every_step_it_is_the_dense_optimizer(by_rows, dense):
    table, twin = tf.keras.Variable(TABLE), tf.keras.Variable(TABLE)
    for ids, of_table, _ in steps(7):
        gradient = tf.IndexedSlices(np.float32(of_table), ids, tf.constant([6, 2]))
        by_rows.apply([gradient], [table])
        by_rows.catch_up()
        dense.apply([tf.convert_to_tensor(gradient)], [twin])
    assert_equal([table.numpy()], [twin.numpy()])


@pytest.mark.parametrize(
    ("by_rows", "dense"),
    [
        (optimizers.SparseAdam(0.01, beta_2=0.99), KERAS.Adam(0.01, beta_2=0.99)),
        (optimizers.SparseSGD(0.01, momentum=0.9), KERAS.SGD(0.01, momentum=0.9)),
    ],
    ids=["adam", "momentum"],
)
def test_caught_up_in_the_end_rows_moved_nearly_as_far(by_rows, dense):
    """Gradients that do not depend on the rows: lagging behind costs nothing."""
    found = tf.keras.Variable(TABLE)
    expected = tf.keras.Variable(TABLE)
    for ids, of_table, _ in steps(200):
        # row 5 is seen by every tenth step or so
        ids = np.where(np.arange(5) > 0, ids % 5, ids)
        gradient = tf.IndexedSlices(np.float32(of_table + 0.5), ids, tf.constant([6, 2]))
        by_rows.apply([gradient], [found])
        dense.apply([tf.convert_to_tensor(gradient)], [expected])
    by_rows.catch_up()
    moved, wanted = found.numpy() - TABLE, expected.numpy() - TABLE
    np.testing.assert_allclose(moved, wanted, rtol=0.1, atol=0.02)


def test_rowwise_adagrad_keeps_the_mean_square_of_a_row():
    variable = tf.keras.Variable(np.zeros((3, 2), np.float32))
    optimizer = optimizers.RowwiseAdagrad(0.1, initial_accumulator_value=0.5, epsilon=0.0)
    optimizer.build([variable])
    for gradient in ([3.0, 1.0], [1.0, 1.0]):
        slices = tf.IndexedSlices(tf.constant([gradient]), tf.constant([1]), [3, 2])
        optimizer.apply([slices], [variable])
    # (9 + 1) / 2 = 5, then (1 + 1) / 2 = 1
    expected = -0.1 * np.array(
        [3 / np.sqrt(5.5) + 1 / np.sqrt(6.5), 1 / np.sqrt(5.5) + 1 / np.sqrt(6.5)]
    )
    np.testing.assert_allclose(variable.numpy(), [[0, 0], expected, [0, 0]], rtol=1e-5)
    of_rows = [v for v in optimizer.variables if tuple(v.shape) == (3,)]
    assert [v.numpy().tolist() for v in of_rows] == [[0.5, 6.5, 0.5]]


def test_takes_dense_and_sparse_gradients_in_one_step():
    both = optimizers.SparseAdam(0.1)
    table, biases = tf.keras.Variable(TABLE), tf.keras.Variable(BIASES)
    twin, dense = KERAS.Adam(0.1), tf.keras.Variable(TABLE)
    for ids, of_table, of_biases in steps(4):
        slices = tf.IndexedSlices(np.float32(of_biases), ids, tf.constant([6]))
        whole = np.float32(np.resize(of_table, (6, 2)))
        both.apply([tf.constant(whole), slices], [table, biases])
        twin.apply([tf.constant(whole)], [dense])
    assert_equal([table.numpy()], [dense.numpy()])
    assert not np.array_equal(biases.numpy(), BIASES)


def test_follows_a_schedule_and_is_made_again_from_its_config():
    schedule = KERAS.schedules.ExponentialDecay(0.1, 1, 0.5)
    variable = tf.keras.Variable([[1.0]])
    optimizer = optimizers.SparseSGD(schedule)
    for _ in range(3):
        gradient = tf.IndexedSlices(tf.constant([[1.0]]), tf.constant([0]), [1, 1])
        optimizer.apply([gradient], [variable])
    assert variable.numpy()[0, 0] == pytest.approx(1 - 0.1 - 0.05 - 0.025)
    again = optimizers.SparseAdam.from_config(
        optimizers.SparseAdam(0.3, beta_1=0.8, clipnorm=2.0).get_config()
    )
    assert (float(again.learning_rate), again.beta_1, again.clipnorm) == (
        pytest.approx(0.3),
        0.8,
        2.0,
    )


@pytest.mark.skipif(not tf.test.is_built_with_cuda(), reason="this TensorFlow knows no GPU")
@pytest.mark.parametrize("name", ["SparseAdam", "SparseAdagrad", "RowwiseAdagrad", "SparseSGD"])
def test_variables_lie_on_a_gpu_if_there_is_one(name):
    """TensorFlow keeps those of int32 in host memory, where a compiled step does not find them."""
    placed = {
        tf.as_dtype(dtype)
        for kernel in kernels.get_registered_kernels_for_op("VarHandleOp").kernel
        if kernel.device_type in ("GPU", "DEFAULT")
        for constraint in kernel.constraint
        for dtype in constraint.allowed_values.list.type
    }
    assert tf.float32 in placed and tf.int32 not in placed
    optimizer = getattr(optimizers, name)(use_ema=True)
    optimizer.build([tf.keras.Variable([[0.0]])])
    held = [*optimizer.variables, *(table.positions for table in optimizer._tables)]
    assert {tf.as_dtype(variable.dtype) for variable in held} <= placed

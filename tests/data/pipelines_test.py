"""Loops of positions: every example once an epoch, in an order fixed by the seed."""

import numpy as np
import pytest

from helpers import interactions
from mfrec.config.settings import TrainingConfig
from mfrec.data.interactions import Interactions
from mfrec.data.pipelines import (
    ColumnsInMemory,
    EpochShape,
    evaluation_blocks,
    training_examples,
    training_loops,
)
from mfrec.data.vocabulary import UNKNOWN

# 11 examples, 3 a step: 4 steps, the last of 2 examples; 3 steps a loop: 2 loops, which need no
# more than 2 steps each. 10 examples, 2 a step: 5 steps in 2 loops of 3, one of which is empty.
ELEVEN = EpochShape.fit(11, batch_size=3, steps_per_loop=3)
TEN = EpochShape.fit(10, batch_size=2, steps_per_loop=4)


def epochs_of(shape, epochs, seed):
    """The blocks of positions and the numbers of real steps, a list an epoch."""
    loops = [
        (loop.positions.numpy(), int(loop.num_steps))
        for loop in training_loops(shape, epochs, seed)
    ]
    assert len(loops) == epochs * shape.loops
    return [loops[start : start + shape.loops] for start in range(0, len(loops), shape.loops)]


def order_of(epoch, shape):
    """The positions of an epoch's real steps, without the padding."""
    steps = np.concatenate([positions[:num_steps].ravel() for positions, num_steps in epoch])
    return steps[steps != shape.num_examples].tolist()


@pytest.mark.parametrize(
    "num_examples, batch_size, steps_per_loop, expected",
    [
        # examples a step, steps a loop, steps, loops
        (11, 3, 3, (3, 2, 4, 2)),
        (10, 2, 4, (2, 3, 5, 2)),
        (12, 3, 4, (3, 4, 4, 1)),
        (12, 3, 64, (3, 4, 4, 1)),
        (13, 3, 4, (3, 3, 5, 2)),
        (5, 1000, 64, (5, 1, 1, 1)),
        (1, 1, 1, (1, 1, 1, 1)),
    ],
)
def test_epoch_shape(num_examples, batch_size, steps_per_loop, expected):
    shape = EpochShape.fit(num_examples, batch_size, steps_per_loop)
    assert (shape.batch_size, shape.steps_per_loop, shape.steps, shape.loops) == expected


@pytest.mark.parametrize("shape", [ELEVEN, TEN], ids=["eleven", "ten"])
def test_every_example_comes_exactly_once_an_epoch(shape):
    for epoch in epochs_of(shape, 3, seed=0):
        assert sorted(order_of(epoch, shape)) == list(range(shape.num_examples))


@pytest.mark.parametrize("shape", [ELEVEN, TEN], ids=["eleven", "ten"])
def test_only_the_end_of_an_epoch_is_padding(shape):
    for epoch in epochs_of(shape, 2, seed=0):
        for positions, _ in epoch:
            assert positions.shape == (shape.steps_per_loop, shape.batch_size)
            assert positions.dtype == np.int32
        flat = np.concatenate([positions.ravel() for positions, _ in epoch])
        assert (flat[: shape.num_examples] < shape.num_examples).all()
        assert (flat[shape.num_examples :] == shape.num_examples).all()
        # real steps hold an example each, the others none
        for positions, num_steps in epoch:
            holds_any = (positions != shape.num_examples).any(axis=1)
            assert holds_any.tolist() == [s < num_steps for s in range(shape.steps_per_loop)]


def test_numbers_of_real_steps():
    assert [steps for _, steps in epochs_of(ELEVEN, 1, seed=0)[0]] == [2, 2]
    assert [steps for _, steps in epochs_of(TEN, 1, seed=0)[0]] == [3, 2]


def test_the_order_depends_on_seed_and_epoch_alone():
    shape = EpochShape.fit(50, 8, 4)
    first, second = (order_of(epoch, shape) for epoch in epochs_of(shape, 2, seed=3))
    assert first != second
    assert [order_of(epoch, shape) for epoch in epochs_of(shape, 3, seed=3)][:2] == [first, second]
    assert order_of(epochs_of(shape, 1, seed=4)[0], shape) not in (first, second)
    # another division into steps visits the same examples in the same order
    other = EpochShape.fit(50, 7, 3)
    assert order_of(epochs_of(other, 1, seed=3)[0], other) == first
    assert first != sorted(first)


@pytest.mark.parametrize(
    ("counts", "batch_size"), [([10, 20], 6), ([7, 7, 7], 4), ([1, 50], 8), ([5, 5], 100), ([9], 4)]
)
def test_workers_take_the_same_steps_and_somebody_has_an_example_in_each(counts, batch_size):
    shapes = [EpochShape.fit(count, batch_size, 3, counts) for count in counts]
    (steps,) = {shape.steps for shape in shapes}
    assert len({(shape.loops, shape.steps_per_loop, shape.width) for shape in shapes}) == 1
    assert max(-(-shape.num_examples // shape.batch_size) for shape in shapes) == steps
    assert all(shape.batch_size <= shape.width for shape in shapes)
    # shares of a batch are rounded up to whole examples
    in_all = sum(shape.batch_size for shape in shapes)
    assert min(batch_size, sum(counts)) <= in_all < min(batch_size, sum(counts)) + len(counts)


def test_training_examples_end_in_a_padding_of_weight_0():
    train = interactions([1, 0, 1], [2, 0, 1], [4, 3, 5])
    packed = training_examples(train)
    examples = packed.take(np.arange(4))
    assert examples.user_ids.numpy().tolist() == [1, 0, 1, 1]
    assert examples.item_ids.numpy().tolist() == [2, 0, 1, 2]
    assert examples.ratings.numpy().tolist() == [4, 3, 5, 4]
    assert examples.weights.numpy().tolist() == [1, 1, 1, 0]
    assert [column.dtype.name for column in examples] == ["int32", "int32", "float32", "float32"]
    taken = packed.take(np.array([3, 2, 1]))
    assert [column.numpy().tolist() for column in taken] == [
        [1, 1, 0],
        [2, 1, 0],
        [4, 5, 3],
        [0, 1, 1],
    ]


def test_evaluation_blocks_share_a_length_and_end_in_unknown():
    rows = interactions([0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [1, 1, 1, 1, 1])
    users, items = zip(*evaluation_blocks(rows, size=2), strict=True)
    assert [block.tolist() for block in users] == [[0, 1], [2, 3], [4, UNKNOWN]]
    assert [block.tolist() for block in items] == [[4, 3], [2, 1], [0, UNKNOWN]]
    ((users, items),) = evaluation_blocks(rows)
    # blocks that hold everything have a power of two
    assert users.tolist() == [0, 1, 2, 3, 4, *[UNKNOWN] * 3]
    assert items.tolist() == [4, 3, 2, 1, 0, *[UNKNOWN] * 3]
    assert users.dtype == items.dtype == np.int32


def test_columns_in_memory_bring_every_example_once_an_epoch():
    train = Interactions.from_arrays(range(11), range(11), np.arange(11) / 2)
    data = ColumnsInMemory(train, TrainingConfig(batch_size=3, steps_per_loop=3))
    assert (data.shape.loops, data.shape.steps_per_loop, data.shape.batch_size) == (2, 2, 3)
    blocks = [data.blocks(loop) for loop in data.loops(1, seed=0)]
    # ids are numbered as they come: user and item of a row have one number, and half its rating
    for users, items, ratings, _ in blocks:
        np.testing.assert_array_equal(users, items)
        np.testing.assert_array_equal(users / 2, ratings)
    users, weights = (np.concatenate([b[n] for b in blocks]).ravel() for n in (0, 3))
    assert sorted(users[weights > 0]) == list(range(11))
    assert data.empty_loop().num_steps == 0
    assert data.blocks(data.empty_loop()).weights.shape == (2, 3)
    sample = data.sample(seed=1)
    assert len(set(sample.user_ids.numpy())) == 3
    np.testing.assert_array_equal(sample.ratings, data.sample(seed=1).ratings)

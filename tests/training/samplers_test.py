"""One contract for every registered negative sampler, and the built-in ones by hand."""

import numpy as np
import pytest

from helpers import ROOT, interactions
from mfrec.config.settings import Config
from mfrec.data.interactions import UNKNOWN
from mfrec.errors import InputError
from mfrec.quiet_tensorflow import tf
from mfrec.training import samplers
from mfrec.training.samplers import alias_tables

COUNTS = np.array([4, 0, 1, 9, 2])
ITEMS = np.repeat(np.arange(5), COUNTS)
DRAWS = 200_000


def train():
    """16 ratings of items [0, 5) as often as COUNTS says, by 3 users."""
    return interactions(np.arange(16) % 3, ITEMS, np.ones(16), num_items=5)


def draw(name, shape=(DRAWS,), seed=(1, 2), user_ids=None, batch_items=None, arguments=""):
    kind = samplers.get(name)
    # a batch's users and items are those of the training part
    size = shape[0] if len(shape) > 1 else 64
    rows = np.random.default_rng(0).integers(0, 16, size)
    user_ids = train().user_ids[rows] if user_ids is None else user_ids
    batch_items = ITEMS[rows] if batch_items is None else batch_items
    sampler = kind.build(train(), arguments)

    @tf.function(jit_compile=True)
    def compiled(seed, user_ids, batch_items):
        return sampler(seed=seed, shape=shape, user_ids=user_ids, batch_items=batch_items)

    return compiled(
        tf.constant(seed), tf.constant(user_ids, tf.int32), tf.constant(batch_items, tf.int32)
    )


def shares(item_ids):
    return np.bincount(item_ids.numpy().ravel(), minlength=5) / tf.size(item_ids).numpy()


every_sampler = pytest.mark.parametrize("name", sorted(samplers.REGISTRY))
every_drawing_sampler = pytest.mark.parametrize(
    "name", sorted(n for n, kind in samplers.REGISTRY.items() if not kind.takes_batch_items)
)


@pytest.fixture
def registry(monkeypatch):
    """A registry of the test's own, so that its samplers are gone after it."""
    copied = dict(samplers.REGISTRY)
    monkeypatch.setattr(samplers, "REGISTRY", copied)
    return copied


# ------------------------------------------------------------------ the contract


@every_sampler
def test_a_sampler_draws_items_of_the_catalogue(name):
    for shape in ((7,), (64, 7)):
        ids, log_probabilities = draw(name, shape)
        shape = (64,) if samplers.get(name).takes_batch_items else shape
        assert ids.shape == log_probabilities.shape == shape
        assert (ids.dtype, log_probabilities.dtype) == (tf.int32, tf.float32)
        assert ids.numpy().min() >= 0 and ids.numpy().max() < 5
        assert np.isfinite(log_probabilities).all()


@every_drawing_sampler
def test_items_come_as_often_as_the_log_probabilities_say(name):
    for shape in ((DRAWS,), (20, DRAWS // 20)):
        ids, log_probabilities = draw(name, shape)
        claimed = np.zeros(5)
        claimed[ids.numpy().ravel()] = np.exp(log_probabilities.numpy().ravel())
        assert claimed.sum() == pytest.approx(1, abs=1e-5)
        # five standard errors of a share among 200,000 draws are below 0.006
        np.testing.assert_allclose(shares(ids), claimed, atol=0.006)


@every_drawing_sampler
def test_draws_depend_on_the_seed_and_fill_their_shape(name):
    first = draw(name, (50, 3)).item_ids.numpy()
    np.testing.assert_array_equal(first, draw(name, (50, 3)).item_ids)
    for other in ((1, 3), (2, 2)):
        assert (first != draw(name, (50, 3), other).item_ids.numpy()).any()
    # neither rows nor columns repeat each other
    assert (first[1:] != first[:-1]).any() and (first[:, 1:] != first[:, :-1]).any()


@every_sampler
def test_a_sampler_serves_users_that_training_has_not_seen(name):
    ids = draw(name, (64, 7), user_ids=np.full(64, UNKNOWN)).item_ids.numpy()
    assert ids.min() >= 0 and ids.max() < 5


# ------------------------------------------------------------------ by hand


@pytest.mark.parametrize(
    "name, arguments, probabilities",
    [
        ("uniform", "", [1 / 5] * 5),
        ("popularity", "exponent=1", [4 / 16, 0, 1 / 16, 9 / 16, 2 / 16]),
        # square roots 2, 1, 3 and √2; what nobody rated is never drawn
        ("popularity", "exponent=0.5", np.array([2, 0, 1, 3, 2**0.5]) / (6 + 2**0.5)),
        ("popularity", "exponent=0", [1 / 4, 0, 1 / 4, 1 / 4, 1 / 4]),
    ],
)
def test_items_come_as_often_as_their_probability_says(name, arguments, probabilities):
    ids, log_probabilities = draw(name, arguments=arguments)
    # five standard errors of a share among 200,000 draws are below 0.006
    np.testing.assert_allclose(shares(ids), probabilities, atol=0.006)
    expected = np.array(probabilities)[ids.numpy()]
    np.testing.assert_allclose(np.exp(log_probabilities), expected, rtol=1e-5)


def test_popularity_is_to_the_power_of_three_quarters_by_default():
    _, log_probabilities = draw("popularity", (1000,))
    assert np.exp(log_probabilities).max() == pytest.approx(
        9**0.75 / (4**0.75 + 1 + 9**0.75 + 2**0.75), rel=1e-5
    )


def test_in_batch_takes_the_batchs_items_with_their_share_of_the_examples():
    ids, log_probabilities = draw("in_batch", user_ids=(0, 1, 2), batch_items=(3, 0, 3))
    assert ids.numpy().tolist() == [3, 0, 3]
    np.testing.assert_allclose(np.exp(log_probabilities), [9 / 16, 4 / 16, 9 / 16], rtol=1e-6)


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
def test_alias_tables_hold_the_probabilities_exactly(size):
    probabilities = np.random.default_rng(size).exponential(size=size) ** 3
    probabilities /= probabilities.sum()
    thresholds, aliases = alias_tables(probabilities)
    held = thresholds.astype(np.float64)
    np.add.at(held, aliases, 1.0 - thresholds)
    np.testing.assert_allclose(held / size, probabilities, atol=1e-7)


# ------------------------------------------------------------------ finding and registering


MY_SAMPLERS = """
from mfrec import samplers
from mfrec.quiet_tensorflow import tf

def last(train, *, back=1):
    def sample(seed, shape, user_ids, batch_items):
        return samplers.Negatives(tf.fill(shape, train.num_items - back), tf.zeros(shape))
    return sample

@samplers.register("mine", takes_batch_items=True)
def mine(train):
    return lambda seed, shape, user_ids, batch_items: samplers.Negatives(
        batch_items, tf.zeros(batch_items.shape)
    )

number = 3
"""


def test_a_sampler_from_a_file(tmp_path, registry):
    file = tmp_path / "mine.py"
    file.write_text(MY_SAMPLERS)
    assert draw(f"{file}:last", (2, 3)).item_ids.numpy().tolist() == [[4] * 3] * 2
    assert draw(f"{file}:last", (2,), arguments="back=4").item_ids.numpy().tolist() == [1, 1]
    assert not samplers.get(f"{file}:last").takes_batch_items
    # a registered one keeps what it was registered with
    assert samplers.get(f"{file}:mine").takes_batch_items
    with pytest.raises(InputError, match="mine.py:number: 3 is no function"):
        samplers.get(f"{file}:number")
    with pytest.raises(InputError, match="no 'first' there, only .*'last'"):
        samplers.get(f"{file}:first")


def test_unknown_samplers_and_arguments_are_refused():
    with pytest.raises(InputError, match="=popular: unknown; did you mean popularity") as error:
        samplers.get("popular")
    assert "FILE.py:function" in str(error.value)
    with pytest.raises(InputError, match="--sampler_args: sampler 'uniform' has none, not 'x'"):
        samplers.get("uniform").build(train(), "x=1")
    with pytest.raises(InputError, match="sampler 'popularity' has exponent, not 'power'"):
        samplers.get("popularity").build(train(), "power=1")
    with pytest.raises(InputError, match="exponent=high of sampler 'popularity' is no number"):
        samplers.get("popularity").build(train(), "exponent=high")


def test_one_name_is_one_sampler(registry):
    samplers.register("uniform")(samplers.uniform)
    with pytest.raises(ValueError, match="a sampler named 'uniform' already"):
        samplers.register("uniform")(samplers.popularity)


def test_settings_name_the_sampler_and_its_arguments():
    config = Config().replace({"negative_sampler": "popularity", "sampler_args": "exponent=0.5"})
    assert (config.sampler.negative_sampler, config.sampler.sampler_args) == (
        "popularity",
        "exponent=0.5",
    )


def test_the_example_draws_from_the_most_popular_items():
    name = f"{ROOT}/examples/my_sampler.py:head"
    ids, log_probabilities = draw(name, (4, 500), arguments="share=0.6")
    # 3 of the 5 items, those with 9, 4 and 2 examples
    assert set(ids.numpy().ravel()) == {0, 3, 4}
    np.testing.assert_allclose(log_probabilities, -np.log(3), rtol=1e-6)

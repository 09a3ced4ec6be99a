"""Negative samplers: where the negatives of ranking losses come from.

A sampler is made from the training part and draws item ids inside the compiled loop, from a seed
that changes with every step; with each draw it tells the log-probability:

    @samplers.register("uniform")
    def uniform(train):
        def sample(seed, shape, user_ids, batch_items):
            ...
            return Negatives(item_ids, log_probabilities)
        return sample

Keyword arguments of the outer function are the sampler's parameters, set by
--sampler_args=name=value. One in a file of your own needs no registration:
--negative_sampler=path/to/my_samplers.py:my_sampler.

Negatives are drawn for every example, [B, N], or once for the whole batch, [N]: shared ones are
scored by one matrix product, so that thousands of them cost as much as a few of the others.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import NamedTuple, Protocol

import numpy as np

from mfrec import own_code
from mfrec.config.parsing import parse_arguments
from mfrec.data.interactions import Interactions
from mfrec.errors import InputError, did_you_mean
from mfrec.faults import described
from mfrec.quiet_tensorflow import tf
from mfrec.ranges import Range


class Negatives(NamedTuple):
    """Drawn items.

    Attributes:
        item_ids: int32, [N] where the whole batch shares them, else [B, N].
        log_probabilities: float32, of the same shape: log q of each.
    """

    item_ids: tf.Tensor
    log_probabilities: tf.Tensor


class Sampler(Protocol):
    """Draws negatives: a pure TensorFlow function, compiled with the training loop."""

    def __call__(
        self,
        seed: tf.Tensor,
        shape: tuple[int | tf.Tensor, ...],
        user_ids: tf.Tensor,
        batch_items: tf.Tensor,
    ) -> Negatives:
        """Return negatives for a batch.

        Args:
            seed: int32 [2], another one for every step; the same seed gives the same draws.
            shape: (N,) if the batch shares its negatives, else (B, N).
            user_ids: users of the examples, int32 [B]; UNKNOWN (-1) while new users are folded in.
            batch_items: items of the examples, int32 [B].
        """


@dataclass(frozen=True)
class SamplerKind:
    """A sampler as it was registered.

    Attributes:
        name: what --negative_sampler takes.
        factory: returns a `Sampler` for the training part and the sampler's own arguments.
        takes_batch_items: whether it takes the batch's own items: the batch shares them, and
            there is no number of negatives to choose.
        domain: the numbers that its parameters may be, by name.
    """

    name: str
    factory: Callable[..., Sampler]
    takes_batch_items: bool = False
    domain: Mapping[str, Range] = field(default_factory=dict)

    def build(self, train: Interactions, sampler_args: str = "") -> Sampler:
        """Return a sampler for this training part.

        Args:
            train: the training part.
            sampler_args: the sampler's own arguments, as --sampler_args takes them.

        Raises:
            InputError: the sampler does not take these arguments, or is no function.
        """
        arguments = parse_arguments(sampler_args, "sampler_args")
        parameters = own_code.parameters(self.factory)
        owner = f"sampler '{self.name}'"
        own_code.check_arguments(arguments, parameters, "sampler_args", owner, self.domain)
        own_code.check_takes(self.factory, owner, "train", **arguments)
        sampler = self.factory(train, **arguments)
        if not callable(sampler):
            raise InputError(
                f"{owner} returned {described(sampler)} for the training part; it returns "
                "the function that draws negatives"
            )
        own_code.check_takes(sampler, owner, **dict.fromkeys(_INPUTS))
        return sampler


# What a sampler is called with, by name.
_INPUTS = ("seed", "shape", "user_ids", "batch_items")
REGISTRY: dict[str, SamplerKind] = {}


def register(
    name: str, *, takes_batch_items: bool = False, domain: Mapping[str, Range] = {}
) -> Callable[[Callable], Callable]:
    """Register a sampler's factory under the name that --negative_sampler takes.

    Args:
        name: one name, one sampler.
        takes_batch_items: see `SamplerKind`.
        domain: see `SamplerKind`.

    Raises:
        ValueError: another sampler has this name.
    """

    def decorate(factory: Callable[..., Sampler]) -> Callable[..., Sampler]:
        taken = REGISTRY.get(name)
        # the same function may come again: a notebook's cell run twice, a file loaded twice
        if taken and not own_code.is_same(taken.factory, factory):
            raise ValueError(f"there is a sampler named '{name}' already")
        REGISTRY[name] = SamplerKind(name, factory, takes_batch_items, domain)
        return factory

    return decorate


def get(name: str) -> SamplerKind:
    """Return the sampler of a registered name, or the one at FILE.py:name or module:name.

    Raises:
        InputError: there is none.
    """
    if own_code.is_address(name):
        factory = own_code.load(name, "negative_sampler")
        if not callable(factory):
            raise InputError(f"--negative_sampler={name}: {factory!r} is no function")
        registered = (kind for kind in REGISTRY.values() if kind.factory is factory)
        return replace(next(registered, SamplerKind(name, factory)), name=name)
    check_name(name)
    return REGISTRY[name]


def check_name(name: str) -> None:
    """Check a name without importing TensorFlow or the user's own code.

    Raises:
        InputError: it is neither registered nor an address.
    """
    if not own_code.is_address(name) and name not in REGISTRY:
        raise InputError(
            f"--negative_sampler={name}: unknown{did_you_mean(name, REGISTRY)}; "
            "a sampler of your own is FILE.py:function or package.module:function"
        )


def random_uniform(
    shape: tuple[int | tf.Tensor, ...],
    seed: tf.Tensor,
    minval: int = 0,
    maxval: int | None = None,
    dtype: tf.DType | None = None,
) -> tf.Tensor:
    """Return `tf.random.stateless_uniform` by the fast generator.

    It is the one that TensorFlow chooses by itself on a CPU and on a GPU; but where TensorFlow is
    left to choose, XLA takes 15 to 80 times as long for the same numbers.
    """
    dtype = tf.float32 if dtype is None else dtype
    return tf.random.stateless_uniform(shape, seed, minval, maxval, dtype, alg="philox")


@register("uniform")
def uniform(train: Interactions) -> Sampler:
    """Draw every item of the catalogue with probability 1 / num_items."""
    num_items = train.num_items

    def sample(
        seed: tf.Tensor, shape: tuple[int, ...], user_ids: tf.Tensor, batch_items: tf.Tensor
    ) -> Negatives:
        ids = random_uniform(shape, seed, 0, num_items, tf.int32)
        return Negatives(ids, tf.fill(shape, np.float32(-np.log(num_items))))

    return sample


# counts^10 of a million examples are still numbers
@register("popularity", domain={"exponent": Range(minimum=0, maximum=10)})
def popularity(train: Interactions, *, exponent: float = 0.75) -> Sampler:
    """Draw items in proportion to (training examples)^exponent; never one without examples.

    By alias tables (Walker 1977): two table look-ups a draw, where searching a cumulative
    distribution is hundreds of times slower under XLA.

    Args:
        train: the training part.
        exponent: 1 draws as often as items are rated, 0 every rated item alike.
    """
    counts = train.whole.item_counts
    weights = np.where(counts > 0, np.maximum(counts, 1.0) ** exponent, 0.0)
    probabilities = weights / weights.sum()
    thresholds, aliases = (tf.constant(table) for table in alias_tables(probabilities))
    with np.errstate(divide="ignore"):
        log_probabilities = tf.constant(np.log(probabilities).astype(np.float32))

    def sample(
        seed: tf.Tensor, shape: tuple[int, ...], user_ids: tf.Tensor, batch_items: tf.Tensor
    ) -> Negatives:
        columns = random_uniform(shape, seed, 0, len(counts), tf.int32)
        heights = random_uniform(shape, seed + tf.constant([0, 1 << 30]))
        ids = tf.where(
            heights < tf.gather(thresholds, columns), columns, tf.gather(aliases, columns)
        )
        return Negatives(ids, tf.gather(log_probabilities, ids))

    return sample


@register("in_batch", takes_batch_items=True)
def in_batch(train: Interactions) -> Sampler:
    """Take the batch's own items, [B]: popular ones as often as they are rated."""
    counts = train.whole.item_counts
    with np.errstate(divide="ignore"):
        shares = np.log(counts / counts.sum()).astype(np.float32)
    log_probabilities = tf.constant(shares)

    def sample(
        seed: tf.Tensor, shape: tuple[int, ...], user_ids: tf.Tensor, batch_items: tf.Tensor
    ) -> Negatives:
        return Negatives(batch_items, tf.gather(log_probabilities, batch_items))

    return sample


def alias_tables(probabilities: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Walker's alias tables: draw a column, keep it with its threshold, else take its alias.

    Args:
        probabilities: float64 [n], summing to 1.

    Returns:
        thresholds: float32 [n].
        aliases: int32 [n].
    """
    n = len(probabilities)
    heights = probabilities * n
    thresholds, aliases = np.ones(n), np.arange(n)
    small = np.flatnonzero(heights < 1).tolist()
    large = np.flatnonzero(heights >= 1).tolist()
    while small and large:
        low, high = small.pop(), large[-1]
        thresholds[low], aliases[low] = heights[low], high
        heights[high] -= 1 - heights[low]
        if heights[high] < 1:
            small.append(large.pop())
    return thresholds.astype(np.float32), aliases.astype(np.int32)

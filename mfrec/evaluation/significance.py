"""Confidence intervals of means over users, and significance of differences between two runs.

The users are treated as a sample. The *bootstrap* resamples them with replacement a thousand
times; the 95 % interval reaches from the 2.5th to the 97.5th percentile of the means (Efron and
Tibshirani 1993, "An introduction to the bootstrap", chapter 13). The *paired randomization test*
asks whether the two systems are interchangeable: it flips the sign of each user's difference with
probability 1/2, ten thousand times, and p is the share of mean differences at least as far from 0
as the observed one (Smucker, Allan, Carterette 2007, "A comparison of statistical significance
tests for information retrieval evaluation"). Both depend on the values and the seed alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from mfrec.errors import InputError

RESAMPLES = 1_000
PERMUTATIONS = 10_000
_PERCENTILES = (2.5, 97.5)
_BLOCK_BYTES = 1 << 26


@dataclass(frozen=True, eq=False)
class PerUser:
    """Metrics of each user, by raw id, so that runs can be compared.

    Attributes:
        users: raw ids, distinct.
        metrics: float64 [num_users] by name.
    """

    users: Sequence[str]
    metrics: Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Difference:
    """The difference of two runs in one metric, over the users that both have evaluated.

    Attributes:
        first: mean of the first run.
        second: mean of the second run.
        difference: first − second.
        interval: 95 % bootstrap interval of the difference.
        p_value: of the two-sided paired randomization test, from 1 / (PERMUTATIONS + 1) to 1.
    """

    first: float
    second: float
    difference: float
    interval: tuple[float, float]
    p_value: float


@dataclass(frozen=True)
class Comparison:
    """Two runs side by side.

    Attributes:
        num_users: users that both have evaluated.
        only_first: users that only the first has evaluated; they are left out.
        only_second: users that only the second has evaluated; they are left out.
        differences: by metric, in the first run's order.
    """

    num_users: int
    only_first: int
    only_second: int
    differences: dict[str, Difference]


def bootstrap_intervals(values: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return 95 % percentile intervals of the columns' means, float64 [num_metrics, 2].

    All columns share the draws. The number of times a user is drawn is a weight, so that a block
    of resamples is one matrix product.

    Args:
        values: one row per user, float64 [num_users, num_metrics], num_users > 0.
        seed: fixes the draws.
    """
    random = np.random.default_rng(seed)
    users = len(values)
    means = []
    for size in _blocks(RESAMPLES, users):
        draws = [random.integers(users, size=users, dtype=np.int32) for _ in range(size)]
        weights = np.stack([np.bincount(draw, minlength=users) for draw in draws])
        means.append(weights.astype(np.float64) @ values / users)
    return np.percentile(np.concatenate(means), _PERCENTILES, axis=0).T


def randomization_test(differences: np.ndarray, seed: int = 0) -> np.ndarray:
    """Return two-sided p of the columns' means under random signs, float64 [num_metrics].

    p = (1 + number of the n flipped means at least as far from 0) / (1 + n).

    Args:
        differences: paired differences, one row per user, float64 [num_users, num_metrics].
        seed: fixes the signs.
    """
    random = np.random.default_rng(seed)
    users = len(differences)
    total = differences.sum(axis=0)
    # sums in another order differ in their last digits: equal distances must stay equal
    far = np.abs(total) - 1e-9 * np.abs(differences).sum(axis=0)
    farther = np.zeros(differences.shape[1], np.int64)
    for size in _blocks(PERMUTATIONS, users):
        # whole words per row, so that the block size changes no draw
        bits = np.frombuffer(random.bytes(size * 8 * -(-users // 64)), np.uint8).reshape(size, -1)
        kept = np.unpackbits(bits, axis=1, count=users).astype(np.float64)
        farther += (np.abs(2 * kept @ differences - total) >= far).sum(axis=0)
    return (1 + farther) / (1 + PERMUTATIONS)


def compare(first: PerUser, second: PerUser, seed: int = 0) -> Comparison:
    """Compare two runs, user by user, in every metric that both have.

    Args:
        first: e.g. `PerUser(train.users.take(result.user_ids).raw_ids, result.per_user)`.
        second: the run to compare with; its users may be in another order.
        seed: fixes the draws.

    Raises:
        InputError: the two have no user or no metric in common.
    """
    rows = {user: row for row, user in enumerate(second.users)}
    pairs = [(row, rows[user]) for row, user in enumerate(first.users) if user in rows]
    names = [name for name in first.metrics if name in second.metrics]
    if not pairs:
        raise InputError("the two runs measured no user in common; compare runs of one data set")
    if not names:
        raise InputError("the two runs measured no metric in common; measure at the same cutoffs")
    first_rows, second_rows = np.array(pairs).T
    a = np.stack([first.metrics[name][first_rows] for name in names], axis=1)
    b = np.stack([second.metrics[name][second_rows] for name in names], axis=1)
    rows_of_values = zip(
        a.mean(axis=0).tolist(),
        b.mean(axis=0).tolist(),
        (a - b).mean(axis=0).tolist(),
        map(tuple, bootstrap_intervals(a - b, seed).tolist()),
        randomization_test(a - b, seed).tolist(),
        strict=True,
    )
    differences = {name: Difference(*row) for name, row in zip(names, rows_of_values, strict=True)}
    num_users = len(pairs)
    only = (len(first.users) - num_users, len(second.users) - num_users)
    return Comparison(num_users, *only, differences)


def _blocks(rows: int, columns: int) -> Iterator[int]:
    """Yield sizes of memory-bounded blocks of float64 rows that add up to `rows`."""
    size = max(1, _BLOCK_BYTES // (8 * columns))
    for start in range(0, rows, size):
        yield min(size, rows - start)

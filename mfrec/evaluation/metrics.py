"""Error and ranking metrics, defined once: what every printed number of mfrec means.

    @metrics.rating("rmse")             # ratings [n], predictions [n] -> float
    @metrics.ranking("recall")          # Ranking, cutoff k -> [num_users]
    @metrics.ranking("mrr")             # Ranking -> [num_users]
    @metrics.ranking("coverage", over_catalogue=True)   # Ranking, k -> float, of all lists at once

Ranking metrics are functions of ranks alone. A *candidate* of a user is an item that may be
recommended to them; their ranks 1, 2, ... order them by falling score, equal scores by rising
item id. T is the set of a user's held-out items. One of them that is no
candidate (training has never seen it, or it is masked) can only be missed: it stays in |T|, and
its rank is infinite.

    recall@k      hits / |T|, where hits are the items of T with a rank up to k
    recall_min@k  hits / min(k, |T|), the recall of papers whose best possible value is always 1
    precision@k   hits / k
    hr@k          1 if there is a hit, else 0
    ndcg@k        Σ_hits 1 / log2(rank + 1), divided by its value where T takes the first ranks:
                  Σ_{j = 1 .. min(k, |T|)} 1 / log2(j + 1)
    map@k         Σ_hits (hits up to this rank / rank), divided by min(k, |T|)
    mrr           1 / rank of the first item of T in the whole ranking
    auc           chance that an item of T is scored higher than a candidate outside T, ties half
    novelty@k     mean of −log2(popularity share) over the first k, see `novelty`

are one number a user, averaged over the users who have a T. Two more belong to all lists at once:

    coverage@k    share of the candidates that stand on somebody's list
    gini@k        how unevenly the places of all lists are spread over the candidates, see `gini`

A metric of your own joins every table by --metrics=FILE.py:name.
"""

import inspect
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from mfrec import named_inputs, own_code
from mfrec.errors import InputError, did_you_mean
from mfrec.faults import described


@dataclass(frozen=True)
class Metric:
    """A metric as it was registered.

    Attributes:
        name: without its cutoff.
        function: computes it.
        of_ratings: whether it compares predictions with ratings; else it judges rankings.
        lower_is_better: as for errors.
        shown: whether tables show it, and not results.json alone.
        over_catalogue: whether it says something of the whole catalogue, so that it is left out
            where a sample of items is ranked.
    """

    name: str
    function: Callable[..., Any]
    of_ratings: bool
    lower_is_better: bool
    shown: bool = True
    over_catalogue: bool = False

    @property
    def has_cutoff(self) -> bool:
        """Whether it judges the first k alone, and is named with an @k."""
        return "k" in inspect.signature(self.function).parameters


# What a metric of ratings is called with.
_OF_RATINGS = ("ratings", "predictions")

REGISTRY: dict[str, Metric] = {}
# The names of those that `load` has registered; and what files of the user's own, which may hold
# more than anybody asks for, have decorated.
_loaded: set[str] = set()
_offered: dict[Callable, Metric] = {}


def rating(
    name: str, *, lower_is_better: bool = True, shown: bool = True
) -> Callable[[Callable], Callable]:
    """Register a metric of ratings: (ratings [n], predictions [n]) -> float, both float64.

    Args:
        name: as tables show it.
        lower_is_better: as for errors.
        shown: whether tables show it.

    Raises:
        ValueError: another metric has this name.
    """
    return _registering(name, True, lower_is_better, shown=shown)


def ranking(
    name: str,
    *,
    lower_is_better: bool = False,
    shown: bool = True,
    over_catalogue: bool = False,
) -> Callable[[Callable], Callable]:
    """Register a metric of rankings: (Ranking) or (Ranking, k) -> float64 [num_users] or a float.

    One value a user is averaged over the users, and has an interval; a float belongs to all users
    at once and has none.

    Args:
        name: as tables show it, without @k.
        lower_is_better: for what is to be small.
        shown: whether tables show it.
        over_catalogue: see `Metric`.

    Raises:
        ValueError: another metric has this name.
    """
    return _registering(name, False, lower_is_better, shown=shown, over_catalogue=over_catalogue)


def _registering(
    name: str, of_ratings: bool, lower_is_better: bool, **properties: bool
) -> Callable[[Callable], Callable]:
    def register(function: Callable) -> Callable:
        taken = REGISTRY.get(name)
        # the same function may come again: a notebook's cell run twice, a file loaded twice
        if taken and not own_code.is_same(taken.function, function):
            raise ValueError(f"there is a metric named '{name}' already")
        if of_ratings:
            named_inputs.order(function, _OF_RATINGS, f"metric '{name}'")
        metric = Metric(name, function, of_ratings, lower_is_better, **properties)
        if own_code.is_running():
            _offered[function] = metric
        else:
            REGISTRY[name] = metric
        return function

    return register


def check_measured(name: str, predicts_ratings: bool, cutoffs: Sequence[int]) -> None:
    """Refuse the name of a metric that an evaluation would not have.

    Args:
        name: of the metric, with its cutoff.
        predicts_ratings: whether errors of ratings are measured.
        cutoffs: those of the rankings; none are measured without one.

    Raises:
        InputError: nothing measures it.
    """
    found = [m for m in REGISTRY.values() if (predicts_ratings if m.of_ratings else cutoffs)]
    names = [n for m in found for n in _names_of(m, cutoffs)]
    if name in names:
        return
    word, _, cutoff = name.partition("@")
    is_other_cutoff = word in REGISTRY and cutoff.isdecimal()
    hint = f"; add --cutoffs={cutoff}" if is_other_cutoff else did_you_mean(name, names)
    raise InputError(f"--eval_metric={name} is not measured{hint}")


def _names_of(metric: Metric, cutoffs: Sequence[int]) -> list[str]:
    if metric.of_ratings or not metric.has_cutoff:
        return [metric.name]
    return [f"{metric.name}@{k}" for k in cutoffs]


def load(addresses: str) -> None:
    """Register the user's own metrics, in place of those that the last call registered.

    Args:
        addresses: FILE.py:name or package.module:name, several with commas. A function without
            a decorator is a metric of ratings, lower is better, if its first argument is called
            `ratings` or `predictions`; else one of rankings, higher is better.

    Raises:
        InputError: an address leads nowhere, or another metric has this name.
    """
    while _loaded:
        REGISTRY.pop(_loaded.pop(), None)
    for address in filter(None, map(str.strip, addresses.split(","))):
        try:
            function = own_code.load(address, "metrics")
            if not callable(function):
                raise InputError(f"--metrics={address}: {function!r} is no function")
            metric = _offered.get(function) or _metric_of(function)
            if metric is None:
                name = address.rpartition(":")[2]
                first = next(iter(inspect.signature(function).parameters), "")
                is_of_ratings = named_inputs.is_named(first, _OF_RATINGS)
                inputs = _OF_RATINGS if is_of_ratings else ("ranking",)
                cutoff = {"k": None} if "k" in inspect.signature(function).parameters else {}
                own_code.check_takes(function, f"metric '{address}'", *inputs, **cutoff)
                (rating if is_of_ratings else ranking)(name)(function)
                metric = REGISTRY[name]
            REGISTRY[metric.name] = metric
            _loaded.add(metric.name)
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"--metrics={address}: {error}") from None


def _metric_of(function: Callable) -> Metric | None:
    return next((metric for metric in REGISTRY.values() if metric.function is function), None)


def find(name: str) -> Metric | None:
    """Return the metric of a name such as 'rmse' or 'ndcg@10'; None if there is none."""
    return REGISTRY.get(name.partition("@")[0])


def lower_is_better(name: str) -> bool:
    """Return the direction of a metric such as 'rmse' or 'ndcg@10'."""
    metric = find(name)
    return metric is not None and metric.lower_is_better


def better(name: str, value: float, than: float) -> bool:
    """Return whether a metric's value is better than another; NaN is never better."""
    return value < than if lower_is_better(name) else value > than


def rating_metrics() -> list[str]:
    """Return the names of the registered metrics of ratings."""
    return [name for name, metric in REGISTRY.items() if metric.of_ratings]


def rating_errors(ratings: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
    """Return every registered metric of ratings, over all rows.

    Args:
        ratings: held-out ratings, [n], n > 0.
        predictions: the model's, [n].

    Raises:
        InputError: a metric is not one number.
    """
    ratings = ratings.astype(np.float64)
    predictions = np.asarray(predictions, np.float64)
    metrics = {name: metric for name, metric in REGISTRY.items() if metric.of_ratings}
    values = {name: _of_ratings(metric, ratings, predictions) for name, metric in metrics.items()}
    for name, value in values.items():
        if not _is_numeric(value) or np.shape(value) != ():
            raise InputError(
                f"metric '{name}' returned {described(value)}; a metric of ratings returns one "
                "number"
            )
    return {name: float(value) for name, value in values.items()}


def _of_ratings(metric: Metric, *inputs: np.ndarray) -> Any:
    order = named_inputs.order(metric.function, _OF_RATINGS, f"metric '{metric.name}'")
    return metric.function(*(inputs[number] for number in order))


def _is_numeric(value: Any) -> bool:
    return np.asarray(value).dtype.kind in "fiub"


@rating("rmse")
def rmse(ratings: np.ndarray, predictions: np.ndarray) -> float:
    """√(Σ(r − r̂)² / n), in units of the rating."""
    return np.sqrt(np.mean(np.square(ratings - predictions)))


@rating("mae")
def mae(ratings: np.ndarray, predictions: np.ndarray) -> float:
    """Σ|r − r̂| / n, in units of the rating."""
    return np.mean(np.abs(ratings - predictions))


class Ranking:
    """Where the held-out items of some users stand, and which items stand first.

    Attributes:
        ranks: rank of each held-out item, float64 [n], from 1; infinite for one that is no
            candidate (which may just as well be left out). In order of the users, and of the
            ranks of each.
        users: whose it is, int [n], 0 to num_users − 1.
        places: 1 for a user's first held-out item, 2 for the second, ..., int [n].
        num_positives: |T| of every user, int [num_users], at least 1.
        better: candidates with a higher score than a held-out item, plus half of the others
            with the same score, float64 [n]; infinite for an item that is no candidate.
        num_candidates: candidates of every user, in T or not, int [num_users].
        lists: every user's best items, int [num_users, longest]; −1 where a list is shorter.
        popularity: share of the training users who have an item, float64 [num_items]. An item
            that nobody has counts as one that a single user has, not as infinitely novel.
        is_candidate: whether an item may be recommended to anybody, bool [num_items].
    """

    def __init__(
        self,
        ranks: np.ndarray,
        users: np.ndarray,
        num_positives: np.ndarray,
        *,
        better: np.ndarray | None = None,
        num_candidates: np.ndarray | None = None,
        lists: np.ndarray | None = None,
        popularity: np.ndarray | None = None,
        is_candidate: np.ndarray | None = None,
    ) -> None:
        """Sort the held-out items; they may come in any order. All else only some metrics read."""
        order = np.lexsort((ranks, users))
        self.ranks, self.users = ranks[order], users[order]
        self.better = None if better is None else better[order]
        self.num_positives = num_positives
        self.num_candidates = num_candidates
        self.lists = lists
        self.popularity = popularity
        self.is_candidate = is_candidate
        first = np.searchsorted(self.users, np.arange(len(num_positives)))
        self.places = np.arange(len(order)) - first[self.users] + 1

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Return the sum over every user's held-out items, float64 [num_users], of values [n]."""
        return np.bincount(self.users, values, minlength=len(self.num_positives))

    def hits(self, k: int) -> np.ndarray:
        """Return how many of every user's held-out items are among the first k, [num_users]."""
        return self.sum(self.ranks <= k)

    def possible(self, k: int) -> np.ndarray:
        """Return how many hits there could be among the first k, int [num_users]."""
        return np.minimum(self.num_positives, k)

    def list_counts(self, k: int) -> np.ndarray:
        """Return on how many lists of the first k each candidate stands, int [num_candidates]."""
        lists = self.lists[:, :k]
        counts = np.bincount(lists[lists >= 0], minlength=len(self.is_candidate))
        return counts[self.is_candidate]


def of_ranking(
    ranking: Ranking, cutoffs: Sequence[int], over_catalogue: bool = True
) -> dict[str, np.ndarray | float]:
    """Return every registered metric of rankings, by name with its cutoff.

    Args:
        ranking: the ranks.
        cutoffs: the k.
        over_catalogue: False leaves out those that say something of the whole catalogue.

    Raises:
        InputError: a metric is neither one number nor one a user.
    """
    found = [metric for metric in REGISTRY.values() if not metric.of_ratings]
    lists = [metric for metric in found if metric.over_catalogue and over_catalogue]
    ranks = [metric for metric in found if not metric.over_catalogue]
    values: dict[str, np.ndarray | float] = {}
    for k in cutoffs:
        values |= {f"{m.name}@{k}": m.function(ranking, k=k) for m in ranks if m.has_cutoff}
    values |= {metric.name: metric.function(ranking) for metric in ranks if not metric.has_cutoff}
    for k in cutoffs:
        values |= {f"{m.name}@{k}": m.function(ranking, k=k) for m in lists if m.has_cutoff}
    values |= {metric.name: metric.function(ranking) for metric in lists if not metric.has_cutoff}
    for name, value in values.items():
        is_shape = np.shape(value) in ((), np.shape(ranking.num_positives))
        if not _is_numeric(value) or not is_shape:
            raise InputError(
                f"metric '{name}' returned {described(value)}; a metric returns one number, or one "
                f"for each of the {len(ranking.num_positives)} users"
            )
    return values


@ranking("ndcg")
def ndcg(ranking: Ranking, k: int) -> np.ndarray:
    """Normalized discounted cumulative gain, binary."""
    possible = ranking.possible(k)
    ideal = np.cumsum(1 / np.log2(np.arange(2, possible.max(initial=1) + 2)))
    gains = ranking.sum((ranking.ranks <= k) / np.log2(ranking.ranks + 1))
    return gains / ideal[possible - 1]


@ranking("recall")
def recall(ranking: Ranking, k: int) -> np.ndarray:
    """hits / |T|."""
    return ranking.hits(k) / ranking.num_positives


@ranking("precision")
def precision(ranking: Ranking, k: int) -> np.ndarray:
    """hits / k."""
    return ranking.hits(k) / k


@ranking("hr")
def hr(ranking: Ranking, k: int) -> np.ndarray:
    """1 if there is a hit."""
    return (ranking.hits(k) > 0).astype(np.float64)


@ranking("map")
def average_precision(ranking: Ranking, k: int) -> np.ndarray:
    """Σ_hits (hits up to this rank / rank), divided by min(k, |T|)."""
    precisions = (ranking.ranks <= k) * ranking.places / ranking.ranks
    return ranking.sum(precisions) / ranking.possible(k)


@ranking("recall_min", shown=False)
def recall_min(ranking: Ranking, k: int) -> np.ndarray:
    """hits / min(k, |T|)."""
    return ranking.hits(k) / ranking.possible(k)


@ranking("mrr")
def mrr(ranking: Ranking) -> np.ndarray:
    """1 / rank of the first item of T."""
    return ranking.sum((ranking.places == 1) / ranking.ranks)


@ranking("auc")
def auc(ranking: Ranking) -> np.ndarray:
    """Area under every user's ROC curve, exact.

    The share of pairs, an item of T with a candidate outside T, of which the item of T has the
    higher score; equal scores count half, and so does an item of T that has nothing to be
    compared with. Items of T that are no candidates lose every pair.
    """
    is_candidate = np.isfinite(ranking.better)
    users, num_users = ranking.users[is_candidate], len(ranking.num_positives)
    reached = np.bincount(users, minlength=num_users)
    others = ranking.num_candidates - reached
    # Against each other a user's own items lose once a pair, whoever wins: exactly n(n − 1)/2.
    worse = np.bincount(users, ranking.better[is_candidate], minlength=num_users)
    lost = worse - reached * (reached - 1) / 2
    compared = reached * others
    won = 1 - np.where(compared > 0, lost / np.maximum(compared, 1), 0.5)
    return won * reached / ranking.num_positives


@ranking("novelty", shown=False, over_catalogue=True)
def novelty(ranking: Ranking, k: int) -> np.ndarray:
    """Mean self-information of every list, in bits; 0 for an empty list.

    mean over the list of −log2(popularity share): 1 bit for an item that half of the training
    users have (Vargas and Castells 2011, "Rank and relevance in novelty and diversity metrics").
    """
    lists = ranking.lists[:, :k]
    listed = lists >= 0
    bits = np.where(listed, -np.log2(ranking.popularity)[lists], 0)
    return bits.sum(axis=1) / np.maximum(listed.sum(axis=1), 1)


@ranking("coverage", over_catalogue=True)
def coverage(ranking: Ranking, k: int) -> float:
    """Share of the candidates that stand on at least one list."""
    return float(np.mean(ranking.list_counts(k) > 0))


@ranking("gini", shown=False, lower_is_better=True, over_catalogue=True)
def gini(ranking: Ranking, k: int) -> float:
    """Gini index of the places of all lists over the candidates.

    Σ_j (2j − n − 1) c_j / (n Σ c), c_1 ≤ ... ≤ c_n being on how many lists a candidate stands: 0
    where every candidate stands on as many, 1 − 1/n where one takes all places; 0 where there are
    no places.
    """
    counts = ranking.list_counts(k)
    size = len(counts)
    weights = 2 * np.arange(1, size + 1) - size - 1
    return float(weights @ np.sort(counts) / max(size * counts.sum(), 1))

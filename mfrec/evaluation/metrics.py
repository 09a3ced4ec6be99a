"""Error and ranking metrics, defined once: what every printed number of mfrec means.

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

The default table shows the metrics named in SHOWN.
"""

from collections.abc import Sequence

import numpy as np

SHOWN = ("ndcg", "recall", "precision", "hr", "map", "mrr", "auc", "coverage")

# Metrics of which less is better.
ERRORS = ("rmse", "mae")


def better(metric: str, value: float, than: float) -> bool:
    """Return whether a metric's value is better than another: lower for errors, else higher.

    NaN is never better.
    """
    return value < than if metric in ERRORS else value > than


def rating_errors(ratings: np.ndarray, predictions: np.ndarray) -> dict[str, float]:
    """Root mean squared and mean absolute error over all rows, in units of the rating.

    rmse = √(Σ(r − r̂)² / n), mae = Σ|r − r̂| / n, summed in float64.

    Args:
        ratings: what was given, [n], n > 0.
        predictions: what was expected, [n].
    """
    errors = ratings.astype(np.float64) - predictions
    return {
        "rmse": float(np.sqrt(np.mean(np.square(errors)))),
        "mae": float(np.mean(np.abs(errors))),
    }


def hit_metrics(
    ranks: np.ndarray, owners: np.ndarray, num_positives: np.ndarray, cutoffs: Sequence[int]
) -> dict[str, np.ndarray]:
    """The metrics of every user that follow from the ranks of T, float64 [num_users] each.

    Args:
        ranks: rank of each held-out item, float64 [n], from 1; infinite for one that is no
            candidate (which may just as well be left out).
        owners: whose it is, int [n], 0 to num_users − 1, in any order.
        num_positives: |T| of every user, int [num_users], at least 1.
        cutoffs: the k.
    """
    order = np.lexsort((ranks, owners))
    ranks, owners = ranks[order], owners[order]
    first = np.searchsorted(owners, np.arange(len(num_positives)))
    # 1 for a user's first item in rank order, 2 for the second, ...
    places = np.arange(len(ranks)) - first[owners] + 1

    def summed(values: np.ndarray) -> np.ndarray:
        return np.bincount(owners, values, minlength=len(num_positives))

    metrics = {}
    for k in cutoffs:
        hit = ranks <= k
        hits = summed(hit)
        possible = np.minimum(num_positives, k)
        ideal = np.cumsum(1 / np.log2(np.arange(2, possible.max(initial=1) + 2)))
        metrics |= {
            f"ndcg@{k}": summed(hit / np.log2(ranks + 1)) / ideal[possible - 1],
            f"recall@{k}": hits / num_positives,
            f"precision@{k}": hits / k,
            f"hr@{k}": (hits > 0).astype(np.float64),
            f"map@{k}": summed(hit * places / ranks) / possible,
            f"recall_min@{k}": hits / possible,
        }
    metrics["mrr"] = summed((places == 1) / ranks)
    return metrics


def auc(
    better: np.ndarray,
    owners: np.ndarray,
    num_positives: np.ndarray,
    num_candidates: np.ndarray,
) -> np.ndarray:
    """Area under every user's ROC curve, exact, float64 [num_users].

    The share of pairs, an item of T with a candidate outside T, of which the item of T has the
    higher score; equal scores count half, and so does an item of T that has nothing to be
    compared with. Items of T that are no candidates lose every pair.

    Args:
        better: candidates with a higher score than a held-out item, plus half of the others
            with the same score, float64 [n]; infinite for an item that is no candidate.
        owners: whose it is, int [n], 0 to num_users − 1.
        num_positives: |T| of every user, int [num_users], at least 1.
        num_candidates: candidates of every user, in T or not, int [num_users].
    """
    is_candidate = np.isfinite(better)
    better, owners = better[is_candidate], owners[is_candidate]
    reached = np.bincount(owners, minlength=len(num_positives))
    others = num_candidates - reached
    # Against each other a user's own items lose once a pair, whoever wins: exactly n(n − 1)/2.
    lost = np.bincount(owners, better, minlength=len(others)) - reached * (reached - 1) / 2
    compared = reached * others
    won = 1 - np.where(compared > 0, lost / np.maximum(compared, 1), 0.5)
    return won * reached / num_positives


def novelty(lists: np.ndarray, popularity: np.ndarray) -> np.ndarray:
    """Mean self-information of every list, in bits, float64 [num_users]; 0 for an empty list.

    mean over the list of −log2(popularity share): 1 bit for an item that half of the training
    users have (Vargas and Castells 2011, "Rank and relevance in novelty and diversity metrics").

    Args:
        lists: item ids, int [num_users, k]; −1 where a list is shorter.
        popularity: share of the training users who have an item, float64 [num_items]. An item
            that nobody has must count as one that a single user has, not as infinitely novel.
    """
    listed = lists >= 0
    bits = np.where(listed, -np.log2(popularity)[lists], 0)
    return bits.sum(axis=1) / np.maximum(listed.sum(axis=1), 1)


def coverage(counts: np.ndarray) -> float:
    """Share of the candidates that stand on at least one list.

    Args:
        counts: on how many lists each candidate stands, int [num_candidates].
    """
    return float(np.mean(counts > 0))


def gini(counts: np.ndarray) -> float:
    """Gini index of the places of all lists over the candidates.

    Σ_j (2j − n − 1) c_j / (n Σ c), c_1 ≤ ... ≤ c_n: 0 where every candidate stands on as many
    lists, 1 − 1/n where one takes all places; 0 where there are no places.

    Args:
        counts: on how many lists each candidate stands, int [num_candidates].
    """
    size = len(counts)
    weights = 2 * np.arange(1, size + 1) - size - 1
    return float(weights @ np.sort(counts) / max(size * counts.sum(), 1))

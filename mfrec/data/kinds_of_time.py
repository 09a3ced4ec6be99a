"""Times of two kinds in one column, such as dates beside milliseconds, which do not compare."""

from collections.abc import Iterable

import numpy as np

# Numbers that are hardly anything else: from, to, and what they are.
_KINDS = (
    (1900, 2100, "a year"),
    (19_000_101, 20_991_231, "a day written as digits"),
    (3 * 10**8, 5 * 10**9, "seconds since 1970"),
    (3 * 10**11, 5 * 10**12, "milliseconds since 1970"),
    (19_000_101_000_000, 20_991_231_235_959, "a date and time written as digits"),
    (3 * 10**14, 5 * 10**15, "microseconds since 1970"),
    (3 * 10**17, 5 * 10**18, "nanoseconds since 1970"),
)
_SECONDS = 2
_EDGES = np.array([edge for first, last, _ in _KINDS for edge in (first, last + 1)], np.float64)


def two_kinds(times: np.ndarray) -> tuple[int, int] | None:
    """Return the positions of two times of different kinds; None if they may be of one.

    Every number above 0 has to be of one of the kinds: a count of seconds that runs through all
    sizes is of none.
    """
    if not len(times):
        return None
    ends = np.array([times.min(), times.max()])
    if ends[0] > 0 and len(set(_kind(ends).tolist())) == 1:
        return None
    if _kind(ends[1:])[0] < 0:
        return None
    kinds = _kind(times)
    positive = np.flatnonzero(times > 0)
    first = positive[0]
    others = positive[kinds[positive] != kinds[first]]
    if not len(others) or (kinds[positive] < 0).any():
        return None
    return int(first), int(others[0])


def no_seconds(times: Iterable[float]) -> float | None:
    """Return the first number of another kind than dates, which become seconds since 1970."""
    listed = list(times)
    kinds = _kind(np.array(listed, np.float64)).tolist()
    pairs = zip(listed, kinds, strict=True)
    return next((time for time, kind in pairs if kind not in (-1, _SECONDS)), None)


def describe(time: float) -> str:
    """Return what kind of time a number is."""
    kind = int(_kind(np.array([time]))[0])
    return "a number" if kind < 0 else _KINDS[kind][2]


def _kind(times: np.ndarray) -> np.ndarray:
    """Return the position of each number's kind: integers [n], -1 for none."""
    places = np.searchsorted(_EDGES, times, "right")
    return np.where(places % 2 == 1, places // 2, -1)

"""Ranges of numbers that a setting, a parameter or a loss's ratings may take."""

import operator
from dataclasses import dataclass

_BOUNDS = {
    "minimum": ("at least", operator.ge),
    "maximum": ("at most", operator.le),
    "above": ("above", operator.gt),
    "below": ("below", operator.lt),
}


@dataclass(frozen=True)
class Range:
    """The numbers between bounds; one that is None does not bound.

    Attributes:
        minimum: the lowest of them.
        maximum: the highest of them.
        above: below all of them.
        below: above all of them.
    """

    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None

    def __str__(self) -> str:
        return " and ".join(
            f"{words} {getattr(self, name)}"
            for name, (words, _) in _BOUNDS.items()
            if getattr(self, name) is not None
        )

    def broken_bound(self, value: float) -> str:
        """Return the first bound that a value breaks, such as 'at least 0'; "" if it breaks none.

        NaN breaks them all.
        """
        for name, (words, holds) in _BOUNDS.items():
            bound = getattr(self, name)
            if bound is not None and not holds(value, bound):
                return f"{words} {bound}"
        return ""

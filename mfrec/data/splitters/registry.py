"""The registry of splitters: what one is, returns, and is found by."""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mfrec import own_code
from mfrec.errors import InputError, did_you_mean


@dataclass(frozen=True, eq=False)
class HeldOut:
    """The rows that a splitter holds out; everything else trains.

    Rows are given by a mask, bool [rows], or by their numbers, integers [n]. No row may be given
    twice.

    Attributes:
        validation: rows of the validation part.
        test: rows of the test part.
        histories: for held-out users, by part ("validation", "test") the rows to be folded in.
        left_out: rows that are in no part.
        ranks_held_out_items: whether each part's items are ranked among themselves alone.
        notes: what was held back and why, one line each, for people.
    """

    validation: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    test: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    histories: Mapping[str, np.ndarray] = field(default_factory=dict)
    left_out: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    ranks_held_out_items: bool = False
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Splitter:
    """A registered way to hold out rows.

    Attributes:
        name: what `--split` takes, and results.json shows.
        function: (interactions, random, *, ...) -> HeldOut.
        needs: what the data have to have, "timestamps" or "item_features".
        draws: whether anything depends on the seed.
        in_words: takes its settings and returns what `describe` says of them besides the
            shares; raises InputError for settings that contradict the splitter.
        validates_per_user: for a splitter without a `validation_fraction` of its own, whether
            the validation part is a share of each user's training rows instead of all.
    """

    name: str
    function: Callable[..., HeldOut]
    needs: tuple[str, ...] = ()
    draws: bool = True
    in_words: Callable[..., str] | None = None
    validates_per_user: bool = False

    @property
    def takes(self) -> dict[str, Any]:
        """The settings it takes and their defaults, by name: its keyword-only arguments."""
        parameters = inspect.signature(self.function).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

    def resolve(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """Return its settings by name: those given, its own defaults for the others.

        Raises:
            InputError: it does not take one of these settings, or one without a default is missing.
        """
        takes = self.takes
        unknown = [name for name in given if name not in takes]
        if unknown:
            raise InputError(f"split '{self.name}' takes no {unknown[0]}; leave it out")
        values = takes | dict(given)
        missing = [name for name, value in values.items() if value is inspect.Parameter.empty]
        if missing:
            raise InputError(f"split '{self.name}' has no default for {missing[0]}; give it")
        return values

    def describe(self, given: Mapping[str, Any]) -> str:
        """Return the name and the settings in a few words, such as 'random 80/10/10'.

        Raises:
            InputError: as `resolve`, or a setting contradicts the splitter.
        """
        values = self.resolve(given)
        text = self.name
        if "test_fraction" in values:
            validation, test = values.get("validation_fraction", 0.0), values["test_fraction"]
            shares = (1 - validation - test, validation, test)
            text += f" {'/'.join(f'{100 * share:.3g}' for share in shares)}"
        return text + (self.in_words(**values) if self.in_words else "")


REGISTRY: dict[str, Splitter] = {}


def register(
    name: str,
    *,
    needs: tuple[str, ...] = (),
    draws: bool = True,
    in_words: Callable[..., str] | None = None,
) -> Callable[[Callable[..., HeldOut]], Callable[..., HeldOut]]:
    """Register a splitter: (interactions, random, *, its settings) -> HeldOut.

    Args:
        name: what `--split` takes; one name, one splitter.
        needs: what the data have to have, "timestamps" or "item_features".
        draws: whether anything depends on the seed.
        in_words: see `Splitter`.
    """

    def add(function: Callable[..., HeldOut]) -> Callable[..., HeldOut]:
        taken = REGISTRY.get(name)
        # The same function may come again: a notebook's cell run twice, a file loaded twice.
        if taken and not own_code.is_same(taken.function, function):
            raise ValueError(f"there is a splitter named '{name}' already")
        REGISTRY[name] = Splitter(name, function, needs, draws, in_words)
        return function

    return add


def get(split: "str | Callable[..., HeldOut] | Splitter") -> Splitter:
    """Return the splitter of that name, at that address, or made of that function.

    Args:
        split: 'random', 'my_splits.py:newest', 'package.module:newest', a function or a Splitter.

    Raises:
        InputError: there is no such name, file, module or function.
    """
    if isinstance(split, Splitter):
        return split
    if isinstance(split, str):
        if not own_code.is_address(split):
            if split not in REGISTRY:
                raise InputError(f"--split={split}: unknown{did_you_mean(split, REGISTRY)}")
            return REGISTRY[split]
        address, split = split, own_code.load(split, "split")
        if not callable(split):
            raise InputError(f"--split={address}: not a function")
        own_code.check_takes(split, f"split '{address}'", "interactions", "random")
    registered = (known for known in REGISTRY.values() if known.function is split)
    name = getattr(split, "__name__", type(split).__name__)
    return next(registered, None) or Splitter(name, split)

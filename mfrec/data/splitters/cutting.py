"""From interactions to the recipe of a split: what every splitter has in common."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from mfrec.data.interactions import Interactions
from mfrec.data.splits import NOTHING_LEFT, SplitRecipe
from mfrec.data.splitters.drawing import as_mask, check_range, places_within_users, share_of_each
from mfrec.data.splitters.registry import HeldOut, Splitter, get
from mfrec.errors import InputError


def cut(
    interactions: Interactions,
    split: "str | Callable[..., HeldOut] | Splitter",
    seed: int = 0,
    **settings: Any,
) -> SplitRecipe:
    """Split interactions by a splitter.

    Args:
        interactions: all rows; of repeated pairs the last is kept.
        split: a name, address or function, see `get`.
        seed: fixes what is drawn.
        **settings: of the splitter, such as test_fraction=0.2; its own defaults hold otherwise.
            `validation_fraction` is a share of the training rows for splitters without it.

    Raises:
        InputError: settings that the splitter does not take or that are out of range, data that
            lack what it needs, or no training rows left.
    """
    splitter = get(split)
    if "timestamps" in splitter.needs and interactions.timestamps is None:
        raise InputError(
            f"a {splitter.name} split needs timestamps, and the ratings have none; add them or "
            "take another split"
        )
    later = 0.0
    if "validation_fraction" not in splitter.takes:
        later = settings.pop("validation_fraction", 0.0)
    splitter.resolve(settings)
    for name, value in settings.items():
        if name.endswith("_fraction"):
            check_range(name, value)
    rows = interactions.without_repeats()
    if not len(rows):
        raise InputError(NOTHING_LEFT)
    held_out = splitter.function(rows, np.random.default_rng(seed), **settings)
    recipe = _deal(rows, held_out, splitter.name)
    recipe = replace(recipe, repeated_pairs=len(interactions) - len(rows))
    return with_validation(recipe, seed, later, splitter.validates_per_user)


def ready_made(
    train: Interactions, validation: Interactions | None, test: Interactions | None
) -> SplitRecipe:
    """Take parts as somebody else has made them; each loses its own repeated pairs."""
    parts = {"train": train, "validation": validation, "test": test}
    given = {name: part for name, part in parts.items() if part is not None}
    distinct = {name: part.without_repeats() for name, part in given.items()}
    repeated = sum(map(len, given.values())) - sum(map(len, distinct.values()))
    validation, test = distinct.get("validation"), distinct.get("test")
    return SplitRecipe(distinct["train"], validation, test, repeated_pairs=repeated)


def with_validation(
    recipe: SplitRecipe, seed: int, fraction: float, per_user: bool = False
) -> SplitRecipe:
    """Move a random share of the training rows to the validation part.

    Args:
        recipe: has no validation part.
        seed: fixes what is drawn.
        fraction: the share; 0 leaves everything as it is.
        per_user: whether it is a share of each user's rows, of which at least one stays.

    Raises:
        InputError: the fraction is not in [0, 1), or there is a validation part already.
    """
    check_range("validation_fraction", fraction)
    if not fraction:
        return recipe
    if recipe.validation is not None and len(recipe.validation):
        raise InputError(
            "there is a validation part, and a validation_fraction to draw one as well; leave one "
            "out"
        )
    train = recipe.train
    # A stream of its own: the test part may have been drawn from the bare seed.
    order = np.random.default_rng([seed, 1]).permutation(len(train))
    if per_user:
        num_validation = share_of_each(train.user_counts, fraction)
        is_validation = places_within_users(train, order) < num_validation[train.user_ids]
    else:
        is_validation = as_mask(order[: round(len(train) * fraction)], len(train))
    return replace(recipe, train=train.take(~is_validation), validation=train.take(is_validation))


def _deal(rows: Interactions, held_out: HeldOut, name: str) -> SplitRecipe:
    """The recipe of these held-out rows, each part in the original order."""
    if not isinstance(held_out, HeldOut):
        raise InputError(f"split '{name}' returns {type(held_out).__name__}, not a HeldOut")
    names = {part: f"{part} history" for part in held_out.histories}
    chosen = {"validation": held_out.validation, "test": held_out.test}
    chosen |= {names[part]: index for part, index in held_out.histories.items()}
    chosen["left_out"] = held_out.left_out
    times_given = np.zeros(len(rows), np.int8)
    masks = {}
    for part, index in chosen.items():
        try:
            masks[part] = as_mask(index, len(rows))
        except (IndexError, TypeError, ValueError) as error:
            raise InputError(f"split '{name}', {part} rows: {error}") from None
        times_given += masks[part]
    if (times_given > 1).any():
        raise InputError(f"split '{name}' puts {(times_given > 1).sum():,} rows into two parts")
    parts = {part: rows.take(mask) for part, mask in masks.items() if mask.any()}
    return SplitRecipe(
        rows.take(times_given == 0),
        parts.get("validation"),
        parts.get("test"),
        notes=held_out.notes,
        histories={part: parts[history] for part, history in names.items() if history in parts},
        ranks_held_out_items=held_out.ranks_held_out_items,
        are_apart=True,
    )

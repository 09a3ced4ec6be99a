"""Which rows of the data count, and how much: by rating, by count, by activity.

Losses of rankings take every row that they get for a positive. What a positive is, is decided
here, before anything is split: ratings below a bound go, values such as play counts become
weights, and users and items with few interactions go.
"""

from dataclasses import dataclass, replace

import numpy as np

from mfrec.config.settings import PositivesConfig
from mfrec.data.interactions import Interactions
from mfrec.errors import InputError


@dataclass(frozen=True, eq=False)
class Selection:
    """The rows that count.

    Attributes:
        rows: in their order, in the vocabularies that they had.
        repeated_pairs: how many rows went because their pair came again.
        notes: what else was dropped and why, one line each, for people.
    """

    rows: Interactions
    repeated_pairs: int = 0
    notes: tuple[str, ...] = ()


def select(interactions: Interactions, settings: PositivesConfig) -> Selection:
    """Returns the rows that the settings leave.

    Of a repeated pair the last rating decides; its weights add up before they are transformed.

    Raises:
        InputError: `min_rating` for data without ratings, or nothing is left.
    """
    least = settings.min_user_interactions, settings.min_item_interactions
    if interactions.weights is None and settings.min_rating is None and max(least) <= 1:
        return Selection(interactions)
    distinct = interactions.without_repeats()
    rows, notes = weighted(distinct, settings.weight_transform), []
    if settings.min_rating is not None:
        if not rows.has_ratings:
            raise InputError(
                f"--min_rating={settings.min_rating:g} needs ratings and the data have none; "
                "leave it out"
            )
        liked = rows.take(rows.ratings >= np.float32(settings.min_rating))
        dropped = f"{len(rows) - len(liked):,} of {len(rows):,} pairs"
        notes.append(f"{dropped} dropped: rated below {settings.min_rating:g}")
        rows = liked
    if max(least) > 1:
        core = k_core(rows, *least)
        notes.append(_note_dropped(rows, core, least))
        rows = core
    if not len(rows):
        raise InputError(f"{'; '.join(notes)}: nothing is left; ask for less")
    return Selection(rows, len(interactions) - len(distinct), tuple(notes))


def weighted(interactions: Interactions, transform: str) -> Interactions:
    """Returns the same rows with their weights transformed.

    Hu, Koren, Volinsky 2008 ("Collaborative filtering for implicit feedback datasets") give a
    pair with value v the confidence 1 + αv or 1 + α log(1 + v/ε). The 1 belongs to every pair,
    seen or not, and is the matter of losses that look at all pairs; the rest is the weight here.

    Args:
        interactions: distinct pairs.
        transform: "linear" leaves the values v, "log1p" makes them log(1 + v), "none" drops
            them, so that all pairs count 1.
    """
    weights = interactions.weights
    if weights is None or transform == "none":
        return replace(interactions, weights=None)
    return replace(interactions, weights=np.log1p(weights) if transform == "log1p" else weights)


def k_core(interactions: Interactions, min_users_rows: int, min_items_rows: int) -> Interactions:
    """Returns the largest part in which every user and every item has so many rows.

    Args:
        interactions: distinct pairs.
        min_users_rows: rows that a user needs to stay.
        min_items_rows: rows that an item needs to stay.
    """
    rows = interactions
    while True:
        of_users, of_items = np.bincount(rows.user_ids), np.bincount(rows.item_ids)
        stay = of_users[rows.user_ids] >= min_users_rows
        stay &= of_items[rows.item_ids] >= min_items_rows
        if stay.all():
            return rows
        rows = rows.take(stay)


def _note_dropped(rows: Interactions, core: Interactions, least: tuple[int, int]) -> str:
    def lost(before: np.ndarray, after: np.ndarray, what: str) -> str:
        distinct = len(np.unique(before))
        return f"{distinct - len(np.unique(after)):,} of {distinct:,} {what}"

    users = lost(rows.user_ids, core.user_ids, "users")
    items = lost(rows.item_ids, core.item_ids, "items")
    pairs = f"{len(rows) - len(core):,} of {len(rows):,} pairs"
    wanted = " and ".join(
        f"every {owner} has {number} or more"
        for owner, number in zip(("user", "item"), least, strict=True)
        if number > 1
    )
    return f"{users}, {items} and {pairs} dropped, so that {wanted}"

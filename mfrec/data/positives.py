"""Which rows of the data are kept, and with what weight, before anything is split.

For ranking losses every row that is kept is a positive. Rows rated too low are dropped, values
such as play counts become weights, and users and items with few rows are dropped.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from mfrec.config.settings import DataConfig, PositivesConfig
from mfrec.data.interactions import Interactions
from mfrec.errors import InputError


@dataclass(frozen=True, eq=False)
class Selection:
    """The rows that are kept.

    Attributes:
        rows: in the original order and vocabularies.
        repeated_pairs: number of rows dropped because their pair was repeated.
        notes: what else was dropped and why, one line each, for people.
    """

    rows: Interactions
    repeated_pairs: int = 0
    notes: tuple[str, ...] = ()


def check(settings: PositivesConfig, data: DataConfig) -> None:
    """Refuse a transform of weights without weights."""
    if data.weight_column is None and settings.weight_transform != "linear":
        raise InputError(
            f"--weight_transform={settings.weight_transform} needs weights; name their column by "
            "--weight_column"
        )


def select(interactions: Interactions, settings: PositivesConfig) -> Selection:
    """Return the rows that the settings keep.

    Of a repeated pair the last rating counts; its weights are summed before they are transformed.

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


def without_missing(interactions: Interactions, codes: Sequence[float]) -> tuple[Interactions, str]:
    """Return the rows whose rating is none of these codes for "not rated", and a note.

    Raises:
        InputError: the data have no ratings, or nothing is left.
    """
    flag = f"--missing_ratings={','.join(f'{code:g}' for code in codes)}"
    if not interactions.has_ratings:
        raise InputError(f"{flag} needs ratings and the data have none; leave it out")
    ratings = interactions.ratings
    rows = interactions.take(~np.isin(ratings, np.array(codes, np.float32)))
    if not len(rows):
        raise InputError(f"{flag} leaves no ratings; give a file with others")
    counts = (f"{int((ratings == np.float32(code)).sum()):,} of {code:g}" for code in codes)
    dropped = f"{len(ratings) - len(rows):,} of {len(ratings):,} ratings"
    return rows, f"{dropped} stand for none and are left out: {' and '.join(counts)}"


def weighted(interactions: Interactions, transform: str) -> Interactions:
    """Return the same rows with their weights transformed.

    Hu, Koren, Volinsky 2008 ("Collaborative filtering for implicit feedback datasets") give a
    pair with value v the confidence 1 + αv or 1 + α log(1 + v/ε). The 1 belongs to every pair,
    seen or not, and losses over all pairs add it; the rest is the weight here.

    Args:
        interactions: distinct pairs.
        transform: "linear" leaves the values v, "log1p" makes them log(1 + v), "none" drops
            them, so that all pairs count 1.
    """
    weights = interactions.weights
    if weights is None or transform == "none":
        return replace(interactions, weights=None)
    return replace(interactions, weights=np.log1p(weights) if transform == "log1p" else weights)


def k_core(interactions: Interactions, min_user_rows: int, min_item_rows: int) -> Interactions:
    """Return the k-core: the largest part in which all users and items have enough rows.

    Args:
        interactions: distinct pairs.
        min_user_rows: the rows that a user needs to be kept.
        min_item_rows: the rows that an item needs to be kept.
    """
    rows = interactions
    while True:
        is_kept = rows.user_counts[rows.user_ids] >= min_user_rows
        is_kept &= rows.item_counts[rows.item_ids] >= min_item_rows
        if is_kept.all():
            return rows
        rows = rows.take(is_kept)


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

"""The splitters of mfrec, registered, and the folds of cross-validation."""

import numpy as np

from mfrec.data.interactions import Interactions
from mfrec.data.splits import NOTHING_LEFT, count_of
from mfrec.data.splitters.drawing import places_within_users, share_of_each
from mfrec.data.splitters.registry import HeldOut, Splitter, register
from mfrec.errors import InputError


@register("random")
def random_rows(
    interactions: Interactions,
    random: np.random.Generator,
    *,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.1,
) -> HeldOut:
    """Draw validation and test rows uniformly.

    Fractions are of all rows, rounded to whole rows. The test part is the same for every
    validation fraction.
    """
    num_validation, num_test = _shares(len(interactions), validation_fraction, test_fraction)
    order = random.permutation(len(interactions))
    return HeldOut(order[num_test : num_test + num_validation], order[:num_test])


@register("per_user")
def per_user(
    interactions: Interactions,
    random: np.random.Generator,
    *,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.1,
) -> HeldOut:
    """Draw validation and test rows from every user's rows.

    Of a user's n rows, round(n * test_fraction) are test and round(n * validation_fraction)
    validation, drawn uniformly; at least one stays in training, test before validation. The
    test part is the same for every validation fraction.
    """
    _check_sum(validation_fraction, test_fraction)
    order = random.permutation(len(interactions))
    num_rows = interactions.user_counts
    num_test = share_of_each(num_rows, test_fraction)
    num_validation = np.minimum(
        share_of_each(num_rows, validation_fraction), num_rows - num_test - 1
    )
    notes = _note_untested(num_rows, num_test, test_fraction)
    places = places_within_users(interactions, order)
    return _first_of_each_user(interactions, places, num_test, num_validation, notes)


def _last_out_in_words(validation_fraction: float | None) -> str:
    if validation_fraction:
        raise InputError(
            "--split=leave_last_out takes one rating of each user for validation; leave out "
            "--validation_fraction, or make it 0 for none"
        )
    return "" if validation_fraction == 0 else ", the one before for validation"


@register("leave_last_out", draws=False, in_words=_last_out_in_words)
def leave_last_out(
    interactions: Interactions,
    random: np.random.Generator,
    *,
    validation_fraction: float | None = None,
) -> HeldOut:
    """Hold out every user's latest row as test, and the one before as validation.

    Of rows with the same time the later position is later; without timestamps the position
    alone counts. Users with fewer than three rows, or two without a validation part, are all in
    training. `validation_fraction=0` means no validation part; no other value is taken.
    """
    _last_out_in_words(validation_fraction)
    latest_first = np.arange(len(interactions))[::-1]
    if interactions.timestamps is not None:
        latest_first = np.argsort(interactions.timestamps, kind="stable")[::-1]
    has_validation = validation_fraction is None
    num_rows = interactions.user_counts
    num_test = (num_rows >= (3 if has_validation else 2)).astype(np.int64)
    num_validation = num_test if has_validation else np.zeros_like(num_test)
    places = places_within_users(interactions, latest_first)
    is_untimed = interactions.timestamps is None
    notes: tuple[str, ...] = ("no timestamps: file order counts as time",) if is_untimed else ()
    notes += _note_untested(num_rows, num_test)
    if not is_untimed:
        notes += _note_ties(interactions, places, num_test, num_test + num_validation)
    return _first_of_each_user(interactions, places, num_test, num_validation, notes)


def _note_ties(
    interactions: Interactions, places: np.ndarray, num_test: np.ndarray, num_held_out: np.ndarray
) -> tuple[str, ...]:
    """Say of how many users the times do not tell which rows are held out.

    Args:
        interactions: with timestamps.
        places: of each row among its user's, the latest is 0.
        num_test: test rows of each user, the latest, int [num_users].
        num_held_out: test and validation rows of each user, int [num_users].
    """
    times = np.asarray(interactions.timestamps)
    is_tied = np.zeros(interactions.num_users, bool)
    for place in range(int(num_held_out.max(initial=0))):
        borders = [np.flatnonzero(places == rows) for rows in (place, place + 1)]
        of_place = np.zeros((2, interactions.num_users), times.dtype)
        for side, rows in enumerate(borders):
            of_place[side, interactions.user_ids[rows]] = times[rows]
        is_border = (num_test == place + 1) | (num_held_out == place + 1)
        is_tied |= is_border & (of_place[0] == of_place[1])
    if not is_tied.any():
        return ()
    users = count_of(int(is_tied.sum()), "user")
    return (
        f"{users} of {np.count_nonzero(num_test):,} with equal times among their last ratings: the "
        "one further down in the file counts as later",
    )


@register("temporal", needs=("timestamps",), draws=False)
def temporal(
    interactions: Interactions,
    random: np.random.Generator,
    *,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.1,
) -> HeldOut:
    """Cut at two points in time for all users: training, then validation, then test.

    The test part is the latest `test_fraction` of the rows, the validation part what comes
    just before. Rows with the same time stay together on the earlier side of a cut, so every
    test row is later than every validation row, and that later than every training row; the
    test part may become smaller than its share, or empty. It is the same for every validation
    fraction.
    """
    num_validation, num_test = _shares(len(interactions), validation_fraction, test_fraction)
    if num_test + num_validation >= len(interactions):
        raise InputError(NOTHING_LEFT)
    times = np.asarray(interactions.timestamps)
    in_order = np.sort(times)
    is_test = times > in_order[-num_test - 1]
    is_validation = (times > in_order[-num_test - num_validation - 1]) & ~is_test
    sizes = (
        ("validation", is_validation.sum(), num_validation),
        ("test", is_test.sum(), num_test),
    )
    off = [f"{part} has {size:,}, not {wanted:,}" for part, size, wanted in sizes if size != wanted]
    notes: tuple[str, ...] = ()
    if off:
        together = "ratings of one time stay together, on the earlier side of a cut"
        notes = (f"{together}: {' and '.join(off)}",)
    return HeldOut(is_validation, is_test, notes=notes)


@register("held_out_items", needs=("item_features",))
def held_out_items(
    interactions: Interactions,
    random: np.random.Generator,
    *,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.1,
) -> HeldOut:
    """Draw items and hold out all their rows, as if they came out tomorrow.

    Fractions are of the items with rows, rounded to whole items. The items of the test part are
    the same for every validation fraction. Each part's items are ranked among themselves.
    """
    items = random.permutation(np.unique(interactions.item_ids))
    num_validation, num_test = _shares(len(items), validation_fraction, test_fraction)
    return HeldOut(
        np.isin(interactions.item_ids, items[num_test : num_test + num_validation]),
        np.isin(interactions.item_ids, items[:num_test]),
        ranks_held_out_items=True,
        notes=(f"{num_validation:,} items held out for validation, {num_test:,} for the test",),
    )


@register(
    "held_out_users",
    in_words=lambda fold_in_fraction, **_: f", {fold_in_fraction:g} of each folded in",
)
def held_out_users(
    interactions: Interactions,
    random: np.random.Generator,
    *,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.1,
    fold_in_fraction: float = 0.8,
) -> HeldOut:
    """Hold out whole users: part of each one's history is folded in, the rest is to be predicted.

    Strong generalization, the protocol of Liang, Krishnan, Hoffman, Jebara 2018, "Variational
    autoencoders for collaborative filtering". Fractions are of the users with rows, rounded to
    whole users; the test users are the same for every validation fraction. Of the n rows of a
    held-out user whose items training has, round(n * fold_in_fraction), drawn uniformly, but at
    least one and at most n - 1, are folded in; users with n below 2 and rows of other items are
    left out.
    """
    users = random.permutation(np.unique(interactions.user_ids))
    draws = random.random(len(interactions))
    num_validation, num_test = _shares(len(users), validation_fraction, test_fraction)
    users_of = {"validation": users[num_test : num_test + num_validation], "test": users[:num_test]}
    is_held_out = np.isin(interactions.user_ids, users[: num_test + num_validation])
    is_usable = is_held_out & np.isin(interactions.item_ids, interactions.item_ids[~is_held_out])
    num_usable = np.bincount(interactions.user_ids[is_usable], minlength=interactions.num_users)
    is_usable &= num_usable[interactions.user_ids] > 1

    usable = interactions.take(is_usable)
    num_rows = usable.user_counts
    num_folded = np.clip(np.round(num_rows * fold_in_fraction), 1, num_rows - 1).astype(np.int64)
    order = np.argsort(draws[is_usable], kind="stable")
    is_folded = np.zeros(len(interactions), bool)
    is_folded[is_usable] = places_within_users(usable, order) < num_folded[usable.user_ids]

    is_in = {part: np.isin(interactions.user_ids, own) for part, own in users_of.items()}
    parts = {part: is_in[part] & is_usable & ~is_folded for part in is_in}
    numbers = [len(np.unique(interactions.user_ids[rows])) for rows in parts.values()]
    notes: tuple[str, ...] = (
        f"{count_of(numbers[0], 'user')} held out for validation, {numbers[1]:,} for the test; "
        f"{is_folded.sum():,} of their {count_of(len(usable), 'rating')} are folded in",
    )
    left_out = is_held_out & ~is_usable
    if left_out.any():
        notes += (
            f"{left_out.sum():,} of their ratings left out: items unknown to training, or a user's "
            "only one",
        )
    return HeldOut(
        parts["validation"],
        parts["test"],
        histories={part: is_in[part] & is_folded for part in is_in},
        left_out=left_out,
        notes=notes,
    )


def fold_of_rows(
    interactions: Interactions, random: np.random.Generator, *, fold: int, num_folds: int
) -> HeldOut:
    """Hold out one of `num_folds` random folds of the rows as the test part.

    The folds of one seed share no row and differ by at most one row in size.

    Args:
        interactions: distinct pairs.
        random: draws the folds.
        fold: the fold that is tested, from 0.
        num_folds: at least 2.
    """
    order = random.permutation(len(interactions))
    return HeldOut(test=order[_fold_slice(len(order), "distinct pairs", fold, num_folds)])


def fold_of_users(
    interactions: Interactions,
    random: np.random.Generator,
    *,
    fold: int,
    num_folds: int,
    test_fraction: float = 0.1,
) -> HeldOut:
    """Deal the users into folds; the test part is a share of the rows of one fold's users.

    Of a user's n rows, round(n * test_fraction) are test, but at least one and at most n - 1:
    with two or more rows every user is tested in exactly one fold. Everything else trains.

    Args:
        interactions: distinct pairs.
        random: deals the users and draws the test rows.
        fold: the fold whose users are tested, from 0.
        num_folds: at least 2; the folds differ by at most one user in size.
        test_fraction: the share of each tested user's rows.
    """
    num_rows = interactions.user_counts
    users = random.permutation(np.flatnonzero(num_rows))
    tested = users[_fold_slice(len(users), "users", fold, num_folds)]
    num_test = np.zeros_like(num_rows)
    share = share_of_each(num_rows[tested], test_fraction)
    num_test[tested] = np.clip(share, 1, num_rows[tested] - 1)
    places = places_within_users(interactions, random.permutation(len(interactions)))
    notes = _note_untested(num_rows[tested], num_test[tested])
    return _first_of_each_user(interactions, places, num_test, np.zeros_like(num_test), notes)


# What is dealt into folds by --fold and --cross_validate, as --fold_by names it.
FOLDS = {
    "ratings": Splitter("folds of ratings", fold_of_rows),
    "users": Splitter("folds of users", fold_of_users, validates_per_user=True),
}


def _first_of_each_user(
    interactions: Interactions,
    places: np.ndarray,
    num_test: np.ndarray,
    num_validation: np.ndarray,
    notes: tuple[str, ...],
) -> HeldOut:
    """Hold out the first rows of every user, those of the test part before the validation part.

    Args:
        interactions: distinct pairs.
        places: of each row among its user's, from 0, int [rows].
        num_test: int [num_users].
        num_validation: int [num_users].
        notes: see `HeldOut`.
    """
    users = interactions.user_ids
    is_test = places < num_test[users]
    is_validation = (places < (num_test + num_validation)[users]) & ~is_test
    return HeldOut(is_validation, is_test, notes=notes)


def _shares(num: int, validation_fraction: float, test_fraction: float) -> tuple[int, int]:
    """The validation and the test share of a number, rounded."""
    _check_sum(validation_fraction, test_fraction)
    return round(num * validation_fraction), round(num * test_fraction)


def _fold_slice(num: int, what: str, fold: int, num_folds: int) -> slice:
    if num_folds < 2:
        raise InputError(f"num_folds is {num_folds}; cross-validation needs at least 2")
    if not 0 <= fold < num_folds:
        raise InputError(f"fold {fold} of {num_folds}; folds count from 0 to {num_folds - 1}")
    if num < num_folds:
        raise InputError(f"{num} {what} for {num_folds} folds; use fewer folds")
    return slice(num * fold // num_folds, num * (fold + 1) // num_folds)


def _note_untested(
    num_rows: np.ndarray, num_test: np.ndarray, test_fraction: float = 1.0
) -> tuple[str, ...]:
    """Say how many users have too few rows [num_users] to have a test row [num_users]."""
    untested = num_rows[(num_rows > 0) & (num_test == 0)]
    if not len(untested) or not test_fraction:
        return ()
    users, fewest = count_of(len(untested), "user"), untested.max() + 1
    return (f"{users} with fewer than {fewest} ratings: not tested",)


def _check_sum(validation_fraction: float, test_fraction: float) -> None:
    if validation_fraction + test_fraction >= 1:
        raise InputError(
            f"validation_fraction {validation_fraction} and test_fraction {test_fraction} leave "
            "nothing to train on; make their sum less than 1"
        )

"""Ways to hold out rows, each a function that `--split` names.

A splitter gets distinct pairs and a random generator made from the seed, and says which rows are
held out; all other rows train:

    # my_splits.py            python train.py --split=my_splits.py:newest_items
    import numpy as np
    from mfrec.data import splitters

    @splitters.register("newest_items", needs=("timestamps",), draws=False)
    def newest_items(interactions, random, *, test_fraction=0.1):
        first_rated = np.full(interactions.num_items, np.iinfo(np.int64).max)
        np.minimum.at(first_rated, interactions.item_ids, interactions.timestamps)
        newest = np.argsort(first_rated)[round(interactions.num_items * (1 - test_fraction)) :]
        return splitters.HeldOut(test=np.isin(interactions.item_ids, newest))

The settings that a splitter names among its keyword arguments reach it by name:
`validation_fraction`, `test_fraction`, `fold_in_fraction`. Its own defaults hold where the user
gives none. A splitter that makes a validation part has to name `validation_fraction`; for one that
does not, that share of its training rows becomes the validation part. `random` is made from
`--seed`: the same seed has to give the same rows, whatever their ratings are.

Without `register` a function takes the name that it is defined with. Repeated pairs are dropped
before a splitter is called, so no pair can be on both sides.
"""

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mfrec import own_code
from mfrec.config.settings import nearest
from mfrec.data.interactions import Interactions
from mfrec.data.splits import NOTHING_LEFT, SplitRecipe, count_of
from mfrec.errors import InputError


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
        in_words: the settings other than fractions of everything in words, for `describe`;
            raises InputError for settings that contradict the splitter.
        validates_per_user: whether a validation part that it does not make itself is a share of
            each user's training rows, not of all.
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
        if taken and taken.function.__qualname__ != function.__qualname__:
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
                raise InputError(f"--split={split}: unknown{nearest(split, REGISTRY)}")
            return REGISTRY[split]
        address, split = split, own_code.load(split, "split")
        if not callable(split):
            raise InputError(f"--split={address}: not a function")
    registered = (known for known in REGISTRY.values() if known.function is split)
    name = getattr(split, "__name__", type(split).__name__)
    return next(registered, None) or Splitter(name, split)


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
            _check_fractions(**{name: value})
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
    return SplitRecipe(**distinct, repeated_pairs=repeated)


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
    _check_fractions(validation_fraction=fraction)
    if not fraction:
        return recipe
    if recipe.validation is not None and len(recipe.validation):
        raise InputError(
            "there is a validation part, and a validation_fraction to draw one as well; leave one "
            "out"
        )
    train = recipe.train
    # A stream of its own: the test part may have been drawn from the bare seed.
    drawn = np.random.default_rng([seed, 1]).permutation(len(train))
    if per_user:
        num_drawn = _share_of_each(train.user_counts, fraction)
        drawn, _ = _first_of_each_user(train, drawn, num_drawn, np.zeros_like(num_drawn))
    else:
        drawn = drawn[: round(len(train) * fraction)]
    is_validation = _mask(drawn, len(train))
    return replace(recipe, train=train.take(~is_validation), validation=train.take(is_validation))


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
    _check_fractions(validation_fraction=validation_fraction, test_fraction=test_fraction)
    order = random.permutation(len(interactions))
    num_rows = interactions.user_counts
    num_test = _share_of_each(num_rows, test_fraction)
    num_validation = np.minimum(
        _share_of_each(num_rows, validation_fraction), num_rows - num_test - 1
    )
    test, validation = _first_of_each_user(interactions, order, num_test, num_validation)
    return HeldOut(validation, test, notes=_note_untested(num_rows, num_test, test_fraction))


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
    test, validation = _first_of_each_user(interactions, latest_first, num_test, num_validation)
    is_untimed = interactions.timestamps is None
    notes = ("no timestamps: file order counts as time",) if is_untimed else ()
    return HeldOut(validation, test, notes=notes + _note_untested(num_rows, num_test))


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
    times = interactions.timestamps
    in_order = np.sort(times)
    is_test = times > in_order[-num_test - 1]
    is_validation = (times > in_order[-num_test - num_validation - 1]) & ~is_test
    sizes = (
        ("validation", is_validation.sum(), num_validation),
        ("test", is_test.sum(), num_test),
    )
    off = [f"{part} has {size:,}, not {wanted:,}" for part, size, wanted in sizes if size != wanted]
    notes = ()
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
    places = random.random(len(interactions))
    num_validation, num_test = _shares(len(users), validation_fraction, test_fraction)
    users_of = {"validation": users[num_test : num_test + num_validation], "test": users[:num_test]}
    is_held_out = np.isin(interactions.user_ids, users[: num_test + num_validation])
    is_usable = is_held_out & np.isin(interactions.item_ids, interactions.item_ids[~is_held_out])
    num_usable = np.bincount(interactions.user_ids[is_usable], minlength=interactions.num_users)
    is_usable &= num_usable[interactions.user_ids] > 1

    usable = interactions.take(is_usable)
    num_rows = usable.user_counts
    num_folded = np.clip(np.round(num_rows * fold_in_fraction), 1, num_rows - 1).astype(np.int64)
    order = np.argsort(places[is_usable], kind="stable")
    folded, _ = _first_of_each_user(usable, order, num_folded, np.zeros_like(num_rows))
    is_folded = _mask(np.flatnonzero(is_usable)[folded], len(interactions))

    is_of = {part: np.isin(interactions.user_ids, own) for part, own in users_of.items()}
    parts = {part: is_of[part] & is_usable & ~is_folded for part in is_of}
    numbers = [len(np.unique(interactions.user_ids[rows])) for rows in parts.values()]
    notes = (
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
        **parts,
        histories={part: is_of[part] & is_folded for part in is_of},
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
    share = _share_of_each(num_rows[tested], test_fraction)
    num_test[tested] = np.clip(share, 1, num_rows[tested] - 1)
    order = random.permutation(len(interactions))
    test, _ = _first_of_each_user(interactions, order, num_test, np.zeros_like(num_rows))
    notes = _note_untested(num_rows[tested], num_test[tested])
    return HeldOut(test=test, notes=notes)


# What is dealt into folds by --fold and --cross_validate, as --fold_by names it.
FOLDS = {
    "ratings": Splitter("folds of ratings", fold_of_rows),
    "users": Splitter("folds of users", fold_of_users, validates_per_user=True),
}


def _deal(rows: Interactions, held_out: HeldOut, name: str) -> SplitRecipe:
    """The recipe of these held-out rows, each part in the original order."""
    if not isinstance(held_out, HeldOut):
        raise InputError(f"split '{name}' returns {type(held_out).__name__}, not a HeldOut")
    names = {part: f"{part} history" for part in held_out.histories}
    chosen = {"validation": held_out.validation, "test": held_out.test}
    chosen |= {names[part]: index for part, index in held_out.histories.items()}
    chosen["left_out"] = held_out.left_out
    times_given = np.zeros(len(rows), np.int64)
    masks = {}
    for part, index in chosen.items():
        try:
            masks[part] = _mask(index, len(rows))
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
    )


def _mask(index: np.ndarray, length: int) -> np.ndarray:
    """Row numbers or a mask as a mask, bool [length]."""
    mask = np.zeros(length, bool)
    mask[np.asarray(index)] = True
    return mask


def _first_of_each_user(
    rows: Interactions, order: np.ndarray, num_first: np.ndarray, num_second: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the first rows of every user, and of those that follow.

    Args:
        rows: distinct pairs.
        order: every row number once; each user's rows are taken in this order.
        num_first: int [num_users], how many of each user's rows come first.
        num_second: int [num_users], how many follow.
    """
    # All rows of the first user in their order, then all of the second, and so on.
    by_user = order[np.argsort(rows.user_ids[order], kind="stable")]
    num_rows = rows.user_counts
    place = np.arange(len(rows)) - np.repeat(np.cumsum(num_rows) - num_rows, num_rows)
    end_of_first = np.repeat(num_first, num_rows)
    end_of_second = end_of_first + np.repeat(num_second, num_rows)
    is_second = (place >= end_of_first) & (place < end_of_second)
    return by_user[place < end_of_first], by_user[is_second]


def _shares(num: int, validation_fraction: float, test_fraction: float) -> tuple[int, int]:
    """The validation and the test share of a number, rounded."""
    _check_fractions(validation_fraction=validation_fraction, test_fraction=test_fraction)
    return round(num * validation_fraction), round(num * test_fraction)


def _share_of_each(num_rows: np.ndarray, fraction: float) -> np.ndarray:
    """The fraction of each number, rounded, such that at least one is left."""
    share = np.round(num_rows * fraction).astype(np.int64)
    return np.minimum(share, np.maximum(num_rows - 1, 0))


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


def _check_fractions(**fractions: float) -> None:
    for name, fraction in fractions.items():
        if not 0 <= fraction < 1:
            raise InputError(f"{name} is {fraction}; give a share from 0 to below 1")
    if not sum(fractions.values()) < 1:
        named = " and ".join(f"{name} {value}" for name, value in fractions.items())
        raise InputError(f"{named} leave nothing to train on; make their sum less than 1")

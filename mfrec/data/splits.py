"""Interactions into training, validation and test parts that never leak.

Every split depends on its seed and fractions alone. Repeated (user, item) pairs are dropped
before anything is drawn, so that no pair can stand on both sides. The vocabulary is that of the
training part; held-out rows with users or items outside it are kept as UNKNOWN.
"""

from dataclasses import dataclass

import numpy as np

from mfrec.data.interactions import UNKNOWN, Interactions, concatenate
from mfrec.errors import InputError


@dataclass(frozen=True, eq=False)
class Split:
    """Training, validation and test parts in the ids of the training part.

    Attributes:
        train: its vocabularies hold exactly the users and items it rates.
        validation: held-out rows for picking and stopping; None where there are none.
        test: held-out rows for reporting; None where there are none.
        raw: each part that is there by name ("train", "validation", "test"), the same rows in
            vocabularies that know every raw id; see `raw_pairs`.
        counts: rows of `train`, `validation` and `test`; `repeated_pairs` dropped; `users` and
            `items` of the training part; `unknown_users` and `unknown_items`, the distinct raw
            ids of the test part that training lacks, and `unknown_rows`, the test rows that
            hold one; `overlap`, the test rows whose pair also stands in the training part.
    """

    train: Interactions
    validation: Interactions | None
    test: Interactions | None
    raw: dict[str, Interactions]
    counts: dict[str, int]

    def raw_pairs(self, part: str) -> tuple[list[str], list[str]]:
        """Returns the raw users and raw items of a part's rows, unknown ones too."""
        rows = self.raw[part]
        users = [rows.users.raw_ids[user] for user in rows.user_ids.tolist()]
        items = [rows.items.raw_ids[item] for item in rows.item_ids.tolist()]
        return users, items

    def with_validation_in_training(self) -> "Split":
        """Returns the same test part, with the validation rows moved to the training part."""
        train = self.raw["train"]
        if "validation" in self.raw:
            train = concatenate(train, self.raw["validation"])
        return assemble(train, None, self.raw.get("test"), self.counts["repeated_pairs"])


def assemble(
    train: Interactions,
    validation: Interactions | None,
    test: Interactions | None,
    repeated_pairs: int = 0,
) -> Split:
    """Encodes the parts, which may come with vocabularies of their own, and counts.

    Args:
        train: training rows; raises InputError where there are none.
        validation: rows, or None; no rows count as None.
        test: rows, or None; no rows count as None.
        repeated_pairs: how many rows the caller has dropped as repeats.
    """
    if not len(train):
        raise InputError("no rows are left to train on; hold out less or bring more ratings")
    parts = {"train": train, "validation": validation, "test": test}
    raw = {name: part for name, part in parts.items() if part is not None and len(part)}
    encoded_train = train.compact()
    users, items = encoded_train.users, encoded_train.items
    encoded = {name: part.encode(users, items) for name, part in raw.items()}
    encoded["train"] = encoded_train
    counts = {name: len(raw.get(name, ())) for name in parts}
    counts |= {"repeated_pairs": repeated_pairs, "users": len(users), "items": len(items)}
    counts |= _count_strangers(encoded_train, encoded.get("test"), raw.get("test"))
    return Split(encoded_train, encoded.get("validation"), encoded.get("test"), raw, counts)


def random_split(
    interactions: Interactions,
    seed: int,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.1,
) -> Split:
    """Draws validation and test rows uniformly from all distinct pairs.

    The test part stays the same whatever the validation fraction. Fractions are of all
    distinct pairs, rounded to whole rows; a part may come out empty and is then None.

    Raises:
        InputError: fractions out of range, or no training rows left.
    """
    _check_fractions(validation_fraction=validation_fraction, test_fraction=test_fraction)
    rows = interactions.without_repeats()
    order = np.random.default_rng(seed).permutation(len(rows))
    num_test = round(len(rows) * test_fraction)
    num_validation = round(len(rows) * validation_fraction)
    train, validation, test = _deal(rows, order, num_validation, num_test)
    return assemble(train, validation, test, len(interactions) - len(rows))


def fold_split(
    interactions: Interactions,
    seed: int,
    fold: int,
    num_folds: int,
    validation_fraction: float = 0.0,
) -> Split:
    """Holds out one of `num_folds` random folds of the distinct pairs as test part.

    The folds of one seed differ by at most one row in size and share none.

    Args:
        interactions: all rows.
        seed: draws the folds, and the validation rows.
        fold: which fold is the test part, from 0.
        num_folds: at least 2.
        validation_fraction: the share of the remaining rows for the validation part.

    Raises:
        InputError: a fold or fraction out of range, or fewer rows than folds.
    """
    if num_folds < 2:
        raise InputError(f"num_folds is {num_folds}; cross-validation needs at least 2")
    if not 0 <= fold < num_folds:
        raise InputError(f"fold {fold} of {num_folds}; folds count from 0 to {num_folds - 1}")
    rows = interactions.without_repeats()
    if len(rows) < num_folds:
        raise InputError(f"{len(rows)} distinct pairs for {num_folds} folds; use fewer folds")
    order = np.random.default_rng(seed).permutation(len(rows))
    first, last = len(rows) * fold // num_folds, len(rows) * (fold + 1) // num_folds
    rest, _, test = _deal(rows, np.roll(order, -first), 0, last - first)
    train, validation = cut_validation(rest, seed, validation_fraction)
    return assemble(train, validation, test, len(interactions) - len(rows))


def ready_made_split(
    train: Interactions,
    validation: Interactions | None,
    test: Interactions | None,
    seed: int = 0,
    validation_fraction: float = 0.0,
) -> Split:
    """Takes parts as somebody else has made them, and counts what they share.

    Each part loses its own repeats. Where no validation part is given, `validation_fraction`
    of the training rows becomes one.

    Raises:
        InputError: a fraction out of range, a fraction beside a validation part, or no
            training rows left.
    """
    if validation is not None and validation_fraction:
        raise InputError(
            "a validation part is given and a fraction to cut one as well; leave one out"
        )
    parts = (train, validation, test)
    distinct = [None if part is None else part.without_repeats() for part in parts]
    num_given = sum(len(part) for part in parts if part is not None)
    num_distinct = sum(len(part) for part in distinct if part is not None)
    train, validation, test = distinct
    if validation is None:
        train, validation = cut_validation(train, seed, validation_fraction)
    return assemble(train, validation, test, num_given - num_distinct)


def cut_validation(
    train: Interactions, seed: int, fraction: float
) -> tuple[Interactions, Interactions | None]:
    """Moves a random `fraction` of the training rows to a validation part, None where empty.

    Raises:
        InputError: the fraction is not in [0, 1).
    """
    _check_fractions(validation_fraction=fraction)
    # A stream of its own: the caller may have drawn the test part from the bare seed.
    order = np.random.default_rng([seed, 1]).permutation(len(train))
    rest, validation, _ = _deal(train, order, round(len(train) * fraction), 0)
    return rest, validation if len(validation) else None


def _deal(
    rows: Interactions, order: np.ndarray, num_validation: int, num_test: int
) -> tuple[Interactions, Interactions, Interactions]:
    """Returns train, validation and test: the first of `order` are test, the rest train."""
    is_test = np.zeros(len(rows), bool)
    is_test[order[:num_test]] = True
    is_validation = np.zeros(len(rows), bool)
    is_validation[order[num_test : num_test + num_validation]] = True
    return (
        rows.take(~(is_test | is_validation)),
        rows.take(is_validation),
        rows.take(is_test),
    )


def _check_fractions(**fractions: float) -> None:
    for name, fraction in fractions.items():
        if not 0 <= fraction < 1:
            raise InputError(f"{name} is {fraction}; give a share from 0 to below 1")
    if not sum(fractions.values()) < 1:
        named = " and ".join(f"{name} {value}" for name, value in fractions.items())
        raise InputError(f"{named} leave nothing to train on; make their sum less than 1")


def _count_strangers(
    train: Interactions, test: Interactions | None, raw_test: Interactions | None
) -> dict[str, int]:
    if test is None or raw_test is None:
        return dict.fromkeys(("unknown_users", "unknown_items", "unknown_rows", "overlap"), 0)
    new_user = test.user_ids == UNKNOWN
    new_item = test.item_ids == UNKNOWN
    return {
        "unknown_users": len(np.unique(raw_test.user_ids[new_user])),
        "unknown_items": len(np.unique(raw_test.item_ids[new_item])),
        "unknown_rows": int((new_user | new_item).sum()),
        "overlap": _count_shared_pairs(train, test),
    }


def _count_shared_pairs(train: Interactions, test: Interactions) -> int:
    # np.isin does the same, ten times as slowly. No training pair has the number of a pair
    # with an unknown half.
    known, pairs = np.sort(train.pairs()), np.sort(test.pairs())
    places = np.minimum(np.searchsorted(known, pairs), len(known) - 1)
    return int((known[places] == pairs).sum())

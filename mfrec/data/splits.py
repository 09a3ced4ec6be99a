"""Interactions into training, validation and test parts that never leak.

Every split depends on its seed and fractions, on who rated what and when, and never on what the
ratings are. Repeated (user, item) pairs are dropped before anything is drawn, so that no pair can
stand on both sides. The vocabulary is that of the training part; held-out rows with users or
items outside it are kept as UNKNOWN. What was dropped or kept back, and why, stands in the
split's notes.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mfrec.data.interactions import UNKNOWN, Interactions, Vocabulary, concatenate
from mfrec.errors import InputError


@dataclass(frozen=True, eq=False)
class Split:
    """Training, validation and test parts in the ids of the training part.

    Attributes:
        train: its vocabularies hold exactly the users and items it rates, and behind these the
            other items of `catalogue`.
        validation: held-out rows for picking and stopping; None where there are none.
        test: held-out rows for reporting; None where there are none.
        raw: each part that is there by name ("train", "validation", "test", "candidates"), the
            same rows in vocabularies that know every raw id; see `raw_pairs`.
        counts: rows of `train`, `validation` and `test`; `repeated_pairs` dropped; `users` and
            `items` of the training part; `unknown_users` and `unknown_items`, the distinct raw
            ids of the test part that training lacks, and `unknown_rows`, the test rows that
            hold one; `untrained_items`, the items of the catalogue that training lacks;
            `untested_users`, the users of the training part without a test row;
            `overlap`, the test rows whose pair also stands in the training part.
        cut_notes: what the cut kept back and why, one line each, for people.
        candidates: rows (user, item) that tell which items are ranked beside a user's test
            items; None where all are.
        catalogue: the items that may be recommended; None where those are that training has.
        histories: where whole users are held out, by part ("validation", "test") the rows that
            are folded in. Vocabularies: the part's users, who are those of `validation` or `test`
            as well, and the training part's items.
        ranks_held_out_items: whether the items of each held-out part are ranked among
            themselves alone, as where training knows none of them.
        earlier: vocabularies of users and items that stand before those of the training part,
            with or without rows in it; None where there are none.
    """

    train: Interactions
    validation: Interactions | None
    test: Interactions | None
    raw: dict[str, Interactions]
    counts: dict[str, int]
    cut_notes: tuple[str, ...] = ()
    candidates: Interactions | None = None
    catalogue: Vocabulary | None = None
    ranks_held_out_items: bool = False
    earlier: tuple[Vocabulary, Vocabulary] | None = None
    histories: Mapping[str, Interactions] = field(default_factory=dict)

    @property
    def notes(self) -> tuple[str, ...]:
        """What was dropped or kept back and why, one line each, for people."""
        counts, notes = self.counts, []
        if not self.train.has_ratings:
            notes.append("no ratings: every pair counts as a positive")
        if counts["repeated_pairs"]:
            repeated = _number(counts["repeated_pairs"], "repeated pair")
            kept = "the last rating is kept" if self.train.has_ratings else "each counts once"
            if self.train.weights is not None:
                kept = "their weights are added up"
            notes.append(f"{repeated} dropped: {kept}")
        notes += self.cut_notes
        if counts["untrained_items"]:
            untrained = _number(counts["untrained_items"], "item")
            notes.append(f"{untrained} of the catalogue in no training row")
        if counts["unknown_rows"]:
            notes.append(
                f"test has {_number(counts['unknown_users'], 'user')} and "
                f"{_number(counts['unknown_items'], 'item')} unknown to training "
                f"({_number(counts['unknown_rows'], 'row')})"
            )
        if counts["overlap"]:
            overlap = _number(counts["overlap"], "test pair")
            notes.append(f"warning: {overlap} also in the training part")
        return tuple(notes)

    def raw_pairs(self, part: str) -> tuple[list[str], list[str]]:
        """Returns the raw users and raw items of a part's rows, unknown ones too."""
        rows = self.raw[part]
        users = [rows.users.raw_ids[user] for user in rows.user_ids.tolist()]
        items = [rows.items.raw_ids[item] for item in rows.item_ids.tolist()]
        return users, items

    def digest(self, part: str) -> str:
        """Stands for a part's rows, 16 hex digits: the same raw pairs and ratings, the same digest.

        Results are comparable where they were measured on rows of one digest.
        """
        users, items = self.raw_pairs(part)
        digest = hashlib.sha256("\n".join([*users, *items]).encode())
        digest.update(self.raw[part].ratings.tobytes())
        return digest.hexdigest()[:16]

    def with_validation_in_training(self) -> "Split":
        """Returns the same test part, with the validation rows moved to the training part.

        The count of validation rows stays: so many the number of epochs was chosen on.
        """
        train = self.raw["train"]
        if "validation" in self.raw:
            train = concatenate(train, self.raw["validation"])
        if "validation" in self.histories:
            train = concatenate(train, self.histories["validation"])
        split = self._of_rows({"train": train, "test": self.raw.get("test")})
        split = replace(split, counts=split.counts | {"validation": self.counts["validation"]})
        histories = {part: rows for part, rows in self.histories.items() if part == "test"}
        return split._with_histories(histories)

    def with_catalogue(
        self, catalogue: Vocabulary | None, candidates: Interactions | None = None
    ) -> "Split":
        """Returns the same parts where these items may be recommended, seen in training or not.

        Args:
            catalogue: items; those that training lacks follow its own.
            candidates: rows as `Split.candidates` has them, in vocabularies of their own.
        """
        split = self._of_rows(self.raw, catalogue=catalogue, candidates=candidates)
        return split._with_histories(self.histories)

    def _of_rows(self, rows: Mapping[str, Interactions | None], **changes: Any) -> "Split":
        """Returns a split of other rows, by part, that is like this but for these arguments."""
        same = {
            "repeated_pairs": self.counts["repeated_pairs"],
            "cut_notes": self.cut_notes,
            "catalogue": self.catalogue,
            "candidates": self.raw.get("candidates"),
            "earlier": self.earlier,
        }
        parts = (rows.get(part) for part in ("train", "validation", "test"))
        split = assemble(*parts, **(same | changes))
        return replace(split, ranks_held_out_items=self.ranks_held_out_items)

    def _with_histories(self, histories: Mapping[str, Interactions]) -> "Split":
        """Returns the same parts, where these rows of their users are folded in."""
        items, encoded, held_out = self.train.items, {}, {}
        for part, rows in histories.items():
            users = rows.compact().users
            encoded[part] = rows.encode(users, items)
            held_out[part] = self.raw[part].encode(users, items)
        return replace(self, histories=encoded, **held_out)

    def after(self, train: Interactions, validation: Interactions | None = None) -> "Split":
        """Returns the same rows for a model that has been trained before, on other rows.

        The rows of its vocabularies keep their numbers, and what is new follows. What it has
        learnt from is no test any more: such rows of the held-out parts move to the training
        part, and so do rows of the test part that it was validated on.

        Args:
            train: what the model was trained on.
            validation: what it was validated on.
        """
        rows, moved = dict(self.raw), []
        used = train if validation is None else concatenate(train, validation)
        for part, before in (("validation", train), ("test", used)):
            if part in rows:
                is_known = _are_among(rows[part], before)
                moved.append(rows[part].take(is_known))
                rows[part] = rows[part].take(~is_known)
        num_moved = sum(map(len, moved))
        for part in filter(len, moved):
            rows["train"] = concatenate(rows["train"], part).without_repeats()
        notes = self.cut_notes
        if num_moved:
            known = _number(num_moved, "row")
            notes += (f"{known} not held out but trained on: the earlier run has learnt them",)
        return self._of_rows(rows, cut_notes=notes, earlier=(train.users, train.items))


def assemble(
    train: Interactions,
    validation: Interactions | None,
    test: Interactions | None,
    repeated_pairs: int = 0,
    cut_notes: tuple[str, ...] = (),
    catalogue: Vocabulary | None = None,
    candidates: Interactions | None = None,
    earlier: tuple[Vocabulary, Vocabulary] | None = None,
) -> Split:
    """Encodes the parts, which may come with vocabularies of their own, and counts.

    Args:
        train: training rows; raises InputError where there are none.
        validation: rows, or None; no rows count as None.
        test: rows, or None; no rows count as None.
        repeated_pairs: how many rows the caller has dropped as repeats.
        cut_notes: what else the caller has to say of them.
        catalogue: see `Split`.
        candidates: see `Split`.
        earlier: see `Split`.
    """
    if not len(train):
        raise InputError("no rows are left to train on; hold out less or bring more ratings")
    parts = {"train": train, "validation": validation, "test": test}
    raw = {name: part for name, part in parts.items() if part is not None and len(part)}
    if candidates is not None:
        raw["candidates"] = candidates
    encoded_train = train.compact()
    num_users, num_items = encoded_train.num_users, encoded_train.num_items
    if earlier is not None:
        users, items = encoded_train.users, encoded_train.items
        encoded_train = encoded_train.encode(earlier[0].extended(users), earlier[1].extended(items))
    if catalogue is not None:
        encoded_train = replace(encoded_train, items=encoded_train.items.extended(catalogue))
    users, items = encoded_train.users, encoded_train.items
    encoded = {name: part.encode(users, items) for name, part in raw.items()}
    encoded["train"] = encoded_train
    counts = {name: len(raw.get(name, ())) for name in parts}
    counts |= {"repeated_pairs": repeated_pairs, "users": num_users, "items": num_items}
    counts |= {"untrained_items": len(items) - num_items}
    counts |= _count_test_rows(encoded_train, encoded.get("test"), raw.get("test"))
    held_out = encoded.get("validation"), encoded.get("test")
    candidates = encoded.get("candidates")
    return Split(
        *(encoded_train, *held_out, raw, counts, cut_notes, candidates, catalogue),
        earlier=earlier,
    )


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


def per_user_split(
    interactions: Interactions,
    seed: int,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.1,
) -> Split:
    """Draws validation and test rows from every user's distinct pairs.

    Of a user's n pairs, round(n * test_fraction) are test and round(n * validation_fraction)
    validation, drawn uniformly; at least one stays in training, test before validation. The
    test part stays the same whatever the validation fraction.

    Raises:
        InputError: fractions out of range, or no rows at all.
    """
    _check_fractions(validation_fraction=validation_fraction, test_fraction=test_fraction)
    rows = interactions.without_repeats()
    order = np.random.default_rng(seed).permutation(len(rows))
    num_rows = _rows_by_user(rows)
    num_test = _share(num_rows, test_fraction)
    num_validation = np.minimum(_share(num_rows, validation_fraction), num_rows - num_test - 1)
    parts = _deal_by_user(rows, order, num_validation, num_test)
    notes = _note_untested(num_rows, num_test) if test_fraction else ()
    return assemble(*parts, len(interactions) - len(rows), notes)


def leave_last_out_split(interactions: Interactions, with_validation: bool = True) -> Split:
    """Holds out every user's latest distinct pair as test, the one before as validation.

    Of pairs of one time, the one that stands later is the later; without timestamps the place
    alone counts. A user with fewer than three pairs, or two without a validation part, is all
    in training.

    Raises:
        InputError: no rows at all.
    """
    rows = interactions.without_repeats()
    latest_first = np.arange(len(rows))[::-1]
    if rows.timestamps is not None:
        latest_first = np.argsort(rows.timestamps, kind="stable")[::-1]
    num_rows = _rows_by_user(rows)
    num_test = (num_rows >= (3 if with_validation else 2)).astype(np.int64)
    num_validation = num_test if with_validation else np.zeros_like(num_test)
    parts = _deal_by_user(rows, latest_first, num_validation, num_test)
    notes = ("no timestamps: file order counts as time",) if rows.timestamps is None else ()
    notes += _note_untested(num_rows, num_test)
    return assemble(*parts, len(interactions) - len(rows), notes)


def temporal_split(
    interactions: Interactions, validation_fraction: float = 0.1, test_fraction: float = 0.1
) -> Split:
    """Cuts at two points in time for everybody: training, then validation, then test.

    The test part is the latest `test_fraction` of the distinct pairs, the validation part what
    comes before. Pairs of one time stay together on the earlier side of a cut, so every test
    row is later than every validation row, and that than every training row, and the test part
    may come out smaller than its share, or empty. It stays the same whatever the validation
    fraction.

    Raises:
        InputError: no timestamps, fractions out of range, or no training rows left.
    """
    _check_fractions(validation_fraction=validation_fraction, test_fraction=test_fraction)
    if interactions.timestamps is None:
        raise InputError(
            "a temporal split needs timestamps, and the ratings have none; bring them or split "
            "otherwise"
        )
    rows = interactions.without_repeats()
    num_test = round(len(rows) * test_fraction)
    num_validation = round(len(rows) * validation_fraction)
    if num_test + num_validation >= len(rows):
        raise InputError("no rows are left to train on; hold out less or bring more ratings")
    in_time = np.sort(rows.timestamps)
    last_of_validation = in_time[-num_test - 1]
    last_of_train = in_time[-num_test - num_validation - 1]
    is_test = rows.timestamps > last_of_validation
    is_validation = (rows.timestamps > last_of_train) & ~is_test
    train, validation, test = _parts(rows, is_validation, is_test)
    sizes = {"validation": (validation, num_validation), "test": (test, num_test)}
    off = [
        f"{name} has {len(part):,}, not {asked:,}"
        for name, (part, asked) in sizes.items()
        if len(part) != asked
    ]
    notes = ()
    if off:
        together = "ratings of one time stay together, on the earlier side of a cut"
        notes = (f"{together}: {' and '.join(off)}",)
    return assemble(train, validation, test, len(interactions) - len(rows), notes)


def held_out_items_split(
    interactions: Interactions,
    seed: int,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.1,
) -> Split:
    """Draws items; every rating of theirs is held out, as if they came out tomorrow.

    Fractions are of the items with ratings, rounded to whole items. The items of the test part
    stay the same whatever the validation fraction. Each part's items are to be ranked among
    themselves.

    Raises:
        InputError: fractions out of range, or no training rows left.
    """
    _check_fractions(validation_fraction=validation_fraction, test_fraction=test_fraction)
    rows = interactions.without_repeats()
    order = np.random.default_rng(seed).permutation(np.unique(rows.item_ids))
    num_test = round(len(order) * test_fraction)
    num_validation = round(len(order) * validation_fraction)
    is_test, is_validation = (
        np.isin(rows.item_ids, items)
        for items in (order[:num_test], order[num_test : num_test + num_validation])
    )
    parts = _parts(rows, is_validation, is_test)
    notes = (f"{num_validation:,} items held out for validation, {num_test:,} for the test",)
    split = assemble(*parts, len(interactions) - len(rows), notes)
    return replace(split, ranks_held_out_items=True)


def held_out_users_split(
    interactions: Interactions,
    seed: int,
    validation_fraction: float = 0.1,
    test_fraction: float = 0.1,
    fold_in_fraction: float = 0.8,
) -> Split:
    """Holds out whole users: part of each one's history is folded in, the rest is to be found.

    Strong generalization, the protocol of Liang, Krishnan, Hoffman, Jebara 2018, "Variational
    autoencoders for collaborative filtering". Fractions are of the users with ratings, rounded to
    whole users; the test users stay the same whatever the validation fraction. Of the n pairs of
    a held-out user whose items training has, round(n * fold_in_fraction), drawn uniformly, but at
    least one and at most n - 1, are folded in; users with n below 2 and pairs of other items are
    left out.

    Raises:
        InputError: fractions out of range, or no training rows left.
    """
    _check_fractions(validation_fraction=validation_fraction, test_fraction=test_fraction)
    rows = interactions.without_repeats()
    random = np.random.default_rng(seed)
    users = random.permutation(np.unique(rows.user_ids))
    places = random.random(len(rows))
    num_test = round(len(users) * test_fraction)
    num_validation = round(len(users) * validation_fraction)
    of_test = users[:num_test]
    of_validation = users[num_test : num_test + num_validation]
    held_out = np.isin(rows.user_ids, users[: num_test + num_validation])
    train = rows.take(~held_out)
    is_usable = held_out & np.isin(rows.item_ids, train.item_ids)
    num_usable = np.bincount(rows.user_ids[is_usable], minlength=rows.num_users)
    is_usable &= num_usable[rows.user_ids] > 1
    usable, order = rows.take(is_usable), np.argsort(places[is_usable], kind="stable")
    num_rows = _rows_by_user(usable)
    num_folded = np.clip(np.round(num_rows * fold_in_fraction), 1, num_rows - 1).astype(np.int64)
    rest, _, history = _deal_by_user(usable, order, np.zeros_like(num_rows), num_folded)
    parts, histories = {}, {}
    for part, of_part in (("validation", of_validation), ("test", of_test)):
        parts[part] = rest.take(np.isin(rest.user_ids, of_part))
        if len(parts[part]):
            histories[part] = history.take(np.isin(history.user_ids, of_part))
    numbers = [len(np.unique(part.user_ids)) for part in parts.values()]
    notes = (
        f"{_number(numbers[0], 'user')} held out for validation, {numbers[1]:,} for the test; "
        f"{len(history):,} of their {_number(len(usable), 'rating')} are folded in",
    )
    if held_out.sum() > len(usable):
        left_out = _number(int(held_out.sum()) - len(usable), "rating")
        notes += (
            f"{left_out} of theirs left out: items unknown to training, or a user's only one",
        )
    repeated = len(interactions) - len(rows)
    split = assemble(train, parts["validation"], parts["test"], repeated, notes)
    return split._with_histories(histories)


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
    _check_fold(fold, num_folds)
    rows = interactions.without_repeats()
    held_out = _fold_of(len(rows), "distinct pairs", fold, num_folds)
    order = np.random.default_rng(seed).permutation(len(rows))
    rest, _, test = _parts(rows, order[:0], order[held_out])
    train, validation = cut_validation(rest, seed, validation_fraction)
    return assemble(train, validation, test, len(interactions) - len(rows))


def user_fold_split(
    interactions: Interactions,
    seed: int,
    fold: int,
    num_folds: int,
    validation_fraction: float = 0.0,
    test_fraction: float = 0.1,
) -> Split:
    """Deals the users into folds; the test part is a share of the pairs of one fold's users.

    Of a user's n pairs, round(n * test_fraction) are test, but at least one and at most n - 1:
    with two or more pairs every user is tested in exactly one fold. Everything else trains;
    `validation_fraction` of what each user has left becomes the validation part.

    Args:
        interactions: all rows.
        seed: deals the users and draws the rows.
        fold: whose users are tested, from 0.
        num_folds: at least 2; the folds differ by at most one user in size.
        validation_fraction: the share of each user's remaining rows, at least one stays.
        test_fraction: the share of each tested user's rows.

    Raises:
        InputError: a fold or fraction out of range, or fewer users than folds.
    """
    _check_fold(fold, num_folds)
    _check_fractions(validation_fraction=validation_fraction)
    _check_fractions(test_fraction=test_fraction)
    rows = interactions.without_repeats()
    num_rows = _rows_by_user(rows)
    random = np.random.default_rng(seed)
    users = random.permutation(np.flatnonzero(num_rows))
    tested = users[_fold_of(len(users), "users", fold, num_folds)]
    num_test = np.zeros_like(num_rows)
    num_test[tested] = np.clip(_share(num_rows[tested], test_fraction), 1, num_rows[tested] - 1)
    order = random.permutation(len(rows))
    rest, _, test = _deal_by_user(rows, order, np.zeros_like(num_rows), num_test)

    # a stream of its own, as for cut_validation
    order = np.random.default_rng([seed, 1]).permutation(len(rest))
    num_validation = _share(_rows_by_user(rest), validation_fraction)
    train, validation, _ = _deal_by_user(rest, order, num_validation, np.zeros_like(num_rows))
    notes = _note_untested(num_rows[tested], num_test[tested])
    return assemble(train, validation, test, len(interactions) - len(rows), notes)


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
    return _parts(rows, order[num_test : num_test + num_validation], order[:num_test])


def _deal_by_user(
    rows: Interactions, order: np.ndarray, num_validation: np.ndarray, num_test: np.ndarray
) -> tuple[Interactions, Interactions, Interactions]:
    """Like `_deal` for every user by itself.

    Args:
        rows: distinct pairs.
        order: every row once; its own rows reach each user in this order.
        num_validation: int [num_users], how many of each user's rows are validation.
        num_test: int [num_users], how many of each user's rows are test.
    """
    # All rows of the first user in their order, then all of the second, and so on.
    by_user = order[np.argsort(rows.user_ids[order], kind="stable")]
    num_rows = _rows_by_user(rows)
    place = np.arange(len(rows)) - np.repeat(np.cumsum(num_rows) - num_rows, num_rows)
    test_ends = np.repeat(num_test, num_rows)
    validation_ends = test_ends + np.repeat(num_validation, num_rows)
    is_validation = (place >= test_ends) & (place < validation_ends)
    return _parts(rows, by_user[is_validation], by_user[place < test_ends])


def _parts(
    rows: Interactions, validation: np.ndarray, test: np.ndarray
) -> tuple[Interactions, Interactions, Interactions]:
    """Returns train, validation and test by row numbers or masks, each in the original order."""
    is_test = np.zeros(len(rows), bool)
    is_test[test] = True
    is_validation = np.zeros(len(rows), bool)
    is_validation[validation] = True
    return (
        rows.take(~(is_test | is_validation)),
        rows.take(is_validation),
        rows.take(is_test),
    )


def _rows_by_user(rows: Interactions) -> np.ndarray:
    return np.bincount(rows.user_ids, minlength=rows.num_users)


def _share(num_rows: np.ndarray, fraction: float) -> np.ndarray:
    """Returns the fraction of each number, rounded, such that at least one row is left over."""
    share = np.round(num_rows * fraction).astype(np.int64)
    return np.minimum(share, np.maximum(num_rows - 1, 0))


def _fold_of(num: int, what: str, fold: int, num_folds: int) -> slice:
    if num < num_folds:
        raise InputError(f"{num} {what} for {num_folds} folds; use fewer folds")
    return slice(num * fold // num_folds, num * (fold + 1) // num_folds)


def _note_untested(num_rows: np.ndarray, num_test: np.ndarray) -> tuple[str, ...]:
    """Says how many users have too few rows [num_users] to have a test row [num_users]."""
    untested = num_rows[(num_rows > 0) & (num_test == 0)]
    if not len(untested):
        return ()
    users, fewest = _number(len(untested), "user"), untested.max() + 1
    return (f"{users} with fewer than {fewest} ratings: nothing of theirs is tested",)


def _number(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _check_fold(fold: int, num_folds: int) -> None:
    if num_folds < 2:
        raise InputError(f"num_folds is {num_folds}; cross-validation needs at least 2")
    if not 0 <= fold < num_folds:
        raise InputError(f"fold {fold} of {num_folds}; folds count from 0 to {num_folds - 1}")


def _check_fractions(**fractions: float) -> None:
    for name, fraction in fractions.items():
        if not 0 <= fraction < 1:
            raise InputError(f"{name} is {fraction}; give a share from 0 to below 1")
    if not sum(fractions.values()) < 1:
        named = " and ".join(f"{name} {value}" for name, value in fractions.items())
        raise InputError(f"{named} leave nothing to train on; make their sum less than 1")


def _count_test_rows(
    train: Interactions, test: Interactions | None, raw_test: Interactions | None
) -> dict[str, int]:
    if test is None or raw_test is None:
        strangers = dict.fromkeys(("unknown_users", "unknown_items", "unknown_rows"), 0)
        return strangers | {"untested_users": train.num_users, "overlap": 0}
    new_user = test.user_ids == UNKNOWN
    new_item = test.item_ids == UNKNOWN
    return {
        "unknown_users": len(np.unique(raw_test.user_ids[new_user])),
        "unknown_items": len(np.unique(raw_test.item_ids[new_item])),
        "unknown_rows": int((new_user | new_item).sum()),
        "untested_users": train.num_users - len(np.unique(test.user_ids[~new_user])),
        "overlap": _count_shared_pairs(train, test),
    }


def _are_among(rows: Interactions, others: Interactions) -> np.ndarray:
    """Which rows are pairs of others, whose vocabularies may differ: bool [rows]."""
    users, items = others.users.extended(rows.users), others.items.extended(rows.items)
    return np.isin(rows.encode(users, items).pairs(), others.encode(users, items).pairs())


def _count_shared_pairs(train: Interactions, test: Interactions) -> int:
    # np.isin does the same, ten times as slowly. No training pair has the number of a pair
    # with an unknown half.
    known, pairs = np.sort(train.pairs()), np.sort(test.pairs())
    places = np.minimum(np.searchsorted(known, pairs), len(known) - 1)
    return int((known[places] == pairs).sum())

"""Training, validation and test parts in the ids of the training part.

A `SplitRecipe` holds raw rows and is changed freely; `encode` makes it a `Split` once, at the end.
The vocabulary is that of the training part; held-out rows with users or items outside it are kept
as UNKNOWN. Notes say what was dropped or held back, and why.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from mfrec.data.held_out import Comparison, compare, count_shared_pairs, warn_of_strangers
from mfrec.data.interactions import Interactions, concatenate
from mfrec.data.vocabulary import Vocabulary
from mfrec.errors import InputError

NOTHING_LEFT = "no rows are left to train on; hold out less or bring more ratings"


@dataclass(frozen=True, eq=False)
class Split:
    """Training, validation and test parts in the ids of the training part.

    Attributes:
        train: its vocabularies hold exactly the users and items it rates, and after these the
            other items of the recipe's catalogue.
        validation: held-out rows for early stopping and choosing; None without any.
        test: held-out rows for reporting; None without any.
        raw: the rows of each part by name ("train", "validation", "test", "candidates"), in
            vocabularies that know every raw id; see `raw_pairs`. Parts without rows are missing.
        counts: rows of `train`, `validation` and `test`; `repeated_pairs` dropped; `users` and
            `items` of the training part; `unknown_users` and `unknown_items`, the distinct raw
            ids of the test part that training lacks, and `unknown_rows`, the test rows with
            one of them; `untrained_items`, the items of the catalogue that training lacks;
            `untested_users`, the users of the training part without a test row;
            `overlap`, the test rows whose pair is also in the training part; `missing_ratings`,
            rows left out because their rating stands for none, if there are any.
        notes: what was dropped or held back and why, one line each, for people.
        warnings: a line for each suspicious finding.
        candidates: rows (user, item): the items ranked beside a user's test items; None where
            every item of the catalogue is.
        histories: where whole users are held out, by part ("validation", "test") the rows that
            are folded in. Vocabularies: the part's users, as in `validation` or `test` itself,
            and the training part's items.
        ranks_held_out_items: whether the items of each held-out part are ranked among
            themselves alone.
        recipe: what it was encoded from.
    """

    train: Interactions
    validation: Interactions | None
    test: Interactions | None
    raw: dict[str, Interactions]
    counts: dict[str, int]
    notes: tuple[str, ...] = ()
    candidates: Interactions | None = None
    histories: Mapping[str, Interactions] = field(default_factory=dict)
    ranks_held_out_items: bool = False
    recipe: "SplitRecipe | None" = None
    warnings: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        # a split made by hand may hold parts in vocabularies of their own
        for name in ("validation", "test", "candidates"):
            rows = getattr(self, name)
            if rows is not None:
                users = self.histories[name].users if name in self.histories else self.train.users
                object.__setattr__(self, name, rows.encode(users, self.train.items))
        histories = {
            part: rows.encode(rows.users, self.train.items) for part, rows in self.histories.items()
        }
        object.__setattr__(self, "histories", histories)

    def raw_pairs(self, part: str) -> tuple[list[str], list[str]]:
        """Return the raw users and raw items of a part's rows, unknown ones too."""
        rows = self.raw[part]
        users = [rows.users.raw_ids[user] for user in rows.user_ids.tolist()]
        items = [rows.items.raw_ids[item] for item in rows.item_ids.tolist()]
        return users, items

    def raw_rows(self, part: str) -> Iterator[tuple[list[str], list[str], np.ndarray]]:
        """Yield the raw users, raw items and ratings of a part's rows, here all at once."""
        yield (*self.raw_pairs(part), self.raw[part].ratings)

    def digest(self, part: str) -> str:
        """Return a fingerprint of a part's raw pairs and ratings, 16 hexadecimal digits.

        Results are comparable if they were measured on rows of the same digest.
        """
        rows = self.raw[part]
        lines = [*rows.users.lines(rows.user_ids), *rows.items.lines(rows.item_ids)]
        digest = hashlib.sha256(b"".join(lines).removesuffix(b"\n"))
        digest.update(rows.ratings.tobytes())
        return digest.hexdigest()[:16]


@dataclass(frozen=True, eq=False)
class SplitRecipe:
    """The raw rows of a split and everything else it is made of.

    The parts may have vocabularies of their own. A part without rows counts as missing.

    Attributes:
        train: training rows.
        validation: held-out rows, or None.
        test: held-out rows, or None.
        repeated_pairs: number of rows dropped because their pair was repeated.
        notes: what else was dropped or held back and why, one line each, for people.
        histories: where whole users are held out, by part ("validation", "test") the rows of
            its users that are folded in.
        ranks_held_out_items: whether the items of each held-out part are ranked among
            themselves alone, as when training knows none of them.
        catalogue: items that may be recommended besides those of the training part.
        candidates: rows (user, item): the items ranked beside a user's test items.
        earlier: vocabularies of users and items that keep the first rows, whether or not they
            have training rows: those of a model that is trained further.
        num_chosen_on: number of validation rows on which the epochs were chosen before these
            rows moved to the training part.
        warnings: a line for each suspicious finding about the rows.
        num_missing: number of rows left out because their rating stands for none.
        are_apart: whether the parts are different rows of one table of distinct pairs, so that no
            two can share a pair.
    """

    train: Interactions
    validation: Interactions | None = None
    test: Interactions | None = None
    repeated_pairs: int = 0
    notes: tuple[str, ...] = ()
    histories: Mapping[str, Interactions] = field(default_factory=dict)
    ranks_held_out_items: bool = False
    catalogue: Vocabulary | None = None
    candidates: Interactions | None = None
    earlier: tuple[Vocabulary, Vocabulary] | None = None
    num_chosen_on: int | None = None
    warnings: tuple[str, ...] = ()
    num_missing: int = 0
    are_apart: bool = False

    def with_validation_in_training(self) -> "SplitRecipe":
        """Return the same test part, with the validation rows moved to the training part.

        The histories of validation users are training rows as well.
        """
        train = self.train
        for moved in (self.validation, self.histories.get("validation")):
            if moved is not None:
                train = concatenate(train, moved)
        return replace(
            self,
            train=train,
            validation=None,
            histories={part: rows for part, rows in self.histories.items() if part == "test"},
            num_chosen_on=0 if self.validation is None else len(self.validation),
        )

    def after(self, train: Interactions, validation: Interactions | None = None) -> "SplitRecipe":
        """Return the same rows for a model that was trained on other rows before.

        The rows of its vocabularies keep their numbers, and new ones follow. Held-out rows that
        it was trained on test nothing any more: they move to the training part, and so do rows
        of the test part that it was validated on.

        Args:
            train: what the model was trained on.
            validation: what it was validated on.
        """
        used = train if validation is None else concatenate(train, validation)
        parts: dict[str, Any] = {"train": self.train}
        num_moved = 0
        for part, rows, before in (
            ("validation", self.validation, train),
            ("test", self.test, used),
        ):
            if rows is None:
                continue
            is_known = _are_among(rows, before)
            parts[part] = rows.take(~is_known)
            if is_known.any():
                parts["train"] = concatenate(parts["train"], rows.take(is_known)).without_repeats()
                num_moved += int(is_known.sum())
        notes = self.notes
        if num_moved:
            moved = count_of(num_moved, "row")
            notes += (f"{moved} not held out but trained on: the earlier run has learnt them",)
        own = self.train.compact()
        users = warn_of_strangers("users", own.users, train.users, "the earlier run")
        items = warn_of_strangers("items", own.items, train.items, "the earlier run")
        # new people on the same items are what a run is continued for, and so are new items
        is_other_data = bool(users and items) or any("spell" in line for line in users + items)
        warnings = self.warnings + (tuple(users + items) if is_other_data else ())
        if self.test is not None and len(self.test) and not len(parts["test"]):
            warnings += (
                f"nothing is left to test: the earlier run was trained on "
                f"{count_of(len(self.test), 'test row')} of {len(self.test):,}",
            )
        return replace(
            self,
            **parts,
            notes=notes,
            warnings=warnings,
            earlier=(train.users, train.items),
        )

    def encode(self) -> Split:
        """Return the split in the ids of the training part, and its counts.

        Raises:
            InputError: there are no training rows.
        """
        if not len(self.train):
            raise InputError(NOTHING_LEFT)
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        raw = {name: part for name, part in parts.items() if part is not None and len(part)}
        counts = {name: len(raw.get(name, ())) for name in parts}
        if self.candidates is not None:
            raw["candidates"] = self.candidates

        train = self.train.compact()
        num_users, num_items = train.num_users, train.num_items
        users, items = train.users, train.items
        if self.earlier is not None:
            users, items = self.earlier[0].extended(users), self.earlier[1].extended(items)
        if self.catalogue is not None:
            items = items.extended(self.catalogue)
        encoded = {name: part.encode(users, items) for name, part in raw.items()}
        encoded["train"] = train.encode(users, items)

        if self.num_chosen_on is not None:
            counts["validation"] = self.num_chosen_on
        counts |= {"repeated_pairs": self.repeated_pairs, "users": num_users, "items": num_items}
        counts |= {"untrained_items": len(items) - num_items}
        if self.num_missing:
            counts["missing_ratings"] = self.num_missing
        compared = {part: self._compare(part, raw, encoded) for part in ("validation", "test")}
        counts |= _counts_of_test(compared["test"], encoded["train"])
        warnings = (*self.warnings, *_warn_of_parts(compared, encoded, self.are_apart))
        histories = {}
        for part, rows in self.histories.items():
            # held-out users have no rows in the training part's vocabulary
            own_users = rows.compact().users
            histories[part] = rows.encode(own_users, items)
            encoded[part] = raw[part].encode(own_users, items)
        return Split(
            encoded["train"],
            encoded.get("validation"),
            encoded.get("test"),
            raw=raw,
            counts=counts,
            notes=self._all_notes(encoded["train"], counts),
            candidates=encoded.get("candidates"),
            histories=histories,
            ranks_held_out_items=self.ranks_held_out_items,
            recipe=self,
            warnings=warnings,
        )

    def _compare(
        self, part: str, raw: Mapping[str, Interactions], encoded: Mapping[str, Interactions]
    ) -> Comparison | None:
        """A held-out part beside the training part, before users are given rows of their own."""
        if part not in raw:
            return None
        new = ["users"] if part in self.histories else []
        new += ["items"] if self.ranks_held_out_items else []
        one_file = raw[part].users is self.train.users and raw[part].items is self.train.items
        overlap = 0
        if not self.are_apart:
            overlap = count_shared_pairs(encoded["train"], encoded[part])
        return compare(part, encoded["train"], encoded[part], raw[part], overlap, new, one_file)

    def _all_notes(self, train: Interactions, counts: Mapping[str, int]) -> tuple[str, ...]:
        """What was dropped or held back, from the notes and the counts."""
        notes = []
        if not train.has_ratings:
            notes.append("no ratings: every pair counts as a positive")
        if counts["repeated_pairs"]:
            repeated = count_of(counts["repeated_pairs"], "repeated pair")
            kept = "the last rating is kept" if train.has_ratings else "each counts once"
            if train.weights is not None:
                kept = "their weights are added up"
            notes.append(f"{repeated} dropped: {kept}")
        notes += self.notes
        if counts["untrained_items"]:
            untrained = count_of(counts["untrained_items"], "item")
            notes.append(f"{untrained} of the catalogue in no training row")
        if counts["unknown_rows"]:
            notes.append(
                f"test has {count_of(counts['unknown_users'], 'user')} and "
                f"{count_of(counts['unknown_items'], 'item')} unknown to training "
                f"({count_of(counts['unknown_rows'], 'row')})"
            )
        return tuple(notes)


def count_of(count: int, noun: str) -> str:
    """Return '1 user', '1,234 users'."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def _warn_of_parts(
    compared: Mapping[str, Comparison | None],
    encoded: Mapping[str, Interactions],
    are_apart: bool,
) -> list[str]:
    """What is suspicious about the held-out parts."""
    warnings = [line for found in compared.values() if found for line in found.warnings]
    if compared["validation"] and compared["test"] and not are_apart:
        shared = count_shared_pairs(encoded["validation"], encoded["test"])
        if shared:
            warnings.append(
                f"{count_of(shared, 'test row')} in the validation part as well: epochs are chosen "
                "on what is tested"
            )
    return warnings


def _counts_of_test(compared: Comparison | None, train: Interactions) -> dict[str, int]:
    found = compared or Comparison(untested_users=train.num_users)
    names = ("unknown_users", "unknown_items", "unknown_rows", "untested_users", "overlap")
    return {name: getattr(found, name) for name in names}


def _are_among(rows: Interactions, others: Interactions) -> np.ndarray:
    """Which rows are pairs of others, whose vocabularies may differ: bool [rows]."""
    users, items = others.users.extended(rows.users), others.items.extended(rows.items)
    return np.isin(rows.encode(users, items).pairs(), others.encode(users, items).pairs())

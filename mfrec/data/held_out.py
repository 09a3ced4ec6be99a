"""How a held-out part relates to the training part: unknown ids, spelling, shared pairs."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from mfrec.data import pairs
from mfrec.data.counting import which_come
from mfrec.data.interactions import Interactions
from mfrec.data.vocabulary import UNKNOWN, Vocabulary
from mfrec.errors import short

# A part of which this share is unknown hardly measures the model.
_NEARLY_ALL = 0.9
# If this share of the unknown ids differs from a training id in spelling alone, so do all.
_MOST = 0.5


@dataclass(frozen=True, eq=False)
class Comparison:
    """One held-out part beside the training part.

    Attributes:
        unknown_users: distinct raw users that training lacks.
        unknown_items: distinct raw items that training lacks.
        unknown_rows: rows with one of them.
        untested_users: users of the training part without a row in this part.
        overlap: rows whose pair is also in the training part.
        warnings: a line for each suspicious finding.
    """

    unknown_users: int = 0
    unknown_items: int = 0
    unknown_rows: int = 0
    untested_users: int = 0
    overlap: int = 0
    warnings: tuple[str, ...] = field(default=())


def compare(
    part: str,
    train: Interactions,
    rows: Interactions,
    raw: Interactions,
    overlap: int,
    new: Sequence[str] = (),
    one_file: bool = False,
) -> Comparison:
    """Compare a held-out part with the training part.

    Args:
        part: its name, for people.
        train: the training part.
        rows: the held-out rows in the ids of the training part.
        raw: the same rows in vocabularies that know every raw id.
        overlap: the number of held-out rows whose pair is also in the training part.
        new: what is unknown to training by design, "users" or "items".
        one_file: whether both parts come from one file, so that ids are spelt alike.
    """
    unknown = {"users": rows.user_ids == UNKNOWN, "items": rows.item_ids == UNKNOWN}
    num_unknown = int((unknown["users"] | unknown["items"]).sum())
    warnings = []
    surprising = [role for role in unknown if role not in new]
    is_surprising = np.zeros(len(rows), bool)
    for role in surprising:
        is_surprising |= unknown[role]
    if is_surprising.any():
        warnings += _warn_of_unknown(part, train, raw, is_surprising, surprising, one_file)
    if overlap:
        warnings.append(
            f"{overlap:,} {part} pair{'s' if overlap > 1 else ''} also in the training part, of "
            f"{len(rows):,}: what was learnt by heart is measured"
        )
    return Comparison(
        unknown_users=len(which_come(raw.user_ids[unknown["users"]], raw.num_users)),
        unknown_items=len(which_come(raw.item_ids[unknown["items"]], raw.num_items)),
        unknown_rows=num_unknown,
        untested_users=train.num_users - len(which_come(rows.user_ids, rows.num_users)),
        overlap=overlap,
        warnings=tuple(warnings),
    )


def count_shared_pairs(train: Interactions, rows: Interactions) -> int:
    """Return how many rows are pairs of the training part too, by raw id."""
    rows = rows.encode(train.users, train.items)
    # no pair with an unknown half is equal to another
    return pairs.count_shared(_known_pairs(rows), _known_pairs(train))


def warn_of_strangers(what: str, names: Vocabulary, known: Vocabulary, where: str) -> list[str]:
    """Return a warning if nearly all raw ids are unknown elsewhere, or are spelt otherwise.

    Args:
        what: the raw ids are, such as "items".
        names: the raw ids.
        known: those that are known elsewhere.
        where: that is, such as "titles.csv".
    """
    is_unknown = known.lookup(names.raw_ids) == UNKNOWN
    unknown = [names.raw_ids[row] for row in np.flatnonzero(is_unknown).tolist()]
    pair = spelling(known, unknown)
    if not unknown or not len(known) or (len(unknown) < _NEARLY_ALL * len(names) and not pair):
        return []
    here, there = pair or (unknown[0], known.raw_ids[0])
    remedy = "; spell ids alike" if pair else ""
    return [
        f"{len(unknown):,} of {len(names):,} {what} are not in {where}, such as {short(here)} "
        f"(there is {short(there)}){remedy}"
    ]


def _known_pairs(rows: Interactions) -> np.ndarray:
    is_known = (rows.user_ids != UNKNOWN) & (rows.item_ids != UNKNOWN)
    numbers = rows.pairs()
    return numbers if is_known.all() else numbers[is_known]


def spelling(known: Vocabulary, names: Sequence[str]) -> tuple[str, str] | None:
    """Return two raw ids that differ in spelling alone, if most of some unknown ones do.

    Args:
        known: raw ids of the training part.
        names: raw ids that are not among them.

    Returns:
        One of `names` and what it is among the known ones; None if most are not there.
    """
    if not names:
        return None
    plain = {_plain(raw_id): raw_id for raw_id in known.raw_ids}
    found = [(name, plain[_plain(name)]) for name in names if _plain(name) in plain]
    return found[0] if len(found) >= _MOST * len(names) else None


def _warn_of_unknown(
    part: str,
    train: Interactions,
    raw: Interactions,
    is_unknown: np.ndarray,
    roles: Sequence[str],
    one_file: bool,
) -> list[str]:
    sides = {
        "users": (train.users, raw.users, raw.user_ids),
        "items": (train.items, raw.items, raw.item_ids),
    }
    count = int(is_unknown.sum())
    if one_file and count < _NEARLY_ALL * len(raw):
        return []
    examples, are_spelt_otherwise = [], False
    for role in roles:
        known, own, ids = sides[role]
        found = which_come(ids[is_unknown], len(own))
        found = found[own.rows_in(known)[found] == UNKNOWN]
        names = [own.raw_ids[row] for row in found.tolist()]
        if not names or not len(known):
            continue
        pair = None if one_file else spelling(known, names)
        are_spelt_otherwise |= pair is not None
        there, here = pair or (names[0], known.raw_ids[0])
        examples.append(f"{role} such as {short(there)} (training has {short(here)})")
    if count < _NEARLY_ALL * len(raw) and not are_spelt_otherwise:
        return []
    line = f"{count:,} of {len(raw):,} {part} rows have users or items unknown to training"
    remedy = "; spell ids alike in both files" if are_spelt_otherwise else ""
    return [f"{line}: {', '.join(examples)}{remedy}"]


def _plain(raw_id: str) -> str:
    """A raw id without case, spaces, quotes, leading zeros and ".0" at its end."""
    text = re.sub(r"\.0+$", "", raw_id.strip(" \t\"'").casefold())
    return text.lstrip("0") or text[:1]

"""Whether the held-out parts of a split can be measured: known before the first step."""

import numpy as np

from mfrec.config.parsing import parse_cutoffs
from mfrec.config.settings import Config
from mfrec.data.held_out import spelling
from mfrec.data.interactions import Interactions
from mfrec.data.splits import Split
from mfrec.data.vocabulary import UNKNOWN
from mfrec.errors import InputError, short


def check(split: Split, config: Config) -> None:
    """Refuse what would be found out by the first evaluation, perhaps hours later.

    Args:
        split: the parts, in the ids of the training part.
        config: the settings, resolved.

    Raises:
        InputError: a part cannot be ranked.
    """
    parts = {"validation": split.validation, "test": split.test}
    if not parse_cutoffs(config.evaluation.cutoffs):
        return
    for name, rows in parts.items():
        if rows is None:
            continue
        if not (rows.user_ids != UNKNOWN).any():
            raise InputError(_no_user(name, split))
        if split.ranks_held_out_items and not (rows.item_ids != UNKNOWN).any():
            raise InputError(
                f"no item of the {name} part has features, so that none can be recommended; check "
                "--item_features"
            )
    if split.test is not None and split.candidates is not None:
        _check_negatives(split, split.test, split.candidates)


def _no_user(part: str, split: Split) -> str:
    raw, known = split.raw[part], split.train.users
    names = [raw.users.raw_ids[row] for row in np.unique(raw.user_ids).tolist()]
    user, other = spelling(known, names) or (names[0], known.raw_ids[0])
    return (
        f"none of the {len(raw):,} {part} rows has a user that training knows, so that there is "
        f"nothing to rank: there is {short(user)}, and in training {short(other)}; check how ids "
        "are spelt, or hold out other rows"
    )


def _check_negatives(split: Split, test: Interactions, candidates: Interactions) -> None:
    """Refuse test users without fixed negatives."""
    is_known = (candidates.user_ids != UNKNOWN) & (candidates.item_ids != UNKNOWN)
    tested = np.unique(test.user_ids[test.user_ids != UNKNOWN])
    lacking = np.setdiff1d(tested, candidates.user_ids[is_known])
    if len(lacking):
        user = split.train.users.raw_ids[lacking[0]]
        listed = split.raw["candidates"].users.raw_ids[0]
        raise InputError(
            f"{len(lacking):,} of {len(tested):,} users with test rows have no negatives, such as "
            f"{short(user)}, and the candidates' first user is {short(listed)}; give some for "
            "every user, or --candidates=none"
        )

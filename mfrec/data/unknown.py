"""What is said of rows whose users or items a training part does not know."""

import numpy as np

from mfrec.data.held_out import spelling
from mfrec.data.interactions import Interactions
from mfrec.data.vocabulary import UNKNOWN, Vocabulary


def note_on_unknown(rows: Interactions, encoded: Interactions, what: str = "rows") -> str:
    """Return a line that counts the rows that lost a user or an item, "" if there are none.

    Args:
        rows: as they were given.
        encoded: the same in the vocabularies of a training part.
        what: they are.
    """
    lost_user = (encoded.user_ids == UNKNOWN) & (rows.user_ids != UNKNOWN)
    lost_item = (encoded.item_ids == UNKNOWN) & (rows.item_ids != UNKNOWN)
    lost = np.count_nonzero(lost_user | lost_item)
    if not lost:
        return ""
    examples = []
    for role, is_lost, ids, given, known in (
        ("user", lost_user, rows.user_ids, rows.users, encoded.users),
        ("item", lost_item, rows.item_ids, rows.items, encoded.items),
    ):
        if is_lost.any():
            name = given.raw_ids[ids[np.argmax(is_lost)]]
            examples.append(f"{role} '{name}'{_in_training(known, name)}")
    return (
        f"{lost:,} of {len(rows):,} {what} have a user or an item that training does not know, "
        f"such as {' and '.join(examples)}: ratings fall back to what is known of the other, to "
        "biases and mean"
    )


def _in_training(known: Vocabulary, name: str) -> str:
    pair = spelling(known, [name])
    if pair:
        return f" (training has '{pair[1]}': spell ids alike)"
    return f" (training has '{known.raw_ids[0]}')" if len(known) else ""

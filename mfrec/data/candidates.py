"""Files of held-out pairs, each with the fixed negatives that it is ranked among."""

import re
from pathlib import Path

import numpy as np

from mfrec.data import tables
from mfrec.data.interactions import Interactions
from mfrec.data.tables import short
from mfrec.data.vocabulary import Vocabulary

_PAIR = re.compile(r"\(([^,()]+),([^,()]+)\)")


def read_candidates(path: str | Path) -> tuple[Interactions, Interactions]:
    """Read `(user,item)<TAB>negative<TAB>negative ...`, one held-out pair of raw ids per line.

    This is the format of the `.test.negative` files of He et al. 2017, "Neural collaborative
    filtering".

    Args:
        path: a UTF-8 file with the same number of negatives in every line.

    Returns:
        The held-out pairs with rating 1, and a row (user, negative) with rating 0 for each
        negative; both have the same users.

    Raises:
        InputError: the file is missing or empty, or a line cannot be read; names the line.
    """
    table = tables.read(path, "tab")
    users, items = [], []
    for row in range(len(table)):
        text = table.text(row, 0)
        pair = _PAIR.fullmatch(text)
        if pair is None:
            table.refuse(row, f"{short(text)} where '(user,item)' should be; correct the line")
        users.append(pair[1])
        items.append(pair[2])
    held_out = Interactions.from_arrays(users, items)

    num_negatives = table.num_fields - 1
    if not num_negatives:
        table.refuse(0, "no negatives; a line is (user,item), then a tab before every negative")
    fields = table.take(slice(None), slice(1, None)).as_one_column()
    empty = np.flatnonzero(fields.lengths(0) == 0)
    if len(empty):
        fields.refuse(empty[0], "an empty negative; fill it in or drop the line")
    item_ids, raw_ids = fields.texts(0)
    negatives = Interactions(
        np.repeat(held_out.user_ids, num_negatives),
        item_ids,
        np.zeros(len(item_ids), np.float32),
        None,
        held_out.users,
        Vocabulary(tuple(raw_ids)),
    )
    return held_out, negatives

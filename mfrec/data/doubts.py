"""Tables that can be read and yet hardly mean it: refused, before they train a model of nothing.

What is looked at is the first rows and the distinct ids, never every row.
"""

import re
from collections.abc import Sequence

import numpy as np

from mfrec.data.columns import Columns, are_times, is_number, sample
from mfrec.data.tables import Table
from mfrec.data.usual_names import USUAL_NAMES, plain_name
from mfrec.errors import short

# What programs write where an id is missing.
MISSING_IDS = frozenset(
    r"""
    null Null NULL (null) [null] None nan NaN NAN -nan -NaN NaT \N undefined
    NA N/A n/a <NA> #NA #N/A #NULL! #REF! #VALUE! #NAME? #DIV/0!
    """.split()
)
# What programs write beside sums, in the last row.
TOTALS = frozenset({"all", "total", "totals", "grandtotal", "sum", "summe", "gesamt"})

_ID_NAMES = USUAL_NAMES["user"] | USUAL_NAMES["item"]
# Nobody's id, unlike "user" or "heat".
_ONLY_NAMES = {name for name in _ID_NAMES if name.endswith("id")} | {"username", "stockcode"}
_FRACTION = re.compile(r"[+-]?\d+\.\d+")
_LONG_FRACTION = re.compile(r"[+-]?\d+\.\d{3,}")
_LIST = re.compile(r"\d+(?:[\s,;|]+\d+)+")
_SECONDS = re.compile(r"(?:9\d{8}|1\d{9})(?:\d{3})?")
# Fewer rows may hold anything.
_FEWEST_ROWS = 3


def missing_id(raw_ids: Sequence[str]) -> int | None:
    """Return the position of the first text that stands for a missing id; None without one."""
    if MISSING_IDS.isdisjoint(raw_ids):
        return None
    return next(n for n, text in enumerate(raw_ids) if text in MISSING_IDS)


def refuse_header(table: Table, chosen: Columns) -> None:
    """Refuse a first row that was taken for ids and a rating, and names the columns instead.

    Raises:
        InputError: a usual name, or the only text above numbers, is among its ids.
    """
    first = table.row(0)
    plain = [plain_name(text) for text in first]
    roles = {role for role in ("user", "item") if USUAL_NAMES[role] & set(plain)}
    names = [text for text, name in zip(first, plain, strict=True) if name in _ONLY_NAMES]
    if len(roles) == 2:
        names += [text for text, name in zip(first, plain, strict=True) if name in _ID_NAMES]
    for role in ("user", "item"):
        column = chosen.numbers[role]
        below = sample(table, column)[1:]
        fewest = 1 if plain[column] in _ID_NAMES else 2
        if _is_word(first[column]) and len(below) >= fewest and all(map(is_number, below)):
            names.append(first[column])
    if names:
        table.refuse(
            0,
            f"{short(names[0])} looks like the name of a column, not like an id, and numbers stand "
            "beside it; --ratings_format=matrix reads one user a line, --user_column and so on "
            "name the columns of a table; if the line is a rating, put a header above it",
        )
    numbered = [str(number) for number in range(table.num_fields)]
    if first == numbered and "timestamp" in chosen.numbers and len(table) > 1:
        below = sample(table, chosen.numbers["timestamp"])[1:]
        if are_times(below):
            table.refuse(
                0,
                f"{', '.join(first)} are the numbers of the columns, by the times below; drop the "
                "line",
            )


def refuse_positions(table: Table, chosen: Columns) -> None:
    """Refuse columns that were taken for something by their position and hardly are it.

    Raises:
        InputError: ids that are fractions, times or lists, or times that are coordinates or the
            second half of ratings.
    """
    texts = {role: sample(table, chosen.numbers[role]) for role in chosen.guessed}
    has_times = "timestamp" in chosen.numbers and are_times(
        texts.get("timestamp") or sample(table, chosen.numbers["timestamp"])
    )
    for role in ("user", "item"):
        found = texts.get(role, [])
        what = _no_ids(found, has_times)
        if what:
            number = chosen.numbers[role]
            table.refuse(
                0,
                f"column {number} holds {what} such as {short(found[0])} where the {role}s would "
                f"be; say which column is which by --{role}_column and so on",
            )
    found = texts.get("timestamp", [])
    if not found or has_times:
        return
    number = chosen.numbers["timestamp"]
    if set(found) == {"0", "5"} and len(found) >= _FEWEST_ROWS:
        table.refuse(
            0,
            f"column {number} holds 0 and 5 alone, which are no times: is it the second half of "
            "ratings with decimal commas? write these with a point; --timestamp_column=none leaves "
            "the column out",
        )
    fractions = [text for text in found if _FRACTION.fullmatch(text)]
    are_long = any(map(_LONG_FRACTION.fullmatch, texts.get("rating", [])))
    if fractions and (are_long or any(text.startswith("-") for text in fractions)):
        table.refuse(
            0,
            f"column {number} holds numbers such as {short(fractions[0])}, which may be "
            f"coordinates rather than times; --timestamp_column={number} reads them so, "
            "--timestamp_column=none leaves them out",
        )


def refuse_lists(table: Table, chosen: Columns) -> None:
    """Refuse a column of items, which nobody named, that holds several in a field."""
    found = sample(table, chosen.numbers["item"]) if "item" in chosen.guessed else []
    lists = [text for text in found if _LIST.fullmatch(text)]
    if lists and all(text.isdecimal() or _LIST.fullmatch(text) for text in found):
        table.refuse(
            found.index(lists[0]),
            f"the item id {short(lists[0])} looks like several; write one a line, or use one "
            "delimiter with --ratings_format=adjacency; if it is one, name --item_column",
        )


def refuse_total(table: Table, what: str, codes: np.ndarray, raw_ids: Sequence[str]) -> None:
    """Refuse a last row that holds the sum of those above, by its id.

    Args:
        table: the rows.
        what: the ids are, for errors.
        codes: integers [rows], positions among the ids.
        raw_ids: the distinct ones.
    """
    last = int(codes[-1])
    # most files are done here
    if plain_name(raw_ids[last]) not in TOTALS:
        return
    is_alone = np.count_nonzero(codes == last) == 1
    others = [text for n, text in enumerate(raw_ids) if n != last]
    if is_total(others, raw_ids[last], is_alone):
        table.refuse(
            len(table) - 1,
            f"the {what} {short(raw_ids[last])} in the last line looks like a sum of the lines "
            "above; drop such lines",
        )


def is_total(others: Sequence[str], last: str, is_alone: bool = True) -> bool:
    """Return whether the last id is that of a sum, as margins of pivot tables have it.

    Args:
        others: all ids but the last.
        last: the last one.
        is_alone: whether it has one row, or one row or column of a matrix.
    """
    word = plain_name(last)
    if word not in TOTALS or not others:
        return False
    return (is_alone and word not in ("all", "sum")) or all(map(is_number, others))


def _no_ids(texts: Sequence[str], has_times: bool) -> str:
    """Return what texts are if they can hardly be ids."""
    if not texts:
        return ""
    if all(map(_FRACTION.fullmatch, texts)) and any(float(text) % 1 for text in texts):
        return "fractions"
    differ = len(set(texts)) >= 0.9 * len(texts)
    if not has_times and differ and len(texts) >= _FEWEST_ROWS:
        return "times" if all(map(_SECONDS.fullmatch, texts)) else ""
    return ""


def _is_word(text: str) -> bool:
    """Whether a text has letters and no digits, as names of columns do."""
    return (
        any(map(str.isalpha, text))
        and not any(map(str.isdigit, text))
        and text not in MISSING_IDS
        and not is_number(text)
    )

"""What a person types: names in files, and histories of items with ratings."""

import math
from collections.abc import Callable
from pathlib import Path

from mfrec.errors import InputError


def read_names(path: str | Path) -> list[str]:
    """Reads raw ids or labels, one a line, exactly as they stand there; empty lines aside.

    Raises:
        InputError: the file is missing, not UTF-8 or empty.
    """
    try:
        text = Path(path).read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8; convert the file") from None
    names = [line for line in text.split("\n") if line]
    if not names:
        raise InputError(f"{path}: empty; one name a line is expected")
    return names


def parse_history(
    text: str, is_item: Callable[[str], bool]
) -> tuple[list[tuple[str, float | None]], list[str]]:
    """'item:rating,item:rating' or 'item,item', or @FILE with one `item` or `item:rating` a line.

    Items may hold commas and colons: the longest stretch that names an item is one, and a colon
    with a number behind it starts a rating only where the whole names no item.

    Args:
        text: what was typed.
        is_item: whether a text names an item.

    Returns:
        Items with their ratings, None where none is given; and the names that are no items.

    Raises:
        InputError: the file cannot be read.
    """
    lines = read_names(text[1:]) if text.startswith("@") else [text]
    known, unknown = [], []
    for line in lines:
        pieces = line.split(",")
        while pieces:
            for end in range(len(pieces), 0, -1):
                item, rating = _entry(",".join(pieces[:end]).strip(), is_item)
                if is_item(item):
                    known.append((item, rating))
                    break
            else:
                unknown += [item] if item else []
            pieces = pieces[end:]
    return known, unknown


def _entry(text: str, is_item: Callable[[str], bool]) -> tuple[str, float | None]:
    """An item and its rating, if it has one."""
    item, colon, number = text.rpartition(":")
    if not colon or is_item(text):
        return text, None
    try:
        rating = float(number)
    except ValueError:
        return text, None
    return (item.strip(), rating) if math.isfinite(rating) else (text, None)

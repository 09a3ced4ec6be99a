"""Typed input: names in files, and histories of items with ratings."""

import math
from collections.abc import Callable
from pathlib import Path

from mfrec.errors import InputError


def read_names(path: str | Path) -> list[str]:
    """Return raw ids or labels from a file, one per line, unchanged; empty lines are skipped.

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
        raise InputError(f"{path}: empty; one name per line is expected")
    return names


def parse_history(
    text: str, is_item: Callable[[str], bool]
) -> tuple[list[tuple[str, float | None]], list[str]]:
    """Parse 'item:rating,item:rating', 'item,item', or @FILE with `item[:rating]` lines.

    Names of items may contain commas and colons: the longest stretch that names an item is taken,
    and a colon followed by a number starts a rating only if the whole names no item.

    Args:
        text: the typed text.
        is_item: returns whether a text names an item.

    Returns:
        The items with their ratings (None without one), and the names that are no items.

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
    """Return an item and its rating, if it has one."""
    item, colon, number = text.rpartition(":")
    if not colon or is_item(text):
        return text, None
    try:
        rating = float(number)
    except ValueError:
        return text, None
    return (item.strip(), rating) if math.isfinite(rating) else (text, None)

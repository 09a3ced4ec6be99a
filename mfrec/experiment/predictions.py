"""The file of --predictions: user, item, rating, prediction and error of every row."""

import functools
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from mfrec.data.vocabulary import escaped
from mfrec.files import replacing
from mfrec.lines import CsvWriter
from mfrec.terminal import exact

_COLUMNS = ("user", "item", "rating", "prediction", "error")


def write(
    path: str | Path,
    blocks: Iterable[tuple[Iterable[str], Iterable[str], np.ndarray, np.ndarray]],
) -> None:
    """Write a file, in the format that its ending names; it appears when it is complete.

    `.csv` has commas and quotes as spreadsheets do, `.jsonl` an object a line, every other file
    tabs, with ids as in users.tsv: a tab, line end or backslash in one as \\t, \\n, \\r, \\\\.

    Args:
        path: the file.
        blocks: of rows: raw users [n], raw items [n], ratings, float32 [n], predictions, float [n].

    Raises:
        InputError: it cannot be written.
    """
    rows = (
        row
        for users, items, ratings, predictions in blocks
        for row in zip(users, items, ratings.tolist(), predictions.tolist(), strict=True)
    )
    write_row_to = {".csv": _csv, ".jsonl": _jsonl}.get(Path(path).suffix.lower(), _tabs)
    with replacing(path) as target, target.open("w", encoding="utf-8", newline="") as file:
        write_row = write_row_to(file)
        for user, item, rating, prediction in rows:
            write_row(user, item, rating, prediction, prediction - rating)


def _csv(file: TextIO) -> Callable[..., None]:
    table = CsvWriter(file)
    table.row(*_COLUMNS)
    return lambda user, item, *values: table.row(user, item, *_texts(*values))


def _tabs(file: TextIO) -> Callable[..., None]:
    file.write("\t".join(_COLUMNS) + "\n")

    def write_row(user: str, item: str, *values: float) -> None:
        file.write("\t".join((escaped(user), escaped(item), *_texts(*values))) + "\n")

    return write_row


def _jsonl(file: TextIO) -> Callable[..., None]:
    def write_row(*fields: Any) -> None:
        row = dict(zip(_COLUMNS, fields, strict=True))
        file.write(json.dumps(row, ensure_ascii=False) + "\n")

    return write_row


def _texts(rating: float, prediction: float, error: float) -> tuple[str, str, str]:
    return _rating(rating), _six_digits(prediction), _six_digits(error)


# there are few ratings and many rows
_rating = functools.lru_cache(maxsize=10_000)(exact)


def _six_digits(value: float) -> str:
    # of large numbers those before the point, all of which may matter
    return f"{value:.6g}" if abs(value) < 1e5 else f"{value:.9g}"

"""MovieLens: the layouts of its editions, and the splits that come with MovieLens 100K."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from mfrec.data import cache, tables
from mfrec.data.interactions import Interactions
from mfrec.data.items import ItemDescriptions, labelled, read_items
from mfrec.data.published_parts import read_parts
from mfrec.errors import InputError

# fmt: off
GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime",
    "Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery",
    "Romance", "Sci-Fi", "Thriller", "War", "Western",
)
# fmt: on


def read_100k(folder: Path) -> Interactions:
    """Read u.data, and titles and genres from u.item if it is there."""
    ratings = cache.read_set_file(folder / "u.data", delimiter="\t", header=False)
    path = folder / "u.item"
    if not path.is_file():
        return ratings
    table = tables.read(path, "|", fallback="latin-1")
    if table.num_fields != 5 + len(GENRES):
        table.refuse(0, f"{table.num_fields} fields, {5 + len(GENRES)} expected; restore the file")
    labels, genres = {}, {}
    for raw_id, label, _, _, _, *flags in map(table.row, range(len(table))):
        labels[raw_id] = label
        in_genre = zip(GENRES, flags, strict=True)
        genres[raw_id] = "|".join(genre for genre, flag in in_genre if flag == "1")
    return _labelled(ratings, ItemDescriptions(labels, genres))


def read_dat(folder: Path) -> Interactions:
    """Read ratings.dat, and titles and genres from movies.dat if it is there; "::" between."""
    ratings = cache.read_set_file(folder / "ratings.dat", delimiter="::", header=False)
    return _labelled(ratings, _items_if_there(folder / "movies.dat", "::"))


def read_csv(folder: Path) -> Interactions:
    """Read ratings.csv, and titles and genres from movies.csv if it is there."""
    ratings = cache.read_set_file(folder / "ratings.csv", delimiter=",", header=True)
    return _labelled(ratings, _items_if_there(folder / "movies.csv", ","))


def cut_100k(
    fold: int, folder: Path, interactions: Interactions
) -> tuple[Interactions, Interactions]:
    """Cut fold u1 to u5 as GroupLens did: the test part is the fold-th 20,000 rows of u.data."""
    if len(interactions) != 100_000:
        raise InputError(
            f"{folder / 'u.data'}: {len(interactions)} rows, 100000 expected for u{fold}; restore "
            "the published file"
        )
    is_test = np.arange(len(interactions)) // 20_000 == fold - 1
    return interactions.take(~is_test), interactions.take(is_test)


def read_100k_parts(
    split: str, folder: Path, interactions: Interactions
) -> tuple[Interactions, Interactions]:
    """Read ua or ub, which hold out ten ratings of every user."""
    for path in (folder / f"{split}.base", folder / f"{split}.test"):
        if not path.is_file():
            raise InputError(
                f"{path}: no such file (a copy rebuilt from recbole has no ua and ub); take one "
                "of u1 to u5, or unpack the publisher's archive there"
            )
    files = (f"{split}.base", f"{split}.test")
    return read_parts(files, {"delimiter": "\t", "header": False}, folder, interactions)


def _items_if_there(path: Path, delimiter: str) -> ItemDescriptions:
    return read_items(path, delimiter) if path.is_file() else ItemDescriptions({}, {})


def _labelled(interactions: Interactions, descriptions: ItemDescriptions) -> Interactions:
    return replace(interactions, items=labelled(interactions.items, descriptions))

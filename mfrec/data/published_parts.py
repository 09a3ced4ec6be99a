"""Data sets that were published as a training and a test part."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mfrec.data import cache
from mfrec.data.interactions import Interactions, concatenate


def read_parts(
    files: Sequence[str], options: dict[str, Any], folder: Path, interactions: Interactions
) -> tuple[Interactions, Interactions]:
    """Read the training and the test part, in the vocabularies of `interactions`.

    Args:
        files: of the training and the test part, in the folder.
        options: how to read them, as for `readers.read_ratings`.
        folder: of the data set, in the data folder.
        interactions: all ratings.
    """
    train, test = (
        cache.read_set_file(folder / file, **options).encode(interactions.users, interactions.items)
        for file in files
    )
    return train, test


def read_both_parts(files: Sequence[str], options: dict[str, Any], folder: Path) -> Interactions:
    """Read the rows of the training part, then those of the test part; see `read_parts`."""
    train, test = (cache.read_set_file(folder / file, **options) for file in files)
    return concatenate(train, test)

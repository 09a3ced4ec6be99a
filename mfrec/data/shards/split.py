"""The parts of a converted folder as a split, and what is not asked of one."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from mfrec.config.settings import FILE_OPTIONS, Config
from mfrec.data.shards.parts import Converted, ShardedRatings
from mfrec.errors import InputError

# What was decided when the ratings were converted.
_OF_CONVERT = (
    *FILE_OPTIONS,
    *("missing_ratings", "item_labels", "split", "validation_fraction", "test_fraction"),
    *("min_rating", "weight_transform"),
)
# What needs all columns in memory, or changes the parts.
_OF_FILES = (
    *("fold", "cross_validate", "fold_in_fraction", "fold_by", "refit"),
    *("user_features", "item_features", "candidates", "reject_positives"),
    *("min_user_interactions", "min_item_interactions"),
)

# Models that read the items of all users in every step.
_WHOLE_MODELS = ("svdpp",)


def check(config: Config) -> None:
    """Refuse settings that a converted folder cannot be trained with.

    Raises:
        InputError: says which, and what to do.
    """
    values, defaults = config.flat(), Config().flat()
    path = config.data.ratings
    for names, remedy in (
        (_OF_CONVERT, "was decided in converting; leave it out, or give it to convert.py"),
        (_OF_FILES, "needs the ratings in memory; leave it out, or train on the original file"),
    ):
        for name in names:
            if values[name] != defaults[name]:
                raise InputError(f"--{name} with the converted folder {path}: it {remedy}")
    if config.model.model in _WHOLE_MODELS:
        raise InputError(
            f"--model={config.model.model} with the converted folder {path}: it needs the ratings "
            "in memory; take another model, or train on the original file"
        )


@dataclass(frozen=True, eq=False)
class StreamedSplit:
    """The parts of a converted folder; what they have in common with `Split`.

    Attributes:
        data: the folder.
        train: rows to train on.
        validation: held-out rows for choosing; None without any.
        test: held-out rows for reporting; None without any.
        counts: as those of `Split`.
        warnings: a line for each suspicious finding.
        notes: what was dropped, one line each; the folder's own come with its source.
    """

    data: Converted
    train: ShardedRatings
    validation: ShardedRatings | None
    test: ShardedRatings | None
    counts: Mapping[str, int]
    warnings: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    candidates: None = None
    recipe: None = None
    ranks_held_out_items: bool = False
    histories: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, data: Converted) -> "StreamedSplit":
        """Return the split of a folder."""
        manifest = data.manifest
        parts = (ShardedRatings(data, "train"), data.part("validation"), data.part("test"))
        return cls(data, *parts, manifest.counts, manifest.warnings)

    @property
    def raw(self) -> dict[str, ShardedRatings]:
        """The parts with rows, by name."""
        parts = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: part for name, part in parts.items() if part is not None}

    def digest(self, part: str) -> str:
        """Return a fingerprint of a part's rows, 16 hexadecimal digits."""
        return self.data.digest(part)

    def raw_rows(self, part: str) -> Iterator[tuple[list[str], list[str], np.ndarray]]:
        """Yield the raw users, raw items and ratings of a part shard by shard."""
        for number in self.data.numbers:
            ratings = self.data.columns(part, number)["ratings"]
            yield (*self.data.raw_pairs(part, number), ratings)

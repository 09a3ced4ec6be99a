"""What formats that name every column, such as JSON lines and Parquet, give."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mfrec.data.fields import Fields


@dataclass(frozen=True, eq=False)
class NamedColumns:
    """Rows of one length with a name for every column.

    Attributes:
        names: of the columns.
        fields: their texts, row after row; an empty one is a missing value.
        unusable: what is wrong with the columns that are no text or numbers, and in which line.
    """

    names: tuple[str, ...]
    fields: Fields
    unusable: Mapping[int, tuple[int, str]] = field(default_factory=dict)

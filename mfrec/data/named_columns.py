"""What formats that name every column, such as JSON lines and Parquet, give."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mfrec.data.fields import Fields


@dataclass(frozen=True)
class Typed:
    """What a column holds beside text and whole numbers; ids and numbers may not be that.

    Attributes:
        kind: "booleans", "times" or "fractions"; fractions are also NaN and floats so large that
            their last digits may be lost.
        line: where the first one is.
        example: its text.
    """

    kind: str
    line: int
    example: str


@dataclass(frozen=True, eq=False)
class NamedColumns:
    """Rows of one length with a name for every column.

    Attributes:
        names: of the columns.
        fields: their texts, row after row; an empty one is a missing value.
        unusable: what is wrong with the columns that are no text or numbers, and in which line.
        typed: columns of values that texts do not show: true, a time and 1.5 are no ids.
    """

    names: tuple[str, ...]
    fields: Fields
    unusable: Mapping[int, tuple[int, str]] = field(default_factory=dict)
    typed: Mapping[int, Typed] = field(default_factory=dict)

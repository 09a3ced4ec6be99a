"""Files of items: labels such as titles, and genres, for the items of a vocabulary."""

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass, field
from pathlib import Path

from mfrec.data import encodings, tables
from mfrec.data.tables import Table, short
from mfrec.data.usual_names import USUAL_NAMES, best_matches, plain_name
from mfrec.data.vocabulary import Vocabulary
from mfrec.errors import InputError

_IDS = USUAL_NAMES["item"] | {"id"}
# fmt: off
_TITLES = {
    "title", "titles", "name", "movietitle", "booktitle", "itemtitle", "itemname",
    "artistname", "productname", "producttitle", "label", "description",
}
# fmt: on
_GENRES = {"genre", "genres", "class", "category", "categories"}


@dataclass(frozen=True)
class ItemDescriptions:
    """Labels and genres that a file has for items.

    Attributes:
        labels: label, such as a title, by raw id.
        genres: genres by raw id, "|" between several; empty if the file has none.
        path: of the file, for messages.
        notes: what was assumed in reading it, for people.
    """

    labels: dict[str, str]
    genres: dict[str, str]
    path: str = field(default="labels", compare=False)
    notes: tuple[str, ...] = field(default=(), compare=False)


def read_items(
    path: str | Path, delimiter: str | None = None, encoding: str = encodings.AUTO
) -> ItemDescriptions:
    """Read labels and genres of items from a file of one item per line.

    With a header the columns are found by their usual names (item_id, movieId, id; title, name;
    genres, class, category); without one they are id, label and, if there are three, genres.

    Args:
        path: text in UTF-8, or else in `encoding`; or any other table, see `tables.read_lines`.
        delimiter: between fields; guessed by default.
        encoding: of a file that is not UTF-8; "auto" is Latin-1, as MovieLens uses it, where raw
            ids have to be ASCII.

    Returns:
        Labels and genres by raw id; for a repeated raw id those of its last line.

    Raises:
        InputError: the file is missing or empty, or a line cannot be read.
    """
    table = tables.read(path, delimiter, encoding, fallback="latin-1")
    if table.num_fields < 2:
        table.refuse(0, "1 field, 2 expected (item id, label); check the delimiter")
    names = table.row(0) if table.names is None else list(table.names)
    plain = [plain_name(name) for name in names]
    id_column = 0
    label_column: int | None = 1
    genre_column = 2 if table.num_fields == 3 else None
    if (
        table.names is not None
        or plain[0] in _IDS
        or sum(name in _IDS | _TITLES | _GENRES for name in plain) > 1
    ):
        ids = (*best_matches("item", dict(enumerate(names))), _first(plain, {"id"}) or 0)
        id_column = ids[0]
        genre_column = _first(plain, _GENRES)
        label_column = _first(plain, _TITLES)
        if label_column is None and genre_column is None:
            label_column = 0 if id_column else 1
        if table.names is None:
            table = table.take(slice(1, None))

    raw_ids = [table.text(row, id_column) for row in range(len(table))]
    if table.encoding != "utf-8" and encoding == encodings.AUTO:
        for row, raw_id in enumerate(raw_ids):
            if not raw_id.isascii():
                table.refuse(
                    row,
                    f"the item id {short(raw_id)} is not UTF-8; name the encoding, such as "
                    "--encoding=latin-1",
                )
    labels = _texts(table, raw_ids, label_column)
    genres = _texts(table, raw_ids, genre_column)
    if genre_column is not None and names[genre_column].endswith(":token_seq"):
        # RecBole's lists have spaces between their entries.
        genres = {raw_id: "|".join(text.split()) for raw_id, text in genres.items()}
    notes = table.notes
    if len(set(raw_ids)) < len(raw_ids):
        raw_id, times = Counter(raw_ids).most_common(1)[0]
        notes += (f"item {short(raw_id)} has {times} lines, of which the last counts",)
    return ItemDescriptions(labels, genres, str(path), notes)


def _first(names: list[str], wanted: Collection[str]) -> int | None:
    return next((column for column, name in enumerate(names) if name in wanted), None)


def _texts(table: Table, raw_ids: list[str], column: int | None) -> dict[str, str]:
    if column is None:
        return {}
    return {raw_id: table.text(row, column) for row, raw_id in enumerate(raw_ids)}


def labelled(vocabulary: Vocabulary, descriptions: ItemDescriptions) -> Vocabulary:
    """Return the same rows with the labels and genres that a file has for them.

    A raw id that differs from the file's only by leading zeros ("0012345", "12345") is labelled
    as well, if no other row could be meant.

    Raises:
        InputError: two lines of the file could be meant.
    """
    labels = _matched(vocabulary.raw_ids, descriptions.labels, descriptions.path)
    genres = _matched(vocabulary.raw_ids, descriptions.genres, descriptions.path)
    return vocabulary.with_labels(labels, genres)


def _matched(raw_ids: tuple[str, ...], texts: dict[str, str], path: str) -> dict[str, str]:
    found = {raw_id: texts[raw_id] for raw_id in raw_ids if raw_id in texts}
    lost = [raw_id for raw_id in raw_ids if raw_id not in found and raw_id.isdecimal()]
    if lost and texts:
        times = Counter(_bare(raw_id) for raw_id in raw_ids)
        spellings: dict[str, list[str]] = {}
        for raw_id in filter(str.isdecimal, texts):
            spellings.setdefault(_bare(raw_id), []).append(raw_id)
        for raw_id in lost:
            candidates = spellings.get(_bare(raw_id), [])
            if times[_bare(raw_id)] > 1 or not candidates:
                continue
            if len(candidates) > 1:
                one, other = candidates[:2]
                raise InputError(
                    f"{path}: item {raw_id!r} of the ratings may be {one!r} or {other!r}; spell "
                    "it as the ratings do"
                )
            found[raw_id] = texts[candidates[0]]
    return found


def _bare(raw_id: str) -> str:
    return raw_id.lstrip("0")

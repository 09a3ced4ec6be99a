"""Files of features of items or users, such as genres or age, as features of a vocabulary's rows.

A feature is something that several rows share, with a name such as "genres=Comedy", and its own
row in the model. A column of the file becomes

    texts         one feature per distinct text
    lists         texts with "|" between entries, such as genres: one feature per distinct entry
    flags         0 and 1: one feature, which rows with 1 have
    numbers       with more than 32 distinct values: one standardized feature; fewer are texts

RecBole's types in a header, such as "year:token" or "tags:token_seq", overrule what a column looks
like. A value that only one row has is no feature, as it says no more than the row's id; a column
that consists mostly of such values, such as titles, is left out, and a note says so.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mfrec.data import encodings, tables
from mfrec.data.readers import note_on
from mfrec.data.tables import Table, short
from mfrec.data.usual_names import best_matches, plain_name
from mfrec.data.vocabulary import UNKNOWN, Vocabulary
from mfrec.errors import InputError

_NONE = -1
_MISSING = {"", "nan", "na", "?"}
_MOST_CATEGORIES = 32


@dataclass(frozen=True, eq=False)
class Features:
    """The features of every row of a vocabulary, and their values.

    Attributes:
        names: of the features, such as "genres=Comedy"; their positions are the feature ids.
        ids: int32 [rows, width], feature ids; rows with fewer features end in padding.
        values: float32 [rows, width], the value of each; 0 for padding.
    """

    names: tuple[str, ...]
    ids: np.ndarray
    values: np.ndarray

    def counts(self, row_counts: np.ndarray) -> np.ndarray:
        """Return the number of examples with each feature, float64 [features].

        Args:
            row_counts: number of examples of each row, [rows].
        """
        weights = np.where(self.values != 0, row_counts[:, np.newaxis], 0).ravel()
        return np.bincount(self.ids.ravel(), weights, minlength=len(self.names))


@dataclass(frozen=True, eq=False)
class Column:
    """A column of a file of features.

    Attributes:
        names: of its features.
        ids: int32 [rows, width], the features of every row of the file; −1 for none.
        numbers: float64 [rows], NaN for none, the values of a column of numbers; else None.
    """

    names: tuple[str, ...]
    ids: np.ndarray
    numbers: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class FeatureFile:
    """The features that a file has for users or items.

    Attributes:
        path: of the file.
        role: "user" or "item".
        rows: the users or items of its lines.
        columns: its features.
        notes: what was left out and why, one line each, for people.
    """

    path: str
    role: str
    rows: Vocabulary
    columns: tuple[Column, ...]
    notes: tuple[str, ...]

    def encode(
        self, vocabulary: Vocabulary, counts: np.ndarray, earlier: Sequence[str] = ()
    ) -> Features:
        """Return the features of a vocabulary's rows, without those that no training row has.

        Each entry of a list of n has the value 1/√n, so that long lists spread no wider than
        short ones. Numbers are standardized by mean and standard deviation over the training rows.

        Args:
            vocabulary: the rows; those that are not in the file have no features.
            counts: number of training ratings of each row, int [rows].
            earlier: names of features that keep the first feature ids, whether or not training
                rows have them.

        Raises:
            InputError: no row of training has a feature.
        """
        lines, is_trained = self.rows.lookup(vocabulary.raw_ids), counts > 0
        is_in_file = (lines != UNKNOWN)[:, np.newaxis]
        new_ids = {name: feature for feature, name in enumerate(earlier)}
        all_ids, all_values = [], []
        for column in self.columns:
            ids = np.where(is_in_file, column.ids[lines], _NONE)
            trained = ids[is_trained]
            is_seen = np.bincount(trained[trained != _NONE], minlength=len(column.names)) > 0
            # The last entry is read for _NONE, which is -1.
            translation = np.full(len(column.names) + 1, _NONE, np.int32)
            for feature, name in enumerate(column.names):
                if is_seen[feature] or name in new_ids:
                    translation[feature] = new_ids.setdefault(name, len(new_ids))
            ids = translation[ids]
            values = np.maximum((ids != _NONE).sum(axis=1, keepdims=True), 1) ** -0.5
            if column.numbers is not None:
                values = _standardized(column.numbers[lines], is_trained & (ids[:, 0] != _NONE))
            all_ids.append(ids)
            all_values.append(np.where(ids != _NONE, values, 0))
        if not new_ids:
            one, other = short(vocabulary.raw_ids[0]), short(self.rows.raw_ids[0])
            raise InputError(
                f"{self.path}: no {self.role} of training has a feature in it; the first of "
                f"training is {one}, the first of the file {other}"
            )
        ids, values = np.concatenate(all_ids, axis=1), np.concatenate(all_values, axis=1)
        return _packed(tuple(new_ids), ids, values)

    def notes_on(self, vocabulary: Vocabulary, counts: np.ndarray, features: Features) -> list[str]:
        """Return what became of the file, one line each, for people.

        Args:
            vocabulary: as for `encode`.
            counts: as for `encode`.
            features: what `encode` returned.
        """
        is_missing = self.rows.lookup(vocabulary.raw_ids) == UNKNOWN
        missing = int((is_missing & (counts > 0)).sum())
        lines = [f"{self.role} features: {len(features.names):,} from {self.path}", *self.notes]
        if missing:
            lines.append(f"{missing:,} {self.role}s of training are not in it: no features")
        return lines


def read_features(
    path: str,
    role: str,
    vocabularies: Sequence[Vocabulary],
    delimiter: str | None = None,
    encoding: str = encodings.AUTO,
) -> FeatureFile:
    """Read a file of one user or item per line: raw id and features.

    The first line is a header, unless it begins with an id of the ratings or a number. The column
    of the ids is found by its usual names, or else is the first.

    Args:
        path: text in UTF-8, or else in `encoding`; or any other table, see `tables.read_lines`.
        role: "user" or "item".
        vocabularies: the users or items of the ratings.
        delimiter: between fields; guessed by default.
        encoding: of a file that is not UTF-8; "auto" is Latin-1, as MovieLens uses it, where raw
            ids have to be ASCII.

    Raises:
        InputError: the file is missing or empty, a line cannot be read or repeats an id, no
            column is a feature, or no id occurs in the ratings.
    """
    table = tables.read(path, delimiter, encoding, fallback="latin-1")
    if table.num_fields < 2:
        table.refuse(0, f"1 field, 2 expected ({role} id, feature); check the delimiter")
    names = [f"column {number}" for number in range(table.num_fields)]
    id_column, first = 0, table.text(0, 0)
    has_header = table.names is not None or (
        not first.isdecimal() and all(known.lookup([first]) == UNKNOWN for known in vocabularies)
    )
    if has_header:
        names = table.row(0) if table.names is None else list(table.names)
        ids = [n for n, name in enumerate(names) if plain_name(name) == "id"]
        id_column = (*best_matches(role, dict(enumerate(names))), *ids, 0)[0]
        if table.names is None:
            table = table.take(slice(1, None))
        if not len(table):
            raise InputError(f"{path}: holds a header alone; give it one line per {role}")
    rows = _read_ids(table, id_column, role, encoding)
    if all((known.lookup(rows.raw_ids) == UNKNOWN).all() for known in vocabularies):
        one = next((known.raw_ids[0] for known in vocabularies if len(known)), "")
        raise InputError(
            f"{path}: none of its {role} ids is one of the ratings; check its columns and which "
            f"file it is (it has {short(rows.raw_ids[0])}, the ratings {short(one)})"
        )
    columns, notes = [], []
    for number, name in enumerate(names):
        if number == id_column:
            continue
        column, reason = _column(table, number, name)
        if column is None:
            notes.append(f"{name.partition(':')[0]!r} of {path} is no feature: {reason}")
        else:
            columns.append(column)
    if not columns:
        raise InputError(f"{path}: no column is a feature of several {role}s; {notes[0]}")
    assumed = (note_on(path, note) for note in table.notes)
    return FeatureFile(path, role, rows, tuple(columns), (*notes, *assumed))


def _read_ids(table: Table, id_column: int, role: str, encoding: str) -> Vocabulary:
    """The ids in the order of their lines; refuses a repeated one."""
    codes, raw_ids = table.texts(id_column)
    repeated = np.flatnonzero(codes != np.arange(len(codes)))
    if len(repeated):
        row = repeated[0]
        earlier = table.lines[np.flatnonzero(codes == codes[row])[0]]
        name = short(raw_ids[codes[row]])
        table.refuse(row, f"{role} {name} has line {earlier} already; drop one of them")
    for row, raw_id in enumerate(raw_ids):
        if not raw_id:
            table.refuse(row, f"no {role} id; fill it in or drop the line")
        if table.encoding != "utf-8" and encoding == encodings.AUTO and not raw_id.isascii():
            table.refuse(
                row,
                f"the {role} id {short(raw_id)} is not UTF-8; name the encoding, such as "
                "--encoding=latin-1",
            )
    return Vocabulary(tuple(raw_ids))


def _column(table: Table, number: int, name: str) -> tuple[Column | None, str]:
    """A column's features; or None, and the reason why it has none."""
    name, _, kind = name.partition(":")
    codes, texts = table.texts(number)
    texts = ["" if text.strip().lower() in _MISSING else text for text in texts]
    numbers = _parse_numbers(texts)
    distinct = set() if numbers is None else {value for value in numbers if value == value}
    is_many = len(distinct) > _MOST_CATEGORIES
    if numbers is not None and (kind.startswith("float") or (not kind and is_many)):
        if len(distinct) < 2:
            return None, "the same everywhere"
        ids = np.where(np.isnan(numbers), np.int32(_NONE), np.int32(0))[codes]
        return Column((name,), ids[:, np.newaxis], np.array(numbers)[codes]), ""
    if not kind and distinct <= {0.0, 1.0} and numbers is not None:
        entries = [[name] if value == 1 else [] for value in numbers]
    else:
        between = " " if kind.endswith("_seq") else "|"
        if kind == "token":
            split = ([text] for text in texts)
        else:
            split = (text.split(between) for text in texts)
        entries = [
            [f"{name}={entry.strip()}" for entry in dict.fromkeys(parts) if entry.strip()]
            for parts in split
        ]
    ids, names = _factorize_lists(entries)
    ids = ids[codes]
    counts = np.bincount(ids[ids != _NONE], minlength=len(names))
    is_shared = counts > 1
    if not counts.any():
        return None, "empty everywhere"
    if counts[is_shared].sum() < counts.sum() / 2:
        return None, "most rows have values of their own"
    new_ids = np.full(len(names) + 1, _NONE, np.int32)
    new_ids[np.flatnonzero(is_shared)] = np.arange(is_shared.sum())
    shared = tuple(name for name, keep in zip(names, is_shared, strict=True) if keep)
    return Column(shared, new_ids[ids]), ""


def _parse_numbers(texts: list[str]) -> list[float] | None:
    """Texts as numbers, NaN for empty ones; None if one is not a finite number."""
    try:
        numbers = [float(text or "nan") for text in texts]
    except ValueError:
        return None
    return None if np.isinf(numbers).any() else numbers


def _factorize_lists(entries: list[list[str]]) -> tuple[np.ndarray, list[str]]:
    """Lists of names as int32 [lists, width] of ids, padded with −1, and the names by id."""
    ids: dict[str, int] = {}
    table = np.full((len(entries), max(map(len, entries)) or 1), _NONE, np.int32)
    for row, names in enumerate(entries):
        table[row, : len(names)] = [ids.setdefault(name, len(ids)) for name in names]
    return table, list(ids)


def _standardized(numbers: np.ndarray, is_known: np.ndarray) -> np.ndarray:
    """(x − mean) / standard deviation of the known numbers, [rows, 1]; 0 if these are equal."""
    known = numbers[is_known]
    deviation = known.std() if len(known) else 0.0
    scaled = (numbers - known.mean()) / deviation if deviation > 0 else np.zeros_like(numbers)
    return scaled[:, np.newaxis]


def _packed(names: tuple[str, ...], ids: np.ndarray, values: np.ndarray) -> Features:
    """The features of every row moved to its front, and no wider than the longest row."""
    order = np.argsort(ids == _NONE, axis=1, kind="stable")
    width = max(int((ids != _NONE).sum(axis=1).max()), 1)
    ids = np.take_along_axis(ids, order, axis=1)[:, :width]
    values = np.take_along_axis(values, order, axis=1)[:, :width]
    return Features(names, np.maximum(ids, 0), values.astype(np.float32))

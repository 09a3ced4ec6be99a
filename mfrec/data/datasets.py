"""Named data sets: find them in the data folder or get them there, verify them, read them.

A set that lies in the data folder is used as it is. One that does not is fetched from its
publisher; MovieLens 100K can also be rebuilt, byte for byte, from the copy that the `recbole`
package carries. `toy` and `planted-100k` need no file at all.
"""

import functools
import hashlib
import math
import os
import sys
import tempfile
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from mfrec.data import cache, downloads, tables
from mfrec.data.candidates import read_candidates
from mfrec.data.downloads import Remote
from mfrec.data.interactions import Interactions, Vocabulary, concatenate
from mfrec.data.items import ItemDescriptions, describe, read_items
from mfrec.errors import InputError, did_you_mean
from mfrec.progress import waiting

# The split that a set was published with, where it came as parts.
PUBLISHED = "published"

_RECBOLE = "recbole==1.2.1"
_RECBOLE_FOLDER = "recbole/dataset_example/ml-100k"
_U_DATA_MD5 = "6e47046882bad158b0efbb84cd5cb987"
_GENRES = (
    *("unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime"),
    *("Documentary", "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery"),
    *("Romance", "Sci-Fi", "Thriller", "War", "Western"),
)


@dataclass(frozen=True)
class Dataset:
    """A named data set.

    Attributes:
        name: what `--dataset` takes.
        read: makes Interactions of the set's folder; generated sets pass over the folder.
        folder: below the data folder; "" for sets that need no file.
        files: that are read, by their names in the folder, and the publisher's terms. The
            first are the ratings: where they are, the set is there.
        remotes: what to fetch: one zip archive that holds `folder`, or the files themselves.
        page: where a person finds the files of a set that cannot be fetched, because nothing
            is known by which to tell the right ones.
        rebuild: another source, tried when the publisher fails: makes the folder's files in
            an empty folder.
        splits: its predefined splits by name: the set's folder and what `read` made of it into
            the training and test part.
        candidates: makes of the set's folder the items that are ranked beside each user's test
            items in the split it was published with.
    """

    name: str
    read: Callable[[Path], Interactions]
    folder: str = ""
    files: tuple[str, ...] = ()
    remotes: tuple[Remote, ...] = ()
    page: str = ""
    rebuild: Callable[[Path], None] | None = None
    splits: Mapping[str, Callable[[Path, Interactions], tuple[Interactions, Interactions]]] = field(
        default_factory=dict
    )
    candidates: Callable[[Path], Interactions] | None = None

    @property
    def source(self) -> str:
        """Where it is to be had, for people."""
        return " and ".join(remote.url for remote in self.remotes) or self.page


def default_data_dir() -> Path:
    """Returns the data folder: $MFREC_DATA_DIR, or else ~/.cache/mfrec."""
    return Path(os.environ.get("MFREC_DATA_DIR") or Path.home() / ".cache" / "mfrec")


def load(name: str, data_dir: str | Path, download: bool = True) -> Interactions:
    """Reads a named data set, fetching it first where it is not in the data folder.

    Args:
        name: one of `NAMES`.
        data_dir: the data folder; made where it is missing.
        download: False raises instead of fetching.

    Returns:
        Interactions in the order of the set's file, repeats included, with titles as the
        items' labels and with genres where the set has them. `planted-100k` knows its expected
        ratings.

    Raises:
        InputError: no such set, or it cannot be had or read.
    """
    dataset = _dataset(name)
    if not is_on_disk(name, data_dir):
        if not download:
            raise InputError(_unavailable(dataset, Path(data_dir), "it is not on disk"))
        fetch(dataset, data_dir)
    with waiting(f"reading {name}"):
        return dataset.read(Path(data_dir) / dataset.folder)


def is_on_disk(name: str, data_dir: str | Path) -> bool:
    """Tells whether a set can be read without fetching it; raises InputError for no set."""
    return _is_there(_dataset(name), Path(data_dir))


def choose_default(data_dir: str | Path) -> tuple[str, str]:
    """Returns the data set for who names none, and why it was chosen.

    That is movielens-100k where it is on disk or can be fetched now, else planted-100k.
    """
    dataset = DATASETS["movielens-100k"]
    folder = Path(data_dir) / dataset.folder
    if _is_there(dataset, Path(data_dir)):
        return dataset.name, f"found in {folder}"
    try:
        fetch(dataset, data_dir)
    except InputError as error:
        return "planted-100k", str(error)
    return dataset.name, f"downloaded to {folder}"


def predefined_splits(name: str) -> tuple[str, ...]:
    """Returns the names of a set's own splits; raises InputError for no set."""
    return tuple(_dataset(name).splits)


def load_candidates(name: str, data_dir: str | Path) -> Interactions | None:
    """Returns the fixed negatives that a set brings for the split it was published with.

    Args:
        name: one of `NAMES`.
        data_dir: the data folder, where the set is.

    Returns:
        Rows (user, item) with rating 0, in vocabularies of their own; None for other sets.

    Raises:
        InputError: no such set, or the file cannot be read.
    """
    dataset = _dataset(name)
    if dataset.candidates is None:
        return None
    return dataset.candidates(Path(data_dir) / dataset.folder)


def predefined_split(
    name: str, interactions: Interactions, split: str, data_dir: str | Path
) -> tuple[Interactions, Interactions]:
    """Returns the training and test part of a split that the data set itself defines.

    Args:
        name: one of `NAMES`.
        interactions: what `load` returned for that name; both parts share its vocabularies.
        split: for movielens-100k "u1" to "u5", five folds, or "ua" and "ub", which hold out
            ten ratings of every user; "published" for sets that came as parts.
        data_dir: the data folder.

    Raises:
        InputError: the set has no such split, or the split's files are missing.
    """
    dataset = _dataset(name)
    if split not in dataset.splits:
        known = ", ".join(dataset.splits) or "none; use a random split or folds"
        raise InputError(f"{name} has no predefined split {split!r}; it has: {known}")
    return dataset.splits[split](Path(data_dir) / dataset.folder, interactions)


def fetch(dataset: Dataset, data_dir: str | Path) -> None:
    """Puts a data set into the data folder, whole or not at all.

    Args:
        dataset: what to fetch, such as an entry of `DATASETS`.
        data_dir: the data folder; made where it is missing.

    Raises:
        InputError: every source failed; names each with its reason and says what to do.
    """
    data_dir = Path(data_dir)
    folder = data_dir / dataset.folder
    if folder.exists():
        raise InputError(f"{folder}: holds no {dataset.files[0]}; complete or remove it")
    if not dataset.remotes:
        raise InputError(_unavailable(dataset, data_dir, "it is not fetched"))
    sources = [(dataset.source, _fetch)]
    if dataset.rebuild is not None:
        sources += [(f"the Python package {_RECBOLE}", _rebuild)]
    reasons = []
    for source, get in sources:
        print(f"{dataset.name}: fetching it from {source}", file=sys.stderr)
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=data_dir, prefix=".fetching-") as temporary:
                _move_into_place(get(dataset, Path(temporary)), dataset, data_dir)
        except downloads.FAILURES as error:
            reasons.append(f"{source}: {_one_line(error)}")
            print(f"{dataset.name}: {reasons[-1]}", file=sys.stderr)
        else:
            return
    raise InputError(_unavailable(dataset, data_dir, "; ".join(reasons)))


def u_item_from_recbole(items: str) -> str:
    """Returns u.item as MovieLens 100K lays it out, from recbole's ml-100k.item.

    recbole keeps titles, years and genres; the dates and addresses that it lacks stay empty.
    """
    lines = []
    for line in items.splitlines()[1:]:
        raw_id, title, year, genres = line.split("\t")
        # Movie 267 has neither title nor year; recbole misspells that.
        title = "unknown" if title == "unkonwn" else title
        label = f"{title} ({year})" if year.isdigit() else title
        flags = (str(int(genre in genres.split(" "))) for genre in _GENRES)
        lines.append("|".join([raw_id, label, "", "", "", *flags]) + "\n")
    return "".join(lines)


def _dataset(name: str) -> Dataset:
    if name not in DATASETS:
        raise InputError(f"no data set {name!r}{did_you_mean(name, NAMES)}")
    return DATASETS[name]


def _is_there(dataset: Dataset, data_dir: Path) -> bool:
    return not dataset.folder or (data_dir / dataset.folder / dataset.files[0]).is_file()


def _unavailable(dataset: Dataset, data_dir: Path, reason: str) -> str:
    folder = data_dir / dataset.folder
    what, target = dataset.source, f"unpack it to {folder}"
    if not dataset.source.endswith(".zip"):
        target = f"put them in {folder}"
    if not dataset.remotes:
        what = f"{' and '.join(dataset.files)} from {dataset.page}"
    return (
        f"{dataset.name} cannot be had ({reason}); download {what} by hand and {target}, or use "
        "--dataset=planted-100k"
    )


def _one_line(error: BaseException) -> str:
    reason = getattr(error, "reason", None) or error
    return " ".join(str(reason).split()) or type(error).__name__


def _move_into_place(folder: Path, dataset: Dataset, data_dir: Path) -> None:
    if not (folder / dataset.files[0]).is_file():
        raise InputError(f"it holds no {dataset.folder}/{dataset.files[0]}")
    try:
        os.rename(folder, data_dir / dataset.folder)
    except OSError:
        # Another process may have been faster; what it put there is as good.
        if not _is_there(dataset, data_dir):
            raise


def _fetch(dataset: Dataset, temporary: Path) -> Path:
    folder = temporary / "files" / dataset.folder
    for remote in dataset.remotes:
        file = temporary / remote.url.rpartition("/")[2]
        downloads.download(dataset.name, remote, file)
        if file.suffix == ".zip":
            names = {f"{dataset.folder}/{name}" for name in dataset.files}
            downloads.unpack(file, folder.parent, names)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            file.rename(folder / file.name)
    return folder


def _rebuild(dataset: Dataset, temporary: Path) -> Path:
    folder = temporary / dataset.folder
    folder.mkdir()
    dataset.rebuild(folder)
    return folder


def _rebuild_movielens_100k(folder: Path) -> None:
    """Writes u.data and u.item, from the copy of MovieLens 100K inside recbole's wheel."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        wheel = downloads.download_wheel(_RECBOLE, Path(temporary))
        with zipfile.ZipFile(wheel) as members:
            ratings = members.read(f"{_RECBOLE_FOLDER}/ml-100k.inter")
            items = members.read(f"{_RECBOLE_FOLDER}/ml-100k.item").decode()
    u_data = ratings.partition(b"\n")[2]
    md5 = hashlib.md5(u_data, usedforsecurity=False).hexdigest()
    if md5 != _U_DATA_MD5:
        raise InputError(f"the md5 of u.data is {md5}, not {_U_DATA_MD5}")
    (folder / "u.data").write_bytes(u_data)
    (folder / "u.item").write_bytes(u_item_from_recbole(items).encode("latin-1"))


def _cut_movielens_100k(
    fold: int, folder: Path, interactions: Interactions
) -> tuple[Interactions, Interactions]:
    """Cuts u1 to u5 as GroupLens did, from u.data itself: 20,000 rows after another."""
    if len(interactions) != 100_000:
        raise InputError(
            f"{folder / 'u.data'}: {len(interactions)} rows, 100000 expected for u{fold}; restore "
            "the published file"
        )
    is_test = np.arange(len(interactions)) // 20_000 == fold - 1
    return interactions.take(~is_test), interactions.take(is_test)


def _read_movielens_100k_parts(
    split: str, folder: Path, interactions: Interactions
) -> tuple[Interactions, Interactions]:
    for path in (folder / f"{split}.base", folder / f"{split}.test"):
        if not path.is_file():
            raise InputError(
                f"{path}: no such file (a copy rebuilt from recbole has no ua and ub); take one "
                "of u1 to u5, or unpack the publisher's archive there"
            )
    files = (f"{split}.base", f"{split}.test")
    return _read_parts(files, {"delimiter": "\t", "header": False}, folder, interactions)


def _read_parts(
    files: tuple[str, str], options: dict[str, Any], folder: Path, interactions: Interactions
) -> tuple[Interactions, Interactions]:
    """Reads the training and test part from files of their own."""
    train, test = (
        _read_ratings(folder / file, **options).encode(interactions.users, interactions.items)
        for file in files
    )
    return train, test


def _read_both_parts(files: tuple[str, str], options: dict[str, Any], folder: Path) -> Interactions:
    return concatenate(*(_read_ratings(folder / file, **options) for file in files))


def _published_as_parts(
    name: str, folder: str, files: tuple[str, ...], options: dict[str, Any], **others: Any
) -> Dataset:
    """A set whose first files are a training and a test part: both in one, and as they are."""
    return Dataset(
        name,
        functools.partial(_read_both_parts, files[:2], options),
        folder=folder,
        files=files,
        splits={PUBLISHED: functools.partial(_read_parts, files[:2], options)},
        **others,
    )


def _read_ncf_candidates(folder: Path) -> Interactions:
    return read_candidates(folder / "ml-1m.test.negative")[1]


def _read_movielens_100k(folder: Path) -> Interactions:
    ratings = _read_ratings(folder / "u.data", delimiter="\t", header=False)
    path = folder / "u.item"
    if not path.is_file():
        return ratings
    table = tables.read(path, "|", latin1=True)
    if table.num_fields != 5 + len(_GENRES):
        table.refuse(0, f"{table.num_fields} fields, {5 + len(_GENRES)} expected; restore the file")
    labels, genres = {}, {}
    for raw_id, label, _, _, _, *flags in map(table.row, range(len(table))):
        labels[raw_id] = label
        in_genre = zip(_GENRES, flags, strict=True)
        genres[raw_id] = "|".join(genre for genre, flag in in_genre if flag == "1")
    return _described(ratings, ItemDescriptions(labels, genres))


def _read_double_colons(folder: Path) -> Interactions:
    ratings = _read_ratings(folder / "ratings.dat", delimiter="::", header=False)
    return _described(ratings, _items_if_there(folder / "movies.dat", "::"))


def _read_csv(folder: Path) -> Interactions:
    ratings = _read_ratings(folder / "ratings.csv", delimiter=",", header=True)
    return _described(ratings, _items_if_there(folder / "movies.csv", ","))


def _read_ratings(path: Path, **options: Any) -> Interactions:
    # The set's folder lies in the data folder, where the cache is.
    return cache.read_ratings(path, path.parent.parent, **options)


def _items_if_there(path: Path, delimiter: str) -> ItemDescriptions:
    return read_items(path, delimiter) if path.is_file() else ItemDescriptions({}, {})


def _described(interactions: Interactions, items: ItemDescriptions) -> Interactions:
    return replace(interactions, items=describe(interactions.items, items))


def _make_toy(_: Path) -> Interactions:
    return Interactions.from_matrix(
        [[5, 4, 3], [2, 3, 5], [4, 5, 2]],
        users=["user1", "user2", "user3"],
        items=["item1", "item2", "item3"],
    )


def _make_planted(_: Path) -> Interactions:
    """Draws 100,000 ratings from a known factorization of rank 8.

    The score of a pair is s = 3.5 + b_u + b_i + <p_u, q_i>, with biases of standard deviation
    0.4 and inner products of 0.5; its rating is s + N(0, 0.8), rounded and clipped to 1..5.
    No model can know more than the mean rating given s, which is
    1 + sum over k = 1..4 of P(rating > k) = 1 + sum of 1 - Phi((k + 0.5 - s) / 0.8).

    Only sums, products, quotients and square roots touch what decides which pairs and ratings
    come out, so that every platform draws the same.
    """
    num_users, num_items, num_ratings, rank, noise = 1_000, 1_700, 100_000, 8, 0.8
    random = np.random.default_rng(20_240_601)

    # Activity falls as 1 / rank above a floor of 20; the most active users take the remainder.
    activity = 1 / np.arange(40.0, 40.0 + num_users)
    spare = num_ratings - 20 * num_users
    num_rated = 20 + np.floor(spare * activity / activity.sum()).astype(np.int64)
    num_rated[: num_ratings - num_rated.sum()] += 1
    num_rated = random.permutation(num_rated)
    # Popularity falls as rank ** -1.5. The smallest of exponential waiting times are a draw
    # without replacement.
    popularity = 1 / np.arange(60.0, 60.0 + num_items)
    popularity = random.permutation(popularity * np.sqrt(popularity))
    waits = random.standard_exponential((num_users, num_items)) / popularity
    in_order = np.argsort(waits, axis=1, kind="stable")
    user_ids, places = np.nonzero(np.arange(num_items) < num_rated[:, None])
    item_ids = in_order[user_ids, places]
    order = random.permutation(num_ratings)
    user_ids, item_ids = user_ids[order], item_ids[order]

    user_bias = 0.4 * random.standard_normal(num_users)
    item_bias = 0.4 * random.standard_normal(num_items)
    # The product of two entries of variance v has variance v ** 2; `rank` of them make 0.25.
    spread = math.sqrt(math.sqrt(0.25 / rank))
    user_embedding = spread * random.standard_normal((num_users, rank))
    item_embedding = spread * random.standard_normal((num_items, rank))
    scores = 3.5 + user_bias[user_ids] + item_bias[item_ids]
    for dim in range(rank):
        # Not a matrix product: the order of its sums differs between machines.
        scores += user_embedding[user_ids, dim] * item_embedding[item_ids, dim]
    ratings = np.clip(np.round(scores + noise * random.standard_normal(num_ratings)), 1, 5)

    expected = np.ones(num_ratings)
    for k in range(1, 5):
        # 1 - Phi(x) = erfc(x / sqrt(2)) / 2
        x = (k + 0.5 - scores) / (noise * math.sqrt(2))
        expected += np.fromiter(map(math.erfc, x.tolist()), np.float64) / 2
    return Interactions(
        user_ids.astype(np.int32),
        item_ids.astype(np.int32),
        ratings.astype(np.float32),
        1_000_000_000 + 60 * np.arange(num_ratings, dtype=np.int64),
        Vocabulary(tuple(f"user{user + 1}" for user in range(num_users))),
        Vocabulary(tuple(f"item{item + 1}" for item in range(num_items))),
        expected.astype(np.float32),
    )


def _grouplens(archive: str, size: int, sha256: str) -> tuple[Remote, ...]:
    return (Remote(f"https://files.grouplens.org/datasets/movielens/{archive}", size, sha256),)


def _movietweetings(file: str, size: int, sha256: str) -> Remote:
    # The commit that made the snapshot.
    commit = "4d8280a3f1ea83e3e23f13d1710d19f43564274f"
    repository = f"https://raw.githubusercontent.com/sidooms/MovieTweetings/{commit}"
    return Remote(f"{repository}/snapshots/100K/{file}", size, sha256)


_CSV_FILES = ("ratings.csv", "movies.csv", "README.txt")

DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            "movielens-100k",
            _read_movielens_100k,
            folder="ml-100k",
            files=("u.data", "u.item", "ua.base", "ua.test", "ub.base", "ub.test", "README"),
            remotes=_grouplens(
                "ml-100k.zip",
                4_924_029,
                "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
            ),
            rebuild=_rebuild_movielens_100k,
            splits={
                **{f"u{n}": functools.partial(_cut_movielens_100k, n) for n in range(1, 6)},
                **{ab: functools.partial(_read_movielens_100k_parts, ab) for ab in ("ua", "ub")},
            },
        ),
        Dataset(
            "movielens-1m",
            _read_double_colons,
            folder="ml-1m",
            files=("ratings.dat", "movies.dat", "README"),
            remotes=_grouplens(
                "ml-1m.zip",
                5_917_549,
                "a6898adb50b9ca05aa231689da44c217cb524e7ebd39d264c56e2832f2c54e20",
            ),
        ),
        Dataset(
            "movielens-10m",
            _read_double_colons,
            folder="ml-10M100K",
            files=("ratings.dat", "movies.dat", "README.html"),
            remotes=_grouplens(
                "ml-10m.zip",
                65_566_137,
                "813c411ccb6122564edfe752e7f80c4dcc5aa25fa94c93622f6877a7ba252862",
            ),
        ),
        Dataset(
            "movielens-20m",
            _read_csv,
            folder="ml-20m",
            files=_CSV_FILES,
            remotes=_grouplens(
                "ml-20m.zip",
                198_702_078,
                "96f243c338a8665f6bcc89c53edf6ee39162a846940de6b7c8c48aeada765ff3",
            ),
        ),
        Dataset(
            "movielens-25m",
            _read_csv,
            folder="ml-25m",
            files=_CSV_FILES,
            remotes=_grouplens(
                "ml-25m.zip",
                261_978_986,
                "8b21cfb7eb1706b4ec0aac894368d90acf26ebdfb6aced3ebd4ad5bd1eb9c6aa",
            ),
        ),
        Dataset(
            "movielens-32m",
            _read_csv,
            folder="ml-32m",
            files=_CSV_FILES,
            remotes=_grouplens(
                "ml-32m.zip",
                238_950_008,
                "e4a68655d7386b8f95f2f2424b2ff975dfdd15ffd59e0d864a14dca43e99d6ee",
            ),
        ),
        Dataset(
            "movielens-latest-small",
            _read_csv,
            folder="ml-latest-small",
            files=_CSV_FILES,
            # The edition of September 2018; GroupLens may put another one there.
            remotes=_grouplens(
                "ml-latest-small.zip",
                978_202,
                "696d65a3dfceac7c45750ad32df2c259311949efec81f0f144fdfb91ebc9e436",
            ),
        ),
        Dataset(
            "movietweetings-100k",
            _read_double_colons,
            folder="movietweetings-100k",
            files=("ratings.dat", "movies.dat"),
            remotes=(
                _movietweetings(
                    "ratings.dat",
                    2_945_101,
                    "c0dd868c2632d10002ebc928ddc5345f33adeaa59eca52c2941c26a2c5e36fd6",
                ),
                _movietweetings(
                    "movies.dat",
                    542_192,
                    "e63fb84bc734e3c574f135634a40d3cbafab22b8f94f5fc0b80f80d1d2076efc",
                ),
            ),
        ),
        # Copies of the training files go round that differ byte by byte: nothing to check by.
        _published_as_parts(
            "gowalla",
            "gowalla",
            ("train.txt", "test.txt"),
            {"ratings_format": "adjacency"},
            page="https://github.com/kuandeng/LightGCN/tree/master/Data/gowalla",
        ),
        _published_as_parts(
            "ncf-movielens-1m",
            "ncf-ml-1m",
            ("ml-1m.train.rating", "ml-1m.test.rating", "ml-1m.test.negative"),
            {"delimiter": "\t", "header": False},
            page="https://github.com/hexiangnan/neural_collaborative_filtering/tree/master/Data",
            candidates=_read_ncf_candidates,
        ),
        Dataset("planted-100k", _make_planted),
        Dataset("toy", _make_toy),
    )
}
NAMES = tuple(DATASETS)

"""Named data sets: fetch them into the data folder, verify them, read them.

A set in the data folder is used as it is. Others are fetched from their publishers; MovieLens 100K
can also be rebuilt, see `recbole_copy`. `toy` and `planted-100k` need no files.
"""

import functools
import os
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mfrec.data import downloads, movielens, recbole_copy
from mfrec.data.candidates import read_candidates
from mfrec.data.downloads import Remote
from mfrec.data.interactions import Interactions
from mfrec.data.planted import planted_100k
from mfrec.data.published_parts import read_both_parts, read_parts
from mfrec.errors import InputError, did_you_mean
from mfrec.progress import say, waiting

# The split that a set was published with, if it came as parts.
PUBLISHED = "published"


@dataclass(frozen=True)
class Dataset:
    """A named data set.

    Attributes:
        name: what `--dataset` takes.
        read: reads Interactions from the set's folder; generated sets ignore it.
        folder: in the data folder; "" for sets without files.
        files: names of the files that are read, and of the publisher's terms. The first holds
            the ratings: a folder with it holds the set.
        remotes: what to fetch: one zip archive that holds `folder`, or the files themselves.
        page: where a person finds the files of a set that is not fetched, as no checksum is
            known that would verify them.
        rebuild: another source, tried if the publisher fails: writes the set's files into an
            empty folder.
        splits: its predefined splits by name: (folder, what `read` returned) -> training and
            test part.
        candidates: reads from the set's folder the items that are ranked beside each user's
            test items in the published split.
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
        """Where it can be found, for people."""
        return " and ".join(remote.url for remote in self.remotes) or self.page


def default_data_dir() -> Path:
    """Return the data folder: $MFREC_DATA_DIR, or else ~/.cache/mfrec.

    Raises:
        InputError: there is no home folder.
    """
    try:
        return Path(os.environ.get("MFREC_DATA_DIR") or Path.home() / ".cache" / "mfrec")
    except RuntimeError:
        raise InputError("no home folder to keep data in; give --data_dir=FOLDER") from None


def load(name: str, data_dir: str | Path, download: bool = True) -> Interactions:
    """Read a named data set, fetching it first if it is not in the data folder.

    Args:
        name: one of `NAMES`.
        data_dir: the data folder; made if it is missing.
        download: False raises instead of fetching.

    Returns:
        Interactions in the order of the set's file, repeated pairs included, with titles as the
        items' labels and with genres if the set has them; `planted-100k` with its expected
        ratings.

    Raises:
        InputError: no such set, or it cannot be fetched or read.
    """
    dataset = _dataset(name)
    if not is_on_disk(name, data_dir):
        if not download:
            raise InputError(_unavailable(dataset, Path(data_dir), "it is not on disk"))
        fetch(dataset, data_dir)
    with waiting(f"reading {name}"):
        return dataset.read(Path(data_dir) / dataset.folder)


def is_on_disk(name: str, data_dir: str | Path) -> bool:
    """Return whether a set is in the data folder; raises InputError for an unknown set."""
    return _is_there(_dataset(name), Path(data_dir))


def choose_default(data_dir: str | Path) -> tuple[str, str]:
    """Return the default data set, and why it is that one.

    It is movielens-100k if that is on disk or can be fetched now, else planted-100k.
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
    """Return the names of a set's own splits; raises InputError for an unknown set."""
    return tuple(_dataset(name).splits)


def load_candidates(name: str, data_dir: str | Path) -> Interactions | None:
    """Return the fixed negatives of a set's published split.

    Args:
        name: one of `NAMES`.
        data_dir: the data folder, where the set is.

    Returns:
        Rows (user, item) with rating 0, in vocabularies of their own; None for sets without.

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
    """Return the training and test part of a split that the data set itself defines.

    Args:
        name: one of `NAMES`.
        interactions: what `load` returned for it; both parts share its vocabularies.
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
    """Fetch a data set into the data folder, completely or not at all.

    Args:
        dataset: what to fetch, such as an entry of `DATASETS`.
        data_dir: the data folder; made if it is missing.

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
        sources += [(f"the Python package {recbole_copy.REQUIREMENT}", _rebuild)]
    reasons = []
    for source, get in sources:
        say(f"{dataset.name}: fetching it from {source}")
        try:
            data_dir.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=data_dir, prefix=".fetching-") as temporary:
                _move_into_place(get(dataset, Path(temporary)), dataset, data_dir)
        except downloads.FAILURES as error:
            reasons.append(f"{source}: {_one_line(error)}")
            say(f"{dataset.name}: {reasons[-1]}")
        else:
            return
    raise InputError(_unavailable(dataset, data_dir, "; ".join(reasons)))


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
        f"{dataset.name} is not available ({reason}); download {what} by hand and {target}, or use "
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
        # Another process may have put the same files there first.
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
    if dataset.rebuild is not None:
        dataset.rebuild(folder)
    return folder


def _published_as_parts(
    name: str, folder: str, files: tuple[str, ...], options: dict[str, Any], **others: Any
) -> Dataset:
    """A set whose first files are a training and a test part."""
    return Dataset(
        name,
        functools.partial(read_both_parts, files[:2], options),
        folder=folder,
        files=files,
        splits={PUBLISHED: functools.partial(read_parts, files[:2], options)},
        **others,
    )


def _read_ncf_candidates(folder: Path) -> Interactions:
    return read_candidates(folder / "ml-1m.test.negative")[1]


def _make_toy(_: Path) -> Interactions:
    return Interactions.from_matrix(
        [[5, 4, 3], [2, 3, 5], [4, 5, 2]],
        users=["user1", "user2", "user3"],
        items=["item1", "item2", "item3"],
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
            movielens.read_100k,
            folder="ml-100k",
            files=("u.data", "u.item", "ua.base", "ua.test", "ub.base", "ub.test", "README"),
            remotes=_grouplens(
                "ml-100k.zip",
                4_924_029,
                "50d2a982c66986937beb9ffb3aa76efe955bf3d5c6b761f4e3a7cd717c6a3229",
            ),
            rebuild=recbole_copy.rebuild_movielens_100k,
            splits={
                **{f"u{n}": functools.partial(movielens.cut_100k, n) for n in range(1, 6)},
                **{ab: functools.partial(movielens.read_100k_parts, ab) for ab in ("ua", "ub")},
            },
        ),
        Dataset(
            "movielens-1m",
            movielens.read_dat,
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
            movielens.read_dat,
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
            movielens.read_csv,
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
            movielens.read_csv,
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
            movielens.read_csv,
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
            movielens.read_csv,
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
            movielens.read_dat,
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
        Dataset("planted-100k", lambda _: planted_100k()),
        Dataset("toy", _make_toy),
    )
}
NAMES = tuple(DATASETS)

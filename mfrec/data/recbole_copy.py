"""MovieLens 100K from the copy that the `recbole` package carries, u.data byte for byte.

Many networks reach a package index but not the publisher.
"""

import hashlib
import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

from mfrec.data.movielens import GENRES
from mfrec.errors import InputError

REQUIREMENT = "recbole==1.2.1"
_FOLDER = "recbole/dataset_example/ml-100k"
_U_DATA_MD5 = "6e47046882bad158b0efbb84cd5cb987"
_PIP_SECONDS = 300


def rebuild_movielens_100k(folder: Path) -> None:
    """Write u.data and u.item into a folder, from the copy inside recbole's wheel."""
    with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
        wheel = download_wheel(REQUIREMENT, Path(temporary))
        with zipfile.ZipFile(wheel) as members:
            ratings = members.read(f"{_FOLDER}/ml-100k.inter")
            items = members.read(f"{_FOLDER}/ml-100k.item").decode()
    u_data = ratings.partition(b"\n")[2]
    md5 = hashlib.md5(u_data, usedforsecurity=False).hexdigest()
    if md5 != _U_DATA_MD5:
        raise InputError(f"the md5 of u.data is {md5}, not {_U_DATA_MD5}")
    (folder / "u.data").write_bytes(u_data)
    (folder / "u.item").write_bytes(u_item_from_recbole(items).encode("latin-1"))


def u_item_from_recbole(items: str) -> str:
    """Return u.item in the layout of MovieLens 100K, from recbole's ml-100k.item.

    recbole keeps titles, years and genres; the dates and addresses that it lacks stay empty.
    """
    lines = []
    for line in items.splitlines()[1:]:
        raw_id, title, year, genres = line.split("\t")
        # Movie 267 has neither title nor year; recbole misspells that.
        title = "unknown" if title == "unkonwn" else title
        label = f"{title} ({year})" if year.isdigit() else title
        flags = (str(int(genre in genres.split(" "))) for genre in GENRES)
        lines.append("|".join([raw_id, label, "", "", "", *flags]) + "\n")
    return "".join(lines)


def download_wheel(requirement: str, folder: Path) -> Path:
    """Fetch a package's wheel with pip, which knows the package index of this machine.

    Raises:
        InputError: pip fails, or takes too long.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--quiet", "--no-input", "--disable-pip-version-check", "--retries=1"]
    command += ["--dest", str(folder), requirement]
    try:
        result = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PIP_SECONDS,
        )
    except subprocess.TimeoutExpired:
        raise InputError(f"pip download: no answer within {_PIP_SECONDS} seconds") from None
    wheels = list(folder.glob("*.whl"))
    if result.returncode or not wheels:
        complaints = result.stderr.strip().splitlines() or ["no wheel came"]
        raise InputError(f"pip download: {complaints[-1]}")
    return wheels[0]

"""Files and folders that appear whole or not at all, and run folders by name."""

import contextlib
import os
import shutil
from collections.abc import Collection, Iterator
from pathlib import Path

from mfrec.errors import InputError


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a path to write to; at the end what was written is moved to `path`.

    If the writing is interrupted, `path` keeps its earlier content. A device, a pipe or a link is
    written to directly.

    Raises:
        InputError: it cannot be written: no such folder, no right to it, no space left.
    """
    path = Path(path)
    is_replaceable = not path.is_symlink() and (path.is_file() or not path.exists())
    target = path.with_name(f".{path.name}.part") if is_replaceable else path
    try:
        yield target
        if is_replaceable:
            os.replace(target, path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    finally:
        if is_replaceable:
            target.unlink(missing_ok=True)


def check_new_folder(path: str | Path, overwrite: bool) -> None:
    """Refuse a folder that `new_folder` may not make.

    Raises:
        InputError: it exists and `overwrite` is False, or it is a file.
    """
    path = Path(path)
    if path.exists() and not path.is_dir():
        raise InputError(f"{path} is no folder; name another --output_dir")
    if path.is_dir() and not overwrite and any(path.iterdir()):
        raise InputError(f"{path} exists; name another --output_dir or add --overwrite")


@contextlib.contextmanager
def new_folder(path: str | Path, overwrite: bool, made_of: Collection[str]) -> Iterator[Path]:
    """Yield a folder to write to, which at the end is moved to `path`.

    Args:
        path: the folder; those above it are made.
        overwrite: whether an earlier one may be replaced.
        made_of: all names that an earlier one may contain, so that no other file is ever lost.

    Raises:
        InputError: see `check_new_folder`; or it holds something else, or cannot be written.
    """
    path = Path(path)
    check_new_folder(path, overwrite)
    others = sorted(entry.name for entry in path.glob("*") if entry.name not in made_of)
    if others:
        raise InputError(f"{path} holds {others[0]}, so --overwrite leaves it alone")
    part, aside = (path.with_name(f".{path.name}.{state}") for state in ("part", "old"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for left_behind in (part, aside):
            shutil.rmtree(left_behind, ignore_errors=True)
        part.mkdir()
        yield part
        if path.exists():
            os.replace(path, aside)
        os.replace(part, path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    finally:
        if aside.exists() and not path.exists():
            os.replace(aside, path)
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)


def is_run_dir(path: str | Path) -> bool:
    """Return whether a folder is a run folder."""
    return (Path(path) / "config.json").is_file()


def require_run_dir(path: str | Path, name: str = "") -> None:
    """Refuse a folder that is no run folder.

    Args:
        path: the folder.
        name: what the user called it, such as --run_dir=runs/x; by default its path.

    Raises:
        InputError: it is none.
    """
    if not is_run_dir(path):
        raise InputError(f"{name or path}: no run folder: no config.json")


def check_run_dir(run_dir: str | None, purpose: str) -> str:
    """Return --run_dir, checked before TensorFlow is imported.

    Args:
        run_dir: what --run_dir says.
        purpose: what the run is needed for, such as "ask".

    Raises:
        InputError: none is named, or it is no run folder.
    """
    if not run_dir:
        raise InputError(f"--run_dir=FOLDER is needed: the run to {purpose}")
    require_run_dir(run_dir, f"--run_dir={run_dir}")
    return run_dir

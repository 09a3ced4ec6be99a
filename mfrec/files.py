"""Files and folders that appear whole or not at all, and run folders by name."""

import contextlib
import fcntl
import glob
import json
import os
import secrets
import shutil
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from typing import Any

from mfrec.errors import InputError, first_line


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Yield a path to write to; at the end what was written is moved to `path`.

    If the writing is interrupted, `path` keeps its earlier content. A device, a pipe or a link is
    written to directly.

    Raises:
        InputError: it cannot be written: no such folder, no right to it, no space left.
    """
    path, part = Path(path), None
    try:
        is_replaceable = not path.is_symlink() and (path.is_file() or not path.exists())
        if is_replaceable:
            part = _beside(path, "part")
            # fails where anything is there, so that no link is ever followed
            part.touch(exist_ok=False)
        yield part or path
        if part:
            os.replace(part, path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    finally:
        if part:
            with contextlib.suppress(OSError):
                part.unlink(missing_ok=True)


def _beside(path: Path, state: str) -> Path:
    """A name next to `path` that nobody can foresee, short enough wherever `path` is."""
    return path.with_name(f".{path.name[:50]}.{secrets.token_hex(8)}.{state}")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder, which ends with the process, however it ends.

    Raises:
        OSError: another process holds it, or the file system has no locks.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _remove_abandoned(path: Path) -> None:
    """Remove folders that were to become `path` and whose process was killed."""
    for part in path.parent.glob(f".{glob.escape(path.name[:50])}.{'[0-9a-f]' * 16}.part"):
        # one that another process has just made is empty until it is locked
        if part.is_dir() and not part.is_symlink() and any(part.iterdir()):
            with contextlib.suppress(OSError), _locked(part):
                shutil.rmtree(part, ignore_errors=True)


@contextlib.contextmanager
def reserved_folder(path: str | Path) -> Iterator[Path]:
    """Yield a new folder that is nobody else's: `path`, or if there is one already `path`-2, -3 …

    If it is still empty at the end it is removed, and so is a folder above it that was made.

    Raises:
        InputError: no folder can be made there.
    """
    wanted = Path(path)
    folder, number = wanted, 1
    made = [folder for folder in (wanted.parent,) if not os.path.isdir(folder)]
    try:
        wanted.parent.mkdir(parents=True, exist_ok=True)
        while not _made(folder):
            number += 1
            folder = wanted.with_name(f"{wanted.name}-{number}")
    except OSError as error:
        raise InputError(f"{folder}: {error.strerror or error}") from None
    try:
        yield folder
    finally:
        with contextlib.suppress(OSError):
            for empty in (folder, *made):
                empty.rmdir()


def _made(folder: Path) -> bool:
    """Make a folder; return whether it was not there before."""
    try:
        folder.mkdir()
    except FileExistsError:
        return False
    return True


def check_new_folder(path: str | Path, overwrite: bool) -> None:
    """Refuse a folder that `new_folder` may not make.

    Raises:
        InputError: it exists and `overwrite` is False, or it is a file.
    """
    path = Path(path)
    if path.name in ("", ".."):
        raise InputError(f"--output_dir={path}: name a folder that is to be made")
    # not Path's own: they raise for names that are too long
    if os.path.exists(path) and not os.path.isdir(path):
        raise InputError(f"{path} is no folder; name another --output_dir")
    if os.path.isdir(path) and not overwrite and any(path.iterdir()):
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
    path = as_path(path, "the folder to write")
    check_new_folder(path, overwrite)
    others = sorted(entry.name for entry in path.glob("*") if entry.name not in made_of)
    if others:
        raise InputError(f"{path} holds {others[0]}, so --overwrite leaves it alone")
    part, aside = _beside(path, "part"), _beside(path, "old")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _remove_abandoned(path)
        part.mkdir()
        with _locked(part):
            yield part
        if os.path.exists(path):
            os.replace(path, aside)
        os.replace(part, path)
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    finally:
        if os.path.exists(aside) and not os.path.exists(path):
            os.replace(aside, path)
        shutil.rmtree(part, ignore_errors=True)
        shutil.rmtree(aside, ignore_errors=True)


def remove(entries: Iterable[Path]) -> None:
    """Remove files, links and whole folders."""
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def read_json(path: str | Path, remedy: str = "correct the file") -> dict[str, Any]:
    """Return the object of a JSON file.

    Args:
        path: of the file.
        remedy: what to do if it is not there or is none, for errors.

    Raises:
        InputError: it cannot be read, or holds something else.
    """
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError:
        how = "check the path" if remedy == "correct the file" else remedy
        raise InputError(f"{path}: no such file; {how}") from None
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}; {remedy}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not JSON ({first_line(error)}); {remedy}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: no JSON object; {remedy}")
    return content


def as_path(value: Any, what: str) -> Path:
    """Return the path of a file or folder.

    Args:
        value: text or a path.
        what: it names, for errors.

    Raises:
        InputError: it is something else, such as a data frame.
    """
    if not isinstance(value, (str, os.PathLike)):
        raise InputError(f"{what}: of type {type(value).__name__}; give a path")
    return Path(value)


def is_run_dir(path: str | Path) -> bool:
    """Return whether a folder is a run folder."""
    return os.path.isfile(os.path.join(path, "config.json"))


def require_run_dir(path: str | Path, name: str = "") -> None:
    """Refuse a folder that is no run folder.

    Args:
        path: the folder.
        name: what the user called it, such as --run_dir=runs/x; by default its path.

    Raises:
        InputError: it is none.
    """
    if not is_run_dir(path):
        raise InputError(
            f"{name or path}: no run folder: no config.json; name a folder that train.py made"
        )


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

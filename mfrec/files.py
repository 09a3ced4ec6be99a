"""Files appear whole or not at all."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from mfrec.errors import InputError


@contextlib.contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Within, a path to write to; what was written takes its place under `path` at the end.

    Whatever interrupts the writing, `path` holds all of the new content or what it held before.
    A device, a pipe or a link is written to as it is.

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

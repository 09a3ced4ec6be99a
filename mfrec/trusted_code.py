"""Whose code is run: what this user has trained with, and what is allowed by name.

A run folder may come from anywhere, and what it names is run as soon as it is loaded. So the code
that a user trains with is noted in a file of the user's own, by its SHA-256; other code of a run
folder is refused until somebody says --allow_code.
"""

import os
from pathlib import Path

from mfrec.code_files import Code
from mfrec.errors import InputError
from mfrec.progress import say

_SHOWN_DIGITS = 16
# (digest, name) of what was allowed or trained with in this process
_allowed: set[tuple[str, str]] = set()


def remember(code: Code, name: str) -> None:
    """Note that this user trains with something in these files.

    Args:
        code: the files.
        name: of the function or class in them.
    """
    _allowed.add((code.digest, name))
    if _is_noted(code, name):
        return
    path = _note()
    try:
        if path is None:
            raise OSError("there is no home folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "a", encoding="utf-8", opener=_private) as file:
            file.write(f"{code.digest} {name}\n")
    except OSError as error:
        reason = error.strerror or error
        say(f"that you trained with {name} cannot be noted ({reason}): its runs need --allow_code")


def check(code: Code | None, address: str, run: str | Path, allow_code: bool) -> None:
    """Refuse code of a run folder that this user has not trained with.

    Args:
        code: the files; None if there is no source to be looked at.
        address: what the run names in them.
        run: the run folder or its config.json; errors begin with it.
        allow_code: whether it is allowed, here and for the rest of this process.

    Raises:
        InputError: it is not; says what would be run and how to allow it.
    """
    place, _, name = address.rpartition(":")
    if code and allow_code:
        _allowed.add((code.digest, name))
    if allow_code or (code and ((code.digest, name) in _allowed or _is_noted(code, name))):
        return
    digest = f"SHA-256 {code.digest[:_SHOWN_DIGITS]}…" if code else "no source file"
    raise InputError(
        f"{run}: would run {name} of {place} ({digest}), which you have not trained with; read it, "
        "then add --allow_code (in Python allow_code=True)"
    )


def _is_noted(code: Code, name: str) -> bool:
    path = _note()
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path else []
    except OSError:
        return False
    return f"{code.digest} {name}" in lines


def _note() -> Path | None:
    """The file of what this user has trained with; None without a home folder."""
    home = os.environ.get("HOME") or os.environ.get("USERPROFILE")
    state = os.environ.get("XDG_STATE_HOME") or (home and os.path.join(home, ".local", "state"))
    return Path(state) / "mfrec" / "trusted_code" if state else None


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)

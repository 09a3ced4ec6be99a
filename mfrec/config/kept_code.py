"""The user's own code in a run folder: copied when a run trains, checked before it is run.

code/loss/my_losses.py       what --loss names, with what it imports beside it
code/metrics/, code/metrics-1/, …     likewise; --metrics names several

config.json names the copies, "code/loss/my_losses.py:focal", and holds the digest of each.
"""

import os
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from mfrec import own_code, trusted_code
from mfrec.code_files import Code
from mfrec.config.settings import Config
from mfrec.errors import InputError

# The settings that may name own code; metrics several, with commas.
SETTINGS = ("loss", "model", "negative_sampler", "split", "optimizer", "metrics")
_COPY = re.compile(r"(code/[a-z_]+(?:-\d+)?)/((?:[^/:]+/)*[^/:]+\.py):([^:]+)")


def changed(values: Mapping[str, Any], change: Callable[[str, int, str], str]) -> dict[str, Any]:
    """Return settings, by flat name, with every address of own code changed.

    Args:
        values: the settings.
        change: from the setting's name, the number of the address in it and the address to another.
    """
    found = {}
    for setting in SETTINGS:
        value = values.get(setting)
        if isinstance(value, str) and own_code.is_address(value):
            parts = [part.strip() for part in value.split(",")]
            found[setting] = ",".join(
                change(setting, number, part) if own_code.is_address(part) else part
                for number, part in enumerate(parts)
            )
    return {**values, **found}


def shown(config: Config) -> Config:
    """Return the settings with own code named as tables show it: without the folder it lies in."""
    values = changed(config.flat(), lambda setting, number, address: own_code.label(address))
    return Config().replace(values)


def keep(values: Mapping[str, Any], folder: Path) -> tuple[dict[str, Any], dict[str, Any]]:
    """Copy the code that settings name into a run folder, and note that this user trains with it.

    Args:
        values: the settings, by flat name.
        folder: the run folder.

    Returns:
        The settings with the copies' addresses, and for each of these what config.json says of it.
    """
    notes = {}

    def copied(setting: str, number: int, address: str) -> str:
        place, _, name = address.rpartition(":")
        code = None if own_code.is_library(address) else own_code.ran(address)
        if code is None:
            return address
        home = f"code/{setting}" + (f"-{number}" if number else "")
        code.save(folder / home)
        trusted_code.remember(code, name)
        copy = f"{home}/{code.main}:{name}"
        notes[copy] = {"sha256": code.digest, "from": place}
        return copy

    return changed(values, copied), notes


def located(
    values: Mapping[str, Any], content: Mapping[str, Any], path: Path, allow_code: bool
) -> dict[str, Any]:
    """Return the settings of a config.json with addresses that can be loaded, once all are allowed.

    Args:
        values: the settings, by flat name.
        content: of the config.json, for the digests of the copies.
        path: of the config.json.
        allow_code: whether code is allowed that this user has not trained with.

    Raises:
        InputError: a copy is missing or damaged, or code is not allowed.
    """
    notes = content.get("code")

    def loadable(setting: str, number: int, address: str) -> str:
        copy = _COPY.fullmatch(address)
        note = notes.get(address) if isinstance(notes, dict) else None
        if not copy or note is None:
            return _found(address, path, allow_code)
        home, main, name = copy.groups()
        code = Code.load(path.parent / home, main)
        if not isinstance(note, dict) or note.get("sha256") != code.digest:
            raise InputError(f"{path.parent / home}: not as this run wrote it; restore the files")
        address = f"{os.path.abspath(path.parent / home / main)}:{name}"
        trusted_code.check(code, address, path, allow_code)
        own_code.use_copy(address, code)
        return address

    return changed(values, loadable)


def _found(address: str, path: Path, allow_code: bool) -> str:
    """Return an address outside of the run folder, as earlier versions wrote them."""
    address = own_code.absolute(address)
    if not own_code.is_library(address):
        try:
            code = own_code.find(address)
        except InputError as error:
            raise InputError(f"{path}: {address}: {error}") from None
        trusted_code.check(code, address, path, allow_code)
    return address

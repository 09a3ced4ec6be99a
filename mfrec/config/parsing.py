"""Settings that hold several values in one text."""

import json
import math
from collections.abc import Mapping
from typing import Any

from mfrec.errors import InputError

# As Python writes them, and as JSON does.
_PYTHON_NAMES = {"True": "true", "False": "false", "None": "null"}


def parse_arguments(text: str) -> dict[str, Any]:
    """Return 'margin=0.9,name=x' as a dict; numbers and true/false become Python values.

    Raises:
        InputError: an entry that is not name=value, or a number that is not finite.
    """
    arguments: dict[str, Any] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = entry.partition("=")
        if not equals or not name.isidentifier() or not value:
            raise InputError(f"'{entry}' is not name=value")
        if _is_infinite(value):
            raise InputError(f"'{entry}': must be a finite number")
        try:
            arguments[name] = json.loads(_PYTHON_NAMES.get(value, value))
        except ValueError:
            arguments[name] = value
    return arguments


def format_arguments(arguments: Mapping[str, Any], owner: str) -> str:
    """Return the text from which `parse_arguments` reads these arguments.

    Args:
        arguments: by name.
        owner: what takes them, such as "loss 'huber'"; an error begins with it.

    Raises:
        InputError: a value is neither number nor truth value nor word.
    """
    for name, value in arguments.items():
        if not isinstance(value, str | bool | int | float):
            raise InputError(f"{owner}: a run folder cannot hold {name}={value!r}")
    texts = {name: str(v).lower() if isinstance(v, bool) else v for name, v in arguments.items()}
    return ",".join(f"{name}={value}" for name, value in texts.items())


def parse_cutoffs(text: str) -> tuple[int, ...]:
    """Return '10,20' as (10, 20), in ascending order.

    Raises:
        InputError: an entry that is no positive whole number.
    """
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    wrong = [entry for entry in entries if not entry.isdecimal() or not int(entry)]
    if wrong:
        raise InputError(f"--cutoffs={text}: '{wrong[0]}' is no whole number above 0")
    return tuple(sorted(set(map(int, entries))))


def _is_infinite(text: str) -> bool:
    try:
        return not math.isfinite(float(text))
    except ValueError:
        return False

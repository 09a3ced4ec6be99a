"""Settings that hold several values in one text."""

import json
import math
from collections.abc import Mapping
from typing import Any

from mfrec.errors import InputError

# As Python writes them, and as JSON does.
_PYTHON_NAMES = {"True": "true", "False": "false", "None": "null"}


def parse_arguments(text: str, flag: str) -> dict[str, Any]:
    """Return 'margin=0.9,name=x' as a dict; numbers, true/false and None become Python values.

    Args:
        text: as the flag takes it.
        flag: its name without dashes; errors begin with it.

    Raises:
        InputError: an entry that is not name=value, comes twice, is a list or an object, or a
            number that float32 does not hold.
    """
    arguments: dict[str, Any] = {}
    for entry in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = entry.partition("=")
        if not equals or not name.isidentifier() or not value:
            raise InputError(f"--{flag}: '{entry}' is not name=value")
        if name in arguments:
            raise InputError(f"--{flag}: {name} is given twice")
        arguments[name] = _value(value, f"--{flag}: '{entry}'")
    return arguments


def _value(text: str, entry: str) -> str | bool | int | float | None:
    """The Python value of a text; errors begin with `entry`."""
    if text[0] in "[{":
        raise InputError(f"{entry}: a value is a number, a word, true, false or None")
    if _is_infinite(text):
        raise InputError(f"{entry}: must be a finite number")
    try:
        value = json.loads(_PYTHON_NAMES.get(text, text))
    except ValueError:
        return text
    if isinstance(value, int | float) and value and not 1e-37 < abs(value) < 3.4e38:
        raise InputError(f"{entry}: float32 holds no number of this size")
    # whole numbers that TensorFlow would refuse
    return float(value) if type(value) is int and abs(value) >= 2**31 else value


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


def parse_cutoffs(text: str, flag: str = "cutoffs") -> tuple[int, ...]:
    """Return '10,20' as (10, 20), in ascending order.

    Raises:
        InputError: an entry that is no whole number from 1 to a million.
    """
    entries = [entry.strip() for entry in text.split(",") if entry.strip()]
    for entry in entries:
        # Python does not read more than 4,300 digits
        if not (entry.isdecimal() and len(entry) <= 7 and 0 < int(entry) <= 1_000_000):
            raise InputError(f"--{flag}={text}: '{entry}' is no whole number from 1 to 1,000,000")
    return tuple(sorted(set(map(int, entries))))


def parse_numbers(text: str, flag: str) -> tuple[float, ...]:
    """Return '-1,99' as (-1.0, 99.0).

    Args:
        text: numbers with commas between.
        flag: where it was given, for errors.

    Raises:
        InputError: no entry, or one that is no finite number.
    """
    numbers = []
    for entry in text.split(","):
        try:
            numbers.append(float(entry))
            if _is_infinite(entry) or "_" in entry:
                raise ValueError
        except ValueError:
            raise InputError(
                f"--{flag}={text}: {entry.strip()!r} is no number; give numbers such as -1,99"
            ) from None
    return tuple(numbers)


def _is_infinite(text: str) -> bool:
    try:
        return not math.isfinite(float(text))
    except ValueError:
        return False

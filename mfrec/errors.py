"""The error for input that the user has to correct, and the words that errors share."""

import difflib
import re
from collections.abc import Iterable


class InputError(ValueError):
    """The user's input is wrong: a file, a flag or a value.

    The message is one line that says what is wrong, where (`FILE:LINE`) and what to do.
    Commands print it on standard error without a traceback and exit with code 2.
    """


def first_line(error: Exception) -> str:
    """The first line of another package's error, to be quoted in one line of ours."""
    # TensorFlow begins with {{the node of the graph}} where it happened, and ends with its [Op:]
    text = re.sub(r"\{\{.*?\}\} | \[Op:.*", "", str(error)).strip()
    return (text or type(error).__name__).splitlines()[0]


def short(text: str) -> str:
    """Return a text as messages quote it."""
    return repr(text if len(text) <= 40 else text[:37] + "...")


def did_you_mean(name: str, names: Iterable[str], otherwise: str | None = None) -> str:
    """Return '; did you mean …?' for a misspelt name.

    Args:
        name: what was typed.
        names: what could have been meant.
        otherwise: returned where no name is similar; by default a list of all names.
    """
    names = list(names)
    similar = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    if similar:
        return f"; did you mean {' or '.join(similar)}?"
    return f"; there are: {', '.join(names)}" if otherwise is None else otherwise

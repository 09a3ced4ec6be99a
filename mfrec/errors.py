"""The error for input that the user has to correct, and the words that errors share."""

import difflib
import re
from collections.abc import Iterable

from mfrec.aliases import ALIASES
from mfrec.terminal import visible


class InputError(ValueError):
    """The user's input is wrong: a file, a flag or a value.

    The message is one line that says what is wrong, where (`FILE:LINE`) and what to do.
    Commands print it on standard error without a traceback and exit with code 2. Line ends and the
    like, which a file's name or a setting may hold, are escaped.
    """

    def __init__(self, message: object) -> None:
        super().__init__(visible(str(message)))


class LostWorker(Exception):
    """Another worker of a distributed training died, ended or hangs; the message names it.

    Commands print it as one line and exit with code 75: start all workers again.
    """


def first_line(error: Exception) -> str:
    """The first line of another package's error, to be quoted in one line of ours."""
    # TensorFlow begins with {{the node of the graph}} where it happened, and ends with its [Op:]
    text = re.sub(r"\{\{.*?\}\} | \[Op:.*", "", str(error)).strip()
    # Keras shows in bold what an error said before Keras told where, and TensorFlow says it last
    in_bold = re.search(r"\x1b\[1m(.*?)\x1b\[0m", text, re.DOTALL)
    if in_bold:
        text = in_bold[1].strip()
    elif text.startswith("in user code:"):
        text = text.splitlines()[-1].strip().partition(": ")[2]
    return (text or type(error).__name__).splitlines()[0]


def short(text: str) -> str:
    """Return a text as messages quote it."""
    return repr(text if len(text) <= 40 else text[:37] + "...")


def did_you_mean(name: str, names: Iterable[str], otherwise: str | None = None) -> str:
    """Return '; did you mean …?' for a misspelt name, or one that others use.

    Case, dashes and underscores do not matter.

    Args:
        name: what was typed.
        names: what could have been meant.
        otherwise: returned where no name is similar; by default a list of all names.
    """
    names = list(names)
    # ndcg@10 is ndcg with a cutoff
    word, at, cutoff = _key(name).partition("@")
    others = [f"{other}{at}{cutoff}" for other in ALIASES.get(word, ())]
    similar = [other for other in others if other in names]
    if not similar:
        by_key = dict(zip(map(_key, names), names, strict=True))
        keys = difflib.get_close_matches(_key(name), by_key, n=3, cutoff=0.6)
        similar = [by_key[key] for key in keys]
    if similar:
        return f"; did you mean {' or '.join(similar)}?"
    return f"; there are: {', '.join(names)}" if otherwise is None else otherwise


def _key(name: str) -> str:
    return re.sub("[-_ ]", "", name.lower())

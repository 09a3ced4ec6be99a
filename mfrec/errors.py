"""The one error that is the user's to mend, and what a script's exit code says."""

import errno
import os
import re
import signal
import sys
from collections.abc import Callable
from typing import NoReturn


class InputError(ValueError):
    """The user's input is wrong: a file, a flag or a value.

    The message is one line that says what is wrong, where (`FILE:LINE`) and what to do.
    Scripts print it on standard error without a traceback and exit with code 2.
    """


def first_line(error: Exception) -> str:
    """What an error of another package says, cut down to be part of one line of ours."""
    # TensorFlow begins with {{the node of the graph}} where it happened, and ends with its [Op:]
    text = re.sub(r"\{\{.*?\}\} | \[Op:.*", "", str(error)).strip()
    return (text or type(error).__name__).splitlines()[0]


class Terminated(KeyboardInterrupt):
    """SIGTERM: ends the work as Ctrl-C does."""


def exit_code(script: str, work: Callable[[], None]) -> int:
    """Does a script's work and returns its exit code.

    0: done. 2: an `InputError`, or no space left to write to. 130: stopped by Ctrl-C. 143:
    stopped by SIGTERM. These are told in one line; everything else is a fault of mfrec and ends
    in a traceback.

    Args:
        script: whose name stands before the printed line.
        work: what to do; a KeyboardInterrupt with a message tells what is kept of it.
    """

    def terminate(*_: object) -> NoReturn:
        raise Terminated

    previous = signal.signal(signal.SIGTERM, terminate)
    try:
        work()
        sys.stdout.flush()
    except InputError as error:
        return _told(script, error, 2)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        if error.filename is None:
            # what standard output could not take would be written again, and fail, at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _told(script, f"{error.filename or 'standard output'}: {error.strerror}", 2)
    except KeyboardInterrupt as stop:
        message = str(stop) or "stopped; nothing was written"
        return _told(script, message, 143 if isinstance(stop, Terminated) else 130)
    finally:
        signal.signal(signal.SIGTERM, previous)
    return 0


def _told(script: str, message: object, code: int) -> int:
    print(f"{script}: {message}", file=sys.stderr)
    return code

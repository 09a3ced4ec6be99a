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
    stopped by SIGTERM. 141: nobody reads what is written, as behind `| head`. All but the last are
    told in one line; everything else is a fault of mfrec and ends in a traceback.

    Args:
        script: whose name stands before the printed line.
        work: what to do; a KeyboardInterrupt with a message tells what is kept of it.
    """
    previous = {number: signal.signal(number, _stop_once) for number in _stopping_signals()}
    try:
        work()
        sys.stdout.flush()
    except InputError as error:
        return _told(script, error, 2)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EPIPE):
            raise
        if error.filename is None:
            # what standard output could not take would be written again, and fail, at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.EPIPE:
            return 141
        return _told(script, f"{error.filename or 'standard output'}: {error.strerror}", 2)
    except KeyboardInterrupt as stop:
        message = str(stop) or "stopped; nothing was written"
        return _told(script, message, 143 if isinstance(stop, Terminated) else 130)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return 0


def _stopping_signals() -> list[signal.Signals]:
    # who started a script in the background may have turned Ctrl-C off for it
    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    return [signal.SIGTERM] if ignored else [signal.SIGTERM, signal.SIGINT]


def _stop_once(number: int, _: object) -> NoReturn:
    # impatient repeats would interrupt the saving of what the first was to keep
    signal.signal(number, signal.SIG_IGN)
    raise Terminated if number == signal.SIGTERM else KeyboardInterrupt


def _told(script: str, message: object, code: int) -> int:
    print(f"{script}: {message}", file=sys.stderr)
    return code

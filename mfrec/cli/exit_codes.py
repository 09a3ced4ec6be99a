"""What a command's exit code says, and what signals do to it.

0: done. 2: an `InputError`, or no space left to write to. 130: stopped by Ctrl-C. 143: stopped by
SIGTERM. 141: nobody reads the output, as behind `| head`. All but 0 and 141 print one line on
standard error. Everything else is a fault of mfrec and ends in a traceback (code 1).
"""

import errno
import os
import re
import signal
import sys
from collections.abc import Callable
from typing import NoReturn

from mfrec.errors import InputError


class Terminated(KeyboardInterrupt):
    """SIGTERM: ends the work as Ctrl-C does."""


def exit_code(program: str, work: Callable[[], None]) -> int:
    """Do a command's work and return its exit code.

    Args:
        program: the command's name, which begins the printed line.
        work: what to do; a KeyboardInterrupt with a message says what was kept.
    """
    previous = {number: signal.signal(number, _stop_once) for number in _stopping_signals()}
    try:
        work()
        sys.stdout.flush()
    except InputError as error:
        return _report(program, error, 2)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EPIPE):
            raise
        if error.filename is None:
            # what standard output could not take would be written again, and fail, at exit
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if error.errno == errno.EPIPE:
            return 141
        return _report(program, f"{error.filename or 'standard output'}: {error.strerror}", 2)
    except KeyboardInterrupt as stop:
        message = str(stop) or "stopped; nothing was written"
        return _report(program, message, 143 if isinstance(stop, Terminated) else 130)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return 0


def as_typed(text: str, program: str) -> str:
    """Return the text with `python eval.py` as `mfrec eval` if the program is `mfrec …`."""
    return re.sub(r"python (\w+)\.py", r"mfrec \1", text) if program.startswith("mfrec") else text


def _stopping_signals() -> list[signal.Signals]:
    # a shell that starts a command in the background may have turned Ctrl-C off for it
    ignored = signal.getsignal(signal.SIGINT) == signal.SIG_IGN
    return [signal.SIGTERM] if ignored else [signal.SIGTERM, signal.SIGINT]


def _stop_once(number: int, _: object) -> NoReturn:
    # a second Ctrl-C would interrupt the saving that the first one started
    signal.signal(number, signal.SIG_IGN)
    raise Terminated if number == signal.SIGTERM else KeyboardInterrupt


def _report(program: str, message: object, code: int) -> int:
    print(f"{program}: {as_typed(str(message), program)}", file=sys.stderr)
    return code

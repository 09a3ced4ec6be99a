"""What a command's exit code says, and what signals do to it.

0: done. 75: another worker of a distributed training is lost; start all again. 2: an `InputError`,
a fault of the user's own loss or model, or a file, disk or memory that the work needs and cannot
have. 130: stopped by Ctrl-C. 143: stopped by SIGTERM. 141: nobody reads the output, as behind `|
head`. All but 0 and 141 print one line on standard error. Everything else is a fault of mfrec and
ends in a traceback (code 1).
"""

import errno
import os
import re
import signal
import sys
from collections.abc import Callable
from typing import NoReturn, TypeGuard

from mfrec import faults
from mfrec.errors import InputError, LostWorker, first_line
from mfrec.progress import say, silence
from mfrec.terminal import ESCAPE

# What the user can mend: where a file is, who may use it, how long its name is, how much space
# is left.
_OF_FILES = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ELOOP),
    *(errno.ENAMETOOLONG, errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.ENXIO),
}
_OF_STANDARD_OUTPUT = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EPIPE}


class Terminated(KeyboardInterrupt):
    """SIGTERM: ends the work as Ctrl-C does."""


def exit_code(program: str, work: Callable[[], None], unread: int = 141) -> int:
    """Do a command's work and return its exit code.

    Args:
        program: the command's name, which begins the printed line.
        work: what to do; a KeyboardInterrupt with a message says what was kept.
        unread: the code where nobody reads the output.
    """
    _open_closed_streams()
    _escape_unencodable()
    previous = {number: signal.signal(number, _stop_once) for number in _stopping_signals()}
    try:
        _check_working_folder()
        work()
        sys.stdout.flush()
    except KeyboardInterrupt as stop:
        message = str(stop) or "stopped; nothing was written"
        return _report(program, message, 143 if isinstance(stop, Terminated) else 130)
    except LostWorker as error:
        return _report(program, error, 75)
    except Exception as error:
        if _is_of_standard_output(error):
            silence(sys.stdout)
            if error.errno == errno.EPIPE:
                return unread
        message = _mendable(error)
        if message is None:
            raise
        return _report(program, message, 2)
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
    return 0


def _is_of_standard_output(error: Exception) -> TypeGuard[OSError]:
    is_of_file = not isinstance(error, OSError) or error.filename is not None
    return not is_of_file and getattr(error, "errno", None) in _OF_STANDARD_OUTPUT


def _mendable(error: Exception) -> str | None:
    """What the user can mend, in one line; None for a fault of mfrec."""
    if isinstance(error, InputError):
        return str(error)
    if _is_of_standard_output(error):
        return f"standard output: {error.strerror}"
    if isinstance(error, OSError) and error.filename is not None and error.errno in _OF_FILES:
        return f"{os.fsdecode(error.filename)}: {error.strerror}"
    if isinstance(error, MemoryError):
        return f"not enough memory: {first_line(error)}"
    fault = faults.fault(error)
    return fault and f"your own code failed: {fault}"


def _open_closed_streams() -> None:
    """Open /dev/null in place of standard streams that were closed before the program began.

    Otherwise the next file that is opened would get their number, and what libraries print.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            # the lowest free number, which is this one
            os.open(os.devnull, os.O_RDWR)
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))


def _escape_unencodable() -> None:
    """Let the standard streams escape characters that their encoding lacks, as ASCII does."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors=ESCAPE)


def _check_working_folder() -> None:
    try:
        os.getcwd()
    except FileNotFoundError:
        raise InputError("the working folder was deleted; change into another one") from None


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
    say(f"{program}: {as_typed(str(message), program)}")
    return code

"""The one error that is the user's to mend, and what a script's exit code says."""

import signal
import sys
from collections.abc import Callable
from typing import NoReturn


class InputError(ValueError):
    """The user's input is wrong: a file, a flag or a value.

    The message is one line that says what is wrong, where (`FILE:LINE`) and what to do.
    Scripts print it on standard error without a traceback and exit with code 2.
    """


def exit_code(script: str, work: Callable[[], None]) -> int:
    """Does a script's work and returns its exit code.

    0: done. 2: an `InputError`, printed as one line. 130: stopped by Ctrl-C. SIGTERM exits with
        143. Everything else is a fault of mfrec and ends in a traceback.

    Args:
        script: whose name stands before the printed line.
        work: what to do.
    """

    def terminate(*_: object) -> NoReturn:
        raise SystemExit(143)

    previous = signal.signal(signal.SIGTERM, terminate)
    try:
        work()
    except InputError as error:
        print(f"{script}: {error}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"{script}: stopped", file=sys.stderr)
        return 130
    finally:
        signal.signal(signal.SIGTERM, previous)
    return 0

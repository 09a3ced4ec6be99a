"""Notes and a progress bar on standard error.

Where nobody reads them, work goes on without.
"""

import contextlib
import os
import shutil
import sys
import threading
import time
from collections.abc import Iterator
from types import TracebackType
from typing import TextIO

from mfrec.terminal import visible

_SECONDS_BETWEEN_REDRAWS = 0.1
_SECONDS_BEFORE_AN_ESTIMATE = 1
# Where no bar is shown, a line tells what has taken so long.
_SECONDS_OF_SILENCE = 15.0
_BAR_WIDTHS = range(4, 25)
_CLEAR_LINE = "\r\x1b[K"


_is_muted = False


def say(text: str) -> None:
    """Print a line on standard error."""
    if not _is_muted:
        _write(visible(text) + "\n")


@contextlib.contextmanager
def mute() -> Iterator[None]:
    """Say nothing within, as another worker of a distributed training says the same."""
    global _is_muted
    before, _is_muted = _is_muted, True
    try:
        yield
    finally:
        _is_muted = before


def silence(stream: TextIO | None) -> None:
    """Let a standard stream that can no longer be written to take everything and keep nothing.

    What it could not take would be written again, and fail again, when Python exits.
    """
    with contextlib.suppress(OSError, AttributeError):
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, stream.fileno())  # type: ignore[union-attr]
        os.close(null)


def is_terminal() -> bool:
    """Return whether a person watches standard error."""
    return sys.stderr is not None and sys.stderr.isatty()


def _write(text: str) -> None:
    try:
        # None where it was closed before the program began
        if sys.stderr is not None:
            sys.stderr.write(text)
            sys.stderr.flush()
    except OSError:
        # a closed pipe or a full disk
        silence(sys.stderr)


class Progress:
    """A progress bar of one line; a context manager.

    It is shown on a terminal only and disappears at the end.

    Args:
        label: what is being done.
        total: the amount of work; 0 if unknown: no bar and no time left.
        unit: what is counted, such as "MB"; without one, no amounts are shown.
    """

    def __init__(self, label: str, total: float = 0, unit: str = "") -> None:
        self._label = label
        self._total = total
        self._unit = f" {unit}" if unit else ""
        self._started = time.monotonic()
        self._drawn: float | None = None

    def __enter__(self) -> "Progress":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._drawn is not None:
            _write(_CLEAR_LINE)

    def update(self, done: float, note: str = "") -> None:
        """Redraw the line, at most ten times a second.

        Args:
            done: the work done so far, of `total`.
            note: text to show behind it.
        """
        now = time.monotonic()
        too_soon = self._drawn is not None and now - self._drawn < _SECONDS_BETWEEN_REDRAWS
        if too_soon or _is_muted or not is_terminal():
            return
        self._drawn = now
        # A line that wraps could not be redrawn in place.
        width = shutil.get_terminal_size().columns - 1
        line = visible(self._line(done, note, now - self._started, width))
        _write(_CLEAR_LINE + line[:width])

    def _line(self, done: float, note: str, seconds: float, width: int) -> str:
        if self._total <= 0:
            amount = f"{done:.6g}{self._unit}" if self._unit else ""
            return "  ".join(filter(None, [self._label, amount, note]))
        share = min(max(done / self._total, 0.0), 1.0)
        amount = f"{done:.6g}/{self._total:.6g}{self._unit}" if self._unit else ""
        is_early = share <= 0 or seconds < _SECONDS_BEFORE_AN_ESTIMATE
        left = "" if is_early else f"{_duration(seconds / share - seconds)} left"
        behind = "  ".join(filter(None, [f"{share:4.0%}", amount, note, left]))
        # the bar takes what the rest of the line leaves: label, space, bracket, bracket, space
        free = width - len(self._label) - 4 - len(behind)
        bar_width = min(max(free, _BAR_WIDTHS.start), _BAR_WIDTHS.stop - 1)
        bar = ("#" * round(share * bar_width)).ljust(bar_width, ".")
        return f"{self._label} [{bar}] {behind}"


@contextlib.contextmanager
def waiting(label: str) -> Iterator[None]:
    """Show what is being waited for, such as "reading ratings.csv".

    On a terminal that is a line as long as it takes; elsewhere a line stays, if it takes long.
    """
    timer = threading.Timer(_SECONDS_OF_SILENCE, say, [f"{label} …"])
    timer.daemon = True
    if not is_terminal():
        timer.start()
    try:
        with Progress(f"{label} …") as line:
            line.update(0)
            yield
    finally:
        timer.cancel()


def speed(examples_per_second: float) -> str:
    """Return 5.20 M for 5,200,000 and 12.3 k for 12,345."""
    if examples_per_second < 1e5:
        return f"{examples_per_second / 1e3:.1f} k"
    return f"{examples_per_second / 1e6:.2f} M"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"

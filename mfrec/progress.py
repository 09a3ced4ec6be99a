"""Notes and a progress bar on standard error."""

import contextlib
import shutil
import sys
import time
from collections.abc import Iterator
from types import TracebackType

_SECONDS_BETWEEN_REDRAWS = 0.1
_SECONDS_BEFORE_AN_ESTIMATE = 1
_BAR_WIDTHS = range(4, 25)
_CLEAR_LINE = "\r\x1b[K"


def say(text: str) -> None:
    """Print a line on standard error."""
    print(text, file=sys.stderr)


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
            sys.stderr.write(_CLEAR_LINE)
            sys.stderr.flush()

    def update(self, done: float, note: str = "") -> None:
        """Redraw the line, at most ten times a second.

        Args:
            done: the work done so far, of `total`.
            note: text to show behind it.
        """
        now = time.monotonic()
        too_soon = self._drawn is not None and now - self._drawn < _SECONDS_BETWEEN_REDRAWS
        if too_soon or not sys.stderr.isatty():
            return
        self._drawn = now
        # A line that wraps could not be redrawn in place.
        width = shutil.get_terminal_size().columns - 1
        line = self._line(done, note, now - self._started, width)
        sys.stderr.write(_CLEAR_LINE + line[:width])
        sys.stderr.flush()

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
    """Show on a terminal what is being waited for, such as "reading ratings.csv"."""
    with Progress(f"{label} …") as line:
        line.update(0)
        yield


def speed(examples_per_second: float) -> str:
    """Return 5.20 M for 5,200,000 and 12.3 k for 12,345."""
    if examples_per_second < 1e5:
        return f"{examples_per_second / 1e3:.1f} k"
    return f"{examples_per_second / 1e6:.2f} M"


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"

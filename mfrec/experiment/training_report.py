"""What a person sees of a training while it runs."""

import time
from typing import Any

from mfrec.progress import Progress, is_terminal, say, speed
from mfrec.terminal import number
from mfrec.training.history import EpochLog, LoopLog

# Where no bar is shown, an epoch is not silent for longer.
_SECONDS_OF_SILENCE = 60.0


class TrainingReport:
    """A progress bar on a terminal, elsewhere a line per epoch and, within long ones, per minute;
    a context manager.
    """

    def __init__(self) -> None:
        self._progress = Progress("compiling the training loop …")
        self._is_training = False
        self._measured = ""
        self._last_line = time.monotonic()

    def __enter__(self) -> "TrainingReport":
        self._progress.update(0)
        return self

    def __exit__(self, *exception: Any) -> None:
        self._progress.__exit__(*exception)

    def loop(self, log: LoopLog) -> None:
        """Move the bar."""
        if not self._is_training:
            self._progress = Progress("training", log.loops_in_all)
            self._is_training = True
        parts = [f"epoch {log.epoch}", f"loss {number(log.loss)}", self._measured]
        parts.append(f"{speed(log.examples_per_second)}/s")
        shown = "  ".join(filter(None, parts))
        self._progress.update(log.loops_done, shown)
        silence = time.monotonic() - self._last_line
        if silence > _SECONDS_OF_SILENCE and not is_terminal():
            self._say(f"training {log.loops_done / log.loops_in_all:4.0%}  {shown}")

    def _say(self, line: str) -> None:
        say(line)
        self._last_line = time.monotonic()

    def epoch(self, log: EpochLog) -> None:
        """Print the epoch's line if standard error is no terminal."""
        if log.validation:
            self._measured = f"{log.metric.upper()} {number(log.validation[log.metric])}"
        if is_terminal():
            return
        measured = f"  validation {self._measured}" if log.validation else ""
        best = " *" if log.validation and log.is_best else ""
        self._say(
            f"epoch {log.epoch:>{len(str(log.epochs))}}/{log.epochs}"
            f"  loss {number(log.train['loss'])}{measured}"
            f"  {speed(log.train['examples_per_second'])} examples/s"
            f"  {log.seconds:.1f} s{best}"
        )

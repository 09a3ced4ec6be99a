"""Where the time of a command goes."""

import contextlib
import time
from collections import defaultdict
from collections.abc import Iterator


class Stopwatch:
    """Measures a command from its beginning on, and parts of it.

    Attributes:
        seconds: of each part so far, by name.
    """

    def __init__(self) -> None:
        self._started = time.perf_counter()
        self.seconds: defaultdict[str, float] = defaultdict(float)

    @property
    def elapsed(self) -> float:
        """Seconds since it was made."""
        return time.perf_counter() - self._started

    @contextlib.contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Add the seconds of a block to those of a part."""
        before = self.elapsed
        try:
            yield
        finally:
            self.seconds[name] += self.elapsed - before

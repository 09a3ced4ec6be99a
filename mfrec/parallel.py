"""Work on long arrays a block at a time, on every processor.

numpy works on one processor and lets others run meanwhile, so that threads are enough. Blocks stay
in a processor's cache, and what is made on the way is as small as they are.
"""

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

BLOCK = 1 << 18

Given = TypeVar("Given")
Found = TypeVar("Found")


def blocks(length: int, size: int | None = None) -> list[slice]:
    """Return slices of up to `size` entries, BLOCK by default, that make up a length."""
    size = size or BLOCK
    return [slice(start, min(start + size, length)) for start in range(0, length, size)]


def each(
    function: Callable[[Given], Found], values: Iterable[Given], rows: int | None = None
) -> list[Found]:
    """Return what a function makes of each value, in order; several are worked on at once.

    Args:
        function: called with each value.
        values: to work on.
        rows: the length of what is worked on; up to one block is not worth a thread.
    """
    values = list(values)
    workers = min(len(values), num_processors())
    if workers < 2 or (rows is not None and rows <= BLOCK):
        return list(map(function, values))
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(function, values))


def num_processors() -> int:
    """Return the number of processors that this process may use."""
    # macOS and Windows do not tell
    own = getattr(os, "sched_getaffinity", None)
    return len(own(0)) if own else os.cpu_count() or 1

"""Whether tables and batches fit into memory, asked before they are made."""

import math
import os
from pathlib import Path
from typing import NamedTuple

from mfrec.errors import InputError

_MEMINFO = Path("/proc/meminfo")
# Linux control groups, version 2 and 1: what a container may take, and what it has taken.
_CONTROL_GROUPS = (
    (Path("/sys/fs/cgroup/memory.max"), Path("/sys/fs/cgroup/memory.current")),
    (
        Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
        Path("/sys/fs/cgroup/memory/memory.usage_in_bytes"),
    ),
)


def free_bytes() -> float:
    """Memory that may still be taken: the machine's or the container's; inf where unknown."""
    return min(_machine(), *(_container(*files) for files in _CONTROL_GROUPS))


def check(setting: str, what: str, needed: float) -> None:
    """Refuse what does not fit.

    Args:
        setting: the setting that makes it so large, with its value.
        what: is to be held.
        needed: bytes, or fewer than it takes.

    Raises:
        InputError: it needs more than is free.
    """
    free = free_bytes()
    if needed > free:
        raise InputError(
            f"--{setting}: {what} need {needed / 1e6:,.0f} MB, {free / 1e6:,.0f} MB are free; "
            "lower it"
        )


class Held(NamedTuple):
    """What training holds of a table at once.

    Attributes:
        copies: arrays of its size.
        of_rows: arrays of one number a row.
    """

    copies: int
    of_rows: int = 0


def check_tables(embedding_dim: int, rows: int, held: Held) -> None:
    """Refuse tables that do not fit.

    Args:
        embedding_dim: numbers a row; its bias is one more, of a table by itself.
        rows: users and items together.
        held: of each table.

    Raises:
        InputError: 4 bytes for each number are more than is free.
    """
    numbers_a_row = (embedding_dim + 1) * held.copies + 2 * held.of_rows
    check(
        f"embedding_dim={embedding_dim}",
        f"{held.copies} copies of the tables of {rows:,} users and items (weights, gradients, "
        "optimizer state, best weights)",
        4 * rows * numbers_a_row,
    )


def _machine() -> float:
    try:
        lines = _MEMINFO.read_text().splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("MemAvail"))
    except (OSError, StopIteration):
        pass
    try:
        return os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return math.inf


def _container(limit: Path, taken: Path) -> float:
    try:
        # "max" where there is no limit
        return int(limit.read_text()) - int(taken.read_text())
    except (OSError, ValueError):
        return math.inf

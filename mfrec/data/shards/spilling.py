"""Rows on disk by part, while a file is converted: they arrive in any order of users."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

# Rows that are held back until there are this many bytes of them, so that files are written to in
# large pieces.
_BUFFER_BYTES = 1 << 26


class Spill:
    """Appends rows to files by part, and gives each part back in the order in which it came.

    Args:
        folder: where the files are.
        num_parts: how many there are.
        has_times: whether rows have times.
        has_weights: whether rows have weights.
    """

    def __init__(self, folder: Path, num_parts: int, has_times: bool, has_weights: bool) -> None:
        self._folder = folder
        fields = [("user_ids", "<i4"), ("item_ids", "<i4"), ("ratings", "<f4")]
        fields += [("timestamps", "<i8")] if has_times else []
        fields += [("weights", "<f4")] if has_weights else []
        self._dtype = np.dtype(fields)
        self._waiting: list[tuple[np.ndarray, np.ndarray]] = []
        self._waiting_bytes = 0
        self.counts = np.zeros(num_parts, np.int64)

    def add(self, parts: np.ndarray, **columns: np.ndarray) -> None:
        """Append rows.

        Args:
            parts: the part of each row, int [n].
            columns: by name; whole or fractional timestamps, always alike.
        """
        if "timestamps" in columns:
            self._keep_fractions(columns["timestamps"])
        rows = np.empty(len(parts), self._dtype)
        for name in self._dtype.names or ():
            rows[name] = columns[name]
        # numpy sorts numbers of 16 bits by counting
        order = np.argsort(parts.astype(np.uint16), kind="stable")
        counts = np.bincount(parts, minlength=len(self.counts))
        self.counts += counts
        self._waiting.append((rows[order], counts))
        self._waiting_bytes += rows.nbytes
        if self._waiting_bytes > _BUFFER_BYTES:
            self._write()

    def take(self, parts: list[int]) -> np.ndarray:
        """Return the rows of some parts, part by part, and remove them from the disk."""
        self._write()
        found = []
        for part in parts:
            path = self._path(part)
            if path.exists():
                found.append(np.fromfile(path, self._dtype))
                path.unlink()
        return np.concatenate([np.empty(0, self._dtype), *found])

    def times(self) -> Iterator[np.ndarray]:
        """Yield the times of all rows, part by part."""
        self._write()
        for part in np.flatnonzero(self.counts).tolist():
            yield np.fromfile(self._path(part), self._dtype)["timestamps"]

    def _write(self) -> None:
        ends = [np.cumsum(counts) for _, counts in self._waiting]
        for part in np.flatnonzero(sum(counts for _, counts in self._waiting)).tolist():
            with self._path(part).open("ab") as file:
                for (rows, counts), end in zip(self._waiting, ends, strict=True):
                    rows[end[part] - counts[part] : end[part]].tofile(file)
        self._waiting, self._waiting_bytes = [], 0

    def _keep_fractions(self, times: np.ndarray) -> None:
        """Make times fractional once they are, also those that are written already."""
        if times.dtype.kind != "f" or self._dtype["timestamps"].kind == "f":
            return
        self._write()
        fields = [(name, self._dtype[name]) for name in self._dtype.names or ()]
        wider = np.dtype([(n, "<f8" if n == "timestamps" else kind) for n, kind in fields])
        for part in np.flatnonzero(self.counts).tolist():
            np.fromfile(self._path(part), self._dtype).astype(wider).tofile(self._path(part))
        self._dtype = wider

    def _path(self, part: int) -> Path:
        return self._folder / f"spilled-{part}"

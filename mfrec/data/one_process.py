"""A training in one process: what `training.distribution.Workers` does for several, done for one.

Whatever trains, evaluates or saves asks its workers to add up, to put together and to agree. Where
there is one process, nothing is left to do.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mfrec.data.interactions import Interactions
from mfrec.data.vocabulary import Vocabulary


class OneProcess:
    """The only worker of a training.

    Attributes:
        number: of workers.
        index: which of them this is, from 0.
        compiles_loops: whether XLA compiles whole loops, as nothing is exchanged within.
        num_parts: into how many parts this worker divides its share of a batch.
        part_number: which of them is computed, from 0.
    """

    number = 1
    index = 0
    compiles_loops = True
    num_parts = 1
    part_number = 0

    @property
    def is_chief(self) -> bool:
        """Whether this is the worker that prints and writes what there is once."""
        return self.index == 0

    # users

    def owns(self, users: Vocabulary) -> np.ndarray:
        """Return which users are this worker's, bool [users]."""
        return np.ones(len(users), bool)

    def owns_rows(self, rows: Interactions) -> Any:
        """Return an index of the rows of this worker's users; the chief's are unknown ones, too."""
        return slice(None)

    def own_rows(self, rows: Any) -> Any:
        """Return the rows of this worker's users, who are numbered anew in the same order.

        Args:
            rows: `Interactions` or, of a converted folder, `ShardedRatings`.
        """
        return rows

    def seed(self, seed: int) -> int:
        """Return a seed of this worker's own, for the rows of its users."""
        return seed

    # on the host

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Return the sum of the workers' arrays, all of one shape and type."""
        return values

    def concatenated(self, values: np.ndarray) -> np.ndarray:
        """Return the workers' arrays one after the other."""
        return values

    def texts(self, text: str) -> list[str]:
        """Return each worker's text."""
        return [text]

    def share(self, variables: Sequence[Any]) -> None:
        """Give all workers the chief's values."""

    def check_agreement(self, facts: Callable[[], dict[str, str]]) -> None:
        """Refuse workers that differ in a fact; it is called for the facts by name."""

    def barrier(self) -> None:
        """Wait until every worker has come here."""

    def note_checkpoint(self, run_dir: Path) -> None:
        """Remember where there is a checkpoint to continue from if a worker is lost."""

    @contextlib.contextmanager
    def stopping_together(self) -> Iterator[Callable[[], None]]:
        """Yield a function at which a signal stops all workers in the same place."""
        yield lambda: None

    # inside the training loop

    def part(self, function: Callable[..., Any], jit_compile: bool) -> Callable[..., Any]:
        """Return a part of a step that exchanges nothing, compiled by itself where parts are."""
        return function

    def gradients(
        self, function: Callable[..., Any], variables: Sequence[Any], jit_compile: bool
    ) -> Callable[..., Any]:
        """Return the part of a step that computes gradients of a batch, see `exchanged`.

        Args:
            function: returns gradients, means and Σ weight of examples.
            variables: all that it reads.
            jit_compile: whether XLA compiles it.
        """
        return self.part(function, jit_compile)

    def update(
        self,
        function: Callable[..., Any],
        variables: Sequence[Any],
        trainable: Sequence[Any],
        jit_compile: bool,
    ) -> Callable[..., Any]:
        """Return the part of a step that changes variables by gradients of the trainable ones."""
        return self.part(function, jit_compile)

    def begin_loop(self) -> None:
        """Bring what other devices hold up to date: between loops variables may be set."""
        # AutoGraph cannot convert a function without a statement
        return

    def clipping(self, optimizer: Any, is_own: Sequence[bool]) -> Callable[..., Any]:
        """Return a function that clips gradients by the norm of all, where the optimizer cannot."""
        return lambda gradients: gradients

    def exchanged(
        self, gradients: Sequence[Any], means: dict[str, Any], weight: Any, is_own: Sequence[bool]
    ) -> tuple[Sequence[Any], dict[str, Any]]:
        """Return gradients and means over the examples of all workers.

        Args:
            gradients: of the mean over this worker's examples: dense, or `IndexedSlices`.
            means: over this worker's examples, float32 [] each.
            weight: Σ weight of these examples, float32 [].
            is_own: whether each gradient is of a table of this worker's users, of which the other
                workers have no rows.
        """
        return gradients, means

    def total(self, values: Any) -> Any:
        """Return the sums over all workers of a structure of tensors."""
        return values


ONE_PROCESS = OneProcess()

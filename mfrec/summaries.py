"""Everything TensorBoard: scalars under train/, validation/ and test/ of the run folder."""

from pathlib import Path

from mfrec.quiet_tensorflow import tf
from mfrec.training import EpochLog


class Summaries:
    """Writes a run's event files; a context manager that closes them.

    Args:
        path: the run folder.
    """

    def __init__(self, path: str | Path) -> None:
        self._path = Path(path)
        self._writers: dict[str, tf.summary.SummaryWriter] = {}

    def __enter__(self) -> "Summaries":
        return self

    def __exit__(self, *_: object) -> None:
        for writer in self._writers.values():
            writer.close()

    def epoch(self, log: EpochLog, refit: bool) -> None:
        """Loss, regularization, learning rate and examples/s; validation errors where measured.

        A refit starts again at step 0 and so draws a curve of its own.
        """
        self.scalars("refit" if refit else "train", log.train, log.step)
        self.scalars("validation", log.validation, log.step)

    def scalars(self, part: str, values: dict[str, float], step: int) -> None:
        """One scalar a value at an optimizer step, in the event file of "train" or another part."""
        if not values:
            return
        if part not in self._writers:
            self._writers[part] = tf.summary.create_file_writer(str(self._path / part))
        with self._writers[part].as_default(step=step):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        self._writers[part].flush()

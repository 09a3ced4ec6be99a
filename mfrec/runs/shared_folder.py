"""The run folder of several workers: each writes its users' rows, the chief everything else."""

import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mfrec import models
from mfrec.config.settings import Config
from mfrec.data.features import Features
from mfrec.data.one_process import OneProcess
from mfrec.data.splits import Split
from mfrec.errors import InputError
from mfrec.losses import Loss
from mfrec.models.base import Model
from mfrec.quiet_tensorflow import tf
from mfrec.runs import checkpoints
from mfrec.runs.results import Results
from mfrec.runs.run_folder import RunFolder, checkpoint_of
from mfrec.training import optimizers
from mfrec.training.history import PreviousTraining


class SharedRunFolder(RunFolder):
    """A run folder that all workers see; every method is called by all of them.

    Args:
        path: the folder, which the chief has made.
        workers: who train together.
    """

    def __init__(self, path: Path, workers: OneProcess) -> None:
        super().__init__(path)
        self._workers = workers

    @classmethod
    @contextlib.contextmanager
    def shared(cls, path: Any, overwrite: bool, workers: OneProcess) -> Iterator["RunFolder"]:
        """Make the folder as `RunFolder.create` does, once for all workers.

        Args:
            path: the folder; the chief's counts.
            overwrite: whether an earlier run there is replaced.
            workers: who train together.

        Raises:
            InputError: as for `RunFolder.create`, or this worker does not see the folder.
        """
        path = Path(workers.texts(str(path))[0])
        with contextlib.ExitStack() as made:
            if workers.is_chief:
                made.enter_context(RunFolder.create(path, overwrite))
            workers.barrier()
            if not path.is_dir():
                raise InputError(
                    f"worker {workers.index} does not see the run folder {path}; name one by "
                    "--run_dir in storage that all workers share"
                )
            yield cls(path, workers)

    def save_config(self, config: Config, derived: dict[str, Any]) -> None:
        """Write config.json."""
        if self._workers.is_chief:
            super().save_config(config, derived)

    def save_data(self, split: Split, features: Mapping[str, Features] = {}) -> None:
        """Write vocabularies, interactions and features."""
        if self._workers.is_chief:
            super().save_data(split, features)
        # it removes earlier checkpoints
        self._workers.barrier()

    def save_model(
        self, model: Model, step: int, optimizer: tf.keras.optimizers.Optimizer | None = None
    ) -> None:
        """Write the weights: one checkpoint, to which each worker adds its users' rows."""
        if self._workers.number == 1:
            return super().save_model(model, step, optimizer)
        of_users = model.rows_of_users()
        if optimizer:
            of_users = of_users + optimizers.state_of(optimizer, model, of_users)
        checkpoint = checkpoint_of(model, optimizer)
        folder = self.path / "checkpoints"
        checkpoints.save(checkpoint, folder, step, self._run, of_users, self._workers)
        self._workers.note_checkpoint(self.path)

    def save_results(self, results: Results) -> None:
        """Write results.json."""
        if self._workers.is_chief:
            super().save_results(results)


def own_part(
    earlier: PreviousTraining, config: Config, loss: Loss, workers: OneProcess
) -> PreviousTraining:
    """Return the share that a worker has of an earlier training: the rows of its own users.

    Args:
        earlier: the training to continue from.
        config: its settings.
        loss: its loss.
        workers: who continue it, however many it had.
    """
    if workers.number == 1 or earlier.model.vocabularies is None:
        return earlier
    users, items = earlier.model.vocabularies
    rows = np.flatnonzero(workers.owns(users))
    features = {"item": earlier.model.item_features} if earlier.model.item_features else {}
    model = models.build(config, loss, (len(rows), earlier.model.num_items), features)
    model.name_rows(users.take(rows), items)
    _assign(model.variables, earlier.model.variables, model.rows_of_users(), rows)
    if earlier.optimizer is None:
        return PreviousTraining(model)
    optimizer = optimizers.build(config.optimizer, steps_per_epoch=1, epochs=1)
    optimizer.build(model.trainable_variables)
    of_users = optimizers.state_of(optimizer, model, model.rows_of_users())
    _assign(optimizer.variables, earlier.optimizer.variables, of_users, rows)
    return PreviousTraining(model, optimizer)


def _assign(variables: list[Any], earlier: list[Any], of_users: list[Any], rows: Any) -> None:
    sliced = set(map(id, of_users))
    for variable, before in zip(variables, earlier, strict=True):
        variable.assign(before.numpy()[rows] if id(variable) in sliced else before)

"""The run folder: everything that a training leaves behind.

config.json         every setting, resolved, with the constants derived from the data
users.tsv items.tsv raw id, label and perhaps genres of every row
interactions.npz    training and validation ratings and weights in rows, checksums of the raw ids
{user,item}_features.npz   features of every row, where there are any
checkpoints/        the best weights and the optimizer's state, a TensorFlow checkpoint
train/ validation/ test/ summary/   event files for TensorBoard
results.json        metrics, baselines, counts, timing, versions
"""

import contextlib
import json
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mfrec import memory, models
from mfrec.config.resolution import read_settings
from mfrec.config.settings import Config
from mfrec.data.features import Features
from mfrec.data.interactions import Interactions, Vocabulary
from mfrec.data.splits import Split
from mfrec.errors import InputError, first_line
from mfrec.files import is_run_dir, replacing, require_run_dir
from mfrec.losses import Loss
from mfrec.models.base import Model
from mfrec.quiet_tensorflow import tf
from mfrec.runs.results import Results
from mfrec.training import optimizers
from mfrec.training.history import PreviousTraining

_PARTS = ("train", "validation")
_COLUMNS = ("user_ids", "item_ids", "ratings", "weights")


class RunFolder:
    """Reads and writes the files of one run.

    Args:
        path: the folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @classmethod
    @contextlib.contextmanager
    def create(cls, path: str | Path, overwrite: bool = False) -> Iterator["RunFolder"]:
        """Make the folder, and keep it if the block saves a model in it.

        Otherwise, as when training is interrupted before it begins, the folder is removed again
        and the run it was to replace is put back.

        Raises:
            InputError: it exists and `overwrite` is False, or it is no run folder, or it
                cannot be made.
        """
        path = Path(path)
        is_new = not path.exists()
        earlier = list(path.iterdir()) if path.is_dir() else []
        if earlier or path.is_file():
            if not overwrite:
                raise InputError(f"{path} exists; name another --run_dir or add --overwrite")
            if not is_run_dir(path):
                raise InputError(f"{path} is no run folder, so --overwrite leaves it alone")
        folder = cls(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
            aside = _set_aside(earlier, path) if earlier else None
        except OSError as error:
            raise InputError(f"--run_dir={path}: {error.strerror}") from None
        try:
            yield folder
        finally:
            if folder.has_model():
                _remove([aside] if aside else [])
            else:
                _remove(entry for entry in path.iterdir() if entry != aside)
                if aside:
                    _put_back(aside)
                if is_new:
                    path.rmdir()

    def has_model(self) -> bool:
        """Return whether weights were saved, of this run or of one of its folds."""
        # the file in which TensorFlow notes the latest checkpoint
        note = "checkpoints/checkpoint"
        return (self.path / note).is_file() or any(self.path.glob(f"fold-*/{note}"))

    def save_config(self, config: Config, derived: dict[str, Any]) -> None:
        """Write config.json.

        Args:
            config: the settings, resolved.
            derived: the constants that come from the training data.
        """
        self._write_json("config.json", config.as_dict() | {"derived": derived})

    def save_data(self, split: Split, features: Mapping[str, Features] = {}) -> None:
        """Write vocabularies, interactions and features, and remove a checkpoint of other data.

        Args:
            split: its training and validation part are kept.
            features: of "user" and "item" rows, if they have any.
        """
        shutil.rmtree(self.path / "checkpoints", ignore_errors=True)
        with replacing(self.path / "users.tsv") as path:
            split.train.users.save(path)
        with replacing(self.path / "items.tsv") as path:
            split.train.items.save(path)
        # users who are held out have no row in the vocabulary
        parts = {part: getattr(split, part) for part in _PARTS if part not in split.histories}
        arrays: dict[str, Any] = {
            "users_crc32": _checksum(split.train.users),
            "items_crc32": _checksum(split.train.items),
        }
        for part, rows in parts.items():
            columns = {} if rows is None else {name: getattr(rows, name) for name in _COLUMNS}
            arrays |= {f"{part}_{name}": c for name, c in columns.items() if c is not None}
        with replacing(self.path / "interactions.npz") as path, path.open("wb") as file:
            np.savez(file, **arrays)
        for role, found in features.items():
            path = self.path / f"{role}_features.npz"
            with replacing(path) as target, target.open("wb") as file:
                np.savez(file, **(vars(found) | {"names": np.array(found.names)}))

    def save_model(
        self,
        model: Model,
        step: int,
        optimizer: tf.keras.optimizers.Optimizer | None = None,
    ) -> None:
        """Write the weights; an earlier checkpoint is removed once the new one is complete.

        Args:
            model: the model.
            step: optimizer steps so far.
            optimizer: its optimizer, saved for trainings that continue from here.

        Raises:
            InputError: it cannot be written, as on a full disk, or not every variable was kept.
        """
        path = self.path / "checkpoints"
        try:
            manager = tf.train.CheckpointManager(
                _checkpoint(model, optimizer),
                str(path),
                max_to_keep=1,
            )
            manager.save(checkpoint_number=step)
        except (OSError, tf.errors.OpError) as error:
            # before it stands the name of a temporary file
            reason = first_line(error).rpartition("; ")[2]
            raise InputError(f"{path}: {reason}") from None

    def save_results(self, results: Results) -> None:
        """Write results.json."""
        self._write_json("results.json", results.as_dict())

    def load_config(self) -> tuple[Config, dict[str, Any]]:
        """Return the settings, and the constants that were derived from the data.

        Raises:
            InputError: no run folder, or a config.json that cannot be read.
        """
        require_run_dir(self.path)
        path = self.path / "config.json"
        config = Config().replace(read_settings(str(path)))
        derived = json.loads(path.read_text(encoding="utf-8")).get("derived")
        if not isinstance(derived, dict):
            raise InputError(f"{path}: no constants under 'derived'; the file is incomplete")
        return config, derived

    def load_data(self) -> dict[str, Interactions]:
        """Return the "train" and, if there is one, "validation" part, in the run's vocabularies.

        Raises:
            InputError: a file is missing or does not fit the others.
        """
        users = self._load_vocabulary("users.tsv")
        items = self._load_vocabulary("items.tsv")
        path = self.path / "interactions.npz"
        try:
            with np.load(path) as arrays:
                checksums = {
                    "users.tsv": (arrays["users_crc32"], _checksum(users)),
                    "items.tsv": (arrays["items_crc32"], _checksum(items)),
                }
                parts = {
                    part: Interactions(
                        arrays[f"{part}_user_ids"],
                        arrays[f"{part}_item_ids"],
                        arrays[f"{part}_ratings"],
                        None,
                        users,
                        items,
                        weights=arrays.get(f"{part}_weights"),
                    )
                    for part in _PARTS
                    if f"{part}_ratings" in arrays
                }
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: cannot be read ({first_line(error)})") from None
        for name, (expected, found) in checksums.items():
            if expected != found:
                raise InputError(
                    f"{self.path / name}: not the raw ids of this run's training; restore the file"
                )
        if "train" not in parts:
            raise InputError(f"{path}: holds no training part")
        return parts

    def load_model(self, config: Config, loss: Loss, train: Interactions) -> Model:
        """Return the trained model.

        Args:
            config: the run's settings.
            loss: the run's loss, whose link the model needs.
            train: the run's training part.

        Raises:
            InputError: no checkpoint, a broken one, one of another shape, or one that holds other
                variables than the model has.
        """
        rows = (train.num_users, train.num_items)
        memory.check_tables(config.model.embedding_dim, sum(rows), copies=1)
        model = models.build(config, loss, rows, self._load_features(config, rows))
        model.prepare(train)
        path = self.path / "checkpoints"
        try:
            path = tf.train.latest_checkpoint(str(path))
            if path is None:
                raise InputError(f"{self.path} holds no checkpoint; the run has saved none yet")
            status = _checkpoint(model).restore(path)
            # the optimizer's state is not restored here
            status.assert_existing_objects_matched().expect_partial()
            _check_variables(path, model)
        except (tf.errors.OpError, ValueError, AssertionError, IndexError, RuntimeError) as error:
            raise InputError(f"{path}: cannot be restored ({first_line(error)})") from None
        return model

    def load_trained(self, config: Config, loss: Loss, train: Interactions) -> PreviousTraining:
        """The trained model with its optimizer, where that was kept; arguments as `load_model`.

        Raises:
            InputError: as `load_model`.
        """
        model = self.load_model(config, loss, train)
        optimizer = optimizers.build(config.optimizer, steps_per_epoch=1, epochs=1)
        optimizer.build(model.trainable_variables)
        path = tf.train.latest_checkpoint(str(self.path / "checkpoints"))
        kept = {name for name, _ in tf.train.list_variables(path)}
        if not any(name.startswith("optimizer/") for name in kept):
            return PreviousTraining(model)
        tf.train.Checkpoint(optimizer=optimizer).restore(path).expect_partial()
        return PreviousTraining(model, optimizer)

    def load_results(self) -> Results:
        """Return what results.json holds.

        Raises:
            InputError: no such file, no JSON, or something is missing in it.
        """
        path = self.path / "results.json"
        try:
            content = json.loads(path.read_text(encoding="utf-8"))
        except OSError:
            raise InputError(f"{path}: no such file; the run has not ended yet") from None
        except ValueError as error:
            raise InputError(f"{path}: not JSON ({error})") from None
        try:
            return Results.from_dict(content if isinstance(content, dict) else {})
        except KeyError as missing:
            raise InputError(f"{path}: no {missing}; the file is incomplete") from None

    def _load_features(self, config: Config, rows: tuple[int, int]) -> dict[str, Features]:
        """Return the features that the run was trained with, by "user" and "item".

        Raises:
            InputError: a file is missing or does not fit the vocabularies.
        """
        features = {}
        files = {"user": config.data.user_features, "item": config.data.item_features}
        for (role, given), num_rows in zip(files.items(), rows, strict=True):
            if given is None:
                continue
            path = self.path / f"{role}_features.npz"
            try:
                with np.load(path) as arrays:
                    names = tuple(arrays["names"].tolist())
                    features[role] = Features(names, arrays["ids"], arrays["values"])
            except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
                raise InputError(f"{path}: cannot be read ({first_line(error)})") from None
            if len(features[role].ids) != num_rows:
                raise InputError(
                    f"{path}: features of {len(features[role].ids):,} rows, the run has "
                    f"{num_rows:,}; restore the file"
                )
        return features

    def _load_vocabulary(self, name: str) -> Vocabulary:
        try:
            return Vocabulary.load(self.path / name)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{self.path / name}: cannot be read ({error})") from None

    def _write_json(self, name: str, content: dict[str, Any]) -> None:
        with replacing(self.path / name) as path:
            path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def _checksum(vocabulary: Vocabulary) -> int:
    return zlib.crc32("\n".join(vocabulary.raw_ids).encode())


def _set_aside(entries: Iterable[Path], folder: Path) -> Path:
    """Move entries of a folder into a new folder in it, all or none; return the new one."""
    # the name alone: from Python 3.12 on mkdtemp returns an absolute path for a relative `dir`,
    # which would equal no entry of `folder`
    aside = folder / Path(tempfile.mkdtemp(prefix=".replaced-", dir=folder)).name
    try:
        for entry in entries:
            entry.rename(aside / entry.name)
    except BaseException:
        _put_back(aside)
        raise
    return aside


def _put_back(aside: Path) -> None:
    """Move everything in `aside` to its parent folder, and remove `aside`."""
    for entry in list(aside.iterdir()):
        entry.rename(aside.parent / entry.name)
    aside.rmdir()


def _remove(entries: Iterable[Path]) -> None:
    for entry in entries:
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def _checkpoint(
    model: Model, optimizer: tf.keras.optimizers.Optimizer | None = None
) -> tf.train.Checkpoint:
    """Return a checkpoint of every variable of a model, and of an optimizer.

    TensorFlow finds variables through attributes; those that it does not find so, such as those of
    a Keras Sequential inside the model, are listed as "layers".
    """
    parts: dict[str, Any] = {"model": model}
    by_attribute = tf.train.Checkpoint(**parts)
    found = set(map(id, tf.train.TrackableView(by_attribute).descendants()))
    hidden = [v.value for v in model.variables if not {id(v), id(v.value)} & found]
    if hidden:
        parts["layers"] = hidden
    if optimizer:
        parts["optimizer"] = optimizer
    return tf.train.Checkpoint(**parts)


def _check_variables(path: str, model: Model) -> None:
    """Refuse a checkpoint that kept variables which a model does not have."""
    names = [name.split("/") for name, _ in tf.train.list_variables(path)]
    foreign = [name[1] for name in names if name[0] == "model" and not hasattr(model, name[1])]
    if foreign:
        raise InputError(f"{path}: holds '{foreign[0]}', which the model does not have")

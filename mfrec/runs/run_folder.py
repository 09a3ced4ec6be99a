"""The run folder: everything that a training leaves behind.

config.json         every setting, resolved, with the constants derived from the data
users.tsv items.tsv raw id, label and perhaps genres of every row
interactions.npz    training and validation ratings and weights in rows, checksums of the raw ids
{user,item}_features.npz   features of every row, where there are any
checkpoints/        the best weights and the optimizer's state, a TensorFlow checkpoint
train/ validation/ test/ summary/   event files for TensorBoard
results.json        metrics, baselines, counts, timing, versions
code/               copies of the user's own losses, models, … and of what they import beside them

Every file that is read again has a digest; see mfrec/digests.py.
"""

import contextlib
import functools
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mfrec import digests, memory, models
from mfrec.config import kept_code
from mfrec.config.resolution import settings_in
from mfrec.config.settings import Config
from mfrec.data.features import Features
from mfrec.data.interactions import Interactions
from mfrec.data.shards.manifest import is_converted
from mfrec.data.shards.parts import Converted
from mfrec.data.splits import Split
from mfrec.data.values import as_flag
from mfrec.data.vocabulary import UNKNOWN, Vocabulary
from mfrec.errors import InputError, first_line
from mfrec.files import as_path, is_run_dir, read_json, remove, replacing, require_run_dir
from mfrec.losses import Loss
from mfrec.models.base import Model
from mfrec.numpy_files import read_npz
from mfrec.progress import say
from mfrec.quiet_tensorflow import tf
from mfrec.runs import checkpoints
from mfrec.runs.results import Results
from mfrec.training import optimizers
from mfrec.training.history import PreviousTraining

# What to do about files that are gone, damaged or do not fit each other.
_RESTORE = "restore the file"
_RESTORE_BOTH = "restore config.json and checkpoints/ as the run wrote them"

_PARTS = ("train", "validation")
_COLUMNS = ("user_ids", "item_ids", "ratings", "weights")


class RunFolder:
    """Reads and writes the files of one run.

    Args:
        path: the folder.
        allow_code: whether code in it is run that this user has not trained with.
    """

    def __init__(self, path: str | Path, allow_code: bool = False) -> None:
        self.path = as_path(path, "run folder")
        self._allow_code = as_flag(allow_code, "allow_code")

    @functools.cached_property
    def _run(self) -> str:
        """The run's number, of which every digest is made; "" if it has none.

        Those of earlier versions have none, nor has a folder without a config.json.
        """
        number = self._content("config.json").get("run", "") if is_run_dir(self.path) else ""
        return str(number)

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
        path = as_path(path, "run folder")
        overwrite = as_flag(overwrite, "overwrite")
        is_new = not os.path.exists(path)
        earlier = list(path.iterdir()) if os.path.isdir(path) else []
        if earlier or os.path.isfile(path):
            if not overwrite:
                raise InputError(f"{path} exists; name another --run_dir or add --overwrite")
            if not is_run_dir(path):
                raise InputError(f"{path} is no run folder, so --overwrite leaves it alone")
        folder = cls(path)
        try:
            # TensorFlow writes to no other paths
            str(path).encode()
            path.mkdir(parents=True, exist_ok=True)
            aside = _set_aside(earlier, path) if earlier else None
        except OSError as error:
            raise InputError(f"--run_dir={path}: {error.strerror}") from None
        except ValueError as error:
            raise InputError(f"--run_dir={ascii(str(path))}: {first_line(error)}") from None
        try:
            yield folder
        finally:
            if folder.has_model():
                remove([aside] if aside else [])
            else:
                remove(entry for entry in path.iterdir() if entry != aside)
                if aside:
                    _put_back(aside)
                if is_new:
                    path.rmdir()

    def has_model(self) -> bool:
        """Return whether weights were saved, of this run or of one of its folds."""
        # the file in which TensorFlow notes the latest checkpoint
        note = f"checkpoints/{checkpoints.LATEST}"
        return (self.path / note).is_file() or any(self.path.glob(f"fold-*/{note}"))

    def save_config(self, config: Config, derived: dict[str, Any]) -> None:
        """Write config.json.

        Args:
            config: the settings, resolved.
            derived: the constants that come from the training data.
        """
        # the same while a run goes on and writes its settings again
        self._run = self._run or digests.new_run()
        values, code = kept_code.keep(config.flat(), self.path)
        settings = Config().replace(values).as_dict()
        content = {"run": self._run, **settings, "derived": derived, "code": code}
        self._write_json("config.json", content)

    def save_data(self, split: Split, features: Mapping[str, Features] = {}) -> None:
        """Write vocabularies, interactions and features, and remove a checkpoint of other data.

        Args:
            split: its training and validation part are kept.
            features: of "user" and "item" rows, if they have any.
        """
        shutil.rmtree(self.path / "checkpoints", ignore_errors=True)
        vocabularies = {"users.tsv": split.train.users, "items.tsv": split.train.items}
        # users who are held out have no row in the vocabulary
        parts = {part: getattr(split, part) for part in _PARTS if part not in split.histories}
        arrays: dict[str, Any] = {}
        train: Any = split.train
        if train.is_streamed:
            # the folder of shards stays where it is
            data, parts = train.data, {}
            arrays["converted_path"] = np.array(str(data.path.absolute()))
            arrays["conversion"] = np.array(data.manifest.conversion)
            arrays["num_workers"] = np.array(data.num_workers)
        for name, vocabulary in vocabularies.items():
            with replacing(self.path / name) as path:
                vocabulary.save(path)
                arrays[f"{name}_digest"] = self._digest(name, path)
        for part, rows in parts.items():
            columns = {} if rows is None else {name: getattr(rows, name) for name in _COLUMNS}
            arrays |= {f"{part}_{name}": c for name, c in columns.items() if c is not None}
        self._write_arrays("interactions.npz", arrays)
        for role, found in features.items():
            self._write_arrays(
                f"{role}_features.npz", vars(found) | {"names": np.array(found.names)}
            )

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
        checkpoint = checkpoint_of(model, optimizer)
        checkpoints.save(checkpoint, self.path / "checkpoints", step, self._run)

    def save_results(self, results: Results) -> None:
        """Write results.json."""
        self._write_json("results.json", results.as_dict())

    def load_config(self) -> tuple[Config, dict[str, Any]]:
        """Return the settings, and the constants that were derived from the data.

        Raises:
            InputError: no run folder, a config.json that cannot be read or was changed, or code
                in the run folder that is damaged or not allowed.
        """
        require_run_dir(self.path)
        path, content = self.path / "config.json", self._content("config.json")
        values = settings_in(content, path)
        config = Config().replace(kept_code.located(values, content, path, self._allow_code))
        derived = content.get("derived")
        if not isinstance(derived, dict):
            raise InputError(f"{path}: no constants under 'derived'; restore the file")
        return config, derived

    def load_data(self) -> dict[str, Interactions]:
        """Return the "train" and, if there is one, "validation" part, in the run's vocabularies.

        Raises:
            InputError: a file is missing, damaged or does not fit the others.
        """
        users, items = self._load_vocabulary("users.tsv"), self._load_vocabulary("items.tsv")
        arrays = self._arrays("interactions.npz")
        for name, vocabulary in {"users": users, "items": items}.items():
            self._check_vocabulary(f"{name}.tsv", vocabulary, arrays)
        if "conversion" in arrays:
            return self._streamed_parts(arrays, users, items)
        parts = {
            part: self._part(arrays, part, users, items)
            for part in _PARTS
            if any(name.startswith(f"{part}_") for name in arrays)
        }
        if "train" not in parts:
            raise InputError(
                f"{self.path / 'interactions.npz'}: holds no training part; {_RESTORE}"
            )
        return parts

    def _streamed_parts(
        self, arrays: Mapping[str, np.ndarray], users: Vocabulary, items: Vocabulary
    ) -> dict[str, Any]:
        """The parts of the converted folder that the run was trained on.

        Raises:
            InputError: the folder is gone, or holds another conversion.
        """
        path, conversion = str(arrays.get("converted_path", "")), str(arrays["conversion"])
        if not is_converted(path):
            raise InputError(
                f"{self.path}: was trained on the converted folder {path}, which is gone; restore "
                "it in its place"
            )
        data = Converted.open(path)
        if data.manifest.conversion != conversion:
            raise InputError(
                f"{self.path}: was trained on another conversion than {path} holds now; restore it"
            )
        data = data.dealt(int(arrays.get("num_workers", 1)))
        data.take_vocabularies(users, items)
        parts = {part: data.part(part) for part in _PARTS}
        return {name: part for name, part in parts.items() if part is not None}

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
        if config.model.init_stddev is None:
            raise InputError(f"{self.path / 'config.json'}: no init_stddev; restore the file")
        rows = (train.num_users, train.num_items)
        memory.check_tables(config.model.embedding_dim, sum(rows), memory.Held(1))
        # arguments that the model does not take
        models.suit(config)
        model = models.build(config, loss, rows, self._load_features(config, rows))
        model.prepare(train)
        with self._latest_checkpoint() as path:
            # the optimizer's state is not restored here
            status = checkpoint_of(model).read(path).expect_partial()
            status.assert_existing_objects_matched()
            _check_variables(path, model)
        return model

    def load_trained(self, config: Config, loss: Loss, train: Interactions) -> PreviousTraining:
        """The trained model with its optimizer, where that was kept; arguments as `load_model`.

        Raises:
            InputError: as `load_model`.
        """
        model = self.load_model(config, loss, train)
        optimizer = optimizers.build(config.optimizer, steps_per_epoch=1, epochs=1)
        optimizer.build(model.trainable_variables)
        with self._latest_checkpoint() as path:
            kept = {name for name, _ in tf.train.list_variables(path)}
            if not any(name.startswith("optimizer/") for name in kept):
                return PreviousTraining(model)
            tf.train.Checkpoint(optimizer=optimizer).read(path).expect_partial()
        return PreviousTraining(model, optimizer)

    def load_results(self) -> Results:
        """Return what results.json holds.

        Raises:
            InputError: no such file, no JSON, or something is missing in it.
        """
        path = self.path / "results.json"
        if not os.path.exists(path):
            raise InputError(f"{path}: no such file; the run has not ended yet")
        content = self._content("results.json")
        try:
            return Results.from_dict(content)
        except KeyError as missing:
            raise InputError(f"{path}: no {missing}; restore the file") from None
        except ValueError as error:
            raise InputError(f"{path}: {error}; restore the file") from None

    @contextlib.contextmanager
    def _latest_checkpoint(self) -> Iterator[str]:
        """Yield what TensorFlow reads; what it cannot read is an InputError."""
        folder = self.path / "checkpoints"
        try:
            with checkpoints.latest(folder, self._run) as path:
                name = Path(path).name
                yield path
        except InputError:
            raise
        except (tf.errors.OpError, ValueError, AssertionError, LookupError, RuntimeError) as error:
            place = folder / name
            checkpoints.quieten_remarks()
            raise InputError(
                f"{place}: cannot be restored ({first_line(error)}); {_RESTORE_BOTH}"
            ) from None

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
            arrays = self._arrays(path.name)
            if set(arrays) != {"names", "ids", "values"}:
                raise InputError(f"{path}: holds {', '.join(arrays)}; restore the file")
            names, ids, values = (arrays[name] for name in ("names", "ids", "values"))
            if not (
                ids.ndim == 2
                and ids.shape == values.shape
                and (ids.dtype.kind, values.dtype.kind, names.dtype.kind) == ("i", "f", "U")
                and not (ids.size and (ids.min() < 0 or ids.max() >= names.size))
            ):
                raise InputError(f"{path}: its arrays do not fit each other; restore the file")
            if len(ids) != num_rows:
                raise InputError(
                    f"{path}: features of {len(ids):,} rows, the run has {num_rows:,}; restore "
                    "the file"
                )
            features[role] = Features(tuple(names.tolist()), ids, values)
        return features

    def _load_vocabulary(self, name: str) -> Vocabulary:
        try:
            return Vocabulary.load(self.path / name)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(
                f"{self.path / name}: cannot be read ({first_line(error)}); {_RESTORE}"
            ) from None

    def _check_vocabulary(
        self, name: str, vocabulary: Vocabulary, arrays: Mapping[str, np.ndarray]
    ) -> None:
        """Refuse a vocabulary that is not the one of the interactions."""
        path = self.path / name
        expected, found = arrays.get(f"{name}_digest"), self._digest(name, path)
        if expected is None:
            # earlier versions: of the raw ids alone
            expected = arrays.get(f"{path.stem}_crc32")
            found = str(zlib.crc32("\n".join(vocabulary.raw_ids).encode()))
        if str(expected) != found:
            raise InputError(
                f"{path}: not the raw ids and labels of this run's training; restore the file"
            )

    def _part(
        self, arrays: Mapping[str, np.ndarray], part: str, users: Vocabulary, items: Vocabulary
    ) -> Interactions:
        """Return a part of the interactions.

        Raises:
            InputError: a column is missing, or they do not fit each other or the vocabularies.
        """
        path = self.path / "interactions.npz"
        columns = {name: arrays.get(f"{part}_{name}") for name in _COLUMNS}
        user_ids, item_ids, ratings, weights = columns.values()
        for name in _COLUMNS[:3]:
            if columns[name] is None:
                raise InputError(f"{path}: holds no {part}_{name}; restore the file")
        given = [column for column in columns.values() if column is not None]
        if not (
            {column.shape for column in given} == {(ratings.size,)}
            and (user_ids.dtype, item_ids.dtype, ratings.dtype) == (np.int32, np.int32, np.float32)
            and _are_rows(user_ids, users)
            and _are_rows(item_ids, items)
        ):
            raise InputError(f"{path}: {part} does not fit the vocabularies; restore the file")
        return Interactions(user_ids, item_ids, ratings, None, users, items, weights=weights)

    def _content(self, name: str) -> dict[str, Any]:
        """Return the object of a JSON file, once its digest is checked.

        Raises:
            InputError: it cannot be read or was changed.
        """
        path, content = self.path / name, read_json(self.path / name, _RESTORE)
        run = str(content.get("run", "")) if name == "config.json" else self._run
        digest = content.get(digests.DIGEST)
        if digest is None:
            _note_unchecked(path, run)
        elif digest != digests.of_json(run, name, content):
            raise InputError(
                f'{path}: changed since its run; restore it, or remove its "{digests.DIGEST}" '
                "to have it used as it is"
            )
        return content

    def _arrays(self, name: str) -> dict[str, np.ndarray]:
        """Return the arrays of a file, once its digest is checked.

        Raises:
            InputError: it cannot be read or is not as the run wrote it.
        """
        path = self.path / name
        arrays = read_npz(path, _RESTORE, _RESTORE)
        digests.check_arrays(path, self._run, name)
        return arrays

    def _digest(self, name: str, path: Path) -> str:
        try:
            return digests.of_bytes(self._run, name, path.read_bytes())
        except OSError as error:
            raise InputError(f"{path}: {error.strerror}; {_RESTORE}") from None

    def _write_json(self, name: str, content: dict[str, Any]) -> None:
        sealed = content | {digests.DIGEST: digests.of_json(self._run, name, content)}
        with replacing(self.path / name) as path:
            path.write_text(json.dumps(sealed, indent=2) + "\n", encoding="utf-8")

    def _write_arrays(self, name: str, arrays: Mapping[str, Any]) -> None:
        with replacing(self.path / name) as path:
            with path.open("wb") as file:
                np.savez(file, **arrays)
            digests.seal_arrays(path, self._run, name)


@functools.cache
def _note_unchecked(path: Path, run: str) -> None:
    """Say once that a file has no digest."""
    if run:
        say(f"{path} has no digest: it is used as it is")
    elif path.name == "config.json":
        say(f"{path.parent} is of an earlier version: its files have no digests to be checked by")


def _are_rows(ids: np.ndarray, vocabulary: Vocabulary) -> bool:
    return not ids.size or (ids.min() >= UNKNOWN and ids.max() < len(vocabulary))


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


def checkpoint_of(
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
        checkpoints.quieten_remarks()
        raise InputError(
            f"{path}: holds '{foreign[0]}', which the model does not have; {_RESTORE_BOTH}"
        )

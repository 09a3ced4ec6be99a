"""The run folder: everything a training leaves behind, readable without it.

config.json         every setting, resolved, with the constants derived from the data
users.tsv items.tsv raw id and label of every row
interactions.npz    training and validation ratings in rows
checkpoints/        the best weights, as a TensorFlow checkpoint
train/ validation/ test/   event files for TensorBoard
results.json        metrics, baselines, counts, timing, versions
"""

import json
import os
import shutil
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from mfrec.config import Config, read_settings
from mfrec.data.interactions import Interactions, Vocabulary
from mfrec.data.splits import Split
from mfrec.errors import InputError
from mfrec.losses import Loss
from mfrec.model import MatrixFactorization
from mfrec.quiet_tensorflow import tf

_PARTS = ("train", "validation")
_COLUMNS = ("user_ids", "item_ids", "ratings")


class RunFolder:
    """Reads and writes the files of one run.

    Args:
        path: the folder.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @classmethod
    def create(cls, path: str | Path, overwrite: bool = False) -> "RunFolder":
        """Makes the folder.

        Raises:
            InputError: it exists and `overwrite` is False, or it is no run folder, or it
                cannot be made.
        """
        path = Path(path)
        if path.exists() and any(path.iterdir() if path.is_dir() else [path]):
            if not overwrite:
                raise InputError(f"{path} exists; name another --run_dir or add --overwrite")
            if not (path / "config.json").is_file():
                raise InputError(f"{path} is no run folder, so --overwrite leaves it alone")
            shutil.rmtree(path)
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"--run_dir={path}: {error.strerror}") from None
        return cls(path)

    def save_config(self, config: Config, derived: dict[str, Any]) -> None:
        """Writes config.json."""
        self._write_json("config.json", config.as_dict() | {"derived": derived})

    def save_data(self, split: Split) -> None:
        """Writes the vocabularies and the interactions; a checkpoint for others goes."""
        shutil.rmtree(self.path / "checkpoints", ignore_errors=True)
        split.train.users.save(self.path / "users.tsv")
        split.train.items.save(self.path / "items.tsv")
        parts = {part: getattr(split, part) for part in _PARTS}
        np.savez(
            self.path / "interactions.npz",
            **{
                f"{part}_{column}": getattr(rows, column)
                for part, rows in parts.items()
                if rows is not None
                for column in _COLUMNS
            },
        )

    def save_model(self, model: MatrixFactorization, step: int) -> None:
        """Writes the weights; the checkpoint before goes only once the new one is complete."""
        manager = tf.train.CheckpointManager(
            tf.train.Checkpoint(model=model), str(self.path / "checkpoints"), max_to_keep=1
        )
        manager.save(checkpoint_number=step)

    def save_results(self, results: dict[str, Any]) -> None:
        """Writes results.json."""
        self._write_json("results.json", results)

    def load_config(self) -> tuple[Config, dict[str, Any]]:
        """The settings, and the constants that were derived from the data.

        Raises:
            InputError: no run folder, or a config.json that cannot be read.
        """
        path = self.path / "config.json"
        if not path.is_file():
            raise InputError(f"{self.path} is no run folder: it holds no config.json")
        config = Config().replace(read_settings(str(path)))
        derived = json.loads(path.read_text(encoding="utf-8")).get("derived")
        if not isinstance(derived, dict):
            raise InputError(f"{path}: no constants under 'derived'; the file is incomplete")
        return config, derived

    def load_data(self) -> dict[str, Interactions]:
        """The "train" and, where there is one, "validation" part, in the run's vocabularies.

        Raises:
            InputError: a file is missing or does not fit the others.
        """
        users = self._load_vocabulary("users.tsv")
        items = self._load_vocabulary("items.tsv")
        path = self.path / "interactions.npz"
        try:
            with np.load(path) as arrays:
                parts = {
                    part: Interactions(
                        *(arrays[f"{part}_{column}"] for column in _COLUMNS), None, users, items
                    )
                    for part in _PARTS
                    if f"{part}_ratings" in arrays
                }
        except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
            raise InputError(f"{path}: cannot be read ({error})") from None
        if "train" not in parts:
            raise InputError(f"{path}: holds no training part")
        return parts

    def load_model(self, config: Config, loss: Loss, rows: tuple[int, int]) -> MatrixFactorization:
        """The trained model.

        Args:
            config: the run's settings.
            loss: the run's loss, whose link the model needs.
            rows: users and items of the vocabularies.

        Raises:
            InputError: no checkpoint, a broken one, or one of another shape.
        """
        model = build_model(config, loss, rows)
        path = tf.train.latest_checkpoint(str(self.path / "checkpoints"))
        if path is None:
            raise InputError(f"{self.path} holds no checkpoint; the run has saved none yet")
        try:
            status = tf.train.Checkpoint(model=model).restore(path)
            status.assert_existing_objects_matched()
        except (tf.errors.OpError, ValueError, AssertionError, IndexError, RuntimeError) as error:
            reason = str(error).strip().splitlines()[0]
            raise InputError(f"{path}: cannot be restored ({reason})") from None
        return model

    def load_results(self) -> dict[str, Any]:
        """What results.json holds.

        Raises:
            InputError: no such file, or no JSON.
        """
        path = self.path / "results.json"
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except OSError:
            raise InputError(f"{path}: no such file; the run has not ended yet") from None
        except ValueError as error:
            raise InputError(f"{path}: not JSON ({error})") from None

    def _load_vocabulary(self, name: str) -> Vocabulary:
        try:
            return Vocabulary.load(self.path / name)
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"{self.path / name}: cannot be read ({error})") from None

    def _write_json(self, name: str, content: dict[str, Any]) -> None:
        # a reader never sees half a file
        path = self.path / name
        temporary = path.with_suffix(".tmp")
        temporary.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
        os.replace(temporary, path)


def build_model(config: Config, loss: Loss, rows: tuple[int, int]) -> MatrixFactorization:
    """An untrained model of the configured kind for so many users and items."""
    settings = config.model
    return MatrixFactorization(
        *rows,
        settings.embedding_dim,
        use_bias=settings.use_bias,
        init_stddev=settings.init_stddev,
        regularization=settings.regularization,
        bias_regularization=settings.bias_regularization,
        frequency_exponent=settings.frequency_exponent,
        clip_predictions=settings.clip_predictions,
        link=loss.link,
        seed=config.training.seed,
    )

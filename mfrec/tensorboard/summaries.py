"""Everything TensorBoard: the event files of a run folder.

train/ validation/ test/ refit/   scalars and histograms by optimizer step; calibration images
summary/                          the settings as text and as the HParams tab's row of this run,
                                  its best validation and its test metrics; the projector's files

HParams takes the folder that holds the settings for the run and every scalar at or below it for one
of its metrics, so settings and final metrics share a folder of their own. The projector reads its
files from folders that hold events. Both are found from the run folder and from the folder of all
runs.

An epoch's values are packed into one record per part: one by one they take four times as long.
"""

import contextlib
import functools
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.histogram.metadata import create_summary_metadata as histogram_metadata
from tensorboard.plugins.hparams import api_pb2
from tensorboard.plugins.hparams.summary import session_end_pb
from tensorboard.plugins.hparams.summary_v2 import hparams_pb
from tensorboard.plugins.image.metadata import create_summary_metadata as image_metadata
from tensorboard.plugins.scalar.summary_v2 import scalar_pb
from tensorboard.plugins.text.summary_v2 import text_pb
from tensorboard.util.tensor_util import make_tensor_proto

from mfrec.config.settings import Config, python_type, settings
from mfrec.data.interactions import Interactions
from mfrec.data.splits import Split
from mfrec.errors import InputError, first_line
from mfrec.models.base import Model
from mfrec.quiet_tensorflow import tf
from mfrec.tensorboard import projector
from mfrec.tensorboard.calibration import Calibration
from mfrec.terminal import visible
from mfrec.training.history import EpochLog

_BINS = 30
# Histograms per run, however many epochs it has.
_HISTOGRAMS = 10


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Name the folder in the error if nothing can be written, as on a full disk."""
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        raise InputError(f"{path}: event files cannot be written ({first_line(error)})") from None


def _unless_off(write: Callable[..., None]) -> Callable[..., None]:
    """Decorate a method: it does nothing at level "off", and its seconds are counted."""

    @functools.wraps(write)
    def counted(self: "Summaries", *args: Any, **kwargs: Any) -> None:
        if self._level == "off":
            return
        started = time.perf_counter()
        with _naming(self._path):
            write(self, *args, **kwargs)
        self.seconds += time.perf_counter() - started

    return counted


class Summaries:
    """Writes a run's event files; a context manager that closes them.

    Every method raises InputError if the files cannot be written.

    Args:
        path: the run folder.
        level: "off" writes nothing; "basic" scalars, settings and final metrics; "full" also
            histograms, calibration images and the projector's files.

    Attributes:
        seconds: time spent in the methods so far.
    """

    def __init__(self, path: str | Path, level: str = "basic") -> None:
        self._path = Path(path)
        self._level = level
        self._writers: dict[str, tf.summary.SummaryWriter] = {}
        self.seconds = 0.0

    def __enter__(self) -> "Summaries":
        return self

    def __exit__(self, error: type[BaseException] | None, *_: object) -> None:
        with _naming(self._path):
            if "summary" in self._writers:
                status = api_pb2.STATUS_FAILURE if error else api_pb2.STATUS_SUCCESS
                self._write("summary", 0, [session_end_pb(status)])
            for writer in self._writers.values():
                writer.close()

    @_unless_off
    def settings(self, config: Config, chosen: dict[str, Any]) -> None:
        """Write all settings, as text and for the HParams tab.

        Args:
            config: the settings, resolved.
            chosen: the settings that were chosen from the data.
        """
        defaults = Config().flat()
        table = ["| setting | value | from |", "|---|---|---|"]
        for name, value in config.flat().items():
            origin = "default" if value == defaults[name] else "given"
            if name in chosen:
                origin = "the data"
            text = visible("none" if value is None else str(value)).replace("|", "\\|")
            table.append(f"| {name} | {text} | {origin} |")
        # with a trial id of their settings, runs that repeat one another would share a row
        row = hparams_pb(_hparams(config), trial_id="")
        self._write("summary", 0, [text_pb("settings", "\n".join(table)), row])

    @_unless_off
    def epoch(
        self,
        log: EpochLog,
        model: Model,
        validation: Interactions | None = None,
        refit: bool = False,
    ) -> None:
        """Write the scalars of an epoch.

        Args:
            log: all scalars of the training and of the validation part; the best validation
                metrics so far also become the run's own.
            model: for the norms of its tables and, at "full", histograms of its variables.
            validation: ratings for the histogram of errors at "full"; None if the model does not
                predict ratings.
            refit: whether this is the refit, which starts again at step 0 and so draws curves
                of its own.
        """
        variables = _by_name(model.trainable_variables)
        norms = {
            f"norm/{name}": float(np.linalg.norm(values, axis=1).mean())
            for name, values in variables.items()
            if values.ndim == 2
        }
        train, measured = _scalars(log.train | norms), _scalars(log.validation)
        is_due = log.epoch in (1, log.epochs) or log.epoch % -(-log.epochs // _HISTOGRAMS) == 0
        if self._level == "full" and is_due:
            train += [_histogram(name, values) for name, values in variables.items()]
            if log.validation and validation is not None:
                some = _some(validation)
                errors = model.predict_interactions(some) - some.ratings
                measured.append(_histogram("prediction_error", errors))
        self._write("refit" if refit else "train", log.step, train)
        self._write("validation", log.step, measured)
        if log.is_best:
            self._final("validation", log.validation, log.step)

    @_unless_off
    def end(
        self,
        model: Model,
        split: Split,
        test: dict[str, float],
        step: int,
        predicts_ratings: bool = True,
    ) -> None:
        """Write the test metrics and, at "full", calibration images and the projector's files.

        Args:
            model: the trained model.
            split: what it was trained, validated and tested on.
            test: the test metrics; empty if there is no test part.
            step: optimizer steps of its training.
            predicts_ratings: whether to draw its predictions beside the true ratings.
        """
        self._write("test", step, _scalars(test))
        self._final("test", test, step)
        if self._level != "full":
            return
        for part in ("validation", "test"):
            held_out = getattr(split, part)
            if held_out is None or not predicts_ratings:
                continue
            held_out = _some(held_out)
            predictions = model.predict_interactions(held_out)
            picture = Calibration.of(predictions, held_out.ratings).png(
                f"calibration · {part}: {len(held_out):,} ratings"
            )
            summaries = [_image("calibration", picture)]
            if part == "test":
                summaries.append(_histogram("prediction_error", predictions - held_out.ratings))
            self._write(part, step, summaries)
        if model.has_vectors:
            embeddings, _ = model.split_item_vectors(model.item_vectors())
            projector.write(self._path / "summary", embeddings.numpy(), split.train)

    def _final(self, part: str, metrics: dict[str, float], step: int) -> None:
        """Write metrics of the run as a whole."""
        values = {f"{part}/{name}": value for name, value in metrics.items()}
        self._write("summary", step, _scalars(values))

    def _write(self, part: str, step: int, summaries: list[Summary]) -> None:
        """Add to a part's event file, which can be read while the run goes on."""
        if not summaries:
            return
        if part not in self._writers:
            self._writers[part] = tf.summary.create_file_writer(str(self._path / part))
        # protocol buffers that are serialized one after the other read as one that merges them
        packed = b"".join(summary.SerializeToString() for summary in summaries)
        with self._writers[part].as_default(step=step):
            tf.summary.experimental.write_raw_pb(packed)
        self._writers[part].flush()


def _some(held_out: Interactions) -> Interactions:
    """All rows, or those of a shard: users are dealt to shards by chance."""
    return next(rows for rows in held_out.shards() if len(rows))


def _hparams(config: Config) -> dict[str, Any]:
    """Return settings by name, each of one type in every run: TensorBoard filters no others.

    A number or truth value that a run does not have is left out; a text is "none".
    """
    absent = {setting.name: "none" for _, setting in settings() if python_type(setting) is str}
    values = {n: absent.get(n) if value is None else value for n, value in config.flat().items()}
    texts = {name: visible(value) for name, value in values.items() if isinstance(value, str)}
    return {name: value for name, value in (values | texts).items() if value is not None}


def _by_name(variables: list[tf.Variable]) -> dict[str, np.ndarray]:
    """Return the variables' values by name, by path where layers share a name."""
    names = [variable.name for variable in variables]
    return {
        variable.path if names.count(variable.name) > 1 else variable.name: variable.numpy()
        for variable in variables
    }


def _scalars(values: dict[str, float]) -> list[Summary]:
    return [scalar_pb(name, value) for name, value in values.items()]


def _histogram(name: str, values: np.ndarray) -> Summary:
    """Return counts in bins of equal width, ten times as fast as TensorBoard's own function."""
    counts, edges = np.histogram(values, _BINS)
    bins = np.stack([edges[:-1], edges[1:], counts], axis=1)
    return _tensor(name, bins.astype(np.float64), histogram_metadata(None, None))


def _image(name: str, png: bytes) -> Summary:
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
    values = np.array([f"{width}".encode(), f"{height}".encode(), png], object)
    return _tensor(name, values, image_metadata(None, None))


def _tensor(name: str, values: np.ndarray, metadata: Any) -> Summary:
    summary = Summary()
    summary.value.add(tag=name, metadata=metadata, tensor=make_tensor_proto(values))
    return summary

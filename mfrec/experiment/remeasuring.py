"""Evaluates finished runs again, and compares two of them user by user."""

import dataclasses
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mfrec import losses
from mfrec.config.settings import Config
from mfrec.data import loading, splitting, suspicions
from mfrec.data.interactions import Interactions, Vocabulary, require_ratings
from mfrec.data.shards.split import StreamedSplit
from mfrec.data.splits import Split, SplitRecipe
from mfrec.errors import InputError
from mfrec.evaluation import significance
from mfrec.evaluation.rankings import RankingResult
from mfrec.experiment import measurable
from mfrec.experiment.folds import mean_results
from mfrec.experiment.part_evaluator import PartEvaluator
from mfrec.experiment.predictions import write as write_predictions
from mfrec.progress import say
from mfrec.runs.results import Results
from mfrec.runs.run_folder import RunFolder


@dataclass(frozen=True)
class Remeasuring:
    """What to measure of a finished run.

    Attributes:
        part: "test" or "validation" of the run's own split.
        ratings: a file of ratings to measure on instead, as the "test" part.
        data_dir: folder of the named data sets, if it has moved since training.
        cutoffs: cutoffs k of the ranking metrics, if not those of training.
        allow_code: whether code in a run folder is run that this user has not trained with.
    """

    part: str = "test"
    ratings: str | None = None
    data_dir: str | None = None
    cutoffs: str | None = None
    allow_code: bool = False

    def __post_init__(self) -> None:
        if self.part == "validation" and self.ratings:
            raise InputError("--part=validation is the run's own; leave out --ratings or --part")


def evaluate_run(
    run_dir: str | Path, what: Remeasuring = Remeasuring(), predictions: str | None = None
) -> Results:
    """Evaluate a finished run again.

    Args:
        run_dir: the run folder, of one training or of a cross-validation.
        what: the part, and what is different from training.
        predictions: file to write raw user, raw item, rating, prediction and error of every
            row to; see mfrec/experiment/predictions.py.

    Returns:
        The run's results with this part's metrics and baselines measured anew.

    Raises:
        InputError: the folder, the data or the file cannot be used.
    """
    run_dir = Path(run_dir)
    folds = sorted(run_dir.glob("fold-*"), key=lambda fold: (len(fold.name), fold.name))
    if not folds:
        return _remeasure(RunFolder(run_dir, what.allow_code), what, predictions).results
    if not (run_dir / "results.json").is_file():
        raise InputError(
            f"{run_dir}: a cross-validation that did not come to its end; measure the folds "
            f"that did, such as {folds[0]}"
        )
    if predictions:
        raise InputError(f"--predictions needs one fold of {run_dir}, such as {folds[0]}")
    split = f"all of {what.ratings}" if what.ratings else RunFolder(run_dir).load_results().split
    # what was assumed about a file of ratings is the same for every fold
    measured = [_remeasure(RunFolder(fold), what, is_said=fold == folds[0]) for fold in folds]
    return mean_results([again.results for again in measured], split)


def compare_runs(
    first: str | Path, second: str | Path, what: Remeasuring = Remeasuring()
) -> significance.Comparison:
    """Compare the rankings of two finished runs user by user.

    Raises:
        InputError: a run cannot be measured or ranks nothing, or they have no user in common.
    """
    return significance.compare(_metrics_per_user(first, what), _metrics_per_user(second, what))


def _metrics_per_user(run_dir: str | Path, what: Remeasuring) -> significance.PerUser:
    again = _remeasure(RunFolder(run_dir, what.allow_code), what)
    if again.ranking is None:
        raise InputError(f"{run_dir}: the run was measured by errors alone; add --cutoffs=10")
    if what.ratings:
        for warning in again.results.warnings:
            say(f"warning: {run_dir}: {warning}")
    names = again.users.take(again.ranking.user_ids).raw_ids
    return significance.PerUser(names, again.ranking.per_user)


@dataclass(frozen=True, eq=False)
class _Remeasured:
    """A run measured anew.

    Attributes:
        results: its results.
        ranking: its rankings user by user; None if it ranks nothing.
        users: the users that were ranked, by row.
    """

    results: Results
    ranking: RankingResult | None
    users: Vocabulary


def _remeasure(
    folder: RunFolder, what: Remeasuring, predictions: str | None = None, is_said: bool = True
) -> _Remeasured:
    config, _ = folder.load_config()
    changes = {
        "data_dir": what.data_dir and os.path.abspath(what.data_dir),
        "cutoffs": what.cutoffs,
    }
    config = config.replace({name: value for name, value in changes.items() if value})
    results, saved, part = folder.load_results(), folder.load_data(), what.part
    train = saved["train"]
    loss = losses.configured(config.loss)
    model = folder.load_model(config, loss, train)
    notes: tuple[str, ...] = ()
    if what.ratings and train.is_streamed:
        raise InputError(
            f"{folder.path}: was trained on a converted folder, and is measured on its own parts "
            "alone; leave out --ratings, or convert with the rows to measure on in the test part"
        )
    if what.ratings:
        file = loading.read_held_out(what.ratings, config)
        if loss.predicts_ratings:
            use = f"the run's loss '{loss.name}' is measured by; give a file with ratings"
            require_ratings(file.ratings, what.ratings, use)
        notes = file.notes
        split = SplitRecipe(
            train,
            saved.get("validation"),
            file.ratings,
            file.repeated_pairs,
            catalogue=train.items,
            warnings=tuple(suspicions.of_ratings(file.ratings)),
            num_missing=file.num_missing,
        ).encode()
        results = dataclasses.replace(results, split=f"all of {what.ratings}")
    else:
        split = _same_split(config, saved, folder)
    held_out = split.validation if part == "validation" else split.test
    if held_out is None:
        raise InputError(f"{folder.path}: the run has no {part} part; give --ratings=FILE")

    if config.evaluation.cutoffs is None:
        raise InputError(f"{folder.path / 'config.json'}: no cutoffs; restore the file")
    if not held_out.is_streamed:
        measurable.check(split, config)
    evaluator = PartEvaluator(config, loss, split, part)
    measured = evaluator.measure(model)
    scales = []
    if loss.predicts_ratings and not held_out.is_streamed:
        scales = suspicions.of_scales(train, {part: held_out})
    for note in notes if is_said else ():
        say(note)
    results = dataclasses.replace(
        results,
        protocol={part: evaluator.protocol},
        metrics={part: measured.metrics},
        intervals={part: measured.intervals},
        baselines=measured.baselines if part == "test" else {},
        warnings=[*split.warnings, *scales, *measured.warnings],
        held_out={part: split.digest(part)},
        counts=split.counts | {"ranked": measured.counts},
    )
    if predictions:
        of_part = evaluator.model_for_part(model)
        blocks = zip(split.raw_rows(part), held_out.shards(), strict=True)
        write_predictions(
            predictions, ((*raw, of_part.predict_interactions(rows)) for raw, rows in blocks)
        )
    return _Remeasured(results, measured.ranking, split.histories.get(part, train).users)


def _same_split(config: Config, saved: dict[str, Interactions], folder: RunFolder) -> Split:
    """Return the run's split, made again from its source.

    Raises:
        InputError: the source no longer yields the training part that the run saved.
    """
    train: Any = saved["train"]
    if train.is_streamed:
        split: Any = StreamedSplit.of(train.data)
        return split
    if not (config.data.dataset or config.data.ratings or config.data.train_ratings):
        # saved by a Trainer in a notebook: the parts are all that there is
        parts = (train, saved.get("validation"))
        return SplitRecipe(*parts, earlier=(train.users, train.items)).encode()
    # the run folder has its own features, and the items that they brought
    ratings = dataclasses.replace(config.data, user_features=None, item_features=None)
    recipe = splitting.recipe(loading.load(ratings), config)
    if config.training.refit:
        recipe = recipe.with_validation_in_training()
    if config.training.init_from:
        recipe = recipe.after(train, saved.get("validation"))
    if config.training.distribution != "none":
        # users are numbered worker by worker
        recipe = dataclasses.replace(recipe, earlier=(train.users, train.items))
    if config.data.item_features:
        recipe = dataclasses.replace(recipe, catalogue=train.items)
    split = recipe.encode()
    again = split.train
    if not (
        again.users.raw_ids == train.users.raw_ids
        and again.items.raw_ids == train.items.raw_ids
        and np.array_equal(again.user_ids, train.user_ids)
        and np.array_equal(again.item_ids, train.item_ids)
        and np.array_equal(again.ratings, train.ratings)
        and np.array_equal(again.weights_or_ones(), train.weights_or_ones())
    ):
        raise InputError(
            f"{folder.path}: its ratings have changed since training, so its test part cannot be "
            "made again; restore them, or give --ratings=FILE"
        )
    return split

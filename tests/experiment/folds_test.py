"""Cross-validation: every row is tested once, and results are means over the folds."""

import dataclasses
import statistics

import numpy as np
import pytest

from mfrec.errors import InputError
from mfrec.experiment.folds import cross_validate, mean_results
from mfrec.experiment.remeasuring import evaluate_run
from mfrec.runs.results import Results, Timing
from mfrec.runs.run_folder import RunFolder
from mfrec.stopwatch import Stopwatch

# so many that fold-10 stands before fold-2 in the order of names
NUM_FOLDS = 11

RESULTS = Results(
    dataset="toy",
    split="fold 0 of 2",
    model="mse d=2",
    protocol={"test": "errors"},
    epochs=3,
    steps=30,
    parameters=100,
    metrics={"test": {"rmse": 0.5}},
    baselines={"biases": {"rmse": 0.75}},
    counts={"test": 10},
    timing=Timing(train_seconds=1.0),
    intervals={"test": {"ndcg@10": (0.1, 0.2)}},
    warnings=["b"],
    held_out={"test": "0123"},
)


@pytest.fixture(scope="module")
def validated(config, source, tmp_path_factory):
    """The results of a cross-validation, and its folder."""
    run_dir = tmp_path_factory.mktemp("folds") / "run"
    settings = {"cross_validate": True, "num_folds": NUM_FOLDS, "epochs": 1}
    return cross_validate(config.replace(settings), source, run_dir, Stopwatch()), run_dir


def test_results_are_means_and_deviations_of_the_folds_in_their_order(validated):
    results, run_dir = validated
    folds = [RunFolder(run_dir / f"fold-{fold}").load_results() for fold in range(NUM_FOLDS)]
    assert results.folds == [fold.metrics for fold in folds]
    for name in ("rmse", "mae"):
        values = [fold.metrics["test"][name] for fold in folds]
        assert len(set(values)) == NUM_FOLDS
        assert results.metrics["test"][name] == pytest.approx(statistics.fmean(values))
        assert results.std["test"][name] == pytest.approx(statistics.stdev(values))
        baselines = [fold.baselines["biases"][name] for fold in folds]
        assert results.baselines["biases"][name] == pytest.approx(statistics.fmean(baselines))
    assert results.split == "11 random folds, seed 0"
    assert sum(fold.counts["test"] for fold in folds) == 300


def test_measured_again_folds_keep_their_order_and_their_numbers(validated):
    results, run_dir = validated
    again = evaluate_run(run_dir)
    for name in ("metrics", "std", "folds", "baselines", "split"):
        assert getattr(again, name) == getattr(results, name)


def test_no_fold_is_measured_of_a_cross_validation_without_results(validated, tmp_path):
    (tmp_path / "run" / "fold-0").mkdir(parents=True)
    with pytest.raises(InputError, match="did not come to its end.* such as .*fold-0"):
        evaluate_run(tmp_path / "run")


def test_predictions_are_those_of_one_fold(validated, tmp_path):
    _, run_dir = validated
    with pytest.raises(InputError, match="--predictions needs one fold of .* such as .*fold-0"):
        evaluate_run(run_dir, predictions=tmp_path / "p.tsv")


def test_means_over_folds():
    second = dataclasses.replace(
        RESULTS,
        epochs=5,
        metrics={"test": {"rmse": 0.7}},
        counts={"test": 11},
        timing=Timing(train_seconds=2.0),
        warnings=["a", "b"],
        held_out={"test": "4567"},
    )
    means = mean_results([RESULTS, second], "2 random folds")
    assert (means.split, means.epochs, means.steps, means.parameters) == (
        *("2 random folds", 4.0, 30.0, 100.0),
    )
    assert means.metrics == {"test": {"rmse": pytest.approx(0.6)}}
    # √(((0.5 − 0.6)² + (0.7 − 0.6)²) / (2 − 1))
    assert means.std == {"test": {"rmse": pytest.approx(np.sqrt(0.02))}}
    assert means.folds == [{"test": {"rmse": 0.5}}, {"test": {"rmse": 0.7}}]
    assert means.counts == {"test": 10.5} and means.timing.train_seconds == 1.5
    assert (means.warnings, means.intervals) == (["a", "b"], {})
    # the first 16 digits of sha256 of "01234567"
    assert means.held_out == {"test": "924592b9b103f14f"}

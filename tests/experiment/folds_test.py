"""Cross-validation: every row is tested once, and results are means over the folds."""

import statistics
import time

import pytest

from mfrec.errors import InputError
from mfrec.experiment.folds import cross_validate
from mfrec.experiment.remeasuring import evaluate_run
from mfrec.runs.run_folder import RunFolder

# so many that fold-10 stands before fold-2 in the order of names
NUM_FOLDS = 11


@pytest.fixture(scope="module")
def validated(config, source, tmp_path_factory):
    """The results of a cross-validation, and its folder."""
    run_dir = tmp_path_factory.mktemp("folds") / "run"
    settings = {"cross_validate": True, "num_folds": NUM_FOLDS, "epochs": 1}
    return cross_validate(config.replace(settings), source, run_dir, time.perf_counter()), run_dir


def test_results_are_means_and_deviations_of_the_folds_in_their_order(validated):
    results, run_dir = validated
    folds = [RunFolder(run_dir / f"fold-{fold}").load_results() for fold in range(NUM_FOLDS)]
    assert results["folds"] == [fold["metrics"] for fold in folds]
    for name in ("rmse", "mae"):
        values = [fold["metrics"]["test"][name] for fold in folds]
        assert len(set(values)) == NUM_FOLDS
        assert results["metrics"]["test"][name] == pytest.approx(statistics.fmean(values))
        assert results["std"]["test"][name] == pytest.approx(statistics.stdev(values))
        baselines = [fold["baselines"]["biases"][name] for fold in folds]
        assert results["baselines"]["biases"][name] == pytest.approx(statistics.fmean(baselines))
    assert results["split"] == "11 random folds, seed 0"
    assert sum(fold["counts"]["test"] for fold in folds) == 300


def test_measured_again_folds_keep_their_order_and_their_numbers(validated):
    results, run_dir = validated
    again = evaluate_run(run_dir)
    for name in ("metrics", "std", "folds", "baselines", "split"):
        assert again[name] == results[name]


def test_no_fold_is_measured_of_a_cross_validation_without_results(validated, tmp_path):
    (tmp_path / "run" / "fold-0").mkdir(parents=True)
    with pytest.raises(InputError, match="did not come to its end.* such as .*fold-0"):
        evaluate_run(tmp_path / "run")


def test_predictions_are_those_of_one_fold(validated, tmp_path):
    _, run_dir = validated
    with pytest.raises(InputError, match="--predictions needs one fold of .* such as .*fold-0"):
        evaluate_run(run_dir, predictions=tmp_path / "p.tsv")

"""Finished runs measured again: on their own parts, on other ratings, beside another run."""

import numpy as np
import pytest

import helpers
from mfrec.data import loading
from mfrec.errors import InputError
from mfrec.experiment.remeasuring import Remeasuring, compare_runs, evaluate_run
from mfrec.experiment.run import run
from mfrec.runs.run_folder import RunFolder
from mfrec.stopwatch import Stopwatch


@pytest.fixture(scope="module")
def trained(config, source, tmp_path_factory):
    """The results of one run, and its folder."""
    run_dir = tmp_path_factory.mktemp("run") / "run"
    return run(config, source, run_dir, Stopwatch()), run_dir


def test_the_parts_of_the_run_give_the_same_numbers_again(trained):
    results, run_dir = trained
    for part in ("validation", "test"):
        again = evaluate_run(run_dir, Remeasuring(part))
        assert again.metrics == {part: results.metrics[part]}
        assert again.held_out == {part: results.held_out[part]}
    assert again.baselines == results.baselines


def test_other_ratings_and_predictions_row_by_row(trained, tmp_path):
    _, run_dir = trained
    given = [("u1", "i2", 4.0), ("u1", "unheard of", 2.5), ("nobody", "i3", 1.0)]
    helpers.write_rows(tmp_path / "more.csv", given)
    again = evaluate_run(
        run_dir, Remeasuring(ratings=str(tmp_path / "more.csv")), str(tmp_path / "p.tsv")
    )
    header, *lines = (tmp_path / "p.tsv").read_text().splitlines()
    assert header.split("\t") == ["user", "item", "rating", "prediction", "error"]
    found = [line.split("\t") for line in lines]
    assert [(user, item, float(rating)) for user, item, rating, *_ in found] == given
    errors = np.array([float(row[3]) - float(row[2]) for row in found])
    assert again.metrics["test"]["rmse"] == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-4)
    assert again.metrics["test"]["mae"] == pytest.approx(np.abs(errors).mean(), rel=1e-4)
    assert (again.counts["unknown_users"], again.counts["unknown_items"]) == (1, 1)


def test_changed_ratings_and_missing_parts_are_refused(config, tmp_path, rows):
    path = tmp_path / "ratings.csv"
    helpers.write_rows(path, rows)
    config = config.replace({"ratings": str(path), "validation_fraction": 0.0, "epochs": 1})
    run(config, loading.load(config.data), tmp_path / "run", Stopwatch())
    with pytest.raises(InputError, match="the run has no validation part; give --ratings=FILE"):
        evaluate_run(tmp_path / "run", Remeasuring("validation"))
    helpers.write_rows(path, [(u, i, r + 1) for u, i, r in rows])
    with pytest.raises(InputError, match="ratings have changed"):
        evaluate_run(tmp_path / "run")


def test_validation_is_of_the_run_alone():
    with pytest.raises(InputError, match="--part=validation is the run's own"):
        Remeasuring("validation", ratings="more.csv")


def test_two_runs_user_by_user(config, source, tmp_path):
    settings = {"cutoffs": "5", "split": "per_user"}
    for name, changes in (("first", {}), ("second", {"epochs": 1, "learning_rate": 0.001})):
        changed = config.replace(settings | changes)
        run(changed, source, tmp_path / name, Stopwatch())
    means = [
        RunFolder(tmp_path / name).load_results().metrics["test"] for name in ("first", "second")
    ]
    comparison = compare_runs(tmp_path / "first", tmp_path / "second")
    first, second = (metrics["ndcg@5"] for metrics in means)
    found = comparison.differences["ndcg@5"]
    assert first != second and comparison.num_users == 20
    assert (found.first, found.second) == pytest.approx((first, second))
    assert found.difference == pytest.approx(first - second)


def test_runs_without_rankings_are_not_compared(trained):
    _, run_dir = trained
    with pytest.raises(InputError, match="measured by errors alone; add --cutoffs=10"):
        compare_runs(run_dir, run_dir)

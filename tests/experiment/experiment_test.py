"""Runs, folds and their means, as far as the scripts do not show them."""

import dataclasses

import numpy as np
import pytest

from mfrec.config.settings import Config
from mfrec.data.loading import Source
from mfrec.experiment import remeasuring
from mfrec.experiment.folds import mean_results
from mfrec.experiment.run import default_run_dir
from mfrec.runs.results import Results, Timing
from mfrec.runs.run_folder import RunFolder

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


def test_eleven_folds_are_measured_in_their_order(tmp_path, monkeypatch):
    for fold in range(11):
        (tmp_path / f"fold-{fold}").mkdir()
    RunFolder(tmp_path).save_results(dataclasses.replace(RESULTS, split="11 random folds"))
    evaluate_run = remeasuring.evaluate_run

    def of_one_fold(run_dir, *_):
        fold = int(run_dir.name.removeprefix("fold-"))
        return dataclasses.replace(RESULTS, metrics={"test": {"rmse": 10.0**fold}})

    monkeypatch.setattr(remeasuring, "evaluate_run", of_one_fold)
    results = evaluate_run(tmp_path)
    assert results.split == "11 random folds"
    assert [fold["test"]["rmse"] for fold in results.folds] == [10.0**n for n in range(11)]
    assert results.metrics == {"test": {"rmse": 11_111_111_111 / 11}}


def test_the_default_run_folder_leaves_out_where_the_loss_lies():
    config = Config().replace({"loss": "/home/me/losses.py:focal"})
    folder = default_run_dir(config, Source("toy", {}))
    assert folder.parent.name == "runs" and folder.name.startswith("toy-focal-2")

"""Results as text."""

import dataclasses
import math

from mfrec.cli import reporting
from mfrec.config.settings import Config
from mfrec.evaluation.significance import Comparison, Difference
from mfrec.runs.results import Results

SAME = Difference(0.5, 0.5, 0.0, (0.0, 0.0), 1.0)
RESULTS = Results.from_dict(
    {
        "dataset": "toy",
        "split": "random 80/10/10, seed 0",
        "model": "mse d=2",
        "protocol": dict.fromkeys(("validation", "test"), "errors over every held-out rating"),
        "intervals": {},
        "warnings": [],
        "epochs": 3,
        "steps": 9,
        "parameters": 12_345,
        "metrics": {
            "validation": {"rmse": 0.81, "mae": 0.61},
            "test": {"rmse": 0.91234, "mae": 0.71},
        },
        "baselines": {
            "global_mean": {"rmse": 1.1256, "mae": 0.94},
            "biases": {"rmse": 0.95, "mae": 0.7449},
            "oracle": {"rmse": 0.5, "mae": 0.25},
        },
        "held_out": {"test": "ab", "validation": "cd"},
        "counts": {"test": 20_000, "validation": 1_000},
        "timing": {
            "load_seconds": 0.25,
            "compile_seconds": 1.5,
            "train_seconds": 12.34,
            "examples_per_second": 5_250_000.0,
            "evaluation_seconds": 0.75,
            "total_seconds": 99.99,
        },
    }
)


def test_table_of_the_test_part_from_worst_to_best():
    assert reporting.table(RESULTS).splitlines() == [
        "toy · random 80/10/10, seed 0 · test: 20,000 ratings",
        "errors over every held-out rating",
        "",
        "                   RMSE       MAE",
        "global mean      1.1256    0.9400",
        "damped biases    0.9500    0.7449",
        "mfrec mse d=2    0.9123    0.7100",
        "oracle           0.5000    0.2500",
    ]


def test_table_of_the_validation_part_has_no_baselines():
    assert reporting.table(RESULTS, "validation").splitlines() == [
        "toy · random 80/10/10, seed 0 · validation: 1,000 ratings",
        "errors over every held-out rating",
        "",
        "                   RMSE       MAE",
        "mfrec mse d=2    0.8100    0.6100",
    ]


def test_table_over_folds_shows_deviations_of_the_model_alone():
    deviations = {"test": {"rmse": 0.0125, "mae": 0.0075}}
    results = dataclasses.replace(RESULTS, std=deviations, folds=[{}] * 5)
    lines = reporting.table(results).splitlines()
    assert lines[6] == "mfrec mse d=2    0.9123    0.7100   ± 0.0125 ± 0.0075 over 5 folds"
    assert [line for line in lines if "±" in line] == [lines[6]]


def test_a_stopped_run_says_so():
    results = dataclasses.replace(RESULTS, stopped="after epoch 3 of 9")
    lines = reporting.table(results).splitlines()
    assert lines[1:4] == [
        *("errors over every held-out rating", "training was stopped after epoch 3 of 9", "")
    ]


def run_of(rmse, **changes):
    return dataclasses.replace(
        RESULTS,
        metrics={"test": {"rmse": rmse, "mae": 0.71}},
        baselines={"biases": {"rmse": 0.95, "mae": 0.7449}},
        **changes,
    )


def test_runs_on_the_same_rows_share_a_table_and_others_do_not():
    runs = {
        "runs/a": run_of(0.96, model="mse d=64", stopped="in epoch 1 of 9"),
        "elsewhere": run_of(0.5, held_out={"test": "other"}),
        "b": run_of(0.94, model="mae d=3"),
        "c": run_of(0.94, split="u1"),
    }
    b = Config().replace({"embedding_dim": 3, "loss": "mae", "learning_rate": 0.00492})
    configs = dict.fromkeys(runs, Config()) | {"b": b}
    configs["runs/a"] = Config().replace({"data_dir": "/moved"})
    assert reporting.comparison(runs, configs).splitlines() == [
        "toy · random 80/10/10, seed 0 · test: 20,000 ratings",
        "errors over every held-out rating",
        "runs/a: training was stopped in epoch 1 of 9",
        "",
        "                      RMSE       MAE",
        "runs/a  mse d=64    0.9600    0.7100",
        "damped biases       0.9500    0.7449",
        "b       mae d=3     0.9400    0.7100",
        "",
        "settings that differ:",
        "runs/a  embedding_dim=64 loss=mse learning_rate=None",
        "b       embedding_dim=3 loss=mae learning_rate=0.00492",
        "",
        "toy · random 80/10/10, seed 0 · test: 20,000 ratings",
        "errors over every held-out rating",
        "on other ratings than the table of this heading above",
        "",
        "                        RMSE       MAE",
        "damped biases         0.9500    0.7449",
        "elsewhere  mse d=2    0.5000    0.7100",
        "",
        "toy · u1 · test: 20,000 ratings",
        "errors over every held-out rating",
        "",
        "                   RMSE       MAE",
        "damped biases    0.9500    0.7449",
        "c  mse d=2       0.9400    0.7100",
    ]


def test_runs_side_by_side_are_warned_of_as_one_alone_is():
    both = dataclasses.replace(RESULTS, warnings=["5 of 5 test rows are unknown"])
    one = dataclasses.replace(RESULTS, warnings=["5 of 5 test rows are unknown", "worse than none"])
    lines = reporting.comparison({"a": both, "b": one}, {"a": Config(), "b": Config()}).splitlines()
    assert lines[-2:] == ["warning: 5 of 5 test rows are unknown", "warning: b: worse than none"]


def test_timing_says_where_the_seconds_went():
    line = reporting.timing(RESULTS)
    assert line.startswith("3 epochs, 12,345 parameters · ") and "\n" not in line
    for part in ("load 0.2 s", "compile 1.5 s", "train 12.3 s", "evaluate 0.8 s", "in all 100.0 s"):
        assert part in line
    assert "5.2" in line and "M examples/s" in line


def test_significance_of_a_difference():
    comparison = Comparison(
        1_234,
        0,
        2,
        {
            "ndcg@10": Difference(0.25, 0.21, 0.04, (0.031, 0.049), 0.0001),
            "mrr": Difference(0.5, 0.50625, -0.00625, (-0.02, 0.0075), 0.4321),
        },
    )
    assert reporting.significance_table(comparison, "runs/bpr", "runs/softmax").splitlines() == [
        "1,234 users in both · 2 users only in runs/softmax",
        "means over these users; 95 % bootstrap interval of the difference; p of the two-sided "
        "paired randomization test",
        "",
        "         runs/bpr  runs/softmax  difference       95 % interval        p",
        "ndcg@10    0.2500        0.2100     +0.0400     +0.0310 +0.0490   0.0001",
        "mrr        0.5000        0.5062     -0.0063     -0.0200 +0.0075   0.4321",
    ]


def test_large_small_and_missing_numbers_keep_their_columns():
    results = dataclasses.replace(
        RESULTS,
        metrics={"test": {"rmse": 1234567.891, "mae": 2.5e-6, "within": math.nan}},
        baselines={"biases": {"rmse": 23456789.5, "mae": 7.25e-6}},
    )
    assert reporting.table(results).splitlines()[3:] == [
        "                        RMSE         MAE    WITHIN",
        "damped biases  23456789.5000  7.2500e-06         -",
        "mfrec mse d=2   1234567.8910  2.5000e-06       nan",
    ]


def test_a_row_without_a_number_is_the_worst():
    results = dataclasses.replace(RESULTS, metrics={"test": {"rmse": math.nan}})
    labels = [line.split("  ")[0] for line in reporting.table(results).splitlines()[4:]]
    assert labels == ["mfrec mse d=2", "global mean", "damped biases", "oracle"]


def test_significance_of_large_and_small_numbers():
    comparison = Comparison(
        9,
        0,
        0,
        {
            "gain": Difference(1234567.5, 1.0, 1234566.5, (1234000.0, 1235000.0), 0.0001),
            "loss": Difference(2.5e-6, 2e-6, 5e-7, (1e-7, 9e-7), 0.5),
        },
    )
    name = "runs/" + 30 * "long"
    rows = reporting.significance_table(comparison, name, "b").splitlines()[3:]
    assert len({len(row) for row in rows}) == 1
    assert [row.split() for row in rows[1:]] == [
        ["gain", "1234567.5000", "1.0000", "+1234566.5000", "+1234000.0000", "+1235000.0000"]
        + ["0.0001"],
        ["loss", "2.5000e-06", "2.0000e-06", "+5.0000e-07", "+1.0000e-07", "+9.0000e-07", "0.5000"],
    ]


def test_names_in_tables_do_not_act():
    evil = "\x1b[2J\u202e\n"
    shown = r"\u001b[2J\u202e\n"
    results = dataclasses.replace(
        RESULTS, dataset=evil, split=evil, model=evil, warnings=[f"unknown {evil}"]
    )
    for text in (
        reporting.table(results),
        reporting.comparison({evil: results, "b": results}, {evil: Config(), "b": Config()}),
        reporting.significance_table(Comparison(1, 1, 0, {evil: SAME}), evil, "b"),
    ):
        assert shown in text and all(line.isprintable() for line in text.split("\n"))


def test_wide_characters_keep_columns_aligned():
    runs = {"千と": RESULTS, "b": RESULTS}
    lines = reporting.comparison(runs, dict.fromkeys(runs, Config())).splitlines()
    assert "千と  mse d=2    0.9123    0.7100" in lines
    assert "b     mse d=2    0.9123    0.7100" in lines

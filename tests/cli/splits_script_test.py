"""train.py on folds, with --refit and over every kind of split of a small file of ratings."""

import numpy as np
import pytest

import helpers
from helpers import QUICK, Place, read_scalars
from mfrec.runs.run_folder import RunFolder


def test_one_fold(place):
    flags = ["--ratings=ratings.csv", *QUICK, "--epochs=1", "--fold=2", "--num_folds=4"]
    run = place.train("fold", *flags)
    results = run.results
    assert results["split"] == "fold 2 of 4, seed 0"
    assert (results["counts"]["train"], results["counts"]["test"]) == (900, 300)
    assert set(results["metrics"]) == {"test"} and "validation" not in run.out
    message = place.refused("eval.py", "--run_dir=fold", "--part=validation")
    assert "has no validation part" in message


@pytest.fixture(scope="module")
def cross_validated(files, tmp_path_factory):
    """A cross-validation of three folds of ratings.csv; only read."""
    flags = [f"--ratings={files}/ratings.csv", *QUICK, "--epochs=1"]
    place = Place(tmp_path_factory.mktemp("cross_validated"))
    return place.train("cv", *flags, "--num_folds=3", "--cross_validate")


def folds_of(run):
    return [Place(run.path).results(f"fold-{fold}") for fold in range(3)]


def test_cross_validation_is_mean_and_deviation_of_its_folds(cross_validated):
    results, folds = cross_validated.results, folds_of(cross_validated)
    assert results["folds"] == [fold["metrics"] for fold in folds]
    for name in ("rmse", "mae"):
        values = [fold["metrics"]["test"][name] for fold in folds]
        mean = sum(values) / 3
        deviation = np.sqrt(sum((value - mean) ** 2 for value in values) / 2)
        assert results["metrics"]["test"][name] == pytest.approx(mean)
        assert results["std"]["test"][name] == pytest.approx(deviation)
        biases = [fold["baselines"]["biases"][name] for fold in folds]
        assert results["baselines"]["biases"][name] == pytest.approx(sum(biases) / 3)
    assert results["counts"]["test"] == 400 and results["split"] == "3 random folds, seed 0"
    assert results["timing"]["total_seconds"] > max(f["timing"]["total_seconds"] for f in folds)
    out, err = cross_validated.out, cross_validated.err
    assert f"± {results['std']['test']['rmse']:.4f}" in out and "over 3 folds" in out
    assert "fold 2 of 3" in err


def test_folds_share_no_test_row_and_leave_none_out(cross_validated, place):
    tested = []
    for fold in range(3):
        flags = [f"--run_dir={cross_validated.path}/fold-{fold}", f"--predictions=fold{fold}.tsv"]
        assert place.run("eval.py", *flags)[0] == 0
        lines = (place / f"fold{fold}.tsv").read_text().splitlines()[1:]
        tested += [tuple(line.split("\t")[:2]) for line in lines]
    assert sorted(tested) == sorted(row[:2] for row in helpers.read_rows(place / "ratings.csv"))


def test_eval_repeats_a_cross_validation(cross_validated, place):
    run_dir = f"--run_dir={cross_validated.path}"
    repeated = place.evaluate(run_dir)
    for name in ("metrics", "std", "folds", "baselines", "counts", "split"):
        assert repeated[name] == cross_validated.results[name]
    assert "needs one fold" in place.refused("eval.py", run_dir, "--predictions=x.tsv")


def test_the_config_of_all_folds_or_of_one_brings_the_numbers_back(cross_validated, place):
    results, path = cross_validated.results, cross_validated.path
    again = place.train("again", f"--config={path}/config.json").results
    assert (again["folds"], again["std"]) == (results["folds"], results["std"])
    one = place.train("one", f"--config={path}/fold-1/config.json").results
    assert one["metrics"] == folds_of(cross_validated)[1]["metrics"]


def test_refit_trains_anew_on_both_parts_for_the_best_number_of_epochs(place):
    flags = ["--ratings=ratings.csv", *QUICK, "--epochs=30", "--early_stopping_patience=2"]
    # a model so free that it soon learns by heart
    flags += ["--embedding_dim=40", "--init_stddev=1", "--regularization=0"]
    once = place.train("once", *flags).results
    run = place.train("refit", *flags, "--refit")
    refit = run.results
    assert 1 < once["epochs"] < 28
    # the validation metrics are those of the best epoch, of eight steps each, not of the last
    curve = read_scalars(place / "once" / "validation")["rmse"]
    best = curve[8 * once["epochs"]]
    assert best == min(curve.values()) < list(curve.values())[-1]
    assert once["metrics"]["validation"]["rmse"] == pytest.approx(best, rel=1e-6)
    # and so are the saved weights
    assert place.evaluate("--run_dir=once")["metrics"] == {"test": once["metrics"]["test"]}
    assert refit["epochs"] == once["epochs"]
    assert refit["metrics"]["validation"] == once["metrics"]["validation"]
    assert refit["counts"]["train"] == 1_080 and refit["counts"]["test"] == 120
    # 1,080 ratings are nine steps an epoch
    assert refit["steps"] == 9 * refit["epochs"]
    assert f"refit: {once['epochs']} epochs on 1,080 ratings" in run.err
    parts = RunFolder(place / "refit").load_data()
    assert list(parts) == ["train"] and len(parts["train"]) == 1_080
    curves = read_scalars(place / "refit" / "refit")
    assert list(curves["loss"]) == [9 * epoch for epoch in range(1, refit["epochs"] + 1)]
    assert place.evaluate("--run_dir=refit")["metrics"] == {"test": refit["metrics"]["test"]}


@pytest.fixture
def timed(place):
    """A place with timed.csv: the rows of ratings.csv at times that repeat, and three more.

    User "rare" has two rows, and the first of all rows stands twice.
    """
    rows = helpers.read_rows(place / "ratings.csv")
    rows += [("rare", "item1", 3.0), ("rare", "item2", 4.0), rows[0]]
    lines = [f"{u},{i},{r},{n // 2}\n" for n, (u, i, r) in enumerate(rows)]
    (place / "timed.csv").write_text("user,item,rating,timestamp\n" + "".join(lines))
    return place


SPLITS = [
    (["--split=per_user", "--refit"], "per_user 80/10/10, seed 0"),
    (["--split=leave_last_out", "--refit"], "leave_last_out, the one before for validation"),
    (["--split=temporal", "--refit"], "temporal 80/10/10"),
    (
        ["--fold_by=users", "--cross_validate", "--num_folds=2", "--test_fraction=0.2"],
        "2 random folds by users, 0.2 of each tested, seed 0",
    ),
]


@pytest.mark.parametrize("flags, described", SPLITS, ids=[flags[0] for flags, _ in SPLITS])
def test_a_split_from_flags_to_the_same_numbers_again(timed, flags, described):
    run = timed.train("run", "--ratings=timed.csv", *QUICK, "--epochs=1", *flags)
    assert "\n1 repeated pair dropped: the last rating is kept\n" in run.err
    results = run.results
    assert results["split"] == described and results["counts"]["repeated_pairs"] == 1
    if "--refit" in flags:
        counts = results["counts"]
        # 1,200 rows and the two of "rare"; train holds the validation rows by now
        assert counts["train"] + counts["test"] == 1_202 and counts["validation"] > 0
    again = timed.evaluate("--run_dir=run")
    assert again["metrics"]["test"] == results["metrics"]["test"]
    assert (again["counts"], again["split"]) == (results["counts"], results["split"])


def test_a_split_says_what_it_kept_back(timed):
    flags = ["--ratings=timed.csv", "--split=leave_last_out", *QUICK, "--epochs=1"]
    run = timed.train("kept_back", *flags)
    assert "\n1 user with fewer than 3 ratings: not tested\n" in run.err
    assert run.results["counts"]["untested_users"] == 1
    flags = ["--ratings=ratings.csv", "--split=leave_last_out", *QUICK, "--epochs=1"]
    err = timed.train("no_time", *flags).err
    assert "\nno timestamps: file order counts as time\n" in err
    assert "repeated" not in err

"""What scripts_test.py does not reach from outside."""

from mfrec.config.settings import Config
from mfrec.data.loading import Source
from mfrec.experiment import run as experiment
from mfrec.runs.run_folder import RunFolder


def test_eleven_folds_are_measured_in_their_order(tmp_path, monkeypatch):
    for fold in range(11):
        (tmp_path / f"fold-{fold}").mkdir()
    names = ("dataset", "model", "protocol", "epochs", "steps", "parameters", "metrics")
    results = dict.fromkeys([*names, "baselines", "counts", "timing"])
    RunFolder(tmp_path).save_results(results | {"split": "11 random folds"})
    evaluate_run = experiment.evaluate_run

    def of_one_fold(run_dir, *_):
        fold = int(run_dir.name.removeprefix("fold-"))
        names = ("epochs", "steps", "parameters", "baselines", "counts", "timing", "held_out")
        return (
            dict.fromkeys(names, {})
            | {"warnings": []}
            | {"metrics": {"test": {"rmse": 10.0**fold}}}
        )

    monkeypatch.setattr(experiment, "evaluate_run", of_one_fold)
    results = evaluate_run(tmp_path)
    assert [fold["test"]["rmse"] for fold in results["folds"]] == [10.0**n for n in range(11)]
    assert results["metrics"] == {"test": {"rmse": 11_111_111_111 / 11}}


def test_the_default_run_folder_leaves_out_where_the_loss_lies():
    config = Config().replace({"loss": "/home/me/losses.py:focal"})
    folder = experiment.default_run_dir(config, Source("toy", {}))
    assert folder.parent.name == "runs" and folder.name.startswith("toy-focal-2")

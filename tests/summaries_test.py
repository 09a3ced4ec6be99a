import pytest

from helpers import read_scalars
from mfrec.summaries import Summaries
from mfrec.training import EpochLog


def log(step, loss, validation):
    train = {"loss": loss, "regularization": 0.5, "learning_rate": 0.25}
    return EpochLog(step // 10, 3, step, train, validation, True, 1.0)


def test_scalars_come_back_from_the_event_files(tmp_path):
    with Summaries(tmp_path) as summaries:
        summaries.epoch(log(10, 2.0, {"rmse": 0.75, "mae": 0.5}), refit=False)
        summaries.epoch(log(20, 1.0, {}), refit=False)
        summaries.epoch(log(10, 4.0, {}), refit=True)
        summaries.scalars("test", {"rmse": 0.875}, 20)
        # readable while the run goes on
        assert read_scalars(tmp_path / "train")["loss"] == {10: 2.0, 20: 1.0}
    assert read_scalars(tmp_path / "train") == {
        "loss": {10: 2.0, 20: 1.0},
        "regularization": {10: 0.5, 20: 0.5},
        "learning_rate": {10: 0.25, 20: 0.25},
    }
    assert read_scalars(tmp_path / "validation") == {"rmse": {10: 0.75}, "mae": {10: 0.5}}
    assert read_scalars(tmp_path / "refit")["loss"] == {10: 4.0}
    assert read_scalars(tmp_path / "test") == {"rmse": {20: 0.875}}
    assert len(list((tmp_path / "train").iterdir())) == 1


@pytest.mark.parametrize("part", ["validation", "test"])
def test_nothing_measured_leaves_no_file(tmp_path, part):
    with Summaries(tmp_path) as summaries:
        summaries.scalars(part, {}, 1)
    assert not (tmp_path / part).exists()

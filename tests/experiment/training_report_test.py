"""What a person sees of a training while it runs."""

import io
import sys

from mfrec.experiment.training_report import TrainingReport
from mfrec.training.history import EpochLog, LoopLog


def epoch_log(epoch, validation, is_best):
    train = {"loss": 1.25, "examples_per_second": 2_500_000.0}
    return EpochLog(epoch, 10, 5 * epoch, train, validation, is_best, 3.21)


def test_one_plain_line_an_epoch_where_nobody_watches(capsys):
    with TrainingReport() as report:
        report.loop(LoopLog(1, 1, 20, 1.5, 1e6))
        report.epoch(epoch_log(1, {"rmse": 0.9876}, True))
        report.epoch(epoch_log(2, {}, False))
        report.epoch(epoch_log(10, {"rmse": 0.99}, False))
    assert capsys.readouterr().err.splitlines() == [
        "epoch  1/10  loss 1.2500  validation RMSE 0.9876  2.50 M examples/s  3.2 s *",
        "epoch  2/10  loss 1.2500  2.50 M examples/s  3.2 s",
        "epoch 10/10  loss 1.2500  validation RMSE 0.9900  2.50 M examples/s  3.2 s",
    ]


def test_a_long_epoch_is_not_silent(monkeypatch, capsys):
    monkeypatch.setattr("mfrec.experiment.training_report._SECONDS_OF_SILENCE", -1.0)
    with TrainingReport() as report:
        report.loop(LoopLog(1, 5, 20, 1.5, 1e6))
    assert capsys.readouterr().err == "training  25%  epoch 1  loss 1.5000  1.00 M/s\n"


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_a_bar_on_a_terminal(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setenv("COLUMNS", "140")
    monkeypatch.setattr("mfrec.progress._SECONDS_BETWEEN_REDRAWS", 0)
    with TrainingReport() as report:
        report.loop(LoopLog(1, 1, 4, 1.5, 1e6))
        report.epoch(epoch_log(1, {"rmse": 0.9876}, True))
        report.loop(LoopLog(2, 2, 4, 1.25, 3e6))
    compiling, first, second, end = terminal.getvalue().split("\r\x1b[K")[1:]
    assert compiling == "compiling the training loop …"
    assert "25%  epoch 1  loss 1.5000  1.00 M/s" in first
    assert "50%  epoch 2  loss 1.2500  RMSE 0.9876  3.00 M/s" in second
    assert end == "" and "\n" not in terminal.getvalue()

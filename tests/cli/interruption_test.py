"""Ctrl-C and SIGTERM: what was learnt is kept, told in one line, and can be measured."""

import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest

import helpers
from helpers import ROOT, Place
from mfrec.experiment.training_report import TrainingReport
from mfrec.runs.run_folder import RunFolder
from mfrec.training.trainer import Trainer

CLEAR_LINE = "\r\x1b[K"
FLAGS = [
    *("--ratings=ratings.csv", "--embedding_dim=3", "--batch_size=100", "--epochs=5"),
    *("--learning_rate=0.05", "--learning_rate_schedule=constant", "--nojit_compile"),
    # 800 of 1,000 ratings train: eight steps an epoch, four loops
    *("--steps_per_loop=2", "--early_stopping_patience=0"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    folder = tmp_path_factory.mktemp("place")
    data = helpers.planted(40, 30, 1_000, rank=2)
    rows = zip(data.user_ids, data.item_ids, data.ratings, strict=True)
    lines = (f"{user},{item},{rating:.3f}\n" for user, item, rating in rows)
    (folder / "ratings.csv").write_text("user,item,rating\n" + "".join(lines))
    return Place(folder)


def ctrl_c():
    raise KeyboardInterrupt


def stop_at(monkeypatch, epoch, loop=None, skip=0, stop=ctrl_c):
    """Stops training at the end of an epoch, or after a loop of all; `skip` trainings before."""
    trainings = []
    enter, of_epoch = TrainingReport.__enter__, TrainingReport.epoch

    def entered(self):
        trainings.append(self)
        return enter(self)

    def after_loop(self, log):
        if len(trainings) > skip and log.loops_done == loop:
            stop()

    def after_epoch(self, log):
        of_epoch(self, log)
        if len(trainings) > skip and loop is None and log.epoch == epoch:
            stop()

    monkeypatch.setattr(TrainingReport, "__enter__", entered)
    monkeypatch.setattr(TrainingReport, "loop", after_loop)
    monkeypatch.setattr(TrainingReport, "epoch", after_epoch)


def stopped(place, *flags, code=130):
    """The last line of a training that is stopped."""
    found, out, err = place.run("train.py", *FLAGS, *flags)
    assert (found, out) == (code, "")
    assert "Traceback" not in err
    return err.splitlines()[-1]


def measured(place, run_dir, part="test"):
    return place.evaluate(f"--run_dir={run_dir}", f"--part={part}")["metrics"][part]


def test_the_best_epoch_so_far_is_kept(place, monkeypatch):
    # a model so free that it soon learns by heart
    free = ["--embedding_dim=40", "--init_stddev=1", "--regularization=0", "--epochs=20"]
    stop_at(monkeypatch, epoch=18)
    line = stopped(place, *free, "--run_dir=best")
    results = place.results("best")
    best, rmse = results["epochs"], results["metrics"]["validation"]["rmse"]
    assert 1 < best < 16
    assert line == (
        f"train.py: stopped after epoch 18 of 20; the best so far (epoch {best}, validation RMSE "
        f"{rmse:.4f}) is kept: python eval.py --run_dir=best · tensorboard --logdir=best"
    )
    assert results["stopped"] == "after epoch 18 of 20" and results["steps"] == 8 * 18
    assert set(results["metrics"]) == {"validation"} and results["baselines"] == {}
    assert results["counts"]["train"] == 800 and results["timing"]["train_seconds"] > 0
    curve = helpers.read_scalars(place / "best" / "validation")["rmse"]
    assert curve[8 * best] == min(curve.values()) == pytest.approx(rmse, rel=1e-6)
    # and it is that epoch's weights that are kept
    assert measured(place, "best", "validation") == results["metrics"]["validation"]
    _, out, _ = place.run("eval.py", "--run_dir=best")
    assert out.splitlines()[2] == "training was stopped after epoch 18 of 20"


def test_without_validation_the_last_finished_epoch_is_kept(place, monkeypatch):
    flags = ["--validation_fraction=0", "--run_dir"]
    # in the third of the five loops of the third epoch: 900 ratings are nine steps
    with monkeypatch.context() as patch:
        stop_at(patch, epoch=3, loop=13)
        line = stopped(place, *flags, "middle")
    assert "stopped after epoch 2 of 5; the weights of epoch 2 are kept: python eval.py" in line
    results = place.results("middle")
    assert (results["epochs"], results["steps"]) == (2, 9 + 9 + 6)
    assert results["metrics"] == {}
    code, *_ = place.run("train.py", *FLAGS, "--epochs=2", *flags, "two")
    assert code == 0
    assert measured(place, "middle") == place.results("two")["metrics"]["test"]


def test_before_the_first_epoch_has_ended_the_weights_are_kept_as_they_are(place, monkeypatch):
    stop_at(monkeypatch, epoch=1, loop=3)
    line = stopped(place, "--run_dir=early")
    assert "stopped in epoch 1 of 5; the weights are kept as they were then: python" in line
    results = place.results("early")
    assert (results["epochs"], results["steps"], results["metrics"]) == (0, 6, {})
    assert 0 < measured(place, "early")["rmse"] < 2
    model = next((place / "early" / "checkpoints").glob("*.index"))
    assert model.name == "ckpt-6.index"


def test_before_training_nothing_is_left(place, monkeypatch):
    assert place.run("train.py", *FLAGS, "--epochs=1", "--run_dir=earlier")[0] == 0
    before = (place / "earlier" / "results.json").read_bytes()
    monkeypatch.setattr(Trainer, "epochs", lambda *_, **__: ctrl_c())
    for flags in (["--run_dir=none"], ["--run_dir=earlier", "--overwrite"]):
        assert stopped(place, *flags) == (
            "train.py: stopped before training began; nothing was written"
        )
    assert not (place / "none").exists()
    assert (place / "earlier" / "results.json").read_bytes() == before
    assert measured(place, "earlier")["rmse"] > 0


def test_before_training_the_earlier_run_survives_whatever_path_mkdtemp_returns(place, monkeypatch):
    assert place.run("train.py", *FLAGS, "--epochs=1", "--run_dir=survivor")[0] == 0
    files = {path: path.stat().st_size for path in (place / "survivor").rglob("*")}
    mkdtemp = tempfile.mkdtemp
    # as Python 3.12 and later return it, where --run_dir is relative
    monkeypatch.setattr(tempfile, "mkdtemp", lambda **kw: str(Path(mkdtemp(**kw)).absolute()))
    monkeypatch.setattr(Trainer, "epochs", lambda *_, **__: ctrl_c())
    line = stopped(place, "--run_dir=survivor", "--overwrite")
    assert line == "train.py: stopped before training began; nothing was written"
    assert {path: path.stat().st_size for path in (place / "survivor").rglob("*")} == files


def test_what_fails_before_anything_is_learnt_leaves_nothing(place):
    flags = [*FLAGS, "--run_dir=failed", "--optimizer=sgd", "--learning_rate=1e9"]
    code, _, err = place.run("train.py", *flags)
    assert code == 2 and "lower --learning_rate" in err
    assert not (place / "failed").exists()


def test_a_stopped_refit(place, monkeypatch):
    stop_at(monkeypatch, epoch=2, skip=1)
    line = stopped(place, "--refit", "--epochs=3", "--run_dir=refit")
    assert "stopped after epoch 2 of 3 of the refit; the weights of epoch 2 are kept" in line
    results = place.results("refit")
    assert results["counts"]["train"] == 900 and results["epochs"] == 2
    assert set(results["metrics"]) == {"validation"}
    assert measured(place, "refit")["rmse"] > 0


def test_a_refit_stopped_before_it_began_keeps_the_model_before(place, monkeypatch):
    epochs, calls = Trainer.epochs, []

    def first_only(self, *arguments, **options):
        calls.append(self)
        return epochs(self, *arguments, **options) if len(calls) == 1 else ctrl_c()

    monkeypatch.setattr(Trainer, "epochs", first_only)
    line = stopped(place, "--refit", "--epochs=3", "--run_dir=unfit")
    assert "stopped after epoch 3 of 3; the best so far (epoch 3, validation RMSE" in line
    results = place.results("unfit")
    assert results["counts"]["train"] == 800
    assert len(RunFolder(place / "unfit").load_data()["train"]) == 800
    parts = RunFolder(place / "unfit").load_data()
    assert np.isfinite(parts["validation"].ratings).all()


def test_a_stopped_cross_validation_names_the_folds_that_are_done(place, monkeypatch):
    stop_at(monkeypatch, epoch=1, skip=2)
    line = stopped(place, "--cross_validate", "--num_folds=4", "--epochs=2", "--run_dir=cv")
    done = "--run_dir=cv/fold-0 --run_dir=cv/fold-1"
    assert f"stopped in fold 2 (of 0 to 3), done: python eval.py {done}; stopped after" in line
    assert "python eval.py --run_dir=cv/fold-2 · tensorboard" in line
    assert [path.name for path in sorted((place / "cv").iterdir())] == [
        *("config.json", "fold-0", "fold-1", "fold-2")
    ]
    assert "stopped" not in place.results("cv/fold-1")
    assert place.results("cv/fold-2")["stopped"] == "after epoch 1 of 2"
    code, _, err = place.run("eval.py", "--run_dir=cv")
    assert code == 2 and "cv: a cross-validation that did not come to its end" in err
    assert measured(place, "cv/fold-1") == place.results("cv/fold-1")["metrics"]["test"]


def test_sigterm_ends_as_ctrl_c_does_with_143(place, monkeypatch):
    stop_at(monkeypatch, epoch=1, stop=lambda: os.kill(os.getpid(), signal.SIGTERM))
    line = stopped(place, "--run_dir=terminated", code=143)
    assert "stopped after epoch 1 of 5; the best so far (epoch 1" in line
    assert place.results("terminated")["stopped"] == "after epoch 1 of 5"


def test_a_second_ctrl_c_leaves_no_half_written_file(place, monkeypatch):
    write_text = Path.write_text

    def half(path, text, **options):
        if "results" in path.name:
            text = write_text(path, text[:100], **options)
            ctrl_c()
        return write_text(path, text, **options)

    monkeypatch.setattr(Path, "write_text", half)
    stop_at(monkeypatch, epoch=2)
    message = "train.py: stopped while saving: twice may lack the latest"
    assert stopped(place, "--run_dir=twice") == message
    assert {path.name for path in (place / "twice").iterdir()} == {
        *("config.json", "users.tsv", "items.tsv", "interactions.npz"),
        *("checkpoints", "train", "validation", "summary"),
    }


# Runs a command on a terminal of its own, 80 columns wide, and types ^C once epoch 10 is shown.
TERMINAL = """
import fcntl, os, pty, re, signal, struct, sys, termios
process, terminal = pty.fork()
if process == 0:
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    os.execv(sys.argv[1], sys.argv[1:])
fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
shown, typed = b"", False
while True:
    try:
        shown += os.read(terminal, 65536)
    except OSError:
        break
    if not typed and re.search(rb"epoch \\d\\d", shown):
        typed = bool(os.write(terminal, b"\\x03"))
sys.stdout.buffer.write(shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(process, 0)[1]))
"""


@pytest.mark.slow
def test_ctrl_c_on_a_terminal(place):
    command = [sys.executable, ROOT / "train.py", *FLAGS, "--epochs=2000", "--run_dir=terminal"]
    environment = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES")}
    done = subprocess.run(
        [sys.executable, "-c", TERMINAL, *command],
        capture_output=True,
        cwd=place.path,
        env=environment,
        timeout=120,
    )
    assert (done.returncode, done.stderr) == (130, b"")
    shown = done.stdout.decode()
    # what stays on the screen once every line that was drawn over is gone
    lines = [line.split(CLEAR_LINE)[-1] for line in shown.split("\r\n")]
    assert [line[:8] for line in lines] == [
        *("read rat", "ratings ", "train 80", "chosen f", "train.py", "")
    ]
    assert "; the best so far (epoch " in lines[4] and "--run_dir=terminal" in lines[4]
    drawn = [part.split("\r\n")[0] for part in shown.split(CLEAR_LINE)[1:]]
    bars = [line for line in drawn if line.startswith("training [")]
    assert "RMSE" in bars[-1] and bars[-1].removesuffix("^C").endswith(("/s", " left"))
    assert max(map(len, bars)) < 80 + len("^C")
    assert {"starting TensorFlow …", "compiling the training loop …"} <= set(drawn)
    assert place.results("terminal")["stopped"].startswith("after epoch ")

"""The progress bar: what it shows, when it redraws, and that it needs a terminal."""

import io
import sys
import time

import pytest

from mfrec import progress
from mfrec.progress import Progress, say, waiting


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """Time that stands still until a test moves it."""
    now = [100.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    monkeypatch.setenv("COLUMNS", "120")
    return now


def shown(stream):
    return stream.getvalue().split("\r\x1b[K")[1:]


def test_prints_nothing_where_nobody_watches(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress("epoch 1", 10) as bar:
        bar.update(5)
    assert stream.getvalue() == ""


def test_shows_share_amount_note_and_time_left_then_clears_the_line(monkeypatch, clock):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress("ml-100k", 4.0, "MB") as bar:
        clock[0] += 30
        bar.update(1, "loss 0.9")
    # A quarter took 30 s, so that three quarters will take 90 s.
    line = "ml-100k [######..................]  25%  1/4 MB  loss 0.9  1:30 left"
    assert shown(stream) == [line, ""]


def test_redraws_at_most_ten_times_a_second(monkeypatch, clock):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress("work", 100) as bar:
        for done in range(100):
            clock[0] += 0.03125
            bar.update(done)
    # 100 updates in 3.1 s: one in four is 0.125 s after the one before it.
    assert len(shown(stream)) == 25 + 1


def test_an_unknown_total_leaves_out_bar_and_time(monkeypatch, clock):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress("reading", 0, "MB") as bar:
        bar.update(3)
    assert shown(stream) == ["reading  3 MB", ""]


def test_the_first_second_estimates_nothing(monkeypatch, clock):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress("training", 4) as bar:
        clock[0] += 0.9
        bar.update(2)
    assert shown(stream)[0] == "training [############............]  50%"


def test_amounts_without_a_unit_say_nothing(monkeypatch, clock):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress("training", 4) as bar:
        clock[0] += 1
        bar.update(2, "loss 0.9")
    line = "training [############............]  50%  loss 0.9  0:01 left"
    assert shown(stream) == [line, ""]


def test_the_bar_shrinks_before_anything_is_cut(monkeypatch, clock):
    monkeypatch.setenv("COLUMNS", "50")
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress("training", 4) as bar:
        clock[0] += 1
        bar.update(2, "loss 0.9")
    # 49 may be used; all but the bar take 37
    assert shown(stream)[0] == "training [######......]  50%  loss 0.9  0:01 left"


def test_waiting_is_shown_and_gone(monkeypatch, clock):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with waiting("reading a.csv"):
        assert shown(stream) == ["reading a.csv …"]
    assert shown(stream) == ["reading a.csv …", ""]


def test_never_wraps_a_narrow_terminal(monkeypatch, clock):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setenv("COLUMNS", "20")
    with Progress("a label that is much too long", 1) as bar:
        bar.update(1)
    assert len(shown(stream)[0]) == 19


def test_long_work_shows_hours(monkeypatch, clock):
    stream = Terminal()
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress("work", 2) as bar:
        clock[0] += 3_725
        bar.update(1)
    assert shown(stream)[0].endswith("1:02:05 left")


def test_say_goes_to_standard_error(capsys):
    say("hello")
    assert capsys.readouterr() == ("", "hello\n")


def test_what_takes_long_is_said_once_where_no_line_is_shown(monkeypatch, capsys):
    monkeypatch.setattr(progress, "_SECONDS_OF_SILENCE", 0.01)
    with waiting("reading a.csv"):
        time.sleep(0.1)
    assert capsys.readouterr().err == "reading a.csv …\n"
    monkeypatch.setattr(progress, "_SECONDS_OF_SILENCE", 0.05)
    with waiting("reading a.csv"):
        pass
    time.sleep(0.1)
    assert capsys.readouterr().err == ""

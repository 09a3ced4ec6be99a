"""Exit codes of a command: what ends it, and the one line that it prints."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from helpers import ROOT
from mfrec.cli.exit_codes import exit_code
from mfrec.errors import InputError

PRINT = """
import sys
from mfrec.cli.exit_codes import exit_code
sys.exit(exit_code("x.py", lambda: print(1)))
"""


def raising(error):
    def work():
        raise error

    return work


def test_done_is_0(capsys):
    assert exit_code("x.py", lambda: print("result")) == 0
    assert capsys.readouterr() == ("result\n", "")


def test_wrong_input_is_2_and_one_line(capsys):
    assert exit_code("x.py", raising(InputError("no such file"))) == 2
    assert capsys.readouterr() == ("", "x.py: no such file\n")


def test_ctrl_c_is_130(capsys):
    assert exit_code("x.py", raising(KeyboardInterrupt())) == 130
    assert capsys.readouterr().err == "x.py: stopped; nothing was written\n"
    assert exit_code("x.py", raising(KeyboardInterrupt("stopped; half is kept"))) == 130
    assert capsys.readouterr().err == "x.py: stopped; half is kept\n"


def test_commands_in_a_message_are_those_of_the_program_that_was_called(capsys):
    stop = KeyboardInterrupt("stopped: python eval.py --run_dir=r")
    exit_code("train.py", raising(stop))
    assert capsys.readouterr().err == "train.py: stopped: python eval.py --run_dir=r\n"
    exit_code("mfrec train", raising(stop))
    assert capsys.readouterr().err == "mfrec train: stopped: mfrec eval --run_dir=r\n"


def test_sigterm_is_143_and_the_handler_is_put_back(capsys):
    before = signal.getsignal(signal.SIGTERM)
    assert exit_code("x.py", lambda: os.kill(os.getpid(), signal.SIGTERM)) == 143
    assert signal.getsignal(signal.SIGTERM) is before
    assert capsys.readouterr().err == "x.py: stopped; nothing was written\n"


def test_a_full_disk_is_2_and_one_line(capsys):
    full = OSError(errno.ENOSPC, "No space left on device", "/full/file")
    assert exit_code("x.py", raising(full)) == 2
    assert capsys.readouterr().err == "x.py: /full/file: No space left on device\n"
    with pytest.raises(PermissionError):
        exit_code("x.py", raising(PermissionError(errno.EACCES, "not yours")))


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_standard_output_on_a_full_disk():
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", PRINT], stdout=full, stderr=-1, cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr == b"x.py: standard output: No space left on device\n"


def test_nobody_reads_what_is_written():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run([sys.executable, "-c", PRINT], stdout=writer, stderr=-1, cwd=ROOT)
    os.close(writer)
    assert (done.returncode, done.stderr) == (141, b"")


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_only_the_first_ctrl_c_counts(capsys, number, code):
    saved = []

    def work():
        try:
            os.kill(os.getpid(), number)
        finally:
            os.kill(os.getpid(), number)
            saved.append(True)

    # where the suite runs in the background, SIGINT may be off
    outer = signal.signal(number, signal.default_int_handler)
    try:
        assert (exit_code("x.py", work), saved) == (code, [True])
        assert signal.getsignal(number) is signal.default_int_handler
    finally:
        signal.signal(number, outer)


def test_ctrl_c_stays_off_where_it_was_off():
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert exit_code("x.py", lambda: os.kill(os.getpid(), signal.SIGINT)) == 0
    finally:
        signal.signal(signal.SIGINT, before)


def test_faults_of_ours_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        exit_code("x.py", raising(ZeroDivisionError()))

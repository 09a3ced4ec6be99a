import os
import signal

import pytest

from mfrec.errors import InputError, exit_code


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
    assert capsys.readouterr().err == "x.py: stopped\n"


def test_sigterm_is_143_and_the_handler_is_put_back():
    before = signal.getsignal(signal.SIGTERM)
    with pytest.raises(SystemExit) as stop:
        exit_code("x.py", lambda: os.kill(os.getpid(), signal.SIGTERM))
    assert stop.value.code == 143
    assert signal.getsignal(signal.SIGTERM) is before


def test_faults_of_ours_keep_their_traceback():
    with pytest.raises(ZeroDivisionError):
        exit_code("x.py", raising(ZeroDivisionError()))

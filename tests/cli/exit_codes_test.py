"""Exit codes of a command: what ends it, and the one line that it prints."""

import errno
import functools
import os
import signal
import subprocess
import sys

import pytest

from helpers import ROOT
from mfrec.cli.exit_codes import exit_code
from mfrec.errors import InputError

# argument 2 of exit_code may follow print(1)
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


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_standard_output_on_a_full_disk():
    with open("/dev/full", "w") as full:
        done = subprocess.run([sys.executable, "-c", PRINT], stdout=full, stderr=-1, cwd=ROOT)
    assert done.returncode == 2
    assert done.stderr == b"x.py: standard output: No space left on device\n"


@pytest.fixture
def unread():
    """A pipe whose reader is gone."""
    reader, writer = os.pipe()
    os.close(reader)
    yield writer
    os.close(writer)


def python(code, **streams):
    """The return code and what a program wrote to standard error."""
    streams = {"stderr": subprocess.PIPE} | streams
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, **streams)
    return done.returncode, done.stderr


def test_nobody_reads_what_is_written(unread):
    assert python(PRINT, stdout=unread) == (141, b"")
    # a training is over by then, and kept
    assert python(PRINT.replace("print(1)", "print(1), 0"), stdout=unread) == (0, b"")


def test_nobody_reads_the_notes(unread):
    code = PRINT.replace("print(1)", "[say('a note') for _ in range(9)]")
    code = f"from mfrec.progress import say{code}"
    assert python(code, stdout=subprocess.DEVNULL, stderr=unread)[0] == 0
    # and of two streams into one pipe, the results are missed
    code = code.replace("]))", "] and print(1)))")
    assert python(code, stdout=unread, stderr=unread)[0] == 141


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_streams_that_were_closed_before(closed, tmp_path):
    # without a stream the first file that is opened would get its number
    work = f"print(1) or say('note') or open({str(tmp_path / 'file')!r}, 'w').fileno()"
    code = f"from mfrec.progress import say{PRINT}".replace("print(1)", work)
    program = tmp_path / "program.py"
    program.write_text(code)
    done = subprocess.run(
        ["bash", "-c", f"{sys.executable} {program} {closed}"],
        capture_output=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0 and b"Traceback" not in done.stderr
    assert (tmp_path / "file").read_text() == ""


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_characters_that_the_terminal_lacks(encoding):
    code = PRINT.replace("print(1)", "print('MAP · 千')")
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONIOENCODING": encoding},
    )
    expected = {"ascii": rb"MAP \u00b7 \u5343", "latin-1": b"MAP \xb7 \\u5343"}[encoding]
    assert (done.returncode, done.stdout, done.stderr) == (0, expected + b"\n", b"")


def test_a_working_folder_that_is_gone(tmp_path, monkeypatch, capsys):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    assert exit_code("x.py", lambda: pytest.fail("worked all the same")) == 2
    assert capsys.readouterr().err == (
        "x.py: the working folder was deleted; change into another one\n"
    )


def test_names_in_an_error_do_not_act(capsys):
    exit_code("x.py", raising(InputError("no file \x1b[2J\u202e\n")))
    assert capsys.readouterr().err == "x.py: no file \\u001b[2J\\u202e\\n\n"


@pytest.mark.parametrize("number", [errno.EACCES, errno.ENAMETOOLONG, errno.EISDIR, errno.EROFS])
def test_files_that_cannot_be_used_are_2_and_one_line(capsys, number):
    assert exit_code("x.py", raising(OSError(number, os.strerror(number), "a/file"))) == 2
    assert capsys.readouterr().err == f"x.py: a/file: {os.strerror(number)}\n"


def test_no_memory_is_2_and_one_line(capsys):
    error = MemoryError("Unable to allocate 7.45 GiB for an array")
    assert exit_code("x.py", raising(error)) == 2
    expected = "x.py: not enough memory: Unable to allocate 7.45 GiB for an array\n"
    assert capsys.readouterr().err == expected


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
    with pytest.raises(ValueError, match="invalid literal"):
        exit_code("x.py", functools.partial(int, "x"))


def test_faults_of_the_users_own_code_are_2_and_name_their_line(capsys):
    assert exit_code("x.py", raising(ZeroDivisionError("division\nby zero"))) == 2
    line = raising.__code__.co_firstlineno + 2
    assert capsys.readouterr().err == (
        f"x.py: your own code failed: {__file__}:{line}: ZeroDivisionError: division\n"
    )

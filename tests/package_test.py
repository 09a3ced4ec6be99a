"""What happens before TensorFlow is imported, in processes of their own."""

import subprocess
import sys

import pytest

import mfrec
from helpers import ROOT
from mfrec.config import settings

# Importing any of these takes long; the block turns each import into an error.
BLOCK = """
import sys
class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("tensorflow", "keras", "tensorboard"):
            raise AssertionError("imports " + name)
sys.meta_path.insert(0, Block())
"""


def python(code, *arguments):
    command = [sys.executable, "-c", BLOCK + code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=ROOT, timeout=120)


def run_without_tensorflow(script, *flags):
    code = f"""
import runpy
sys.argv[0] = {script!r}
runpy.run_path({script!r}, run_name="__main__")
"""
    return python(code, *flags)


def test_importing_mfrec_loads_nothing_heavy():
    done = python("import mfrec; print(mfrec.__version__, 'numpy' in sys.modules)")
    assert (done.stdout, done.stderr) == (f"{mfrec.__version__} False\n", "")


def test_the_data_layer_needs_no_tensorflow():
    code = "from mfrec import Interactions, InputError; print(Interactions.__name__)"
    assert python(code).stdout == "Interactions\n"
    # the block does block
    assert "imports tensorflow" in python("import mfrec; mfrec.Trainer").stderr


def test_every_public_name_is_there():
    assert set(mfrec.__all__) <= set(dir(mfrec))
    for name in mfrec.__all__:
        assert getattr(mfrec, name).__name__ in (name, f"mfrec.{name}")
    with pytest.raises(AttributeError, match="module 'mfrec' has no attribute 'Trainor'"):
        _ = mfrec.Trainor


@pytest.mark.parametrize("script", ["train.py", "eval.py"])
def test_help_shows_every_flag(script):
    done = run_without_tensorflow(script, "--help")
    # absl ends --help with 1
    assert done.returncode == 1 and "AssertionError" not in done.stderr
    shown = done.stdout.replace("[no]", "")
    names = {"train.py": [s.name for _, s in settings()], "eval.py": ["part", "predictions"]}
    for name in [*names[script], "run_dir"]:
        assert f"--{name}:" in shown


WRONG = [
    ("train.py", ["--epochs=many"], 1, "flag --epochs=many"),
    ("train.py", ["--epoch=3"], 1, "Unknown command line flag 'epoch'. Did you mean: epochs"),
    ("train.py", ["--optimizer=adamm"], 2, "unknown; did you mean adam"),
    ("train.py", ["--preset=movielens"], 2, "unknown preset 'movielens'; did you mean movielens-"),
    ("train.py", ["--dataset=movielens-100"], 2, "no data set 'movielens-100'; did you mean"),
    ("train.py", ["--dataset=toy", "3"], 2, "'3' is no flag; flags are --name=value"),
    ("train.py", ["--dataset=toy", "--fold=0", "--cross_validate"], 2, "give one of them"),
    ("train.py", ["--ratings=/nowhere.csv"], 2, "/nowhere.csv: no such file"),
    ("eval.py", [], 2, "--run_dir=FOLDER is needed"),
    ("eval.py", ["--part=train"], 1, "value should be one of <validation|test>"),
]


@pytest.mark.parametrize("script, flags, code, message", WRONG, ids=lambda v: str(v)[:40])
def test_wrong_flags_are_answered_at_once(script, flags, code, message):
    done = run_without_tensorflow(script, *flags)
    assert done.returncode == code
    assert message in done.stderr
    assert "Traceback" not in done.stderr and done.stdout == ""
    if code == 2:
        assert done.stderr.startswith(f"{script}: ") and done.stderr.count("\n") == 1

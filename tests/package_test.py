"""The package: who imports whom, its public names, what happens before TensorFlow is imported."""

import ast
import subprocess
import sys

import pytest

import mfrec
from helpers import ROOT

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


# Lowest first; packages of one level do not know each other.
LEVELS = (
    ("ground",),
    ("config",),
    ("data", "losses"),
    ("models",),
    ("evaluation",),
    ("training",),
    ("runs", "tensorboard"),
    ("serving",),
    ("experiment",),
    ("cli",),
)


def package_of(module):
    """config for mfrec.config.settings; ground for modules that stand in no package."""
    name = module.split(".")[1]
    return name if (ROOT / "mfrec" / name).is_dir() else "ground"


def imports_of(path):
    """The modules of mfrec that a file imports anywhere, inside functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.startswith("mfrec."))
        elif isinstance(node, ast.ImportFrom) and node.module == "mfrec":
            yield from (f"mfrec.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("mfrec."):
            yield node.module


def test_a_package_imports_only_from_those_below_it():
    level = {package: number for number, packages in enumerate(LEVELS) for package in packages}
    folders = {path.name for path in (ROOT / "mfrec").iterdir() if (path / "__init__.py").exists()}
    assert folders == set(level) - {"ground"}
    upwards = []
    for path in sorted((ROOT / "mfrec").glob("*/**/*.py")) + sorted((ROOT / "mfrec").glob("*.py")):
        here = package_of(".".join(path.relative_to(ROOT).with_suffix("").parts))
        for module in imports_of(path):
            there = package_of(module)
            if there != here and level[there] >= level[here]:
                upwards.append(f"{path.relative_to(ROOT)} imports {module}")
    assert upwards == []


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
        assert getattr(mfrec, name).__name__.rpartition(".")[2] == name
    with pytest.raises(AttributeError, match="module 'mfrec' has no attribute 'Trainor'"):
        _ = mfrec.Trainor


@pytest.mark.parametrize("flag", ["--help", "-h", "--helpfull"])
@pytest.mark.parametrize("script", ["train.py", "eval.py", "export.py"])
def test_help_goes_to_standard_output_at_once(script, flag):
    # even beside flags that are wrong
    done = run_without_tensorflow(script, "--epochs=many", flag)
    assert (done.returncode, done.stderr) == (0, "")
    assert f"    python {script} --" in done.stdout and "  --run_dir=" in done.stdout


WRONG = [
    ("train.py", ["--epochs=many"], "--epochs=many: not of type int"),
    ("train.py", ["--epochs"], "Missing value for flag --epochs"),
    ("train.py", ["--epoch=3"], "unknown flag --epoch; did you mean epochs?"),
    ("train.py", ["--qwertz=3"], "unknown flag --qwertz; see train.py --help"),
    ("train.py", ["--optimizer=adamm"], "--optimizer=adamm: unknown; did you mean adam"),
    ("train.py", ["--loss=hubert"], "unknown loss 'hubert'; did you mean huber?"),
    ("train.py", ["--loss=mean_square_error"], "did you mean mean_squared_error"),
    ("train.py", ["--negative_sampler=popular"], "--negative_sampler=popular: unknown; did you"),
    ("train.py", ["--learning_rate=nan"], "--learning_rate=nan: must be a finite number"),
    ("train.py", ["--use_bias=perhaps"], "--use_bias=perhaps: not of type bool"),
    ("train.py", ["--nouse_bias=1"], "--nouse_bias=1 does not take an argument"),
    ("train.py", ["--flagfile=/nowhere"], "/nowhere"),
    ("train.py", ["--verbosity=1"], "unknown flag --verbosity"),
    ("train.py", ["--preset=movielens"], "--preset=movielens: unknown; did you mean movielens-"),
    ("train.py", ["--dataset=movielens-100"], "no data set 'movielens-100'; did you mean"),
    ("train.py", ["--dataset=toy", "3"], "'3' is no flag; flags are --name=value"),
    ("train.py", ["--dataset=toy", "--fold=0", "--cross_validate"], "give one of them"),
    ("train.py", ["--ratings=/nowhere.csv"], "/nowhere.csv: no such file"),
    ("eval.py", [], "--run_dir=FOLDER is needed"),
    ("eval.py", ["--part=train"], "--part=train: unknown; there are: validation, test"),
    ("export.py", [], "--run_dir=FOLDER is needed: the run to export"),
    ("export.py", ["--run_dir=/nowhere"], "--run_dir=/nowhere: no run folder"),
]


@pytest.mark.parametrize("script, flags, message", WRONG, ids=lambda v: str(v)[:40])
def test_wrong_flags_are_answered_at_once_in_one_line(script, flags, message):
    done = run_without_tensorflow(script, *flags)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"{script}: ") and message in done.stderr
    assert done.stderr.count("\n") == 1

"""One loader for whatever a flag names by FILE.py:name or package.module:name."""

import dataclasses
import math
import sys

import pytest

from mfrec import own_code
from mfrec.code_files import Code
from mfrec.errors import InputError
from mfrec.ranges import Range


def test_a_name_of_a_file_or_of_a_module(tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text("def double(x):\n    return 2 * x\n")
    monkeypatch.chdir(tmp_path)
    path = list(sys.path)
    assert own_code.load("mine.py:double", "loss")(4) == 8
    assert own_code.load(f"{tmp_path}/mine.py:double", "loss")(4) == 8
    try:
        assert own_code.load("mine:double", "loss")(4) == 8
    finally:
        sys.modules.pop("mine", None)
    assert sys.path == path
    assert own_code.load("numpy:sqrt", "loss")(4) == 2


def test_a_file_is_read_anew_each_time(tmp_path):
    file = tmp_path / "mine.py"
    for number in (1, 22):
        file.write_text(f"number = {number}\n")
        assert own_code.load(f"{file}:number", "loss") == number


def test_a_file_replaces_no_module_of_its_name(tmp_path):
    file = tmp_path / "json.py"
    file.write_text("def dumps(x):\n    return 'mine'\n")
    assert own_code.load(f"{file}:dumps", "loss")(1) == "mine"
    assert sys.modules["json"].dumps(1) == "1"


def test_a_file_may_hold_data_classes_and_import_its_neighbours(tmp_path, monkeypatch):
    (tmp_path / "neighbour_of_mine.py").write_text("number = 7\n")
    (tmp_path / "mine.py").write_text(
        "from __future__ import annotations\n"
        "import dataclasses\n"
        "from neighbour_of_mine import number\n"
        "@dataclasses.dataclass\n"
        "class Point:\n"
        "    x: int = number\n"
    )
    monkeypatch.chdir(tmp_path)
    try:
        point = own_code.load("mine.py:Point", "model")()
    finally:
        sys.modules.pop("neighbour_of_mine", None)
    assert dataclasses.asdict(point) == {"x": 7}


@pytest.mark.parametrize(
    "content, message",
    [
        (None, "--model=FILE:f: no file FILE"),
        ("def g(): pass\nfrom math import sqrt\n", "--model=FILE:f: no 'f' there, only ['g']"),
        ("class G: pass\nnumber = 3\n", "--model=FILE:f: no 'f' there, only ['G']"),
        ("x = 1\ndef f(:\n", "--model=FILE:f: FILE:2: SyntaxError: "),
        ("x = 1\n\ny = x / 0\n", "--model=FILE:f: FILE:3: ZeroDivisionError: division by zero"),
        # the user's line, not that of the library below it
        ("import json\njson.loads('[')\n", "--model=FILE:f: FILE:2: JSONDecodeError: "),
        ("import no_such\n", "FILE:1: ModuleNotFoundError: No module named 'no_such'"),
        ("raise ValueError('one\\ntwo')\n", "FILE:1: ValueError: one"),
    ],
)
def test_what_cannot_be_loaded_is_one_line_with_its_place(tmp_path, content, message):
    file = tmp_path / "mine.py"
    if content is not None:
        file.write_text(content)
    with pytest.raises(InputError) as error:
        own_code.load(f"{file}:f", "model")
    assert message.replace("FILE", str(file)) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_module_that_lacks_is_one_line():
    with pytest.raises(InputError) as error:
        own_code.load("no_such_module:focal", "loss")
    assert str(error.value) == (
        "--loss=no_such_module:focal: no_such_module: ModuleNotFoundError: No module named "
        "'no_such_module'"
    )
    with pytest.raises(InputError, match="helpers:none: no 'none' there, only") as error:
        own_code.load("helpers:none", "loss")
    assert "read_rows" in str(error.value)


@pytest.mark.parametrize(
    "address", ["subprocess:call", "os:system", "builtins:exec", "os.path:join"]
)
def test_what_python_brings_is_nobodys_own(address):
    with pytest.raises(InputError, match=f"--loss={address}: .* Python's own library; name code"):
        own_code.load(address, "loss")


def test_what_a_file_takes_from_python_is_not_its_own(tmp_path):
    (tmp_path / "mine.py").write_text("from subprocess import call\nimport os\nrun = os.system\n")
    for name in ("call", "run"):
        with pytest.raises(InputError, match=f":{name}: {name} is of Python's own library"):
            own_code.load(f"{tmp_path}/mine.py:{name}", "loss")


def test_addresses_lead_back(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("def double(x):\n    return 2 * x\nfocal = lambda x: x\n")
    double = own_code.load(f"{file}:double", "loss")
    own_code.load(f"{file}:double", "loss")
    assert own_code.address_of(double) == f"{file}:double"
    assert own_code.address_of(dataclasses.dataclass) == "dataclasses:dataclass"
    for nameless in (own_code.load(f"{file}:focal", "loss"), lambda x: x, double(2), file):
        assert own_code.address_of(nameless) is None


def test_absolute_addresses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert own_code.absolute("mine.py:f") == f"{tmp_path}/mine.py:f"
    for name in ("package.module:f", "mse", f"{tmp_path}/mine.py:f"):
        assert own_code.absolute(name) == name


def test_arguments_are_parameters_and_numbers_stay_numbers():
    def f(x, *, power=2.0, word="a", flag=True):
        pass

    parameters = own_code.parameters(f)
    assert parameters == {"power": 2.0, "word": "a", "flag": True}
    own_code.check_arguments({"power": 3, "word": "b", "flag": False}, parameters, "a", "thing")
    with pytest.raises(InputError, match="--a: thing has power, word, flag, not 'x'"):
        own_code.check_arguments({"x": 3}, parameters, "a", "thing")
    with pytest.raises(InputError, match="--a: thing has none, not 'x'"):
        own_code.check_arguments({"x": 3}, {}, "a", "thing")
    with pytest.raises(InputError, match="--a: power=high of thing is no number"):
        own_code.check_arguments({"power": "high"}, parameters, "a", "thing")


@pytest.mark.parametrize(
    "given, complaint",
    [
        ({"power": True}, "power=True of thing is no number"),
        ({"power": None}, "power=None of thing is no number"),
        ({"whole": False}, "whole=False of thing is no number"),
        ({"word": 3}, "word=3 of thing is no word"),
        ({"flag": "yes"}, "flag=yes of thing is neither true nor false"),
        ({"flag": 2}, "flag=2 of thing is neither true nor false"),
        ({"power": 0}, "power=0 of thing must be above 0"),
        ({"free": -1}, "free=-1 of thing must be at least 0"),
        ({"power": math.nan}, "power=nan of thing must be above 0"),
    ],
)
def test_arguments_are_of_the_kind_of_their_default_and_in_their_domain(given, complaint):
    usual = {"power": 2.0, "whole": 1, "word": "a", "flag": True, "free": None}
    domain = {"power": Range(above=0), "free": Range(minimum=0, below=1)}
    own_code.check_arguments({"whole": 0.5, "free": None, "flag": 1}, usual, "a", "thing", domain)
    with pytest.raises(InputError, match=f"--a: {complaint}"):
        own_code.check_arguments(given, usual, "a", "thing", domain)


# ----------------------------------------------------------------------- copies in run folders


def copy_of(folder, **files):
    """Files of a run folder's own, and the address of `value` in mine.py."""
    for name, text in files.items():
        path = folder / name.replace("__", "/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.with_suffix(".py").write_text(text)
    main = "lib/mine.py" if "lib__mine" in files else "mine.py"
    address = f"{folder / main}:value"
    own_code.use_copy(address, Code.load(folder, main))
    return address


def test_copies_of_the_same_names_do_not_see_each_other(tmp_path, monkeypatch):
    (tmp_path / "beside.py").write_text("number = 0\n")
    monkeypatch.chdir(tmp_path)
    main = "import beside\nvalue = lambda: beside.number\n"
    addresses = [
        copy_of(tmp_path / f"run{number}", mine=main, beside=f"number = {number}\n")
        for number in (1, 2)
    ]
    before = dict(sys.modules)
    found = [own_code.load(address, "loss") for address in addresses]
    assert [value() for value in found] == [1, 2]
    assert own_code.load(addresses[0], "loss")() == 1
    assert "beside" not in sys.modules
    assert all(sys.modules[name] is module for name, module in before.items())


def test_a_copy_of_a_package_may_import_by_dots(tmp_path):
    addresses = [
        copy_of(
            tmp_path / f"run{number}",
            lib__mine="from .beside import number\nimport lib.beside\nvalue = lambda: number\n",
            lib__beside=f"number = {number}\n",
        )
        for number in (1, 2)
    ]
    assert [own_code.load(address, "loss")() for address in addresses] == [1, 2]
    assert not [name for name in sys.modules if name.partition(".")[0] == "lib"]


def test_what_was_checked_is_what_runs(tmp_path):
    address = copy_of(tmp_path, mine="value = 1\n")
    (tmp_path / "mine.py").write_text("value = 2\n")
    assert own_code.load(address, "loss") == 1


def test_files_of_the_users_see_their_neighbours_and_not_those_of_others(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    try:
        for folder, number in (("a", 1), ("b", 2), ("b", 3)):
            (tmp_path / folder).mkdir(exist_ok=True)
            (tmp_path / folder / "beside_mine.py").write_text(f"number = {number}\n")
            (tmp_path / folder / "mine.py").write_text("from beside_mine import number\n")
            assert own_code.load(f"{folder}/mine.py:number", "loss") == number
        beside = sys.modules["beside_mine"]
        own_code.load("b/mine.py:number", "loss")
        assert sys.modules["beside_mine"] is beside
    finally:
        sys.modules.pop("beside_mine", None)


def test_addresses_of_the_same_code(tmp_path):
    (tmp_path / "mine.py").write_text("value = 1\n")
    address = copy_of(tmp_path / "run", mine="value = 1\n")
    assert own_code.is_same_code(f"{tmp_path}/mine.py:value", address)
    assert not own_code.is_same_code(f"{tmp_path}/mine.py:other", address)
    (tmp_path / "mine.py").write_text("value = 2\n")
    assert not own_code.is_same_code(f"{tmp_path}/mine.py:value", address)
    assert own_code.is_same_code("mse", "mse") and not own_code.is_same_code("mse", address)

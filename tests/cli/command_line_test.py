"""Flags: parsing, --help, one line for every mistake."""

import inspect
import re

import pytest

from helpers import ROOT
from mfrec.cli import evaluate, export, recommend, train
from mfrec.cli.command_line import CommandLine
from mfrec.config.presets import PRESETS
from mfrec.config.settings import Config, python_type, settings
from mfrec.data import datasets
from mfrec.errors import InputError

COMMANDS = {"train": train, "evaluate": evaluate, "recommend": recommend, "export": export}


@pytest.fixture
def command():
    command = CommandLine("Does a thing.\n\n    thing.py --count=3\n\nWell.\n")
    command.define("Sizes.", "count", int, 5, "how many")
    command.define("Sizes.", "share", float, None, "which part (default: all)")
    command.define("Names.", "color", str, "red", "paint", ["red", "green"])
    command.define("Names.", "folder", str, None, "where", repeated=True)
    command.define("Names.", "wet", bool, True, "still wet")
    return command


def values(command, *given):
    """What the flags hold once work has begun."""
    found = {}

    def work():
        found.update({name: command._values[name].value for name in command._values})

    assert command.run(["thing.py", *given], work) == 0
    return found


def test_defaults(command):
    expected = {"count": 5, "share": None, "color": "red", "folder": None, "wet": True}
    assert values(command) == expected


def test_every_kind_is_parsed(command):
    given = ["--count=-3", "--share", "1e-2", "--color=green", "--nowet"]
    found = values(command, *given, "--folder=a,b", "--folder=c")
    assert found == {
        **{"count": -3, "share": 0.01, "color": "green", "wet": False},
        "folder": ["a,b", "c"],
    }
    assert type(found["share"]) is float


@pytest.mark.parametrize("text, value", [("true", True), ("F", False), ("1", True), ("0", False)])
def test_a_bool_takes_a_value_too(command, text, value):
    assert values(command, f"--wet={text}")["wet"] is value


def test_a_bool_is_negated_with_an_underscore_too(command):
    assert values(command, "--no_wet")["wet"] is False


def test_flags_from_a_file(command, tmp_path):
    (tmp_path / "flags").write_text("--count=7\n# a remark\n--nowet\n")
    found = values(command, f"--flagfile={tmp_path / 'flags'}", "--color=green")
    assert (found["count"], found["wet"], found["color"]) == (7, False, "green")


def test_flags_from_a_file_that_is_no_text(command, tmp_path, capsys):
    (tmp_path / "flags").write_bytes(b"\xff\x00")
    assert command.run(["thing.py", f"--flagfile={tmp_path / 'flags'}"], pytest.fail) == 2
    assert capsys.readouterr().err == "thing.py: --flagfile: no text in UTF-8; save it as such\n"


@pytest.mark.parametrize(
    "given, message",
    [
        ("--count=1.5", "--count=1.5: not of type int"),
        ("--count=", "--count=: not of type int"),
        ("--share=inf", "--share=inf: must be a finite number"),
        ("--share=-nan", "--share=-nan: must be a finite number"),
        ("--color=gren", "--color=gren: unknown; did you mean green?"),
        ("--wet=2", "--wet=2: not of type bool"),
        ("--folder=", "--folder=: empty; give a value, or leave it out"),
        ("--color=", "--color=: empty; give a value, or leave it out"),
        ("--counts=1", "unknown flag --counts; did you mean count?"),
        ("--zzz", "unknown flag --zzz; see thing.py --help"),
        ("-count", "Missing value for flag -count"),
        ("thing", "'thing' is no flag; flags are --name=value"),
    ],
)
def test_one_line_for_every_mistake(command, capsys, given, message):
    code = command.run(["some/thing.py", given], lambda: pytest.fail("worked all the same"))
    assert (code, capsys.readouterr()) == (2, ("", f"thing.py: {message}\n"))


def test_mistakes_in_the_work_are_answered_the_same_way(command, capsys):
    def work():
        raise InputError("nothing there")

    assert command.run(["thing.py"], work) == 2
    assert capsys.readouterr().err == "thing.py: nothing there\n"


def test_help_in_two_columns(command):
    assert command.help(80).splitlines() == [
        "Does a thing.",
        "",
        "    thing.py --count=3",
        "",
        "Well.",
        "",
        "Sizes.",
        "  --count=INT     how many (default: 5)",
        "  --share=NUMBER  which part (default: all)",
        "",
        "Names.",
        "  --color=TEXT    paint (one of red, green; default: red)",
        "  --folder=TEXT   where (may be repeated)",
        "  --[no]wet       still wet (default: true)",
        "",
        "Flags may also stand in a file, one a line: --flagfile=FILE",
    ]


def test_help_in_one_column_where_the_terminal_is_narrow(command):
    lines = command.help(40).splitlines()
    at = lines.index("  --color=TEXT")
    wrapped = ["        paint (one of red, green;", "        default: red)"]
    assert lines[at + 1 : at + 3] == wrapped


@pytest.mark.parametrize("columns", ["60", "80", "200"])
@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_is_complete_and_fits_the_terminal(name, columns, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", columns)
    module = COMMANDS[name]
    assert module.main(["x.py", "--help"]) == 0
    shown = capsys.readouterr().out
    assert shown.startswith(inspect.cleandoc(module.__doc__))
    source = (ROOT / "mfrec" / "cli" / f"{name}.py").read_text()
    calls = re.findall(r'COMMAND\.define(?:_(\w+)\(_|\(\s*\w+,\s*"(\w+)")', source)
    defined = [name for call in calls for name in call if name]
    found = re.findall(r"^  --(?:\[no\])?(\w+)", shown, re.MULTILINE)
    if name == "train":
        defined += [setting.name for _, setting in settings()]
        found, defined = sorted(found), sorted(defined)
    assert len(defined) > 3
    assert found == defined
    flags = shown[len(module.__doc__) :]
    assert max(map(len, flags.splitlines())) <= int(columns)


def test_help_of_train_begins_with_the_flags_that_matter_most():
    names = re.findall(r"^  --(\w+)", train.COMMAND.help(100), re.MULTILINE)[:10]
    first = "dataset ratings preset model loss embedding_dim epochs learning_rate seed run_dir"
    assert names == first.split()


def test_a_second_call_starts_from_the_defaults(command):
    assert values(command, "--count=7", "--folder=a", "--nowet")["count"] == 7
    assert values(command) == {
        **{"count": 5, "share": None, "color": "red", "folder": None, "wet": True}
    }
    assert not command._values["count"].present


def test_examples_in_the_help_are_those_of_the_program_that_was_called(capsys):
    assert train.main(["/bin/mfrec train", "--help"]) == 0
    shown = capsys.readouterr().out
    assert "    mfrec train --embedding_dim=10\n" in shown and "train.py" not in shown


def test_help_of_train_stands_below_the_headings_of_the_config():
    shown = train.COMMAND.help(1000)
    at = -1
    for section in Config.__dataclass_fields__.values():
        heading, at = at, shown.index(f"\n\n{section.type.__doc__}\n")
        assert heading < at
    for name in (*datasets.NAMES, *PRESETS):
        assert name in shown
    for _, setting in settings():
        (line,) = re.findall(rf"^  --(?:\[no\])?{setting.name}(?:=.*| .*)", shown, re.MULTILINE)
        assert setting.metadata["help"] in line
        assert (python_type(setting) is bool) == ("--[no]" in line)
        if setting.default not in (None, ""):
            assert f"default: {str(setting.default)}".lower() in line.lower()

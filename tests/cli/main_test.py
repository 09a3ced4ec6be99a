"""The installed program: mfrec COMMAND does what the top-level scripts do."""

import json

import pytest

import helpers
from mfrec.cli import main


def test_help_lists_every_command(capsys):
    assert main.main(["/bin/mfrec", "--help"]) == 0
    out, err = capsys.readouterr()
    assert err == ""
    for name in ("train", "eval", "recommend", "export"):
        assert f"\n  mfrec {name} " in out


@pytest.mark.parametrize(
    "given, message",
    [
        (["trian"], "unknown command 'trian'; did you mean train?"),
        (["x", "train"], "unknown command 'x'; there are: train, eval, recommend, convert, export"),
        ([], "no command given; there are: train, eval, recommend, convert, export"),
    ],
)
def test_a_wrong_command_is_one_line_and_2(capsys, given, message):
    assert main.main(["mfrec", *given]) == 2
    assert capsys.readouterr() == ("", f"mfrec: {message}\n")


@pytest.mark.parametrize("command", main.COMMANDS)
def test_the_script_of_each_command_calls_the_same_function(command):
    module, _ = main.COMMANDS[command]
    script = helpers.load_script(f"{command}.py")
    assert script.main.__module__ == f"mfrec.cli.{module}"


def test_mistakes_name_the_command(capsys):
    assert main.main(["mfrec", "eval", "--part=train"]) == 2
    message = "mfrec eval: --part=train: unknown; there are: validation, test\n"
    assert capsys.readouterr().err == message
    assert main.main(["mfrec", "eval", "--qwertz=1"]) == 2
    assert "; see mfrec eval --help" in capsys.readouterr().err


def test_train_and_eval_leave_what_the_scripts_leave(tmp_path, monkeypatch, capsys):
    helpers.write_two_tastes(tmp_path)
    monkeypatch.chdir(tmp_path)
    flags = ["--ratings=ratings.csv", "--embedding_dim=2", "--epochs=2", "--nojit_compile"]
    assert main.main(["mfrec", "train", *flags, "--run_dir=ours"]) == 0
    capsys.readouterr()
    expected = helpers.Place(tmp_path).train("theirs", *flags).results
    found = json.loads((tmp_path / "ours" / "results.json").read_text())
    assert found["metrics"] == expected["metrics"]
    assert main.main(["mfrec", "eval", "--run_dir=ours", "--output=json"]) == 0
    measured = json.loads(capsys.readouterr().out)
    assert measured["metrics"]["test"] == expected["metrics"]["test"]

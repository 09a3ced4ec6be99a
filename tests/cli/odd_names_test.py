"""Files and run folders of whatever name: never patterns unless somebody typed one."""

import shutil

import pytest

from helpers import QUICK

FLAGS = [*QUICK, "--epochs=1"]


def ask(place, run_dir):
    """Evaluates and recommends; returns what was printed."""
    out = []
    for script, *flags in (("eval.py",), ("recommend.py", "--user=user1", "--k=2")):
        code, printed, err = place.run(script, f"--run_dir={run_dir}", *flags)
        assert code == 0, err
        out.append(printed)
    return out


def write_everything(place, run_dir):
    """Exports, and trains on."""
    run = f"--run_dir={run_dir}"
    for script, *flags in (
        ("export.py", run, "--output_dir=out", "--format=npy"),
        ("export.py", run, "--output_dir=saved [1]"),
        ("train.py", f"--init_from={run_dir}", "--ratings=ratings.csv", "--run_dir=on", *FLAGS),
    ):
        code, _, err = place.run(script, *flags)
        assert code == 0, err


@pytest.mark.parametrize("name", ["ratings[1].csv", "-r a*?'\"\nü.csv"])
def test_a_file_of_any_name(place, name):
    (place / "ratings.csv").rename(place / "plain.csv")
    shutil.copy(place / "plain.csv", place / name)
    code, _, err = place.run("train.py", *FLAGS, f"--ratings={name}")
    assert code == 0, err
    (run_dir,) = (place / "runs").iterdir()
    # in letters that need no quotes
    assert run_dir.name.replace("ü", "u").replace("-", "").isalnum()
    (place / "plain.csv").rename(place / "ratings.csv")
    ask(place, f"runs/{run_dir.name}")


def test_a_run_folder_of_any_name(place):
    place.train("runs/plain", "--ratings=ratings.csv", *FLAGS)
    expected = ask(place, "runs/plain")
    for name in ("runs/[a]", "-x", 'it\'s\\ "ü"*?'):
        place.train(name, "--ratings=ratings.csv", *FLAGS)
        assert ask(place, name) == expected
    write_everything(place, name)
    # a pattern that somebody typed, beside a folder of that name
    code, out, _ = place.run("eval.py", "--run_dir=runs/*")
    assert code == 0 and "runs/plain" in out and "runs/[a]" in out


def test_three_runs_of_one_second_have_three_folders(place, monkeypatch):
    monkeypatch.setattr("time.strftime", lambda _: "20261127-120000")
    for _ in range(3):
        code, out, err = place.run("train.py", "--ratings=ratings.csv", *FLAGS)
        assert code == 0, err
    name = "ratings-mse-20261127-120000"
    assert f"run folder: runs/{name}-3" in out
    found = {path.name for path in (place / "runs").iterdir()}
    assert found == {name, f"{name}-2", f"{name}-3"}
    # nor a pattern below a folder of such a name
    (place / "runs").rename(place / "runs[1]*")
    code, out, _ = place.run("eval.py", f"--run_dir=runs[1]*/{name}*")
    assert code == 0 and f"runs[1]*/{name}-3" in out
    (place / "runs[1]*").rename(place / "runs")
    # what is refused leaves none
    assert place.run("train.py", "--ratings=ratings.csv", "--num_negatives=3")[0] == 2
    assert len(list((place / "runs").iterdir())) == 3
    shutil.rmtree(place / "runs")
    assert place.run("train.py", "--ratings=ratings.csv", "--num_negatives=3")[0] == 2
    assert not (place / "runs").exists()


@pytest.mark.parametrize("name", ["z" * 256, "\udcff"])
@pytest.mark.parametrize(
    "script, flag",
    [
        ("train.py", "run_dir"),
        ("train.py", "ratings"),
        ("train.py", "config"),
        ("train.py", "init_from"),
        ("eval.py", "run_dir"),
        ("recommend.py", "run_dir"),
        ("export.py", "run_dir"),
    ],
)
def test_names_that_no_file_can_have_are_refused_in_a_line(place, script, flag, name):
    asked = [] if flag == "ratings" else ["--ratings=ratings.csv", *FLAGS]
    flags = {"train.py": asked, "export.py": ["--output_dir=x"], "recommend.py": ["--all_users"]}
    place.refused(script, f"--{flag}={name}", *flags.get(script, []))

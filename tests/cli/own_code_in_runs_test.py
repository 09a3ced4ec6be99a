"""Code of one's own in run folders: copied, found wherever they go, and not run for others."""

import json
import shutil

import pytest

from helpers import QUICK
from mfrec.errors import InputError
from mfrec.runs.run_folder import RunFolder
from mfrec.serving.recommender import Recommender

FLAGS = ["--ratings=ratings.csv", *QUICK, "--epochs=1"]
LOSS = """
import tensorflow as tf
from exponents import EXPONENT

open("ran.txt", "a").write("x")

def power(ratings, predictions):
    return tf.abs(ratings - predictions) ** EXPONENT
"""


@pytest.fixture
def trained(place, monkeypatch):
    """A run with a loss of its own, which reads a number from a file beside it."""
    # the loss leaves a note where it runs
    monkeypatch.chdir(place.path)
    write_loss(place, 2.5)
    return place.train("run", *FLAGS, "--loss=losses/my.py:power")


def write_loss(place, exponent):
    (place / "losses").mkdir(exist_ok=True)
    (place / "losses" / "my.py").write_text(LOSS)
    (place / "losses" / "exponents.py").write_text(f"EXPONENT = {exponent}\n")
    (place / "ran.txt").write_text("")


@pytest.fixture
def as_another_user(monkeypatch, tmp_path):
    """The rest of the test is done by somebody who has trained with nothing."""

    def become():
        monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "another"))
        monkeypatch.setattr("mfrec.trusted_code._allowed", set())

    return become


def asking(run_dir):
    """What runs a run folder's code, one script each."""
    run = f"--run_dir={run_dir}"
    return [
        ("eval.py", run),
        ("recommend.py", run, "--user=user1", "--k=2"),
        ("export.py", run, "--output_dir=out", "--overwrite"),
        ("train.py", f"--config={run_dir}/config.json", "--run_dir=again", "--overwrite"),
        (
            *("train.py", f"--init_from={run_dir}", "--ratings=ratings.csv", "--run_dir=on"),
            "--overwrite",
        ),
    ]


def test_a_run_depends_on_no_file_that_may_move_or_change(place, trained):
    before = trained.results["metrics"]["test"]
    for change in (lambda: write_loss(place, 0.5), lambda: shutil.rmtree(place / "losses")):
        change()
        assert place.evaluate("--run_dir=run")["metrics"]["test"] == before
        for script, *flags in asking("run"):
            code, _, err = place.run(script, *flags)
            assert code == 0, err
        assert place.results("again")["metrics"]["test"] == before
    # nor on its own place
    (place / "run").rename(place / "moved")
    assert place.evaluate("--run_dir=moved")["metrics"]["test"] == before
    content = json.loads((place / "again" / "config.json").read_text())
    assert content["loss"]["loss"] == "code/loss/my.py:power"
    assert set(content["code"]["code/loss/my.py:power"]) == {"sha256", "from"}
    assert sorted(p.name for p in (place / "again" / "code" / "loss").iterdir()) == [
        "exponents.py",
        "my.py",
    ]


def test_code_of_others_is_run_only_if_it_is_allowed(place, trained, as_another_user):
    as_another_user()
    (place / "ran.txt").write_text("")
    home = place / "run" / "code" / "loss" / "my.py"
    for script, *flags in asking("run"):
        line = place.refused(script, *flags)
        assert f"run/config.json: would run power of {home} (SHA-256 " in line
        assert line.endswith(
            "…), which you have not trained with; read it, then add --allow_code (in Python "
            "allow_code=True)"
        )
    with pytest.raises(InputError, match="would run power of"):
        RunFolder(place / "run").load_config()
    with pytest.raises(InputError, match="would run power of"):
        Recommender.load(place / "run")
    assert (place / "ran.txt").read_text() == ""
    for script, *flags in asking("run"):
        as_another_user()
        if script != "train.py":
            code, _, err = place.run(script, *flags, "--allow_code")
            assert code == 0, err
    as_another_user()
    assert len(Recommender.load(place / "run", allow_code=True).recommend("user1", 3)) == 3
    # what was trained with is one's own
    code, _, err = place.run(*asking("run")[3], "--allow_code")
    as_another_user()
    assert code == 0 and place.run("eval.py", "--run_dir=run")[0] == 0
    # another function of the same files is not
    edit(place / "run", lambda content: content["loss"].update(loss="code/loss/my.py:tf"))
    assert "not as this run wrote it" not in place.refused("eval.py", "--run_dir=run")


def edit(run_dir, change):
    """Changes config.json and takes the digest off, as anybody may."""
    content = json.loads((run_dir / "config.json").read_text())
    change(content)
    del content["digest"]
    (run_dir / "config.json").write_text(json.dumps(content))


def test_without_a_home_nothing_is_trusted(place, trained, as_another_user, monkeypatch):
    as_another_user()
    for name in ("HOME", "XDG_STATE_HOME", "USERPROFILE"):
        monkeypatch.delenv(name, raising=False)
    assert "would run power" in place.refused("eval.py", "--run_dir=run")
    assert place.run("eval.py", "--run_dir=run", "--allow_code")[0] == 0
    write_loss(place, 1.5)
    _, _, err = place.run("train.py", *FLAGS, "--loss=losses/my.py:power", "--run_dir=other")
    assert "that you trained with power cannot be noted (there is no home folder)" in err


@pytest.mark.parametrize("address", ["subprocess:call", "os:system", "shutil:rmtree"])
def test_pythons_own_functions_are_no_losses(place, trained, address):
    edit(place / "run", lambda content: content["loss"].update(loss=address))
    for allow in ([], ["--allow_code"]):
        line = place.refused("eval.py", "--run_dir=run", *allow)
        assert f"{address}: {address.partition(':')[0]} is of Python's own library" in line
    assert f"--loss={address}" in place.refused("train.py", *FLAGS, f"--loss={address}")


def test_code_outside_of_the_folder_needs_leave_as_well(place, trained, as_another_user):
    """As earlier versions named it."""
    edit(
        place / "run",
        lambda content: content["loss"].update(loss=f"{place / 'losses/my.py'}:power"),
    )
    before = trained.results["metrics"]["test"]
    code, out, err = place.run("eval.py", "--run_dir=run", "--output=json")
    assert (code, json.loads(out)["metrics"]["test"]) == (0, before)
    as_another_user()
    (place / "ran.txt").write_text("")
    assert f"would run power of {place / 'losses/my.py'}" in place.refused(
        "eval.py", "--run_dir=run"
    )
    assert (place / "ran.txt").read_text() == ""
    edit_again = {"loss": "code/../../elsewhere.py:power"}
    content = json.loads((place / "run" / "config.json").read_text())
    content["loss"] |= edit_again
    (place / "run" / "config.json").write_text(json.dumps(content))
    assert "elsewhere.py" in place.refused("eval.py", "--run_dir=run")


def test_a_damaged_copy_is_not_run(place, trained):
    path = place / "run" / "code" / "loss" / "exponents.py"
    path.write_text("EXPONENT = 1.0\n")
    for script, *flags in asking("run"):
        line = place.refused(script, *flags)
        assert "run/code/loss: not as this run wrote it; restore the files" in line
    path.unlink()
    assert "not as this run wrote it" in place.refused("eval.py", "--run_dir=run")


def test_two_runs_of_files_with_one_name(place):
    found = {}
    for exponent in (2.0, 1.0):
        write_loss(place, exponent)
        run = place.train(f"runs/e{exponent:.0f}", *FLAGS, "--loss=losses/my.py:power")
        found[f"runs/e{exponent:.0f}"] = run.results["metrics"]["test"]
    assert found["runs/e1"] != found["runs/e2"]
    code, out, err = place.run("eval.py", "--run_dir=runs/*", "--output=json")
    assert code == 0, err
    again = {run: results["metrics"]["test"] for run, results in json.loads(out).items()}
    assert again == found
    code, out, _ = place.run("eval.py", "--run_dir=runs/*")
    assert out.count("loss=my.py:power (") == 2


def test_an_edited_config_repeats_a_run_as_it_was_edited(place):
    place.train("run", *FLAGS, "--seed=1")
    path = place / "run" / "config.json"
    path.write_text(path.read_text().replace('"seed": 1,', '"seed": 2,'))
    again = place.train("again", f"--config={path}")
    assert json.loads((place / "again" / "config.json").read_text())["training"]["seed"] == 2
    line = "was edited since its run: its settings are used as they are now"
    assert f"{path} {line}" in again.err
    assert 'changed since its run; restore it, or remove its "digest"' in place.refused(
        "eval.py", "--run_dir=run"
    )


ALL_SEAMS = """
import numpy as np
import tensorflow as tf
from mfrec import losses, metrics, models, samplers
from mfrec.data import splitters
from .. import numbers_of_mine

@losses.ranking("hinged", num_negatives=2)
def hinge(positive_scores, negative_scores):
    gaps = numbers_of_mine.MARGIN - positive_scores[..., tf.newaxis] + negative_scores
    return tf.reduce_mean(tf.nn.relu(gaps), axis=-1)

class Twice(models.MatrixFactorization):
    def user_rows(self, user_ids):
        vectors, biases = super().user_rows(user_ids)
        return 2 * vectors, biases

@samplers.register("mine")
def first_half(train):
    def sample(seed, shape, user_ids, batch_items):
        ids = samplers.random_uniform(shape, seed, 0, train.num_items // 2, tf.int32)
        return samplers.Negatives(ids, tf.zeros(shape))
    return sample

@splitters.register("every_fifth")
def every_fifth(interactions, random, *, test_fraction=0.2):
    return splitters.HeldOut(test=np.arange(0, len(interactions), 5))

@metrics.ranking("firsts")
def firsts(ranking):
    return ranking.sum(ranking.ranks == 1) / ranking.num_positives

@metrics.ranking("seconds")
def seconds(ranking):
    return ranking.sum(ranking.ranks == 2) / ranking.num_positives

@metrics.ranking("never_asked_for")
def thirds(ranking):
    return ranking.sum(ranking.ranks == 3) / ranking.num_positives

class Slow(tf.keras.optimizers.SGD):
    pass
"""


def test_every_kind_of_code_from_a_package(place, as_another_user, monkeypatch):
    package = place / "lib_of_mine" / "inner"
    package.mkdir(parents=True)
    (package / "seams.py").write_text(ALL_SEAMS)
    (package.parent / "numbers_of_mine.py").write_text("MARGIN = 0.5\n")
    (package / "__init__.py").write_text("")
    (package.parent / "__init__.py").write_text("")
    monkeypatch.syspath_prepend(place.path)
    seams = "lib_of_mine.inner.seams"
    names = {"loss": "hinge", "model": "Twice", "negative_sampler": "first_half"}
    names |= {"split": "every_fifth", "optimizer": "Slow"}
    flags = [f"--{setting}={seams}:{name}" for setting, name in names.items()]
    flags += [f"--metrics={seams}:firsts,{seams}:seconds", "--learning_rate=0.1"]
    run = place.train("run", *FLAGS, *flags)
    metrics = run.results["metrics"]["test"]
    assert {"firsts", "seconds"} <= set(metrics) and "never_asked_for" not in metrics
    shutil.rmtree(package.parent)
    assert place.evaluate("--run_dir=run")["metrics"]["test"] == metrics
    kept = sorted(path.name for path in (place / "run" / "code").iterdir())
    assert kept == sorted([*names, "metrics", "metrics-1"])
    as_another_user()
    assert "would run " in place.refused("eval.py", "--run_dir=run")
    assert place.run("eval.py", "--run_dir=run", "--allow_code")[0] == 0


def test_what_keras_brings_needs_nobodys_leave(place, as_another_user):
    flags = ["--loss=keras.losses:Huber", "--optimizer=keras.optimizers:Nadam"]
    run = place.train("run", *FLAGS, *flags)
    as_another_user()
    assert place.evaluate("--run_dir=run")["metrics"] == {"test": run.results["metrics"]["test"]}
    assert not (place / "run" / "code").exists()

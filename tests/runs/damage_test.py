"""Whatever happens to a run folder's files, commands end with the right numbers or in a line."""

import functools
import json
import shutil
import zipfile

import hypothesis
import numpy as np
import pytest
from hypothesis import strategies

import helpers
from mfrec.config.settings import Config
from mfrec.data import loading
from mfrec.errors import InputError
from mfrec.experiment.remeasuring import Remeasuring, evaluate_run
from mfrec.experiment.run import run
from mfrec.serving import export
from mfrec.serving.recommender import Recommender
from mfrec.stopwatch import Stopwatch

SETTINGS = {
    **{"embedding_dim": 2, "batch_size": 100, "learning_rate": 0.05, "epochs": 1},
    **{"early_stopping_patience": 0, "jit_compile": False, "tensorboard": "off"},
}
LOSS = """
import weights_of_mine

def mine(ratings, predictions):
    return (ratings - predictions) ** 2
"""


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A run with everything that a run may have, and another of the same data, in one folder."""
    home = tmp_path_factory.mktemp("trained")
    data = helpers.planted(12, 10, 90, rank=2)
    columns = (data.user_ids.tolist(), data.item_ids.tolist(), data.ratings.round(2).tolist())
    helpers.write_rows(home / "ratings.csv", zip(*columns, strict=True))
    lines = [f"{item},Title {item},{'AB'[item % 2]}\n" for item in range(10)]
    (home / "items.csv").write_text("item_id,title,kind\n" + "".join(lines))
    (home / "mine.py").write_text(LOSS)
    (home / "weights_of_mine.py").write_text("")
    settings = {
        **SETTINGS,
        **{"ratings": str(home / "ratings.csv"), "loss": f"{home / 'mine.py'}:mine"},
        **{"item_labels": str(home / "items.csv"), "item_features": str(home / "items.csv")},
    }
    for name, seed in (("run", 1), ("twin", 2)):
        config = Config().replace(settings | {"seed": seed})
        run(config, loading.load(config.data), home / name, Stopwatch())
    return home


def measure(folder, out):
    results = evaluate_run(folder, Remeasuring())
    return json.dumps([results.as_dict()["metrics"], results.counts, results.epochs])


def recommend(folder, out):
    return repr(Recommender.load(folder).recommend("3", k=4))


def write_vectors(folder, out):
    shutil.rmtree(out, ignore_errors=True)
    export.npy(Recommender.load(folder), out, False)
    return {path.name: path.read_bytes() for path in out.iterdir()}


COMMANDS = (measure, recommend, write_vectors)


# ------------------------------------------------------------------------------ what may happen


def flip_a_bit(random, content):
    changed = bytearray(content)
    changed[random.integers(len(changed))] ^= 1 << random.integers(8)
    return bytes(changed)


def cut(random, content):
    return content[: random.integers(len(content))]


def zero_a_block(random, content):
    start = random.integers(len(content))
    length = min(int(random.integers(1, 64)), len(content) - start)
    return content[:start] + bytes(length) + content[start + length :]


def drop_a_block(random, content):
    start = random.integers(len(content))
    return content[:start] + content[start + random.integers(1, 64) :]


def repeat_a_block(random, content):
    start, length = random.integers(len(content)), random.integers(1, 64)
    return content[: start + length] + content[start:]


def fill_with_rubbish(random, content):
    return random.bytes(random.integers(1, 300))


def insert_text(random, content):
    texts = [
        "\0",
        "\n",
        "\r",
        "\t",
        "\\",
        '"',
        "\u2028",
        "\x1b[2J",
        "\ud800",
        "9" * 400,
        "[" * 3000,
    ]
    text = texts[random.integers(len(texts))].encode("utf-8", "surrogatepass")
    start = random.integers(len(content))
    return content[:start] + text + content[start:]


OF_BYTES = (
    *(flip_a_bit, cut, zero_a_block, drop_a_block, repeat_a_block),
    *(fill_with_rubbish, insert_text),
)


def delete(random, path, files, twin):
    path.unlink()


def swap_with_another(random, path, files, twin):
    other = files[random.integers(len(files))]
    first, second = path.read_bytes(), other.read_bytes()
    path.write_bytes(second)
    other.write_bytes(first)


def take_that_of_another_run(random, path, files, twin):
    others = sorted(file for file in twin.rglob("*") if file.name == path.name)
    shutil.copy(others[0] if others else twin / "config.json", path)


def replace_by_a_folder(random, path, files, twin):
    path.unlink()
    path.mkdir()


def repeat_a_member(random, path, files, twin):
    """A second array of a name that there is already, or one that is none."""
    path = next(file for file in files if file.name == "interactions.npz")
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        content = archive.read(names[random.integers(len(names))])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr(names[random.integers(len(names))], content)


def edit_json(random, path, files, twin):
    """A value of any kind in place of one, or none; some with the digest taken off."""
    name = ("config.json", "results.json")[random.integers(2)]
    path = next(file for file in files if file.name == name)
    content = json.loads(path.read_text())
    place, key = content, random.choice(sorted(content))
    while isinstance(place[key], dict) and place[key] and random.random() < 0.8:
        place = place[key]
        key = random.choice(sorted(place))
    nested = functools.reduce(lambda inner, _: [inner], range(random.integers(1, 3_000)), 1)
    values = [
        None,
        [],
        {},
        nested,
        True,
        -1,
        10**400,
        float("nan"),
        1e308,
        "",
        "x\0",
        "\ud800",
        "a\nb",
    ]
    if random.random() < 0.2:
        del place[key]
    else:
        place[key] = values[random.integers(len(values))]
    if random.random() < 0.5:
        content.pop("digest", None)
    try:
        path.write_text(json.dumps(content))
    except RecursionError:
        path.write_text("[" * 100_000)
    # what somebody meant to change may change the numbers
    return "digest" not in content


OF_FILES = (
    *(delete, swap_with_another, take_that_of_another_run, replace_by_a_folder),
    *(repeat_a_member, edit_json, edit_json, edit_json),
)


def mutate(random, folder, twin):
    """Do something to a run folder; return what, and whether its numbers may change by it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    path = files[random.integers(len(files))]
    if random.random() < 0.6:
        change = OF_BYTES[random.integers(len(OF_BYTES))]
        path.write_bytes(change(random, path.read_bytes() or b"\0"))
        return f"{change.__name__} {path.name}", False
    change = OF_FILES[random.integers(len(OF_FILES))]
    return f"{change.__name__} {path.name}", bool(change(random, path, files, twin))


def without_digests(folder):
    """Make a run folder one of an earlier version."""
    for name in ("config.json", "results.json"):
        content = json.loads((folder / name).read_text())
        content = {key: value for key, value in content.items() if key not in ("digest", "run")}
        (folder / name).write_text(json.dumps(content))
    for path in folder.glob("*.npz"):
        with np.load(path) as arrays:
            kept = {key: arrays[key] for key in arrays.files if not key.endswith("_digest")}
        np.savez(path, **kept)


def check(trained, number, before=None):
    """Mutate a copy of the run folder in the way of this number, and ask it."""
    random = np.random.default_rng(number)
    copy, out = trained / "copy", trained / "out"
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(trained / "run", copy)
    if before:
        before(copy)
    what, may_differ = mutate(random, copy, trained / "twin")
    command = COMMANDS[number % len(COMMANDS)]
    try:
        found = command(copy, out)
    except InputError as error:
        assert "\n" not in str(error) and str(error).isprintable(), what
    else:
        assert may_differ or before or found == expected(command, trained / "run"), what


@functools.cache
def expected(command, folder):
    return command(folder, folder.parent / "expected")


def test_the_commands_repeat_themselves(trained, tmp_path):
    for command in COMMANDS:
        assert command(trained / "run", tmp_path / "x") == command(trained / "run", tmp_path / "y")
        assert command(trained / "run", tmp_path / "x") != command(trained / "twin", tmp_path / "y")
    names = {path.name for path in (trained / "run").rglob("*") if path.is_file()}
    assert {"item_features.npz", "mine.py", "weights_of_mine.py", "results.json"} <= names
    assert len(names) == 11, sorted(names)


def draws(number_of_examples):
    """Draw the number that a mutation follows from, the same ones each time."""

    def decorate(test):
        quiet = hypothesis.settings(
            max_examples=number_of_examples, derandomize=True, deadline=None, database=None
        )
        return quiet(hypothesis.given(number=strategies.integers(0, 2**32 - 1))(test))

    return decorate


@draws(100)
def test_damage(trained, number):
    check(trained, number)


@draws(40)
def test_damage_without_digests(trained, number):
    """Numbers may be wrong, as nothing tells; but nothing ends in a traceback."""
    check(trained, number, without_digests)


@pytest.mark.slow
@draws(2_000)
def test_much_damage(trained, number):
    check(trained, number)


@pytest.mark.slow
@draws(500)
def test_much_damage_without_digests(trained, number):
    check(trained, number, without_digests)

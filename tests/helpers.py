"""What several test modules need: scripts run in process, event files read, data made."""

import contextlib
import dataclasses
import importlib.util
import io
import json
import os
from pathlib import Path

import numpy as np

from mfrec.data.interactions import Interactions, Vocabulary

ROOT = Path(__file__).resolve().parents[1]
# a small model that trains in a second on the files of tests/cli/conftest.py, and their parts
QUICK = ["--embedding_dim=3", "--batch_size=128", "--learning_rate=0.05", "--nojit_compile"]
PARTS = ["--train_ratings=train.csv", "--validation_ratings=valid.csv", "--test_ratings=test.csv"]


def load_script(name):
    """train.py or eval.py as a module, with flags that nobody has set."""
    spec = importlib.util.spec_from_file_location(name.removesuffix(".py"), ROOT / name)
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def run_script(folder, name, *given):
    """Runs train.py or eval.py in this process, as from the shell in `folder`.

    Returns its exit code and what it wrote to standard output and standard error.
    """
    out, err, cwd = io.StringIO(), io.StringIO(), os.getcwd()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            os.chdir(folder)
            code = load_script(name).main([name, *map(str, given)])
        finally:
            os.chdir(cwd)
    return code, out.getvalue(), err.getvalue()


@dataclasses.dataclass(frozen=True)
class Trained:
    """A run folder made by train.py, its results, and what was written to the two outputs."""

    path: Path
    results: dict
    out: str
    err: str


@dataclasses.dataclass(frozen=True)
class Place:
    """A folder in which scripts are run as from the shell; place / name is a file in it."""

    path: Path

    def __truediv__(self, name):
        return self.path / name

    def run(self, script, *flags):
        """Return the exit code and what was written to standard output and standard error."""
        return run_script(self.path, script, *flags)

    def train(self, name, *flags):
        """Run train.py into the run folder `name`, which has to succeed."""
        code, out, err = self.run("train.py", *flags, f"--run_dir={name}")
        assert code == 0 and "WARNING:" not in err, err
        return Trained(self.path / name, self.results(name), out, err)

    def evaluate(self, *flags):
        """Return the results that eval.py prints, which has to succeed and say nothing else.

        Only how a file of ratings was read may be said besides.
        """
        code, out, err = self.run("eval.py", *flags, "--output=json")
        assert code == 0 and all(line.startswith("read ") for line in err.splitlines()), err
        return json.loads(out)

    def results(self, run_dir):
        """Return the contents of a run's results.json, without their digest."""
        content = json.loads((self.path / run_dir / "results.json").read_text())
        del content["digest"]
        return content

    def refused(self, script, *flags):
        """Return the one line by which a script refuses its input, without output, with code 2."""
        code, out, err = self.run(script, *flags)
        assert (code, out) == (2, "")
        assert "Traceback" not in err
        *before, last = err.splitlines()
        assert last.startswith(f"{script}: ")
        assert not any(line.startswith(script) for line in before)
        return last


def rows(data):
    """Return (user, item, rating) or (user, item, rating, time) of all rows, by raw id."""
    columns = [
        [data.users.raw_ids[user] for user in data.user_ids],
        [data.items.raw_ids[item] for item in data.item_ids],
        data.ratings.tolist(),
    ]
    if data.timestamps is not None:
        columns.append(data.timestamps.tolist())
    return list(zip(*columns, strict=True))


def read_rows(path):
    """Return (user, item, rating) of every line of a file of ratings with a header."""
    lines = path.read_text().splitlines()[1:]
    return [(u, i, float(r)) for u, i, r in (line.split(",") for line in lines)]


def write_rows(path, rows):
    """Write a file of ratings of these (user, item, rating)."""
    path.write_text("user,item,rating\n" + "".join(f"{u},{i},{r}\n" for u, i, r in rows))


def write_two_tastes(folder):
    """Writes ratings.csv: 60 users with half of the 40 of 80 items that are theirs.

    Even users have even items, odd users odd ones; a user's ratings are all the same.
    """
    random = np.random.default_rng(0)
    liked = np.arange(60)[:, None] % 2 == np.arange(80) % 2
    users, items = np.nonzero(liked & (random.random((60, 80)) < 0.5))
    lines = [f"user{u},item{i},{r}" for u, i, r in zip(users, items, users % 5 + 1, strict=True)]
    (folder / "ratings.csv").write_text("user,item,rating\n" + "\n".join(lines) + "\n")


def read_summaries(folder, plugin):
    """What a plugin ("histograms", "images", …) finds in the event files: tag -> {step: array}."""
    from mfrec.quiet_tensorflow import tf

    found = {}
    for path in sorted(Path(folder).glob("events.out.tfevents.*")):
        for event in tf.compat.v1.train.summary_iterator(str(path)):
            for value in event.summary.value:
                if value.metadata.plugin_data.plugin_name == plugin:
                    array = tf.make_ndarray(value.tensor)
                    found.setdefault(value.tag, {})[event.step] = array
    return found


def read_scalars(folder):
    """The scalars of the event files in a folder: tag -> {step: value}."""
    return {
        tag: {step: array.item() for step, array in steps.items()}
        for tag, steps in read_summaries(folder, "scalars").items()
    }


def interactions(user_ids, item_ids, ratings, num_users=None, num_items=None):
    """Interactions of these ids; the raw ids of rows 0, 1, ... are u0, u1, ... and i0, i1, ..."""
    users = tuple(f"u{row}" for row in range(num_users or max(user_ids) + 1))
    items = tuple(f"i{row}" for row in range(num_items or max(item_ids) + 1))
    return Interactions(
        np.asarray(user_ids, np.int32),
        np.asarray(item_ids, np.int32),
        np.asarray(ratings, np.float32),
        None,
        Vocabulary(users),
        Vocabulary(items),
    )


def planted(num_users, num_items, num_ratings, rank=3, noise=0.3, seed=0):
    """Ratings 3 + b_u + b_i + <p_u, q_i> + N(0, noise) of distinct random pairs.

    The biases have standard deviation 0.3, the inner products 1.
    """
    random = np.random.default_rng(seed)
    pairs = random.permutation(num_users * num_items)[:num_ratings]
    user_ids, item_ids = np.divmod(pairs, num_items)
    p = random.normal(0, rank**-0.25, (num_users, rank))
    q = random.normal(0, rank**-0.25, (num_items, rank))
    scores = 3 + random.normal(0, 0.3, num_users)[user_ids]
    scores += random.normal(0, 0.3, num_items)[item_ids] + (p @ q.T)[user_ids, item_ids]
    ratings = scores + random.normal(0, noise, num_ratings)
    return interactions(user_ids, item_ids, ratings, num_users, num_items)

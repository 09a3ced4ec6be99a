"""What several test modules need: scripts run in process, event files read, data made."""

import contextlib
import importlib.util
import io
import json
import os
from pathlib import Path

import numpy as np

from mfrec.data.interactions import Interactions, Vocabulary

ROOT = Path(__file__).resolve().parents[1]


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


def train(folder, name, *flags):
    """Runs train.py in `folder` into the run folder `name`, which has to go well.

    Returns what results.json holds, and what was written to standard output and standard error.
    """
    code, out, err = run_script(folder, "train.py", *flags, f"--run_dir={name}")
    assert code == 0, err
    return json.loads((Path(folder) / name / "results.json").read_text()), out, err


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

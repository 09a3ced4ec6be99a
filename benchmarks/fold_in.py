"""Fold-in: how near it comes to training, and how long it takes.

    python benchmarks/fold_in.py --run_dirs='runs/*'

For every run: the vectors of some of its training users, folded in from their own training
history, beside those that training gave them. Printed are the mean cosine of the two and the mean
overlap of the lists of ten that they lead to, training items left out. Then the seconds of
`FoldIn.of_interactions` for 10,000 new users with 50 random items each, the first time, which
traces and compiles, and again: on the clock, and in brackets those of all cores together, which
other work on the machine changes least.

The table in docs/recommending.md: runs of
`train.py --dataset=movielens-1m --split=per_user --loss=…`.
"""

import glob
import time
from pathlib import Path

import numpy as np
from absl import app, flags

from mfrec.data.interactions import Interactions, Vocabulary
from mfrec.quiet_tensorflow import tf
from mfrec.serving.recommender import Recommender
from mfrec.training.fold_in import FoldIn

RUN_DIRS = flags.DEFINE_string("run_dirs", None, "run folders, by a pattern", required=True)
USERS = flags.DEFINE_integer("users", 1000, "training users to fold in")
NEW_USERS = flags.DEFINE_integer("new_users", 10_000, "new users to fold in")
HISTORY = flags.DEFINE_integer("history", 50, "items of each new user")

K = 10


def likeness(run: Recommender, fold_in: FoldIn, users: np.ndarray) -> tuple[float, float]:
    """Mean overlap of the lists of K and mean cosine, of folded-in and trained vectors."""
    chosen = run.train.take(np.isin(run.train.user_ids, users))
    trained = run.model.user_vectors(tf.constant(users)).numpy()
    chosen = chosen.encode(run.users.take(users), run.items)
    folded = fold_in.of_interactions(chosen)
    items = run.model.item_vectors().numpy()
    tops = []
    for vectors in (trained, folded):
        scores = vectors @ items.T
        scores[chosen.user_ids, chosen.item_ids] = -np.inf
        tops.append(np.argsort(-scores, axis=1, kind="stable")[:, :K])
    shared = [len(set(first) & set(second)) for first, second in zip(*tops, strict=True)]
    embeddings = [table[:, : run.model.embedding_dim] for table in (trained, folded)]
    first, second = (table / np.linalg.norm(table, axis=1, keepdims=True) for table in embeddings)
    return float(np.mean(shared)) / K, float((first * second).sum(axis=1).mean())


def new_users(run: Recommender) -> Interactions:
    """Random histories."""
    random = np.random.default_rng(0)
    number, length = NEW_USERS.value, HISTORY.value
    items = [random.permutation(run.train.num_items)[:length] for _ in range(number)]
    return Interactions(
        np.repeat(np.arange(number, dtype=np.int32), length),
        np.concatenate(items).astype(np.int32),
        random.choice(run.train.ratings, number * length),
        None,
        Vocabulary(tuple(map(str, range(number)))),
        run.items,
    )


def seconds(fold_in: FoldIn, histories: Interactions) -> tuple[float, float]:
    """Seconds on the clock, and of all cores together."""
    started = time.perf_counter(), time.process_time()
    fold_in.of_interactions(histories)
    return time.perf_counter() - started[0], time.process_time() - started[1]


def main(_: list[str]) -> None:
    print(f"{'':36}overlap@{K}  cosine       first time            again")
    for run_dir in sorted(glob.glob(RUN_DIRS.value)):
        run = Recommender.load(run_dir)
        fold_in = FoldIn(run.model, run.loss, run.config, run.train)
        histories = new_users(run)
        times = [seconds(fold_in, histories) for _ in range(2)]
        known = np.unique(run.train.user_ids)
        users = np.random.default_rng(0).permutation(known)[: USERS.value]
        overlap, cosine = likeness(run, fold_in, np.sort(users).astype(np.int32))
        name = f"{Path(run_dir).name} ({run.loss.name})"
        spent = "".join(f"{clock:8.1f} s ({cores:4.1f} s)" for clock, cores in times)
        print(f"{name:36}{overlap:10.3f}  {cosine:6.3f}{spent}", flush=True)


if __name__ == "__main__":
    app.run(main)

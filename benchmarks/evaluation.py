"""Seconds and memory of a full-catalogue evaluation: mfrec beside implicit, in one run.

    pip install -e '.[benchmarks]'
    python benchmarks/evaluation.py --data_dir=../shared/data

Gowalla in the split of LightGCN (folder gowalla/: train.txt and test.txt, one user a line),
29,858 users and 40,981 items, vectors of length 64. Two models: "random" vectors, and "popular",
where a popularity term makes the lists resemble each other as a trained model's do.

mfrec: one evaluation of all its metrics at 10, 20 and 50, from the vectors to the means, the
first time, which compiles, and again, as after every further epoch. implicit: ranking_metrics_at_k
(precision, map, ndcg, auc) at 10, 20 and 50, three calls, because one call knows one k. Both
mask the training items and use all cores. Every measurement is a process of its own; they take
turns. Printed are medians of the seconds on the clock and of the seconds of both cores together,
which other work on the machine changes least, and the highest peak of memory. Where both define a
metric alike (ndcg, map), the figures are compared as well.
"""

import json
import os
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
from absl import app, flags

DATA_DIR = flags.DEFINE_string("data_dir", None, "folder that holds gowalla/", required=True)
ROUNDS = flags.DEFINE_integer("rounds", 3, "turns of each; the median counts")
MEASURE = flags.DEFINE_list("measure", None, "measure only this LIBRARY,MODEL, here, and print it")

CUTOFFS = (10, 20, 50)
DIM = 64
Pairs = tuple[np.ndarray, np.ndarray]


def read(part: str) -> Pairs:
    """User and item ids of a part, int32."""
    lines = (Path(DATA_DIR.value) / "gowalla" / f"{part}.txt").read_text().splitlines()
    rows = [np.array(line.split(), np.int32) for line in lines]
    users = np.concatenate([np.full(len(row) - 1, row[0]) for row in rows])
    return users, np.concatenate([row[1:] for row in rows])


def vectors(model: str, train: Pairs) -> tuple[np.ndarray, np.ndarray]:
    """User and item vectors, float32 [n, DIM]."""
    random = np.random.default_rng(0)
    num_users, num_items = (int(ids.max()) + 1 for ids in train)
    users = random.normal(size=(num_users, DIM)).astype(np.float32)
    items = random.normal(size=(num_items, DIM)).astype(np.float32)
    if model == "popular":
        users[:, 0] = 8
        items[:, 0] = np.log1p(np.bincount(train[1]))
    return users, items


class Clock:
    """Seconds on the clock, and of all cores together, of what it surrounds."""

    def __enter__(self) -> "Clock":
        self._started = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = time.perf_counter(), time.process_time()

    def named(self, name: str) -> dict[str, float]:
        wall, cpu = (end - start for start, end in zip(self._started, self._ended, strict=True))
        return {f"{name}: clock": wall, f"{name}: cores": cpu}


def mfrec(train: Pairs, test: Pairs, users: np.ndarray, items: np.ndarray) -> dict[str, float]:
    """Everything that mfrec measures, by its name."""
    from mfrec.data.interactions import Interactions, Vocabulary
    from mfrec.evaluation.rankings import RankingEvaluator
    from mfrec.quiet_tensorflow import tf

    names = [Vocabulary(tuple(map(str, range(len(table))))) for table in (users, items)]

    def interactions(pairs: Pairs) -> Interactions:
        return Interactions(*pairs, np.ones(len(pairs[0]), np.float32), None, *names)

    train, test = interactions(train), interactions(test)
    users, items = tf.constant(users), tf.constant(items)

    def score(user_ids: tf.Tensor) -> tf.Tensor:
        return tf.matmul(tf.gather(users, user_ids), items, transpose_b=True)

    with Clock() as first:
        evaluator = RankingEvaluator(train, cutoffs=CUTOFFS)
        result = evaluator.evaluate(score, test)
    with Clock() as again:
        evaluator.evaluate(score, test)
    return first.named("first time") | again.named("again") | result.metrics


def implicit(train: Pairs, test: Pairs, users: np.ndarray, items: np.ndarray) -> dict[str, float]:
    """What implicit measures, by mfrec's name for it where both mean the same."""
    from implicit.cpu.als import AlternatingLeastSquares
    from implicit.evaluation import ranking_metrics_at_k
    from scipy.sparse import csr_matrix

    shape = (len(users), len(items))
    train, test = (csr_matrix((np.ones(len(p[0]), np.float32), p), shape) for p in (train, test))
    model = AlternatingLeastSquares(factors=DIM)
    model.user_factors, model.item_factors = users, items
    found = {}
    with Clock() as clock:
        for k in CUTOFFS:
            values = ranking_metrics_at_k(model, train, test, k, show_progress=False, num_threads=0)
            found |= {f"{name}@{k}": values[name] for name in ("ndcg", "map")}
    return clock.named("three calls") | found


def measured(library: str, model: str) -> dict[str, float]:
    """One measurement in a process of its own."""
    command = [sys.executable, *sys.argv, f"--measure={library},{model}"]
    # implicit runs threads of its own and asks for this; TensorFlow does not use OpenBLAS
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
    output = subprocess.run(
        command, check=True, capture_output=True, text=True, env=environment
    ).stdout
    return json.loads(output.splitlines()[-1])


def main(_: list[str]) -> None:
    if MEASURE.value:
        library, model = MEASURE.value
        train, test = read("train"), read("test")
        measure = {"mfrec": mfrec, "implicit": implicit}[library]
        found = measure(train, test, *vectors(model, train))
        found["gigabytes"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        print(json.dumps(found))
        return
    for model in ("random", "popular"):
        turns = [
            {library: measured(library, model) for library in ("mfrec", "implicit")}
            for _ in range(ROUNDS.value)
        ]
        for library, first in turns[0].items():
            gigabytes = max(turn[library]["gigabytes"] for turn in turns)
            for name in (key.split(":")[0] for key in first if key.endswith(": clock")):
                clock, cores = (
                    statistics.median(turn[library][f"{name}: {kind}"] for turn in turns)
                    for kind in ("clock", "cores")
                )
                print(
                    f"{model:<8} {library:<9} {name:<12}{clock:6.1f} s on the clock "
                    f"{cores:6.1f} s of cores  {gigabytes:5.2f} GB"
                )
        ours, theirs = turns[0]["mfrec"], turns[0]["implicit"]
        gap = max(
            abs(ours[name] - theirs[name]) for name in theirs if name.startswith(("ndcg", "map"))
        )
        print(f"{model:<8} ndcg and map differ by at most {gap:.1e}", flush=True)


if __name__ == "__main__":
    app.run(main)

"""What serving costs: one request to the SavedModel, and an index against exact search.

    pip install -e '.[ann]'
    python benchmarks/serving.py --data_dir=../shared/data
    python benchmarks/serving.py --run_dir=runs/my-run

SavedModel: Gowalla, 29,858 users and 40,981 items, d = 64, trained for one epoch first, unless a
run folder is given. It is loaded by a fresh process that cannot import mfrec and answers requests
of one row, one after the other, with k = 10, each for another user, history or item; histories
have 50 items. Printed are median and 95th percentile of the milliseconds from raw ids to raw ids.

Index: generated vectors of 500,000 items and 2,000 users, d = 64 and the biases. Items lie around
700 centres of unequal size, the coordinates fall off in size, and a user leans to two centres,
so that neither is an item's neighbourhood sharp nor a user's list in one place. faiss's IndexFlatIP
stands beside the index that export.py --format=faiss builds with its defaults, with the same
threads: all users at once, as the export itself measures, and one user at a time. The recall is
that of the users by whom the number of searched cells was not settled.
"""

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from absl import app, flags

DATA_DIR = flags.DEFINE_string("data_dir", None, "folder of the named sets, to train on gowalla")
RUN_DIR = flags.DEFINE_string("run_dir", None, "a run to serve instead")
PARTS = flags.DEFINE_list("parts", ["model", "index"], "what to measure")
NUM_ITEMS = flags.DEFINE_integer("num_items", 500_000, "items of the index")

ROOT = Path(__file__).resolve().parents[1]
TRAIN = ["train.py", "--dataset=gowalla", "--loss=bpr", "--embedding_dim=64", "--epochs=1"]
# Runs by itself, isolated: what it is given are the folders of the model and of the vocabularies.
CLIENT = """
import importlib.util, os, random, sys, time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
class NotImportable:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "mfrec":
            raise ImportError(name)
sys.meta_path.insert(0, NotImportable())
import tensorflow as tf
started = time.perf_counter()
model = tf.saved_model.load(sys.argv[1])
print(f"loaded in {time.perf_counter() - started:.2f} s")
users, items = (
    [line.split("\\t")[0] for line in open(f"{sys.argv[2]}/{side}.tsv", encoding="utf-8")]
    for side in ("users", "items")
)
draw = random.Random(0)
none, k, ratings = tf.constant([[""]]), tf.constant([10]), tf.ones([1, 50])
requests = {
    "recommend": lambda: dict(
        user_ids=tf.constant([draw.choice(users)]), k=k, exclude=none, include=none
    ),
    "recommend_from_history": lambda: dict(
        history=tf.constant([draw.sample(items, 50)]), ratings=ratings, k=k, exclude=none,
        include=none,
    ),
    "similar_items": lambda: dict(item_ids=tf.constant([draw.choice(items)]), k=k),
    "score": lambda: dict(
        user_ids=tf.constant([draw.choice(users)]), item_ids=tf.constant([draw.choice(items)])
    ),
}
for name, request in requests.items():
    seconds = []
    for _ in range(520):
        inputs, started = request(), time.perf_counter()
        {key: value.numpy() for key, value in model.signatures[name](**inputs).items()}
        seconds.append(time.perf_counter() - started)
    seconds = sorted(seconds[20:])
    print(f"{name:<23} median {1e3 * seconds[250]:6.2f} ms   95 % {1e3 * seconds[475]:6.2f} ms")
"""


def run(*arguments: str, **options: object) -> None:
    """A python of its own, which must succeed."""
    subprocess.run([sys.executable, *arguments], check=True, **options)


def serve() -> None:
    """Milliseconds of single requests."""
    with tempfile.TemporaryDirectory() as folder:
        run_dir, quiet = RUN_DIR.value, {"stdout": subprocess.DEVNULL}
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        if run_dir is None:
            run_dir = f"{folder}/run"
            given = [f"--data_dir={DATA_DIR.value}"] if DATA_DIR.value else []
            settings = [*TRAIN[1:], *given, f"--run_dir={run_dir}"]
            run(str(ROOT / TRAIN[0]), *settings, env=environment, **quiet)
        flags = [f"--run_dir={run_dir}", f"--output_dir={folder}/model/1"]
        run(str(ROOT / "export.py"), *flags, env=environment, **quiet)
        run("-I", "-c", CLIENT, f"{folder}/model/1", os.path.abspath(run_dir), cwd=folder)


def planted(num_items: int, num_users: int, dim: int = 64) -> tuple[np.ndarray, np.ndarray]:
    """Vectors of items and users with the biases folded in, float32 [n, dim + 2]."""
    random = np.random.default_rng(0)
    sizes = np.arange(1, dim + 1) ** -0.25
    num_centres = int(num_items**0.5)
    centres = random.normal(size=(num_centres, dim)) * sizes
    shares = np.arange(1, num_centres + 1) ** -0.7
    shares /= shares.sum()

    def around(places: np.ndarray) -> np.ndarray:
        return places + 0.7 * random.normal(size=places.shape) * sizes

    items = around(centres[random.choice(num_centres, num_items, p=shares)]) / dim**0.5
    first, second = random.choice(num_centres, (2, num_users), p=shares)
    users = around(centres[first] + 0.7 * centres[second])
    item_biases = np.maximum(random.gumbel(0, 0.3, num_items), -1)
    item_columns = [items, np.ones(num_items), item_biases]
    user_columns = [users, random.normal(0, 0.3, num_users), np.ones(num_users)]
    return tuple(np.column_stack(c).astype(np.float32) for c in (item_columns, user_columns))


def index() -> None:
    """Recall and speed of the index."""
    from mfrec.serving import ann

    items, users = planted(NUM_ITEMS.value, 2_000)
    started = time.perf_counter()
    built, quality = ann.build(items, users)
    print(f"{len(items):,} items, built and measured in {time.perf_counter() - started:.0f} s")
    print(f"all at once:   {quality}")
    exact = ann.faiss.IndexFlatIP(items.shape[1])
    exact.add(items)
    seconds = []
    for searched in (exact, built):
        started = time.perf_counter()
        for row in range(200):
            searched.search(users[row : row + 1], ann.K)
        seconds.append((time.perf_counter() - started) / 200)
    print(
        f"one at a time: exact {1e3 * seconds[0]:.2f} ms, index {1e3 * seconds[1]:.2f} ms, "
        f"{seconds[0] / seconds[1]:.1f} times as fast; {ann.faiss.omp_get_max_threads()} threads"
    )


def main(_: list[str]) -> None:
    for part in PARTS.value:
        {"model": serve, "index": index}[part]()


if __name__ == "__main__":
    app.run(main)

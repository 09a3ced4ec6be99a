"""The accuracy table of README.md: every recipe as the command a user would type.

    python benchmarks/accuracy.py --data_dir=../shared/data
    python benchmarks/accuracy.py --data_dir=../shared/data --only=movielens-1m

Each row is a process of its own; its seconds are those of the whole command, importing
TensorFlow included. Exit code 1 if a figure misses its bar.
"""

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from absl import app, flags

from mfrec.data import datasets

DATA_DIR = flags.DEFINE_string("data_dir", None, "folder of the named sets")
ONLY = flags.DEFINE_string("only", "", "run only the recipes whose command holds this text")
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Recipe:
    """A command, the RMSE it must reach and what the literature has.

    Attributes:
        flags: of train.py.
        bar: highest test RMSE that passes.
        world: published figures, with where they come from.
    """

    flags: str
    bar: float
    world: str


RECIPES = (
    Recipe(
        "--dataset=movielens-100k --preset=movielens-100k --cross_validate",
        0.900,
        "MyMediaLite 0.9076, SVD++ 0.919 and SVD 0.934 (Surprise)",
    ),
    Recipe(
        "--dataset=movielens-100k --preset=movielens-100k --split=u1",
        0.917,
        "GC-MC 0.910 (graph network), biases 0.955",
    ),
    Recipe(
        "--dataset=movielens-1m --preset=movielens-1m --cross_validate",
        0.8445,
        "myFM 0.8436 (Bayesian), MyMediaLite 0.852, SVD++ 0.862 and SVD 0.873 (Surprise)",
    ),
    Recipe(
        "--dataset=movielens-1m --preset=movielens-1m --fold=0",
        0.8445,
        "one fold of the row above, for its seconds",
    ),
)


def main(_: list[str]) -> int:
    data_dir = DATA_DIR.value or datasets.default_data_dir()
    missed = 0
    for recipe in RECIPES:
        if ONLY.value not in recipe.flags:
            continue
        with tempfile.TemporaryDirectory() as folder:
            run_dir = Path(folder) / "run"
            command = [sys.executable, str(ROOT / "train.py"), *recipe.flags.split()]
            command += [f"--data_dir={data_dir}", f"--run_dir={run_dir}"]
            started = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True)
            seconds = time.perf_counter() - started
            results = json.loads((run_dir / "results.json").read_text(encoding="utf-8"))
        rmse = results["metrics"]["test"]["rmse"]
        deviation = results["std"]["test"]["rmse"] if "std" in results else None
        missed += rmse > recipe.bar
        print(f"python train.py {recipe.flags}")
        print(
            f"  RMSE {rmse:.4f}"
            + (f" ± {deviation:.4f} over {len(results['folds'])} folds" if deviation else "")
            + f", bar {recipe.bar}: {'missed' if rmse > recipe.bar else 'reached'}"
        )
        print(
            f"  biases {results['baselines']['biases']['rmse']:.4f}; {recipe.world}\n"
            f"  training {results['timing']['train_seconds']:.1f} s"
            f"{' a fold' if deviation else ''}, whole command {seconds:.1f} s",
            flush=True,
        )
    return 1 if missed else 0


if __name__ == "__main__":
    app.run(main)

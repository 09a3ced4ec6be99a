"""The accuracy tables of docs/benchmarks.md: every recipe as the command a user would type.

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
from mfrec.evaluation.metrics import lower_is_better

DATA_DIR = flags.DEFINE_string("data_dir", None, "folder of the named sets")
ONLY = flags.DEFINE_string("only", "", "run only the recipes whose command holds this text")
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Recipe:
    """A command, what it must reach and what the literature has.

    Attributes:
        flags: of train.py.
        bars: by test metric the value that passes: the highest rmse, the lowest of all others.
        world: published figures, with where they come from.
    """

    flags: str
    bars: dict[str, float]
    world: str


RECIPES = (
    Recipe(
        "--dataset=movielens-100k --preset=movielens-100k --cross_validate",
        {"rmse": 0.900},
        "MyMediaLite 0.9076, SVD++ 0.919 and SVD 0.934 (Surprise)",
    ),
    Recipe(
        "--dataset=movielens-100k --preset=movielens-100k --split=u1",
        {"rmse": 0.917},
        "GC-MC 0.910 (graph network), biases 0.955",
    ),
    Recipe(
        "--dataset=movielens-1m --preset=movielens-1m --cross_validate",
        {"rmse": 0.8445},
        "myFM 0.8436 (Bayesian), MyMediaLite 0.852, SVD++ 0.862 and SVD 0.873 (Surprise)",
    ),
    Recipe(
        "--dataset=movielens-1m --preset=movielens-1m --fold=0",
        {"rmse": 0.8445},
        "one fold of the row above, for its seconds",
    ),
    Recipe(
        "--dataset=movielens-1m --validation_fraction=0 --test_fraction=0.2",
        {"rmse": 0.850},
        "plain defaults; SVD 0.874 (Surprise's defaults)",
    ),
    Recipe(
        "--dataset=movietweetings-100k --validation_fraction=0",
        {"rmse": 1.510},
        "plain defaults; SVD 1.556 (Surprise's defaults)",
    ),
    Recipe(
        "--preset=ncf-movielens-1m",
        {"hr@10": 0.730, "ndcg@10": 0.452},
        "MF 0.7294/0.4523, iALS 0.731/0.452, NeuMF 0.709/0.435, EASE 0.718/0.449",
    ),
    Recipe(
        "--preset=movielens-100k-ranking",
        {"ndcg@10": 0.46},
        "BPR 0.442, BiVAE 0.475, LightGCN 0.42 (Microsoft recommenders)",
    ),
    Recipe(
        "--preset=gowalla",
        {"recall@20": 0.176, "ndcg@20": 0.140},
        "MF-BPR .163/.138, MF-softmax .1759/.1395, MF-CCL .1837/.1493, LightGCN .1830/.1554, "
        "MF-BSL .1882/.1584",
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
        test, deviations = results["metrics"]["test"], results.get("std", {}).get("test", {})
        print(f"python train.py {recipe.flags}")
        for metric, bar in recipe.bars.items():
            value, is_error = test[metric], lower_is_better(metric)
            is_missed = value > bar if is_error else value < bar
            missed += is_missed
            folds = f" over {len(results['folds'])} folds" if deviations else ""
            spread = f" ± {deviations[metric]:.4f}{folds}" if deviations else ""
            verdict = "missed" if is_missed else "reached"
            print(f"  {metric.upper()} {value:.4f}{spread}, bar {bar}: {verdict}")
        others = {
            name: [row[m] for m in recipe.bars]
            for name, row in results["baselines"].items()
            if set(recipe.bars) <= set(row)
        }
        baselines = "; ".join(
            f"{name} {'/'.join(f'{value:.4f}' for value in values)}"
            for name, values in others.items()
        )
        print(
            f"  {baselines}; {recipe.world}\n"
            f"  training {results['timing']['train_seconds']:.1f} s"
            f"{' a fold' if deviations else ''}, whole command {seconds:.1f} s",
            flush=True,
        )
    return 1 if missed else 0


if __name__ == "__main__":
    app.run(main)

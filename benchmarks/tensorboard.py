"""What watching costs: --tensorboard=off, basic and full, as shares of the training time.

    python benchmarks/tensorboard.py --data_dir=../shared/data

Every measurement is a run of train.py, whose results.json tells the seconds in loops and those in
summaries (gradient norms included; tracing them counts as compiling, as tracing the loop does).
The levels take turns, and medians are printed. Shares are of loops and summaries together, within
one run each: on a shared machine seconds differ from run to run, shares hardly.
"""

import json
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from absl import app, flags

DATA_DIR = flags.DEFINE_string("data_dir", None, "folder of the named sets")
ROUNDS = flags.DEFINE_integer("rounds", 3, "turns of each; the median counts")

TRAIN = Path(__file__).resolve().parents[1] / "train.py"
RUNS = {
    "movielens-100k, d=10, defaults": ["--dataset=movielens-100k", "--embedding_dim=10"],
    "movielens-100k, d=64, 200 epochs": [
        *("--dataset=movielens-100k", "--epochs=200", "--early_stopping_patience=0")
    ],
    "movielens-1m, preset (d=64)": ["--preset=movielens-1m", "--fold=0"],
}


def measure(settings: list[str], level: str) -> dict[str, float]:
    """The timing of one training."""
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, str(TRAIN), *settings, f"--tensorboard={level}"]
        if DATA_DIR.value:
            command.append(f"--data_dir={DATA_DIR.value}")
        run = subprocess.run([*command, f"--run_dir={folder}/run"], capture_output=True, text=True)
        if run.returncode:
            sys.exit(run.stderr)
        return json.loads((Path(folder) / "run" / "results.json").read_text())["timing"]


def main(_: list[str]) -> None:
    for name, settings in RUNS.items():
        print(name)
        rounds = [
            {level: measure(settings, level) for level in ("off", "basic", "full")}
            for _ in range(ROUNDS.value)
        ]
        for level in rounds[0]:
            seconds, summaries = (
                [turn[level][key] for turn in rounds]
                for key in ("train_seconds", "summary_seconds")
            )
            shares = [s / (t + s) for t, s in zip(seconds, summaries, strict=True)]
            print(
                f"  {level:<6} loops {statistics.median(seconds):6.2f} s"
                f"  summaries {statistics.median(summaries):6.3f} s"
                f"  share {statistics.median(shares):6.1%}",
                flush=True,
            )


if __name__ == "__main__":
    app.run(main)

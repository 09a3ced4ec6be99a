"""What recommending costs: lists of all users in a file, and one user at the command line.

    python benchmarks/recommending.py --data_dir=../shared/data
    python benchmarks/recommending.py --run_dir=runs/my-run

Gowalla, 29,858 users and 40,981 items, d = 64, trained for one epoch first, unless a run folder is
given: what is learnt changes nothing here. Every measurement is a whole command in a process of
its own, from python to the closed file. One user is measured beside a process that imports
TensorFlow and does nothing else; they take turns, and medians are printed: of the seconds on the
clock, and of those of all cores together, which other work on the machine changes least.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from absl import app, flags

DATA_DIR = flags.DEFINE_string("data_dir", None, "folder of the named sets, to train on gowalla")
RUN_DIR = flags.DEFINE_string("run_dir", None, "a run to ask instead")
ROUNDS = flags.DEFINE_integer("rounds", 5, "turns of each; the median counts")

ROOT = Path(__file__).resolve().parents[1]
TRAIN = ["train.py", "--dataset=gowalla", "--loss=bpr", "--embedding_dim=64", "--epochs=1"]


def measured(*arguments: str) -> tuple[float, float, float]:
    """Seconds on the clock, seconds of all cores and peak of memory, in GB, of such a python."""
    started = time.perf_counter()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    run = subprocess.Popen([sys.executable, *arguments], stdout=subprocess.DEVNULL, env=environment)
    # of this process alone, which getrusage does not tell
    _, status, usage = os.wait4(run.pid, 0)
    run.returncode = os.waitstatus_to_exitcode(status)
    if run.returncode:
        sys.exit(run.returncode)
    cores = usage.ru_utime + usage.ru_stime
    return time.perf_counter() - started, cores, usage.ru_maxrss / 1e6


def main(_: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run_dir, script = RUN_DIR.value, str(ROOT / "recommend.py")
        if run_dir is None:
            run_dir = f"{folder}/run"
            given = [f"--data_dir={DATA_DIR.value}"] if DATA_DIR.value else []
            trainer, *settings = TRAIN
            measured(str(ROOT / trainer), *settings, *given, f"--run_dir={run_dir}")
        asked = f"--run_dir={run_dir}"
        user = (Path(run_dir) / "users.tsv").read_text(encoding="utf-8").partition("\t")[0]
        lists = Path(folder) / "lists.jsonl"
        commands = {
            "all": [script, asked, "--all_users", f"--output_file={lists}"],
            "import": ["-c", "import mfrec.quiet_tensorflow"],
            "one": [script, asked, f"--user={user}"],
        }
        turns = [
            {name: measured(*command) for name, command in commands.items()}
            for _ in range(ROUNDS.value)
        ]
        num_users = lists.read_text(encoding="utf-8").count("\n")
    gigabytes = max(turn["all"][2] for turn in turns)
    print(f"{num_users:,} users to JSONL, at most {gigabytes:.2f} GB")
    for place, name in enumerate(("clock", "all cores together")):
        seconds = {c: statistics.median(turn[c][place] for turn in turns) for c in commands}
        over = seconds["one"] - seconds["import"]
        print(
            f"  {name:<20} all users {seconds['all']:5.1f} s   one user {seconds['one']:.2f} s: "
            f"{over:.2f} s over the {seconds['import']:.2f} s of importing TensorFlow"
        )


if __name__ == "__main__":
    app.run(main)

"""How long ten million ratings take to load: the first time, and again from the cache.

    python benchmarks/loading.py
    python benchmarks/loading.py --num_ratings=1000000

Generates MovieLens 10M in its own layout (`::`, half stars, movies.dat) and the same ratings as
MovieLens 25M lays them out (ratings.csv, movies.csv), in a temporary folder. Then loads each as
the named set, first parsed and then from the cache, every load in a process of its own that has
imported numpy and mfrec before the clock starts. The files were written just now and so lie in
the operating system's own cache. `processor` is what the process itself used, which on a busy
machine is less than `seconds`.
"""

import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from absl import app, flags

from mfrec.data import datasets

NUM_RATINGS = flags.DEFINE_integer("num_ratings", 10_000_054, "how many ratings")
FOLDER = flags.DEFINE_string("folder", None, "where to generate them (default: $TMPDIR)")
ROUNDS = flags.DEFINE_integer("rounds", 1, "measurements of each; the fastest counts")
MEASURE = flags.DEFINE_list("measure", None, "measure only this: data set, data folder")

# As many as MovieLens 10M has.
_NUM_USERS, _NUM_ITEMS = 69_878, 10_677
_ROWS_AT_ONCE = 500_000


def generate(data_dir: Path) -> None:
    """Writes both layouts: users in order, item popularity falling as 1 / rank."""
    random = np.random.default_rng(0)
    num_ratings = NUM_RATINGS.value
    # Raw ids have gaps, as in the published files.
    raw_users = np.sort(random.permutation(71_567)[:_NUM_USERS]) + 1
    raw_items = np.sort(random.permutation(65_133)[:_NUM_ITEMS]) + 1
    popularity = 1 / np.arange(1, _NUM_ITEMS + 1)
    double_colons, csv = (data_dir / name for name in ("ml-10M100K", "ml-25m"))
    for folder in (double_colons, csv):
        folder.mkdir(parents=True)
    users = raw_users[np.sort(random.integers(0, _NUM_USERS, num_ratings))]
    with (
        open(double_colons / "ratings.dat", "w") as dat_file,
        open(csv / "ratings.csv", "w") as csv_file,
    ):
        csv_file.write("userId,movieId,rating,timestamp\n")
        for start in range(0, num_ratings, _ROWS_AT_ONCE):
            part = users[start : start + _ROWS_AT_ONCE].tolist()
            items = random.choice(raw_items, len(part), p=popularity / popularity.sum()).tolist()
            halves = random.integers(1, 11, len(part)).tolist()
            times = random.integers(789_652_009, 1_231_131_736, len(part)).tolist()
            rows = list(zip(part, items, halves, times, strict=True))
            dat_file.writelines(f"{u}::{i}::{half / 2:g}::{t}\n" for u, i, half, t in rows)
            csv_file.writelines(f"{u},{i},{half / 2:.1f},{t}\n" for u, i, half, t in rows)
    with open(double_colons / "movies.dat", "w") as dat_file, open(csv / "movies.csv", "w") as file:
        file.write("movieId,title,genres\n")
        for item in raw_items.tolist():
            dat_file.write(f"{item}::Movie {item}, The (1995)::Comedy|Drama\n")
            file.write(f'{item},"Movie {item}, The (1995)",Comedy|Drama\n')


def measure(name: str, data_dir: str) -> None:
    """Loads the set once; prints seconds, processor seconds and peak MB, Python's own included."""
    started, processor_started = time.perf_counter(), time.process_time()
    data = datasets.load(name, data_dir, download=False)
    seconds, processor = time.perf_counter() - started, time.process_time() - processor_started
    assert len(data) == NUM_RATINGS.value
    # Linux counts in kilobytes.
    print(seconds, processor, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3)


def main(_: list[str]) -> None:
    if MEASURE.value:
        measure(*MEASURE.value)
        return
    with tempfile.TemporaryDirectory(dir=FOLDER.value) as folder:
        data_dir = Path(folder)
        generate(data_dir)
        print(f"{f'{NUM_RATINGS.value:,} ratings':28} seconds processor   peak MB")
        for name, file in (
            ("movielens-10m", "ml-10M100K/ratings.dat"),
            ("movielens-25m", "ml-25m/ratings.csv"),
        ):
            size = (data_dir / file).stat().st_size
            print(f"{file} ({size / 1e6:.0f} MB)")
            for row in ("parsed", "from the cache"):
                found = []
                for _ in range(ROUNDS.value):
                    if row == "parsed":
                        for cached in (data_dir / ".mfrec-cache").glob("*"):
                            cached.unlink()
                    command = [sys.executable, __file__, f"--measure={name},{data_dir}"]
                    command.append(f"--num_ratings={NUM_RATINGS.value}")
                    output = subprocess.run(command, check=True, capture_output=True, text=True)
                    found.append([float(number) for number in output.stdout.split()])
                seconds, processor, peak = min(found)
                print(f"  {row:26}{seconds:8.2f}{processor:10.2f}{peak:10,.0f}")


if __name__ == "__main__":
    app.run(main)

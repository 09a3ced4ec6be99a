"""What size costs: seconds and peak memory of large sets, and of small batches of large tables.

    python benchmarks/scaling.py --data_dir=/tmp/scaling                  # all figures, one table
    python benchmarks/scaling.py --data_dir=/tmp/scaling --figure=netflix

Makes its own data (`synthetic.py`), once if --data_dir is given, and runs the commands that a user
would, one at a time, each a process of its own. Standard error shows them, with the parts of their
`timing` in results.json and the highest memory that they took; standard output has a row of a
Markdown table for every figure. What is to be compared is measured in turns, and the fastest turn
counts. All figures take about 25 minutes on two cores, 12 GB of memory and 8 GB of disk.
"""

import functools
import json
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import synthetic
from absl import app, flags
from synthetic import Shape

ROOT = Path(__file__).resolve().parent.parent
CGROUP = Path("/sys/fs/cgroup/memory")

STEP_SHAPES = {
    "large": Shape(1_638_400, 1_000_000, 100_000),
    "small": Shape(1_638_400, 10_000, 5_000),
}
# 80 % of the ratings are trained on by default.
SHAPES = {
    "bpr": Shape(123_318, 32_711, 285),
    "ciao": Shape(284_000, 7_375, 105_114),
    "ten_million": Shape(10_000_000, 1_000_000, 62_000),
    "netflix": Shape(100_000_000, 480_000, 17_770),
    "huge": Shape(20_000_000, 10_000_000, 1_000_000),
}


@dataclass(frozen=True)
class Run:
    """What a command took.

    Attributes:
        seconds: on the clock.
        peak_gb: its own highest memory.
        results: the object of results.json; empty for other commands than train.py.
        output: what it printed.
    """

    seconds: float
    peak_gb: float
    results: dict
    output: str

    @property
    def load(self) -> float:
        """Seconds until training can begin, the import of TensorFlow included."""
        return self.results["timing"]["load_seconds"]

    @property
    def epoch(self) -> float:
        """Seconds of training alone, of one epoch."""
        return self.results["counts"]["train"] / self.results["timing"]["examples_per_second"]


def run(*command: str, gigabytes: int | None = None) -> Run:
    """Run a script of mfrec or of this folder; its command and peak go to standard error.

    Args:
        command: the script and its flags.
        gigabytes: of memory that it may take, in a memory cgroup (Linux, as root); no limit by
            default.

    Raises:
        RuntimeError: it failed; the message is its last line.
    """
    limited = f"with {gigabytes} GB: " if gigabytes else ""
    say(f"$ {limited}python {' '.join(command)}")
    group = CGROUP / f"mfrec-{os.getpid()}"
    if gigabytes:
        # not `ulimit`, which counts what TensorFlow asks for and never touches
        group.mkdir()
        (group / "memory.limit_in_bytes").write_text(str(gigabytes * 10**9))

    def prepare() -> None:
        if gigabytes:
            (group / "cgroup.procs").write_text(str(os.getpid()))

    started = time.perf_counter()
    with tempfile.TemporaryFile("w+") as out, tempfile.TemporaryFile("w+") as err:
        process = subprocess.Popen(
            [sys.executable, *command],
            cwd=ROOT,
            env=environment(),
            stdout=out,
            stderr=err,
            preexec_fn=prepare,
        )
        # not wait(): this has the memory of just this child
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.perf_counter() - started
        output, errors = (file.seek(0) or file.read() for file in (out, err))
    if gigabytes:
        group.rmdir()
    if process.returncode:
        last = (errors.strip() or "no message").splitlines()[-1]
        raise RuntimeError(f"exit code {process.returncode}: {last}")
    # Linux counts in kilobytes.
    peak_gb = usage.ru_maxrss * 1024 / 1e9
    processors = usage.ru_utime + usage.ru_stime
    say(f"  {seconds:.1f} s on the clock, {processors:.1f} s of processors, peak {peak_gb:.2f} GB")
    return Run(seconds, peak_gb, {}, output)


def environment() -> dict[str, str]:
    """Return what a child process finds in its environment."""
    return os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}


def train(*given: str, gigabytes: int | None = None) -> Run:
    """Run train.py into a folder that is removed again, and read what it measured; see `run`."""
    with tempfile.TemporaryDirectory() as folder:
        run_dir = Path(folder) / "run"
        done = run("train.py", *given, f"--run_dir={run_dir}", gigabytes=gigabytes)
        results = json.loads((run_dir / "results.json").read_text(encoding="utf-8"))
    parts = (f"{name} {seconds:.2f}" for name, seconds in results["timing"].items())
    say("  " + " · ".join(parts))
    return Run(done.seconds, done.peak_gb, results, done.output)


def data(name: str, ending: str = "npz") -> Path:
    """Return the file of a set, made if it is not there."""
    path = Path(DATA_DIR.value) / f"{name}.{ending}"
    if not path.exists():
        started = time.perf_counter()
        write = synthetic.write_npz if ending == "npz" else synthetic.write_csv
        write(path, SHAPES[name])
        say(f"made {path} in {time.perf_counter() - started:.0f} s")
    return path


def step() -> Iterator[str]:
    """Steps by rows at two sizes of tables, and of Keras's Adam at the larger."""
    by_rows = ("sparse_adam", "rowwise_adagrad")
    contenders = [(size, name) for name in by_rows for size in STEP_SHAPES] + [("large", "adam")]
    turns = [{c: measured_step(*c) for c in contenders} for _ in range(ROUNDS.value)]
    fastest = {contender: min(turn[contender] for turn in turns) for contender in contenders}
    dense = fastest["large", "adam"]
    for name in by_rows:
        large, small = fastest["large", name], fastest["small", name]
        yield row(
            f"a step of `{name}` at 1,000,000 × 100,000 rows, d = 32, batch 8,192, against "
            "10,000 × 5,000",
            f"{1e3 * large:.1f} ms, {1e3 * small:.1f} ms: {large / small:.1f} ×",
            "≤ 2 ×",
        )
        yield row(
            f"`{name}` against Keras's Adam, compiled, at the large size",
            f"{1e3 * dense:.0f} ms: {dense / large:.0f} ×",
            "≥ 10 ×",
        )


def measured_step(size: str, optimizer: str) -> float:
    """Seconds of a step, measured in a process of its own."""
    done = run("benchmarks/scaling.py", f"--measure={size},{optimizer}")
    seconds = float(done.output.splitlines()[-1])
    say(f"  {1e3 * seconds:.2f} ms a step")
    return seconds


def measure_step(size: str, optimizer: str) -> float:
    """Seconds of a step in Trainer's loop, the mean of 200 after 200 others."""
    from mfrec.data.interactions import Interactions
    from mfrec.models.matrix_factorization import MatrixFactorization
    from mfrec.training.trainer import Trainer

    shape = STEP_SHAPES[size]
    ratings = Interactions.from_arrays(*synthetic.arrays(shape))
    model = MatrixFactorization(shape.num_users, shape.num_items, 32)
    logs = []
    trainer = Trainer(model, optimizer, "mse", batch_size=8192, epochs=2)
    trainer.fit(ratings, on_epoch=logs.append)
    return (logs[1].seconds - logs[0].seconds) / (len(ratings) / 8192)


def bpr() -> Iterator[str]:
    """BPR on few positives of many users."""
    done = train(f"--ratings={data('bpr')}", "--loss=bpr", "--embedding_dim=64")
    speed = done.results["timing"]["examples_per_second"]
    yield row(
        f"{trained(done)}, BPR, d = 64, plain defaults",
        f"{speed / 1e3:,.0f} k examples/s: {speed / 28e3:.0f} × of 28 k",
        "≥ 10 × of 28 k examples/s",
    )


def ciao() -> Iterator[str]:
    """Ratings of a shop: two a row."""
    done = train(f"--ratings={data('ciao')}")
    seconds = done.results["timing"]["train_seconds"]
    yield row(
        f"{trained(done)}, plain defaults, whole training",
        f"{seconds:.1f} s ({done.results['steps']:,} steps)",
        "≤ 6 s",
    )


def ten_million() -> Iterator[str]:
    """More users than most have."""
    done = train(f"--ratings={data('ten_million')}", "--embedding_dim=32", "--epochs=2")
    yield row(
        f"{SHAPES['ten_million']}, d = 32, from `.npz`: load / epoch",
        f"{done.load:.1f} s / {done.epoch:.1f} s",
        "≤ 5 s / ≤ 5 s",
    )


@functools.cache
def trained_in_memory() -> Run:
    """One epoch on the shape of the Netflix prize, for two figures."""
    return train(f"--ratings={data('netflix')}", "--embedding_dim=32", "--epochs=1")


def netflix() -> Iterator[str]:
    """The shape of the Netflix prize."""
    done = trained_in_memory()
    yield row(
        f"{SHAPES['netflix']}, d = 32, from `.npz`: load / epoch / whole command of one epoch / "
        "peak",
        f"{done.load:.0f} s / {done.epoch:.0f} s / {done.seconds:.0f} s / {done.peak_gb:.1f} GB",
        "≤ 30 s / ≤ 40 s / ≤ 120 s / ≤ 8 GB",
    )


def convert() -> Iterator[str]:
    """The same as text, converted to shards."""
    shape, source, folder = SHAPES["netflix"], data("netflix", "csv"), converted()
    done = run("convert.py", f"--ratings={source}", f"--output_dir={folder}", "--overwrite")
    yield row(
        f"converting {shape.num_ratings:,} lines of CSV",
        f"{shape.num_ratings / done.seconds / 1e6:.2f} M lines/s, {done.peak_gb:.1f} GB",
        "lines/s, bounded memory",
    )


def stream() -> Iterator[str]:
    """The same streamed from the shards."""
    folder = converted()
    if not folder.exists():
        run("convert.py", f"--ratings={data('netflix')}", f"--output_dir={folder}")
    done = train(f"--ratings={folder}", "--embedding_dim=32", "--epochs=1", gigabytes=2)
    ratio = done.epoch / trained_in_memory().epoch
    yield row(
        "the same ratings streamed from shards with 2 GB of memory (a cgroup): epoch",
        f"{done.epoch:.0f} s, {ratio:.1f} × from memory; peak {done.peak_gb:.1f} GB",
        "≤ 2 × from memory",
    )


def converted() -> Path:
    """Where the shards of the large set lie, or will lie."""
    return Path(DATA_DIR.value) / "netflix-converted"


def huge() -> Iterator[str]:
    """Tables of eleven million rows."""
    done = train(
        f"--ratings={data('huge')}",
        "--embedding_dim=32",
        "--optimizer=rowwise_adagrad",
        "--epochs=1",
    )
    yield row(
        f"{SHAPES['huge']}, d = 32, `rowwise_adagrad`",
        f"{done.peak_gb:.1f} GB, epoch {done.epoch:.0f} s, whole command {done.seconds:.0f} s",
        "trains within 12 GB",
    )


def workers() -> Iterator[str]:
    """Two workers on this machine, and one process on the same batches."""
    script = "tests/training/same_batches.py"
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "tables.npz"
        run(script, str(path))
        ports = [_free_port() for _ in range(2)]
        say(f"$ TF_CONFIG=… python {script} {path}, two at once")
        processes = [
            subprocess.Popen(
                [sys.executable, script, str(path)],
                cwd=ROOT,
                env=environment() | {"TF_CONFIG": _task(ports, index)},
                stderr=subprocess.DEVNULL,
            )
            for index in range(2)
        ]
        if any([process.wait() for process in processes]):
            raise RuntimeError("a worker failed")
        one, first, second = (
            dict(np.load(path.with_stem(f"{path.stem}{end}"))) for end in ("", "-0", "-1")
        )
    shared = [name for name in one if "user" not in name]
    differences = [
        (np.abs(worker[name] - one[name]) / np.maximum(np.abs(one[name]), 1)).max()
        for worker in (first, second)
        for name in shared
    ]
    yield row(
        "two local workers against one process with the same global batches, five losses and "
        "optimizers: item tables and loss curve",
        f"equal to {max(differences):.0e}",
        "1e-5",
    )
    held = [len(w["rows/user_embedding"]) for w in (first, second)]
    yield row(
        "two local workers, rows of user tables",
        f"{held[0]} and {held[1]} of {len(one['rows/user_embedding'])}",
        "half each",
    )


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("localhost", 0))
        return found.getsockname()[1]


def _task(ports: list[int], index: int) -> str:
    cluster = {"worker": [f"localhost:{port}" for port in ports]}
    return json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})


FIGURES: dict[str, Callable[[], Iterator[str]]] = {
    figure.__name__: figure
    for figure in (step, bpr, ciao, ten_million, netflix, convert, stream, huge, workers)
}

FIGURE = flags.DEFINE_enum("figure", None, list(FIGURES), "measure only this one")
DATA_DIR = flags.DEFINE_string(
    "data_dir", None, "where the data lie and are left (default: a temporary folder)"
)
ROUNDS = flags.DEFINE_integer("rounds", 2, "turns of what is compared; the fastest counts")
MEASURE = flags.DEFINE_list("measure", None, "measure only this step, SIZE,OPTIMIZER, here")


def row(what: str, measured: str, reach: str) -> str:
    """Return a row of the table."""
    return f"| {what} | {measured} | {reach} |"


def trained(done: Run) -> str:
    """Return the size of the part that was trained on."""
    counts = done.results["counts"]
    return f"{counts['train']:,} of {counts['users']:,} × {counts['items']:,}"


def say(line: str) -> None:
    """Print to standard error, at once."""
    print(line, file=sys.stderr, flush=True)


@contextmanager
def data_folder() -> Iterator[None]:
    """Keep the data in --data_dir, or in a folder that goes."""
    if DATA_DIR.value:
        Path(DATA_DIR.value).mkdir(parents=True, exist_ok=True)
        yield
        return
    flags.FLAGS.data_dir = tempfile.mkdtemp()
    try:
        yield
    finally:
        shutil.rmtree(DATA_DIR.value)


def main(_: list[str]) -> None:
    if MEASURE.value:
        print(measure_step(*MEASURE.value))
        return
    names = [FIGURE.value] if FIGURE.value else list(FIGURES)
    rows = []
    with data_folder():
        for name in names:
            try:
                rows += FIGURES[name]()
            except RuntimeError as error:
                rows.append(row(name, f"failed: {error}", ""))
    print("| what | measured | reach |\n|---|---|---|", *rows, sep="\n")


if __name__ == "__main__":
    app.run(main)

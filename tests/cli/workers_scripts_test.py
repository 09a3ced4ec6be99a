"""train.py as several processes: what they leave, what they refuse, and what ends them."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

import helpers
from helpers import ROOT, Place
from workers import Workers, free_ports, start

pytestmark = pytest.mark.slow
TRAIN = ROOT / "train.py"
FLAGS = [
    *("--distribution=multi_worker", "--ratings=ratings.csv", "--embedding_dim=8"),
    *("--batch_size=256", "--optimizer=sparse_adam", "--epochs=2", "--seed=1"),
]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with ratings.csv, and other.csv that lacks its last row."""
    folder = tmp_path_factory.mktemp("place")
    data = helpers.planted(300, 40, 4_000, rank=2)
    rows = [
        (f"user{u}", f"item{i}", round(r, 2))
        for u, i, r in zip(data.user_ids, data.item_ids, data.ratings.tolist(), strict=True)
    ]
    helpers.write_rows(folder / "ratings.csv", rows)
    helpers.write_rows(folder / "other.csv", rows[:-1])
    return Place(folder)


@pytest.fixture(scope="module")
def together(place):
    """A run folder of two workers, and what each wrote."""
    with Workers(place.path, TRAIN, [*FLAGS, "--cutoffs=10", "--run_dir=two"]) as workers:
        written = [process.communicate(timeout=300) for process in workers.processes]
        assert [process.returncode for process in workers.processes] == [0, 0], written
    return place / "two", written


def long_training(place, name, number=2):
    return Workers(
        place.path,
        TRAIN,
        [*FLAGS, "--epochs=100000", "--early_stopping_patience=0", f"--run_dir={name}"],
        number,
    )


def test_the_chief_alone_prints(together):
    _, ((out, err), (other_out, other_err)) = together
    assert "mfrec mse d=8" in out and "epoch 2/2" in err and "WARNING" not in err
    assert other_out == ""
    assert other_err.splitlines() == [other_err.strip()] and "worker 1 (" in other_err


def test_a_run_of_two_workers_measures_on_one_machine_as_it_did(place, together):
    run_dir, _ = together
    results = place.results(run_dir.name)
    again = place.evaluate(f"--run_dir={run_dir}")
    assert again["metrics"]["test"] == pytest.approx(results["metrics"]["test"], abs=1e-7)
    assert again["held_out"]["test"] == results["held_out"]["test"]
    assert again["baselines"]["biases"] == pytest.approx(results["baselines"]["biases"])
    users = (run_dir / "users.tsv").read_text().splitlines()
    items = (run_dir / "items.tsv").read_text().splitlines()
    assert results["parameters"] == 9 * (len(users) + len(items))
    user = users[0].split("\t")[0]
    code, out, _ = place.run("recommend.py", f"--run_dir={run_dir}", f"--user={user}", "--k=3")
    assert code == 0 and len(out.splitlines()) >= 3


def test_each_worker_writes_the_rows_of_its_own_users(together):
    run_dir, _ = together
    shards = sorted((run_dir / "checkpoints").glob("*.data-*"))
    assert [shard.name[-14:] for shard in shards] == ["00000-of-00002", "00001-of-00002"]
    users = len((run_dir / "users.tsv").read_text().splitlines())
    items = len((run_dir / "items.tsv").read_text().splitlines())
    # a row: 8 numbers and a bias, Adam's two slots of each, and twice the step it was last seen
    row = 4 * (3 * 9 + 2)
    own = [shards[0].stat().st_size - row * items, shards[1].stat().st_size]
    assert sum(own) == pytest.approx(row * users, rel=0.2)
    assert max(own) < 0.65 * row * users


@pytest.mark.parametrize("number", [1, 3])
def test_as_many_or_as_few_go_on(place, together, number):
    run_dir, _ = together
    name = f"on-{number}"
    flags = [f"--init_from={run_dir}", "--epochs=1", "--learning_rate=1e-12", f"--run_dir={name}"]
    if number == 1:
        place.train(name, *flags[:-1])
    else:
        flags.append("--distribution=multi_worker")
        with Workers(place.path, TRAIN, flags, number) as workers:
            assert [code for code, _ in workers.ends()] == [0] * number
    # hardly a step was taken: tables and slots are those of the run before
    before, after = (place.results(each)["metrics"] for each in (run_dir.name, name))
    assert after["test"]["rmse"] == pytest.approx(before["test"]["rmse"], abs=1e-5)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_dead_or_hanging_worker_ends_the_others_in_a_line_that_names_it(place, number):
    lost = 0 if number == signal.SIGSTOP else 1
    name = f"lost-{number.name}"
    with long_training(place, name) as workers:
        workers.wait_for("epoch      3/")
        workers.processes[lost].send_signal(number)
        survivor = workers.processes[1 - lost]
        _, err = survivor.communicate(timeout=60)
        assert survivor.returncode == 75
        last = err.splitlines()[-1]
        assert last.startswith(f"train.py: worker {lost} ({workers.addresses[lost]}) is gone or")
        assert f"--init_from={name} " in last
        assert "Traceback" not in err
    place.train(f"{name}-on", f"--init_from={name}", "--epochs=1")


def test_one_signal_stops_all_workers_and_the_best_weights_are_kept(place):
    with long_training(place, "stopped") as workers:
        workers.wait_for("epoch      3/")
        workers.processes[1].send_signal(signal.SIGTERM)
        (code, last), (other_code, _) = workers.ends(100)
    assert (code, other_code) == (143, 143)
    assert "is kept: python eval.py --run_dir=stopped" in last
    assert place.results("stopped")["stopped"].startswith("after epoch")
    place.evaluate("--run_dir=stopped")


@pytest.mark.parametrize(
    ("own", "reason"),
    [
        (["--seed=2"], "workers differ in --seed: 1 on worker 0 ("),
        (["--loss=mae"], "workers differ in --loss: mse on worker 0 ("),
        (["--ratings=other.csv"], "workers differ in the ratings: "),
        (["--seed=2", "--ratings=other.csv"], "workers differ in --seed: "),
    ],
)
def test_workers_that_differ_are_refused_by_what_differs(place, own, reason):
    with Workers(place.path, TRAIN, [[*FLAGS, "--run_dir=x"], [*FLAGS, *own]]) as workers:
        for code, last in workers.ends(120):
            assert code == 2
            assert last.startswith(f"train.py: {reason}") and "give all the same" in last
    assert not (place / "x").exists()


@pytest.mark.parametrize(
    ("flags", "reason"),
    [
        (["--batch_size=1"], "--batch_size=1: fewer rows than the 2 workers; give 2 or more"),
        (["--optimizer=lamb"], "--optimizer=lamb: its step for a row depends on the whole table"),
    ],
)
def test_what_workers_cannot_train_is_refused_by_all(place, flags, reason):
    with Workers(place.path, TRAIN, [*FLAGS, *flags, "--run_dir=x"]) as workers:
        for code, last in workers.ends(120):
            assert code == 2 and last.startswith(f"train.py: {reason}")
    assert not (place / "x").exists()


@pytest.mark.parametrize("index", [0, 1])
def test_a_worker_that_cannot_read_its_data_ends_the_others_by_its_reason(place, index):
    flags = [FLAGS, FLAGS]
    flags[index] = [*FLAGS, "--ratings=none.csv"]
    with Workers(place.path, TRAIN, flags) as workers:
        ends = workers.ends(120)
        reason = f"{place / 'none.csv'}: no such file; check the path"
        name = f"worker {index} ({workers.addresses[index]}): "
        assert ends.pop(index) == (2, f"train.py: {reason}")
        assert ends == [(2, f"train.py: {name}{reason}")]


def test_a_run_folder_that_exists_is_refused_by_all_in_the_chief_s_words(place):
    (place / "mine").mkdir()
    (place / "mine" / "notes.txt").write_text("mine")
    with Workers(place.path, TRAIN, [*FLAGS, "--run_dir=mine"]) as workers:
        reason = "mine exists; name another --run_dir or add --overwrite"
        name = f"worker 0 ({workers.addresses[0]}): "
        ends = workers.ends(120)
    assert ends == [(2, f"train.py: {reason}"), (2, f"train.py: {name}{reason}")]


@pytest.mark.parametrize("index", [0, 1])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_worker_that_waits_can_be_stopped(place, index, number):
    with Workers(place.path, TRAIN, FLAGS) as workers:
        workers.processes[1 - index].kill()
        workers.wait_for("waiting for the others", index)
        time.sleep(1)
        workers.processes[index].send_signal(number)
        _, err = workers.processes[index].communicate(timeout=10)
    assert workers.processes[index].returncode == 128 + number
    assert err.splitlines()[-1] == "train.py: stopped; nothing was written"


@pytest.mark.parametrize(
    ("config", "reason"),
    [
        ("{", "TF_CONFIG is no JSON"),
        (
            json.dumps({"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 4}}),
            "TF_CONFIG: there is no task worker 4; the cluster has worker 0",
        ),
        (None, "--distribution=multi_worker: TF_CONFIG is not set"),
    ],
)
def test_a_tf_config_that_cannot_be_used_is_refused(place, config, reason):
    process = start(place.path, TRAIN, FLAGS, config)
    out, err = process.communicate(timeout=100)
    assert (process.returncode, out) == (2, "")
    assert err.startswith(f"train.py: {reason}") and err.count("\n") == 1


def test_the_launch_script_starts_workers_and_returns_their_code(place):
    script = ROOT / "examples" / "cluster" / "local.sh"
    flags = ["--ratings=ratings.csv", "--embedding_dim=4", "--epochs=1"]
    for given, code in ((["--run_dir=local"], 0), (["--optimizer=muon"], 2)):
        environment = os.environ | {"PYTHON": sys.executable, "FIRST_PORT": str(free_ports(1)[0])}
        command = ["bash", str(script), "2", *flags, *given]
        done = subprocess.run(
            command, cwd=place.path, env=environment, capture_output=True, text=True, timeout=200
        )
        assert done.returncode == code, done.stderr
    assert (place / "local" / "results.json").exists()


def test_shards_are_dealt_to_workers_and_measure_on_one_machine_as_they_did(place):
    for name, shards in (("converted", 4), ("odd", 3)):
        flags = [f"--output_dir={name}", f"--num_shards={shards}"]
        assert place.run("convert.py", "--ratings=ratings.csv", *flags)[0] == 0
    flags = [flag.replace("ratings.csv", "converted") for flag in FLAGS]
    with Workers(place.path, TRAIN, [*flags, "--cutoffs=10", "--run_dir=of-shards"]) as workers:
        assert [code for code, _ in workers.ends()] == [0, 0]
    again = place.evaluate("--run_dir=of-shards")["metrics"]["test"]
    assert again == pytest.approx(place.results("of-shards")["metrics"]["test"], abs=1e-7)
    flags = [flag.replace("ratings.csv", "odd") for flag in FLAGS]
    with Workers(place.path, TRAIN, flags) as workers:
        for code, last in workers.ends():
            assert code == 2 and "3 shards for 2 workers; convert with a multiple of 2" in last

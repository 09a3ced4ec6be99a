"""Shards streamed: every example once an epoch, and the numbers of the same rows in memory."""

import dataclasses
import shutil
import subprocess
import sys

import numpy as np
import pytest

from helpers import ROOT, Place
from mfrec import losses
from mfrec.config.settings import Config, PositivesConfig, SamplerConfig, TrainingConfig
from mfrec.data import chunks, loading, splitting
from mfrec.data.interactions import Interactions
from mfrec.data.shards import streaming
from mfrec.data.shards.converting import Recipe, convert
from mfrec.data.shards.cutting import Cut
from mfrec.data.shards.manifest import file_of
from mfrec.data.shards.parts import Converted
from mfrec.data.shards.split import StreamedSplit
from mfrec.data.shards.streaming import ShardStream
from mfrec.data.splits import Split
from mfrec.errors import InputError
from mfrec.evaluation.top_items import ItemsByUser
from mfrec.experiment.part_evaluator import PartEvaluator
from mfrec.models import MatrixFactorization
from mfrec.training.objective import Objective
from mfrec.training.statistics import statistics


def write_ratings(path, num_rows=900, weights=False):
    random = np.random.default_rng(1)
    users = random.integers(0, 90, num_rows) ** 2 % 97
    items = random.integers(0, 40, num_rows) * random.integers(0, 2, num_rows) + random.integers(
        0, 20, num_rows
    )
    ratings = np.clip(3 + users % 3 - items % 2 + random.integers(-1, 2, num_rows), 1, 5)
    lines = (f"u{u},i{i},{r}" for u, i, r in zip(users, items, ratings, strict=True))
    last = "plays" if weights else "rating"
    path.write_text(f"user,item,{last}\n" + "\n".join(lines) + "\n")


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """ratings.csv, and "converted" into 5 shards; nobody changes them."""
    place = Place(tmp_path_factory.mktemp("streamed"))
    write_ratings(place / "ratings.csv")
    to_shards(place / "ratings.csv", place / "converted")
    return place


def to_shards(path, folder, **options):
    folder.mkdir()
    convert(chunks.read(path, **options), folder, Recipe(Cut("random"), PositivesConfig(), (), 5))


@pytest.fixture
def data(place):
    return Converted.open(place / "converted")


def in_memory(part):
    """The rows of a part, all at once."""
    shards = list(part.shards())
    columns = {
        name: np.concatenate([getattr(rows, name) for rows in shards])
        for name in ("user_ids", "item_ids", "ratings")
    }
    weights = None
    if part.has_weights:
        weights = np.concatenate([rows.weights for rows in shards])
    return Interactions(
        **columns,
        timestamps=None,
        users=part.users,
        items=part.items,
        weights=weights,
        has_ratings=part.has_ratings,
    )


def epochs_of(stream, num_epochs, seed=0):
    """By epoch, the loops."""
    loops = list(stream.loops(num_epochs, seed))
    assert len(loops) == num_epochs * stream.shape.loops
    return [loops[n * stream.shape.loops : (n + 1) * stream.shape.loops] for n in range(num_epochs)]


def rows_in(loops):
    """(user, item, rating) of the real examples, in order."""
    blocks = [[column.numpy() for column in loop.examples] for loop in loops]
    users, items, ratings, weights = (
        np.concatenate([block[n].reshape(-1, *block[n].shape[2:]) for block in blocks])
        for n in range(4)
    )
    users = np.broadcast_to(users.reshape(-1, *[1] * (items.ndim - 1)), items.shape)
    real = weights > 0
    return list(zip(users[real], items[real], ratings[real], weights[real], strict=True))


@pytest.mark.parametrize("width, window", [(1, 400), (3, 1)])
def test_every_example_comes_once_an_epoch(width, window, data, monkeypatch):
    monkeypatch.setattr(streaming, "WINDOW_ROWS", window)
    train = data.part("train")
    settings = TrainingConfig(batch_size=50, steps_per_loop=4, positives_per_row=width)
    stream = ShardStream(train, settings)
    rows = in_memory(train)
    expected = sorted(
        zip(rows.user_ids, rows.item_ids, rows.ratings, np.ones(len(rows)), strict=True)
    )
    epochs = epochs_of(stream, 2)
    for loops in epochs:
        assert sorted(rows_in(loops)) == expected
        assert sum(int(loop.num_steps) for loop in loops) == stream.shape.steps
        for loop in loops:
            weights = loop.examples.weights.numpy()
            # a step without examples would still move Adam
            assert (
                (weights[: int(loop.num_steps)].reshape(int(loop.num_steps), -1) > 0).any(1).all()
            )
            assert not weights[int(loop.num_steps) :].any()
    first, second = map(rows_in, epochs)
    assert first != second
    assert first == rows_in(epochs_of(stream, 1)[0])
    assert first != rows_in(epochs_of(stream, 1, seed=1)[0])


def test_a_window_mixes_the_users_of_its_shards(data):
    stream = ShardStream(data.part("train"), TrainingConfig(batch_size=50, steps_per_loop=4))
    users = [row[0] for row in rows_in(epochs_of(stream, 1)[0])]
    # in a shuffled order half of all steps go up, user by user hardly any go down
    assert 0.35 < np.mean(np.diff(users) < 0) < 0.65


def test_the_rows_of_a_user_are_spread_over_the_epoch(data):
    stream = ShardStream(data.part("train"), TrainingConfig(batch_size=10, steps_per_loop=4))
    users = np.array([row[0] for row in rows_in(epochs_of(stream, 1)[0])])
    quarter = np.arange(len(users)) * streaming.PASSES // len(users)
    often = np.flatnonzero(np.bincount(users) >= 12)
    seen = [len(np.unique(quarter[users == user])) for user in often]
    # 12 rows miss two quarters or more once in 400 users
    assert len(often) > 5 and min(seen) >= 3


def test_a_sample_holds_different_examples_and_an_empty_loop_none_to_train_on(data):
    stream = ShardStream(data.part("train"), TrainingConfig(batch_size=300, steps_per_loop=2))
    sample = [column.numpy().tolist() for column in stream.sample(3)]
    assert len(set(zip(*sample[:2], strict=True))) == 300
    assert sample == [column.numpy().tolist() for column in stream.sample(3)]
    empty = stream.empty_loop()
    assert empty.num_steps == 0
    assert empty.examples.user_ids.shape == (stream.shape.steps_per_loop, 300)


def test_a_part_knows_what_its_rows_say(data):
    train = data.part("train")
    rows = in_memory(train)
    assert (len(train), train.num_users, train.num_items) == (
        len(rows),
        *map(len, (rows.users, rows.items)),
    )
    np.testing.assert_array_equal(train.user_counts, rows.user_counts)
    np.testing.assert_array_equal(train.item_counts, rows.item_counts)
    np.testing.assert_array_equal(train.user_weights, rows.user_weights)
    np.testing.assert_allclose(train.item_sums, rows.item_sums)
    assert train.rating_range == rows.rating_range
    np.testing.assert_allclose(train.rating_mean, rows.rating_mean)
    np.testing.assert_allclose(train.rating_stddev, rows.rating_stddev)
    for user in range(0, train.num_users, 7):
        assert train.items_of(user).tolist() == rows.items_of(user).tolist()
    with pytest.raises(InputError, match=r"train\.user_ids: the converted folder .* is streamed"):
        _ = train.user_ids


@pytest.mark.parametrize("loss", ["mse", "mae", "logistic"])
def test_statistics_are_those_of_rows_in_memory(loss, data):
    train, loss = data.part("train"), losses.get(loss)
    found, expected = (
        dataclasses.asdict(statistics(rows, loss)) for rows in (train, in_memory(train))
    )
    assert found.pop("traits") == expected.pop("traits")
    np.testing.assert_allclose(list(found.values()), list(expected.values()), rtol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("loss", ["mse", "bpr"])
@pytest.mark.parametrize("part", ["validation", "test"])
def test_evaluation_is_that_of_rows_in_memory(loss, part, data):
    streamed = StreamedSplit.of(data)
    rows = {name: in_memory(found) for name, found in streamed.raw.items()}
    split = Split(rows["train"], rows["validation"], rows["test"], rows, {})
    loss = losses.get(loss)
    config = Config().replace({"cutoffs": "3,10", "jit_compile": False})
    model = MatrixFactorization(rows["train"].num_users, rows["train"].num_items, 4, seed=2)
    model.link = loss.link if loss.predicts_ratings else None
    model.adapt(streamed.train)
    for variable in model.trainable_variables:
        variable.assign(
            variable
            + 0.1 * np.arange(variable.shape[0]).reshape(-1, *[1] * (len(variable.shape) - 1)) % 1
        )
    found, expected = (
        PartEvaluator(config, loss, of, part).measure(model) for of in (streamed, split)
    )
    assert found.metrics.keys() == expected.metrics.keys()
    for name, value in expected.metrics.items():
        np.testing.assert_allclose(found.metrics[name], value, rtol=1e-9, err_msg=name)
    for name, values in expected.baselines.items():
        for metric, value in values.items():
            np.testing.assert_allclose(found.baselines[name][metric], value, err_msg=metric)
    assert found.counts == expected.counts
    assert found.ranking.protocol == expected.ranking.protocol


def test_items_of_users_are_found_in_their_shards(data):
    parts = [data.part("train"), data.part("validation")]
    rows = [in_memory(part) for part in parts]
    expected = ItemsByUser.from_parts(rows[0], rows)
    everybody = np.arange(rows[0].num_users)
    for found in (ItemsByUser.of_shards(parts), ItemsByUser.of_users(parts, everybody)):
        for column in zip(found.select(everybody), expected.select(everybody), strict=True):
            np.testing.assert_array_equal(*column)
    some = np.array([40, -1, 37])
    for column in zip(
        ItemsByUser.of_users(parts, some).select(some), expected.select(some), strict=True
    ):
        np.testing.assert_array_equal(*column)


def test_a_worker_has_every_nth_shard_and_tables_of_its_own_users(data):
    train = data.part("train")
    dealt = data.dealt(5)
    shares = [dealt.of_worker(worker).part("train") for worker in range(5)]
    assert sum(map(len, shares)) == len(train)
    raw_ids = [share.users.raw_ids for share in shares]
    assert sorted(sum(raw_ids, ())) == sorted(train.users.raw_ids)
    for share in shares:
        rows = in_memory(share)
        assert rows.user_ids.max() == share.num_users - 1
        np.testing.assert_array_equal(share.user_counts, rows.user_counts)
        np.testing.assert_array_equal(share.item_counts, train.item_counts)
        assert len(share.whole) == len(train)
    pairs = {
        (rows.users.raw_ids[u], i)
        for rows in map(in_memory, shares)
        for u, i in zip(rows.user_ids, rows.item_ids, strict=True)
    }
    rows = in_memory(train)
    assert pairs == {
        (rows.users.raw_ids[u], i) for u, i in zip(rows.user_ids, rows.item_ids, strict=True)
    }
    # the users of all are numbered worker by worker, which checkpoints rely on
    assert sum(raw_ids, ()) == dealt.users.raw_ids
    with pytest.raises(InputError, match="5 shards for 2 workers"):
        data.dealt(2)


def test_weights_reach_the_loop(tmp_path):
    write_ratings(tmp_path / "plays.csv", 200, weights=True)
    to_shards(tmp_path / "plays.csv", tmp_path / "out", weight_column="plays")
    train = Converted.open(tmp_path / "out").part("train")
    stream = ShardStream(train, TrainingConfig(batch_size=50, steps_per_loop=4))
    rows = in_memory(train)
    expected = zip(rows.user_ids, rows.item_ids, rows.ratings, rows.weights, strict=True)
    assert sorted(rows_in(epochs_of(stream, 1)[0])) == sorted(expected)
    assert rows.weights.max() > 1


QUICK = ["--embedding_dim=3", "--epochs=2", "--nojit_compile", "--tensorboard=off"]


@pytest.fixture(scope="module")
def run(place):
    return place.train("run", "--ratings=converted", *QUICK, "--cutoffs=5")


@pytest.mark.slow
def test_a_run_on_shards_is_measured_asked_and_exported_like_others(run, place, data):
    assert run.results["split"] == "random 80/10/10, by hash, seed 0"
    again = place.evaluate("--run_dir=run")
    assert again["metrics"]["test"] == run.results["metrics"]["test"]
    assert again["baselines"] == run.results["baselines"]
    assert set(run.results["metrics"]["test"]) > {"rmse", "ndcg@5"}
    user = data.users.raw_ids[3]
    code, out, err = place.run("recommend.py", "--run_dir=run", f"--user={user}", "--k=40")
    assert code == 0, err
    listed = {line.split()[-1] for line in out.splitlines()[2:]}
    had = {data.items.raw_ids[i] for p in ("train", "validation") for i in data.part(p).items_of(3)}
    assert listed and not listed & had
    code, _, err = place.run("eval.py", "--run_dir=run", "--predictions=predictions.csv")
    assert code == 0, err
    lines = (place / "predictions.csv").read_text().splitlines()[1:]
    test = in_memory(data.part("test"))
    assert len(lines) == len(test)
    squares = [float(line.split(",")[-1]) ** 2 for line in lines]
    np.testing.assert_allclose(
        np.sqrt(np.mean(squares)), again["metrics"]["test"]["rmse"], rtol=1e-4
    )
    for form in ("npy", "savedmodel"):
        flags = (f"--format={form}", f"--output_dir={form}")
        code, _, err = place.run("export.py", "--run_dir=run", *flags)
        assert code == 0, err
    code, _, err = place.run("eval.py", "--run_dir=run", "--ratings=ratings.csv")
    assert code == 2 and "leave out --ratings" in err
    code, _, err = place.run("train.py", "--ratings=ratings.csv", "--init_from=run")
    assert code == 2 and "runs on shards are not continued" in err


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--split=temporal"], "--split with the converted folder"),
        (["--min_rating=4", "--loss=bpr"], "give it to convert.py"),
        (["--cross_validate"], "needs the ratings in memory"),
        (["--refit"], "--refit with the converted folder"),
        (["--loss=bpr", "--reject_positives"], "--reject_positives"),
        (["--model=svdpp"], "--model=svdpp with the converted folder"),
    ],
)
def test_what_needs_all_rows_is_refused_in_one_line(flags, message, place):
    code, _, err = place.run("train.py", "--ratings=converted", *QUICK, *flags, "--run_dir=none")
    lines = [line for line in err.splitlines() if line.startswith("train.py:")]
    assert code == 2 and len(lines) == 1 and message in lines[0], err
    assert not (place / "none").exists()


def test_code_that_reads_columns_is_named_by_its_flag(data, tmp_path):
    own = tmp_path / "own.py"
    own.write_text("def whole(train):\n    return train.item_ids\n")
    config = SamplerConfig(negative_sampler=f"{own}:whole")
    train = data.part("train")
    model = MatrixFactorization(train.num_users, train.num_items, 2)
    with pytest.raises(InputError, match=r"--negative_sampler=.*:whole asks for train\.item_ids"):
        Objective.of(model, losses.get("bpr"), train, config)


def test_a_run_on_shards_has_no_split_of_its_own(place):
    # else settings that it hands on would contradict the folder
    config = Config().replace({"ratings": str(place / "converted")})
    config = splitting.complete(loading.complete(config))
    assert loading.complete(config).split.split is None


@pytest.mark.slow
def test_a_run_on_shards_continues_another_on_the_same_conversion(run, place, tmp_path):
    goes_on = place.train("on", "--ratings=converted", "--init_from=run", "--tensorboard=off")
    first, second = (of.results["metrics"]["validation"]["rmse"] for of in (run, goes_on))
    assert second < first
    to_shards(place / "ratings.csv", place / "again")
    code, _, err = place.run("train.py", "--ratings=again", "--init_from=run")
    assert code == 2 and "trained on other ratings" in err.splitlines()[-1]


@pytest.fixture
def copy(place, tmp_path):
    shutil.copytree(place / "converted", tmp_path / "converted")
    return tmp_path / "converted"


def test_a_missing_shard_is_named_before_training(copy):
    (copy / file_of("test", 3)).unlink()
    with pytest.raises(InputError, match=r"test-0003\.npz: no such file.*restore the file"):
        Converted.open(copy)


def test_a_damaged_shard_is_named_wherever_it_is_read(copy):
    path = copy / file_of("train", 2)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    stream = ShardStream(Converted.open(copy).part("train"), TrainingConfig(batch_size=50))
    with pytest.raises(InputError, match=r"train-0002\.npz: .*convert again"):
        list(stream.loops(1, 0))


def cut(path, place):
    path.write_bytes(path.read_bytes()[:-100])


def exchange(path, place):
    others = path.parent.parent / "others"
    to_shards(place / "ratings.csv", others)
    shutil.copy(others / path.name, path)


@pytest.mark.slow
@pytest.mark.parametrize(
    "harm, message",
    [
        (lambda path, place: path.unlink(), "no such file"),
        (cut, "no readable numpy file"),
        (exchange, "of another conversion"),
    ],
)
def test_training_on_a_broken_folder_ends_in_one_line(harm, message, copy, place):
    harm(copy / file_of("train", 2), place)
    command = [sys.executable, ROOT / "train.py", "--ratings=converted", *QUICK, "--run_dir=run"]
    done = subprocess.run(command, cwd=copy.parent, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    lines = [line for line in done.stderr.splitlines() if line.startswith("train.py: ")]
    assert len(lines) == 1 and "train-0002.npz" in lines[0] and message in lines[0]
    assert "Traceback" not in done.stderr and not (copy.parent / "run").exists()


def test_a_shard_of_another_conversion_is_named(copy, place, tmp_path):
    to_shards(place / "ratings.csv", tmp_path / "other")
    shutil.copy(tmp_path / "other" / file_of("train", 1), copy / file_of("train", 1))
    with pytest.raises(InputError, match=r"train-0001\.npz: of another conversion"):
        Converted.open(copy).columns("train", 1)
    shutil.copy(copy / file_of("train", 3), copy / file_of("train", 2))
    with pytest.raises(InputError, match=r"train-0002\.npz: not as it was converted"):
        Converted.open(copy).columns("train", 2)
    manifest = copy / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"num_items": ', '"num_items": 1'))
    with pytest.raises(InputError, match="changed since its conversion"):
        Converted.open(copy)


@pytest.mark.slow
def test_a_run_says_so_if_its_shards_are_gone_or_others(run, place, tmp_path):
    place.path.joinpath("converted").rename(place / "away")
    try:
        code, _, err = place.run("eval.py", "--run_dir=run")
        assert code == 2 and "converted, which is gone" in err
        to_shards(place / "ratings.csv", place / "converted")
        code, _, err = place.run("eval.py", "--run_dir=run")
        assert code == 2 and "another conversion" in err
    finally:
        shutil.rmtree(place / "converted", ignore_errors=True)
        place.path.joinpath("away").rename(place / "converted")

"""Run folders: what comes back, what is refused, and what happens to an earlier run."""

import dataclasses
import gc
import json
import logging
import shutil
import zlib
from pathlib import Path

import numpy as np
import pytest

from helpers import interactions
from mfrec import losses, models
from mfrec.config.settings import Config
from mfrec.data.interactions import Interactions
from mfrec.data.splits import SplitRecipe
from mfrec.errors import InputError
from mfrec.quiet_tensorflow import tf
from mfrec.runs import checkpoints
from mfrec.runs.results import Results
from mfrec.runs.run_folder import RunFolder

CONFIG = Config().replace(
    {
        **{"dataset": "toy", "seed": 4, "embedding_dim": 2, "use_bias": False},
        **{"init_stddev": 0.1, "regularization": 0.06, "bias_regularization": 0.005},
    }
)
TABLES = ("user_embedding", "item_embedding", "user_bias", "item_bias", "global_bias")
MSE = losses.get("mse")
RESULTS = Results.from_dict(
    {
        **{
            "dataset": "toy",
            "split": "all",
            "model": "mse",
            "protocol": {"test": "errors"},
            "epochs": 1,
        },
        **{"steps": 2, "parameters": 3, "metrics": {"test": {"rmse": 0.1}}, "baselines": {}},
        **{"counts": {}, "timing": {}},
    }
)


def make_split():
    train = Interactions.from_arrays(["ä", "b\t", "ä"], ["x", "y", "z"], [5, 4, 1.5])
    train = dataclasses.replace(train, items=train.items.with_labels({"x": "Kolya (1996)"}))
    validation = Interactions.from_arrays(["b\t", "new"], ["x", "y"], [2, 3])
    return SplitRecipe(train, validation).encode()


def make_model():
    model = models.build(CONFIG, MSE, (2, 3))
    model.user_bias.assign([0.25, -1])
    model.adapt(make_split().train)
    return model


@pytest.fixture
def folder(tmp_path):
    """A complete run folder."""
    (tmp_path / "run").mkdir()
    folder = RunFolder(tmp_path / "run")
    folder.save_config(CONFIG, {"num_users": 2})
    folder.save_data(make_split())
    folder.save_model(make_model(), step=7)
    folder.save_results(RESULTS)
    return folder


def test_config_and_derived_constants_come_back(folder):
    assert folder.load_config() == (CONFIG, {"num_users": 2})


def test_data_come_back_with_raw_ids_and_labels(folder):
    saved, loaded = make_split(), folder.load_data()
    for part in ("train", "validation"):
        for column in ("user_ids", "item_ids", "ratings"):
            found, expected = getattr(loaded[part], column), getattr(getattr(saved, part), column)
            assert found.dtype == expected.dtype and found.tolist() == expected.tolist()
        assert loaded[part].users == saved.train.users
        assert loaded[part].items == saved.train.items
    assert loaded["train"].users.raw_ids == ("ä", "b\t")
    assert loaded["train"].items.label(0) == "Kolya (1996)"
    assert loaded["validation"].user_ids.tolist() == [1, -1]


def test_weights_come_back_where_there_are_some(tmp_path, folder):
    assert folder.load_data()["train"].weights is None
    train = Interactions.from_arrays(["a", "b"], ["x", "y"], weights=[0.5, 3])
    folder = RunFolder(tmp_path)
    folder.save_data(SplitRecipe(train.take([0]), train.take([1])).encode())
    parts = folder.load_data()
    assert parts["train"].weights.tolist() == [0.5] and parts["validation"].weights.tolist() == [3]


def test_data_without_a_validation_part(tmp_path):
    folder = RunFolder(tmp_path)
    folder.save_data(SplitRecipe(interactions([0], [0], [1])).encode())
    assert set(folder.load_data()) == {"train"}


def test_the_model_comes_back_to_the_last_bit(folder):
    model, loaded = make_model(), folder.load_model(CONFIG, MSE, make_split().train)
    for table in (*TABLES, "rating_range"):
        assert (getattr(loaded, table).numpy() == getattr(model, table).numpy()).all()
    assert loaded.rating_range.numpy().tolist() == [1.5, 5]
    assert loaded.user_bias.numpy().tolist() == [0.25, -1]


def test_only_the_latest_model_is_kept(folder):
    model = make_model()
    for step, value in enumerate((1.0, 2.0), start=8):
        model.item_bias.assign([value] * 3)
        folder.save_model(model, step)
    assert folder.load_model(CONFIG, MSE, make_split().train).item_bias.numpy().tolist() == [
        2,
        2,
        2,
    ]
    assert len(list((folder.path / "checkpoints").glob("*.index"))) == 1


def test_new_data_discard_the_model_of_the_old(folder):
    folder.save_data(make_split())
    with pytest.raises(InputError, match="holds no checkpoint"):
        folder.load_model(CONFIG, MSE, make_split().train)


def test_results_come_back_and_nothing_half_written_stays(folder):
    assert folder.load_results() == RESULTS
    assert not list(folder.path.glob(".*"))


def test_nothing_is_pickled(folder):
    arrays = np.load(folder.path / "interactions.npz", allow_pickle=False)
    assert {f"train_{c}" for c in ("user_ids", "item_ids", "ratings")} <= set(arrays)
    assert all(arrays[name].dtype != object for name in arrays)
    assert not list(folder.path.rglob("*.pkl"))


def test_build_model_takes_every_setting():
    values = {
        "embedding_dim": 3,
        "use_bias": False,
        "init_stddev": 0.0,
        "clip_predictions": False,
    }
    model = models.build(Config().replace(values), losses.get("poisson"), (4, 5))
    assert (model.num_users, model.num_items, model.link) == (4, 5, "exp")
    for name in set(values) - {"use_bias", "init_stddev"}:
        assert getattr(model, name) == values[name]
    assert not model.user_bias.trainable and not model.user_embedding.numpy().any()
    starts = [
        models.build(CONFIG.replace({"seed": seed}), MSE, (4, 5)).user_embedding.numpy()
        for seed in (4, 5)
    ]
    assert (starts[0] != starts[1]).all()


# --------------------------------------------------------------------- what may be overwritten


def learn(folder):
    """Leaves a model, as a training does."""
    folder.save_model(make_model(), step=1)


def test_create_makes_folders_and_takes_empty_ones(tmp_path):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "a" / "b", tmp_path / "empty"):
        with RunFolder.create(path) as folder:
            assert folder.path == path and path.is_dir()
            learn(folder)
        assert folder.has_model()


def test_a_folder_that_holds_no_model_in_the_end_goes(tmp_path):
    with pytest.raises(KeyboardInterrupt), RunFolder.create(tmp_path / "run") as folder:
        folder.save_config(CONFIG, {})
        folder.save_data(make_split())
        raise KeyboardInterrupt
    (tmp_path / "empty").mkdir()
    with RunFolder.create(tmp_path / "empty"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["empty"]


def test_the_model_of_a_fold_counts(tmp_path):
    with pytest.raises(KeyboardInterrupt), RunFolder.create(tmp_path / "run") as folder:
        (folder.path / "fold-0").mkdir()
        learn(RunFolder(folder.path / "fold-0"))
        raise KeyboardInterrupt
    assert folder.has_model()


def test_create_replaces_a_run_only_when_told(folder):
    create = RunFolder.create(folder.path)
    with pytest.raises(InputError, match="exists; name another --run_dir or add --overwrite"):
        create.__enter__()
    assert folder.load_results()
    with RunFolder.create(folder.path, overwrite=True):
        assert not (folder.path / "config.json").exists() and not folder.has_model()
        learn(folder)
    assert [path.name for path in folder.path.iterdir()] == ["checkpoints"]


def test_a_run_comes_back_if_what_was_to_replace_it_never_learnt_anything(folder):
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    with pytest.raises(ZeroDivisionError), RunFolder.create(folder.path, overwrite=True):
        folder.save_config(CONFIG.replace({"seed": 5}), {})
        raise ZeroDivisionError
    after = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    assert after == before and len(before) > 5


@pytest.mark.parametrize(
    "error, raised",
    [(OSError(28, "No space left"), InputError), (KeyboardInterrupt(), KeyboardInterrupt)],
)
def test_a_run_stays_whole_if_it_cannot_be_set_aside(folder, monkeypatch, error, raised):
    before = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    rename, renamed = Path.rename, []

    def fails_at_the_third(path, target):
        renamed.append(path)
        if len(renamed) == 3:
            raise error
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", fails_at_the_third)
    with pytest.raises(raised):
        RunFolder.create(folder.path, overwrite=True).__enter__()
    after = {path: path.read_bytes() for path in folder.path.rglob("*") if path.is_file()}
    assert after == before and len(list(folder.path.iterdir())) > 5


def test_create_never_removes_what_is_no_run(tmp_path):
    (tmp_path / "thesis").mkdir()
    (tmp_path / "thesis" / "chapter1.tex").write_text("x")
    with pytest.raises(InputError, match="no run folder, so --overwrite leaves it alone"):
        RunFolder.create(tmp_path / "thesis", overwrite=True).__enter__()
    assert (tmp_path / "thesis" / "chapter1.tex").read_text() == "x"
    file = tmp_path / "file"
    file.write_text("x")
    for overwrite in (False, True):
        with pytest.raises(InputError, match=str(file)):
            RunFolder.create(file, overwrite).__enter__()
    with pytest.raises(InputError, match=f"--run_dir={file}/run: "):
        RunFolder.create(file / "run").__enter__()
    assert file.read_text() == "x"


# ------------------------------------------------------------------------------ odd names


@pytest.mark.parametrize(
    "name", ["[a]", "a*?", "back\\slash", "ü 'q\"", "-x", "two\nlines", "z" * 250]
)
def test_a_folder_may_have_any_name(tmp_path, name):
    with RunFolder.create(tmp_path / name) as folder:
        folder.save_config(CONFIG, {"num_users": 2})
        folder.save_data(make_split())
        folder.save_model(make_model(), step=6)
        folder.save_model(make_model(), step=7)
        folder.save_results(RESULTS)
    assert len(list((tmp_path / name / "checkpoints").iterdir())) == 3
    again = RunFolder(tmp_path / name)
    config, _ = again.load_config()
    train = again.load_data()["train"]
    assert again.load_model(config, MSE, train).user_bias.numpy().tolist() == [0.25, -1]
    assert again.load_trained(config, MSE, train).optimizer is None
    assert again.load_results() == RESULTS


@pytest.mark.parametrize("name", ["\udcff", "\0", "z" * 256])
def test_a_folder_that_cannot_be_made_is_told_in_a_line(tmp_path, name):
    with pytest.raises(InputError, match="--run_dir=") as error:
        RunFolder.create(tmp_path / name).__enter__()
    assert "\0" not in str(error.value) and str(error.value).encode()
    with pytest.raises(InputError, match="no run folder"):
        RunFolder(tmp_path / name).load_config()


# ------------------------------------------------------------------------------ broken folders


def load_all(folder):
    config, _ = folder.load_config()
    train = folder.load_data()["train"]
    folder.load_model(config, MSE, train)
    return folder.load_results()


def remove(path):
    path.unlink()


def fill_with_rubbish(path):
    path.write_bytes(b"\xff\xfe rubbish")


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def change(path):
    """Flips one bit in the middle."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def rename(path):
    path.write_text(path.read_text().replace("b", "B").replace("y", "Y"))


FILES = {
    "config.json": (remove, fill_with_rubbish, truncate),
    "results.json": (remove, fill_with_rubbish, truncate),
    "users.tsv": (remove, fill_with_rubbish, truncate, empty, rename),
    "items.tsv": (remove, fill_with_rubbish, truncate, empty, rename),
    "interactions.npz": (remove, fill_with_rubbish, truncate, empty),
    "checkpoints/ckpt-7.index": (remove, fill_with_rubbish, truncate, empty),
    "checkpoints/ckpt-7.data-00000-of-00001": (remove, truncate, empty, change),
    "checkpoints/checkpoint": (remove, fill_with_rubbish, empty),
}


@pytest.mark.parametrize(
    "name, damage",
    [(name, damage) for name, damages in FILES.items() for damage in damages],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_a_broken_or_missing_file_is_named(folder, name, damage):
    assert load_all(folder)
    damage(folder.path / name)
    with pytest.raises(InputError) as error:
        load_all(folder)
    message = str(error.value)
    assert "\n" not in message
    assert str(folder.path) in message
    # TensorFlow does not always tell which of a checkpoint's files it is
    place = "checkpoints" if name.startswith("checkpoints") else name
    assert place in message or "holds no checkpoint" in message


def test_an_incomplete_config_is_named(folder):
    path = folder.path / "config.json"
    content = json.loads(path.read_text())
    del content["derived"], content["digest"]
    path.write_text(json.dumps(content))
    with pytest.raises(
        InputError, match="config.json: no constants under 'derived'; restore the f"
    ):
        folder.load_config()
    content |= {"derived": {}, "training": {"epochs": 0}}
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="--epochs=0: must be at least 1"):
        folder.load_config()


def test_an_incomplete_interactions_file_is_named(folder):
    path = folder.path / "interactions.npz"
    with np.load(path) as arrays:
        content = {name: arrays[name] for name in arrays.files}

    def load_with(**changes):
        folder._write_arrays(path.name, {**content, **changes})
        return folder.load_data()

    assert set(load_with()) == {"train", "validation"}
    for changes, reason in (
        ({"train_user_ids": np.int32([0, 1])}, "train does not fit the vocabularies"),
        ({"train_user_ids": np.int32([0, 1, 2])}, "train does not fit the vocabularies"),
        ({"train_item_ids": np.int32([0, 1, -2])}, "train does not fit the vocabularies"),
        ({"train_item_ids": np.float32([0, 1, 2])}, "train does not fit the vocabularies"),
        ({"validation_ratings": np.float32([[1, 2]])}, "validation does not fit the vocabularies"),
    ):
        with pytest.raises(InputError, match=f"interactions.npz: {reason}; restore the file"):
            load_with(**changes)
    vocabularies = {name: array for name, array in content.items() if name.endswith("_digest")}
    folder._write_arrays(path.name, vocabularies)
    with pytest.raises(InputError, match="interactions.npz: holds no training part"):
        folder.load_data()
    folder._write_arrays(path.name, vocabularies | {"train_ratings": np.float32([1])})
    with pytest.raises(InputError, match="interactions.npz: holds no train_user_ids"):
        folder.load_data()


@pytest.mark.parametrize("rows", [(3, 3), (2, 2)])
def test_a_checkpoint_of_another_shape_is_named(folder, rows):
    with pytest.raises(InputError, match="ckpt-7: cannot be restored .*; restore config.json and"):
        folder.load_model(CONFIG, MSE, interactions([0], [0], [1], *rows))


def test_nothing_but_the_line_is_said_of_a_refused_checkpoint(folder):
    said = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    tf.get_logger().addHandler(handler)
    try:
        for rows in ((3, 3), (2, 2)):
            with pytest.raises(InputError, match="cannot be restored"):
                folder.load_model(CONFIG, MSE, interactions([0], [0], [1], *rows))
            gc.collect()
        tf.get_logger().warning("another")
    finally:
        tf.get_logger().removeHandler(handler)
    assert said == ["another"]


@pytest.mark.parametrize(
    "name", ["config.json", "users.tsv", "items.tsv", "interactions.npz", "results.json"]
)
@pytest.mark.parametrize("damage", [b"", b"\xff{", b"PK\x03\x04", None])
def test_files_that_are_gone_or_damaged_are_to_be_restored(folder, name, damage):
    folder.save_results(RESULTS)
    path = folder.path / name
    path.unlink() if damage is None else path.write_bytes(damage)
    again = RunFolder(folder.path)
    with pytest.raises(InputError) as error:
        again.load_config()
        again.load_data()
        again.load_results()
    expected = {
        ("results.json", None): "the run has not ended yet",
        ("config.json", None): "no run folder: no config.json; name a folder that train.py made",
    }
    assert expected.get((name, damage), "; restore the file") in str(error.value)


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
def test_a_checkpoint_of_something_else_is_named(folder):
    other = tf.train.Checkpoint(model=tf.train.Checkpoint(something_else=tf.Variable([[1.0]])))
    checkpoints.save(other, folder.path / "checkpoints", 1, folder._run)
    with pytest.raises(InputError, match="ckpt-1: cannot be restored"):
        folder.load_model(CONFIG, MSE, make_split().train)


@pytest.mark.parametrize(
    "change, reason",
    [
        ({"counts": None}, "no 'counts'; restore the file"),
        ({"metrics": []}, "'metrics' is not of the right type; restore the file"),
        ({"metrics": {"test": {"rmse": "low"}}}, "'metrics/test/rmse' is not of the right type"),
        ({"intervals": {"test": {"hr@10": [1]}}}, "'intervals/test/hr@10' is not of the right"),
        ({"timing": {"train_seconds": {}}}, "'timing/train_seconds' is not of the right type"),
        ({"std": 3, "dataset": "x"}, "'std' is not of the right type"),
    ],
)
def test_incomplete_results_are_named(folder, change, reason):
    content = RESULTS.as_dict() | change
    content = {name: value for name, value in content.items() if value is not None}
    folder._write_json("results.json", content)
    with pytest.raises(InputError, match=f"results.json: {reason}"):
        folder.load_results()


def test_what_is_no_number_is_null_and_comes_back(folder):
    nan, infinity = float("nan"), float("inf")
    results = dataclasses.replace(
        RESULTS,
        metrics={"test": {"auc": nan, "rmse": infinity, "mae": 1.0}},
        intervals={"test": {"auc": (nan, 0.5)}},
    )
    folder.save_results(results)
    content = json.loads((folder.path / "results.json").read_text())
    assert content["metrics"] == {"test": {"auc": None, "rmse": None, "mae": 1.0}}
    loaded = folder.load_results()
    found = loaded.metrics["test"]
    assert np.isnan([found["auc"], found["rmse"]]).all() and found["mae"] == 1
    assert np.isnan(loaded.intervals["test"]["auc"][0]) and loaded.std is None
    # earlier versions wrote what JSON does not have
    content["metrics"]["test"]["auc"] = nan
    del content["digest"]
    (folder.path / "results.json").write_text(json.dumps(content))
    assert np.isnan(folder.load_results().metrics["test"]["auc"])


def test_tables_that_do_not_fit_are_refused_before_they_are_made(folder, monkeypatch):
    # 5 rows of 3 float32
    monkeypatch.setattr("mfrec.memory.free_bytes", lambda: 59)
    with pytest.raises(InputError, match="--embedding_dim=2: .* 5 users and items"):
        folder.load_model(CONFIG, MSE, make_split().train)
    monkeypatch.setattr("mfrec.memory.free_bytes", lambda: 600)
    assert folder.load_model(CONFIG, MSE, make_split().train)


def test_no_run_folder(tmp_path):
    with pytest.raises(InputError, match="nowhere: no run folder: no config.json"):
        RunFolder(tmp_path / "nowhere").load_config()


# ------------------------------------------------------------------------------ digests


def flip(path, old, new):
    content = path.read_bytes()
    assert content.count(old) >= 1 and len(old) == len(new)
    path.write_bytes(content.replace(old, new))


@pytest.mark.parametrize(
    "name, old, new",
    [
        ("config.json", b'"init_stddev": 0.1', b'"init_stddev": 0.2'),
        ("config.json", b'"num_users": 2', b'"num_users": 3'),
        ("results.json", b'"rmse": 0.1', b'"rmse": 0.2'),
        ("items.tsv", b"Kolya", b"Kelya"),
        # twice in the archive: where the member stands, and in the list at its end
        ("interactions.npz", b"validation_ratings.npy", b"validatoon_ratings.npy"),
        ("interactions.npz", b"train_weights", b"train_wheight"),
        ("checkpoints/checkpoint", b"# digest", b"# digesd"),
        ("checkpoints/ckpt-7.index", b"item_bias", b"item_bios"),
    ],
)
def test_a_changed_letter_is_noticed(folder, name, old, new):
    if old == b"train_weights":
        train = dataclasses.replace(make_split().train, weights=np.ones(3, np.float32))
        folder.save_data(SplitRecipe(train).encode())
    flip(folder.path / name, old, new)
    place = name.partition("/")[0]
    with pytest.raises(InputError, match=f"{place}: (not as this run|changed since|not the raw)"):
        load_all(folder)


@pytest.mark.parametrize(
    "name", ["config.json", "results.json", "users.tsv", "interactions.npz", "checkpoints"]
)
def test_a_file_of_another_run_is_noticed(tmp_path, folder, name):
    other = RunFolder(tmp_path / "other")
    other.path.mkdir()
    other.save_config(CONFIG.replace({"seed": 3}), {"num_users": 2})
    other.save_data(make_split())
    other.save_model(make_model(), step=7)
    other.save_results(RESULTS)
    assert load_all(other)
    place = folder.path / name
    if place.is_dir():
        shutil.rmtree(place)
        shutil.copytree(other.path / name, place)
    else:
        shutil.copy(other.path / name, place)
    # the raw ids are the same
    if name != "users.tsv":
        with pytest.raises(InputError, match=str(folder.path)):
            load_all(RunFolder(folder.path))


def test_an_edited_file_is_used_once_its_digest_is_removed(folder, capsys):
    path = folder.path / "results.json"
    content = json.loads(path.read_text())
    content["dataset"] = "mine"
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match='results.json: changed .*, or remove its "digest" to'):
        folder.load_results()
    del content["digest"]
    path.write_text(json.dumps(content))
    assert folder.load_results().dataset == "mine"
    assert capsys.readouterr().err == f"{path} has no digest: it is used as it is\n"


def test_another_layout_is_no_change(folder):
    path = folder.path / "config.json"
    content = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(content.items())), indent=7))
    assert folder.load_config() == (CONFIG, {"num_users": 2})


def test_a_folder_of_an_earlier_version_is_read(folder, capsys):
    """Neither number nor digests; checksums of the raw ids."""
    for name in ("config.json", "results.json"):
        content = json.loads((folder.path / name).read_text())
        content = {key: v for key, v in content.items() if key not in ("run", "digest")}
        (folder.path / name).write_text(json.dumps(content))
    path = folder.path / "interactions.npz"
    with np.load(path) as arrays:
        columns = {key: arrays[key] for key in arrays.files if not key.endswith("_digest")}
    crc32 = {
        "users_crc32": zlib.crc32("ä\nb\t".encode()),
        "items_crc32": zlib.crc32(b"x\ny\nz"),
    }
    np.savez(path, **columns, **crc32)
    # as TensorFlow's own manager wrote it
    manager = tf.train.Checkpoint(model=make_model())
    shutil.rmtree(folder.path / "checkpoints")
    tf.train.CheckpointManager(manager, str(folder.path / "checkpoints"), 1).save(9)
    old = RunFolder(folder.path)
    assert load_all(old) == RESULTS and old.load_data()["train"].ratings.tolist() == [5, 4, 1.5]
    note = "is of an earlier version: its files have no digests to be checked by"
    assert capsys.readouterr().err == f"{folder.path} {note}\n"
    np.savez(path, **columns, **(crc32 | {"items_crc32": 1}))
    with pytest.raises(InputError, match="items.tsv: not the raw ids and labels of this run"):
        old.load_data()

"""Run folders: what comes back, what is refused, and what happens to an earlier run."""

import dataclasses
import json
import shutil
import zipfile
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
        **{"dataset": "toy", "split": "all", "model": "mse", "protocol": "errors", "epochs": 1},
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
    del content["derived"]
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="config.json: no constants under 'derived'"):
        folder.load_config()
    content |= {"derived": {}, "training": {"epochs": 0}}
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match="--epochs=0: must be at least 1"):
        folder.load_config()


def test_an_incomplete_interactions_file_is_named(folder):
    path = folder.path / "interactions.npz"
    shutil.copy(path, folder.path / "backup.npz")
    with zipfile.ZipFile(path, "w"):
        pass
    with pytest.raises(InputError, match="interactions.npz: cannot be read .*users_crc32"):
        folder.load_data()
    with np.load(folder.path / "backup.npz") as arrays:
        checksums = {name: arrays[name] for name in ("users_crc32", "items_crc32")}
    np.savez(path, **checksums)
    with pytest.raises(InputError, match="interactions.npz: holds no training part"):
        folder.load_data()
    np.savez(path, **checksums, train_ratings=np.float32([1]))
    with pytest.raises(InputError, match="interactions.npz: cannot be read .*train_user_ids"):
        folder.load_data()


@pytest.mark.parametrize("rows", [(3, 3), (2, 2)])
def test_a_checkpoint_of_another_shape_is_named(folder, rows):
    with pytest.raises(InputError, match="ckpt-7: cannot be restored"):
        folder.load_model(CONFIG, MSE, interactions([0], [0], [1], *rows))


@pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
def test_a_checkpoint_of_something_else_is_named(folder):
    other = tf.train.Checkpoint(model=tf.train.Checkpoint(something_else=tf.Variable([[1.0]])))
    tf.train.CheckpointManager(other, str(folder.path / "checkpoints"), 1).save()
    with pytest.raises(InputError, match="ckpt-1: cannot be restored"):
        folder.load_model(CONFIG, MSE, make_split().train)


def test_incomplete_results_are_named(folder):
    path = folder.path / "results.json"
    for content in (
        "[]",
        json.dumps({k: v for k, v in RESULTS.as_dict().items() if k != "counts"}),
    ):
        path.write_text(content)
        with pytest.raises(InputError, match="results.json: no '.*'; the file is incomplete"):
            folder.load_results()


def test_tables_that_do_not_fit_are_refused_before_they_are_made(folder, monkeypatch):
    # 5 rows of 3 float32
    monkeypatch.setattr("mfrec.memory.free_bytes", lambda: 59)
    with pytest.raises(InputError, match="--embedding_dim=2: 5 users and items need"):
        folder.load_model(CONFIG, MSE, make_split().train)
    monkeypatch.setattr("mfrec.memory.free_bytes", lambda: 60)
    assert folder.load_model(CONFIG, MSE, make_split().train)


def test_no_run_folder(tmp_path):
    with pytest.raises(InputError, match="nowhere: no run folder: no config.json"):
        RunFolder(tmp_path / "nowhere").load_config()

"""Settings: precedence, checks, config files, and defaults from the data."""

import dataclasses
import json

import pytest

from mfrec.config.defaults import Statistics, adapt
from mfrec.config.parsing import parse_arguments, parse_cutoffs
from mfrec.config.presets import PRESETS
from mfrec.config.resolution import read_settings, resolve
from mfrec.config.settings import Config, DataConfig, python_type, settings
from mfrec.errors import InputError


def write(path, content):
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return str(path)


@pytest.fixture
def preset(monkeypatch):
    """The name of a recipe made for these tests."""
    recipe = {"dataset": "toy", "embedding_dim": 7, "batch_size": 11, "seed": 1}
    monkeypatch.setitem(PRESETS, "tested", recipe)
    return "tested"


def test_flag_beats_config_file_beats_preset_beats_default(preset, tmp_path):
    file = write(tmp_path / "c.json", {"model": {"embedding_dim": 5}, "training": {"seed": 2}})
    default = resolve({})
    assert (default.model.embedding_dim, default.training.seed) != (7, 1)
    assert default == Config()

    of_preset = resolve({}, preset)
    assert (of_preset.model.embedding_dim, of_preset.training.seed) == (7, 1)
    assert of_preset.loss == default.loss

    of_file = resolve({}, preset, file)
    assert (of_file.model.embedding_dim, of_file.training.seed) == (5, 2)
    assert of_file.training.batch_size == 11

    of_flag = resolve({"seed": 3}, preset, file)
    assert (of_flag.model.embedding_dim, of_flag.training.seed) == (5, 3)
    assert of_flag.training.batch_size == 11


def test_every_preset_can_be_resolved():
    for name, recipe in PRESETS.items():
        flat = {k: v for part in resolve({}, name).as_dict().values() for k, v in part.items()}
        assert {key: flat[key] for key in recipe} == recipe


def test_unknown_preset_suggests():
    with pytest.raises(InputError, match="unknown preset 'movielens-100'; did you mean .*-100k"):
        resolve({}, "movielens-100")


@pytest.mark.parametrize("flag", ["ratings", "train_ratings"])
def test_own_ratings_replace_the_data_set_of_the_preset(preset, flag):
    config = resolve({flag: "mine.csv"}, preset)
    assert config.data.dataset is None
    assert config.model.embedding_dim == 7


def test_a_named_data_set_replaces_the_files_of_the_config(tmp_path):
    data = {"train_ratings": "/a", "validation_ratings": "/b", "test_ratings": "/c"}
    file = write(tmp_path / "config.json", {"data": data})
    assert resolve({}, None, file).data.validation_ratings == "/b"
    data = resolve({"dataset": "toy"}, None, file).data
    assert (data.dataset, data.train_ratings, data.test_ratings) == ("toy", None, None)
    # own ratings replace other own ratings, too
    data = resolve({"ratings": "/d"}, None, file).data
    assert (data.ratings, data.train_ratings, data.validation_ratings) == ("/d", None, None)


def test_another_set_drops_what_was_said_about_files(tmp_path):
    data = {"ratings": "/a", "user_column": "who", "delimiter": "tab", "item_labels": "/b"}
    data |= {"ratings_format": "table", "weight_column": "n"}
    others = {"positives": {"weight_transform": "log1p"}, "evaluation": {"candidates": "/c"}}
    file = write(tmp_path / "config.json", {"data": data} | others)
    toy = resolve({"dataset": "toy"}, None, file)
    assert toy.data == DataConfig(dataset="toy")
    assert (toy.positives, toy.evaluation) == (Config().positives, Config().evaluation)
    # another file has its own labels, but perhaps the same columns
    other = resolve({"ratings": "/c"}, None, file).data
    assert (other.item_labels, other.user_column, other.delimiter) == (None, "who", "tab")


def test_a_set_takes_its_own_split_with_it(tmp_path):
    own = write(tmp_path / "own.json", {"data": {"dataset": "gowalla"}, "split": {"split": "u1"}})
    common = write(tmp_path / "common.json", {"split": {"split": "temporal"}})
    assert resolve({}, None, own).split.split == "u1"
    for flag in ("dataset", "ratings", "train_ratings"):
        assert resolve({flag: "toy"}, None, own).split.split is None
        kept = resolve({flag: "toy"}, None, common, splits=("temporal",))
        assert kept.split.split == "temporal"
    assert resolve({"dataset": "toy", "split": "u2"}, None, own).split.split == "u2"


def test_paths_become_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    data = resolve({"ratings": "r.csv", "data_dir": "d", "item_labels": "i"}).data
    assert (data.ratings, data.data_dir) == (str(tmp_path / "r.csv"), str(tmp_path / "d"))
    assert data.item_labels == str(tmp_path / "i")
    assert resolve({"candidates": "c"}).evaluation.candidates == str(tmp_path / "c")
    assert resolve({"candidates": "none"}).evaluation.candidates == "none"
    assert resolve({"loss": "mine.py:f"}).loss.loss == f"{tmp_path / 'mine.py'}:f"
    assert resolve({"loss": "package.module:f"}).loss.loss == "package.module:f"


@pytest.mark.parametrize(
    "name, value, message",
    [
        ("embedding_dim", 0, "--embedding_dim=0: must be at least 1"),
        ("embedding_dim", 1.5, "--embedding_dim=1.5: not of type int"),
        ("embedding_dim", True, "--embedding_dim=True: not of type int"),
        ("embedding_dim", None, "--embedding_dim needs a value"),
        ("learning_rate", 0.0, "--learning_rate=0.0: must be above 0"),
        ("learning_rate", float("nan"), "--learning_rate=nan: must be a finite number"),
        ("regularization", -1e-9, "--regularization=-1e-09: must be at least 0"),
        ("regularization", "much", "--regularization=much: not of type float"),
        ("frequency_exponent", 1.01, "--frequency_exponent=1.01: must be at most 1"),
        ("test_fraction", 1.0, "--test_fraction=1.0: must be below 1"),
        ("fold", -1, "--fold=-1: must be at least 0"),
        ("num_folds", 1, "--num_folds=1: must be at least 2"),
        ("learning_rate", 1e39, "--learning_rate=1e+39: must be at most 3.4e+38"),
        ("epochs", 2**31, "--epochs=2147483648: must be at most 2147483647"),
        ("ratings_format", "tabel", "--ratings_format=tabel: unknown; did you mean table"),
        ("learning_rate_schedule", "zigzag", "unknown; there are: constant, exponential, cosine"),
        ("use_bias", 1, "--use_bias=1: not of type bool"),
        ("embeding_dim", 3, "unknown setting 'embeding_dim'; did you mean embedding_dim"),
    ],
)
def test_refuses_what_no_setting_can_be(name, value, message):
    with pytest.raises(InputError) as error:
        Config().replace({name: value})
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_accepts_what_stands_on_a_bound():
    values = {"embedding_dim": 1, "regularization": 0, "frequency_exponent": 1, "test_fraction": 0}
    config = Config().replace(values)
    assert config.model.embedding_dim == 1
    assert (config.regularizer.regularization, config.regularizer.frequency_exponent) == (0, 1)


def test_replace_leaves_the_original_and_the_other_settings_alone():
    before = Config()
    after = before.replace({"seed": 5, "embedding_dim": 3})
    assert before == Config()
    assert (
        after.replace({"seed": before.training.seed, "embedding_dim": before.model.embedding_dim})
        == before
    )
    with pytest.raises(dataclasses.FrozenInstanceError):
        after.training.seed = 6


def test_every_setting_has_one_flat_name_a_type_and_a_help_text():
    names = [setting.name for _, setting in settings()]
    assert len(names) == len(set(names)) > 20
    for _, setting in settings():
        assert python_type(setting) in (str, int, float, bool)
        assert setting.metadata["help"]
    # the defaults pass their own checks
    assert Config().replace({}) == Config()


def test_config_json_brings_the_same_settings_back(tmp_path):
    config = Config().replace({"seed": 4, "loss_args": "delta=2", "use_bias": False, "fold": 1})
    file = write(tmp_path / "config.json", config.as_dict() | {"derived": {"num_users": 3}})
    assert resolve({}, None, file) == config


@pytest.mark.parametrize(
    "content, message",
    [
        ("{", "not JSON"),
        ("[1]", "no JSON object"),
        ({"models": {}}, "no settings found"),
        ({"model": 3}, "'model' is no object of settings"),
        (None, "no such file; check the path"),
    ],
)
def test_a_config_file_that_is_none_is_named(tmp_path, content, message):
    path = tmp_path / "config.json"
    if content is not None:
        write(path, content)
    with pytest.raises(InputError) as error:
        read_settings(str(path))
    assert str(error.value).startswith(f"{path}: ") and message in str(error.value)


def test_a_config_file_with_a_number_for_a_path_is_refused(tmp_path):
    file = write(tmp_path / "config.json", {"data": {"ratings": 3}})
    with pytest.raises(InputError, match="--ratings=3: not of type str"):
        resolve({}, None, file)


def test_a_config_file_with_an_unknown_setting_is_refused(tmp_path):
    file = write(tmp_path / "config.json", {"model": {"embedding_dims": 3}})
    with pytest.raises(InputError, match="'embedding_dims'; did you mean embedding_dim"):
        resolve({}, None, file)


def test_parses_loss_arguments():
    assert parse_arguments("", "loss_args") == {}
    # as Python writes them
    assert parse_arguments("a=True,b=False,c=None", "loss_args") == {
        "a": True,
        "b": False,
        "c": None,
    }
    parsed = parse_arguments("margin=0.9, steps=3,fast=true,name=x=y,", "loss_args")
    assert parsed == {"margin": 0.9, "steps": 3, "fast": True, "name": "x=y"}
    assert type(parsed["steps"]) is int


@pytest.mark.parametrize("text", ["margin", "=3", "margin=", "a b=1", "x=1,y"])
def test_refuses_loss_arguments_without_name_or_value(text):
    with pytest.raises(InputError, match="'.*' is not name=value"):
        parse_arguments(text, "loss_args")


@pytest.mark.parametrize("value", ["nan", "NaN", "-inf", "Infinity", "1e999"])
def test_refuses_loss_arguments_that_are_not_finite(value):
    with pytest.raises(InputError, match=f"'delta={value}': must be a finite number"):
        parse_arguments(f"delta={value}", "loss_args")


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("a=[1]", "a value is a number, a word, true, false or None"),
        ("a=" + 100_000 * "[", "a value is a number, a word, true, false or None"),
        ('a={"b":1}', "a value is a number, a word, true, false or None"),
        ("a=1" + 400 * "0", "must be a finite number"),
        ("a=" + 5_000 * "9", "must be a finite number"),
        ("a=1" + 100 * "0", "float32 holds no number of this size"),
        ("a=1e39", "float32 holds no number of this size"),
        ("a=1e-46", "float32 holds no number of this size"),
        ("a=1,b=2,a=1", "a is given twice"),
    ],
)
def test_odd_arguments_are_one_line_wherever_settings_come_from(text, complaint):
    for name in ("loss_args", "model_args", "sampler_args", "optimizer_args"):
        with pytest.raises(InputError, match=f"^--{name}: .*{complaint}") as error:
            Config().replace({name: text})
        assert "\n" not in str(error.value)


def test_large_whole_numbers_are_floats():
    value = parse_arguments("a=3000000000", "loss_args")["a"]
    assert (value, type(value)) == (3e9, float)


@pytest.mark.parametrize("text", ["1000001", "0", "-1", "1.5", 5_000 * "9", "²", "1e3"])
def test_cutoffs_are_whole_numbers_of_int32(text):
    with pytest.raises(InputError, match="is no whole number from 1 to 1,000,000"):
        Config().replace({"cutoffs": f"5,{text}"})


@pytest.mark.parametrize("value", [10**9, 10**30, -1, 0])
def test_epochs_of_absurd_number(value):
    with pytest.raises(InputError, match=f"--epochs={value}: must be at"):
        Config().replace({"epochs": value})


def test_parses_cutoffs_in_ascending_order():
    assert parse_cutoffs("20, 5,20") == (5, 20)
    with pytest.raises(InputError, match="--cutoffs=5,0: '0' is no whole number from 1"):
        parse_cutoffs("5,0")


def test_adapt_fills_every_gap_and_changes_nothing_that_was_given():
    data = Statistics(80_000, num_users=900, num_items=1_600, gradient=2.2, spread=1.1, noise=4.0)
    adapted = adapt(Config(), data)
    for section in (adapted.model, adapted.regularizer, adapted.optimizer, adapted.training):
        empty = {k for k, v in dataclasses.asdict(section).items() if v is None}
        assert empty <= {"clip_norm", "init_from"}
    # λ = 0.57 · 2.2 / (80,000 / √(900 · 1,600))^0.6; λ_b: 4^1.5 / 4 = 2 ratings of curvature 2
    row_ratings = 80_000 / 1_200
    assert adapted.regularizer.regularization == pytest.approx(1.254 / row_ratings**0.6, rel=5e-3)
    assert adapted.regularizer.bias_regularization == pytest.approx(2 / row_ratings, rel=5e-3)
    given = {"regularization": 0.5, "bias_regularization": 0.25, "learning_rate": 0.125}
    given |= {"use_bias": False, "normalize": False, "frequency_exponent": 0.25, "cutoffs": "5"}
    given |= {
        "positives_per_row": 1,
        "eval_metric": "mae",
        "batch_size": 17,
        "epochs": 3,
        "init_stddev": 0.75,
        "optimizer_args": "beta_1=0.5",
    }
    config = Config().replace(given)
    assert adapt(config, data) == config
    # what adapt chooses passes the checks of a flag
    assert adapted.replace({}) == adapted


def test_another_optimizer_does_not_inherit_the_arguments_of_the_presets():
    inherited = resolve({}, preset="movielens-1m").optimizer
    assert inherited.optimizer == "adam" and inherited.optimizer_args is not None
    assert resolve({"optimizer": "adam"}, preset="movielens-1m").optimizer == inherited
    assert resolve({"optimizer": "sgd"}, preset="movielens-1m").optimizer.optimizer_args is None


def test_the_exponent_of_older_runs_becomes_the_samplers_argument(tmp_path):
    def read(**sampler):
        (tmp_path / "config.json").write_text(json.dumps({"sampler": sampler}))
        return Config().replace(read_settings(tmp_path / "config.json")).sampler

    found = read(negative_sampler="popularity", popularity_exponent=0.5)
    assert (found.negative_sampler, found.sampler_args) == ("popularity", "exponent=0.5")
    assert read(negative_sampler="popularity", popularity_exponent=0.75).sampler_args == ""
    assert read(negative_sampler="uniform", popularity_exponent=0.5).sampler_args == ""


@pytest.mark.parametrize("name", ["learning_rate", "regularization", "clip_norm", "init_stddev"])
def test_numbers_that_float32_makes_0_of_are_refused(name):
    with pytest.raises(
        InputError, match=f"--{name}=1e-300: float32 makes 0 of it; give 0, or more"
    ):
        Config().replace({name: 1e-300})
    Config().replace({name: 1e-30})


def test_an_empty_text_unsets_what_a_file_sets_and_is_refused_where_it_unsets_nothing(tmp_path):
    for name in ("ratings", "dataset", "loss", "split", "eval_metric", "data_dir"):
        with pytest.raises(InputError, match=f"^--{name}=: empty; give a value, or leave it out$"):
            resolve({name: ""})
    file = write(tmp_path / "config.json", {"data": {"item_labels": "titles.csv"}})
    assert not resolve({"item_labels": ""}, None, file).data.item_labels
    assert resolve({"cutoffs": "", "loss_args": ""}).evaluation.cutoffs == ""

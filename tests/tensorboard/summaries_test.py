"""Event files: scalars, histograms, pictures and settings, by level of detail."""

import json

import numpy as np
import pytest
from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
from tensorboard.context import RequestContext
from tensorboard.plugins.base_plugin import TBContext
from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups
from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin
from werkzeug.test import Client

import helpers
from helpers import read_scalars, read_summaries
from mfrec.config.settings import Config, python_type, settings
from mfrec.data.splits import Split
from mfrec.models.matrix_factorization import MatrixFactorization
from mfrec.tensorboard.summaries import Summaries
from mfrec.training.history import EpochLog


def log(step, loss, validation, epochs=3, is_best=True):
    train = {"loss": loss, "regularization": 0.5, "learning_rate": 0.25}
    return EpochLog(step // 10, epochs, step, train, validation, is_best, 1.0)


@pytest.fixture
def model():
    """Two users, three items; predictions are 3 + b_u + b_i + <p_u, q_i>, not clipped."""
    model = MatrixFactorization(2, 3, 2, clip_predictions=False)
    model.global_bias.assign(3)
    model.user_embedding.assign([[3, 4], [0, 0]])
    model.item_embedding.assign([[0.5, 0], [0, 0], [0, -1]])
    model.user_bias.assign([0, 1])
    return model


def test_scalars_come_back_from_the_event_files(tmp_path, model):
    with Summaries(tmp_path) as summaries:
        summaries.epoch(log(10, 2.0, {"rmse": 0.75, "mae": 0.5}), model)
        summaries.epoch(log(20, 1.0, {}), model)
        summaries.epoch(log(10, 4.0, {}), model, refit=True)
        # readable while the run goes on
        assert read_scalars(tmp_path / "train")["loss"] == {10: 2.0, 20: 1.0}
        split = Split(helpers.interactions([0], [0], [3]), None, None, {}, {})
        summaries.end(model, split, {"rmse": 0.875}, 20)
    assert read_scalars(tmp_path / "train") == {
        "loss": {10: 2.0, 20: 1.0},
        "regularization": {10: 0.5, 20: 0.5},
        "learning_rate": {10: 0.25, 20: 0.25},
        "norm/user_embedding": {10: 2.5, 20: 2.5},
        "norm/item_embedding": {10: 0.5, 20: 0.5},
    }
    assert read_scalars(tmp_path / "validation") == {"rmse": {10: 0.75}, "mae": {10: 0.5}}
    assert read_scalars(tmp_path / "refit")["loss"] == {10: 4.0}
    assert read_scalars(tmp_path / "test") == {"rmse": {20: 0.875}}
    assert len(list((tmp_path / "train").iterdir())) == 1
    assert summaries.seconds > 0


def test_what_stands_for_the_run_is_its_best_epoch(tmp_path, model):
    with Summaries(tmp_path) as summaries:
        summaries.epoch(log(10, 2.0, {"rmse": 0.75}), model)
        summaries.epoch(log(20, 1.0, {"rmse": 0.875}, is_best=False), model)
    assert read_scalars(tmp_path / "validation") == {"rmse": {10: 0.75, 20: 0.875}}
    assert read_scalars(tmp_path / "summary") == {"validation/rmse": {10: 0.75}}


def test_nothing_measured_leaves_no_file(tmp_path, model):
    with Summaries(tmp_path) as summaries:
        summaries.epoch(log(10, 2.0, {}), model)
    assert [path.name for path in tmp_path.iterdir()] == ["train"]


def test_off_leaves_no_file_at_all(tmp_path, model):
    with Summaries(tmp_path, "off") as summaries:
        summaries.settings(Config(), {})
        summaries.epoch(log(10, 2.0, {"rmse": 0.75}), model)
        summaries.end(model, None, {"rmse": 0.75}, 10)
    assert list(tmp_path.iterdir()) == [] and summaries.seconds == 0


def parts():
    """A split whose validation and test parts have two ratings each."""
    train = helpers.interactions([0, 0, 1], [0, 1, 0], [4, 3, 4], 2, 3)
    held_out = helpers.interactions([0, 1], [0, 2], [4, 5], 2, 3)
    return Split(train, held_out, held_out, {}, {})


# ŷ = 3 + <(3, 4), (0.5, 0)> = 4.5 and 3 + 1 + 0 = 4, where the ratings are 4 and 5
ERRORS = [0.5, -1.0]


def test_histograms_at_full(tmp_path, model):
    split = parts()
    with Summaries(tmp_path, "full") as summaries:
        summaries.epoch(log(10, 2.0, {"rmse": 0.75}), model, split.validation)
        summaries.end(model, split, {"rmse": 0.75}, 10)
    found = read_summaries(tmp_path / "train", "histograms")
    assert set(found) == {"user_embedding", "item_embedding", "user_bias", "item_bias"}
    left, right, counts = found["user_embedding"][10].T
    # 0, 0, 3 and 4 in 30 bins from 0 to 4
    assert (left[0], right[-1]) == (0, 4) and np.allclose(left[1:], right[:-1])
    assert counts.sum() == 4 and (counts[0], counts[22], counts[29]) == (2, 1, 1)
    for part in ("validation", "test"):
        left, right, counts = read_summaries(tmp_path / part, "histograms")["prediction_error"][
            10
        ].T
        assert (left[0], right[-1]) == (min(ERRORS), max(ERRORS))
        assert counts.sum() == 2 and (counts[0], counts[-1]) == (1, 1)


@pytest.mark.parametrize(
    "epochs, written", [(3, 3), (10, 10), (20, 11), (25, 10), (1000, 11)], ids=str
)
def test_some_ten_histograms_a_run(tmp_path, model, epochs, written):
    with Summaries(tmp_path, "full") as summaries:
        for epoch in range(1, epochs + 1):
            summaries.epoch(log(10 * epoch, 2.0, {}, epochs), model)
    steps = sorted(read_summaries(tmp_path / "train", "histograms")["item_bias"])
    assert len(steps) == written and (steps[0], steps[-1]) == (10, 10 * epochs)


def test_calibration_is_a_picture_of_each_held_out_part(tmp_path, model):
    with Summaries(tmp_path, "full") as summaries:
        summaries.end(model, parts(), {"rmse": 1.0}, 10)
    for part in ("validation", "test"):
        width, height, png = read_summaries(tmp_path / part, "images")["calibration"][10]
        assert (width, height) == (b"420", b"420") and png[:4] == b"\x89PNG"


def test_basic_has_scalars_and_settings_only(tmp_path, model):
    split = parts()
    with Summaries(tmp_path) as summaries:
        summaries.settings(Config(), {})
        summaries.epoch(log(10, 2.0, {"rmse": 0.75}), model, split.validation)
        summaries.end(model, split, {"rmse": 0.75}, 10)
    for part in ("train", "validation", "test", "summary"):
        assert [path.name[:6] for path in (tmp_path / part).iterdir()] == ["events"]
        for plugin in ("histograms", "images"):
            assert not read_summaries(tmp_path / part, plugin)


def test_all_settings_as_a_table_that_says_where_they_come_from(tmp_path):
    config = Config().replace({"embedding_dim": 7, "loss": "a|b", "batch_size": 512})
    with Summaries(tmp_path) as summaries:
        summaries.settings(config, {"batch_size": 512})
    text = read_summaries(tmp_path / "summary", "text")["settings"][0].item().decode()
    lines = text.splitlines()
    assert len(lines) == 2 + len(list(settings()))
    for line in (
        "| embedding_dim | 7 | given |",
        "| loss | a\\|b | given |",
        "| batch_size | 512 | the data |",
        "| learning_rate_schedule | cosine | default |",
        "| clip_norm | none | default |",
    ):
        assert line in lines


def three_runs(folder, model):
    """Runs of different settings, but for the last two, which differ in their results alone."""
    runs = {
        "a": ({"embedding_dim": 10, "clip_norm": 1.0}, 0.75),
        "b": ({"embedding_dim": 20}, 0.5),
        "c": ({"embedding_dim": 20}, 0.625),
    }
    for name, (changes, rmse) in runs.items():
        with Summaries(folder / name, "full") as summaries:
            summaries.settings(Config().replace(changes), {})
            summaries.epoch(log(10, 2.0, {"rmse": rmse / 2}), model, parts().validation)
            summaries.epoch(log(20, 1.0, {"rmse": 7.0}, is_best=False), model, parts().validation)
            summaries.end(model, parts(), {"rmse": rmse}, 20)


def tensorboard(logdir):
    """TensorBoard's own view of a folder."""
    multiplexer = EventMultiplexer()
    multiplexer.AddRunsFromDirectory(str(logdir))
    multiplexer.Reload()
    provider = MultiplexerDataProvider(multiplexer, str(logdir))
    return TBContext(data_provider=provider, logdir=str(logdir))


def hparams_rows(logdir):
    """The rows of the HParams tab: name -> settings, metrics, status."""
    backend = backend_context.Context(tensorboard(logdir))
    statuses = [api_pb2.STATUS_SUCCESS, api_pb2.STATUS_FAILURE, api_pb2.STATUS_UNKNOWN]
    request = api_pb2.ListSessionGroupsRequest(
        start_index=0, slice_size=100, allowed_statuses=statuses
    )
    handler = list_session_groups.Handler(RequestContext(), backend, "", request)
    return {
        group.name: (
            {name: value for name, value in group.hparams.items()},
            {
                "/".join(filter(None, (value.name.group, value.name.tag))): value.value
                for value in group.metric_values
            },
            group.sessions[0].status,
        )
        for group in handler.run().session_groups
    }


def test_a_run_is_one_row_of_hparams_with_its_own_metrics(tmp_path, model):
    three_runs(tmp_path, model)
    rows = hparams_rows(tmp_path)
    assert set(rows) == {"a/summary", "b/summary", "c/summary"}
    for name, dim, clip, rmse in (
        ("a/summary", 10, 1.0, 0.75),
        ("b/summary", 20, None, 0.5),
        ("c/summary", 20, None, 0.625),
    ):
        hparams, metrics, status = rows[name]
        assert hparams["embedding_dim"].number_value == dim
        # a number that is not set is no text in a column of numbers
        assert (hparams["clip_norm"].number_value if "clip_norm" in hparams else None) == clip
        assert hparams["dataset"].string_value == "none"
        # the best validation error, not the last
        assert metrics == {"test/rmse": rmse, "validation/rmse": rmse / 2}
        assert status == api_pb2.STATUS_SUCCESS
    # and the same from the folder of a single run
    assert hparams_rows(tmp_path / "b")["summary"][1] == rows["b/summary"][1]


def test_a_column_of_hparams_has_one_type_in_all_runs(tmp_path):
    changed = {"clip_norm": 1.0, "fold": 2, "use_bias": True, "dataset": "x\u202e", "cutoffs": "5"}
    for name, config in (("a", Config()), ("b", Config().replace(changed))):
        with Summaries(tmp_path / name) as summaries:
            summaries.settings(config, {})
    kinds = {}
    for hparams, _, _ in hparams_rows(tmp_path).values():
        for name, value in hparams.items():
            kinds.setdefault(name, set()).add(value.WhichOneof("kind"))
    of_type = {str: "string_value", int: "number_value", float: "number_value", bool: "bool_value"}
    for _, setting in settings():
        assert kinds.get(setting.name, set()) <= {of_type[python_type(setting)]}
    assert {"clip_norm", "fold", "use_bias", "learning_rate", "cutoffs"} - set(kinds) == {
        "learning_rate"
    }
    assert hparams_rows(tmp_path)["b/summary"][0]["dataset"].string_value == r"x\u202e"


def test_a_run_that_failed_says_so(tmp_path, model):
    with pytest.raises(KeyboardInterrupt), Summaries(tmp_path / "a") as summaries:
        summaries.settings(Config(), {})
        summaries.epoch(log(10, 2.0, {"rmse": 0.5}), model)
        raise KeyboardInterrupt
    _, metrics, status = hparams_rows(tmp_path)["a/summary"]
    assert metrics == {"validation/rmse": 0.5} and status == api_pb2.STATUS_FAILURE


def test_the_projector_finds_its_files_below_all_runs_and_in_one(tmp_path, model):
    three_runs(tmp_path, model)
    for logdir, run in ((tmp_path, "b/summary"), (tmp_path / "b", "summary")):
        apps = ProjectorPlugin(tensorboard(logdir)).get_plugin_apps()

        def ask(route, apps=apps, run=run):
            answer = Client(apps[route]).get(f"{route}?run={run}&name=item_embedding")
            assert answer.status_code == 200
            return answer.get_data()

        assert run in json.loads(ask("/runs"))
        (embedding,) = json.loads(ask("/info"))["embeddings"]
        assert embedding["tensorName"] == "item_embedding"
        # two of the three items have training ratings
        assert embedding["tensorShape"] == [2, 2]
        tensor = np.frombuffer(ask("/tensor"), np.float32).reshape(2, 2)
        assert tensor.tolist() == [[0.5, 0], [0, 0]]
        assert ask("/metadata").decode().splitlines()[1].startswith("i0\t")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two trainings through the script, of levels "off" and "full"."""
    folder = tmp_path_factory.mktemp("trained")
    for level in ("off", "full"):
        flags = ["--dataset=toy", "--epochs=2", f"--tensorboard={level}", f"--run_dir={level}"]
        code, _, err = helpers.run_script(folder, "train.py", *flags)
        assert code == 0, err
    return folder


def test_levels_of_a_whole_run(trained):
    assert not list(trained.glob("off/**/events.out*")) and list(trained.glob("off/*.json"))
    names = {
        path.relative_to(trained / "full").parts[0] for path in trained.glob("full/**/events*")
    }
    assert {"train", "test", "summary"} <= names
    assert len(read_scalars(trained / "full" / "train")["gradient_norm"]) == 2
    results = [json.loads((trained / run / "results.json").read_text()) for run in ("off", "full")]
    off, full = (result["timing"]["summary_seconds"] for result in results)
    assert off == 0 < full
    # watching changes nothing
    assert results[0]["metrics"] == results[1]["metrics"]
    final = read_scalars(trained / "full" / "summary")
    for part, metrics in results[1]["metrics"].items():
        for name, value in metrics.items():
            assert list(final[f"{part}/{name}"].values())[-1] == pytest.approx(value, rel=1e-6)


def test_chosen_settings_are_marked(trained):
    text = read_summaries(trained / "full" / "summary", "text")["settings"][0].item().decode()
    assert "| epochs | 2 | given |" in text
    (line,) = (line for line in text.splitlines() if line.startswith("| regularization |"))
    config = json.loads((trained / "full" / "config.json").read_text())
    assert line == f"| regularization | {config['regularizer']['regularization']} | the data |"

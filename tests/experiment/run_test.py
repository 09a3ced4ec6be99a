"""One experiment: what it measures, what it writes, and what it refuses before it writes."""

import numpy as np
import pytest

from mfrec import losses
from mfrec.config.settings import Config
from mfrec.data.loading import Source
from mfrec.errors import InputError
from mfrec.experiment.run import default_run_dir, run
from mfrec.runs.run_folder import RunFolder
from mfrec.stopwatch import Stopwatch


@pytest.fixture(scope="module")
def trained(config, source, tmp_path_factory):
    """The results of one run, and its folder."""
    run_dir = tmp_path_factory.mktemp("run") / "run"
    return run(config, source, run_dir, Stopwatch()), RunFolder(run_dir)


def rmse(predictions, ratings):
    return np.sqrt(np.mean((predictions - ratings) ** 2))


def test_the_results_are_those_of_the_folder(trained):
    results, folder = trained
    assert results == folder.load_results()
    assert results.dataset == "ratings" and results.model == "mse d=2"
    # 240 of 300 ratings in batches of 100 are three steps an epoch
    assert (results.counts["train"], results.steps) == (240, 3 * 3)
    assert results.parameters == (20 + 18) * (2 + 1)


def test_metrics_and_baselines_against_numpy(trained, rows):
    results, folder = trained
    parts = folder.load_data()
    train, validation = parts["train"], parts["validation"]
    tables = {v.name: v.numpy() for v in load_model(folder).trainable_variables}
    p, q, b_u, b_i = (
        tables[name] for name in ("user_embedding", "item_embedding", "user_bias", "item_bias")
    )

    def predicted(user_ids, item_ids):
        scores = train.ratings.mean(dtype=np.float64) + b_u[user_ids] + b_i[item_ids]
        scores = scores + (p[user_ids] * q[item_ids]).sum(axis=1)
        return np.clip(scores, train.ratings.min(), train.ratings.max())

    expected = rmse(predicted(validation.user_ids, validation.item_ids), validation.ratings)
    assert results.metrics["validation"]["rmse"] == pytest.approx(expected, rel=1e-5)
    # what stands in neither part is the test part
    raw = {
        (part.users.raw_ids[u], part.items.raw_ids[i])
        for part in parts.values()
        for u, i in zip(part.user_ids, part.item_ids, strict=True)
    }
    test = [(u, i, r) for u, i, r in rows if (u, i) not in raw]
    user_ids = train.users.lookup([u for u, _, _ in test])
    item_ids = train.items.lookup([i for _, i, _ in test])
    ratings = np.array([r for *_, r in test])
    assert len(test) == results.counts["test"] == 30 and min(user_ids) >= 0 <= min(item_ids)
    expected = rmse(predicted(user_ids, item_ids), ratings)
    assert results.metrics["test"]["rmse"] == pytest.approx(expected, rel=1e-5)
    expected = rmse(train.ratings.mean(dtype=np.float64), ratings)
    assert results.baselines["global_mean"]["rmse"] == pytest.approx(expected, rel=1e-5)


def load_model(folder):
    config, _ = folder.load_config()
    return folder.load_model(config, losses.get(config.loss.loss), folder.load_data()["train"])


def test_a_refit_learns_from_the_validation_part_too(trained, config, source, tmp_path):
    refit = run(config.replace({"refit": True}), source, tmp_path / "run", Stopwatch())
    once, folder = trained
    assert refit.metrics["validation"] == once.metrics["validation"]
    assert refit.epochs == once.epochs and refit.held_out == once.held_out
    assert refit.counts["train"] == 240 + 30
    ratings = np.concatenate([part.ratings for part in folder.load_data().values()])
    _, derived = RunFolder(tmp_path / "run").load_config()
    assert derived["global_mean"] == pytest.approx(ratings.mean(dtype=np.float64))


def test_config_json_alone_repeats_the_run(trained, source, tmp_path):
    results, folder = trained
    config, _ = folder.load_config()
    again = run(config, source, tmp_path / "run", Stopwatch())
    for name in ("metrics", "baselines", "counts", "held_out", "epochs", "steps"):
        assert getattr(again, name) == getattr(results, name)


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"num_negatives": 3}, "loss 'mse' draws no negatives"),
        ({"validation_fraction": 0.5, "test_fraction": 0.5}, "leave nothing to train on"),
        ({"embedding_dim": 10**9}, "need .* MB"),
    ],
)
def test_what_is_refused_leaves_no_folder(config, source, tmp_path, changes, message):
    with pytest.raises(InputError, match=message):
        run(config.replace(changes), source, tmp_path / "run", Stopwatch())
    assert not (tmp_path / "run").exists()


def test_the_default_run_folder_leaves_out_where_the_loss_lies():
    config = Config().replace({"loss": "/home/me/losses.py:focal"})
    folder = default_run_dir(config, Source("toy", {}))
    assert folder.parent.name == "runs" and folder.name.startswith("toy-focal-2")

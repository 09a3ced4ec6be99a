"""eval.py on runs of train.py, trained on a small file of ratings."""

import json
import shutil

import numpy as np
import pytest

import helpers
from helpers import QUICK
from mfrec import losses
from mfrec.runs.run_folder import RunFolder


def test_eval_repeats_the_numbers_to_the_last_digit(trained, place):
    code, out, err = place.run("eval.py", f"--run_dir={trained.path}", "--output=json")
    assert (code, err) == (0, "")
    repeated, results = json.loads(out), trained.results
    assert repeated["metrics"] == {"test": results["metrics"]["test"]}
    by_part = ("metrics", "held_out", "protocol")
    for name in set(results) - set(by_part):
        assert repeated[name] == results[name]
    for name in by_part:
        assert repeated[name] == {"test": results[name]["test"]}
    repeated = place.evaluate(f"--run_dir={trained.path}", "--part=validation")
    assert repeated["metrics"] == {"validation": results["metrics"]["validation"]}
    assert repeated["baselines"] == {}


def test_eval_prints_the_table_of_training(trained, place):
    for part in ("validation", "test"):
        code, out, _ = place.run("eval.py", f"--run_dir={trained.path}", f"--part={part}")
        assert code == 0 and out.strip() in trained.out
        assert "mfrec mse d=3" in out


def test_eval_on_a_file_counts_its_strangers(trained, place):
    helpers.write_rows(
        place / "more.csv",
        [("user1", "item1", 3), ("user1", "martian", 2), ("nobody", "martian", 5)],
    )
    results = place.evaluate(f"--run_dir={trained.path}", "--ratings=more.csv")
    counts = results["counts"]
    assert (counts["test"], counts["unknown_users"], counts["unknown_items"]) == (3, 1, 1)
    assert counts["unknown_rows"] == 2
    assert results["split"] == "all of more.csv"
    pairs = [("user1", "item1"), ("user1", ""), ("", "")]
    errors = predicted(trained.path, pairs) - [3, 2, 5]
    rmse = results["metrics"]["test"]["rmse"]
    assert rmse == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-5)


def predicted(run_dir, pairs):
    """Ratings of raw pairs from a run's saved tables, by numpy."""
    folder = RunFolder(run_dir)
    config, derived = folder.load_config()
    train = folder.load_data()["train"]
    model = folder.load_model(config, losses.get("mse"), train)
    values = []
    for user, item in pairs:
        u, i = int(train.users.lookup([user])[0]), int(train.items.lookup([item])[0])
        score = derived["global_mean"]
        score += model.user_bias.numpy()[u] if u >= 0 else 0
        score += model.item_bias.numpy()[i] if i >= 0 else 0
        if u >= 0 and i >= 0:
            score += model.user_embedding.numpy()[u] @ model.item_embedding.numpy()[i]
        values.append(np.clip(score, derived["rating_min"], derived["rating_max"]))
    return np.array(values)


def test_predictions_are_written_row_by_row(ready_made, place):
    results = place.evaluate(f"--run_dir={ready_made.path}", "--predictions=p.tsv")
    header, *lines = (place / "p.tsv").read_text().splitlines()
    assert header.split("\t") == ["user", "item", "rating", "prediction", "error"]
    found = [line.split("\t") for line in lines]
    expected = helpers.read_rows(place / "test.csv")
    assert [(user, item, float(rating)) for user, item, rating, *_ in found] == expected
    assert ["stranger", "new1"] in [row[:2] for row in found]
    predictions = predicted(ready_made.path, [row[:2] for row in found])
    np.testing.assert_allclose([float(row[3]) for row in found], predictions, rtol=1e-5)
    errors = np.array([float(row[4]) for row in found])
    np.testing.assert_allclose(errors, predictions - [r for *_, r in expected], atol=1e-4)
    metrics = results["metrics"]["test"]
    assert metrics == ready_made.results["metrics"]["test"]
    assert metrics["rmse"] == pytest.approx(np.sqrt((errors**2).mean()), rel=1e-5)
    assert metrics["mae"] == pytest.approx(np.abs(errors).mean(), rel=1e-5)


def test_predictions_of_the_validation_part(ready_made, place):
    flags = [f"--run_dir={ready_made.path}", "--predictions=v.tsv", "--part=validation"]
    assert place.run("eval.py", *flags)[0] == 0
    rows = [line.split("\t") for line in (place / "v.tsv").read_text().splitlines()[1:]]
    assert [(u, i, float(r)) for u, i, r, *_ in rows] == helpers.read_rows(place / "valid.csv")


def test_ready_made_parts_are_counted(ready_made, files):
    out, err, counts = ready_made.out, ready_made.err, ready_made.results["counts"]
    train, test = helpers.read_rows(files / "train.csv"), helpers.read_rows(files / "test.csv")
    users, items = {row[0] for row in train}, {row[1] for row in train}
    assert (counts["train"], counts["validation"], counts["test"]) == (900, 100, 204)
    assert (counts["users"], counts["items"]) == (len(users), len(items))
    assert counts["unknown_users"] == len({u for u, *_ in test} - users) == 1
    assert counts["unknown_items"] == len({i for _, i, _ in test} - items) == 2
    assert counts["unknown_rows"] == 3 and counts["overlap"] == 1
    assert "warning: 1 test pair also in the training part" in err
    assert "test has 1 user and 2 items unknown to training (3 rows)" in err
    assert "train · ready-made · test: 204 ratings" in out


def test_eval_on_other_ids_or_training_rows_says_so_in_table_and_json(ready_made, place):
    run = f"--run_dir={ready_made.path}"
    rows = helpers.read_rows(place / "train.csv")
    padded = [(user.replace("user", "User00"), item, rating) for user, item, rating in rows]
    helpers.write_rows(place / "padded.csv", padded)
    code, out, err = place.run("eval.py", run, "--ratings=padded.csv")
    line = "900 of 900 test rows have users or items unknown to training"
    assert code == 0 and f"warning: {line}" in out
    assert "read padded.csv: " in err
    helpers.write_rows(place / "upper.csv", [(u.upper(), i, r) for u, i, r in rows])
    results = place.evaluate(run, "--ratings=upper.csv")
    assert results["counts"]["unknown_rows"] == 900
    (warning,) = results["warnings"]
    assert warning.startswith(line) and "spell ids alike" in warning
    assert f"users such as {rows[0][0].upper()!r}" in warning or "users such as 'USER" in warning
    results = place.evaluate(run, "--ratings=train.csv")
    assert results["counts"]["overlap"] == 900
    assert results["warnings"][0].startswith("900 test pairs also in the training part, of 900")


def test_eval_refuses(trained, ready_made, place):
    first = f"--run_dir={trained.path}"
    message = place.refused("eval.py", "--run_dir=nowhere")
    assert "--run_dir=nowhere: no run folder: no config.json" in message
    message = place.refused("eval.py", first, f"--run_dir={ready_made.path}", "--predictions=p")
    assert "--predictions needs one run, not 2" in message
    message = place.refused("eval.py", first, "--ratings=nothing.csv")
    assert "nothing.csv: no such file" in message
    message = place.refused("eval.py", first, "--predictions=no/such/p.tsv")
    assert "eval.py: no/such/p.tsv: No such file" in message
    assert "'x' is no flag" in place.refused("eval.py", first, "x")


def test_eval_puts_runs_side_by_side_that_were_measured_on_the_same_rows(
    trained, ready_made, place
):
    shutil.copytree(trained.path, place / "first")
    shutil.copytree(ready_made.path, place / "parts")
    flags = ["--ratings=ratings.csv", *QUICK, "--epochs=1", "--embedding_dim=2"]
    place.train("smaller", *flags)
    three = ["--run_dir=first", "--run_dir=parts/", "--run_dir=smaller"]
    code, out, err = place.run("eval.py", *three)
    assert (code, err) == (0, "")
    of_ratings, rest = out.split("\n\nsettings that differ:\n")
    differences, of_parts = rest.split("\n\n", 1)
    first, smaller = (place.results(name)["metrics"]["test"] for name in ("first", "smaller"))
    assert first["rmse"] < smaller["rmse"]
    lines = of_ratings.splitlines()
    assert lines[0] == "ratings · random 80/10/10, seed 0 · test: 120 ratings"
    rows = [line for line in lines if line.startswith(("first", "smaller"))]
    assert rows == [
        f"smaller  mse d=2{smaller['rmse']:10.4f}{smaller['mae']:10.4f}",
        f"first    mse d=3{first['rmse']:10.4f}{first['mae']:10.4f}",
    ]
    assert [line.split()[0] for line in differences.splitlines()] == ["first", "smaller"]
    assert "embedding_dim=3 " in differences.splitlines()[0]
    assert "loss" not in differences
    assert (
        of_parts.startswith("train · ready-made · test: 204 ratings") and "parts  mse" in of_parts
    )

    results = place.evaluate(*three)
    assert list(results) == ["first", "parts", "smaller"]
    assert results["parts"]["metrics"]["test"] == ready_made.results["metrics"]["test"]
    assert results["first"]["held_out"] == results["smaller"]["held_out"]
    assert results["first"]["held_out"] != results["parts"]["held_out"]


def test_eval_takes_a_pattern_for_all_run_folders_there(trained, ready_made, place):
    for name, run in (("first", trained), ("other", trained), ("parts", ready_made)):
        shutil.copytree(run.path, place / name)
    assert list(place.evaluate("--run_dir=[fp]*")) == ["first", "parts"]
    message = place.refused("eval.py", "--run_dir=x*")
    assert message == "eval.py: --run_dir=x*: no run folder has such a name"


def test_eval_notices_that_the_ratings_have_changed(place):
    rows = helpers.read_rows(place / "ratings.csv")
    helpers.write_rows(place / "changing.csv", rows)
    flags = ["--ratings=changing.csv", *QUICK, "--epochs=1"]
    place.train("changing", *flags)
    user, item, rating = rows[0]
    changed = [(user, item, 6 - rating)] + [(u, i, 6 - r) for u, i, r in rows[1:]]
    helpers.write_rows(place / "changing.csv", changed)
    assert "ratings have changed" in place.refused("eval.py", "--run_dir=changing")
    assert place.run("eval.py", "--run_dir=changing", "--ratings=changing.csv")[0] == 0

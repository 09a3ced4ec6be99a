"""recommend.py from flags to answers, on a run folder whose model is set by hand."""

import csv
import dataclasses
import functools
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from helpers import ROOT, Place, interactions
from mfrec import losses, models
from mfrec.config.settings import Config
from mfrec.data.splits import SplitRecipe
from mfrec.runs.run_folder import RunFolder
from mfrec.serving.recommender import Recommender

NUM_USERS, NUM_ITEMS = 40, 30


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """A folder with two runs of random models: "rated" of loss logistic, "ranked" of loss bpr.

    Items 0 to 28 are "Title 0", … User u39 had all items but i5 and i7.
    """
    folder = tmp_path_factory.mktemp("place")
    random = np.random.default_rng(0)
    had = random.random((NUM_USERS, NUM_ITEMS)) < 0.2
    had[39] = True
    had[39, [5, 7]] = False
    had[0] = np.arange(NUM_ITEMS) % 2
    had[1] = ~had[0]
    users, items = np.nonzero(had)
    data = interactions(users, items, random.integers(1, 6, len(users)), NUM_USERS, NUM_ITEMS)
    is_validation = random.random(len(users)) < 0.1
    is_validation[users < 2] = False
    split = SplitRecipe(data.take(~is_validation), data.take(is_validation)).encode()
    titles = {f"i{i}": f"Title {i}" for i in range(NUM_ITEMS - 1)}
    labelled = split.train.items.with_labels(titles)
    split = dataclasses.replace(
        split,
        train=dataclasses.replace(split.train, items=labelled),
        validation=dataclasses.replace(split.validation, items=labelled),
    )
    for name, loss in (("rated", "logistic"), ("ranked", "bpr")):
        config = Config().replace({"loss": loss, "embedding_dim": 3, "init_stddev": 2.0})
        config = config.replace({"use_bias": loss == "logistic", "normalize": False})
        config = config.replace({"regularization": 0.1, "bias_regularization": 0.1})
        config = config.replace({"frequency_exponent": 1.0, "positives_per_row": 1})
        model = models.build(config, losses.get(loss), (NUM_USERS, NUM_ITEMS))
        model.adapt(split.train)
        with RunFolder.create(folder / name) as run:
            run.save_config(config, {})
            run.save_data(split)
            run.save_model(model, 7)
        (folder / name / "results.json").write_text("{}")
    return Place(folder)


@pytest.fixture(scope="module")
def ask(place):
    """Runs recommend.py in the folder of the runs."""
    return functools.partial(place.run, "recommend.py")


@pytest.fixture(scope="module")
def rated(place):
    return Recommender.load(place / "rated")


def answers(ask, *flags):
    """The JSON lines that the script prints, saying nothing else."""
    code, out, err = ask(*flags, "--output=json")
    assert (code, err) == (0, "")
    return [json.loads(line) for line in out.splitlines()]


def plain(rows):
    return [vars(row) for row in rows]


def test_lists_with_ratings_and_reasons(ask, rated):
    asked = ["--run_dir=rated", "--user=u2", "--user=u3", "--k=4", "--exclude=Title 4"]
    found = answers(ask, *asked, "--explain")
    assert [answer["user"] for answer in found] == ["u2", "u3"]
    for answer in found:
        expected = rated.recommend(answer["user"], k=4, exclude=["i4"])
        for row, item in zip(answer["items"], expected, strict=True):
            assert row.pop("rating") == rated.predict(answer["user"], item.item)
            assert row.pop("because") == plain(rated.explain(answer["user"], item.item, 3))
            # two users are multiplied in another order than one
            assert row == vars(item) | {"score": pytest.approx(item.score, rel=1e-5)}


def test_a_table_for_people(ask, rated):
    code, out, err = ask("--run_dir=rated", "--user=u39", "--k=9")
    assert (code, err) == (0, "")
    title, header, *lines = out.splitlines()
    assert title == "recommended to user u39" and header.split() == ["rank", "rating", "item"]
    # nothing else is left: what the user had in training and validation is left out
    best = rated.recommend("u39")
    assert {row.item for row in best} == {"i5", "i7"}
    assert [line.split(maxsplit=3) for line in lines] == [
        [str(row.rank), f"{rated.predict('u39', row.item):.4f}", row.item, row.label]
        for row in best
    ]
    code, out, _ = ask("--run_dir=ranked", "--user=u39", "--noexclude_seen", "--k=99")
    assert code == 0 and len(out.splitlines()) == 2 + NUM_ITEMS
    assert out.splitlines()[1].split() == ["rank", "score", "item"]


def test_similar_and_predicted(ask, rated):
    (found,) = answers(ask, "--run_dir=rated", "--item=title 3", "--k=2")
    assert found == {"item": "title 3", "items": plain(rated.similar_items("i3", 2))}
    (found,) = answers(ask, "--run_dir=rated", "--user=u3", "--similar_users", "--k=2")
    assert found == {"user": "u3", "users": plain(rated.similar_users("u3", 2))}
    (found,) = answers(ask, "--run_dir=rated", "--user=u3", "--item=i3", "--k=2")
    reasons = plain(rated.explain("u3", "i3", 2))
    rating = rated.predict("u3", "i3")
    assert found == {"user": "u3", "item": "i3", "rating": rating, "because": reasons}
    (found,) = answers(ask, "--run_dir=ranked", "--user=u3", "--item=i3")
    assert "rating" not in found and found["score"] != rating
    out = ask("--run_dir=rated", "--item=i29", "--k=1")[1]
    assert out.splitlines()[0] == "similar to item i29"
    out = ask("--run_dir=rated", "--user=u3", "--item=i3", "--k=1")[1]
    assert out.splitlines()[0] == f"user u3, item i3 (Title 3): rating {rating:.4f}"


def test_lists_of_all_users_in_files(ask, place, rated):
    for file in ("all.jsonl", "all.csv"):
        code, out, err = ask("--run_dir=rated", "--all_users", "--k=3", f"--output_file={file}")
        assert (code, out, err) == (0, "", "")
    lists = {found.user: found.items for found in rated.recommend_all(k=3)}
    lines = (place / "all.jsonl").read_text().splitlines()
    found = {row["user"]: row["items"] for row in map(json.loads, lines)}
    assert found == {user: plain(items) for user, items in lists.items()}
    assert list(found) == list(rated.users.raw_ids)
    with (place / "all.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row | {"score": float(row["score"]), "rank": int(row["rank"])} for row in rows] == [
        {"user": user} | vars(item) for user, items in lists.items() for item in items
    ]


def test_headers_of_files_of_names_are_refused(ask, place):
    (place / "headed.txt").write_text("user_id\nu1\n")
    (place / "headed_items.txt").write_text("movieId\ni1\n")
    for flags, line in (
        (
            ["--users_file=headed.txt", "--output_file=no.csv"],
            "headed.txt:1: 'user_id' names a column and no user; drop",
        ),
        (["--user=u1", "--candidates=headed_items.txt"], "'movieId' names a column and no item"),
    ):
        for way in ("error", "popular", "skip"):
            code, out, err = ask("--run_dir=rated", *flags, f"--on_unknown={way}")
            assert (code, out) == (2, "") and line in err and err.count("\n") == 1


def test_users_and_candidates_from_files(ask, place):
    (place / "users.txt").write_text("u3\nnobody\nu1\n")
    (place / "items.txt").write_text("Title 0\ni1\nTitle 2\nx\n")
    flags = ["--run_dir=rated", "--users_file=users.txt", "--candidates=items.txt"]
    flags += ["--output_file=some.jsonl"]
    for way, users in (("popular", ["u3", "nobody", "u1"]), ("skip", ["u3", "u1"])):
        code, _, err = ask(*flags, f"--on_unknown={way}")
        assert code == 0 and err.splitlines() == [
            "the run does not know 1 of the users, such as 'nobody'",
            "the run does not know 1 of the items, such as 'x'",
        ]
        found = [json.loads(line) for line in (place / "some.jsonl").read_text().splitlines()]
        assert [answer["user"] for answer in found] == users
        # u1 had all even items
        assert [row["item"] for row in found[-1]["items"]] == ["i1"]
    before = (place / "some.jsonl").read_bytes()
    code, out, err = ask(*flags)
    assert (code, out) == (2, "")
    assert err == (
        "recommend.py: the run knows no user 'nobody'; give a raw id or label that it was trained "
        "with\n"
    )
    assert (place / "some.jsonl").read_bytes() == before
    assert not list(place.path.glob(".some.jsonl.*"))


def test_strangers_on_the_screen(ask, rated):
    code, out, err = ask("--run_dir=ranked", "--user=nobody", "--on_unknown=popular", "--k=1")
    assert code == 0 and "such as 'nobody'" in err
    (best,) = rated.recommend("nobody", 1, on_unknown="popular")
    assert out.splitlines()[1:] == [
        "rank  users  item",
        f"   1  {best.score:>5.0f}  {best.item:<4}  {best.label}",
    ]
    asked = ["--run_dir=rated", "--user=nobody", "--item=i3"]
    code, out, _ = ask(*asked, "--on_unknown=popular")
    rating = rated.predict("nobody", "i3", fall_back=True)
    assert code == 0 and out.splitlines()[0] == (
        f"user nobody, item i3 (Title 3): rating {rating:.4f}, without what the run does not "
        "know of them"
    )
    assert ask(*asked, "--on_unknown=skip")[:2] == (0, "")


def test_typed_histories(ask, place, rated):
    expected = plain(rated.recommend_from_history(["i1", "i3"], [5, 2], k=3))
    for row in expected:
        row["rating"] = rated.to_rating(row["score"])
    code, out, err = ask(
        "--run_dir=rated", "--history=Title 1:5,nobody's:1,i3:2", "--k=3", "--output=json"
    )
    assert code == 0
    assert err == "the run does not know 'nobody's' of the history; the rest is used\n"
    given = [{"item": "Title 1", "rating": 5.0}, {"item": "i3", "rating": 2.0}]
    assert json.loads(out) == {"history": given, "unknown": ["nobody's"], "items": expected}
    (place / "history.txt").write_text("Title 1:5\ni3:2\n")
    code, out, err = ask("--run_dir=rated", "--history=@history.txt", "--k=3")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "recommended to somebody with a history of 2 items"
    assert [line.split()[2] for line in out.splitlines()[2:]] == [row["item"] for row in expected]
    for history, message in (
        ("", "--history=: empty; give a value, or leave it out"),
        (",", "--history: empty; give one item or more"),
        (
            "x:1,y",
            "--history: the run knows no item 'x', 'y'; give raw ids or labels that it was "
            "trained with",
        ),
        ("i1:5,i2", "--history: item 'i2' has no rating, others have one"),
        ("i1,i2", "the run predicts ratings: give one with every item of the history"),
        ("@nowhere", "nowhere: no such file; check the path"),
    ):
        code, out, err = ask("--run_dir=rated", f"--history={history}")
        assert (code, out, err) == (2, "", f"recommend.py: {message}\n")


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--run_dir=rated", "--history=i1", "--item=i2"], "--history asks for a list"),
        (["--run_dir=rated", "--history=i1", "--explain"], "--explain goes with"),
        (["--user=u1"], "--run_dir=FOLDER is needed"),
        (["--run_dir=nowhere", "--user=u1"], "--run_dir=nowhere: no run folder: no config.json"),
        (["--run_dir=rated"], "nothing is asked: give --user=ID"),
        (["--run_dir=rated", "--user=u1", "--k=0"], "--k=0: ask for at least 1"),
        (["--run_dir=rated", "--user=u1", "--k=ten"], "--k=ten: not of type int"),
        (["--run_dir=rated", "--all_users"], "go to a file: add --output_file"),
        (["--run_dir=rated", "--all_users", "--user=u1"], "--user and --all_users: leave out one"),
        (["--run_dir=rated", "--all_users", "--output_file=a.txt"], "end it in .csv or .jsonl"),
        (["--run_dir=rated", "--item=i1", "--output_file=a.csv"], "leave out --item"),
        (["--run_dir=rated", "--item=i1", "--similar_users"], "--similar_users needs --user"),
        (["--run_dir=rated", "--item=i1", "--explain"], "--explain goes with"),
        (["--run_dir=rated", "--user=u1", "--candidates=no.txt"], "no.txt: no such file"),
        (["--run_dir=rated", "--user=u1", "--on_unknown=pop"], "did you mean popular?"),
        (["--run_dir=rated", "--user=u11x"], "the run knows no user 'u11x'; did you mean u11"),
        (["--run_dir=rated", "--item=itle 28"], "did you mean i28 (Title 28)?"),
        (["--run_dir=rated", "--user=u1", "--exclude=x"], "the run knows no item 'x'"),
        (["--run_dir=rated", "--all_users", "--output_file=no/a.csv"], "no/a.csv: No such file"),
    ],
)
def test_what_cannot_be_answered_is_said_in_one_line(ask, flags, message):
    code, out, err = ask(*flags)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert err.startswith("recommend.py: ") and message in err


def test_runs_that_are_not_ready_or_broken(ask, place):
    copy = place / "copy"
    shutil.copytree(place / "rated", copy)

    (copy / "results.json").unlink()
    code, out, err = ask("--run_dir=copy", "--user=u2", "--k=1")
    assert code == 0 and err.startswith("copy has not ended: ") and "rank" in out

    def refused():
        code, out, err = ask("--run_dir=copy", "--user=u2")
        assert (code, out) == (2, "")
        return err.splitlines()[-1]

    users = (copy / "users.tsv").read_text()
    (copy / "users.tsv").write_text(users.replace("u2\t", "v2\t"))
    assert "users.tsv: not the raw ids and labels of this run's training; restore" in refused()
    (copy / "users.tsv").unlink()
    assert "users.tsv: cannot be read" in refused()
    shutil.rmtree(copy / "checkpoints")
    assert refused() == "recommend.py: copy holds no checkpoint; the run has saved none yet"
    config = Config().replace({"cross_validate": True})
    RunFolder(copy).save_config(config, {})
    assert refused().endswith("copy is a cross-validation; name one of its folds: copy/fold-0")


def test_help_and_wrong_flags_need_no_tensorflow(place):
    check = (
        "import sys, recommend; sys.exit(recommend.main(sys.argv) or 'tensorflow' in sys.modules)"
    )
    for flags, code in ((["--help"], 0), (["--usr=1"], 2), (["--run_dir=rated", "--k=-1"], 2)):
        found = subprocess.run(
            [sys.executable, "-c", check, *flags], capture_output=True, cwd=ROOT, text=True
        )
        assert found.returncode == code, found.stderr

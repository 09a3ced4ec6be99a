"""Files of one's own, from train.py through the run folder to eval.py."""

import json

import numpy as np
import pytest

from mfrec.config.settings import Config
from mfrec.data import loading

ROWS = [(f"u{n % 7:03}", f"{n % 5}", n % 4 + 1) for n in range(35)]


@pytest.fixture
def train(run_script, tmp_path):
    def run(*given):
        quick = ("--run_dir=run", "--epochs=1", "--nojit_compile", "--embedding_dim=2")
        code, _, err = run_script("train.py", *quick, f"--data_dir={tmp_path}", *given)
        assert code == 0, err
        return json.loads((tmp_path / "run" / "config.json").read_text())["data"]

    return run


def test_columns_and_labels_stay_with_the_run(run_script, train, tmp_path):
    lines = [f"x|{rating}|{item}|{user}\n" for user, item, rating in ROWS]
    (tmp_path / "odd.txt").write_text("".join(["kind|how|what|who\n", *lines]))
    (tmp_path / "more.txt").write_text("kind|how|what|who\nx|4|0|u001\nx|3|4|new\n")
    (tmp_path / "items.csv").write_text('item_id,title,genres\n0,Heat,Crime\n03,"Oh, no",\n')
    columns = ("--user_column=who", "--item_column=2", "--rating_column=how", "--delimiter=pipe")
    data = train("--ratings=odd.txt", "--item_labels=items.csv", *columns)
    assert data["item_labels"] == str(tmp_path / "items.csv")
    assert (data["user_column"], data["item_column"], data["delimiter"]) == ("who", "2", "pipe")
    items = (tmp_path / "run" / "items.tsv").read_text().splitlines()
    assert sorted(items) == ["0\tHeat\tCrime", "1\t\t", "2\t\t", "3\tOh, no\t", "4\t\t"]

    code, out, err = run_script(
        "eval.py", "--run_dir=run", "--ratings=more.txt", "--predictions=p.tsv", "--output=json"
    )
    assert code == 0, err
    assert json.loads(out)["counts"]["unknown_users"] == 1
    predictions = [line.split("\t") for line in (tmp_path / "p.tsv").read_text().splitlines()]
    assert [row[:3] for row in predictions[1:]] == [["u001", "0", "4"], ["new", "4", "3"]]
    # a file of arrays has no columns to be told
    np.savez(tmp_path / "more.npz", user_ids=["u001"], item_ids=[1], ratings=[2])
    code, out, err = run_script("eval.py", "--run_dir=run", "--ratings=more.npz", "--output=json")
    assert code == 0, err
    assert json.loads(out)["counts"]["test"] == 1


@pytest.mark.parametrize("kind", ["csv", "inter", "txt", "npz", "npy"])
def test_one_set_in_any_format_is_the_same(tmp_path, kind):
    users, items, ratings = (list(column) for column in zip(*ROWS, strict=True))
    options = {}
    path = tmp_path / f"ratings.{kind}"
    if kind == "npz":
        np.savez(path, user_ids=users, item_ids=items, ratings=ratings)
    elif kind == "inter":
        header = "user_id:token\titem_id:token\trating:float\n"
        path.write_text(header + "".join(f"{u}\t{i}\t{r}\n" for u, i, r in ROWS))
    elif kind == "csv":
        lines = [f"{i},{u},{r}\n" for u, i, r in ROWS]
        path.write_text("".join(["movieId,userId,rating\n", *lines]))
    else:
        matrix = np.full((7, 5), np.nan)
        for n, (_, item, rating) in enumerate(ROWS):
            matrix[n % 7, int(item)] = rating
        if kind == "npy":
            np.save(path, matrix)
        else:
            np.savetxt(path, matrix)
            options = {"ratings_format": "matrix"}
    data = Config().replace({"ratings": str(path), "data_dir": str(tmp_path)} | options).data
    [part] = loading.load(data).parts.values()
    found = [
        # matrices number the users, the others name them
        (f"u{int(part.users.raw_ids[user].lstrip('u')):03}", part.items.raw_ids[item], rating)
        for user, item, rating in zip(part.user_ids, part.item_ids, part.ratings, strict=True)
    ]
    assert sorted(found) == sorted(ROWS)

"""Files of predictions: ids read back from every format, numbers that say what they are."""

import csv
import json

import numpy as np

from mfrec.data.vocabulary import Vocabulary
from mfrec.experiment import predictions

USERS = ["a,b", "tab\there", "line\nend", 'q"uote', "=id", "back\\slash"]
ITEMS = [f"item {user}" for user in USERS]
RATINGS = np.array([4, 3.7, 1234567, 16777217, 0.5, -1e-7], np.float32)
PREDICTED = np.array([4.25, 3.5, 1234567.5, 2.0, 0.333333333, 0.0], np.float64)
TEXTS = ["4", "3.7", "1234567", "16777216", "0.5", "-1e-07"]


def written(folder, name):
    predictions.write(folder / name, [(USERS, ITEMS, RATINGS, PREDICTED)])
    return (folder / name).read_bytes().decode()


def test_csv(tmp_path):
    text = written(tmp_path, "p.CSV")
    header, *rows = csv.reader(text.splitlines(keepends=True))
    assert header == ["user", "item", "rating", "prediction", "error"]
    assert [row[:3] for row in rows] == [list(row) for row in zip(USERS, ITEMS, TEXTS, strict=True)]
    assert rows[0][3:] == ["4.25", "0.25"] and rows[2][3:] == ["1234567.5", "0.5"]
    assert rows[4][3] == "0.333333"


def test_tabs_with_ids_as_in_users_tsv(tmp_path):
    lines = written(tmp_path, "p.tsv").splitlines()
    assert lines[0] == "user\titem\trating\tprediction\terror" and len(lines) == 7
    Vocabulary(tuple(USERS)).save(tmp_path / "users.tsv")
    kept = [line.split("\t")[0] for line in (tmp_path / "users.tsv").read_text().splitlines()]
    assert [line.split("\t")[0] for line in lines[1:]] == kept
    assert [line.split("\t")[2] for line in lines[1:]] == TEXTS


def test_json_lines_are_exact(tmp_path):
    rows = list(map(json.loads, written(tmp_path, "p.jsonl").split("\n")[:-1]))
    assert [row["user"] for row in rows] == USERS
    assert [row["rating"] for row in rows] == RATINGS.tolist()
    assert [row["prediction"] for row in rows] == PREDICTED.tolist()

"""Ids and titles that hold characters that act: on terminals, in spreadsheets, in files."""

import csv
import json

from mfrec.cli import answers
from mfrec.cli.answers import Answer
from mfrec.serving.ranked import RankedItem, UserList

EVIL = "\x1b[2J\u202e\n\tx"
SHOWN = r"\u001b[2J\u202e\n\tx"


def item(rank, name, label, score):
    return {"rank": rank, "item": name, "label": label, "score": score}


def test_a_table_shows_them_escaped_and_aligned():
    reasons = [item(1, "r", f"why{EVIL}", 0.25)]
    rows = [
        item(1, f"i{EVIL}", EVIL, 2.5) | {"because": reasons},
        item(2, "千と千尋", "Spirited Away", -1.0),
        item(3, "plain", "plain", 0.0),
    ]
    answer = Answer({}, f"recommended to {EVIL}", rows)
    assert answer.as_table().split("\n") == [
        f"recommended to {SHOWN}",
        "rank    score  item",
        f"   1   2.5000  i{SHOWN}  {SHOWN}",
        f"{'':36}  +0.2500 why{SHOWN}",
        f"   2  -1.0000  千と千尋{'':13}  Spirited Away",
        "   3   0.0000  plain",
    ]


def test_json_on_a_terminal_holds_the_same():
    content = {"user": EVIL, "items": [item(1, "千", f"\x7f\x9b{EVIL}", 1e-7)]}
    text = Answer(content, "", []).as_json()
    assert json.loads(text) == content
    assert text.isprintable() and "千" in text


def test_large_and_small_scores():
    rows = [item(1, "a", "a", 1234567.5), item(2, "b", "b", 1.0)]
    shown = Answer({}, "t", rows).as_table().splitlines()[1:]
    assert shown == ["rank         score  item", "   1  1234567.5000  a", "   2        1.0000  b"]
    rows = [item(1, "a", "a", 2.5e-7), item(2, "b", "b", 1e-9)]
    assert "2.5000e-07" in Answer({}, "t", rows).as_table()


LISTS = [
    UserList("=user,1", 0, [RankedItem(1, "-5", "=HYPERLINK(1)", 0.1 + 0.2)]),
    UserList("u\n2", 1, [RankedItem(1, "@id\t", "@id\t", 1e-9), RankedItem(2, "b\rc", 'a "b"', 2)]),
]


def test_csv_has_no_formulas_among_titles_and_ids_as_they_are(tmp_path):
    answers.write(tmp_path / "all.csv", LISTS, 2)
    with open(tmp_path / "all.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows == [
        ["user", "rank", "item", "label", "score"],
        ["=user,1", "1", "-5", "'=HYPERLINK(1)", "0.30000000000000004"],
        ["u\n2", "1", "@id\t", "@id\t", "1e-09"],
        ["u\n2", "2", "b\rc", 'a "b"', "2"],
    ]


def test_json_lines_hold_titles_as_they_are(tmp_path):
    answers.write(tmp_path / "all.jsonl", LISTS, 2)
    rows = map(json.loads, (tmp_path / "all.jsonl").read_bytes().decode().split("\n")[:-1])
    assert [row["items"][0]["label"] for row in rows] == ["=HYPERLINK(1)", "@id\t"]

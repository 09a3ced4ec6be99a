"""Settings into ratings: data sets and files, and how they are read."""

import os

import numpy as np
import pytest
import scipy.sparse

from mfrec.config.settings import Config
from mfrec.data import datasets, loading, splitting
from mfrec.errors import InputError


def settings(**values):
    return Config().replace({"data_dir": "/nowhere"} | values)


@pytest.fixture
def files(tmp_path):
    """Paths of a file of ten ratings, and of ready-made parts of six, two and three."""
    rows = [(f"u{n % 4}", f"i{n // 2}", 1 + n % 5) for n in range(10)]
    parts = {"all": rows, "train": rows[:6], "valid": rows[6:8], "test": [*rows[8:], ("s", "t", 5)]}
    paths = {}
    for name, part in parts.items():
        paths[name] = str(tmp_path / f"{name}.csv")
        lines = [f"{user},{item},{rating}\n" for user, item, rating in part]
        with open(paths[name], "w") as file:
            file.writelines(["user,item,rating\n", *lines])
    return paths


def test_the_default_set_is_named_on_standard_error(monkeypatch, capsys):
    asked = []

    def choose_default(data_dir):
        asked.append(data_dir)
        return "toy", "found nowhere else"

    monkeypatch.setattr(datasets, "choose_default", choose_default)
    config = loading.complete(Config().replace({"data_dir": "here"}))
    assert config.data.dataset == "toy"
    assert config.data.data_dir == os.path.abspath("here") and asked == ["here"]
    assert "taking toy (found nowhere else)" in capsys.readouterr().err


def test_the_data_folder_is_written_down(monkeypatch, capsys):
    monkeypatch.setenv("MFREC_DATA_DIR", "/some/where")
    assert loading.complete(Config().replace({"dataset": "toy"})).data.data_dir == "/some/where"
    assert capsys.readouterr().err == ""


def test_loads_a_named_set():
    source = loading.load(settings(dataset="toy").data)
    assert source.name == "toy" and list(source.parts) == ["all"]
    assert len(source.parts["all"]) == 9


def test_loads_files_and_is_named_after_them(files):
    source = loading.load(settings(ratings=files["all"]).data)
    assert source.name == "all" and len(source.parts["all"]) == 10
    source = loading.load(
        settings(
            train_ratings=files["train"],
            validation_ratings=files["valid"],
            test_ratings=files["test"],
        ).data
    )
    assert source.name == "train"
    assert {name: len(part) for name, part in source.parts.items()} == {
        "train": 6,
        "validation": 2,
        "test": 3,
    }
    with pytest.raises(InputError, match="gone.csv: no such file"):
        loading.load(settings(ratings="gone.csv").data)


def raw_rows(data):
    users = [data.users.raw_ids[user] for user in data.user_ids]
    items = [data.items.raw_ids[item] for item in data.item_ids]
    return list(zip(users, items, data.ratings.tolist(), strict=True))


def test_the_columns_hold_for_every_file(tmp_path):
    for name in ("train", "test"):
        (tmp_path / name).write_text("w;who;what;how\n9;a;x;3\n8;b;x;4\n")
    parts = {"train_ratings": str(tmp_path / "train"), "test_ratings": str(tmp_path / "test")}
    columns = {"user_column": "who", "item_column": "2", "rating_column": "w", "delimiter": ";"}
    source = loading.load(settings(**parts, **columns).data)
    expected = [("a", "x", 9), ("b", "x", 8)]
    assert [raw_rows(part) for part in source.parts.values()] == [expected, expected]


def test_files_may_be_matrices(tmp_path):
    (tmp_path / "m.txt").write_text("5 ? 3\n? 1 2\n")
    data = settings(ratings=str(tmp_path / "m.txt"), ratings_format="matrix").data
    [part] = loading.load(data).parts.values()
    assert raw_rows(part) == [("0", "0", 5), ("0", "2", 3), ("1", "1", 1), ("1", "2", 2)]


CODED = [(f"u{n % 7}", f"i{n // 7}", [1, 2, 3, 4, 5, -1, 99][n % 7]) for n in range(70)]


@pytest.mark.parametrize("form", ["csv", "matrix", "npz", "jsonl", "coo"])
def test_codes_for_not_rated_are_left_out_of_every_format(tmp_path, form):
    users, items, ratings = zip(*CODED, strict=True)
    path, options = tmp_path / f"ratings.{form}", {}
    if form == "csv":
        path.write_text("user,item,rating\n" + "".join(f"{u},{i},{r}\n" for u, i, r in CODED))
    elif form == "jsonl":
        path.write_text(
            "".join(f'{{"user": "{u}", "item": "{i}", "rating": {r}}}\n' for u, i, r in CODED)
        )
    elif form == "matrix":
        lines = (",".join(str(r) for _, _, r in CODED[start::7]) for start in range(7))
        path.write_text("\n".join(lines) + "\n")
        options = {"ratings_format": "matrix"}
    elif form == "coo":
        path = tmp_path / "coo.npz"
        scipy.sparse.save_npz(
            path, scipy.sparse.coo_matrix((ratings, (np.arange(70) % 7, np.arange(70) // 7)))
        )
    else:
        np.savez(path, user_ids=users, item_ids=items, ratings=ratings)
    source = loading.load(settings(ratings=str(path), **options).data)
    assert "10 are -1 and 10 are 99, the others lie between 1 and 5" in source.warnings[0]
    config = settings(ratings=str(path), missing_ratings="-1,99,0", **options)
    source = loading.load(loading.complete(config).data)
    kept = source.parts["all"]
    assert sorted(set(kept.ratings.tolist())) == [1, 2, 3, 4, 5] and len(kept) == 50
    assert source.warnings == ()
    assert source.notes[-1].endswith(
        "20 of 70 ratings stand for none and are left out: 10 of -1 and 10 of 99 and 0 of 0"
    )
    assert splitting.split(source, splitting.complete(config)).counts["missing_ratings"] == 20
    file = loading.read_held_out(str(path), config)
    assert len(file.ratings) == 50 and "left out: 10 of -1" in file.notes[-1]
    assert (file.num_missing, file.repeated_pairs) == (20, 0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x", "--missing_ratings=x: 'x' is no number; give numbers such as -1,99"),
        ("-1,", "'' is no number"),
        ("nan", "'nan' is no number"),
        ("1,2,3,4,5,-1,99", "ratings.csv: --missing_ratings=1,2,3,4,5,-1,99 leaves no ratings"),
    ],
)
def test_codes_that_are_no_numbers_or_leave_nothing(tmp_path, text, message):
    path = tmp_path / "ratings.csv"
    path.write_text("user,item,rating\n" + "".join(f"{u},{i},{r}\n" for u, i, r in CODED))
    with pytest.raises(InputError) as raised:
        loading.load(loading.complete(settings(ratings=str(path), missing_ratings=text)).data)
    assert message in str(raised.value)


def test_codes_need_files_with_ratings(tmp_path):
    with pytest.raises(InputError, match="--missing_ratings is about files of ratings"):
        loading.complete(settings(dataset="toy", missing_ratings="0"))
    path = tmp_path / "pairs.csv"
    path.write_text("0,1\n1,2\n")
    with pytest.raises(InputError, match="--missing_ratings=0 needs ratings and the data have no"):
        loading.load(settings(ratings=str(path), missing_ratings="0").data)


def test_titles_and_features_of_other_items_are_warned_of(files, tmp_path):
    def warnings(**files_of_items):
        return loading.load(settings(ratings=files["all"], **files_of_items).data).warnings

    titles, features = tmp_path / "titles.csv", tmp_path / "features.csv"
    titles.write_text("item_id,title\n" + "".join(f"i{n},Title {n}\n" for n in range(5)))
    features.write_text("user,age\n" + "".join(f"u{n},{n % 2}\n" for n in range(4)))
    assert warnings(item_labels=str(titles), user_features=str(features)) == ()
    titles.write_text("item_id,title\ni0,Title 0\n" + "".join(f"I{n},T\n" for n in range(1, 5)))
    features.write_text("user,age\nu0,1\nU1,2\nU2,2\nU3,1\n")
    assert warnings(item_labels=str(titles), user_features=str(features)) == (
        "4 of 5 items are not in titles.csv, such as 'i1' (there is 'I1'); spell ids alike",
        "3 of 4 users are not in features.csv, such as 'u1' (there is 'U1'); spell ids alike",
    )


def test_zeros_before_the_ids_of_titles_do_not_matter(tmp_path):
    (tmp_path / "ratings.csv").write_text("user,item,rating\nu,007,3\nv,008,3\n")
    (tmp_path / "titles.csv").write_text("item_id,title\n7,Seven\n8,Eight\n")
    data = settings(
        ratings=str(tmp_path / "ratings.csv"), item_labels=str(tmp_path / "titles.csv")
    ).data
    source = loading.load(data)
    assert source.warnings == () and source.parts["all"].items.labels == ("Seven", "Eight")


def test_repeats_in_a_file_to_measure_are_said(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text("user,item,rating\na,x,3\na,x,4\nb,x,2\n")
    file = loading.read_held_out(str(path), settings(ratings=str(path)))
    assert len(file.ratings) == 2 and file.repeated_pairs == 1
    assert file.notes[-1] == ("read ratings.csv: 1 repeated pair dropped: the last rating is kept")

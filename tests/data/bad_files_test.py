"""Files that cannot be trained on: exit code 2, one line of what and where, no run folder."""

import gzip
import pickle
import random
import zipfile

import numpy as np
import pytest

GOOD = "user,item,rating\n" + "".join(f"u{n % 7},i{n % 5},{n % 4 + 1}\n" for n in range(35))


@pytest.fixture
def refused(run_script, tmp_path):
    """Trains on a file that must be refused; returns the line that says why."""

    def train(content, *given, name="ratings.csv", flag="--ratings"):
        if content is not None:
            content = content if isinstance(content, bytes) else content.encode()
            (tmp_path / name).write_bytes(content)
        code, out, err = run_script(
            "train.py", f"{flag}={name}", f"--data_dir={tmp_path / 'data'}", *given
        )
        assert (code, out) == (2, "")
        assert not (tmp_path / "runs").exists()
        [line] = err.splitlines()
        assert line.startswith("train.py: ")
        return line

    return train


@pytest.mark.parametrize(
    "content, message",
    [
        ("", "ratings.csv: is empty; give a file with one row per line"),
        ("\n\n  \n", "ratings.csv: is empty"),
        ("user,item,rating\n", "ratings.csv: a header but no ratings"),
        ("u,i,3\nu,j\n", "ratings.csv:2: 2 fields, 3 expected as in line 1"),
        ("u,i,3\nu,j,\n", "ratings.csv:2: the rating '' is no number"),
        ("u,i,3\nu,j,good\n", "ratings.csv:2: the rating 'good' is no number"),
        ("u,i,3\nu,j,NaN\n", "ratings.csv:2: the rating 'NaN' is not finite"),
        ("u,i,3\nu,j,-inf\n", "ratings.csv:2: the rating '-inf' is not finite"),
        ("u,i,3\n,j,3\n", "ratings.csv:2: the user id is empty"),
        ("u,i,3,1\nu,j,3,soon\n", "ratings.csv:2: the timestamp 'soon' is neither"),
        (
            "user,thing,rating\nu,i,3\n",
            "ratings.csv:1: cannot tell the item column; the file has: user, thing, rating; give "
            "--item_column as a name of the header or a number from 0",
        ),
        (
            "user,item,likes\nu,i,3\n",
            "ratings.csv:1: cannot tell the rating column; the file has: user, item, likes; give "
            "--rating_column as a name of the header or a number from 0, --rating_column=none if "
            "every line is a positive, or --weight_column for counts",
        ),
        ("1 2 3 4 5 6\n", "ratings.csv:1: 6 fields and no header; say which are which by --user"),
        ("abc\n", "ratings.csv: cannot guess the delimiter of 'abc'; give it by --del"),
        ('u,i,3\nu,"j,3\n', "ratings.csv:2: unexpected end of data; correct the quotes"),
        (b"u,i,3\nu,j\0,3\n", "ratings.csv:2: not text (NUL bytes)"),
        ("u,i,3\nu,café,3\n".encode("latin-1"), "ratings.csv:2: not UTF-8 text; name its"),
        (gzip.compress(GOOD.encode(), mtime=0)[:-9], "ratings.csv: is a damaged gzip file ("),
        (pickle.dumps([1, 2]), "ratings.csv: looks like a pickle; pickles can run code"),
        (b"PAR1\x15\x04\x15\x10PAR1", "ratings.csv: no readable Parquet file (Parquet file size"),
        (
            '[{"user": "u", "item": "i"}]',
            """ratings.csv:1: '[{"user": "u", "item": "i"}]' where a JSON object should be;""",
        ),
    ],
)
def test_bad_text(refused, content, message):
    assert message in refused(content)


def test_random_bytes(refused):
    draw = random.Random(0)
    for _ in range(3):
        line = refused(bytes(draw.choices(range(256), k=5_000)))
        assert "ratings.csv" in line and any(word in line for word in ("not text", "not UTF-8"))


def test_archives_and_workbooks(refused, tmp_path):
    with zipfile.ZipFile(tmp_path / "ratings.zip", "w") as archive:
        archive.writestr("ratings.csv", GOOD)
        archive.writestr("test.csv", GOOD)
    line = refused(None, name="ratings.zip")
    assert "ratings.zip: is a zip archive of 'ratings.csv', 'test.csv'; unpack it and give" in line
    with zipfile.ZipFile(tmp_path / "ratings.xlsx", "w") as archive:
        archive.writestr("[Content_Types].xml", "<Types/>")
        archive.writestr("xl/workbook.xml", "<workbook/>")
    line = refused(None, name="ratings.xlsx")
    assert "ratings.xlsx: looks like an Excel workbook or the like; save the sheet as CSV" in line


def test_numpy_files(refused, tmp_path):
    np.save(tmp_path / "objects.npy", np.array([[None]]), allow_pickle=True)
    assert "objects.npy: holds Python objects, which are not read" in refused(
        None, name="objects.npy"
    )
    assert "cut.npz: no readable numpy file" in refused(b"PK\x03\x04", name="cut.npz")
    np.savez(tmp_path / "other.npz", weights=[1], biases=[2])
    assert "other.npz: holds weights, biases where user_ids, item_ids, ratings or one" in refused(
        None, name="other.npz"
    )


def test_folders_and_missing_files(refused, tmp_path):
    (tmp_path / "folder").mkdir()
    assert "folder: is a folder; name a file inside it" in refused(None, name="folder")
    assert "gone.csv: no such file; check the path" in refused(None, name="gone.csv")


def test_columns_that_are_not_there(refused):
    line = refused(GOOD, "--rating_column=stars")
    assert "ratings.csv:1: no column 'stars'; the file has: user, item, rating; give" in line
    assert "no column '3'; the file has: user, item" in refused(GOOD, "--rating_column=3")
    assert "one column in two roles" in refused(GOOD, "--rating_column=0")


def test_options_that_fit_no_file(refused, tmp_path):
    assert "--user_column is about files of ratings; leave it out" in refused(
        None, "--user_column=0", flag="--dataset", name="toy"
    )
    assert "--item_column means nothing with --ratings_format=matrix; leave it out" in refused(
        GOOD, "--ratings_format=matrix", "--item_column=0"
    )
    np.save(tmp_path / "matrix.npy", np.eye(3))
    line = refused(None, "--delimiter=tab", name="matrix.npy")
    assert "--delimiter is about text files; leave it out with" in line
    assert "--ratings_format=columns: unknown" in refused(GOOD, "--ratings_format=columns")


def test_item_labels_of_other_items(refused, tmp_path):
    (tmp_path / "items.csv").write_text("item_id,title\n1,Heat\n")
    line = refused(GOOD, "--item_labels=items.csv")
    assert "items.csv: none of its item ids is an item of the ratings" in line
    assert "gone.csv: no such file" in refused(GOOD, "--item_labels=gone.csv")


def test_bad_parts_of_a_ready_made_split(refused, tmp_path):
    (tmp_path / "train.csv").write_text(GOOD)
    line = refused("u,i,3\nu,j,?\n", "--train_ratings=train.csv", flag="--test_ratings")
    assert "ratings.csv:2: the rating '?' is no number" in line


def test_nothing_left_to_train_on(refused):
    line = refused("u,i,3\nu,j,4\n", "--validation_fraction=0.45", "--test_fraction=0.5")
    assert "no rows are left to train on; hold out less or bring more ratings" in line
    assert "1 distinct pairs for 5 folds" in refused("u,i,3\nu,i,4\n", "--fold=0")


@pytest.mark.parametrize(
    "content",
    [
        "u,i,3\n",
        "u,i,3\nu,j,4\nu,k,1\n",
        "u,i,3\nv,i,4\nw,i,1\n",
        "u,i,3\nu,i,4\n",
        "u,i,3\nv,j,3\nw,i,3\n",
    ],
    ids=["one row", "one user", "one item", "one pair twice", "one rating"],
)
def test_the_smallest_files_can_be_trained_on(run_script, tmp_path, content):
    (tmp_path / "ratings.csv").write_text(content)
    code, out, err = run_script(
        "train.py", "--ratings=ratings.csv", "--run_dir=run", "--epochs=1", "--nojit_compile"
    )
    assert code == 0, err
    assert "nan" not in out.lower()
    assert (tmp_path / "run" / "results.json").is_file()

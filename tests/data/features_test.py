"""Files of features: which columns become which features of which rows."""

import numpy as np
import pytest

from mfrec.data.features import Features, read_features
from mfrec.data.vocabulary import Vocabulary
from mfrec.errors import InputError

ITEMS = Vocabulary(("a", "b", "c", "d"))
ALIKE = np.array([1, 1, 1, 1])


@pytest.fixture
def read(tmp_path):
    def write_and_read(content, role="item", rows=ITEMS, name="about.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_features(str(path), role, [rows])

    return write_and_read


def by_row(features):
    """What each row has, by name; each feature of a row once."""
    rows = []
    for ids, values in zip(features.ids.tolist(), features.values.tolist(), strict=True):
        pairs = [(features.names[i], v) for i, v in zip(ids, values, strict=True) if v]
        assert len(dict(pairs)) == len(pairs)
        rows.append(dict(pairs))
    return rows


def test_texts_lists_and_flags(read):
    file = read("id,genres,old,maker\na,Crime|War,1,X\nb,War,0,Y\nc,War|Crime|War,1,X\nd,,,X\n")
    features = file.encode(ITEMS, ALIKE)
    # Y is b's alone
    half = pytest.approx(0.5**0.5)
    assert by_row(features) == [
        {"genres=Crime": half, "genres=War": half, "old": 1, "maker=X": 1},
        {"genres=War": 1},
        {"genres=Crime": half, "genres=War": half, "old": 1, "maker=X": 1},
        {"maker=X": 1},
    ]
    assert features.ids.dtype == np.int32 and features.values.dtype == np.float32
    # no wider than the longest row, and filled up behind
    assert features.ids.shape == (4, 4) and features.values[1].tolist() == [1, 0, 0, 0]
    assert file.notes == ()


def test_many_numbers_are_one_feature_standardised_by_training_rows(read):
    rows = Vocabulary(tuple(f"i{number}" for number in range(40)))
    lines = [f"i{number}\t{number}\t{number % 5}" for number in range(40)]
    lines[1] = "i1\t\t1"
    features = read("item_id\tyear\tshelf\n" + "\n".join(lines) + "\n", rows=rows).encode(
        rows, np.array([3, 1, 0, 2] + 36 * [0])
    )
    # 0 and 3 have a year and are in training: mean and deviation 1.5
    assert features.names[0] == "year" and set(features.names[1:]) == {
        *("shelf=0", "shelf=1", "shelf=3"),
    }
    found = by_row(features)
    assert [row.get("year") for row in found[:4]] == [-1, None, pytest.approx(1 / 3), 1]
    assert found[39] == {"year": 25}
    assert found[1] == {"shelf=1": 1}


def test_types_in_the_header_overrule_looks(read):
    rows = Vocabulary(tuple(str(number) for number in range(80)))
    lines = [f"{number}\t{number // 2}\t{number % 3}\tx|y\tu v w" for number in range(80)]
    header = "item_id:token\tyear:token\tstars:float\tkind:token\ttags:token_seq\n"
    features = read(header + "\n".join(lines) + "\n", rows=rows).encode(rows, np.ones(80))
    names = {"stars", "kind=x|y", "tags=u", "tags=v", "tags=w"}
    assert set(features.names) == names | {f"year={number}" for number in range(40)}


def test_files_without_a_header_number_their_columns(read):
    file = read(
        "1::Heat (1995)::Crime\n2::Amélie (2001)::Crime\n".encode("latin-1"),
        rows=Vocabulary(("1", "2")),
    )
    assert by_row(file.encode(Vocabulary(("1", "2")), np.ones(2))) == 2 * [{"column 2=Crime": 1}]
    assert "'column 1' of" in file.notes[0] and "values of their own" in file.notes[0]
    file = read("b\tred\na\tred\n")
    assert file.rows.raw_ids == ("b", "a")


def test_rows_follow_the_vocabulary_and_features_training(read):
    """Strangers to the file have nothing; what only others than training rows have is none."""
    file = read("sort,item\ny,d\nx,c\nx,b\ny,new\nx,new2\n")
    features = file.encode(ITEMS, np.array([1, 1, 1, 0]))
    assert by_row(features) == [{}, {"sort=x": 1}, {"sort=x": 1}, {}]
    lines = file.notes_on(ITEMS, np.array([1, 1, 1, 0]), features)
    assert lines[0].startswith("item features: 1 from ")
    assert lines[1:] == ["1 items of training are not in it: no features"]


def test_examples_of_a_feature_are_those_of_its_rows():
    features = Features(
        ("f", "g"), np.array([[0, 1], [1, 0], [0, 0]]), np.array([[0.5, 2], [-1, 0], [0, 0]])
    )
    assert features.counts(np.array([3, 4, 9])).tolist() == [3, 7]


@pytest.mark.parametrize(
    "content, message",
    [
        ("id,genre\na,x\nb,x\na,y\n", ":4: item 'a' has line 2 already; drop one of them"),
        ("id,genre\na,x\nb,x,y\n", ":3: 3 fields, 2 expected as in line 1"),
        ("id,genre\na,x\n,x\n", ":3: no item id; fill it in"),
        ("id,genre\n", "holds a header alone"),
        ("id,genre\nq,x\nr,x\n", "none of its item ids is one of the ratings"),
        ("id,title\na,One\nb,Two\n", "no column is a feature of several items; 'title' of"),
        ("id,genre\na,\nb,\n", "'genre' of"),
        ("id,n:float\na,1\nb,1\n", "is no feature: the same everywhere"),
        ("", "is empty"),
        ("a b\n".replace(" ", "") + "b\n", "cannot guess the delimiter"),
        ("id,genre\nü,x\na,x\n".encode("latin-1"), ":2: the item id 'ü' is not UTF-8"),
    ],
)
def test_bad_files_are_answered_in_one_line(read, content, message):
    with pytest.raises(InputError) as error:
        read(content)
    assert message in str(error.value) and "\n" not in str(error.value)
    assert "about.txt" in str(error.value)


def test_features_that_no_training_row_has_are_refused(read):
    file = read("id,genre\na,x\nb,x\n")
    with pytest.raises(InputError, match="no item of training has a feature in it"):
        file.encode(ITEMS, np.array([0, 0, 1, 1]))


def test_movielens_files_as_they_are(real_data_dir):
    def read(name, role, number):
        rows = Vocabulary(tuple(str(row + 1) for row in range(number)))
        return read_features(str(real_data_dir / name), role, [rows]).encode(rows, np.ones(number))

    users = read("ml-1m/users.dat", "user", 6040)
    of_columns = [sum(name.startswith(f"column {c}=") for name in users.names) for c in (1, 2, 3)]
    assert of_columns == [2, 7, 21]
    movies = read("ml-1m/movies.dat", "item", 3952)
    assert len(movies.names) == 18 and all(name.startswith("column 2=") for name in movies.names)
    assert movies.ids.shape == (3952, 6)
    ages = read("ml-100k/u.user", "user", 943)
    age = ages.values[ages.ids == ages.names.index("column 1")]
    assert len(age) >= 943 and abs(age.mean()) < 1e-6


def test_features_of_an_earlier_training_keep_their_numbers(read):
    features = read("id,genre\na,x\nb,x\nc,y\nd,y\n").encode(
        ITEMS, np.array([1, 1, 0, 0]), ("genre=z", "genre=y")
    )
    assert features.names == ("genre=z", "genre=y", "genre=x")
    assert features.ids.ravel().tolist() == [2, 2, 1, 1]

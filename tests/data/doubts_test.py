"""Tables that can be read and hardly mean it are refused; those beside them are not."""

import gzip
import json

import pytest

import mfrec
from mfrec.data import readers
from mfrec.errors import InputError


@pytest.fixture
def read(tmp_path):
    """Reads a file of this content; returns its rows as (user, item, rating)."""

    def read_text(content, name="m.csv", **options):
        path = tmp_path / name
        path.write_text(content)
        data, _ = readers.read(path, **options)
        users = [data.users.raw_ids[user] for user in data.user_ids]
        items = [data.items.raw_ids[item] for item in data.item_ids]
        return list(zip(users, items, data.ratings.tolist(), strict=True))

    return read_text


@pytest.mark.parametrize(
    "content",
    [
        "userId,10,20\n1,5,4\n2,3,3\n3,4,4\n",
        "user_id,item_id,2019\n7,8,4\n",
        "user\titem\t2019\nann\tx\t4\n",
        "user,10,20\n1,5,4\n",
        "Kunde,10,20\n1001,5,4\n1002,3,3\n",
        "Unnamed,10\n1,5\n2,3\n",
        "7,Film,20\n1,5,4\n2,3,3\n",
        "reviewerID,1,2,3\nann,5,4,1\n",
    ],
)
def test_a_header_of_numbers_is_no_rating(read, content):
    with pytest.raises(InputError, match="m.csv:1: .* looks like the name of a column"):
        read(content)


def test_a_header_of_numbers_is_read_where_its_columns_are_named(read):
    options = {"user_column": "userId", "item_column": "10", "rating_column": "20"}
    assert read("userId,10,20\n1,5,4\n", **options) == [("1", "5", 4)]


@pytest.mark.parametrize(
    "content, first",
    [
        ("ann,book,5\nbob,heat,4\n", ("ann", "book", 5)),
        ("ann,1,5\n7,2,4\nbob,1,3\n", ("ann", "1", 5)),
        ("user,1,5\nbob,2,4\n", ("user", "1", 5)),
        # one other row is no proof
        ("ann,1,5\n7,2,4\n", ("ann", "1", 5)),
        ("27,B00X,5\n7,00451,4\n8,00452,4\n", ("27", "B00X", 5)),
        ("0,1,2\n196,242,3\n", ("0", "1", 2)),
    ],
)
def test_first_rows_whose_ids_are_words(read, content, first):
    assert read(content)[0] == first


def test_numbers_of_columns_above_times_are_no_rating(read):
    with pytest.raises(InputError, match="m.csv:1: 0, 1, 2, 3 are the numbers of the columns"):
        read("0,1,2,3\n196,242,3,881250949\n186,302,3,891717742\n")


@pytest.mark.parametrize("missing", ["NULL", "null", "NaN", "nan", r"\N", "None", "NA", "#N/A"])
def test_what_stands_for_a_missing_id_is_refused(read, missing):
    with pytest.raises(InputError) as raised:
        read(f"user_id,item_id,rating\n1,2,5\n{missing},2,3\n{missing},1,4\n")
    assert (
        f"m.csv:3: the user id {missing!r} stands for a missing one, as in 1 other lines; drop "
        "such lines, or spell it differently if it is an id"
    ) in str(raised.value)
    rows = [{"user_id": "a", "item_id": item, "rating": 3} for item in ("x", missing)]
    with pytest.raises(InputError, match=r"m.jsonl:2: the item id .* stands for a missing one;"):
        read("\n".join(map(json.dumps, rows)), "m.jsonl")


def test_ids_that_resemble_missing_ones_are_ids(read):
    ids = ["Nan", "none", "Null7", "na", "NaN.", "Nancy"]
    assert [row[0] for row in read("".join(f"{name},1,5\n" for name in ids))] == ids


@pytest.mark.parametrize(
    "content, message",
    [
        ("1,2,48.1234,-13.1234\n2,3,47.5,11.25\n", "column 3 holds numbers such as '-13.1234'"),
        ("1,2,48.1234,13.1234\n2,3,47.5,11.25\n", "may be coordinates rather than times"),
        ("1,48.137,11.57\n2,47.5,11.25\n", "column 1 holds fractions such as '48.137' where the i"),
        (
            "1500000000,7,100,4\n1500000020,8,100,5\n1500000010,7,101,3\n",
            "column 0 holds times such as '1500000000' where the users",
        ),
        (
            "7,1500000000123,4\n8,1500000020123,5\n7,1500000010123,3\n",
            "column 1 holds times such as '1500000000123' where the items",
        ),
        ("1,2,3,5\n2,2,4,0\n3,1,2,5\n", "second half of ratings with decimal commas?"),
        ("1,2,\n2,2,\n1,3,\n", "the third field of every line is empty"),
        ("1\t2\t\n2\t2\t\n", "the third field of every line is empty"),
        ("0,1 2 3\n1,2\n", "the item id '1 2 3' looks like several"),
        ('user,item\n0,"1,2,3"\n1,2\n', "the item id '1,2,3' looks like several"),
    ],
)
def test_columns_that_are_hardly_what_their_position_says(read, content, message):
    with pytest.raises(InputError) as raised:
        read(content)
    assert message in str(raised.value)


def test_who_names_such_columns_gets_them(read):
    assert read("1,48.137,11.5\n", user_column=0, item_column=1, rating_column=2)
    times = {"user_column": 0, "item_column": 1, "rating_column": 2, "timestamp_column": 3}
    assert read("1,2,48.1234,-13.1234\n", **times)
    assert read("1,2,3,5\n2,2,4,0\n3,1,2,5\n", **times)
    assert read("1,2,\n2,2,\n", rating_column="none") == [("1", "2", 1), ("2", "2", 1)]
    assert read('user,item\n0,"1,2,3"\n', item_column="item") == [("0", "1,2,3", 1)]


@pytest.mark.parametrize(
    "content",
    [
        # users of ten digits, several rows each
        "1500000000,7,4\n1500000000,8,5\n1500000001,7,3\n",
        # beside times
        "1500000000,7,4,1300000000\n1500000001,8,5,1300000001\n1500000002,7,3,1300000002\n",
        "1,2,3.5,0.527027\n2,2,4,1.5\n",
        "1,2,3,-5\n1,2,4,0\n1,2,4,5\n",
        "1,2,3,\n1,3,4,\n",
        "1,Heat 2,5\n2,12 Monkeys,4\n",
        "1.0,2.0,5\n2.0,2.0,4\n",
    ],
)
def test_columns_that_may_be_what_their_position_says(read, content):
    assert read(content)


@pytest.mark.parametrize(
    "options, message",
    [
        ({"ratings_format": "matrx"}, "did you mean matrix?"),
        (
            {"ratings_format": "matrix", "user_column": 0, "header": True},
            "user_column, header means nothing with ratings_format='matrix'; leave it out",
        ),
    ],
)
def test_options_of_read_ratings_have_an_effect(tmp_path, options, message):
    path = tmp_path / "m.txt"
    path.write_text("5 4 3\n1 2 3\n")
    with pytest.raises(InputError, match=message):
        mfrec.read_ratings(path, **options)


def test_options_about_text_are_refused_beside_arrays():
    with pytest.raises(InputError, match="delimiter is about text files; leave it out with m.npy"):
        mfrec.read_ratings("m.npy", delimiter=",")


def test_packed_files_are_looked_at_as_well(tmp_path):
    path = tmp_path / "m.csv.gz"
    path.write_bytes(gzip.compress(b"userId,10,20\n1,5,4\n2,3,3\n"))
    with pytest.raises(InputError, match="m.csv.gz:1: 'userId' looks like the name of a column"):
        mfrec.read_ratings(path)


@pytest.mark.parametrize(
    "content, message",
    [
        ("user_id,item_id,rating\n1,2,5\n2,3,4\nTotal,2,9\n", "m.csv:4: the user id 'Total' in"),
        ("1,2,5\n1,All,5\n2,3,4\n2,All,4\nAll,2,5\nAll,All,9\n", "m.csv:6: the user id 'All'"),
        ("ann,2,5\nbob,3,4\nGrand Total,2,9\n", "looks like a sum of the lines above"),
    ],
)
def test_sums_of_pivot_tables_are_no_users(read, content, message):
    with pytest.raises(InputError) as raised:
        read(content)
    assert message in str(raised.value)


def test_users_called_all_are_users(read):
    assert len(read("all,2,5\nbob,3,4\n")) == 2
    assert len(read("ann,2,5\nall,3,4\n")) == 2
    assert len(read("all,3,4\n")) == 1


def test_ratings_that_float32_takes_for_zero_are_refused(read):
    with pytest.raises(InputError, match="m.csv:2: the rating '1e-50' is so small that float32"):
        read("1,2,3\n1,3,1e-50\n")
    with pytest.raises(InputError, match="rating at position 1 is 1e-50: is so small"):
        mfrec.Interactions.from_arrays([1, 2], [1, 2], [1, 1e-50])
    with pytest.raises(InputError, match=r"rating at position 0 is 1e\+39, no finite number that"):
        mfrec.Interactions.from_arrays([1, 2], [1, 2], [1e39, 1])


def test_ratings_that_float32_rounds_are_told(tmp_path, capsys):
    path = tmp_path / "m.csv"
    path.write_text("1,2,16777216\n1,3,16777217\n1,4,5\n")
    assert "16777217 is stored as 16777216" in readers.read(path)[1][-1]
    path.write_text("1,2,1.00000001\n1,3,1.00000002\n")
    assert "2 different values are stored as 1" in readers.read(path)[1][-1]
    # decimals, and the noise of sums, say nothing
    path.write_text("1,2,4.1\n1,3,4.100000000000001\n1,4,20000000\n")
    assert len(readers.read(path)[1]) == 1
    mfrec.Interactions.from_arrays([1, 2], [1, 2], [16777217, 4])
    assert "ratings: 16777217 is stored as 16777216" in capsys.readouterr().err

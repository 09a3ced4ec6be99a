"""Text files of ratings: delimiters, headers, columns, matrices, adjacency lists."""

import random
import re

import numpy as np
import pytest

import mfrec
from helpers import rows
from mfrec.data import numbering
from mfrec.data.readers import read_ratings
from mfrec.errors import InputError


@pytest.fixture
def write(tmp_path):
    def write_file(content):
        path = tmp_path / "ratings.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


EXPECTED = [("u1", "7", 4.0, 100), ("u2", "007", 2.5, 90)]


@pytest.mark.parametrize("delimiter", ["::", "\t", ",", ";", "|", " "])
def test_guesses_the_delimiter(write, delimiter):
    lines = [
        delimiter.join(["u1", "7", "4", "100"]),
        delimiter.join(["u2", "007", "2.5", "90"]),
    ]
    assert rows(read_ratings(write("\n".join(lines) + "\n"))) == EXPECTED


def test_a_named_delimiter_wins_over_the_guess(write):
    data = read_ratings(write("a,b|x|3\nc|y,z|4\n"), delimiter="|")
    assert rows(data) == [("a,b", "x", 3), ("c", "y,z", 4)]
    assert rows(read_ratings(write("a->x->3\n"), delimiter="->")) == [("a", "x", 3)]


@pytest.mark.parametrize(
    "content",
    [
        b"u1,7,4,100\r\nu2,007,2.5,90\r\n",
        b"u1,7,4,100\ru2,007,2.5,90",
        b"\xef\xbb\xbfu1,7,4,100\nu2,007,2.5,90",
        b"\n\nu1,7,4,100\n\n\nu2,007,2.5,90\n\n",
        b'"u1","7",4,100\n\n"u2","007","2.5",90\n',
        b"\xef\xbb\xbfuserId,movieId,rating,timestamp\r\nu1,7,4,100\r\nu2,007,2.5,90\r\n",
        b"user_id:token,item_id:token,rating:float,timestamp:float\nu1,7,4,100\nu2,007,2.5,90.0",
        b"timestamp,Rating,ISBN,User-ID\n100,4,7,u1\n90,2.5,007,u2\n",
        b"//userID,x,artistID,score,date\nu1,_,7,4,1970-01-01 00:01:40\nu2,_,007,2.5,90",
        b"REVIEWER ID,asin,overall,unix_time\nu1,7,4,1e2\nu2,007,2.5,90.0\n",
        b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
        b"u1\t7\t4\t100\nu2\t007\t2.5\t90\n",
        b"u1 7  4 100\n u2 007 2.5   90 \n",
        b"u1::7::4::0100\nu2::007::2.5::000000000000000090\n",
    ],
)
def test_reads_what_files_look_like(write, content):
    assert rows(read_ratings(write(content))) == EXPECTED


def test_takes_columns_by_name_or_number(write):
    path = write("w,who,what,r\n5,a,x,1\n6,b,x,2\n")
    by_name = read_ratings(path, user_column="who", item_column="What", rating_column="w")
    assert rows(by_name) == [("a", "x", 5), ("b", "x", 6)]
    by_number = read_ratings(path, user_column=1, item_column=2, rating_column=3, header=True)
    assert rows(by_number) == [("a", "x", 1), ("b", "x", 2)]
    headless = read_ratings(write("5,a,x\n6,b,x\n"), user_column=1, item_column=2, rating_column=0)
    assert rows(headless) == rows(by_name)


def test_digits_are_a_number_unless_the_header_has_such_a_name(write):
    columns = {"user_column": "1", "item_column": "2", "rating_column": "0"}
    assert rows(read_ratings(write("5,a,x\n6,b,x\n"), **columns)) == [("a", "x", 5), ("b", "x", 6)]
    by_number = read_ratings(write("r,who,what\n5,a,x\n"), **columns)
    assert rows(by_number) == [("a", "x", 5)]
    by_name = read_ratings(write("r,1,2,0\n9,a,x,5\n"), **columns, header=True)
    assert rows(by_name) == [("a", "x", 5)]


def test_a_column_that_is_named_makes_the_first_line_a_header(write):
    path = write("who,what,1\na,x,5\n")
    data = read_ratings(path, user_column="who", item_column="what", rating_column="1")
    assert rows(data) == [("a", "x", 5)]


@pytest.mark.parametrize(
    "name, delimiter", [("tab", "\t"), ("\\t", "\t"), ("pipe", "|"), ("space", " ")]
)
def test_delimiters_have_names(write, name, delimiter):
    lines = [["u1", "7", "4", "100"], ["u2", "007", "2.5", "90"]]
    path = write("\n".join(map(delimiter.join, lines)))
    assert rows(read_ratings(path, delimiter=name)) == EXPECTED


def test_the_delimiter_is_what_splits_the_first_lines_evenly(write):
    # by the first line alone it would be the comma
    assert rows(read_ratings(write("Doe, J|7|4\nRoe|8|3\n"))) == [
        ("Doe, J", "7", 4),
        ("Roe", "8", 3),
    ]


def test_more_distinct_ids_than_hash_slots_stay_apart(write, monkeypatch):
    monkeypatch.setattr(numbering, "_FEWEST_BITS", 1)
    monkeypatch.setattr(numbering, "_MOST_BITS", 3)
    names = [f"{n % 400:07}{'x' * (n % 3)}{n % 5}" for n in range(2_000)]
    data = read_ratings(write("".join(f"{name},{n},3\n" for n, name in enumerate(names))))
    assert data.users.raw_ids == tuple(dict.fromkeys(names))
    assert [data.users.raw_ids[user] for user in data.user_ids] == names


def test_an_exact_column_name_wins_over_a_like_one(write):
    path = write("User,user,item,rating\na,b,x,1\n")
    assert rows(read_ratings(path, user_column="user")) == [("b", "x", 1)]


def test_numbers_ids_by_first_appearance(write):
    data = read_ratings(write("b,30,1\na,10,2\nb,10,3\n"))
    assert data.users.raw_ids == ("b", "a")
    assert data.items.raw_ids == ("30", "10")
    assert data.user_ids.tolist() == [0, 1, 0]
    assert data.item_ids.tolist() == [0, 1, 1]
    dtypes = [data.user_ids.dtype, data.item_ids.dtype, data.ratings.dtype]
    assert dtypes == [np.int32, np.int32, np.float32]
    assert data.timestamps is None


def test_raw_ids_survive_exactly(write):
    odd = ["007", "7", "07", " 7", "7 ", "12345678", "123456789", "1234567", "é", "日本語の本"]
    odd += ["x" * 40, "x" * 39, "x" * 39 + "y", "1.0", "1e3", "-1", "none", "a:b"]
    data = read_ratings(write("".join(f"{raw}\t{raw}\t3\n" for raw in odd)), delimiter="\t")
    assert data.users.raw_ids == tuple(odd)
    assert data.items.raw_ids == tuple(odd)


def test_agrees_with_reading_line_by_line(write):
    draw = random.Random(0)
    lines = [
        (
            f"user-{draw.randrange(50) ** 4}",
            "".join(draw.choices("ab", k=draw.randrange(1, 20))),
            draw.randrange(-40, 40) / 8,
            draw.randrange(10 ** draw.randrange(1, 18)),
        )
        for _ in range(2_000)
    ]
    content = "\n".join("::".join(map(str, line)) for line in lines)
    assert rows(read_ratings(write(content))) == lines


def test_many_distinct_ratings_stay_exact(write):
    ratings = [0.1 + i / 7 for i in range(500)]
    data = read_ratings(write("".join(f"u,{i},{r!r}\n" for i, r in enumerate(ratings))))
    assert data.ratings.tolist() == np.array(ratings, np.float32).tolist()


def test_timestamps_of_any_length_and_sign(write):
    times = [0, -5, 2**63 - 1, 12, 978300760]
    data = read_ratings(write("".join(f"u\t{i}\t1\t{t}\n" for i, t in enumerate(times))))
    assert data.timestamps.tolist() == times
    assert data.timestamps.dtype == np.int64


def test_timestamps_of_up_to_sixteen_digits(write):
    times = [int("9182736455463728"[:length]) for length in range(1, 17)] + [10**15, 0]
    data = read_ratings(write("".join(f"u\t{i}\t1\t{t}\n" for i, t in enumerate(times))))
    assert data.timestamps.tolist() == times
    assert data.timestamps.dtype == np.int64


def test_dates_become_seconds_and_keep_their_zone(write):
    content = "u,x,1,1970-01-02\nu,y,1,1970-01-01T01:00:00+01:00\n"
    assert read_ratings(write(content)).timestamps.tolist() == [86_400, 0]


def test_quotes_hold_delimiters_line_ends_and_quotes(write):
    content = 'user,item,rating\n"a,b","say ""x""",3\nc,"two\nlines",4\nd,z,5\n'
    expected = [("a,b", 'say "x"', 3), ("c", "two\nlines", 4), ("d", "z", 5)]
    assert rows(read_ratings(write(content))) == expected


@pytest.mark.parametrize(
    "content, expected",
    [
        ('"u\n1"\tx\t3\nv\t"y"\t4\n', [("u\n1", "x", 3), ("v", "y", 4)]),
        ('"u\t1"\tx\t3\nv\t"y"\t4\n', [("u\t1", "x", 3), ("v", "y", 4)]),
        ('u\t"Weird" Al\t3\nv\ty\t4\n', [("u", '"Weird" Al', 3), ("v", "y", 4)]),
        ('u\t"x"\t3\nv\t"y\t4"\n', None),
    ],
)
def test_quotes_beside_tabs_are_csv_only_where_the_whole_file_is(write, content, expected):
    if expected is None:
        with pytest.raises(InputError, match=r"ratings\.txt:2: the rating '4\"' is no number"):
            read_ratings(write(content))
    else:
        assert rows(read_ratings(write(content))) == expected


def test_quotes_beside_tabs_that_make_sense_in_two_ways_are_refused(write):
    # as CSV this is one row
    with pytest.raises(InputError, match=r"ratings\.txt:1: the quotes can be read in two ways"):
        read_ratings(write('u\t"x\t3\nv\ty"\t4\n'))


def test_quotes_mean_nothing_beside_double_colons(write):
    assert rows(read_ratings(write('1::"x::3\n'))) == [("1", '"x', 3)]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "ratings.txt: is empty"),
        ("\n \n", "ratings.txt: is empty"),
        ("user,item,rating\n", "ratings.txt: a header but no ratings"),
        ("1,2,3,4,5\n", "ratings.txt:1: 5 fields and no header; say which are which by --user"),
        ("abc\n", "cannot guess the delimiter of 'abc'"),
        ("u,x,3\nu,x\n", "ratings.txt:2: 2 fields, 3 expected as in line 1"),
        ("\nu,x,3\n\nu,x,3,4\n", "ratings.txt:4: 4 fields, 3 expected as in line 2"),
        ('u,x,3\n"u\n2",x\n', "ratings.txt:2: 2 fields, 3 expected"),
        ('u,x,3\nu,"x,3\n', "ratings.txt:2: unexpected end of data; correct the quotes"),
        ("u,x,3\nu,x,good\n", "ratings.txt:2: the rating 'good' is no number"),
        (
            "u,x,bad\nu,x,3\n",
            "ratings.txt:1: cannot tell the user column; the file has: u, x, bad",
        ),
        ("1,2,bad\n", "ratings.txt:1: the rating 'bad' is no number"),
        ("u,x,3\nu,y,\n", "ratings.txt:2: the rating '' is no number"),
        ("u,x,3\n\nu,y,nan\n", "ratings.txt:3: the rating 'nan' is not finite"),
        ("u,x,3\nu,y,-inf\n", "ratings.txt:2: the rating '-inf' is not finite"),
        ("u,x,3\nu,y,1e39\n", "ratings.txt:2: the rating '1e39' is not finite"),
        ("u,x,3\nu,y,1_0\n", "ratings.txt:2: the rating '1_0' is no number"),
        ("u,x,3\n,y,3\n", "ratings.txt:2: the user id is empty"),
        ("user,item,rating\nu,,3\n", "ratings.txt:2: the item id is empty"),
        ("u,x,3,4\nu,y,3,soon\n", "ratings.txt:2: the timestamp 'soon' is neither"),
        ("u,x,3,4\nu,y,3,\n", "ratings.txt:2: the timestamp '' is neither"),
        (f"u,x,3,{2**63}\n", "ratings.txt:1: the timestamp '9223372036854775808' is neither"),
        ('u,"two\nlines",3\nu,y,bad\n', "ratings.txt:3: the rating 'bad' is no number"),
        (b"u,x,3\nu,y\0,3\n", "ratings.txt:2: not text"),
        (b"u,x,3\nu,caf\xe9,3\n", "ratings.txt:2: not UTF-8 text"),
        (
            "user,item,price,date\nu,x,3,4\n",
            "has: user, item, price, date; give --rating_column as a name of the header or a "
            "number from 0, --rating_column=none if every line is a positive, or --weight_column "
            "for counts",
        ),
        (
            "user,item,likes\nu,x,y\n",
            "cannot tell the rating column; the file has: user, item,",
        ),
        ("user,rating\nu,3\n", "cannot tell the item column; the file has: user, rating"),
    ],
)
def test_bad_files_are_refused_in_one_line(write, content, message):
    with pytest.raises(InputError) as raised:
        read_ratings(write(content))
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"user_column": "who"}, "no column 'who'; the file has: user, item, rating"),
        ({"item_column": 3}, "no column 3"),
        ({"item_column": -1}, "no column -1"),
        ({"item_column": 0}, "one column in two roles"),
        ({"header": False, "user_column": "user"}, "no header"),
        ({"delimiter": ""}, "cannot separate fields"),
    ],
)
def test_columns_that_are_not_there_are_refused(write, options, message):
    with pytest.raises(InputError, match=message):
        read_ratings(write("user,item,rating\nu,x,3\n"), **options)


PAIRS = [("u1", "7", 1), ("u2", "007", 1)]


@pytest.mark.parametrize(
    "content",
    [
        "u1,7\nu2,007\n",
        "u1\t7\nu2\t007\n",
        "user_id,item_id\nu1,7\nu2,007\n",
        "item,user\n7,u1\n007,u2\n",
        "# user item\nu1 7\nu2 007\n",
        "// user item\nu1 7\nu2 007\n",
        "//user\titem\nu1\t7\nu2\t007\n",
    ],
)
def test_two_columns_are_pairs_without_ratings(write, content):
    data = read_ratings(write(content))
    assert rows(data) == PAIRS
    assert not data.has_ratings and data.weights is None


def test_a_third_column_has_to_be_known_by_name(write):
    data = read_ratings(write("user,item,timestamp\nu1,7,100\nu2,007,90\n"))
    assert rows(data) == [("u1", "7", 1, 100), ("u2", "007", 1, 90)]
    assert not data.has_ratings
    # by position it is a rating
    data = read_ratings(write("u1,7,100\nu2,007,90\n"))
    assert rows(data) == [("u1", "7", 100), ("u2", "007", 90)] and data.has_ratings
    data = read_ratings(write("u1,7,100\nu2,007,90\n"), timestamp_column=2)
    assert rows(data) == [("u1", "7", 1, 100), ("u2", "007", 1, 90)] and not data.has_ratings


def test_none_is_no_rating_column_unless_the_header_has_that_name(write):
    path = write("user,item,price,date\nu1,7,9.5,100\nu2,007,2,90\n")
    data = read_ratings(path, rating_column="none")
    assert rows(data) == [("u1", "7", 1, 100), ("u2", "007", 1, 90)] and not data.has_ratings
    data = read_ratings(write("u1,7,9\nu2,007,9\n"), rating_column="none")
    assert rows(data) == PAIRS
    data = read_ratings(write("user,item,none\nu1,7,9\n"), rating_column="none")
    assert rows(data) == [("u1", "7", 9)] and data.has_ratings


def test_who_counts_columns_of_text_sees_no_header(write):
    path = write("ann\theat\nbob\tkolya\n")
    data = read_ratings(path, user_column=0, item_column=1)
    assert rows(data) == [("ann", "heat", 1), ("bob", "kolya", 1)]
    data = read_ratings(write("who,movie\nann,heat\n"), user_column=0, item_column=1)
    assert rows(data) == [("ann", "heat", 1)]
    with pytest.raises(InputError, match="ratings.txt:1: cannot tell the user column"):
        read_ratings(path)


@pytest.mark.parametrize(
    "content, options",
    [
        ("user,item,plays,time\nu1,7,4,100\nu2,007,2.5,90\n", {"weight_column": "plays"}),
        ("u1,7,4,100\nu2,007,2.5,90\n", {"weight_column": "2", "timestamp_column": "3"}),
        ("u1,7,100,4\nu2,007,90,2.5\n", {"weight_column": 3, "timestamp_column": 2}),
        ("user,x,item,value,time\nu1,_,7,4,100\nu2,_,007,2.5,90\n", {"weight_column": "value"}),
    ],
)
def test_a_column_of_weights_leaves_no_rating_where_it_stands(write, content, options):
    data = read_ratings(write(content), **options)
    assert rows(data) == [("u1", "7", 1, 100), ("u2", "007", 1, 90)]
    assert data.weights.tolist() == [4, 2.5] and data.weights.dtype == np.float32
    assert not data.has_ratings


def test_ratings_and_weights_side_by_side(write):
    path = write("user,item,rating,trust\nu1,7,4,0.5\nu2,007,2.5,2\n")
    data = read_ratings(path, weight_column="trust")
    assert rows(data) == [("u1", "7", 4), ("u2", "007", 2.5)] and data.has_ratings
    assert data.weights.tolist() == [0.5, 2]


@pytest.mark.parametrize("weight", ["0", "-1", "nan", "inf", "1e39", "1e-50", "", "many", "1_0"])
def test_weights_are_above_zero(write, weight):
    path = write(f"user,item,n\nu,x,3\n\nu,y,{weight}\n")
    with pytest.raises(InputError) as raised:
        read_ratings(path, weight_column="n")
    assert f"ratings.txt:4: the weight {weight!r} is no finite number above 0" in str(raised.value)


ADJACENCY = [("0", "7", 1), ("0", "007", 1), ("5", "7", 1)]


@pytest.mark.parametrize(
    "content, options",
    [
        ("0 7 007\n5 7\n3\n", {}),
        ("0 7 007 \n5 7 \n3 \n", {}),
        ("0 7 007\r\n\r\n5  7\r\n3", {"ratings_format": "adjacency"}),
        ("0,7,007\n5,7\n3\n", {"ratings_format": "adjacency"}),
        ("0\t7\t007\n5\t7\n3\n", {"ratings_format": "adjacency", "delimiter": "tab"}),
    ],
)
def test_reads_one_user_a_line(write, content, options):
    data = read_ratings(write(content), **options)
    assert rows(data) == ADJACENCY and not data.has_ratings
    assert data.users.raw_ids == ("0", "5", "3")
    assert data.timestamps is None and data.weights is None


def test_adjacency_may_begin_without_items_and_come_again(write):
    data = read_ratings(write("a\nb x\na y z\n"), ratings_format="adjacency")
    assert rows(data) == [("b", "x", 1), ("a", "y", 1), ("a", "z", 1)]
    assert data.users.raw_ids == ("a", "b")
    assert rows(read_ratings(write("1 2 3\n4 5 6\n"), ratings_format="adjacency")) == [
        *(("1", "2", 1), ("1", "3", 1), ("4", "5", 1), ("4", "6", 1))
    ]


@pytest.mark.parametrize(
    "content, message",
    [
        # a user comes again
        ("1 2 3\n1 4\n5 6 3\n", "ratings.txt:2: 2 fields, 3 expected"),
        ("1,2,3\n4,5\n", "ratings.txt:2: 2 fields, 3 expected"),
        ("1 2 3\n4 5 3.5 1\n", "ratings.txt:2: 4 fields, 3 expected"),
        ("1 2 3\n4 x\n", "ratings.txt:2: 2 fields, 3 expected"),
        ("user item\n1 2 3\n4 5\n", "ratings.txt:2: 3 fields, 2 expected"),
    ],
)
def test_other_ragged_files_are_refused(write, content, message):
    with pytest.raises(InputError) as raised:
        read_ratings(write(content))
    assert message in str(raised.value)


def test_a_ragged_table_is_refused_by_its_name(write):
    path = write("1 2 3\n4 5\n")
    assert len(read_ratings(path)) == 3
    with pytest.raises(InputError, match="ratings.txt:2: 2 fields, 3 expected"):
        read_ratings(path, ratings_format="table")
    with pytest.raises(InputError, match="ratings.txt:2: 2 fields, 3 expected"):
        read_ratings(path, rating_column=2)


@pytest.mark.parametrize(
    "content, message",
    [
        ("1,\n", "ratings.txt:1: the item id is empty"),
        ("1,2\n,3,4\n", "ratings.txt:2: the user id is empty"),
        ("1,2\n3,4,,5\n", "ratings.txt:2: the item id is empty"),
        ("1\n2\n", "cannot guess the delimiter of '1'"),
    ],
)
def test_bad_adjacency_is_refused_in_one_line(write, content, message):
    with pytest.raises(InputError) as raised:
        read_ratings(write(content), ratings_format="adjacency")
    assert message in str(raised.value)


def test_users_alone_are_no_interactions(write):
    with pytest.raises(InputError, match="ratings.txt: users but no items"):
        read_ratings(write("1\n2\n"), ratings_format="adjacency", delimiter="space")


FOREIGN = [
    (b"\x80\x04\x95\x10", "a pickle; pickles can run code and are not read; export"),
    (b"\x93NUMPY\x01\0", "a numpy array; give the file an .npy ending"),
    (b"7z\xbc\xaf\x27\x1c", "a 7z archive; unpack it"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file; export the ratings as CSV or npz"),
    (bytes(257) + b"ustar\x0000", "a tar archive; unpack it"),
    (b"\n<!DOCTYPE html>", "HTML or XML; perhaps a page saved instead of a file"),
    (b'[\n{"user": 1}\n]\n', "JSON, but not one object a line; write it so, such as by jq -c"),
]


@pytest.mark.parametrize("content, message", FOREIGN)
def test_other_formats_are_named(write, content, message):
    with pytest.raises(InputError, match=f"ratings.txt: looks like {re.escape(message)}"):
        read_ratings(write(content))


MATRIX = [("0", "0", 5), ("0", "2", 3.5), ("1", "1", 0)]
NAMED = [("7", "10", 5), ("7", "30", 3.5), ("8", "20", 0)]


@pytest.mark.parametrize(
    "content, expected",
    [
        ("5,,3.5\n?,0,nan\n", MATRIX),
        ("5 NaN 3.5\n? 0 NA\n", MATRIX),
        ("5::::3.5\n::0::\n", MATRIX),
        ("a,b,c\n5,,3.5\n,0,\n", [("0", "a", 5), ("0", "c", 3.5), ("1", "b", 0)]),
        ("ann\t5\t\t3.5\nbob\t\t0\t\n", [("ann", "0", 5), ("ann", "2", 3.5), ("bob", "1", 0)]),
        ("x;a;b;c\nann;5;;3.5\nbob;;0;\n", [("ann", "a", 5), ("ann", "c", 3.5), ("bob", "b", 0)]),
        ("user_id,10,20,30\n7,5,,3.5\n8,,0,\n", NAMED),
        (",10,20,30\n7,5,,3.5\n8,,0,\n", NAMED),
        # an empty corner is no name where the column below holds something twice
        (",4,5\n3,2,1\n3,,\n", [*zip("001112", "120120", (4, 5, 3, 2, 1, 3), strict=False)]),
        ('"","a b","c"\n"x",5,4\n', [("x", "a b", 5), ("x", "c", 4)]),
    ],
)
def test_reads_a_matrix(write, content, expected):
    data = read_ratings(write(content), ratings_format="matrix")
    assert rows(data) == expected
    assert data.timestamps is None


def test_a_matrix_may_be_wide(write):
    names = [f"é{n:05}" for n in range(10_000)]
    data = read_ratings(
        write(",".join(names) + "\n" + "1," * 9_999 + "1\n"), ratings_format="matrix"
    )
    assert data.items.raw_ids == tuple(names) and len(data) == 10_000


def test_a_matrix_keeps_users_and_items_without_ratings(write):
    data = read_ratings(write("a,b,c\n5,,\n,,\n"), ratings_format="matrix")
    assert (data.users.raw_ids, data.items.raw_ids) == (("0", "1"), ("a", "b", "c"))


@pytest.mark.parametrize(
    "content, message",
    [
        ("a,b\n1,2\n3,good\n", "ratings.txt:3: the rating 'good' is no number"),
        ("1,2\n3,inf\n", "ratings.txt:2: the rating 'inf' is not finite"),
        ("1,2\n3\n", "ratings.txt:2: 1 fields, 2 expected"),
        ("a,a\n1,2\n", "ratings.txt: two columns are named 'a'"),
        ("a,b\n", "ratings.txt: no ratings beside the names"),
    ],
)
def test_bad_matrices_are_refused_in_one_line(write, content, message):
    with pytest.raises(InputError) as raised:
        read_ratings(write(content), ratings_format="matrix")
    assert message in str(raised.value) and "\n" not in str(raised.value)


def test_missing_files_and_folders_are_refused(tmp_path):
    with pytest.raises(InputError, match="none.csv: no such file"):
        read_ratings(tmp_path / "none.csv")
    with pytest.raises(InputError, match="is a folder"):
        read_ratings(tmp_path)


@pytest.mark.real_data
def test_reads_movielens_1m(real_data_dir):
    data = read_ratings(real_data_dir / "ml-1m" / "ratings.dat")
    assert (len(data), data.num_users, data.num_items) == (1_000_209, 6_040, 3_706)
    text = (real_data_dir / "ml-1m" / "ratings.dat").read_text()
    sample = slice(None, None, 101)
    lines = [line.split("::") for line in text.splitlines()[sample]]
    assert rows(data.take(sample)) == [
        (user, item, float(rating), int(timestamp)) for user, item, rating, timestamp in lines
    ]


@pytest.mark.real_data
def test_reads_other_real_files(real_data_dir):
    purchases = read_ratings(
        real_data_dir / "online-retail" / "purchases.csv",
        item_column="stock_code",
        rating_column="quantity",
    )
    assert (len(purchases), purchases.num_users, purchases.num_items) == (266_802, 4_339, 3_665)
    plays = read_ratings(real_data_dir / "hetrec-lastfm/user_artists.dat", rating_column="weight")
    assert (len(plays), plays.num_users, plays.num_items) == (92_834, 1_892, 17_632)
    tweets = read_ratings(real_data_dir / "movietweetings-100k" / "ratings.dat")
    assert (len(tweets), tweets.num_users, tweets.num_items) == (100_000, 16_554, 10_506)


def test_reading_files_is_public(write):
    assert rows(mfrec.read_ratings(write("a;x;4\n"), delimiter=";")) == [("a", "x", 4)]

"""Which columns are read as what, and what is said about it."""

import pytest

from mfrec.data import cache, readers
from mfrec.data.features import read_features
from mfrec.data.items import read_items
from mfrec.data.vocabulary import Vocabulary
from mfrec.errors import InputError


@pytest.fixture
def read(tmp_path):
    """Reads a file of this content; returns the ratings and the notes."""

    def read_text(content, **options):
        path = tmp_path / "ratings.csv"
        path.write_text(content)
        return readers.read(path, **options)

    return read_text


def users_items(data):
    users = [data.users.raw_ids[user] for user in data.user_ids]
    return list(zip(users, [data.items.raw_ids[item] for item in data.item_ids], strict=True))


def test_one_line_says_which_columns_were_read_with_an_example(read):
    _, notes = read("genre,user_id,movie,rating,x\nwar,27,12,4,0\nsad,27,13,5,0\n")
    assert notes == (
        "user_id → user, movie → item, rating → rating, 3 of 5 columns; first row: user 27, "
        "item 12, rating 4",
    )
    _, notes = read("27,12,4,1300000000\n27,13,5,1300000001\n")
    assert notes == (
        "column 0 → user, column 1 → item, column 2 → rating, column 3 → timestamp; first row: "
        "user 27, item 12, rating 4, timestamp 1300000000",
    )
    _, notes = read("user,item,plays\nann,heat,3\n", weight_column="plays")
    assert notes == (
        "user → user, item → item, plays → weight; first row: user ann, item heat, weight 3",
    )


def test_the_line_stays_one_line_on_a_terminal(read):
    long = "x" * 5_000
    _, notes = read(f'user,item,rating,"a\nb"\n"\x1b[31mann\n","{long}",4,5\n', header=True)
    (note,) = notes
    assert note.isprintable() and len(note) < 200
    assert r"user '\x1b[31mann\n', item 'xxx" in note


def test_other_layouts_are_named_with_their_first_rating(read, tmp_path):
    _, notes = read("0 7 8\n5 7\n")
    assert notes == ("one user a line, then that user's items; first: user 0, item 7",)
    _, notes = read("x,a,b\nann,,3\n", ratings_format="matrix")
    assert notes[0].startswith("a matrix of 1 users and 2 items")
    assert notes[0].endswith("; first: user ann, item b, rating 3")


def test_the_line_is_the_same_from_the_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "MIN_BYTES", 0)
    path = tmp_path / "ratings.csv"
    path.write_text("user,item,rating,date\nann,heat,3,13/1/2010\nbob,heat,4,2/1/2010\n")
    _, first = cache.read(path, tmp_path)
    monkeypatch.setattr(readers, "read", None)
    _, again = cache.read(path, tmp_path)
    assert again == first and len(first) == 2
    assert first[1] == "dates such as '13/1/2010' are read as day, month, year"


@pytest.mark.parametrize(
    ("header", "row", "expected"),
    [
        ("username,user_id,item_id,rating", "sam,27,19,4", "user_id → user"),
        ("user_name,userId,movie_id,rating", "sam,27,19,4", "userId → user"),
        ("user,uid_,user_id,item,rating", "sam,1,27,19,4", "user_id → user"),
        ("user_id,customer_id,item_id,rating", "27,1,19,4", "user_id → user"),
        ("user_id,item,item_id,rating", "27,Heat,19,4", "item_id → item"),
        ("user_id,movie,movieId,rating", "27,Heat,19,4", "movieId → item"),
        ("user_id,parent_asin,asin,rating", "27,p,19,4", "asin → item"),
        ("user_id,item_id,value,score", "27,19,9,4", "score → rating"),
        ("user_id,item_id,score,rating", "27,19,9,4", "rating → rating"),
        ("user_id,item_id,rating,time,timestamp", "27,19,4,9,1300000000", "timestamp → timestamp"),
        ("User-ID,ISBN,Book-Rating", "27,19,4", "Book-Rating → rating"),
    ],
)
def test_the_exact_usual_name_wins_wherever_it_stands(read, header, row, expected):
    for reverse in (False, True):
        lines = [",".join(line.split(",")[:: -1 if reverse else 1]) for line in (header, row)]
        _, notes = read("\n".join(lines) + "\n")
        assert expected in notes[0]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("user_id,userId,item_id,rating", "user_id (0) and userId (1) may each be the user"),
        (
            "user_id,artist_id,track_id,rating",
            "artist_id (1) and track_id (2) may each be",
        ),
        ("user_id,item_id,stars,overall", "stars (2) and overall (3) may each be the rating"),
        ("user_id,item_id,date,time", "date (2) and time (3) may each be the timestamp column"),
        (
            "user_id,item_id,rating,rating",
            "rating (2) and rating (3) may each be the",
        ),
    ],
)
def test_two_names_that_are_as_good_are_refused(read, header, message):
    with pytest.raises(InputError) as raised:
        read(f"{header}\n27,19,4,5\n")
    assert message in str(raised.value) and "ratings.csv:1: " in str(raised.value)


def test_two_columns_of_a_given_name_are_refused(read):
    with pytest.raises(InputError, match=r"columns n \(2\) and n \(3\) may each be the weight"):
        read("user,item,n,n\na,x,1,2\n", weight_column="n")


PLAYS = "".join(
    f"{user},game {item},{what},{hours},0\n"
    for user in range(5)
    for item in range(4)
    for what, hours in (("purchase", 1.0), ("play", 14.5))
)


def test_who_names_columns_gets_no_others_by_their_position(read):
    columns = {"user_column": 0, "item_column": 1}
    data, notes = read(PLAYS, **columns, rating_column="none")
    assert data.timestamps is None and not data.has_ratings and len(data) == 40
    assert notes[1:] == (
        "column 3 does not look like a time and is not taken for one; --timestamp_column=3 would",
    )
    data, notes = read(PLAYS, **columns, rating_column="none", weight_column=3)
    assert data.timestamps is None and data.weights[:2].tolist() == [1, 14.5]
    data, notes = read(PLAYS, **columns, weight_column=3)
    assert not data.has_ratings and any("--rating_column=none" in note for note in notes)
    with pytest.raises(InputError, match="cannot tell the rating column.*--rating_column=none"):
        read(PLAYS, **columns)


CHECKINS = "".join(f"{n}\t2011-03-13T07:0{n}:40Z\t30.2\t-97.7\t1{n}\n" for n in range(5))


def test_latitudes_and_longitudes_are_neither_ratings_nor_times(read):
    with pytest.raises(
        InputError, match=r"5 fields.*'0 \| 2011-03-13T07:00:40Z \| 30.2 \| -97.7 \| 10'"
    ):
        read(CHECKINS)
    with pytest.raises(InputError, match="cannot tell the rating column"):
        read(CHECKINS, user_column=0, item_column=4)
    columns = {"user_column": 0, "item_column": 4, "rating_column": "none"}
    data, _ = read(CHECKINS, **columns)
    assert data.timestamps is None and users_items(data)[0] == ("0", "10")
    data, _ = read(CHECKINS, **columns, timestamp_column=1)
    assert data.timestamps[0] == 1299999640
    places = "27\t30.2\t-97.7\t19\n28\t30.2\t-97.7\t19\n"
    with pytest.raises(InputError, match="cannot tell the rating column"):
        read(places, item_column=3)


def test_a_time_that_looks_like_one_is_read_though_other_columns_were_named(read):
    data, _ = read("27,19,4,1300000000\n", weight_column=2)
    assert data.timestamps.tolist() == [1300000000]
    data, _ = read("27,19,4,1300000000\n", user_column=1, item_column=0)
    assert data.timestamps.tolist() == [1300000000] and data.ratings.tolist() == [4]
    data, _ = read("27,19,2019-10-01,4\n", rating_column=3, timestamp_column=2)
    assert data.ratings.tolist() == [4] and data.timestamps.tolist() == [1569888000]


def test_times_are_not_taken_for_ids(read):
    clicks = "".join(f"{n},2011-03-13T07:06:4{n}.000Z,19,0\n" for n in range(5))
    with pytest.raises(InputError, match="column 1 holds times where the items would be"):
        read(clicks)
    with pytest.raises(InputError, match="column 0 holds times where the users would be"):
        read("2011-03-13,27,19,4\n2011-03-14,27,18,4\n")
    data, _ = read(clicks, item_column=2, timestamp_column=1, rating_column="none")
    assert users_items(data)[0] == ("0", "19") and data.timestamps[0] == 1300000000


def test_none_is_a_column_that_the_file_lacks(read):
    data, _ = read("27,19,4,1300000000\n", timestamp_column="none", weight_column="none")
    assert data.timestamps is None and data.weights is None
    assert read("27,19,4\n", weight_column="none")[0].weights is None
    data, _ = read("user,item,rating,time\na,x,3,soon\n", timestamp_column="none")
    assert data.timestamps is None
    with pytest.raises(InputError, match="no column 'none'"):
        read("user,item,rating\na,x,3\n", user_column="none")


def test_a_wrong_value_of_a_column_that_nobody_named_says_how_to_name_it(read):
    with pytest.raises(InputError, match=r"csv:2: the timestamp 'soon' .*timestamp_column=none or"):
        read("u,x,3,4\nu,y,3,soon\n")
    with pytest.raises(InputError, match="csv:3: .*or if time is no timestamp, give --timestamp_c"):
        read("user,item,rating,time\nu,x,3,4\nu,y,3,\n")
    with pytest.raises(InputError) as raised:
        read("u,x,3,4\nu,y,3,soon\n", timestamp_column=3)
    assert "=none" not in str(raised.value)


@pytest.mark.parametrize("time", ["2011-03-13T07:06:40Z", "1300000000", "1300000000123"])
def test_times_are_not_taken_for_ratings(read, time):
    rows = f"27,19,{time}\n28,19,{time}\n"
    for options in ({}, {"user_column": 0, "item_column": 1}):
        with pytest.raises(InputError, match="column 2 holds times where the rating would be"):
            read(rows, **options)
    data, _ = read(rows, timestamp_column=2)
    assert data.timestamps[0] >= 1300000000 and not data.has_ratings
    # a header says what it is
    assert read("user,item,rating\n" + rows.replace(time, "1300000000"))[0].has_ratings


def test_files_of_titles_and_features_prefer_the_same_names(tmp_path):
    path = tmp_path / "items.csv"
    path.write_text("movie,item_id,title\nM1,1,Heat\nM2,2,Ran\n")
    assert read_items(path).labels == {"1": "Heat", "2": "Ran"}
    path.write_text("username,id,user_id,age\nann,x,1,30\nbob,y,2,30\n")
    assert read_features(path, "user", [Vocabulary(("1", "2"))]).rows.raw_ids == ("1", "2")

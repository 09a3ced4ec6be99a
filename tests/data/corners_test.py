"""Numbers at the edge of a matrix that are names, sums there, and times of two kinds."""

import numpy as np
import pytest

from mfrec.data import corners, readers
from mfrec.data.interactions import Interactions
from mfrec.data.kinds_of_time import two_kinds
from mfrec.data.times import as_timestamps
from mfrec.errors import InputError


@pytest.fixture
def read(tmp_path):
    def read_text(content, **options):
        path = tmp_path / "m.csv"
        path.write_text(content)
        return readers.read(path, **options)[0]

    return read_text


@pytest.mark.parametrize("corner", ["user_id/movie_id", r"userId\movieId", "Customer No", "reader"])
def test_corners_that_say_users(read, corner):
    data = read(f"{corner},Alien,Matrix\n1,5,\n2,,3\n", ratings_format="matrix")
    assert data.users.raw_ids == ("1", "2")


@pytest.mark.parametrize("corner", ["title", "movieId", "item_id/user_id", "movies"])
def test_corners_that_say_items_are_refused(read, corner):
    with pytest.raises(InputError, match="a matrix has one user a line; transpose it"):
        read(f"{corner},u1,u2\nAlien,5,\nMatrix,,3\n", ratings_format="matrix")


@pytest.mark.parametrize(
    "content, message",
    [
        ("Gast,Alien,Matrix\n1001,5,\n1002,,3\n", "write user in the first cell if they are names"),
        ("Gast,Alien,Matrix\n1,5,\n2,,3\n3,4,\n", "the numbers of the first column may be names"),
        ("Gast,Alien,Matrix\n5,5,\n7,,3\n12,4,\n", "the numbers of the first column may be names"),
        ("10,20,30\n5,,3\n,1,2\n", "the numbers of the first row may be names of items"),
        ("0,1,2\n5,,3\n4,1,2\n", "the numbers of the first row may be names of items"),
        ("101,5,,3\n102,,1,2\n", "the numbers of the first column may be names of users"),
        (",a,b\nNULL,1,2\nx,2,3\n", "user 1 is called 'NULL', which stands for a missing name"),
        (",a,All\n1,5,5\nAll,5,5\n", "the last row 'All' looks like a sum of the others; drop it"),
        (",7,8,Total\nx,5,5,10\ny,1,2,3\n", "the last column 'Total' looks like a sum"),
    ],
)
def test_numbers_and_sums_at_the_edge_of_a_matrix_are_refused(read, content, message):
    with pytest.raises(InputError) as raised:
        read(content, ratings_format="matrix")
    assert message in str(raised.value)


@pytest.mark.parametrize(
    "numbers, expected",
    [
        ([1001, 1002], True),
        ([0, 1, 2], True),
        ([2, 3, 5], False),
        ([1, 2, 3, 5, 7, 8], True),
        ([5, 3, 4], False),
        ([5, np.nan, 400], False),
        ([1, 2.5, 4], False),
        ([1001], False),
        ([15, 12], False),
    ],
)
def test_what_may_be_names(numbers, expected):
    assert corners.may_be_names(np.array(numbers, float), np.array([5, 4, np.nan])) == expected


def test_frames_with_users_among_the_items_or_margins_are_refused():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"Gast": [1001, 1002], "Alien": [5, None], "Matrix": [None, 3]})
    with pytest.raises(InputError, match=r"give frame.set_index\('Gast'\) if they are, users= if"):
        Interactions.from_matrix(frame)
    assert Interactions.from_matrix(frame, users=["a", "b"]).num_items == 3
    assert Interactions.from_matrix(frame.set_index("Gast")).users.raw_ids == ("1001", "1002")
    rows = pandas.DataFrame({"u": ["ann", "bob"], "i": ["x", "y"], "r": [5, 4]})
    table = rows.pivot_table(index="u", columns="i", values="r", margins=True)
    with pytest.raises(InputError, match=r"the last row 'All' .*: give frame.drop\(index='All'\)"):
        Interactions.from_matrix(table)
    # an item of that name among names
    assert Interactions.from_matrix(table.drop(index="All")).num_items == 3


@pytest.mark.parametrize(
    "times, message",
    [
        (["1293753600000", "2011-01-02"], "'1293753600000' is milliseconds since 1970, others"),
        (["20120101", "2011-01-02"], "'20120101' is a day written as digits, others such as"),
        (
            ["1293753600000", "1600000000"],
            "m.csv:2: the timestamp '1600000000' is seconds since 1970, but '1293753600000' is "
            "milliseconds since 1970 in line 1; write all of them alike",
        ),
        (["1300000000.5", "1300000000123"], "'1300000000123' is milliseconds since 1970"),
        (["20120101", "1600000000"], "'1600000000' is seconds since 1970, but '20120101' is a day"),
    ],
)
def test_times_of_two_kinds_in_a_file_are_refused(read, times, message):
    with pytest.raises(InputError) as raised:
        read("".join(f"{row},x,3,{time}\n" for row, time in enumerate(times)))
    assert message in str(raised.value)


def test_times_of_two_kinds_in_a_frame_are_refused():
    with pytest.raises(InputError, match="position 0 is a year .2011. beside dates"):
        as_timestamps(["2011", 2012, "2013-01-01"])
    with pytest.raises(InputError, match="position 1 is milliseconds since 1970 .*, that at posi"):
        as_timestamps([1600000000, 1600000000123])


@pytest.mark.parametrize(
    "times",
    [
        [1300000000, 1600000000],
        [0, -5, 2**63 - 1, 12, 978300760],
        [10**power for power in range(17)],
        [1, 2000, 1300000000],
        [0, 0],
        [],
        [20120101, 20201231],
    ],
)
def test_times_of_one_kind(times):
    assert two_kinds(np.array(times, np.int64)) is None


def test_seconds_beside_dates_are_times_of_one_kind():
    assert as_timestamps([1300000000, "2011-01-02"]).tolist() == [1300000000, 1293926400]
    assert as_timestamps([90, "1970-01-02"]).tolist() == [90, 86400]

import datetime
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import polars as pl
import pytest

from mfrec import Interactions
from mfrec.data import cache, splitters
from mfrec.data.readers import read_ratings
from mfrec.data.times import DayOrder, as_timestamps, parse_time
from mfrec.errors import InputError

# 2019-10-01 00:00 UTC: 18,170 days after 1970-01-01
MIDNIGHT = 18_170 * 86_400


@pytest.mark.parametrize(
    ("text", "time"),
    [
        ("1300000000", 1_300_000_000),
        (" -5 ", -5),
        ("1.3e9", 1_300_000_000),
        ("4.0", 4),
        ("0.527027", 0.527027),
        ("9007199254740993", 2**53 + 1),
        ("2019-10-01", MIDNIGHT),
        ("2019/10/1", MIDNIGHT),
        ("2019-10-01 00:00:00 UTC", MIDNIGHT),
        ("2019-10-01T00:00:00Z", MIDNIGHT),
        ("2019-10-01T00:00Z", MIDNIGHT),
        ("2019-10-01 00:00:00 GMT", MIDNIGHT),
        ("2019-10-01T02:00:00+02:00", MIDNIGHT),
        ("2019-10-01 02:00:00 +0200", MIDNIGHT),
        ("2019-10-01 02:00:00+02", MIDNIGHT),
        ("2019-09-30T20:30:00-03:30", MIDNIGHT),
        ("2019-10-01 00:00:00.25", MIDNIGHT + 0.25),
        ("2019-10-01T00:00:00.000", MIDNIGHT),
        ("2019-10-01T00:00:00,5Z", MIDNIGHT + 0.5),
        ("2019-10-01 00:00:00.123456789", MIDNIGHT + 0.123456789),
        ("20191001T000000Z", MIDNIGHT),
        ("10/13/2019 8:26", MIDNIGHT + 12 * 86_400 + 8 * 3600 + 26 * 60),
        ("13/10/2019 8:26", MIDNIGHT + 12 * 86_400 + 8 * 3600 + 26 * 60),
        ("10/13/2019 12:26 AM", MIDNIGHT + 12 * 86_400 + 26 * 60),
        ("10/13/2019 08:26:01 pm", MIDNIGHT + 12 * 86_400 + 20 * 3600 + 26 * 60 + 1),
        ("13.10.2019", MIDNIGHT + 12 * 86_400),
        ("10 13, 2019", MIDNIGHT + 12 * 86_400),
        ("1-Oct-2019 00:00:00", MIDNIGHT),
        ("01 October 2019", MIDNIGHT),
        ("Oct 1, 2019", MIDNIGHT),
        ("Tue, 01 Oct 2019 00:00:00 GMT", MIDNIGHT),
        ("Tue Oct 01 00:00:00 +0000 2019", MIDNIGHT),
        ("1969-12-31 23:59:59.5", -0.5),
    ],
)
def test_times_as_people_write_them(text, time):
    found = parse_time(text)
    assert found == time and type(found) is type(time)


@pytest.mark.parametrize(
    "text",
    ["", "soon", "nan", "inf", "1_000", str(2**63), "2019-13-01", "2019-02-30", "2019-10-01 25:00"]
    + ["2019-10-01 00:00 EST", "10/13/2019 13:26 PM", "1/13/10", "12:30", "31/31/2019"],
)
def test_what_is_no_time_is_refused(text):
    with pytest.raises(ValueError, match="neither a number nor a date"):
        parse_time(text)


def test_years_of_two_digits_are_named():
    with pytest.raises(ValueError, match="'12/1/10 8:26' is .*write the year with four digits"):
        parse_time("12/1/10 8:26")


def test_a_column_decides_whether_the_day_comes_first():
    first = DayOrder.of(["1/2/2010", "2010-01-02", "1/13/2010 8:26"])
    assert not first.day_first
    assert first.note() == "dates such as '1/13/2010 8:26' are read as month, day, year"
    assert parse_time("1/2/2010", first) == parse_time("2010-01-02")
    other = DayOrder.of(["1/2/2010", "13/1/2010"])
    assert parse_time("1/2/2010", other) == parse_time("2010-02-01")
    with pytest.raises(ValueError, match="'1/13/2010' begins with the month, unlike '13/1/2010'"):
        parse_time("1/13/2010", other)
    with pytest.raises(ValueError, match="'1/2/2010' may be month/day or day/month"):
        parse_time("1/2/2010", DayOrder.of(["1/2/2010", "2010-01-13"]))
    dotted = DayOrder.of(["1.2.2010"])
    assert parse_time("1.2.2010", dotted) == parse_time("2010-02-01") and dotted.note()
    assert DayOrder.of(["5", "2010-01-02"]).note() == ""


BERLIN = ZoneInfo("Europe/Berlin")
WHOLE = [MIDNIGHT, MIDNIGHT + 1]
STAMPS = pd.to_datetime(["2019-10-01 00:00:00", "2019-10-01 00:00:01"])


@pytest.mark.parametrize(
    "values",
    [
        WHOLE,
        np.array(WHOLE, np.float64),
        np.array(WHOLE, np.uint64),
        list(map(str, WHOLE)),
        [b"2019-10-01", b"2019-10-01 00:00:01"],
        np.array(["2019-10-01T00:00:00", "2019-10-01T00:00:01"], "datetime64[ns]"),
        np.array(["2019-10-01T00:00:00", "2019-10-01T00:00:01"], "datetime64[us]"),
        np.array(["2019-10-01T00:00:00", "2019-10-01T00:00:01"], "datetime64[s]"),
        pd.Series(STAMPS),
        pd.Series(STAMPS.tz_localize("UTC").tz_convert(BERLIN)),
        pd.Series(WHOLE, dtype="Int64"),
        pd.Series(["2019-10-01", "2019-10-01 00:00:01 UTC"]),
        pl.Series(list(STAMPS.to_pydatetime())),
        pl.Series(list(STAMPS.to_pydatetime())).dt.replace_time_zone("UTC"),
        pl.Series(list(STAMPS.to_pydatetime()))
        .dt.replace_time_zone("UTC")
        .dt.convert_time_zone("Europe/Berlin"),
        [
            datetime.date(2019, 10, 1),
            datetime.datetime(2019, 10, 1, 2, 0, 1, tzinfo=BERLIN),
        ],
        [np.datetime64("2019-10-01"), datetime.datetime(2019, 10, 1, 0, 0, 1)],
    ],
    ids=str,
)
def test_whole_seconds_of_any_type_are_int64(values):
    found = as_timestamps(values)
    assert found.dtype == np.int64 and found.tolist() == WHOLE


@pytest.mark.parametrize(
    "values",
    [
        [MIDNIGHT, MIDNIGHT + 0.25],
        np.array([MIDNIGHT * 1000, MIDNIGHT * 1000 + 250], "datetime64[ms]"),
        pd.Series(pd.to_datetime(["2019-10-01", "2019-10-01 00:00:00.25"], format="ISO8601")),
        ["2019-10-01", "2019-10-01 00:00:00.25"],
        [datetime.date(2019, 10, 1), datetime.datetime(2019, 10, 1, microsecond=250_000)],
    ],
    ids=str,
)
def test_fractions_of_a_second_make_float64(values):
    found = as_timestamps(values)
    assert found.dtype == np.float64 and found.tolist() == [MIDNIGHT, MIDNIGHT + 0.25]


def test_days_before_1970_and_columns_of_dates():
    days = pd.Series([datetime.date(1969, 12, 31), datetime.date(1970, 1, 2)])
    assert as_timestamps(days).tolist() == [-86_400, 86_400]
    assert as_timestamps(pl.Series(days.tolist())).tolist() == [-86_400, 86_400]
    early = np.array([-1_500], "datetime64[ms]")
    assert as_timestamps(early).tolist() == [-1.5]


@pytest.mark.parametrize(
    "values",
    [
        [1, None],
        [1.0, float("nan")],
        ["2019-10-01", ""],
        np.array(["2019-10-01", "NaT"], "datetime64[s]"),
        pd.Series([pd.Timestamp("2019-10-01", tz="UTC"), pd.NaT]),
        pd.Series([1, None], dtype="Int64"),
        pd.Series([datetime.date(2019, 10, 1), None]),
        pl.Series([datetime.date(2019, 10, 1), None]),
    ],
    ids=str,
)
def test_missing_times_are_refused_by_position(values):
    with pytest.raises(InputError, match="timestamp at position 1 is missing"):
        as_timestamps(values)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["5", "soon"], "position 1: the timestamp 'soon' is neither"),
        ([True, False], "position 0: the timestamp 'True' is neither"),
        ([1, [2]], "timestamps are no list of times"),
        (np.array([2**63], np.uint64), "position 0 is 9223372036854775808, no time"),
        ([0.5, 1e19], r"position 1 is 1e\+19, no time"),
        ([[1, 2]], "2 dimensions"),
        (["1/2/2010"], "position 0: the date '1/2/2010' may be month/day or day/month"),
    ],
)
def test_what_is_no_column_of_times_is_refused(values, message):
    with pytest.raises(InputError, match=message):
        as_timestamps(values)


def test_the_order_of_days_and_months_in_a_frame_is_said(capsys):
    assert as_timestamps(["1/2/2010", "1/13/2010"]).tolist() == [1262390400, 1263340800]
    assert "timestamps: dates such as '1/13/2010' are read as month, day" in capsys.readouterr().err


def test_fractions_reach_interactions_of_frames_and_files(tmp_path):
    frame = pd.DataFrame({"user_id": [1, 1], "item_id": [5, 6], "rating": [3, 4]})
    data = Interactions.from_dataframe(frame.assign(timestamp=[0.75, 0.25]))
    assert data.timestamps.tolist() == [0.75, 0.25]
    path = tmp_path / "ratings.csv"
    path.write_text("user_id,item_id,rating,timestamp\n1,5,3,0.75\n1,6,4,0.25\n")
    assert read_ratings(path).timestamps.tolist() == [0.75, 0.25]
    np.savez(
        tmp_path / "ratings.npz",
        user_ids=[1, 1],
        item_ids=[5, 6],
        ratings=[3, 4],
        timestamps=[0.75, 0.25],
    )
    assert read_ratings(tmp_path / "ratings.npz").timestamps.tolist() == [0.75, 0.25]


def test_a_wrong_date_in_a_file_is_named_by_its_line(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text("user_id,item_id,rating,date\n1,5,3,13/1/2010\n1,6,4,1/13/2010\n")
    with pytest.raises(InputError, match=r"ratings.csv:3: the date '1/13/2010' begins with the mo"):
        read_ratings(path)


def hours_later(hours):
    return datetime.datetime(2019, 10, 1) + datetime.timedelta(hours=hours)


@pytest.mark.parametrize(
    "write",
    [
        lambda n: f"{n / 444:.6f}",
        lambda n: f"2019-10-01 00:00:00.{n:06}",
        lambda n: f"2019-10-01T00:00:00.{n:06}Z",
        lambda n: f"{n * 13.3 / 86_400:.6f}",
        lambda n: f"{hours_later(n)} UTC",
        lambda n: f"{hours_later(n):%m/%d/%Y %H:%M}",
        lambda n: f"{hours_later(n):%d.%m.%Y %H:%M}",
        lambda n: f"{hours_later(n):%b %d, %Y %I:%M %p}",
    ],
)
@pytest.mark.parametrize("cached", [False, True])
def test_each_users_truly_last_row_is_held_out_however_times_are_written(
    tmp_path, monkeypatch, write, cached
):
    random = np.random.default_rng(1)
    moments = random.permutation(400)
    rows = [(n % 8, n // 8, moment) for n, moment in enumerate(moments.tolist())]
    path = tmp_path / "ratings.csv"
    lines = [f'{user},{item},3,"{write(moment)}"' for user, item, moment in rows]
    path.write_text("user,item,rating,timestamp\n" + "\n".join(lines) + "\n")
    monkeypatch.setattr(cache, "MIN_BYTES", 0)
    if cached:
        cache.read(path, tmp_path)
    data, _ = cache.read(path, tmp_path)
    recipe = splitters.cut(data, "leave_last_out")
    test = recipe.test
    raw_ids = zip(
        [int(test.users.raw_ids[user]) for user in test.user_ids],
        [int(test.items.raw_ids[item]) for item in test.item_ids],
        strict=True,
    )
    last = {user: max((m, item) for u, item, m in rows if u == user)[1] for user in range(8)}
    assert dict(raw_ids) == last
    assert not any("equal times" in note for note in recipe.notes)


def test_one_moment_is_one_number_however_it_is_written():
    moments = ["2019-10-01 08:26:00.000234", "2019-10-01T08:26:00.000234Z"]
    moments += ["2019-10-01 08:26:00.000234 UTC", "2019-10-01 10:26:00.000234+02:00"]
    moments += ["2019/10/01 8:26:00.000234", "1 Oct 2019 8:26:00.000234 am"]
    assert len({parse_time(moment) for moment in moments}) == 1

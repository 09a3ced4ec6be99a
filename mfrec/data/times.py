"""Times as people write them, as seconds since 1970.

A number is taken as it is, whatever its unit: 1300000000, 0.527027. A date becomes seconds since
1970-01-01 00:00 UTC, in UTC unless it names an offset; a date alone is its midnight. Fractions of
a second are kept: times are int64 if all of a column are whole, else float64.

    2019-10-01   2019-10-01 00:00:00.25 UTC   2019-10-01T02:00:00+02:00   20191001T000000Z
    2019/10/01 8:26   12/31/2010 8:26 PM   31.12.2010   31-Dec-2010 08:26:00   Dec 31, 2010
    Sun Apr 04 18:00:09 +0000 2012   Sun, 04 Apr 2012 18:00:09 GMT

Whether 1/12/2010 begins with the day or the month is decided for a column as a whole, by a number
above 12 in it (`DayOrder`).
"""

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timezone
from typing import Any

import numpy as np

from mfrec.data import kinds_of_time
from mfrec.errors import InputError, short
from mfrec.progress import say

_MONTHS = {
    name: number
    for number, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)
}
_SECONDS_A_DAY = 86_400
_DAY_OF_1970 = date(1970, 1, 1).toordinal()
_LIMIT = 2**63
_UTC = timezone.utc
# 2019-10-01, and with 08:26:00, 08:26:00.000 or 08:26:00.000000 behind it, which Python reads fast
_ISO_LENGTHS = (10, 19, 23, 26)

_NUMBER = re.compile(r"\s*[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?\s*")
_CLOCK = (
    r"(?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?"
    r"(?:\s*(?P<half>[ap])\.?m\.?)?"
)
_ZONE = r"(?P<zone>z|utc|gmt|(?:utc|gmt)?\s*[+-]\d\d(?::?\d\d)?)"
_MONTH = r"(?P<month>[a-z]{3})[a-z]*\.?"
_AFTER_A_DATE = rf"(?:(?:\s*t\s*|,?\s+){_CLOCK}\s*{_ZONE}?)?"
# Every way to write a date, tried in this order; texts are stripped and in lower case.
_YEAR_FIRST, _NUMBERS_FIRST, *_OTHERS = (
    re.compile(pattern, re.ASCII)
    for pattern in (
        r"(?P<year>\d{4})(?P<mark>[-/.])(?P<month>\d\d?)(?P=mark)(?P<day>\d\d?)" + _AFTER_A_DATE,
        r"(?P<first>\d\d?)(?P<mark>[-/.\s])\s*(?P<second_number>\d\d?)(?:(?P=mark)|,)\s*"
        r"(?P<year>\d{4})" + _AFTER_A_DATE,
        # 20191001T083000Z
        r"(?P<year>\d{4})(?P<month>\d\d)(?P<day>\d\d)t(?P<hour>\d\d)(?P<minute>\d\d)"
        rf"(?:(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?{_ZONE}?",
        # 31-Dec-2010, Sun, 31 Dec 2010 08:26:00 GMT
        rf"(?:[a-z]{{3,9}},?\s+)?(?P<day>\d\d?)[-/\s]+{_MONTH}[-/,\s]+(?P<year>\d{{4}})"
        + _AFTER_A_DATE,
        # Dec 31, 2010
        rf"(?:[a-z]{{3,9}},?\s+)?{_MONTH}\s+(?P<day>\d\d?),?\s+(?P<year>\d{{4}})" + _AFTER_A_DATE,
        # Sun Apr 04 18:00:09 +0000 2012
        rf"(?:[a-z]{{3,9}},?\s+)?{_MONTH}\s+(?P<day>\d\d?)\s+{_CLOCK}\s*{_ZONE}?\s+"
        r"(?P<year>\d{4})",
    )
)


@dataclass(frozen=True)
class DayOrder:
    """Whether dates of two small numbers and a year begin with the day.

    Attributes:
        day_first: 13/1/2010 rather than 1/13/2010; None if a column has no such date.
        example: the date that decides it, "" without any.
    """

    day_first: bool | None = None
    example: str = ""

    @classmethod
    def of(cls, texts: Iterable[str]) -> "DayOrder":
        """Find the order of a column's dates by the first that can be read in one way only."""
        dotted = ""
        for text in texts:
            match = _NUMBERS_FIRST.fullmatch(text.strip().lower())
            if not match:
                continue
            day_first = _order_of(match)
            if day_first is not None:
                return cls(day_first, text)
            if match["mark"] == ".":
                dotted = dotted or text
        # 1.12.2010 is written where the day comes first
        return cls(True, dotted) if dotted else cls()

    def note(self) -> str:
        """Return which order was found, for people; "" if there are no such dates."""
        if self.day_first is None:
            return ""
        order = "day, month, year" if self.day_first else "month, day, year"
        return f"dates such as {short(self.example)} are read as {order}"


def parse_time(text: str, order: DayOrder = DayOrder()) -> int | float:
    """Return a time as a number, an integer if it is whole.

    Args:
        text: a number or a date, see the module's docstring.
        order: of the column's dates.

    Raises:
        ValueError: it is neither; says what is wrong.
    """
    plain = text[:-1] if text.endswith("Z") else text
    if len(plain) in _ISO_LENGTHS and plain[4] == plain[7] == "-":
        try:
            moment = datetime.fromisoformat(plain)
            return _whole((moment if moment.tzinfo else moment.replace(tzinfo=_UTC)).timestamp())
        except ValueError:
            pass  # perhaps written in another way, or in the words of the error below
    stripped = text.strip()
    try:
        value = int(stripped) if re.fullmatch(r"[+-]?[0-9]+", stripped) else float(stripped)
        if "_" in stripped:  # float() takes "1_000" for a number; no data file means that
            raise ValueError
    except ValueError:
        value = _parse_date(text, stripped.lower(), order)
    if not abs(value) < _LIMIT:
        raise _wrong(text)
    return _whole(value)


def is_date(text: str) -> bool:
    """Return whether a text is written as a date rather than a number."""
    lower = text.strip().lower()
    return any(pattern.fullmatch(lower) for pattern in (_YEAR_FIRST, _NUMBERS_FIRST, *_OTHERS))


def is_plain_number(text: str) -> bool:
    """Return whether a time is written as a number."""
    return _NUMBER.fullmatch(text) is not None


def has_small_numbers_first(text: str) -> bool:
    """Return whether a text is a date such as 1/12/2010, of which a column decides the order."""
    return _NUMBERS_FIRST.fullmatch(text.strip().lower()) is not None


def as_timestamps(values: Any) -> np.ndarray:
    """Return times as numbers: int64 [n] if all are whole, else float64 [n].

    Args:
        values: [n] numbers, datetime64 of any unit, dates or datetimes with or without a zone,
            or text as `parse_time` reads it; an array, a list or a column of a data frame.

    Raises:
        InputError: one is missing or no time; says at which position.
    """
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise InputError(f"timestamps are no list of times: {error}") from None
    if array.ndim != 1:
        raise InputError(f"timestamps have {array.ndim} dimensions; give one for each rating")
    if array.dtype.kind == "M":
        _refuse_missing(np.isnat(array))
        whole = array.astype("datetime64[s]")
        rest = (array - whole.astype(array.dtype)) / np.timedelta64(1, "s")
        seconds = whole.astype(np.int64)
        return seconds + rest if rest.any() else seconds
    if array.dtype.kind == "m":
        array = array / np.timedelta64(1, "s")
    if array.dtype.kind not in "iuf":
        array = _parse_objects(array.astype(object))
    _refuse_missing(~np.isfinite(array))
    beyond = np.flatnonzero(np.abs(array.astype(np.float64)) >= _LIMIT)
    if len(beyond):
        raise InputError(
            f"timestamp at position {beyond[0]} is {array[beyond[0]]}, no time; correct it"
        )
    if array.dtype.kind == "f" and (array != np.floor(array)).any():
        exact = array.astype(np.float64)
        _refuse_two_kinds(exact)
        return exact
    whole = array.astype(np.int64)
    _refuse_two_kinds(whole)
    return whole


def _refuse_two_kinds(times: np.ndarray) -> None:
    pair = kinds_of_time.two_kinds(times)
    if pair:
        first, other = (
            f"at position {position} is {kinds_of_time.describe(times[position])} "
            f"({times[position]})"
            for position in pair
        )
        raise InputError(f"timestamp {other}, that {first}; give all of them alike")


def _parse_objects(values: np.ndarray) -> np.ndarray:
    """Return dates, text and numbers as numbers, NaN for missing ones."""
    items = [
        item.decode("utf-8", "replace") if isinstance(item, bytes) else item
        for item in values.tolist()
    ]
    order = DayOrder.of(item for item in items if isinstance(item, str))
    if order.note():
        say(f"timestamps: {order.note()}")
    times = []
    for position, item in enumerate(items):
        try:
            times.append(_from_object(item, order))
        except ValueError as error:
            raise InputError(f"timestamp at position {position}: {error}") from None
    are_numbers = [not _is_date(item) for item in items]
    numbers = [time for time, is_one in zip(times, are_numbers, strict=True) if is_one]
    odd = None if all(are_numbers) else kinds_of_time.no_seconds(numbers)
    if odd is not None and not math.isnan(odd):
        raise InputError(
            f"timestamp at position {times.index(odd)} is {kinds_of_time.describe(odd)} ({odd}) "
            "beside dates; give all of them alike"
        )
    # not by np.array alone: it makes unsigned or objects of large integers
    is_whole = all(isinstance(time, int) for time in times)
    return np.array(times, np.int64 if is_whole else np.float64)


def _is_date(item: Any) -> bool:
    if isinstance(item, str):
        return not is_plain_number(item)
    return isinstance(item, (date, np.datetime64))


def _from_object(item: Any, order: DayOrder) -> int | float:
    if isinstance(item, str):
        return parse_time(item, order) if item.strip() else math.nan
    if item is None or type(item).__name__ in ("NaTType", "NAType"):  # pandas' NaT is a datetime
        return math.nan
    if isinstance(item, datetime):
        moment = item if item.tzinfo else item.replace(tzinfo=_UTC)
        rest = moment.microsecond / 10**6 + getattr(item, "nanosecond", 0) / 10**9
        clock = (moment.hour, moment.minute, moment.second)
        offset = moment.utcoffset()
        return _seconds(item.date(), *clock, rest, offset.total_seconds() if offset else 0)
    if isinstance(item, date):
        return _seconds(item)
    if isinstance(item, np.datetime64):
        return math.nan if np.isnat(item) else as_timestamps(np.array([item]))[0].item()
    if isinstance(item, (bool, np.bool_)):
        raise _wrong(str(item))
    try:
        value = item if isinstance(item, int) else float(item)
    except (TypeError, ValueError):
        raise _wrong(str(item)) from None
    if abs(value) >= _LIMIT:
        raise _wrong(str(item))
    return value if math.isnan(value) else _whole(value)


def _refuse_missing(missing: np.ndarray) -> None:
    if missing.any():
        raise InputError(
            f"timestamp at position {np.flatnonzero(missing)[0]} is missing; drop such rows "
            "first or leave timestamps out"
        )


def _parse_date(text: str, lower: str, order: DayOrder) -> int | float:
    for pattern in (_YEAR_FIRST, _NUMBERS_FIRST, *_OTHERS):
        match = pattern.fullmatch(lower)
        if match:
            break
    else:
        raise _wrong(text)
    part = match.groupdict()
    if pattern is _NUMBERS_FIRST:
        own = _order_of(match)
        day_first = own if order.day_first is None else order.day_first
        if day_first is None:
            raise ValueError(
                f"the date {short(text)} may be month/day or day/month, and no other tells which; "
                "write them as 2010-12-31"
            )
        if own not in (None, day_first):
            raise ValueError(
                f"the date {short(text)} begins with the {'day' if own else 'month'}, unlike "
                f"{short(order.example)}; write all of them as 2010-12-31"
            )
        numbers = part["first"], part["second_number"]
        part["day"], part["month"] = numbers if day_first else reversed(numbers)
    hour = int(part["hour"] or 0)
    if part.get("half"):
        if not 1 <= hour <= 12:
            raise _wrong(text)
        hour = hour % 12 + 12 * (part["half"] == "p")
    month = _MONTHS.get(part["month"]) or part["month"]
    minute, second = int(part["minute"] or 0), int(part["second"] or 0)
    try:
        day = datetime(int(part["year"]), int(month), int(part["day"]), hour, minute, second)
    except ValueError:
        raise _wrong(text) from None
    rest = float(f"0.{part['fraction']}") if part["fraction"] else 0.0
    offset = re.sub(r"[^-+\d]", "", part["zone"] or "")
    east = 60 * (60 * int(offset[1:3]) + int(offset[3:] or 0)) if offset else 0
    east = -east if offset.startswith("-") else east
    return _seconds(day.date(), hour, minute, second, rest, east)


def _order_of(match: re.Match[str]) -> bool | None:
    """Whether a date of two small numbers begins with the day; None if it may be either."""
    first, second = int(match["first"]), int(match["second_number"])
    if first > 12:
        return True
    return False if second > 12 else None


def _seconds(
    day: date, hour: int = 0, minute: int = 0, second: int = 0, rest: float = 0.0, east: float = 0
) -> int | float:
    """Seconds since 1970 of a clock that is `east` seconds ahead of UTC."""
    whole = (day.toordinal() - _DAY_OF_1970) * _SECONDS_A_DAY + 3600 * hour + 60 * minute + second
    return _whole(whole - east + rest)


def _whole(value: int | float) -> int | float:
    return int(value) if value == math.floor(value) else value


def _wrong(text: str) -> ValueError:
    remedy = "correct or drop the line"
    if re.match(r"\s*\d\d?([-/.])\d\d?\1\d\d\b", text):
        remedy = "write the year with four digits"
    return ValueError(f"the timestamp {short(text)} is neither a number nor a date; {remedy}")

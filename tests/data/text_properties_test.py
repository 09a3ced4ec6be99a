"""Ratings drawn at random, written in every text format, are read back or refused with a line."""

import csv
import gzip
import io
import json
import re

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from helpers import rows as rows_of
from mfrec.data.readers import read_ratings
from mfrec.errors import InputError

# the same examples each time, and no more than a few seconds of them
FIXED = settings(
    deadline=None,
    derandomize=True,
    max_examples=250,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

# letters, what formats take for something else, and what other encodings write otherwise
ODD = "ab0127.,;|\t \"'\\\n\r#%{}[]:=<>_-é߀日\u2028"
HEADER = ("user_id", "item_id", "rating", "timestamp")
TIMES = {"2019-10-01 00:00:00": 1569888000, "1970-01-01T00:00:01Z": 1, "978300760": 978300760}
ids = st.text(st.sampled_from(ODD), min_size=1, max_size=6)
rating = st.sampled_from(["1", "4.5", "-2", "0", "1e3", "3.25"])
time = st.sampled_from(list(TIMES))
tables = st.one_of(
    st.lists(st.tuples(ids, ids, rating), min_size=1, max_size=6),
    st.lists(st.tuples(ids, ids, rating, time), min_size=1, max_size=6),
)


@st.composite
def dialects(draw):
    return {
        "delimiter": draw(st.sampled_from(",;\t| ")),
        "quoting": draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL])),
        "lineterminator": draw(st.sampled_from(["\n", "\r\n", "\r"])),
        "doublequote": draw(st.booleans()),
    }


def holds_or_is_refused(path, rows, **options):
    """Return whether a file holds these rows; if not, it is refused in a line that names it."""
    try:
        found = rows_of(read_ratings(path, **options))
    except InputError as error:
        assert re.match(rf"{re.escape(str(path))}(:\d+)?: ", str(error))
        assert not set("\r\n") & set(str(error))
        return False
    assert found == [
        (user, item, float(value), *(TIMES[time] for time in times))
        for user, item, value, *times in rows
    ]
    return True


@FIXED
@given(
    rows=tables,
    dialect=dialects(),
    with_header=st.booleans(),
    is_named=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252", "gb18030"]),
    packed=st.booleans(),
    end=st.sampled_from(["", "\n", "\n\n"]),
)
def test_tables(tmp_path, rows, dialect, with_header, is_named, encoding, packed, end):
    escapes = not dialect["doublequote"]
    if escapes:
        # MySQL and Spark write \" without any sign that a backslash means something
        rows = [(u.replace("\\", "/"), i.replace("\\", "/"), *more) for u, i, *more in rows]
        dialect = dialect | {"escapechar": "\\", "quoting": csv.QUOTE_ALL}
    file = io.StringIO(newline="")
    writer = csv.writer(file, **dialect)
    if with_header:
        writer.writerow(HEADER[: len(rows[0])])
    writer.writerows(rows)
    text = file.getvalue().rstrip("\r\n") + end
    try:
        content = text.encode(encoding)
    except UnicodeEncodeError:
        encoding, content = "utf-8", text.encode()
    path = tmp_path / "ratings.txt"
    path.write_bytes(gzip.compress(content) if packed else content)

    found = [row for row in csv.reader(io.StringIO(text, newline=""), **dialect) if row]
    found = found[int(with_header) :]
    # Python's own writer leaves some line ends unquoted
    assume(all(len(row) == len(rows[0]) for row in found))
    options = {"delimiter": dialect["delimiter"]} if is_named else {}
    if encoding in ("cp1252", "gb18030"):
        options["encoding"] = encoding
    is_read = holds_or_is_refused(path, found, **options)
    # a header and a named delimiter leave nothing to guess
    is_certain = with_header and is_named and not escapes and dialect["delimiter"] in ",;"
    if is_certain and "\\" not in text:
        assert is_read


@FIXED
@given(
    rows=tables,
    ascii=st.booleans(),
    as_numbers=st.booleans(),
    encoding=st.sampled_from(["utf-8", "utf-16"]),
)
def test_json_lines(tmp_path, rows, ascii, as_numbers, encoding):
    path = tmp_path / "ratings.jsonl"
    with path.open("w", encoding=encoding, newline="") as file:
        for user, item, value, *times in rows:
            value = float(value) if as_numbers else value
            row = dict(zip(HEADER, (user, item, value, *times), strict=False))
            file.write(json.dumps(row, ensure_ascii=ascii) + "\n")
    assert holds_or_is_refused(path, rows)


@FIXED
@given(rows=tables)
def test_double_colons(tmp_path, rows):
    plain = re.compile(r"::|^:|:$|[\r\n]")
    rows = [row for row in rows if not any(map(plain.search, row))]
    path = tmp_path / "ratings.dat"
    path.write_text("".join("::".join(row) + "\n" for row in rows), "utf-8", newline="")
    holds_or_is_refused(path, rows)

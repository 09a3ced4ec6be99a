"""Text and numbers on a terminal: nothing acts, columns stay aligned."""

import io
import json
import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mfrec.terminal import ESCAPE, exact, left, number, right, spec, visible, width

ACTING = {
    "\x1b[2J": r"\u001b[2J",
    "a\nb\rc\td": r"a\nb\rc\td",
    "\x9b31m\x7f\x00": r"\u009b31m\u007f\u0000",
    "\u202egnp.exe\u2066": r"\u202egnp.exe\u2066",
    "zero\u200bwidth\ufeff": r"zero\u200bwidth\ufeff",
    "line\u2028paragraph\u2029": r"line\u2028paragraph\u2029",
    "not UTF-8 \udcff": r"not UTF-8 \udcff",
    "tag \U000e0041": r"tag \udb40\udc41",
}


@pytest.mark.parametrize("text", ACTING)
def test_what_only_acts_is_escaped_and_json_stays_json(text):
    assert visible(text) == ACTING[text]
    as_json = json.dumps([text], ensure_ascii=False)
    assert json.loads(visible(as_json)) == [text] and visible(as_json).isprintable()


@pytest.mark.parametrize(
    "text",
    [
        "Alien (1979)",
        "Amélie",
        "千と千尋の神隠し",
        "Кин-дза-дза!",
        "e\u0301",
        "a\\nb",
        "a\u00a0b\u3000c",
    ],
)
def test_other_text_stays_as_it_is(text):
    assert visible(text) == text


@given(st.text(st.characters()))
def test_no_text_acts_and_none_is_lost(text):
    shown = visible(text)
    assert not {unicodedata.category(c) for c in shown} & {"Cc", "Cf", "Cs", "Zl", "Zp"}
    assert json.loads(visible(json.dumps(text, ensure_ascii=False))) == text
    assert visible(shown) == shown


def test_columns_of_wide_and_combining_characters():
    assert (width("abc"), width("千と"), width("e\u0301")) == (3, 4, 1)
    assert left("千", 4) + "|" == "千  |" and right("e\u0301", 3) == "  e\u0301"
    assert left("too long", 3) == "too long"


@pytest.mark.parametrize(
    "values, texts",
    [
        ([0.89794, 0.00003, None], ["0.8979", "0.0000", "-"]),
        ([1234567.891, 2.0], ["1234567.8910", "2.0000"]),
        ([2.345678e-6, 0.0], ["2.3457e-06", "0.0000e+00"]),
        ([1.5e30, 1.0], ["1.5000e+30", "1.0000e+00"]),
        ([float("nan"), 0.5], ["nan", "0.5000"]),
        ([float("nan"), None], ["nan", "-"]),
        ([0.0], ["0.0000"]),
    ],
)
def test_numbers_of_a_column_share_a_format(values, texts):
    assert [number(value, spec(*values)) for value in values] == texts
    assert number(1e-7) == "1.0000e-07" and number(None) == "-"


@pytest.mark.parametrize(
    "value, text",
    [(4.0, "4"), (3.7, "3.7"), (1234567, "1234567"), (16777217, "16777216"), (1e-7, "1e-07")],
)
def test_the_shortest_text_that_float32_reads_again(value, text):
    assert exact(float(np.float32(value))) == text


@pytest.mark.parametrize("encoding, text", [("ascii", r"\u00e9 \u5343"), ("latin-1", "é \\u5343")])
def test_a_stream_escapes_what_its_encoding_lacks(encoding, text):
    file = io.BytesIO()
    stream = io.TextIOWrapper(file, encoding=encoding, errors=ESCAPE)
    stream.write("é 千")
    stream.flush()
    assert file.getvalue().decode(encoding) == text

"""Text that is no plain table: JSON lines, listings, comments, marks of programs, commas."""

import json
import re

import pytest

from helpers import rows
from mfrec.data import json_lines
from mfrec.data.features import read_features
from mfrec.data.items import read_items
from mfrec.data.readers import read, read_ratings
from mfrec.data.vocabulary import Vocabulary
from mfrec.errors import InputError

ROWS = [("u1", "7", 4.0), ("u2", "007", 2.5)]
TIMED = [("u1", "7", 4.0, 100), ("u2", "007", 2.5, 90)]


@pytest.fixture
def write(tmp_path):
    def write_file(content, name="ratings.txt"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


@pytest.fixture
def refused(write):
    def refuse(content, **options):
        with pytest.raises(InputError) as raised:
            read_ratings(write(content), **options)
        assert "\n" not in str(raised.value)
        return str(raised.value).partition("ratings.txt")[2]

    return refuse


@pytest.mark.parametrize(
    "content",
    [
        '{"user_id":"u1","item_id":7,"rating":4,"timestamp":100}\n'
        '{"user_id":"u2","item_id":"007","rating":2.5,"timestamp":90}\n',
        # in any order, with spaces and blank lines, in other types, with what is not read
        '\n { "rating" : 4.0, "movieId":"7","userId":"u1","timestamp":"100","tags":["x"]}\r\n\r\n'
        '{"timestamp":90,"userId":"u2","movieId":"007","rating":"2.5", "about":{"a":1}, "x":null}',
    ],
)
def test_json_lines(write, content):
    assert rows(read_ratings(write(content))) == TIMED


def test_long_json_lines_are_read_in_parts_and_keys_may_come_later(write, monkeypatch):
    monkeypatch.setattr(json_lines, "_ROWS", 2)
    objects = [{"user": n, "item": f"é{n}" if n == 3 else "x", "rating": n} for n in range(5)]
    objects[4] |= {"timestamp": 7}
    path = write("\n".join(map(json.dumps, objects)))
    with pytest.raises(InputError, match="ratings.txt:1: the timestamp '' is neither"):
        read_ratings(path)
    found = rows(read_ratings(path, timestamp_column="none"))
    assert found == [(str(n), "é3" if n == 3 else "x", n) for n in range(5)]
    objects[3]["item"] = []
    with pytest.raises(InputError, match="ratings.txt:4: 'item' holds a list"):
        read_ratings(write("\n".join(map(json.dumps, objects))))


def test_named_columns_may_be_empty(write):
    path = write('{"user":"u1","item":7,"rating":4,"note":null}\n')
    assert rows(read_ratings(path)) == [("u1", "7", 4)]
    assert rows(read_ratings(write("1:\nu1,4,\n"), timestamp_column="none")) == [("u1", "1", 4)]


def test_json_lines_take_the_flags_of_columns(write):
    path = write('{"who":1,"what":"a","n":3,"t":true}\n{"who":2.0,"what":"b","n":1e0,"t":false}\n')
    columns = {"user_column": "who", "item_column": "what"}
    assert rows(read_ratings(path, **columns, rating_column="n")) == [("1", "a", 3), ("2", "b", 1)]
    data = read_ratings(path, **columns, rating_column="none", weight_column="n")
    assert data.weights.tolist() == [3, 1] and not data.has_ratings


def test_json_lines_take_what_data_frames_take(write):
    path = write('{"user":1e2,"item":"1.5","rating":true}\n{"user":2.0,"item":"b","rating":2.5}\n')
    assert rows(read_ratings(path)) == [("100", "1.5", 1), ("2", "b", 2.5)]


def test_numbers_of_json_lines_are_kept_as_they_are_written(write):
    big = "123456789012345678901234567890"
    path = write(f'{{"user":{big},"item":"a","rating":1}}\n{{"user":1.0,"item":"a","rating":-1}}')
    assert read_ratings(path).users.raw_ids == (big, "1")


@pytest.mark.parametrize(
    "content, message",
    [
        ('{"user":1,"item":2,"rating":3}\n{"user":1,"item":3}\n', ":2: the rating '' is no number"),
        ('{"user":1,"item":2,"rating":3}\n{"user":null,"item":3,"rating":1}', ":2: the user id is"),
        ('{"user":1,"item":2,"rating":3}\n\n{"user":1,', ":3: no JSON object (Expecting property"),
        ('{"user":1,"item":2,"rating":3}\n[1,2,3]', ":2: '[1,2,3]' where a JSON object should be"),
        ('{"user":1,"user":2,"item":2,"rating":3}\n', ": looks like JSON, but not one object a"),
        ('{"user":1,"item":1,"rating":1}\n{"user":1,"user":2}', "(a key comes twice); correct"),
        ('{"user":1,"item":2,"rating":[3]}\n', ":1: 'rating' holds a list, no value"),
        ('{"user":1,"item":2,"rating":3}\n{"user":{},"item":2,"rating":3}', ":2: 'user' holds an"),
        ('{"user":1,"item":"\\ud800","rating":3}\n', ":1: 'item' holds text that is not Unicode"),
        ('{"user":1,"item":"\\u0000","rating":3}\n', ":1: 'item' holds text that is not Unicode"),
        ('{"user":1,"item":2,"rating":NaN}\n', ":1: the rating 'NaN' is not finite"),
        ('{"user":1,"item":2,"rating":"true"}\n', ":1: the rating 'true' is no number"),
        ('{"user":1,"item":2,"rating":3}\n{"user":1.5,"item":2}', ":2: the user id is '1.5', whi"),
        ('{"user":1,"item":true,"rating":3}\n', ":1: the item id is 'true', a boolean; give"),
        ('{"user":NaN,"item":1,"rating":3}\n', ":1: the user id is 'NaN', which is not whole"),
        ('{"user":1e17,"item":1,"rating":3}\n', ":1: the user id is '1e17', which is not whole"),
        ("{'user':1.5,'item':1,'rating':3}\n", ":1: the user id is '1.5', which is not whole"),
        ("{}\n{}\n", ": objects without keys"),
        ('{"a": {"user": 1}}\n', ":1: cannot tell the user column; the file has: a; give"),
        (
            '{\n  "user": [1]\n}\n',
            ": looks like JSON, but not one object a line; write it so",
        ),
        (
            '[\n  {"user": 1}\n]\n',
            ": looks like JSON, but not one object a line; write it so",
        ),
        ('[["u1",7,4],\n["u2",8,4]]\n', ": looks like JSON, but not one object a line; write it"),
        ('["u1",7,4]\n["u2",8,4]\n', """:1: '["u1",7,4]' where a JSON object should be"""),
        ("{'user':1,'item':2,'rating':3}\n{'user':1", ":2: no JSON object ('{' was never closed"),
        ("{'user':1,'item':(2,),'rating':3}\n", ":1: 'item' holds an object, no value"),
        ("{'user':1,[1]:(2,),'rating':3}\n", ": looks like JSON, but not one object a line"),
        ("{'user':f(),'item':2,'rating':3}\n", ": looks like JSON, but not one object a line"),
        ("{'a':" * 50_000 + "1" + "}" * 50_000, ": looks like JSON, but not one object a line"),
        ('{"a":' * 50_000 + "1" + "}" * 50_000, ": looks like JSON, but not one object a line"),
    ],
)
def test_json_that_cannot_be_read(refused, content, message):
    assert message in refused(content)


def test_matrices_and_lists_are_no_json(refused):
    content = '{"user":1,"item":2,"rating":3}\n'
    for layout in ("matrix", "adjacency"):
        assert f"--ratings_format={layout} is about delimited text; leave it out" in refused(
            content, ratings_format=layout
        )


@pytest.mark.parametrize(
    "odd", ["{0000001B-0000}", "{a}", "{}x", "[a]", "[1", "<b>", "{", "[", "<", "<!x", "[[x]]"]
)
def test_ids_in_braces_and_brackets_are_no_json_and_no_page(write, odd):
    assert rows(read_ratings(write(f"{odd},7,4\nu2,{odd},2.5\n"))) == [
        (odd, "7", 4),
        ("u2", odd, 2.5),
    ]


LISTING = "1:\n10,4,2005-09-06\n11,2,2005-05-13\n20:\n10,5,2005-10-19\n"


def test_netflix_listings(write):
    expected = [
        ("10", "1", 4, 1125964800),
        ("11", "1", 2, 1115942400),
        ("10", "20", 5, 1129680000),
    ]
    for content in (LISTING, LISTING.replace("\n", "\r\n"), "\n" + LISTING.rstrip()):
        assert rows(read_ratings(write(content))) == expected
    # as for any other table, no column needs to be a rating
    data = read_ratings(write(LISTING), rating_column="none")
    assert not data.has_ratings and len(data) == 3


@pytest.mark.parametrize(
    "content, expected",
    [
        ("1:\n10,4\n2:\n3:\n11,5\n", [("10", "1", 4), ("11", "3", 5)]),
        ("1:\n10,2005-09-06\n2:\n11,2005-09-06\n", [("10", "1", 1, 1125964800)]),
        ("1:\n10\n11\nb7:\n10\n", [("10", "1", 1), ("11", "1", 1), ("10", "b7", 1)]),
    ],
)
def test_netflix_listings_without_dates_and_of_users_alone(write, content, expected):
    options = {"delimiter": ","} if "," not in content else {}
    assert rows(read_ratings(write(content), **options))[: len(expected)] == expected


def test_netflix_listings_name_the_wrong_line(refused):
    assert ":3: 2 fields, 3 expected as in line 2" in refused("1:\n10,4,2005-09-06\n11,2\n")
    assert ":5: the rating 'x' is no number" in refused(LISTING.replace("10,5", "10,x"))
    # one row is no listing: a user and an empty item
    assert "ratings" in "ratings" + refused("1:\n2:\n")


MARKET = "%%MatrixMarket matrix coordinate real general\n% by hand\n3 4 2\n1 2 4.5\n3 4 -1\n"


def test_matrix_market(write, refused):
    assert rows(read_ratings(write(MARKET))) == [("1", "2", 4.5), ("3", "4", -1)]
    pattern = "%%MatrixMarket matrix coordinate pattern general\n3 4 1\n\n1 2\n"
    data = read_ratings(write(pattern))
    assert rows(data) == [("1", "2", 1)] and not data.has_ratings
    assert ": 2 entries where '3' should be; save" in refused(MARKET.replace("4 2\n", "4 3\n"))
    assert ":5: 2 fields, 3 expected" in refused(MARKET.replace("3 4 -1", "3 4"))
    assert ":1: a matrix array real general of MatrixMarket" in refused(
        "%%MatrixMarket matrix array real general\n1 1\n3\n"
    )
    assert "symmetric of MatrixMarket" in refused(MARKET.replace("general", "symmetric"))


@pytest.mark.parametrize(
    "content, said",
    [
        (
            "# made in 2019\n# by hand, with care\nu1,7,4\nu2,007,2.5\n",
            "2 comment lines at the top",
        ),
        ("% konect\n\nu1 7 4\nu2 007 2.5\n", "1 comment line at the top left out"),
        ("// about\nu1::7::4\nu2::007::2.5\n", "1 comment line at the top left out"),
        (
            "# from SNAP\n# user\titem\trating\nu1\t7\t4\nu2\t007\t2.5\n",
            "1 comment line at the top",
        ),
        ("#user,item,rating\nu1,7,4\nu2,007,2.5\n", ""),
        ("sep=;\nuser;item;rating\nu1;7;4\nu2;007;2.5\n", ""),
        ('"sep=|"\r\nu1|7|4\r\nu2|007|2.5\r\n', ""),
        ("sep=\t\nu1\t7\t4\nu2\t007\t2.5\n", ""),
        ("u1,7,4,,\nu2,007,2.5,,\n", "the ',' at the end of every line left out"),
        ("user, item, rating\nu1, 7,  4\nu2 , 007, 2.5\n", "the spaces beside delimiters left out"),
        ('"user", "item", "rating"\n"u1", "7", 4\n"u2", "007", "2.5"\n', "the spaces beside"),
        (" u1 | 7   | 4\n u2 | 007 | 2.5\n", "the spaces beside delimiters left out"),
        ("u1\t 7\t 4\nu2\t 007\t 2.5\n", "the spaces beside delimiters left out"),
        ("u1,7,4\nu2,007,2.5\n\x1a", "the Ctrl-Z at its end left out"),
        ("user,item,rating\nu1,7,4\n\ufeffu2,007,2.5\n", "1 byte order marks within the text"),
        (
            "{'user': 'u1', 'item': 7, 'rating': 4.0}\n"
            "{'user': u'u2', 'item': '007', 'rating': 2.5}",
            "",
        ),
        ("u1,7,4,\nu2,007,2.5,\n", "the ',' at the end of every line left out"),
        ("user;item;rating;\nu1;7;4;\nu2;007;2.5;\n", "the ';' at the end of every line left out"),
        ("user,item,rating\nu1,7,4,\nu2,007,2.5,\n", "the ',' at the end of every line left out"),
        ("u1\t7\t4\t\nu2\t007\t2.5\t\n", r"the '\t' at the end of every line left out"),
        ("user;item;rating\nu1;7;4\nu2;007;2,5\n", "'2,5' as 2.5, with a decimal comma"),
        ("u1;7;4,0\nu2;007;2,5\n", "'4,0' as 4.0, with a decimal comma"),
        ('u1,7,"4,0"\nu2,007,"2,5"\n', "'4,0' as 4.0, with a decimal comma"),
        ("u1\t7\t4,0\nu2\t007\t2,5\n", "'4,0' as 4.0, with a decimal comma"),
        ('"u1","7",4\n"u2","007","2.5"\n', ""),
        ('"u1";"7";"4"\r\n"u2";"007";"2.5"\r\n', ""),
    ],
)
def test_what_programs_add_to_tables(write, content, said):
    interactions, notes = read(write(content))
    assert rows(interactions) == ROWS
    if said:
        assert any(note.startswith(said) for note in notes)
    else:
        assert len(notes) == 1


def test_decimal_commas_in_weights_and_matrices(write):
    path = write("user;item;hours\nu1;7;1,5\nu2;007;2\n")
    assert read_ratings(path, weight_column="hours").weights.tolist() == [1.5, 2]
    data = read_ratings(write("4,5;?;1\n;2,25;3\n"), ratings_format="matrix")
    assert data.ratings.tolist() == [4.5, 1, 2.25, 3]


@pytest.mark.parametrize(
    "content, message",
    [
        # the usual separator of thousands, or three decimals?
        ("u;x;1,234\nu;y;2\n", ":1: '1,234' may have a decimal comma or a separator of thousands"),
        (
            "u;x;1\nu;y;1,234.5\n",
            ":2: the rating '1,234.5' is no number; write numbers",
        ),
        (
            "u;x;1\nu;y;1.234,5\n",
            ":2: the rating '1.234,5' is no number; write numbers",
        ),
        ("u;x;1\nu;y;1 234\n", ":2: the rating '1 234' is no number; write numbers with a decimal"),
        ("u;x;1.5\nu;y;2,5\n", ":2: the rating '2,5' is no number; write numbers with a decimal p"),
        # which of the two it is decides whether there are ratings
        ("a;b,c\nd;e,f\n", "can be split at ',' and at ';'; say which by --delimiter"),
        ("John Smith 3,5\nJane Poe 4,5\n", "can be split at ',' and at ' '; say which by --delim"),
        ("u1 7\t4\nu2 8\t3\n", r"can be split at '\t' and at ' '; say which by --delimiter"),
        ("1;2,3;4,5\n", "can be split at ',' and at ';'; say which by --delimiter"),
        # a comment or a row
        ("# 1,2,3\n4,5,6\n", ":1: '# 1,2,3' may be a comment or a row; drop it"),
        ('% " " 1\n0 0 1\n', ":1: '% \" \" 1' may be a comment or a row"),
        ("% ;::;::1e3\n0::0::1\n", ":1: '% ;::;::1e3' may be a comment or a row"),
        ("# a b c d\n1 2 3\nx\n", ":3: 1 fields, 3 expected as in line 2"),
        ("sep=;\nu,x,3\n", ": "),
        ("\u2003\n\u2003\n", ": is empty"),
    ],
)
def test_what_has_two_meanings_is_refused(refused, content, message):
    assert message in refused(content)


def test_a_decimal_comma_is_no_delimiter(write):
    assert rows(read_ratings(write("1;2;4,5\n"))) == [("1", "2", 4.5)]
    assert rows(read_ratings(write("1|2|4,5\n3|4|1,0\n"))) == [("1", "2", 4.5), ("3", "4", 1)]
    # a number is an id
    assert rows(read_ratings(write("7;Heat, The\n8;Matrix, The\n"))) == [
        ("7", "Heat, The", 1),
        ("8", "Matrix, The", 1),
    ]
    # what has three fields by a comma stays so
    assert rows(read_ratings(write("a;b,7,3\nc;d,8,4\n"))) == [("a;b", "7", 3), ("c;d", "8", 4)]


def test_spaces_beside_some_delimiters_belong_to_the_fields(write):
    assert rows(read_ratings(write("u1, 7, 4\nu2,007, 2.5\n"))) == [
        ("u1", " 7", 4),
        ("u2", "007", 2.5),
    ]
    padded = 'u1, "a, b", 4\nu2, "c""d", 2\n'
    assert rows(read_ratings(write(padded))) == [("u1", "a, b", 4), ("u2", 'c"d', 2)]


def test_ids_that_begin_like_comments(write):
    assert rows(read_ratings(write("#love,x,3\n#war,y,4\nz,z,1\n"))) == [
        ("#love", "x", 3),
        ("#war", "y", 4),
        ("z", "z", 1),
    ]
    assert read_ratings(write("%20a\tx\t3\nb\ty\t4\n")).users.raw_ids == ("%20a", "b")


@pytest.mark.parametrize(
    "content, users, note",
    [
        ('"say \\"x\\"",y,3\n"b",z,4\n', ('say "x"', "b"), True),
        ('user,item,rating\n"a\\"",y,3\nb,z,4\n', ('a"', "b"), True),
        ('"a\\\\b\\"",y,3\nb,z,4\n', ('a\\b"', "b"), True),
        ('"C:\\temp\\"";y;3\nb;z;4\n', ('C:\\temp"', "b"), True),
        # a backslash like others, as CSV has it
        ('"C:\\",y,3\n"b",z,4\n', ("C:\\", "b"), False),
        ('"a""b\\",y,3\n"b",z,4\n', ('a"b\\', "b"), False),
        ('"a\\b",y,3\n"b",z,4\n', ("a\\b", "b"), False),
    ],
)
def test_backslashes_before_quotes(write, content, users, note):
    interactions, notes = read(write(content))
    assert interactions.users.raw_ids == users
    assert (r"\" as a quote inside of quotes" in notes) == note


@pytest.mark.parametrize(
    "content, users",
    [
        ('%,0,1\n0,"\n",1\n', ("%", "0")),
        ('%,x,1\n"a,b",y,1\n', ("%", "a,b")),
        ('" 0\r","0",1\n', (" 0\r",)),
        ('0,"\n",1\n2,"""\n""",1\n', ("0", "2")),
        ('0::"::1\n2::"|::1\n', ("0", "2")),
        ('a,"' + 200_000 * "b" + '",1\n', ("a",)),
        ('%::0::1\n0::"::1\n', ("%", "0")),
        ("#a::1::1e3\n0::0::1\n", ("#a", "0")),
    ],
)
def test_first_rows_that_are_hard_to_tell(write, content, users):
    assert read_ratings(write(content)).users.raw_ids == users


def test_backslashes_with_two_meanings_are_refused(refused):
    # x\ and _y" and 3; or x", y and 3
    assert ":1: the quotes can be read in two ways" in refused('"x\\",_y",3\n"x\\",_z",4\n')


def test_line_ends_inside_of_quotes_are_kept_apart(write):
    content = b'user,item,rating\r\n"a\rb",x,3\r\n"a\nb",x,4\r\n"a\r\nb",x,5\r\n'
    assert read_ratings(write(content)).users.raw_ids == ("a\rb", "a\nb", "a\r\nb")


def test_quotes_are_cut_off_alike_in_both_ways(write):
    # the first needs no csv module, the second does
    plain = b'"user","item","rating"\n"a","x","3"\n"","y","4"\n\n"c",z,5\n'
    for content in (plain, plain + b'"d,e","z","5"\n'):
        with pytest.raises(InputError, match="ratings.txt:3: the user id is empty"):
            read_ratings(write(content))
        found = read_ratings(write(content.replace(b'""', b'"b"')))
        assert rows(found)[:3] == [("a", "x", 3), ("b", "y", 4), ("c", "z", 5)]


def test_book_ratings_as_they_are_published(write):
    content = '"User-ID";"ISBN";"Book-Rating"\r\n"276";"034545104X";"0"\r\n"é";"0 155 0612";"5"\r\n'
    path = write(content.encode("latin-1"))
    with pytest.raises(InputError, match=r"ratings.txt:3: not UTF-8 .*--encoding=latin-1"):
        read_ratings(path)
    assert rows(read_ratings(path, encoding="latin-1")) == [
        ("276", "034545104X", 0),
        ("é", "0 155 0612", 5),
    ]


def test_a_name_with_brackets(write):
    assert rows(read_ratings(write("u1,7,4\nu2,007,2.5\n", "ratings[1].csv"))) == ROWS


def test_labels_and_features_of_json_lines(write):
    objects = [{"id": 7, "title": "Heat", "genres": "War"}, {"id": "8", "title": "é"}]
    path = write("\n".join(map(json.dumps, objects)), "items.jsonl")
    assert read_items(path).labels == {"7": "Heat", "8": "é"}
    objects = [{"year": 1995, "item_id": "7"}, {"item_id": 8, "year": 1995}]
    path = write("\n".join(map(json.dumps, objects)), "features.jsonl")
    features = read_features(str(path), "item", [Vocabulary(("7", "8"))])
    assert features.columns[0].names == ("year=1995",)


def test_refusals_show_names_of_columns_in_one_line(refused):
    message = refused('"who\nelse",thing,"\x1b[31m"\na,b,1\n')
    assert "\x1b" not in message and r"the file has: 'who\nelse', thing" in message


def test_every_refusal_names_the_file(refused):
    for content in ("a;b,c\n", '{"a":1}', "1:\n2,x,3\n", "# 1,2,3\n4,5,6\n", MARKET + "1"):
        assert re.match(r"(:\d+)?: ", refused(content))

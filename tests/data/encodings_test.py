"""Text in other encodings than UTF-8, byte order marks and padding."""

import pytest

from helpers import rows
from mfrec.data.features import read_features
from mfrec.data.items import read_items
from mfrec.data.readers import read, read_ratings
from mfrec.data.vocabulary import Vocabulary
from mfrec.errors import InputError

TEXT = "user,item,rating\nJosé,é,4\nb,ß,2\n"
ROWS = [("José", "é", 4), ("b", "ß", 2)]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_byte_order_marks_say_how_to_read(write, encoding):
    assert rows(read_ratings(write(TEXT.encode(encoding)))) == ROWS
    # whatever the flag says
    assert rows(read_ratings(write(TEXT.encode(encoding)), encoding="latin-1")) == ROWS


def test_big_endian_and_what_was_read_is_said(write):
    path = write(b"\xfe\xff" + TEXT.encode("utf-16-be"))
    interactions, notes = read(path)
    assert rows(interactions) == ROWS
    assert "as UTF-16, which its byte order mark says" in notes


@pytest.mark.parametrize("encoding", ["latin-1", "cp1252", "ISO-8859-15", "utf-16-le", "cp850"])
def test_a_named_encoding(write, encoding):
    assert rows(read_ratings(write(TEXT.encode(encoding)), encoding=encoding)) == ROWS


def test_what_is_not_utf8_names_the_line_and_the_flag(write):
    path = write(TEXT.replace("\n", "\r\n").encode("latin-1"))
    with pytest.raises(InputError, match=r"ratings.csv:2: not UTF-8 text; name its enc"):
        read_ratings(path)
    path = write("a,b,3\rc,é,4\r".encode("latin-1"))
    with pytest.raises(InputError, match=r"ratings.csv:2: not UTF-8 text; .*--encoding=latin-1"):
        read_ratings(path)
    path = write(b"a,b,3\nc,\x81,4\n")
    with pytest.raises(InputError, match="ratings.csv:2: not cp1252 text; name another --encoding"):
        read_ratings(path, encoding="cp1252")
    with pytest.raises(InputError, match="ratings.csv:2: not ascii text"):
        read_ratings(path, encoding="ascii")


def test_utf8_read_as_something_else_is_said(write):
    interactions, notes = read(write(TEXT.encode()), encoding="latin-1")
    assert interactions.items.raw_ids == ("Ã©", "Ã\x9f")
    assert "as iso8859-1, which --encoding says, though it is valid UTF-8" in notes
    # where it makes no difference, nothing is said
    _, notes = read(write(b"a,b,3\n"), encoding="latin-1")
    assert len(notes) == 1


@pytest.mark.parametrize("encoding", ["latin9000", "", "rot13", "base64", "zlib", "é"])
def test_encodings_that_there_are_not(write, encoding):
    with pytest.raises(InputError, match="no such encoding; there are auto, utf-8, latin-1"):
        read_ratings(write(TEXT.encode()), encoding=encoding)


def test_padding_with_nul_bytes_is_left_out_and_said(write):
    interactions, notes = read(write(b"a,b,3\n" + bytes(1000)))
    assert rows(interactions) == [("a", "b", 3)]
    assert "1,000 NUL bytes at its end left out" in notes
    with pytest.raises(InputError, match=r"ratings.csv:2: not text \(NUL bytes\); unpack or"):
        read_ratings(write(b"a,b,3\na,\0,3\n"))
    with pytest.raises(InputError, match=r"NUL bytes\); name its encoding, such as --enc"):
        read_ratings(write(TEXT.encode("utf-16-le")))


def test_labels_and_features_say_that_they_are_not_utf8(write):
    path = write("id,title\n1,Amélie\n".encode("latin-1"), "items.csv")
    found = read_items(path)
    assert found.labels == {"1": "Amélie"}
    assert found.notes == ("as latin-1, since it is not UTF-8; --encoding names another",)
    found = read_items(write("id,title\n1,Жар\n".encode("cp1251"), "items.csv"), encoding="cp1251")
    assert found.labels == {"1": "Жар"}
    # --encoding is about the ratings as well: what is UTF-8 is read so
    found = read_items(write("id,title\n1,Жар\n".encode(), "items.csv"), encoding="cp1251")
    assert found.labels == {"1": "Жар"} and found.notes == ()
    path = write("id,genre\n1,é\n2,é\n".encode("latin-1"), "features.csv")
    found = read_features(str(path), "item", [Vocabulary(("1", "2"))])
    assert found.columns[0].names == ("genre=é",)
    assert any("as latin-1, since it is not UTF-8" in note for note in found.notes)


def test_ids_that_are_not_utf8_need_a_named_encoding(write):
    path = write("id,title\né,Heat\n".encode("latin-1"), "items.csv")
    with pytest.raises(InputError, match="items.csv:2: the item id 'é' is not UTF-8; name the enc"):
        read_items(path)
    assert read_items(path, encoding="latin-1").labels == {"é": "Heat"}


def test_the_flag(tmp_path, run_script):
    lines = "".join(f"é{n % 5},i{n % 7},{n % 4 + 1}\n" for n in range(70))
    (tmp_path / "ratings.csv").write_bytes(f"user,item,rating\n{lines}".encode("latin-1"))
    quick = ["--epochs=1", "--nojit_compile", "--tensorboard=off", "--run_dir=run"]
    code, _, err = run_script("train.py", "--ratings=ratings.csv", *quick)
    assert code == 2 and "ratings.csv:2: not UTF-8 text" in err
    code, _, err = run_script("train.py", "--ratings=ratings.csv", "--encoding=latin1", *quick)
    assert code == 0, err
    assert "é0" in (tmp_path / "run" / "users.tsv").read_text("utf-8")
    code, _, err = run_script("train.py", "--ratings=ratings.csv", "--encoding=klingon", *quick)
    assert code == 2 and "--encoding=klingon: no such encoding" in err.splitlines()[-1]

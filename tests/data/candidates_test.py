"""Files of held-out pairs with fixed negatives."""

import pytest

from mfrec.data.candidates import read_candidates
from mfrec.data.readers import read_ratings
from mfrec.errors import InputError


@pytest.fixture
def write(tmp_path):
    def write_file(content):
        path = tmp_path / "some.negative"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return path

    return write_file


def rows(data):
    users = [data.users.raw_ids[user] for user in data.user_ids]
    items = [data.items.raw_ids[item] for item in data.item_ids]
    return list(zip(users, items, data.ratings.tolist(), strict=True))


def test_reads_held_out_pairs_with_their_negatives(write):
    held_out, negatives = read_candidates(write("(u1,007)\t7\tü\r\n\n(0, x)\t007\tü\n"))
    assert rows(held_out) == [("u1", "007", 1), ("0", " x", 1)]
    assert rows(negatives) == [("u1", "7", 0), ("u1", "ü", 0), ("0", "007", 0), ("0", "ü", 0)]
    assert held_out.users is negatives.users


BAD = {
    "(1,2)\t3\n1,2\t3": r":2: '1,2' where '\(user,item\)' should be; correct the line",
    "(1,2,3)\t3": r":1: '\(1,2,3\)' where '\(user,item\)' should be",
    "(1,)\t3": r":1: '\(1,\)' where",
    "(1,2)\n(2,2)": ":1: no negatives; a line is",
    "(1,2)\t3\t4\n\n(2,2)\t4": ":3: 2 fields",
    "(1,2)\t3\t4\n(1,2)\t\t3": ":2: an empty negative",
    "": ": is empty",
    b"(1,2)\t3\n(1,\xff)\t3": ":2: not UTF-8",
}


@pytest.mark.parametrize("content", BAD, ids=repr)
def test_names_the_bad_line(write, content):
    with pytest.raises(InputError, match="some.negative" + BAD[content]):
        read_candidates(write(content))


@pytest.mark.real_data
def test_reads_the_negatives_of_neural_collaborative_filtering(real_data_dir):
    folder = real_data_dir / "ncf-ml-1m"
    held_out, negatives = read_candidates(folder / "ml-1m.test.negative")
    assert (len(held_out), len(negatives)) == (6_040, 6_040 * 99)
    published = read_ratings(folder / "ml-1m.test.rating")
    assert [row[:2] for row in rows(held_out)] == [row[:2] for row in rows(published)]
    last = (folder / "ml-1m.test.negative").read_text().splitlines()[-1].split("\t")[1:]
    assert [row[1] for row in rows(negatives)[-99:]] == last

"""Files of items: labels and genres, matched to a vocabulary."""

import pytest

from mfrec.data.items import ItemDescriptions, labelled, read_items
from mfrec.data.vocabulary import Vocabulary
from mfrec.errors import InputError


@pytest.fixture
def read(tmp_path):
    def write_and_read(content, **options):
        path = tmp_path / "items.txt"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return read_items(path, **options)

    return write_and_read


TITLES = {"1": "Heat", "2": "Amélie, part 2"}
GENRES = {"1": "Crime|Drama", "2": ""}


@pytest.mark.parametrize(
    "content",
    [
        "1::Heat::Crime|Drama\n2::Amélie, part 2::\n",
        'movieId,title,genres\n1,Heat,Crime|Drama\n2,"Amélie, part 2",\n',
        "genre\tyear\tid\tname\nCrime|Drama\t1995\t1\tHeat\n\t2001\t2\tAmélie, part 2\n",
        "item_id:token\tmovie_title:token_seq\tclass:token_seq\n"
        "1\tHeat\tCrime Drama\n2\tAmélie, part 2\t\n",
        "1|Heat|Crime\n2|Amélie, part 2|\n".replace("Crime", "Crime/Drama"),
    ],
)
def test_reads_titles_and_genres(read, content):
    found = read(content)
    assert found.labels == TITLES
    assert found.genres == GENRES | ({"1": "Crime/Drama"} if "/" in content else {})


@pytest.mark.parametrize(
    "content",
    [
        "1::Heat\n2::Amélie, part 2\n",
        "1|Heat|1995|x|y\n2|Amélie, part 2|2001||\n",
        "1|Heat\n2|Amélie, part 2\n".encode("latin-1"),
        'stock_code,what\n1,Heat\n2,"Amélie, part 2"\n',
        "name;sku\nHeat;1\nAmélie, part 2;2\n",
    ],
)
def test_a_file_may_have_no_genres(read, content):
    assert read(content) == ItemDescriptions(TITLES, {})


def test_a_file_may_have_no_titles(read):
    assert read("id,genres\n1,Crime|Drama\n2,\n") == ItemDescriptions({}, GENRES)


@pytest.mark.parametrize(
    "content, message",
    [
        ("1;Heat\n2\n", "items.txt:2: 1 fields, 2 expected as in line 1"),
        ("1\n2\n", "cannot guess the delimiter of '1'"),
        ("1|A\ncafé|B\n".encode("latin-1"), "items.txt:2: the item id 'café' is not UTF-8"),
        ("", "items.txt: is empty"),
    ],
)
def test_bad_files_are_refused_in_one_line(read, content, message):
    with pytest.raises(InputError) as raised:
        read(content)
    assert message in str(raised.value) and "\n" not in str(raised.value)


def test_a_named_delimiter_that_splits_nothing_is_refused(read):
    with pytest.raises(InputError, match=r"items\.txt:1: 1 field, 2 expected"):
        read("1|Heat\n", delimiter="::")


def test_zeros_before_an_id_do_not_matter_where_it_is_clear_what_is_meant():
    texts = {"0012": "Heat", "7": "Seven", "05": "Five", "x1": "X", "0": "Zero"}
    vocabulary = Vocabulary(("12", "007", "7", "0005", "x01", "000", "8"))
    found = labelled(vocabulary, ItemDescriptions(texts, {"12": "Crime"}))
    # 007 is not 7 where both are there
    assert found.labels == ("Heat", "", "Seven", "Five", "", "Zero", "")
    assert found.genres == ("Crime", "", "", "", "", "", "")


def test_nothing_found_leaves_none():
    assert labelled(Vocabulary(("1",)), ItemDescriptions(TITLES, {})).genres is None


@pytest.mark.real_data
def test_reads_published_files(real_data_dir):
    tweets = read_items(real_data_dir / "movietweetings-100k" / "movies.dat")
    assert tweets.labels["0002844"] == "Fantômas - À l'ombre de la guillotine (1913)"
    assert tweets.genres["0002844"] == "Crime|Drama"
    movies = read_items(real_data_dir / "ml-1m" / "movies.dat")
    assert len(movies.labels) == 3_883
    assert movies.labels["73"] == "Misérables, Les (1995)"
    assert movies.genres["73"] == "Drama|Musical"
    movies = read_items(real_data_dir / "ml-100k" / "u.item")
    assert len(movies.labels) == 1_682 and movies.genres == {}
    products = read_items(real_data_dir / "online-retail" / "products.csv")
    assert products.labels["10080"] == "GROOVY CACTUS INFLATABLE"
    artists = read_items(real_data_dir / "hetrec-lastfm" / "artists.dat")
    assert artists.labels["1"] == "MALICE MIZER"


@pytest.mark.parametrize("ids", [("12", "012"), ("012", "00012", "12")])
def test_labels_that_two_lines_may_mean_are_refused(read, ids):
    found = read("id,title\n" + "".join(f"{raw_id},title {raw_id}\n" for raw_id in ids))
    with pytest.raises(InputError, match=f"item '0012' of the ratings may be '{ids[0]}'"):
        labelled(Vocabulary(("0012",)), found)
    # the exact spelling wins
    assert labelled(Vocabulary(("012",)), found).labels == ("title 012",)


def test_lines_that_come_twice_are_said(read):
    found = read("id,title\n1,Heat\n2,Up\n1,Heat (1995)\n")
    assert found.labels["1"] == "Heat (1995)"
    assert found.notes == ("item '1' has 2 lines, of which the last counts",)

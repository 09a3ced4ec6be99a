"""Named data sets: fetched, verified, read, and split as they were published."""

import contextlib
import dataclasses
import hashlib
import io
import math
import re
import socket
import stat
import threading
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from mfrec.data import downloads, recbole_copy
from mfrec.data.datasets import (
    DATASETS,
    choose_default,
    default_data_dir,
    fetch,
    is_on_disk,
    load,
    load_candidates,
    predefined_split,
)
from mfrec.data.downloads import Remote
from mfrec.data.recbole_copy import u_item_from_recbole
from mfrec.errors import InputError

U_DATA = b"196\t242\t3\t881250949\n186\t302\t4\t891717742\n"
FLAGS = ["0"] * 19
U_ITEM = "".join(
    "|".join([raw_id, title, date, "", "", *flags]) + "\n"
    for raw_id, title, date, flags in (
        ("242", "Kolya (1996)", "24-Jan-1997", [*FLAGS[:5], "1", *FLAGS[6:]]),
        (
            "302",
            "Misérables, Les (1995)",
            "1995",
            [*FLAGS[:8], "1", *FLAGS[9:12], "1", *FLAGS[13:]],
        ),
    )
).encode("latin-1")


def zipped(files):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return buffer.getvalue()


MOVIES = "12345::Körkarlen (1921)::Drama|Horror\n".encode()
ARCHIVE = zipped({"ml-100k/": b"", "ml-100k/u.data": U_DATA, "ml-100k/u.item": U_ITEM})


class Body:
    """What a server sends: pieces with pauses before them, as if `length` bytes were to come."""

    def __init__(self, *pieces, length=None, pause=0):
        self.pieces, self.length, self.pause = pieces, length, pause


@pytest.fixture
def serve(monkeypatch):
    """Serves one answer at a loopback address; returns the data set that is fetched from it.

    The set expects ARCHIVE, or whatever bytes are served, unless a size or hash is given.
    """
    monkeypatch.setenv("no_proxy", "*")
    servers = []
    done = threading.Event()

    def start(body=ARCHIVE, status=200, headers=None, size=None, sha256=None, rebuild=None):
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                answer = body if isinstance(body, Body) else Body(body, length=len(body))
                self.send_response(status)
                if answer.length is not None:
                    self.send_header("Content-Length", str(answer.length))
                for name, value in (headers or {}).items():
                    self.send_header(name, value)
                self.end_headers()
                with contextlib.suppress(OSError):
                    for piece in answer.pieces:
                        self.wfile.write(piece)
                        self.wfile.flush()
                        done.wait(answer.pause)

            def log_message(self, *_):
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        servers.append(server)
        expected = ARCHIVE if isinstance(body, Body) else body
        remote = Remote(
            f"http://127.0.0.1:{server.server_port}/ml-100k.zip",
            len(expected) if size is None else size,
            sha256 or hashlib.sha256(expected).hexdigest(),
        )
        return dataclasses.replace(DATASETS["movielens-100k"], remotes=(remote,), rebuild=rebuild)

    yield start
    done.set()
    for server in servers:
        server.shutdown()
        server.server_close()


def left_behind(data_dir):
    return sorted(path.name for path in data_dir.iterdir())


def test_fetches_unpacks_and_reads(serve, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(DATASETS, "movielens-100k", serve())
    data_dir = tmp_path / "made" / "here"
    data = load("movielens-100k", data_dir)
    assert data.users.raw_ids == ("196", "186")
    assert data.ratings.tolist() == [3, 4]
    assert [data.items.label(row) for row in (0, 1)] == [
        "Kolya (1996)",
        "Misérables, Les (1995)",
    ]
    assert data.items.genres == ("Comedy", "Drama|Musical")
    assert left_behind(data_dir) == ["ml-100k"]
    assert left_behind(data_dir / "ml-100k") == ["u.data", "u.item"]
    output = capsys.readouterr()
    assert "fetching it from http://127.0.0.1" in output.err
    assert output.out == ""


def test_a_set_on_disk_is_used_as_it_is(tmp_path, monkeypatch):
    (tmp_path / "ml-100k").mkdir()
    assert not is_on_disk("movielens-100k", tmp_path)
    (tmp_path / "ml-100k" / "u.data").write_bytes(U_DATA)
    assert is_on_disk("movielens-100k", tmp_path)
    data = load("movielens-100k", tmp_path)
    assert data.items.label(0) == "242"
    assert choose_default(tmp_path) == ("movielens-100k", f"found in {tmp_path / 'ml-100k'}")


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"sha256": "0" * 64}, "where 0{64} is published"),
        ({"status": 404}, "Not Found"),
        # is cut
        ({"body": Body(ARCHIVE[:-9], length=len(ARCHIVE))}, "broke off at|IncompleteRead"),
        ({"body": Body(ARCHIVE[:-9])}, rf"broke off at {len(ARCHIVE) - 9} of {len(ARCHIVE)} b"),
        # lies about its length
        ({"body": Body(ARCHIVE, length=len(ARCHIVE) + 9)}, f"has {len(ARCHIVE) + 9} bytes where"),
        ({"body": Body(ARCHIVE, length=len(ARCHIVE) - 9)}, f"has {len(ARCHIVE) - 9} bytes where"),
        ({"body": Body(ARCHIVE, length="many")}, "has many bytes where"),
        ({"body": Body(ARCHIVE, *[bytes(1 << 16)] * 50)}, f"more than the {len(ARCHIVE)} bytes"),
        # stalls
        ({"body": Body(ARCHIVE[:99], b"", length=len(ARCHIVE), pause=60)}, "timed out"),
        ({"body": b"<html>"}, "not a zip file"),
        ({"body": zipped({"other/u.data": U_DATA})}, "it holds no ml-100k/u.data"),
        (
            {"status": 302, "headers": {"Location": "http://example.invalid/ml-100k.zip"}},
            "http://example.invalid/ml-100k.zip is not https",
        ),
    ],
)
def test_a_failed_fetch_says_why_and_leaves_nothing(serve, tmp_path, monkeypatch, answer, reason):
    monkeypatch.setattr(downloads, "_STALL_SECONDS", 0.5)
    with pytest.raises(InputError, match=reason) as raised:
        fetch(serve(**answer), tmp_path)
    assert left_behind(tmp_path) == []
    message = str(raised.value)
    assert "\n" not in message
    assert f"unpack it to {tmp_path / 'ml-100k'}, or use --dataset=planted-100k" in message


def test_no_network_is_said_and_leaves_nothing(serve, tmp_path):
    with socket.socket() as taken:
        # bound but not listening: whoever connects is refused
        taken.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{taken.getsockname()[1]}/ml-100k.zip"
        dataset = serve()
        dataset = dataclasses.replace(
            dataset, remotes=(dataclasses.replace(dataset.remotes[0], url=url),)
        )
        with pytest.raises(InputError, match=f"{url}: .*refused.*; download .* by hand"):
            fetch(dataset, tmp_path)
    assert left_behind(tmp_path) == []


def test_unpacks_only_what_is_read(serve, tmp_path):
    body = zipped(
        {
            "ml-100k/README": b"terms",
            "ml-100k/u.data": U_DATA,
            "ml-100k/genome-scores.csv": bytes(10**6),
            "elsewhere/u.data": b"",
        }
    )
    fetch(serve(body), tmp_path)
    assert left_behind(tmp_path) == ["ml-100k"]
    assert left_behind(tmp_path / "ml-100k") == ["README", "u.data"]


def test_fetches_plain_files(serve, tmp_path):
    remotes = []
    for name, content in (("ratings.dat", b"1::0012345::8::1365029107\n"), ("movies.dat", MOVIES)):
        [remote] = serve(content).remotes
        remotes.append(
            dataclasses.replace(remote, url=remote.url.replace("ml-100k.zip", f"a/{name}"))
        )
    tweets = DATASETS["movietweetings-100k"]
    fetch(dataclasses.replace(tweets, remotes=tuple(remotes)), tmp_path)
    data = load("movietweetings-100k", tmp_path)
    assert left_behind(tmp_path / "movietweetings-100k") == ["movies.dat", "ratings.dat"]
    # its id has its zeros in one file and not in the other
    assert (data.items.raw_ids, data.items.labels) == (("0012345",), ("Körkarlen (1921)",))
    assert data.items.genres == ("Drama|Horror",)

    spoilt = dataclasses.replace(remotes[1], sha256="0" * 64)
    (tmp_path / "other").mkdir()
    with pytest.raises(InputError, match="0{64} is published.*movies.dat by hand and put them in"):
        fetch(dataclasses.replace(tweets, remotes=(remotes[0], spoilt)), tmp_path / "other")
    assert left_behind(tmp_path / "other") == []


@pytest.mark.parametrize("name", [name for name in DATASETS if DATASETS[name].folder])
def test_every_set_says_what_to_fetch(name):
    dataset = DATASETS[name]
    for remote in dataset.remotes:
        assert remote.url.startswith("https://") and remote.size > 0
        assert re.fullmatch("[0-9a-f]{64}", remote.sha256)
    names = [remote.url.rpartition("/")[2] for remote in dataset.remotes]
    if not names:
        assert dataset.page.startswith("https://")
        return
    assert names == list(dataset.files) or (len(names) == 1 and names[0].endswith(".zip"))
    assert len({remote.sha256 for dataset in DATASETS.values() for remote in dataset.remotes}) == 9


CSV = {
    "ratings.csv": b"userId,movieId,rating,timestamp\r\n1,31,2.5,1260759144\r\n2,11,4.0,1\r\n",
    "movies.csv": b"movieId,title,genres\r\n"
    b'11,"American President, The (1995)",Comedy|Drama|Romance\r\n'
    b"31,Dangerous Minds (1995),(no genres listed)\r\n",
}
DAT = {
    "ratings.dat": b"1::31::2.5::1260759144\n2::11::4::1\n",
    "movies.dat": b"11::American President, The (1995)::Comedy|Drama|Romance\n"
    b"31::Dangerous Minds (1995)::(no genres listed)\n",
}


@pytest.mark.parametrize(
    "name, folder, files",
    [
        ("movielens-1m", "ml-1m", DAT),
        ("movielens-10m", "ml-10M100K", DAT),
        ("movielens-20m", "ml-20m", CSV),
        ("movielens-25m", "ml-25m", CSV),
        ("movielens-32m", "ml-32m", CSV),
        ("movielens-latest-small", "ml-latest-small", CSV),
        ("movietweetings-100k", "movietweetings-100k", DAT),
    ],
)
def test_reads_every_set_row_by_row(tmp_path, name, folder, files):
    (tmp_path / folder).mkdir()
    for file, content in files.items():
        (tmp_path / folder / file).write_bytes(content)
    data = load(name, tmp_path, download=False)
    assert raw_lines(data) == ["1\t31\t2.5\t1260759144", "2\t11\t4\t1"]
    assert data.items.labels == ("Dangerous Minds (1995)", "American President, The (1995)")
    assert data.items.genres == ("(no genres listed)", "Comedy|Drama|Romance")
    (tmp_path / folder / next(file for file in files if "movies" in file)).unlink()
    assert load(name, tmp_path, download=False).items.label(0) == "31"


GOWALLA = {"train.txt": "0 1 2\n1 2 9\n2\n", "test.txt": "0 9\n1 1 3\n2 4\n"}
NCF = {
    "ml-1m.train.rating": "0\t1\t5\n1\t2\t3\n",
    "ml-1m.test.rating": "0\t2\t4\t978824351\n1\t3\t2\t978300174\n",
    "ml-1m.test.negative": "(0,2)\t3\t7\n(1,3)\t1\t7\n",
}


def pairs(part):
    users = [part.users.raw_ids[user] for user in part.user_ids]
    items = [part.items.raw_ids[item] for item in part.item_ids]
    return list(zip(users, items, part.ratings.tolist(), strict=True))


@pytest.mark.parametrize(
    "name, folder, files, train, test",
    [
        (
            "gowalla",
            "gowalla",
            GOWALLA,
            [("0", "1", 1), ("0", "2", 1), ("1", "2", 1), ("1", "9", 1)],
            [("0", "9", 1), ("1", "1", 1), ("1", "3", 1), ("2", "4", 1)],
        ),
        (
            "ncf-movielens-1m",
            "ncf-ml-1m",
            NCF,
            [("0", "1", 5), ("1", "2", 3)],
            [("0", "2", 4), ("1", "3", 2)],
        ),
    ],
)
def test_sets_that_came_as_parts(tmp_path, name, folder, files, train, test):
    (tmp_path / folder).mkdir()
    for file, content in files.items():
        (tmp_path / folder / file).write_text(content)
    data = load(name, tmp_path, download=False)
    assert pairs(data) == train + test
    assert data.has_ratings == (name != "gowalla")
    parts = predefined_split(name, data, "published", tmp_path)
    assert [pairs(part) for part in parts] == [train, test]
    assert all(part.users is data.users and part.items is data.items for part in parts)
    candidates = load_candidates(name, tmp_path)
    if name == "gowalla":
        assert candidates is None
    else:
        assert pairs(candidates) == [("0", "3", 0), ("0", "7", 0), ("1", "1", 0), ("1", "7", 0)]


def test_what_cannot_be_fetched_is_to_be_put_there_by_hand(tmp_path, capsys):
    with pytest.raises(InputError) as error:
        load("ncf-movielens-1m", tmp_path / "data")
    assert str(error.value) == (
        "ncf-movielens-1m is not available (it is not fetched); download ml-1m.train.rating and "
        "ml-1m.test.rating and ml-1m.test.negative from https://github.com/hexiangnan/"
        "neural_collaborative_filtering/tree/master/Data by hand and put them in "
        f"{tmp_path / 'data' / 'ncf-ml-1m'}, or use --dataset=planted-100k"
    )
    assert left_behind(tmp_path) == [] and capsys.readouterr().err == ""
    folder = tmp_path / "gowalla"
    folder.mkdir()
    with pytest.raises(InputError, match="gowalla: holds no train.txt; complete or remove it"):
        load("gowalla", tmp_path)
    (folder / "train.txt").write_text("0 1\n")
    with pytest.raises(InputError, match="test.txt: no such file"):
        load("gowalla", tmp_path)


def member(name, kind):
    info = zipfile.ZipInfo(name)
    info.create_system = 3
    info.external_attr = (kind | 0o644) << 16
    return info


@pytest.mark.parametrize(
    "files",
    [
        {"../outside": b""},
        {"/absolute": b""},
        {"ml-100k/../../outside": b""},
        {"C:\\outside": b""},
        {member("ml-100k/link", stat.S_IFLNK): b"/etc"},
        {member("ml-100k/pipe", stat.S_IFIFO): b""},
        {"ml-100k/u.item": bytes(10**6)},
    ],
)
def test_dangerous_archives_are_refused(serve, tmp_path, files):
    body = zipped({"ml-100k/u.data": U_DATA} | files)
    with pytest.raises(InputError, match="no plain file|would unpack to"):
        fetch(serve(body), tmp_path / "data")
    assert left_behind(tmp_path) == ["data"]
    assert left_behind(tmp_path / "data") == []


@pytest.mark.parametrize("url", ["http://example.invalid/a.zip", "ftp://127.0.0.1/a.zip"])
def test_plain_http_is_for_loopback_only(tmp_path, url):
    remote = dataclasses.replace(DATASETS["movielens-1m"].remotes[0], url=url)
    dataset = dataclasses.replace(DATASETS["movielens-1m"], remotes=(remote,))
    with pytest.raises(InputError, match="is not https"):
        fetch(dataset, tmp_path)


def test_the_next_source_is_tried(serve, tmp_path):
    def rebuild(folder):
        (folder / "u.data").write_bytes(U_DATA)

    fetch(serve(status=500, rebuild=rebuild), tmp_path)
    assert left_behind(tmp_path / "ml-100k") == ["u.data"]


def test_all_reasons_are_told_when_every_source_fails(serve, tmp_path, monkeypatch):
    def rebuild(_):
        raise InputError("no such wheel")

    dataset = serve(status=500, rebuild=rebuild)
    with pytest.raises(InputError, match="Internal Server Error; the Python package.*: no such w"):
        fetch(dataset, tmp_path)
    monkeypatch.setitem(DATASETS, "movielens-100k", dataset)
    name, reason = choose_default(tmp_path)
    assert name == "planted-100k"
    assert "Internal Server Error" in reason
    assert left_behind(tmp_path) == []


def test_an_incomplete_folder_is_not_written_over(serve, tmp_path):
    (tmp_path / "ml-100k").mkdir()
    with pytest.raises(InputError, match="ml-100k: holds no u.data; complete or remove it"):
        fetch(serve(), tmp_path)


def test_no_download_means_none(tmp_path):
    with pytest.raises(InputError, match="it is not on disk"):
        load("movielens-1m", tmp_path, download=False)


def wheel(u_data):
    folder = "recbole/dataset_example/ml-100k"
    items = "id\ttitle\tyear\tclass\n242\tKolya\t1996\tComedy\n302\tMépris, Le\t1963\tDrama War\n"
    header = b"user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    return zipped({f"{folder}/ml-100k.inter": header + u_data, f"{folder}/ml-100k.item": items})


def test_rebuilds_movielens_100k_from_a_wheel(serve, tmp_path, monkeypatch):
    def download_wheel(requirement, folder):
        assert requirement == "recbole==1.2.1"
        (folder / "recbole.whl").write_bytes(wheel(U_DATA))
        return folder / "recbole.whl"

    monkeypatch.setattr(recbole_copy, "download_wheel", download_wheel)
    dataset = serve(status=404, rebuild=DATASETS["movielens-100k"].rebuild)
    with pytest.raises(InputError, match="the md5 of u.data is"):
        fetch(dataset, tmp_path)
    assert left_behind(tmp_path) == []

    monkeypatch.setattr(recbole_copy, "_U_DATA_MD5", hashlib.md5(U_DATA).hexdigest())
    fetch(dataset, tmp_path)
    assert left_behind(tmp_path / "ml-100k") == ["u.data", "u.item"]
    assert (tmp_path / "ml-100k" / "u.data").read_bytes() == U_DATA
    data = load("movielens-100k", tmp_path)
    assert [data.items.label(row) for row in (0, 1)] == ["Kolya (1996)", "Mépris, Le (1963)"]
    assert data.items.genres == ("Comedy", "Drama|War")
    with pytest.raises(InputError, match="ua.base: no such file .a copy rebuilt"):
        predefined_split("movielens-100k", data, "ua", tmp_path)


def test_u_item_has_the_published_layout_and_invents_nothing():
    items = "header\n1\tToy Story\t1995\tAnimation Children's Comedy\n"
    items += "267\tunkonwn\tunkonwn\tunknown\n"
    assert u_item_from_recbole(items) == (
        "1|Toy Story (1995)||||0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0\n"
        "267|unknown||||1|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0|0\n"
    )


def test_unknown_names_suggest_near_ones():
    with pytest.raises(InputError, match="'movielens-100'; did you mean movielens-100k"):
        load("movielens-100", ".")
    with pytest.raises(InputError, match="there are: movielens-100k, movielens-1m, movielens-10m"):
        is_on_disk("???", ".")


def test_default_data_dir_follows_the_environment(monkeypatch):
    monkeypatch.setenv("MFREC_DATA_DIR", "/somewhere")
    assert str(default_data_dir()) == "/somewhere"
    monkeypatch.delenv("MFREC_DATA_DIR")
    assert default_data_dir().parts[-2:] == (".cache", "mfrec")


def test_toy_is_three_users_by_three_items(tmp_path):
    toy = load("toy", tmp_path)
    assert is_on_disk("toy", tmp_path)
    assert toy.users.raw_ids == ("user1", "user2", "user3")
    assert toy.items.raw_ids == ("item1", "item2", "item3")
    assert toy.ratings.reshape(3, 3).tolist() == [[5, 4, 3], [2, 3, 5], [4, 5, 2]]


@pytest.fixture(scope="module")
def planted():
    return load("planted-100k", "/nowhere")


def test_planted_has_its_size_and_skew(planted):
    assert (len(planted), planted.num_users, planted.num_items) == (100_000, 1_000, 1_700)
    assert len(np.unique(planted.pairs())) == 100_000
    assert (np.diff(planted.timestamps) > 0).all()
    assert set(planted.ratings.tolist()) == {1, 2, 3, 4, 5}
    activity = np.sort(np.bincount(planted.user_ids))
    assert activity[0] >= 20
    assert activity[-1] > 5 * np.median(activity)
    popularity = np.sort(np.bincount(planted.item_ids, minlength=1_700))[::-1]
    assert popularity[:170].sum() > 0.3 * 100_000


def test_planted_is_always_the_same(planted):
    again = load("planted-100k", "/nowhere")
    assert np.array_equal(planted.pairs(), again.pairs())
    content = np.stack([planted.user_ids, planted.item_ids, planted.ratings.astype(np.int32)])
    digest = hashlib.md5(content.astype("<i4").tobytes()).hexdigest()
    assert digest == "944bd186ffdb6ab35c77665f8adc2f98"


def test_planted_expectations_are_the_means_of_its_ratings(planted):
    errors = planted.ratings - planted.expected_ratings
    # 100,000 errors of about 0.8 leave a mean of standard deviation 0.0025, in all and among
    # high and low expectations alike.
    assert abs(errors.mean()) < 0.0125
    for low, high in ((1, 2.5), (2.5, 3.5), (3.5, 4.2), (4.2, 5)):
        inside = (planted.expected_ratings >= low) & (planted.expected_ratings < high)
        assert abs(errors[inside].mean()) < 5 * 0.85 / math.sqrt(inside.sum())
    # Noise of variance 0.64, and a little from rounding and clipping.
    assert 0.75 < math.sqrt((errors**2).mean()) < 0.85


def test_splits_that_a_set_lacks_are_refused(planted, tmp_path):
    with pytest.raises(InputError, match="planted-100k has no predefined split 'u1'; it has: n"):
        predefined_split("planted-100k", planted, "u1", tmp_path)
    with pytest.raises(InputError, match="'u6'; it has: u1, u2, u3, u4, u5, ua, ub"):
        predefined_split("movielens-100k", planted, "u6", tmp_path)
    with pytest.raises(InputError, match="9 rows, 100000 expected for u1"):
        predefined_split("movielens-100k", load("toy", tmp_path), "u1", tmp_path)


def raw_lines(part):
    columns = (
        [part.users.raw_ids[user] for user in part.user_ids],
        [part.items.raw_ids[item] for item in part.item_ids],
        [f"{rating:g}" for rating in part.ratings],
        part.timestamps.astype(str).tolist(),
    )
    return sorted("\t".join(row) for row in zip(*columns, strict=True))


@pytest.mark.real_data
@pytest.mark.parametrize("split", ["u1", "u5", "ua", "ub"])
def test_predefined_splits_equal_the_published_files(real_data_dir, split):
    data = load("movielens-100k", real_data_dir, download=False)
    parts = predefined_split("movielens-100k", data, split, real_data_dir)
    for part, ending in zip(parts, ("base", "test"), strict=True):
        published = (real_data_dir / "ml-100k" / f"{split}.{ending}").read_text()
        assert raw_lines(part) == sorted(published.splitlines())
        assert part.items.label(int(part.items.lookup(["1"])[0])) == "Toy Story (1995)"


@pytest.mark.real_data
def test_reads_movielens_with_titles(real_data_dir):
    small = load("movielens-100k", real_data_dir, download=False)
    assert (len(small), small.num_users, small.num_items) == (100_000, 943, 1_682)
    large = load("movielens-1m", real_data_dir, download=False)
    assert (len(large), large.num_users, large.num_items) == (1_000_209, 6_040, 3_706)
    for data in (small, large):
        assert data.items.label(int(data.items.lookup(["1"])[0])) == "Toy Story (1995)"
        assert all(data.items.labels) and all(data.items.genres)
        first = int(data.items.lookup(["1"])[0])
        assert data.items.genres[first] == "Animation|Children's|Comedy"
    tweets = load("movietweetings-100k", real_data_dir, download=False)
    assert (len(tweets), tweets.num_users, tweets.num_items) == (100_000, 16_554, 10_506)
    assert all(tweets.items.labels)
    for file in DATASETS["movietweetings-100k"].remotes:
        content = (real_data_dir / "movietweetings-100k" / file.url.rpartition("/")[2]).read_bytes()
        assert (len(content), hashlib.sha256(content).hexdigest()) == (file.size, file.sha256)

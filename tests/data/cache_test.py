"""The cache of parsed files: when it is used, and when it is not."""

import os
import random
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from mfrec.config.settings import Config
from mfrec.data import cache, datasets, loading, readers

CONTENT = "user,item,rating,time\nb,é\tx,3.5,20\na,007,1,10\nb,7,2,30\n"


@pytest.fixture(autouse=True)
def every_file_is_cached(monkeypatch, no_cache):
    monkeypatch.setattr(cache, "MIN_BYTES", 0)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "ratings.csv"
    path.write_text(CONTENT)
    return path


@pytest.fixture
def parsed(monkeypatch):
    """The paths that were parsed, one after another."""
    paths = []
    parse = readers.read

    def count(path, **options):
        paths.append(os.path.basename(path))
        return parse(path, **options)

    monkeypatch.setattr(readers, "read", count)
    return paths


def read(path, data_dir, **options):
    return cache.read(path, data_dir, **options)[0]


def same(first, second):
    arrays = ("user_ids", "item_ids", "ratings", "timestamps", "weights")
    for name in arrays:
        one, two = getattr(first, name), getattr(second, name)
        if one is None or two is None:
            assert one is two
        else:
            assert one.dtype == two.dtype
            assert np.array_equal(one, two)
    assert first.has_ratings is second.has_ratings
    return first.users == second.users and first.items == second.items


def cached_files(folder):
    return sorted(path.name for path in (folder / ".mfrec-cache").iterdir())


def test_the_second_time_is_not_parsed_and_just_the_same(file, tmp_path, parsed):
    first = read(file, tmp_path)
    assert first.users.raw_ids == ("b", "a") and first.items.raw_ids == ("é\tx", "007", "7")
    assert same(first, read(file, tmp_path))
    assert parsed == ["ratings.csv"]
    assert len(cached_files(tmp_path)) == 1


def test_files_without_timestamps_and_matrices_too(tmp_path, parsed):
    path = tmp_path / "matrix.txt"
    path.write_text("user,a,b\nx,1,\ny,,\nz,,3\n")
    first = read(path, tmp_path, ratings_format="matrix")
    assert same(first, read(path, tmp_path, ratings_format="matrix"))
    assert len(parsed) == 1 and first.timestamps is None and first.num_users == 3


def test_pairs_and_weights(tmp_path, parsed):
    path = tmp_path / "plays.csv"
    path.write_text("user,item,plays\nb,x,3\na,y,0.5\n")
    first = read(path, tmp_path, weight_column="plays")
    again = read(path, tmp_path, weight_column="plays")
    assert same(first, again) and len(parsed) == 1
    assert again.weights.tolist() == [3, 0.5] and not again.has_ratings
    rated = read(path, tmp_path, rating_column="plays")
    assert same(rated, read(path, tmp_path, rating_column="plays"))
    assert rated.weights is None and rated.has_ratings and len(parsed) == 2


def test_users_without_items(tmp_path, parsed):
    path = tmp_path / "train.txt"
    path.write_text("0 1 2\n1 2\n2\n")
    first = read(path, tmp_path)
    assert same(first, read(path, tmp_path))
    assert first.users.raw_ids == ("0", "1", "2") and len(parsed) == 1


def test_what_reads_differently_is_cached_apart(file, tmp_path, parsed):
    plain = read(file, tmp_path)
    swapped = read(file, tmp_path, user_column="item", item_column="user")
    assert plain.users == swapped.items
    other = tmp_path / "other.csv"
    other.write_text(CONTENT.replace("007", "008"))
    assert "008" in read(other, tmp_path).items.raw_ids
    assert len(parsed) == 3
    assert same(plain, read(file, tmp_path))
    assert len(parsed) == 3


def rewrite(path, content, stat):
    path.write_text(content)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))


def test_a_changed_file_is_parsed_again(file, tmp_path, parsed, monkeypatch):
    read(file, tmp_path)
    stat = file.stat()
    # the same size and time, other bytes
    rewrite(file, CONTENT.replace("3.5", "4.5"), stat)
    assert read(file, tmp_path).ratings[0] == 4.5
    # the same bytes at both ends and the same size, another time
    monkeypatch.setattr(cache, "_EDGE_BYTES", 8)
    read(file, tmp_path)
    file.write_text(CONTENT)
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns + 1))
    assert read(file, tmp_path).ratings[0] == 3.5
    # the same time and bytes at both ends, another size
    rewrite(file, CONTENT.replace("a,007", "c,7,5,1\na,007"), file.stat())
    assert len(read(file, tmp_path)) == 4
    assert len(cached_files(tmp_path)) == 1


@pytest.mark.parametrize("damage", [b"", b"PK\x03\x04 nonsense", "cut", "flipped", "other"])
def test_a_broken_cache_is_made_anew(file, tmp_path, parsed, damage):
    first = read(file, tmp_path)
    [name] = cached_files(tmp_path)
    cached = tmp_path / ".mfrec-cache" / name
    whole = cached.read_bytes()
    if damage == "cut":
        damage = whole[:-30]
    elif damage == "flipped":
        place = whole.index(first.ratings.tobytes())
        damage = whole[:place] + b"\xff" + whole[place + 1 :]
    elif damage == "other":
        np.savez(cached, something=1)
        damage = cached.read_bytes()
    cached.write_bytes(damage)
    assert same(first, read(file, tmp_path))
    assert len(parsed) == 2
    assert same(first, read(file, tmp_path))
    assert len(parsed) == 2


def test_flipped_bits_are_never_read(file, tmp_path, parsed):
    first = cache.read(file, tmp_path)
    [name] = cached_files(tmp_path)
    cached = tmp_path / ".mfrec-cache" / name
    whole = cached.read_bytes()
    names = [whole.rindex(member) for member in (b"ratings.npy", b"timestamps.npy", b"users.npy")]
    draw = random.Random(0)
    places = [*names, *(draw.randrange(len(whole)) for _ in range(200))]
    for place in places:
        flipped = whole[place] ^ (1 << draw.randrange(8))
        cached.write_bytes(whole[:place] + bytes([flipped]) + whole[place + 1 :])
        found, notes = cache.read(file, tmp_path)
        assert same(first[0], found) and notes == first[1]


def test_a_cache_of_somebody_elses_is_not_believed(file, tmp_path, parsed):
    first, _ = cache.read(file, tmp_path)
    [name] = cached_files(tmp_path)
    cached = tmp_path / ".mfrec-cache" / name
    with np.load(cached) as archive:
        content = {name: archive[name] for name in archive.files}
    others = (
        {"user_ids": content["user_ids"] + 1},
        {"item_ids": content["item_ids"][:1]},
        {"ratings": content["ratings"].astype(str)},
        {"digest": np.array("0")},
        {"notes": np.array("no json")},
    )
    for changed in others:
        forged = content | changed
        if "digest" not in changed:
            members = {name: array for name, array in forged.items() if name != "digest"}
            forged["digest"] = np.array(cache._digest(members))
        np.savez(cached, **forged)
        assert same(first, cache.read(file, tmp_path)[0])
    assert len(parsed) == 1 + len(others)


def test_many_may_write_at_once(file, tmp_path):
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: cache.read(file, tmp_path)[0], range(24)))
    assert all(same(found[0], other) for other in found)
    assert len(cached_files(tmp_path)) == 1


def test_pipes_are_not_cached(tmp_path, parsed):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    writer = threading.Thread(target=path.write_text, args=[CONTENT])
    writer.start()
    assert len(cache.read(path, tmp_path)[0]) == 3
    writer.join()
    assert not (tmp_path / ".mfrec-cache").exists()


def test_no_cache_where_none_can_be_written(file, tmp_path, parsed):
    (tmp_path / "data").write_text("a file where the folder should be")
    for _ in range(2):
        assert len(read(file, tmp_path / "data")) == 3
    assert len(parsed) == 2


def test_a_read_only_folder_is_left_alone_even_by_root(file, tmp_path):
    (tmp_path / "data").mkdir(mode=0o555)
    assert len(read(file, tmp_path / "data")) == 3
    assert list((tmp_path / "data").iterdir()) == []


def test_a_write_that_fails_leaves_nothing(file, tmp_path, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez", full)
    assert len(read(file, tmp_path)) == 3
    assert cached_files(tmp_path) == []


def test_a_file_that_grows_while_it_is_read_is_not_cached(file, tmp_path, monkeypatch):
    parse = readers.read

    def grow(path, **options):
        data = parse(path, **options)
        with open(path, "a") as growing:
            growing.write("c,7,5,1\n")
        return data

    monkeypatch.setattr(readers, "read", grow)
    assert len(read(file, tmp_path)) == 3
    assert not (tmp_path / ".mfrec-cache").exists()


def test_small_files_and_arrays_are_not_cached(file, tmp_path, parsed, monkeypatch):
    np.save(tmp_path / "matrix.npy", np.eye(2))
    read(tmp_path / "matrix.npy", tmp_path)
    monkeypatch.setattr(cache, "MIN_BYTES", len(CONTENT.encode()) + 1)
    read(file, tmp_path)
    assert not (tmp_path / ".mfrec-cache").exists()


def test_a_missing_file_is_the_readers_to_refuse(tmp_path):
    with pytest.raises(readers.InputError, match="no such file"):
        read(tmp_path / "gone.csv", tmp_path)


def test_named_sets_and_users_files_share_it(file, tmp_path, parsed):
    folder = tmp_path / "data" / "ml-latest-small"
    folder.mkdir(parents=True)
    (folder / "ratings.csv").write_text("userId,movieId,rating,timestamp\n1,31,2.5,1260759144\n")
    (folder / "movies.csv").write_text("movieId,title,genres\n31,Dangerous Minds (1995),Drama\n")
    for _ in range(2):
        data = datasets.load("movielens-latest-small", tmp_path / "data")
        assert data.items.labels == ("Dangerous Minds (1995)",)
        config = Config().replace({"ratings": str(file), "data_dir": str(tmp_path / "data")})
        assert len(loading.load(config.data).parts["all"]) == 3
    assert parsed == ["ratings.csv", "ratings.csv"]
    assert len(cached_files(tmp_path / "data")) == 2

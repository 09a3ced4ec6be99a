"""A converted file holds the rows that the reader of whole files finds in it, however it is cut."""

import gzip
import json
import os
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from helpers import run_script
from mfrec.config.settings import PositivesConfig
from mfrec.data import chunks, opening, readers
from mfrec.data.dealing import part_of
from mfrec.data.interactions import Interactions
from mfrec.data.shards import converting
from mfrec.data.shards.converting import Recipe, convert
from mfrec.data.shards.cutting import Cut
from mfrec.data.shards.manifest import PARTS, Folder, file_of, load_manifest
from mfrec.data.vocabulary import Vocabulary
from mfrec.errors import InputError


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch):
    """Chunks of a few lines: every file of a test is cut into several."""
    monkeypatch.setattr(chunks, "TEXT_BYTES", 64)
    monkeypatch.setattr(chunks, "ROWS", 5)


def converted(path, folder, split="random", num_shards=2, given=None, **options):
    """Convert a file; return the manifest and by part the rows in raw ids."""
    folder.mkdir(parents=True)
    recipe = Recipe(Cut(split, 3, given or {}), PositivesConfig(), num_shards=num_shards)
    manifest = convert(chunks.read(path, **options), folder, recipe)
    assert manifest == load_manifest(folder)
    return manifest, rows_of(folder, manifest)


def rows_of(path, manifest):
    """By part, (raw user, raw item, rating) of every row."""
    folder = Folder(path, manifest.conversion)
    items = folder.load_vocabulary("items.tsv", manifest).raw_ids
    found = {part: [] for part in PARTS}
    for number in range(len(manifest.shards)):
        users = folder.load_vocabulary(file_of("users", number), manifest).raw_ids
        assert (part_of(users, len(manifest.shards)) == number).all()
        for part in PARTS:
            rows = folder.load_arrays(file_of(part, number))
            assert (np.diff(rows["user_ids"]) >= 0).all()
            columns = (rows[name].tolist() for name in ("user_ids", "item_ids", "ratings"))
            found[part] += [(users[u], items[i], r) for u, i, r in zip(*columns, strict=True)]
    return found


def whole(path, **options):
    """What the reader of whole files finds, in raw ids, sorted."""
    rows = readers.read(path, **options)[0].without_repeats()
    columns = rows.user_ids.tolist(), rows.item_ids.tolist(), rows.ratings.tolist()
    raw = (
        (rows.users.raw_ids[u], rows.items.raw_ids[i], r) for u, i, r in zip(*columns, strict=True)
    )
    return sorted(raw)


IDS = st.one_of(st.integers(0, 30).map(str), st.sampled_from(["ä b", "007", 'a "q"', "x,y", "27"]))
ROWS = st.lists(st.tuples(IDS, IDS, st.integers(1, 10), st.integers(0, 9)), min_size=3, max_size=60)


def quoted(text):
    return '"' + text.replace('"', '""') + '"' if set(text) & set('",') else text


WRITERS = {
    "csv": lambda rows: (
        "user,item,rating,timestamp\n"
        + "".join(f"{quoted(u)},{quoted(i)},{r / 2},{t}\n" for u, i, r, t in rows)
    ),
    "tabs": lambda rows: (
        "user\titem\trating\ttimestamp\r\n"
        + "".join(f"{u}\t{i}\t{r}\t{t}\r\n" for u, i, r, t in rows)
    ),
    "json": lambda rows: "".join(
        json.dumps({"user": u, "item": i, "rating": r, "timestamp": t}) + "\n"
        for u, i, r, t in rows
    ),
}


@pytest.mark.parametrize("layout", WRITERS)
@given(rows=ROWS)
@settings(max_examples=12, derandomize=True, deadline=None)
def test_a_converted_file_has_the_rows_of_a_file_that_is_read_whole(layout, rows, tmp_path_factory):
    place = tmp_path_factory.mktemp("converted")
    path = place / f"ratings.{layout}"
    path.write_bytes(WRITERS[layout](rows).encode())
    manifest, parts = converted(path, place / "out", given={"test_fraction": 0.3})
    assert sorted(sum(parts.values(), [])) == whole(path)
    assert manifest.rows("train") == len(parts["train"]) == manifest.counts["train"]


@pytest.fixture
def ratings(tmp_path):
    """400 ratings of 40 users, some pairs repeated, in text."""
    random = np.random.default_rng(0)
    rows = zip(
        random.integers(0, 40, 400),
        random.integers(0, 20, 400),
        random.integers(1, 6, 400),
        random.permutation(400),
        strict=True,
    )
    path = tmp_path / "ratings.csv"
    text = "".join(f"{u},{i},{r},{1_000_000_000 + t}\n" for u, i, r, t in rows)
    path.write_text("user,item,rating,timestamp\n" + text)
    return path


def test_statistics_and_counts_are_those_of_the_training_rows(ratings, tmp_path):
    manifest, parts = converted(ratings, tmp_path / "out", num_shards=3)
    values = np.array([r for _, _, r in parts["train"]])
    of = manifest.statistics
    assert (of.low, of.high) == (values.min(), values.max())
    np.testing.assert_allclose([of.mean, of.stddev], [values.mean(), values.std()])
    counts = Folder(tmp_path / "out", manifest.conversion).load_arrays("counts.npz")
    items = Folder(tmp_path / "out", manifest.conversion).load_vocabulary("items.tsv", manifest)
    for item, count, total in zip(
        items.raw_ids, counts["item_counts"], counts["item_sums"], strict=False
    ):
        own = [r for _, i, r in parts["train"] if i == item]
        assert (len(own), sum(own)) == (count, total)
    assert counts["user_counts"].sum() == len(values)
    assert manifest.counts["users"] == len({u for u, _, _ in parts["train"]})
    held_out = {u for u, _, _ in parts["test"]} - {u for u, _, _ in parts["train"]}
    assert manifest.counts["unknown_users"] == len(held_out)


def test_a_random_split_depends_on_the_pair_and_the_seed_alone(ratings, tmp_path):
    _, parts = converted(ratings, tmp_path / "one", num_shards=3)
    lines = ratings.read_text().splitlines()
    ratings.write_text("\n".join([lines[0], *sorted(lines[1:])]))
    _, again = converted(ratings, tmp_path / "two", num_shards=5)
    for part in PARTS:
        assert sorted(parts[part]) == sorted(again[part])
        assert parts[part]
    share = len(parts["test"]) / sum(map(len, parts.values()))
    assert 0.03 < share < 0.17


def test_a_temporal_split_holds_out_the_latest(ratings, tmp_path):
    times = {}
    for line in ratings.read_text().splitlines()[1:]:
        user, item, _, time = line.split(",")
        times[user, item] = max(int(time), times.get((user, item), 0))
    _, parts = converted(ratings, tmp_path / "out", split="temporal", num_shards=3)
    ends = {
        part: (min(found), max(found))
        for part in PARTS
        if (found := [times[user, item] for user, item, _ in parts[part]])
    }
    assert ends["train"][1] < ends["validation"][0] <= ends["validation"][1] < ends["test"][0]
    assert 35 <= len(parts["test"]) <= 41


def test_times_that_coincide_stay_together_on_the_earlier_side():
    # of days 0 to 3, with four rows each; three in ten are to be held out, one in ten tested
    times = np.repeat(np.arange(4), 4)
    cut = Cut("temporal", 0, {"validation_fraction": 0.2, "test_fraction": 0.1})
    cut.look_at(times)
    cut.decide([times[:7], times[7:]])
    ids = np.zeros(16, np.int32), np.arange(16, dtype=np.int32)
    names = Vocabulary(("a",)), Vocabulary(tuple(map(str, range(16))))
    rows = Interactions(*ids, np.ones(16, np.float32), times, *names)
    parts = cut.parts(rows, np.zeros(1, np.uint32), np.zeros(16, np.uint32), 0)
    assert {name: sorted(set(part.timestamps)) for name, part in parts.items()} == {
        "train": [0, 1, 2],
        "validation": [3],
        "test": [],
    }
    assert cut.lacking({name: len(part) for name, part in parts.items()}) == ["test"]


def test_points_in_time_are_those_of_a_histogram():
    random = np.random.default_rng(0)
    for times in (random.integers(10**9, 2 * 10**9, 3000), random.random(3000) / 1000, [5] * 9):
        times = np.asarray(times)
        cut = Cut("temporal")
        cut.look_at(times)
        cut.decide(np.array_split(times, 7))
        later = [float(np.mean(times >= time)) for time in cut.times]
        expected = [0.2, 0.1] if len(times) > 9 else [0.0, 0.0]
        np.testing.assert_allclose(later, expected, atol=2e-3)
        assert later <= expected


def test_leave_last_out_is_that_of_data_in_memory(ratings, tmp_path):
    from mfrec.data import splitters

    _, parts = converted(ratings, tmp_path / "out", split="leave_last_out")
    recipe = splitters.cut(readers.read(ratings)[0], "leave_last_out")
    for part in PARTS:
        rows = getattr(recipe, part)
        users, items = rows.users.raw_ids, rows.items.raw_ids
        pairs = {(users[u], items[i]) for u, i in zip(rows.user_ids, rows.item_ids, strict=True)}
        assert pairs == {(u, i) for u, i, _ in parts[part]}


def test_packed_files_pipes_arrays_and_parquet_hold_the_same(ratings, tmp_path):
    _, parts = converted(ratings, tmp_path / "text")
    expected = {part: sorted(rows) for part, rows in parts.items()}
    rows = readers.read(ratings)[0]
    users, items = (
        np.array(v.raw_ids)[ids].astype(int)
        for v, ids in ((rows.users, rows.user_ids), (rows.items, rows.item_ids))
    )
    columns = {"user_ids": users, "item_ids": items, "ratings": rows.ratings}
    np.savez(tmp_path / "plain.npz", **columns, timestamps=rows.timestamps)
    np.savez_compressed(tmp_path / "packed.npz", **columns, timestamps=rows.timestamps)
    (tmp_path / "ratings.csv.gz").write_bytes(gzip.compress(ratings.read_bytes()))
    pandas = pytest.importorskip("pandas")
    frame = pandas.read_csv(ratings)
    frame.to_parquet(tmp_path / "ratings.parquet", row_group_size=50)
    frame.to_feather(tmp_path / "ratings.feather")
    for name in ("plain.npz", "packed.npz", "ratings.csv.gz", "ratings.parquet", "ratings.feather"):
        _, parts = converted(tmp_path / name, tmp_path / f"of-{name}")
        assert {part: sorted(rows) for part, rows in parts.items()} == expected, name
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_bytes(ratings.read_bytes()))
    writer.start()
    _, parts = converted(pipe, tmp_path / "of-pipe")
    writer.join()
    assert {part: sorted(rows) for part, rows in parts.items()} == expected


@pytest.mark.parametrize(
    "line, text",
    [
        (200, "7,8"),
        (300, "7,8,nan,1000000000"),
        (300, "7,,3,1000000000"),
        (250, "7,8,three,1000000000"),
        (399, "NULL,8,3,1000000000"),
        (120, '7,8,"3,1000000000'),
    ],
)
def test_a_line_that_cannot_be_read_is_refused_as_in_a_file_read_whole(
    line, text, ratings, tmp_path
):
    lines = ratings.read_text().splitlines()
    lines[line - 1] = text
    ratings.write_text("\n".join(lines) + "\n")
    with pytest.raises(InputError) as expected:
        readers.read(ratings)
    with pytest.raises(InputError) as found:
        converted(ratings, tmp_path / "out")
    place = f"ratings.csv:{line}:"
    assert place in str(expected.value) or '"' in text
    if '"' not in text:
        assert place in str(found.value)


def test_other_encodings_and_netflix_listings(tmp_path):
    text = "user,item,rating\n" + "".join(f"ü{n % 7},é{n % 5},{n % 5 + 1}\n" for n in range(60))
    path = tmp_path / "wide.csv"
    path.write_bytes(text.encode("utf-16"))
    _, parts = converted(path, tmp_path / "wide")
    assert sorted(sum(parts.values(), [])) == whole(path)
    path = tmp_path / "listing.txt"
    path.write_text(
        "".join(
            f"{i}:\n" + "".join(f"{u},{u % 5 + 1},2005-01-0{i}\n" for u in range(1, 9 + i))
            for i in range(1, 9)
        )
    )
    _, parts = converted(path, tmp_path / "listing")
    assert sorted(sum(parts.values(), [])) == whole(path)


def test_a_chunk_does_not_end_inside_of_quotes(tmp_path):
    path = tmp_path / "quoted.csv"
    rows = "".join(f'"u{n % 5}\n,x",i{n % 4},{n % 5 + 1}\n' for n in range(40))
    path.write_text("user,item,rating\n" + rows)
    _, parts = converted(path, tmp_path / "out")
    assert sorted(sum(parts.values(), [])) == whole(path)


def test_weights_are_summed_and_spilled_rows_stay_in_order(tmp_path, monkeypatch):
    from mfrec.data.shards import spilling

    monkeypatch.setattr(spilling, "_BUFFER_BYTES", 200)
    path = tmp_path / "counts.csv"
    path.write_text("user,item,plays\n" + "".join(f"{n % 7},{n % 3},{n}\n" for n in range(1, 80)))
    manifest, _ = converted(path, tmp_path / "out", num_shards=2, weight_column="plays")
    folder = Folder(tmp_path / "out", manifest.conversion)
    arrays = [folder.load_arrays(file_of(part, s)) for part in PARTS for s in range(2)]
    assert sum(found["weights"].sum() for found in arrays) == sum(range(1, 80))
    assert not manifest.has_ratings and manifest.has_weights


def test_times_that_become_fractions_late_keep_their_order(tmp_path):
    path = tmp_path / "fractions.csv"
    lines = [
        f"{n % 3},{n % 2},{n % 5},{1_000_000_000 + n}{'.5' if n > 40 else ''}" for n in range(60)
    ]
    path.write_text("user,item,rating,timestamp\n" + "\n".join(lines))
    _, parts = converted(path, tmp_path / "out", num_shards=2)
    assert sorted(sum(parts.values(), [])) == whole(path)


def test_shards_of_a_number_that_follows_from_the_rows(ratings, tmp_path, monkeypatch):
    monkeypatch.setattr(converting, "SHARD_COUNTS", (2, 4, 12))
    assert len(converted(ratings, tmp_path / "one", num_shards=None)[0].shards) == 2
    monkeypatch.setattr(converting, "SHARD_ROWS", 110)
    assert len(converted(ratings, tmp_path / "two", num_shards=None)[0].shards) == 4


def test_a_command_converts_and_leaves_no_half_folder(ratings, tmp_path):
    flags = ["--ratings=ratings.csv", "--output_dir=out"]
    code, out, err = run_script(tmp_path, "convert.py", *flags, "--num_shards=2")
    assert code == 0, err
    assert "2 shards" in out and "train.py --ratings=out" in out
    code, _, err = run_script(tmp_path, "convert.py", *flags)
    assert code == 2 and "--overwrite" in err
    ratings.write_text(ratings.read_text() + "broken\n")
    code, _, err = run_script(tmp_path, "convert.py", "--ratings=ratings.csv", "--output_dir=new")
    assert code == 2 and "ratings.csv:402" in err and len(err.splitlines()) == 1
    assert not [entry for entry in tmp_path.iterdir() if "new" in entry.name]
    assert load_manifest(tmp_path / "out").shards


@pytest.mark.parametrize(
    "flags, message",
    [
        (["--ratings_format=matrix"], "only tables"),
        (["--split=held_out_users"], "cannot be split this way"),
        (["--num_shards=0"], "--num_shards=0"),
        (["--test_fraction=0.6", "--validation_fraction=0.4"], "nothing to train on"),
        (["--split=temporal", "--timestamp_column=none"], "needs timestamps"),
    ],
)
def test_settings_that_cannot_be_converted_by(flags, message, ratings, tmp_path):
    arguments = ["--ratings=ratings.csv", "--output_dir=out", *flags]
    code, _, err = run_script(tmp_path, "convert.py", *arguments)
    assert code == 2 and message in err and len(err.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_a_block_is_what_a_file_holds(ratings):
    assert b"".join(opening.blocks(ratings, 50)) == ratings.read_bytes()

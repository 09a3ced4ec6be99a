"""Compressed files, archives, pipes: the same ratings, however they are packed."""

import bz2
import gzip
import io
import lzma
import os
import subprocess
import sys
import threading
import zipfile

import pytest

import helpers
from mfrec import memory
from mfrec.data import opening
from mfrec.data.candidates import read_candidates
from mfrec.data.features import read_features
from mfrec.data.items import read_items
from mfrec.data.readers import read, read_ratings
from mfrec.data.vocabulary import Vocabulary
from mfrec.errors import InputError

TEXT = b"user,item,rating\nu1,7,4\nu2,007,2.5\n"
ROWS = [("u1", "7", 4.0), ("u2", "007", 2.5)]


def zipped(**members):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name.replace("__", "/").replace("_", "."), content)
    return file.getvalue()


def by_arrow(codec):
    pyarrow = pytest.importorskip("pyarrow")
    sink = pyarrow.BufferOutputStream()
    with pyarrow.CompressedOutputStream(sink, codec) as stream:
        stream.write(TEXT)
    return sink.getvalue().to_pybytes()


PACKED = {
    "gzip": lambda: gzip.compress(TEXT),
    "gzip of two parts": lambda: gzip.compress(TEXT[:20]) + gzip.compress(TEXT[20:]),
    "bzip2": lambda: bz2.compress(TEXT),
    "xz": lambda: lzma.compress(TEXT),
    "zstd": lambda: by_arrow("zstd"),
    "lz4": lambda: by_arrow("lz4"),
    "zip": lambda: zipped(ratings_csv=TEXT),
    "zip of a folder": lambda: zipped(data__ratings_csv=TEXT, data__=b""),
    "zip with a readme": lambda: zipped(ratings_csv=TEXT, README_txt=b"read me", logo_png=b"?"),
    "zip of gzip": lambda: zipped(ratings_csv_gz=gzip.compress(TEXT)),
}


@pytest.mark.parametrize("packed", PACKED.values(), ids=PACKED)
def test_packed_files_are_unpacked_whatever_their_name(write, packed):
    assert helpers.rows(read_ratings(write(packed()))) == ROWS


def test_what_was_chosen_in_an_archive_is_said(write):
    path = write(zipped(ratings_csv=TEXT, notes_md=b"?"))
    assert "'ratings.csv' inside of it" in read(path)[1]


@pytest.mark.parametrize(
    "content, message",
    [
        (gzip.compress(TEXT)[:-9], "is a damaged gzip file"),
        (gzip.compress(TEXT)[:20] + b"?" + gzip.compress(TEXT)[21:], "is a damaged gzip file"),
        (bz2.compress(TEXT)[:-9], "is a damaged bzip2 file"),
        (lzma.compress(TEXT)[:-9], "is a damaged xz file"),
        (zipped(ratings_csv=TEXT)[:40], "is a damaged zip archive"),
        (zipped(), "is a zip archive of nothing; unpack it and give one file"),
        (zipped(a_csv=TEXT, b_csv=TEXT), "is a zip archive of 'a.csv', 'b.csv'; unpack it and"),
        (zipped(user_ids_npy=b"", x_npy=b""), "looks like numpy's arrays; give the file an .npz"),
        (gzip.compress(gzip.compress(gzip.compress(gzip.compress(TEXT)))), "is packed more than"),
        (gzip.compress(b""), "is empty"),
        (b"\x28\xb5\x2f\xfd\0\0\0\0", "is a damaged zstd file"),
    ],
    # packed bytes hold the time, and would name the tests otherwise in every process
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_cannot_be_unpacked_is_refused(write, content, message):
    with pytest.raises(InputError) as raised:
        read_ratings(write(content))
    assert f"ratings.csv: {message}" in str(raised.value)
    assert "\n" not in str(raised.value) and "None" not in str(raised.value)


def test_locked_archives(write):
    content = bytearray(zipped(ratings_csv=TEXT))
    # the flag of encryption, in both headers of the member
    content[6] |= 1
    content[content.index(b"PK\x01\x02") + 8] |= 1
    with pytest.raises(InputError, match="ratings.csv: is locked by a password; unpack it"):
        read_ratings(write(bytes(content)))


def test_zstd_without_pyarrow_names_the_extra(write, monkeypatch):
    content = by_arrow("zstd")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "compression", None)
    with pytest.raises(InputError, match=r"a zstd file; pip install 'mfrec\[arrow\]', or unpack"):
        read_ratings(write(content))


def test_what_would_not_fit_into_memory_is_refused_while_it_is_unpacked(write, monkeypatch):
    monkeypatch.setattr(memory, "free_bytes", lambda: 3e6)
    monkeypatch.setattr(opening, "_CHUNK_BYTES", 1 << 16)
    path = write(gzip.compress(bytes(10**8)))
    assert path.stat().st_size < 10**6
    with pytest.raises(InputError, match="holds more than the 1 MB that can be split in the mem"):
        read_ratings(path)
    with pytest.raises(InputError, match="holds more than the 1 MB"):
        read_ratings("/dev/zero")


def test_a_fifo_is_read_once_and_anew_when_somebody_writes_to_it(tmp_path):
    path = tmp_path / "pipe"
    os.mkfifo(path)
    for content in (TEXT, TEXT + b"u3,7,1\n"):
        writer = threading.Thread(target=path.write_bytes, args=[gzip.compress(content)])
        writer.start()
        assert len(read_ratings(path)) == content.count(b"\n") - 1
        writer.join()
        # nobody writes now
        interactions, notes = read(path)
        assert len(interactions) == content.count(b"\n") - 1
        assert notes[0] == "what the pipe held before, since nobody writes to it now"


def test_standard_input_and_process_substitution(write):
    path = write(gzip.compress(TEXT), "ratings.csv.gz")
    code = "import mfrec, sys; print(len(mfrec.read_ratings(sys.argv[1])))"
    shell = f"""
        set -e
        zcat {path} | "$0" -c '{code}' /dev/stdin
        "$0" -c '{code}' /dev/stdin < {path}
        "$0" -c '{code}' <(zcat {path})
    """
    run = subprocess.run(
        ["bash", "-c", shell, sys.executable],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(helpers.ROOT)},
    )
    assert (run.returncode, run.stdout) == (0, "2\n2\n2\n"), run.stderr


@pytest.mark.parametrize(
    "path, message",
    [
        ("gone.csv", "gone.csv: no such file; check the path"),
        ("/dev/fd/987", "/dev/fd/987: no such file; the pipe is gone; save what it gave as a"),
        ("a\0b", r"'a\\x00b': no path \(.*embedded null"),
        ("x" * 300, r"cannot be read \(File name too long\)"),
        (".", "is a folder; name a file inside it"),
        ("/dev/null", "/dev/null: is empty"),
    ],
)
def test_paths_that_cannot_be_read(path, message):
    with pytest.raises(InputError, match=message):
        read_ratings(path)


def test_labels_features_and_candidates_may_be_packed_too(write):
    labels = write(gzip.compress("id,title\n7,Amélie\n".encode()), "items.csv.gz")
    assert read_items(labels).labels == {"7": "Amélie"}
    features = write(bz2.compress(b"item,genre\n7,War\n007,War\n"), "features.csv.bz2")
    known = [Vocabulary(("7", "007"))]
    assert read_features(features, "item", known).columns[0].names == ("genre=War",)
    candidates = write(gzip.compress(b"(1,2)\t3\t4\n"), "test.negative.gz")
    assert len(read_candidates(candidates)[1]) == 2


@pytest.mark.parametrize(
    ("path", "name", "stem"),
    [
        ("data/ratings.csv", "ratings.csv", "ratings"),
        ("ratings.csv.gz", "ratings.csv.gz", "ratings"),
        ("ratings.CSV.ZST", "ratings.CSV.ZST", "ratings"),
        ("v1.2.csv", "v1.2.csv", "v1.2"),
        ("/dev/fd/63", "pipe", "pipe"),
        ("/dev/stdin", "stdin", "stdin"),
    ],
)
def test_what_files_and_runs_are_called(path, name, stem):
    assert (opening.name_of(path), opening.stem_of(path)) == (name, stem)

"""Files that appear whole or not at all, and messages that name what cannot be written."""

import errno
import os

import pytest

from mfrec.errors import InputError
from mfrec.files import new_folder, replacing


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_what_was_written_appears_at_the_end(tmp_path):
    path = tmp_path / "a.txt"
    for text in ("old", "new"):
        with replacing(path) as target:
            target.write_text(text)
            assert not path.exists() or path.read_text() == "old"
        assert path.read_text() == text
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize("error", [KeyboardInterrupt(), ZeroDivisionError()])
def test_nothing_appears_where_writing_is_interrupted(tmp_path, error):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(type(error)), replacing(path) as target:
        target.write_text("ne")
        raise error
    assert path.read_text() == "old" and names(tmp_path) == ["a.txt"]


def test_a_full_disk_is_named(tmp_path):
    path = tmp_path / "a.txt"
    message = f"^{path}: No space left on device$"
    with pytest.raises(InputError, match=message), replacing(path) as target:
        target.write_text("ne")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert names(tmp_path) == []


def test_no_such_folder_is_named(tmp_path):
    path = tmp_path / "no" / "a.txt"
    with pytest.raises(InputError, match=f"^{path}: No such file"), replacing(path) as target:
        target.write_text("x")


def test_pipes_and_links_are_written_to_as_they_are(tmp_path):
    (tmp_path / "file").write_text("old")
    (tmp_path / "link").symlink_to("file")
    with replacing(tmp_path / "link") as target:
        target.write_text("new")
    assert (tmp_path / "link").is_symlink() and (tmp_path / "file").read_text() == "new"
    os.mkfifo(tmp_path / "pipe")
    reader = os.open(tmp_path / "pipe", os.O_RDONLY | os.O_NONBLOCK)
    with replacing(tmp_path / "pipe") as target:
        target.write_text("through")
    assert os.read(reader, 10) == b"through"
    os.close(reader)
    assert names(tmp_path) == ["file", "link", "pipe"]


@pytest.fixture
def earlier(tmp_path):
    """A folder to replace, holding one file."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "old").write_text("1")
    return tmp_path / "out"


def write_new(path):
    with new_folder(path, overwrite=True, made_of={"old", "new"}) as part:
        assert not list(part.iterdir())
        (part / "new").write_text("2")


def contents(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_a_new_folder_takes_the_place_of_the_earlier_one(tmp_path, earlier):
    write_new(earlier)
    write_new(tmp_path / "a" / "b")
    assert contents(tmp_path) == {"out", "out/new", "a", "a/b", "a/b/new"}


def test_an_interrupted_folder_leaves_the_earlier_one(tmp_path, earlier):
    with pytest.raises(KeyboardInterrupt), new_folder(earlier, True, {"old"}) as part:
        (part / "half").write_text("2")
        raise KeyboardInterrupt
    assert contents(tmp_path) == {"out", "out/old"}


def test_what_a_killed_process_left_goes_and_what_another_one_writes_stays(tmp_path, earlier):
    killed = tmp_path / ".out.0123456789abcdef.part"
    killed.mkdir()
    (killed / "half").write_text("2")
    with new_folder(earlier, True, {"old"}) as part:
        assert not killed.exists()
        (part / "half").write_text("3")
        write_new(earlier)
        assert contents(part) == {"half"}
        # the later of two
        (earlier / "new").rename(earlier / "old")
    assert contents(tmp_path) == {"out", "out/half"}


def test_the_earlier_folder_comes_back_where_the_new_one_cannot_take_its_place(
    tmp_path, earlier, monkeypatch
):
    def replace(source, target):
        if source.name.endswith(".part"):
            raise PermissionError(1, "Operation not permitted")
        source.rename(target)

    monkeypatch.setattr("os.replace", replace)
    with pytest.raises(InputError, match="out: Operation not permitted"):
        write_new(earlier)
    assert contents(tmp_path) == {"out", "out/old"}


def test_a_folder_that_cannot_be_made_is_told(tmp_path, earlier):
    with pytest.raises(InputError, match="out/old/new: File exists"):
        write_new(earlier / "old" / "new")

"""What is kept of the user's own code: a file, and what it imports beside it."""

import hashlib

import pytest

from mfrec.code_files import Code
from mfrec.errors import InputError


def write(folder, **files):
    for name, text in files.items():
        path = folder / (name.replace("__", "/") + ".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def test_a_file_alone_has_the_digest_of_its_content(tmp_path):
    write(tmp_path, mine="import numpy\nfrom mfrec import losses\nimport os.path, json\n")
    code = Code.of_file(tmp_path / "mine.py")
    assert set(code.files) == {"mine.py"} and code.main == "mine.py"
    assert code.digest == hashlib.sha256((tmp_path / "mine.py").read_bytes()).hexdigest()
    assert code.origin == str(tmp_path / "mine.py")


def test_what_a_file_imports_beside_it_belongs_to_it_at_any_depth(tmp_path, monkeypatch):
    here = tmp_path / "here"
    write(
        tmp_path,
        mine="import a\ndef f():\n    from parts import b as c\nimport there, json",
        a="x = 1",
        json="never = 1",
        unused="",
        parts__init="",
        parts__b="from . import d\nfrom .deeper.e import f",
        parts__d="from .. import beyond",
        parts__deeper__e="import mine",
        here__there="import a",
    )
    (tmp_path / "parts" / "init.py").rename(tmp_path / "parts" / "__init__.py")
    monkeypatch.chdir(here)
    code = Code.of_file(tmp_path / "mine.py")
    parts = {"parts/__init__.py", "parts/b.py", "parts/d.py", "parts/deeper/e.py"}
    # what lies in the current folder may be imported as well; Python's own goes first
    assert set(code.files) == {"mine.py", "a.py", "there.py", *parts}
    assert code.files["there.py"].path == str(here / "there.py")
    # every file counts
    digests = {code.digest}
    for name in ("a.py", "parts/d.py", "here/there.py"):
        (tmp_path / name).write_text("x = 2")
        digests.add(Code.of_file(tmp_path / "mine.py").digest)
    assert len(digests) == 4


def test_a_module_brings_its_package(tmp_path, monkeypatch):
    write(tmp_path, lib__inner__losses="from ..maths import power", lib__maths="", lib__other="")
    write(tmp_path, lib__init="import beside", beside="")
    (tmp_path / "lib" / "init.py").rename(tmp_path / "lib" / "__init__.py")
    monkeypatch.syspath_prepend(tmp_path)
    code = Code.of_module("lib.inner.losses")
    assert code.main == "lib/inner/losses.py"
    assert set(code.files) == {"lib/__init__.py", "lib/maths.py", "beside.py", code.main}
    # of an installed package nothing but itself
    (tmp_path / "site-packages").mkdir()
    for name in ("lib", "beside.py"):
        (tmp_path / name).rename(tmp_path / "site-packages" / name)
    monkeypatch.syspath_prepend(tmp_path / "site-packages")
    assert "beside.py" not in Code.of_module("lib.inner.losses").files
    assert Code.of_module("lib.nothing") is None and Code.of_module("no_such_module") is None


def test_files_come_back_as_they_were(tmp_path):
    write(tmp_path, mine="import a", a="x = 'ä'")
    code = Code.of_file(tmp_path / "mine.py")
    code.save(tmp_path / "copy")
    copy = Code.load(tmp_path / "copy", "mine.py")
    assert copy.digest == code.digest and copy.origin == str(tmp_path / "copy" / "mine.py")
    # a file more is another digest
    write(tmp_path / "copy", b="")
    assert Code.load(tmp_path / "copy", "mine.py").digest != code.digest
    (tmp_path / "copy" / "mine.py").unlink()
    with pytest.raises(InputError, match="mine.py: No such file"):
        Code.load(tmp_path / "copy", "mine.py")


@pytest.mark.parametrize("text", ["def f(:", "\0", "import ..", "x = 'é'"])
def test_what_does_not_parse_is_kept_as_it_is(tmp_path, text):
    (tmp_path / "mine.py").write_bytes(text.encode("latin-1"))
    assert set(Code.of_file(tmp_path / "mine.py").files) == {"mine.py"}

"""A disk that is full: one line that names the place, exit code 2, nothing half-written."""

import errno
import os
import subprocess
from pathlib import Path

import numpy as np
import pytest

import helpers
from mfrec.quiet_tensorflow import tf
from mfrec.runs.run_folder import RunFolder

FLAGS = ["--dataset=toy", "--embedding_dim=2", "--epochs=2", "--nojit_compile"]
FULL = os.strerror(errno.ENOSPC)


@pytest.fixture
def disk(tmp_path):
    """Makes a file system of so many KiB, where that is allowed."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = []

    def make(kib):
        command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "tmpfs", folder]
        try:
            done = subprocess.run(command, capture_output=True)
        except OSError:
            pytest.skip("no mount command")
        if done.returncode:
            pytest.skip("no right to mount a file system")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", folder], check=True)


def train(folder, *flags):
    """The one line of a training that the full disk ends."""
    code, out, err = helpers.run_script(folder, "train.py", *FLAGS, *flags)
    assert (code, out) == (2, "") and "Traceback" not in err
    return err.splitlines()[-1]


def files(folder):
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("what", ["config.json", "users.tsv", "interactions.npz"])
def test_no_space_for_a_file_before_there_is_a_model(tmp_path, monkeypatch, what):
    replace = os.replace

    def full(source, target):
        if Path(target).name == what:
            raise OSError(errno.ENOSPC, FULL)
        replace(source, target)

    monkeypatch.setattr(os, "replace", full)
    assert train(tmp_path, "--run_dir=run") == f"train.py: run/{what}: {FULL}"
    assert not (tmp_path / "run").exists()


def test_no_space_for_the_results(tmp_path, monkeypatch):
    write_text = Path.write_text

    def full(path, text, **options):
        if "results" in path.name:
            write_text(path, text[:10], **options)
            raise OSError(errno.ENOSPC, FULL)
        return write_text(path, text, **options)

    monkeypatch.setattr(Path, "write_text", full)
    assert train(tmp_path, "--run_dir=run") == f"train.py: run/results.json: {FULL}"
    # what was learnt is there, and no half of a file
    assert RunFolder(tmp_path / "run").has_model()
    assert not [name for name in files(tmp_path / "run") if "results" in name]
    code, _, err = helpers.run_script(tmp_path, "eval.py", "--run_dir=run")
    assert code == 2 and "run/results.json: no such file" in err


def test_no_space_for_a_checkpoint(tmp_path, monkeypatch):
    def full(*_, **__):
        message = f"/run/ckpt-1_temp/part-00000; {FULL} [Op:SaveV2]"
        raise tf.errors.ResourceExhaustedError(None, None, message)

    monkeypatch.setattr(tf.train.Checkpoint, "write", full)
    assert train(tmp_path, "--run_dir=run") == f"train.py: run/checkpoints: {FULL}"
    assert not (tmp_path / "run").exists()


def test_no_space_for_event_files(tmp_path, monkeypatch):
    def full(*_, **__):
        raise tf.errors.UnknownError(None, None, f"/run/events: {FULL}\nmore")

    monkeypatch.setattr(tf.summary.experimental, "write_raw_pb", full)
    message = f"train.py: run: event files cannot be written (/run/events: {FULL})"
    assert train(tmp_path, "--run_dir=run") == message
    assert not (tmp_path / "run").exists()


def test_no_space_for_predictions(tmp_path, disk):
    assert helpers.run_script(tmp_path, "train.py", *FLAGS, "--run_dir=run")[0] == 0
    folder = disk(4)
    ratings = np.random.default_rng(0).integers(1, 6, 2_000)
    lines = "".join(f"user{row}\titem1\t{rating}\n" for row, rating in enumerate(ratings))
    (tmp_path / "many.tsv").write_text(lines)
    flags = ["--run_dir=run", "--ratings=many.tsv", "--predictions=disk/p.tsv"]
    code, out, err = helpers.run_script(tmp_path, "eval.py", *flags)
    assert (code, out) == (2, "") and err.endswith(f"\neval.py: disk/p.tsv: {FULL}\n")
    assert not files(folder)


@pytest.mark.parametrize("kib", [0, 4, 12, 24])
def test_a_real_disk_that_is_too_small(tmp_path, disk, kib):
    folder = disk(max(kib, 4))
    if not kib:
        (folder / "other").write_bytes(b"x" * 4096)
    line = train(tmp_path, "--run_dir=disk/run")
    assert line.startswith("train.py: disk/run") or "--run_dir=disk/run" in line
    assert FULL in line
    if not RunFolder(folder / "run").has_model():
        assert files(folder) <= {"other"}


def test_no_space_for_an_export(tmp_path, disk):
    assert helpers.run_script(tmp_path, "train.py", *FLAGS, "--run_dir=run")[0] == 0
    folder = disk(8)
    (folder / "other").write_bytes(b"x" * 4096)
    for kind in ("savedmodel", "npy"):
        flags = ["--run_dir=run", "--output_dir=disk/out", f"--format={kind}"]
        code, out, err = helpers.run_script(tmp_path, "export.py", *flags)
        assert (code, out, err) == (2, "", f"export.py: disk/out: {FULL}\n")
        assert files(folder) == {"other"} and not list(folder.glob(".*"))

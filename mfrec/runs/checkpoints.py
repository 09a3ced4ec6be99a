"""The checkpoints of a run: written whole, found again, and read under whatever path.

checkpoint   names the latest one as TensorFlow does, with the digest of its index in a comment
ckpt-STEP.*  TensorFlow's own: the variables, and an index that holds a checksum of each
"""

import contextlib
import logging
import re
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mfrec import digests
from mfrec.data.one_process import ONE_PROCESS, OneProcess
from mfrec.errors import InputError, first_line
from mfrec.files import remove, replacing
from mfrec.quiet_tensorflow import tf
from mfrec.runs import shards

LATEST = "checkpoint"
# How TensorFlow's remarks about values that were not restored begin.
_REMARKS = ("Detecting that an object or model", "Value in checkpoint could not be found")
_PREFIX = re.compile(r"ckpt-\d+(-\d+)?")
# What TensorFlow expands in the path of a checkpoint that it reads.
_PATTERN = set("*?[\\")


def save(
    checkpoint: tf.train.Checkpoint,
    folder: Path,
    step: int,
    run: str,
    of_users: Sequence[Any] = (),
    workers: OneProcess = ONE_PROCESS,
) -> None:
    """Write a checkpoint; the earlier one goes once the new one is complete.

    Args:
        checkpoint: what to write.
        folder: where.
        step: optimizer steps so far.
        run: the run's number.
        of_users: the variables of which each of several workers has its own users' rows.
        workers: who write it together.

    Raises:
        InputError: it cannot be written, as on a full disk.
    """
    prefix, again = f"ckpt-{step}", 1
    while (folder / f"{prefix}.index").exists():
        prefix, again = f"ckpt-{step}-{again}", again + 1
    prefix = workers.texts(prefix)[0]
    try:
        shards.write(checkpoint, folder / prefix, of_users, workers)
        if not workers.is_chief:
            return
        index = f"{prefix}.index"
        digest = digests.of_bytes(run, index, (folder / index).read_bytes())
    except (OSError, tf.errors.OpError) as error:
        # before it stands the name of a temporary file
        reason = first_line(error).rpartition("; ")[2]
        raise InputError(f"{folder}: {reason}") from None
    with replacing(folder / LATEST) as path:
        names = f'model_checkpoint_path: "{prefix}"\nall_model_checkpoint_paths: "{prefix}"\n'
        path.write_text(f"{names}# {digests.DIGEST} {digest}\n", encoding="utf-8")
    # not by a pattern: prefixes begin with one another
    remove(
        entry
        for entry in folder.iterdir()
        if entry.name != LATEST and entry.name.partition(".")[0] != prefix
    )


@contextlib.contextmanager
def latest(folder: Path, run: str) -> Iterator[str]:
    """Yield the path of the latest checkpoint, for TensorFlow to read while the block lasts.

    Args:
        folder: where it was saved.
        run: the run's number.

    Raises:
        InputError: there is none, or it is not as the run wrote it.
    """
    prefix = _latest_prefix(folder, run)
    with _without_pattern(folder) as place:
        yield str(place / prefix)


def quieten_remarks() -> None:
    """Let TensorFlow say nothing of the values of a checkpoint that was refused.

    It names each of them when the last object that knows them is deleted, which may be at the end
    of the process.
    """
    tf.get_logger().addFilter(_is_no_remark)


def _is_no_remark(record: logging.LogRecord) -> bool:
    return not record.getMessage().startswith(_REMARKS)


def _latest_prefix(folder: Path, run: str) -> str:
    path = folder / LATEST
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InputError(
            f"{folder.parent} holds no checkpoint; the run has saved none yet, or restore {folder}"
        ) from None
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: cannot be read ({first_line(error)}); restore the file"
        ) from None
    named = re.match(r'model_checkpoint_path: "(?:.*/)?([^/"]*)"\n', text)
    if not named or not _PREFIX.fullmatch(named[1]):
        raise InputError(f"{path}: names no checkpoint; restore the file")
    prefix = named[1]
    index = folder / f"{prefix}.index"
    try:
        content = index.read_bytes()
    except OSError as error:
        raise InputError(f"{index}: {error.strerror}; restore the file") from None
    digest = re.search(rf"^# {digests.DIGEST} (\w+)$", text, re.MULTILINE)
    expected = digests.of_bytes(run, index.name, content)
    digests.check(digest[1] if digest else None, expected, run, folder)
    return prefix


@contextlib.contextmanager
def _without_pattern(folder: Path) -> Iterator[Path]:
    """Yield the folder, under another name if TensorFlow would take its own for a pattern."""
    if not _PATTERN & set(str(folder)):
        yield folder
        return
    with tempfile.TemporaryDirectory() as home:
        link = Path(home) / folder.name
        link.symlink_to(folder.resolve(), target_is_directory=True)
        yield link

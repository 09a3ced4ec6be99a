"""numpy's own files, .npy and .npz, from anywhere: damaged and hostile ones are refused in a line.

No object is ever unpickled, no array is made before its header agrees with the bytes that the file
has for it and with the memory that is free, and no part of a damaged file is passed over.
"""

import math
import warnings
import zipfile
from pathlib import Path
from typing import IO

import numpy as np

from mfrec import memory, parallel
from mfrec.errors import InputError

_ENDING = ".npy"
_END_OF_ZIP = b"PK\x05\x06"
_LONGEST_REASON = 100


class _Damaged(Exception):
    """What a file says is not what it holds."""


def read(
    path: str | Path, gone: str = "check the path", damaged: str = "save it anew"
) -> np.ndarray | dict[str, np.ndarray]:
    """Read an .npy file as an array, an .npz file as arrays by name; the first bytes tell which.

    Args:
        path: of the file.
        gone: what to do if it is not there, for errors.
        damaged: what to do if it cannot be read, for errors.

    Raises:
        InputError: no such file, a damaged one, Python objects, or more than fits into memory.
    """
    try:
        with warnings.catch_warnings(), open(path, "rb") as file:
            # numpy warns of headers that only damaged files have
            warnings.simplefilter("ignore")
            start = file.read(6)
            file.seek(0)
            if start[:2] == _END_OF_ZIP[:2]:
                return _arrays(file)
            if start == np.lib.format.MAGIC_PREFIX:
                size = file.seek(0, 2)
                return _array(file, size)
            raise ValueError("it begins otherwise" if start else "it is empty")
    except FileNotFoundError:
        raise InputError(f"{path}: no such file; {gone}") from None
    except IsADirectoryError:
        raise InputError(f"{path}: is a folder; name a file inside it") from None
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    except _Damaged as error:
        raise InputError(f"{path}: {error}; {damaged}") from None
    # damaged bytes make zipfile and numpy raise whatever they raise
    except Exception as error:
        reason = " ".join(str(error).split())[:_LONGEST_REASON] or type(error).__name__
        raise InputError(f"{path}: no readable numpy file ({reason}); {damaged}") from None


def read_npz(
    path: str | Path, gone: str = "check the path", damaged: str = "save it anew"
) -> dict[str, np.ndarray]:
    """Read an .npz file as arrays by name; see `read`.

    Callers check the names: a damaged name is a missing array and an unknown one.
    """
    arrays = read(path, gone, damaged)
    if isinstance(arrays, np.ndarray):
        what = "one array without a name where an .npz file should be"
        raise InputError(f"{path}: {what}; {damaged}")
    return arrays


def _arrays(file: IO[bytes]) -> dict[str, np.ndarray]:
    with zipfile.ZipFile(file) as archive:
        members = archive.infolist()
        _check_count(file, len(members))
        names: dict[str, zipfile.ZipInfo] = {}
        for member in members:
            name = member.filename.removesuffix(_ENDING)
            if name == member.filename or name in names:
                what = "a second array" if name in names else "no array"
                raise _Damaged(f"member {member.filename!r} is {what}")
            names[name] = member

        def read_member(name: str) -> np.ndarray:
            # this also refuses a member that has another name in the list of members
            with archive.open(names[name]) as stream:
                try:
                    return _array(stream, names[name].file_size)
                except (InputError, _Damaged) as error:
                    raise type(error)(f"array {name!r} {error}") from None

        size = sum(member.file_size for member in members)
        return dict(zip(names, parallel.each(read_member, names, size), strict=True))


def _check_count(file: IO[bytes], found: int) -> None:
    """Refuse a list of members that is shorter or longer than the file says."""
    file.seek(-min(22, file.seek(0, 2)), 2)
    end = file.read(22)
    said = int.from_bytes(end[10:12], "little")
    # 0xFFFF: too many for this place; a comment behind the list: not written by numpy
    if end.startswith(_END_OF_ZIP) and said != 0xFFFF and said != found:
        raise _Damaged(f"lists {found} arrays where {said} should be")


def _array(stream: IO[bytes], size: int) -> np.ndarray:
    """Read an array whose header and content are all of a stream of this many bytes."""
    stream.seek(0)
    version = np.lib.format.read_magic(stream)
    read_header = np.lib.format.read_array_header_1_0
    if version != (1, 0):
        read_header = np.lib.format.read_array_header_2_0
    shape, _, dtype = read_header(stream)
    if dtype.hasobject:
        raise InputError("holds Python objects, which are not read; save plain numbers or text")
    count = math.prod(shape)
    is_possible = all(length >= 0 for length in shape) and (dtype.itemsize or not count)
    if not is_possible or stream.tell() + count * dtype.itemsize != size:
        raise _Damaged(f"says {dtype} {shape}, which is not what it holds")
    if count * dtype.itemsize > memory.free_bytes():
        raise InputError(
            f"says {dtype} {shape}, more than the free memory; free some, or give a smaller file"
        )
    stream.seek(0)
    array = np.lib.format.read_array(stream, allow_pickle=False)
    # nobody else has it: whoever takes it may keep it without a copy
    array.flags.writeable = False
    return array

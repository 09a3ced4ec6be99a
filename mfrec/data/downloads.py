"""Fetching files safely: checked, bounded, over https, never outside the folder they belong in."""

import hashlib
import http.client
import stat
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import urlsplit

from mfrec.errors import InputError
from mfrec.progress import Progress

_STALL_SECONDS = 20
# The named sets' archives unpack to 0.5 (MovieLens 100K) to 4.3 times (1M) their size.
_MAX_UNPACKED_RATIO = 10
_LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True)
class Remote:
    """A file to fetch, with its size and checksum.

    Attributes:
        url: https.
        size: in bytes.
        sha256: in hexadecimal digits.
    """

    url: str
    size: int
    sha256: str


# Errors of fetching from one source; the next source is tried then.
FAILURES = (
    OSError,
    ValueError,
    KeyError,
    RuntimeError,
    http.client.HTTPException,
    zipfile.BadZipFile,
    zlib.error,
)


def download(name: str, remote: Remote, path: Path) -> None:
    """Fetch a file to `path`.

    Args:
        name: of the data set, for the progress line.
        remote: what to fetch.
        path: where to write it.

    Raises:
        InputError: its size or checksum is not the published one, or the address is not https.
        OSError, http.client.HTTPException: it cannot be reached, or written.
    """
    _refuse_insecure(remote.url)
    digest = hashlib.sha256()
    done = 0
    opener = urllib.request.build_opener(_SecureRedirects)
    with opener.open(remote.url, timeout=_STALL_SECONDS) as response, path.open("wb") as file:
        announced = response.headers.get("Content-Length")
        if announced is not None and announced != str(remote.size):
            raise InputError(f"it has {announced} bytes where {remote.size} are published")
        with Progress(name, remote.size / 1e6, "MB") as progress:
            while block := response.read(1 << 16):
                done += len(block)
                if done > remote.size:
                    raise InputError(f"it has more than the {remote.size} bytes published")
                digest.update(block)
                file.write(block)
                progress.update(done / 1e6)
    if done != remote.size:
        raise InputError(f"the download broke off at {done} of {remote.size} bytes")
    if digest.hexdigest() != remote.sha256:
        raise InputError(f"its sha256 is {digest.hexdigest()} where {remote.sha256} is published")


def _refuse_insecure(url: str) -> None:
    parts = urlsplit(url)
    is_local = parts.scheme == "http" and parts.hostname in _LOOPBACK_HOSTS
    if parts.scheme != "https" and not is_local:
        raise InputError(f"{url} is not https")


class _SecureRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(
        self,
        req: urllib.request.Request,
        fp: IO[bytes],
        code: int,
        msg: str,
        headers: http.client.HTTPMessage,
        newurl: str,
    ) -> urllib.request.Request | None:
        _refuse_insecure(newurl)
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def unpack(archive: Path, target: Path, names: Collection[str]) -> None:
    """Unpack some files of a zip archive.

    Args:
        archive: a zip file.
        target: the folder to unpack to.
        names: the files to unpack, as the archive names them; those it lacks are skipped.

    Raises:
        InputError: the archive holds anything but plain files and folders below it, or is too
            large when unpacked.
    """
    with zipfile.ZipFile(archive) as members:
        for member in members.infolist():
            path = PurePosixPath(member.filename)
            kind = stat.S_IFMT(member.external_attr >> 16)
            is_plain = kind in (0, stat.S_IFDIR if member.is_dir() else stat.S_IFREG)
            is_outside = path.is_absolute() or ".." in path.parts or set(":\\") & set(str(path))
            if is_outside or not is_plain:
                raise InputError(f"it holds {member.filename!r}, no plain file of its own")
        wanted = [member for member in members.infolist() if member.filename in names]
        size = sum(member.file_size for member in wanted)
        if size > _MAX_UNPACKED_RATIO * archive.stat().st_size:
            raise InputError(f"it would unpack to {size} bytes")
        members.extractall(target, wanted)

"""Fetching files safely: checked, bounded, over https, never outside the folder they belong in."""

import hashlib
import http.client
import stat
import subprocess
import sys
import urllib.error
import urllib.request
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import IO
from urllib.parse import urlsplit

from mfrec.errors import InputError
from mfrec.progress import Progress

_STALL_SECONDS = 20
_PIP_SECONDS = 300
_MAX_BYTES = 10**9
_MAX_UNPACKED_RATIO = 200
_LOOPBACK_HOSTS = ("localhost", "127.0.0.1", "::1")

# How fetching from one source may fail; the next source is tried then.
FAILURES = (
    *(OSError, ValueError, KeyError, RuntimeError, http.client.HTTPException),
    *(zipfile.BadZipFile, zlib.error, subprocess.SubprocessError),
)


def download(name: str, url: str, md5: str, path: Path) -> None:
    """Writes the archive at `path`; raises unless its size and checksum are as announced."""
    _refuse_insecure(url)
    digest = hashlib.md5(usedforsecurity=False)
    done = 0
    opener = urllib.request.build_opener(_SecureRedirects)
    with opener.open(url, timeout=_STALL_SECONDS) as response, path.open("wb") as file:
        size = int(response.headers.get("Content-Length") or 0)
        with Progress(name, size / 1e6, "MB") as progress:
            while block := response.read(1 << 16):
                done += len(block)
                if done > _MAX_BYTES:
                    raise InputError(f"more than {_MAX_BYTES} bytes")
                digest.update(block)
                file.write(block)
                progress.update(done / 1e6)
    if size and done != size:
        raise InputError(f"the download broke off at {done} of {size} bytes")
    if digest.hexdigest() != md5:
        raise InputError(f"its md5 is {digest.hexdigest()} where {md5} is published")


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


def unpack(archive: Path, target: Path) -> None:
    """Unpacks a zip archive of plain files and folders; raises for anything else in it."""
    with zipfile.ZipFile(archive) as members:
        size = sum(member.file_size for member in members.infolist())
        if size > min(_MAX_BYTES, _MAX_UNPACKED_RATIO * archive.stat().st_size):
            raise InputError(f"it would unpack to {size} bytes")
        for member in members.infolist():
            path = PurePosixPath(member.filename)
            kind = stat.S_IFMT(member.external_attr >> 16)
            is_plain = kind in (0, stat.S_IFDIR if member.is_dir() else stat.S_IFREG)
            strays = path.is_absolute() or ".." in path.parts or set(":\\") & set(str(path))
            if strays or not is_plain:
                raise InputError(f"it holds {member.filename!r}, no plain file of its own")
        members.extractall(target)


def download_wheel(requirement: str, folder: Path) -> Path:
    # pip knows the package index that this machine is set up for.
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary=:all:"]
    command += ["--quiet", "--no-input", "--disable-pip-version-check", "--retries=1"]
    command += ["--dest", str(folder), requirement]
    result = subprocess.run(
        command,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=_PIP_SECONDS,
    )
    wheels = list(folder.glob("*.whl"))
    if result.returncode or not wheels:
        complaints = result.stderr.strip().splitlines() or ["no wheel came"]
        raise InputError(f"pip download: {complaints[-1]}")
    return wheels[0]

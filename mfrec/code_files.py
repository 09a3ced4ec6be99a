"""The source files of the user's own code: found without running them, kept, and known by a digest.

A file is kept with what it imports from its own folder, from the current one or from its own
package, at any depth. Installed packages are not kept: a run names their versions at most.
"""

import ast
import hashlib
import importlib.util
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from mfrec.errors import InputError, first_line
from mfrec.files import replacing

_INSTALLED = {"site-packages", "dist-packages"}


@dataclass(frozen=True)
class Source:
    """A source file: where it lies, and its content."""

    path: str
    content: bytes

    @classmethod
    def read(cls, path: Path) -> "Source":
        """Read a file.

        Raises:
            InputError: it cannot be read.
        """
        try:
            return cls(str(path), path.read_bytes())
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or first_line(error)
            raise InputError(f"{path}: {reason}") from None


@dataclass(frozen=True)
class Code:
    """The source files that an address needs.

    Attributes:
        files: by path below the folder that imports begin from.
        main: the path of the one that holds what the address names.
    """

    files: Mapping[str, Source]
    main: str

    @cached_property
    def digest(self) -> str:
        """The SHA-256 of the file; of several, that of their paths and digests."""
        digests = {
            path: hashlib.sha256(source.content).hexdigest() for path, source in self.files.items()
        }
        if len(digests) == 1:
            return digests[self.main]
        lines = "".join(f"{digest}  {path}\n" for path, digest in sorted(digests.items()))
        return hashlib.sha256(lines.encode()).hexdigest()

    @property
    def origin(self) -> str:
        """Where the main file lies."""
        return self.files[self.main].path

    def has_package(self, name: str) -> bool:
        """Return whether a module or package of this name is among them, or in a folder of it."""
        folder = name.replace(".", "/") + "/"
        return bool(self.file_of(name)) or any(path.startswith(folder) for path in self.files)

    def file_of(self, module: str) -> str | None:
        """Return which of the files a module is made of; None if none of them.

        Python's own modules go before those of a file's folder that have their names.
        """
        if module.partition(".")[0] in sys.stdlib_module_names:
            return None
        return next((path for path in _places(module) if path in self.files), None)

    def save(self, folder: Path) -> None:
        """Write the files to a folder of their own."""
        for path, source in self.files.items():
            target = folder / path
            target.parent.mkdir(parents=True, exist_ok=True)
            with replacing(target) as part:
                part.write_bytes(source.content)

    @classmethod
    def load(cls, folder: Path, main: str) -> "Code":
        """Read what `save` wrote.

        Raises:
            InputError: a file is missing or cannot be read.
        """
        files = {main: Source.read(folder / main)}
        for path in sorted(folder.rglob("*.py")):
            files[path.relative_to(folder).as_posix()] = Source.read(path)
        return cls(files, main)

    @classmethod
    def of_file(cls, path: str | Path) -> "Code":
        """Return the code of a file.

        Raises:
            InputError: it cannot be read.
        """
        path = Path(os.path.abspath(path))
        return _with_imports([path.parent, Path.cwd()], path.name, path, None)

    @classmethod
    def of_module(cls, name: str) -> "Code | None":
        """Return the code of a module that can be imported; None if it has no source file."""
        package = name.partition(".")[0]
        for root in _roots(package):
            for path in _places(name):
                if (root / path).is_file():
                    is_installed = bool(_INSTALLED & set(root.parts))
                    only = package if is_installed else None
                    return _with_imports([root], path, root / path, only)
        return None


def _roots(package: str) -> list[Path]:
    """The folders in which a package or module lies, found without running it."""
    here = Path.cwd()
    if any((here / path).exists() for path in (package, f"{package}.py")):
        return [here]
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        return []
    if spec is None:
        return []
    if spec.submodule_search_locations is not None:
        return [Path(folder).parent for folder in spec.submodule_search_locations]
    return [Path(spec.origin).parent] if spec.has_location and spec.origin else []


def _with_imports(roots: Sequence[Path], main: str, path: Path, only: str | None) -> Code:
    """The file and what it imports from these folders, of a package only if that is named."""
    files = {main: Source.read(path)}
    waiting = [main]
    while waiting:
        importer = waiting.pop()
        for name in _imported(files[importer].content, importer):
            package = name.partition(".")[0]
            if package in ("", __package__) or package in sys.stdlib_module_names:
                continue
            if only is None or package == only:
                for found, place in _found(roots, name):
                    if found not in files:
                        files[found] = Source.read(place)
                        waiting.append(found)
    return Code(files, main)


def _imported(source: bytes, path: str) -> Iterator[str]:
    """The names of modules that a file may import, dots and all."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        # running it says what is wrong
        return
    package = PurePosixPath(path).parent.parts
    # what a file of a package imports comes after the package itself
    yield ".".join(package)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else ()
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield module
            yield from (f"{module}.{alias.name}" for alias in node.names)


def _found(roots: Sequence[Path], name: str) -> Iterator[tuple[str, Path]]:
    """The files that importing a module reads: the packages that it is in, and its own."""
    parts = name.split(".")
    for length in range(1, len(parts) + 1):
        for root in roots:
            places = [p for p in _places(".".join(parts[:length])) if (root / p).is_file()]
            if places:
                yield places[0], root / places[0]
                break


def _places(name: str) -> tuple[str, str]:
    path = name.replace(".", "/")
    return f"{path}/__init__.py", f"{path}.py"

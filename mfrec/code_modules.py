"""Source files as modules: imported from what was read, whatever has become of the files since."""

import contextlib
import importlib.abc
import importlib.machinery
import importlib.util
import linecache
import sys
from collections.abc import Iterator, Sequence
from types import ModuleType

from mfrec.code_files import Code, Source

# By name: the modules that were imported from beside a file, as they were then.
_imported: dict[str, Source] = {}


@contextlib.contextmanager
def importable(code: Code, is_copy: bool) -> Iterator[None]:
    """Let imports find these files first.

    Modules of their names that were made of other files are set aside. A copy leaves no trace.
    """

    def is_aside(name: str, module: ModuleType) -> bool:
        if is_copy:
            return code.has_package(name.partition(".")[0])
        file = code.file_of(name)
        # the file that is named is no module of the process
        if file in (None, code.main):
            return False
        source, known = code.files[file], _imported.get(name)
        return known != source if known else getattr(module, "__file__", None) != source.path

    aside = {name: module for name, module in sys.modules.items() if is_aside(name, module)}
    for name in aside:
        del sys.modules[name]
    finder = _Finder(code, is_copy)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)
        if is_copy:
            for name in list(sys.modules):
                if code.has_package(name.partition(".")[0]):
                    del sys.modules[name]
            sys.modules.update(aside)
        else:
            _imported.update(finder.found)


class _Finder(importlib.abc.MetaPathFinder):
    """Finds modules in files that were read already.

    Args:
        code: the files.
        has_main: whether the main one is a module too.

    Attributes:
        found: the modules that were found, by name.
    """

    def __init__(self, code: Code, has_main: bool) -> None:
        self._code = code
        self._has_main = has_main
        self.found: dict[str, Source] = {}

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        file = self._code.file_of(fullname)
        if file == self._code.main and not self._has_main:
            return None
        if file is None:
            # a folder without an __init__.py
            is_package = self._code.has_package(fullname)
            spec = importlib.machinery.ModuleSpec(fullname, None, is_package=True)
            return spec if is_package else None
        self.found[fullname] = self._code.files[file]
        loader = SourceLoader(self._code.files[file])
        is_package = file.endswith("/__init__.py")
        return importlib.util.spec_from_loader(fullname, loader, is_package=is_package)


class SourceLoader(importlib.abc.InspectLoader):
    """Runs a file that was read already, whatever has become of it since."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def get_filename(self, _: str) -> str:
        return self._source.path

    def get_source(self, _: str) -> str:
        return importlib.util.decode_source(self._source.content)

    def exec_module(self, module: ModuleType) -> None:
        path = self._source.path
        # AutoGraph and tracebacks read the lines that run, not those of a file edited since
        lines = self.get_source("").splitlines(keepends=True)
        linecache.cache[path] = (len(self._source.content), None, lines, path)
        exec(compile(self._source.content, path, "exec", dont_inherit=True), module.__dict__)

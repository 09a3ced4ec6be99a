"""Code of the user's own: what `FILE.py:name` or `package.module:name` names.

One loader for losses, models, samplers, splitters, metrics and optimizers. A file is run anew
each time it is named; it sees the modules of its own folder and of the current one. The copies in a
run folder see each other alone: modules of the same names are set aside meanwhile.
"""

import importlib
import importlib.util
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from mfrec import code_modules
from mfrec.code_files import Code
from mfrec.code_modules import SourceLoader, importable
from mfrec.errors import InputError, first_line
from mfrec.ranges import Range

# What they define needs no copy and nobody's leave: it is installed wherever mfrec is.
_LIBRARIES = re.compile(
    r"(tensorflow\.)?keras(\.src)?\.(losses|optimizers)(\..*)?"
    r"|mfrec\.(losses|models|training\.samplers|data\.splitters|evaluation\.metrics)(\..*)?"
)

# By place, which is an address without its name: the copies of run folders, and what ran last.
_copies: dict[str, Code] = {}
_ran: dict[str, Code] = {}
# The places that are being loaded at this moment.
_running: list[str] = []


def is_address(name: str) -> bool:
    """Return whether `name` points to code, unlike the plain name of something registered."""
    return ":" in name


def is_same(taken: Any, other: Any) -> bool:
    """Return whether code is what is registered already: a cell or a file that ran again.

    A built-in function or class is never taken for one of the user's. Another file of the user's
    may bring its own: runs that are measured one after the other do.
    """
    if taken.__module__ != other.__module__:
        return not taken.__module__.startswith("mfrec.")
    return taken.__qualname__ == other.__qualname__


def load(address: str, flag: str) -> Any:
    """Return the object at an address.

    Args:
        address: 'path/to/file.py:name' or 'package.module:name'.
        flag: the flag it came from, without dashes; errors begin with it.

    Raises:
        InputError: there is no such file, module or name, it is of Python's own library, or running
            it fails; says in which line.
    """
    place, _, name = address.rpartition(":")
    try:
        code = _copies.get(place) or find(address)
    except InputError as error:
        raise InputError(f"--{flag}={address}: {error}") from None
    sys.path.insert(0, os.getcwd())
    _running.append(place)
    try:
        module = _run(place, code)
    except Exception as error:
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise InputError(f"--{flag}={address}: {_where(error, place)}: {reason}") from None
    finally:
        _running.pop()
        sys.path.pop(0)
    if not hasattr(module, name):
        raise InputError(f"--{flag}={address}: no '{name}' there, only {_own_names(module)}")
    found = getattr(module, name)
    home = found.__module__ if inspect.isroutine(found) or inspect.isclass(found) else None
    if _is_of_python(home or ""):
        raise InputError(f"--{flag}={address}: {name} is of Python's own library ({home})")
    if code:
        _ran[place] = code
    return found


def is_running() -> bool:
    """Return whether code of the user's own is being loaded: what it registers is on offer."""
    return bool(_running)


def find(address: str) -> Code | None:
    """Return the source files that an address needs, without running them.

    None for what Keras or mfrec bring, and where there is no source that could be kept.

    Raises:
        InputError: no such file, or a module of Python's own library.
    """
    place = address.rpartition(":")[0]
    if place.endswith(".py"):
        if not os.path.isfile(place):
            raise InputError(f"no file {place}")
        return Code.of_file(place)
    if _is_of_python(place):
        raise InputError(f"{place} is of Python's own library; name code of your own")
    return None if is_library(address) else Code.of_module(place)


def is_library(address: str) -> bool:
    """Return whether Keras or mfrec bring what an address names."""
    return bool(_LIBRARIES.fullmatch(address.rpartition(":")[0]))


def ran(address: str) -> Code | None:
    """Return the source files at an address as they were when it was loaded last."""
    place = address.rpartition(":")[0]
    return _ran.get(place) or find(address)


def use_copy(address: str, code: Code) -> None:
    """Let an address stand for these files: the copy in a run folder, as it was checked."""
    _copies[address.rpartition(":")[0]] = code


def label(address: str) -> str:
    """Return an address as tables show it: the file without its folder, and which copy it is."""
    code = _copies.get(address.rpartition(":")[0])
    return f"{os.path.basename(address)} ({code.digest[:8]})" if code else address


def is_same_code(address: str, other: str) -> bool:
    """Return whether two addresses name the same thing in files of the same content."""
    if address == other or not (is_address(address) and is_address(other)):
        return address == other
    first, second = (_copies.get(a.rpartition(":")[0]) or find(a) for a in (address, other))
    is_same_name = address.rpartition(":")[2] == other.rpartition(":")[2]
    return is_same_name and bool(first and second and first.digest == second.digest)


def absolute(address: str) -> str:
    """Return the address with an absolute path, so that it means the same from every folder."""
    place, _, name = address.rpartition(":")
    return f"{os.path.abspath(place)}:{name}" if place.endswith(".py") else address


def address_of(code: Any) -> str | None:
    """Return the address at which `load` finds a function or class; None if it finds none."""
    place, name = getattr(code, "__module__", None), getattr(code, "__qualname__", None)
    module = sys.modules.get(place) if place and place != "__main__" else None
    # by name: a file that was loaded again has another object there
    found = getattr(module, name, None) if module and name else None
    is_there = found is not None and getattr(found, "__qualname__", None) == name
    return f"{place}:{name}" if is_there else None


def without_address(owner: str, flag: str) -> InputError:
    """Return the error for code that a run folder cannot name: a lambda, what a notebook defines.

    Args:
        owner: such as "loss 'focal'".
        flag: what would name it, without dashes.
    """
    return InputError(
        f"{owner} has no name that a run folder could hold; write it into a file and train with "
        f"{flag}='FILE.py:name'"
    )


def parameters(function: Callable) -> dict[str, Any]:
    """Return the keyword arguments of a function that have a default, with it."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.default is not parameter.empty
    }


def check_takes(function: Callable, owner: str, *inputs: str, **arguments: Any) -> None:
    """Refuse a function that cannot be called with what it will be called with.

    Args:
        function: the user's own.
        owner: what it is, such as "loss 'focal'".
        inputs: names of its positional arguments.
        arguments: what it gets by name.

    Raises:
        InputError: says what it does not take.
    """
    try:
        inspect.signature(function).bind(*inputs, **arguments)
    except (TypeError, ValueError) as error:
        taken = ", ".join((*inputs, *arguments))
        raise InputError(f"{owner} does not take ({taken}): {error}") from None


def check_arguments(
    arguments: Mapping[str, Any],
    parameters: Mapping[str, Any],
    flag: str,
    owner: str,
    domain: Mapping[str, Range] = {},
) -> None:
    """Check arguments from the command line against a function's parameters.

    Args:
        arguments: name to value, as `parsing.parse_arguments` reads them.
        parameters: name to default.
        flag: the flag they came from, without dashes.
        owner: what takes them, such as "loss 'huber'".
        domain: the numbers that a parameter may be, by name.

    Raises:
        InputError: an argument is no parameter, not of the kind of its default, or outside its
            domain.
    """
    for name, value in arguments.items():
        if name not in parameters:
            has = f"has {', '.join(parameters)}" if parameters else "has none"
            raise InputError(f"--{flag}: {owner} {has}, not '{name}'")
        wrong = _wrong_kind(value, parameters[name])
        if not wrong and name in domain and isinstance(value, int | float | np.number):
            broken = domain[name].broken_bound(float(value))
            wrong = broken and f"must be {broken}"
        if wrong:
            raise InputError(f"--{flag}: {name}={value} of {owner} {wrong}")


def _wrong_kind(value: Any, usual: Any) -> str:
    """What is wrong with a value in place of the usual one; "" if nothing is."""
    if isinstance(usual, bool):
        return "" if value in (True, False) else "is neither true nor false"
    if isinstance(usual, int | float):
        # a notebook may give a tensor
        is_other = value is None or isinstance(value, str | bool | list | tuple | dict)
        return "is no number" if is_other else ""
    if isinstance(usual, str):
        return "" if isinstance(value, str) else "is no word"
    return ""


def _is_of_python(module: str) -> bool:
    # the module of functions that no file defines, such as print, is builtins
    return module.partition(".")[0] in sys.stdlib_module_names and module != "__main__"


def _run(place: str, code: Code | None) -> ModuleType:
    """Run the files anew, or import the module as everybody does."""
    is_file = place.endswith(".py")
    if not is_file or code is None:
        return importlib.import_module(place)
    with importable(code, is_copy=place in _copies):
        if "/" in code.main:
            # a file of a package, which may import the others by a dot
            name = code.main.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
            return importlib.import_module(name)
        # under its path, so that it replaces no module that is called as the file is
        path = os.path.abspath(place)
        spec = importlib.util.spec_from_loader(path, SourceLoader(code.files[code.main]))
        module = importlib.util.module_from_spec(spec)
        # data classes look up the module that they are defined in
        sys.modules[path] = module
        spec.loader.exec_module(module)
        return module


def _where(error: Exception, place: str) -> str:
    """The file and line of an error, as the user's own code has it; else `place`."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    between = (__file__, code_modules.__file__, importlib.__file__)
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename not in between and not frame.filename.startswith("<frozen"):
            return f"{frame.filename}:{frame.lineno}"
    return place


def _own_names(module: ModuleType) -> list[str]:
    """Names of the functions and classes that a module defines."""
    return [
        name
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", None) == module.__name__
    ]

"""Code of the user's own: what `FILE.py:name` or `package.module:name` names.

One loader for losses, models, samplers, splitters, metrics and optimizers. A file is run anew
each time it is named; it sees the current folder's modules, as a script there would.
"""

import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from mfrec.errors import InputError, first_line
from mfrec.ranges import Range


def is_address(name: str) -> bool:
    """Return whether `name` points to code, unlike the plain name of something registered."""
    return ":" in name


def is_same(taken: Any, other: Any) -> bool:
    """Return whether code is what is registered already: a cell or a file that ran again.

    A built-in function or class is never taken for one of the user's.
    """
    is_built_in = taken.__module__.startswith("mfrec.")
    is_elsewhere = is_built_in and taken.__module__ != other.__module__
    return taken.__qualname__ == other.__qualname__ and not is_elsewhere


def load(address: str, flag: str) -> Any:
    """Return the object at an address.

    Args:
        address: 'path/to/file.py:name' or 'package.module:name'.
        flag: the flag it came from, without dashes; errors begin with it.

    Raises:
        InputError: there is no such file, module or name, or running it fails; says in which line.
    """
    place, _, name = address.rpartition(":")
    if place.endswith(".py") and not os.path.isfile(place):
        raise InputError(f"--{flag}={address}: no file {place}")
    sys.path.insert(0, os.getcwd())
    try:
        module = _run(place) if place.endswith(".py") else importlib.import_module(place)
    except Exception as error:
        reason = f"{type(error).__name__}: {first_line(error)}"
        raise InputError(f"--{flag}={address}: {_where(error, place)}: {reason}") from None
    finally:
        sys.path.pop(0)
    if not hasattr(module, name):
        raise InputError(f"--{flag}={address}: no '{name}' there, only {_own_names(module)}")
    return getattr(module, name)


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


def _run(file: str) -> ModuleType:
    # under its path, so that it replaces no module that is called as the file is
    spec = importlib.util.spec_from_file_location(os.path.abspath(file), file)
    module = importlib.util.module_from_spec(spec)
    # data classes look up the module that they are defined in
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def _where(error: Exception, place: str) -> str:
    """The file and line of an error, as the user's own code has it; else `place`."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}"
    for frame in traceback.extract_tb(error.__traceback__):
        if frame.filename != __file__ and not frame.filename.startswith("<frozen"):
            if frame.filename != importlib.__file__:
                return f"{frame.filename}:{frame.lineno}"
    return place


def _own_names(module: ModuleType) -> list[str]:
    """Names of the functions and classes that a module defines."""
    return [
        name
        for name, value in vars(module).items()
        if callable(value) and getattr(value, "__module__", None) == module.__name__
    ]

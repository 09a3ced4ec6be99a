"""TensorFlow, imported on first use and without its start-up chatter.

    from mfrec.quiet_tensorflow import tf

`tf` is TensorFlow, but importing it waits until one of its names is asked for. So a module that
registers losses or samplers can be imported at once, for --help and to answer wrong flags. Such a
module says `from __future__ import annotations`: else its type hints would ask for names.

TensorFlow's C++ side writes about missing GPUs and about its own logging straight to file
descriptor 2 before any setting can reach it. What it writes while it is imported is held back,
and shown only if the import fails.
"""

import contextlib
import functools
import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

from absl import logging

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")


@contextlib.contextmanager
def _standard_error_held_back() -> Iterator[None]:
    sys.stderr.flush()
    original = os.dup(2)
    with tempfile.TemporaryFile() as held_back:
        os.dup2(held_back.fileno(), 2)
        try:
            yield
        except Exception:
            held_back.seek(0)
            os.write(original, held_back.read())
            raise
        finally:
            os.dup2(original, 2)
            os.close(original)


@functools.cache
def _import() -> ModuleType:
    with _standard_error_held_back():
        tensorflow = importlib.import_module("tensorflow")
    # absl's scripts log at level INFO, which tells of every checkpoint how it was written
    logging.set_verbosity(logging.WARNING)
    return tensorflow


class _OnFirstUse(ModuleType):
    """A module that holds TensorFlow's names once one of them was asked for."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name != "__version__":
            # asked by whoever looks at modules in general
            raise AttributeError(name)
        tensorflow = _import()
        # from now on names are found here, without a call
        names = vars(tensorflow).items()
        vars(self).update({key: value for key, value in names if not key.startswith("__")})
        return getattr(tensorflow, name)


if TYPE_CHECKING:
    import tensorflow as tf
else:
    tf = _OnFirstUse("tensorflow")


def graph_function(function: Callable[..., Any], **options: Any) -> Any:
    """Return `tf.function(function, **options)` as a function by itself.

    TensorFlow counts tracings by a function's code, so that several models in one process, each
    traced once, would look like one that is traced again and again.
    """
    return tf.function(functools.partial(function), **options)


__all__ = ["graph_function", "tf"]

"""TensorFlow, imported without its start-up chatter: `from mfrec.quiet_tensorflow import tf`.

TensorFlow's C++ side writes about missing GPUs and about its own logging straight to file
descriptor 2 before any setting can reach it. What it writes while it is imported is held back,
and shown only if the import fails.
"""

import contextlib
import functools
import os
import sys
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

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


with _standard_error_held_back():
    import tensorflow as tf

# absl's scripts log at level INFO, which tells of every checkpoint how it was written
logging.set_verbosity(logging.WARNING)


def graph_function(function: Callable[..., Any], **options: Any) -> Any:
    """Return `tf.function(function, **options)` as a function by itself.

    TensorFlow counts tracings by a function's code, so that several models in one process, each
    traced once, would look like one that is traced again and again.
    """
    return tf.function(functools.partial(function), **options)


__all__ = ["graph_function", "tf"]

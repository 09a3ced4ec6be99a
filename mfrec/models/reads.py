"""Reading rows of tables: of the same rows once a step, where the optimizer goes by rows.

    with reads.shared():
        loss and regularizer

The gradient of a table then has each of these rows once; the tape would put that of the loss and
that of the regularizer one behind the other.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from mfrec.gathering import gather
from mfrec.quiet_tensorflow import tf

# What was read, by table and ids. Keys are identities, so that values keep ids alive.
_Reads = dict[tuple[int, int], tuple[tf.Tensor, tf.Tensor]]
_current: ContextVar[_Reads | None] = ContextVar("reads", default=None)
_KNOWN = 0


@contextlib.contextmanager
def shared() -> Iterator[None]:
    """Read the same rows of a table once within."""
    token = _current.set({})
    try:
        yield
    finally:
        _current.reset(token)


def known(ids: tf.Tensor) -> tf.Tensor:
    """Return ids with row 0 in place of UNKNOWN (−1)."""
    found = tf.maximum(ids, 0)
    reads = _current.get()
    if reads is not None:
        # examples of a training are all known: these are the same rows
        reads[_KNOWN, id(found)] = (found, ids)
    return found


def rows(table: tf.Tensor | tf.Variable, ids: tf.Tensor | None) -> tf.Tensor:
    """Return these rows of a table, [..., width] of int32 [...], or all of them."""
    if ids is None:
        return tf.convert_to_tensor(table)
    reads = _current.get()
    if reads is None:
        return tf.gather(table, ids)
    _, ids = reads.get((_KNOWN, id(ids)), (ids, ids))
    if (id(table), id(ids)) not in reads:
        reads[id(table), id(ids)] = (gather(table, ids), ids)
    return reads[id(table), id(ids)][0]

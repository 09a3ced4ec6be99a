"""A checkpoint that several workers write together, each its own users' rows.

It is one TensorFlow checkpoint, with a file of data for each worker and one index: tables with a
row for each user are written as slices. Whoever reads it whole, on one machine, sees whole tables
and need not know; and a slice is read without the rest.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

from mfrec.data.one_process import OneProcess
from mfrec.quiet_tensorflow import tf

_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"


def write(
    checkpoint: tf.train.Checkpoint, prefix: Path, of_users: Sequence[Any], workers: OneProcess
) -> None:
    """Write a checkpoint together; called by all workers.

    Args:
        checkpoint: what this worker holds; the same objects on all.
        prefix: the path of the checkpoint, in a folder that all workers see.
        of_users: the variables of which each worker holds the rows of its own users; of all others
            every worker has the same.
        workers: the workers.
    """
    if workers.number == 1:
        checkpoint.write(str(prefix))
        return
    counts = workers.concatenated(np.array([_rows(of_users)]))
    first, total = int(counts[: workers.index].sum()), int(counts.sum())
    # written by itself once, to learn the names under which TensorFlow keeps variables
    own = prefix.with_name(f"{prefix.name}-worker-{workers.index}") / "part"
    checkpoint.write(str(own))
    graph = tf.train.load_checkpoint(str(own)).get_tensor(_GRAPH)
    sliced = {id(variable) for variable in of_users}
    names, slices, tensors = [], [], []
    for name, variable in _variables(checkpoint, graph).items():
        value, is_sliced = tf.convert_to_tensor(variable), id(variable) in sliced
        if is_sliced and value.dtype == tf.uint32:
            # TensorFlow joins no slices of this type; one number a row, the chief writes for all
            whole = workers.concatenated(value.numpy().view(np.int32))
            value, is_sliced = tf.constant(whole.view(np.uint32)), False
        if is_sliced or workers.is_chief:
            names.append(name)
            slices.append(_slice(variable.shape, first, total) if is_sliced else "")
            tensors.append(value)
    if workers.is_chief:
        names, slices, tensors = [*names, _GRAPH], [*slices, ""], [*tensors, tf.constant(graph)]
    tf.raw_ops.SaveV2(prefix=str(own), tensor_names=names, shape_and_slices=slices, tensors=tensors)
    parts = workers.texts(str(own))
    if workers.is_chief:
        tf.raw_ops.MergeV2Checkpoints(
            checkpoint_prefixes=parts, destination_prefix=str(prefix), delete_old_dirs=True
        )
    workers.barrier()


def _rows(of_users: Sequence[Any]) -> int:
    return next((int(variable.shape[0]) for variable in of_users), 0)


def _slice(shape: tuple[int, ...], first: int, total: int) -> str:
    """Return which part of a table this is, in TensorFlow's words: 9 4 3,2:- are rows 3, 4 of 9."""
    whole = " ".join(map(str, (total, *shape[1:])))
    return f"{whole} " + ":".join([f"{first},{shape[0]}", *("-" for _ in shape[1:])])


def _variables(checkpoint: tf.train.Checkpoint, graph: bytes) -> Mapping[str, Any]:
    """Return the variables of a checkpoint by the names under which it keeps them."""
    nodes = TrackableObjectGraph.FromString(graph).nodes
    objects = tf.train.TrackableView(checkpoint).descendants()
    return {
        attribute.checkpoint_key: found
        for node, found in zip(nodes, objects, strict=True)
        for attribute in node.attributes
    }

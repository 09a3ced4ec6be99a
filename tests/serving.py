"""Answers requests from a SavedModel in a process that cannot import mfrec.

    python -I serving.py MODEL < bodies.json > answers.json

Bodies are what TensorFlow Serving's predict API takes, and become tensors by its rules: in the
row format ("instances") every object names every input, and all of them have one shape; in the
column format ("inputs") every input is there once, as a whole.
"""

import json
import os
import sys

import numpy as np

os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"


class NotImportable:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "mfrec":
            raise AssertionError("imports mfrec")


def shape_of(value):
    """The shape of nested lists of one shape."""
    if not isinstance(value, list):
        return ()
    shapes = {shape_of(element) for element in value}
    if len(shapes) > 1:
        raise ValueError(f"lists of different lengths: {sorted(shapes)}")
    return (len(value), *(shapes.pop() if shapes else ()))


def tensors(tf, body, specs):
    """The inputs of a signature by name."""
    if "instances" in body:
        for instance in body["instances"]:
            if set(instance) != set(specs):
                raise ValueError(f"keys must be equal to {','.join(sorted(specs))}")
        values = {name: [instance[name] for instance in body["instances"]] for name in specs}
    else:
        missing = sorted(set(specs).difference(body["inputs"]))
        if missing:
            raise ValueError(f"Missing named input: {missing[0]}")
        values = {name: body["inputs"][name] for name in specs}
    return {
        name: tf.constant(np.array(value, object).tolist(), specs[name].dtype, shape_of(value))
        for name, value in values.items()
    }


def plain(tensor):
    """A tensor as JSON holds it."""
    array = tensor.numpy()
    if array.dtype == object:
        array = np.vectorize(bytes.decode, [object])(array) if array.size else array
    return array.tolist()


def answer(tf, model, body):
    """The body of the response."""
    signature = model.signatures[body["signature_name"]]
    try:
        found = signature(**tensors(tf, body, signature.structured_input_signature[1]))
    except (ValueError, tf.errors.InvalidArgumentError) as error:
        return {"error": str(error)}
    outputs = {name: plain(tensor) for name, tensor in found.items()}
    if "inputs" in body:
        return {"outputs": outputs}
    (num_rows,) = {len(values) for values in outputs.values()}
    rows = range(num_rows)
    return {"predictions": [{name: outputs[name][row] for name in outputs} for row in rows]}


def main():
    sys.meta_path.insert(0, NotImportable())
    import tensorflow as tf

    model = tf.saved_model.load(sys.argv[1])
    answers = [answer(tf, model, body) for body in json.load(sys.stdin)]
    print(json.dumps(answers, allow_nan=False))


if __name__ == "__main__":
    main()

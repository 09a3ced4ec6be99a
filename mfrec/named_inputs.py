"""What the user's own losses and metrics are called with, by the names they have for it.

`loss(predictions, ratings)` is the order of PyTorch, `loss(ratings, predictions)` that of Keras and
of mfrec: the names tell, so that neither is taken for the other.
"""

import inspect
from collections.abc import Callable, Sequence

from mfrec.errors import InputError

# What is handed over, and other words that people have for it.
_WORDS = {
    "ratings": "rating y_true true target targets label labels actual y",
    "predictions": "prediction y_pred pred preds predicted output outputs scores y_hat yhat",
    "positive_scores": "positive_score positive positives pos_scores pos_score pos",
    "negative_scores": "negative_score negative negatives neg_scores neg_score neg",
    "user_vectors": "user_vector users user_embeddings",
    "item_vectors": "item_vector items item_embeddings",
}
_POSITIONAL = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)


def order(function: Callable, inputs: Sequence[str], owner: str) -> tuple[int, ...]:
    """Return which of the inputs each of a function's first arguments is.

    An argument that is named like an input gets that one; those of other names get what is left,
    in the order of `inputs`.

    Args:
        function: the user's own; it can be called with as many arguments.
        inputs: names of what it is called with, in mfrec's order.
        owner: what it is, such as "loss 'focal'".

    Raises:
        InputError: two arguments are named for one input, or the names are those of a function of
            another kind.
    """
    parameters = inspect.signature(function).parameters.values()
    names = [parameter.name for parameter in parameters if parameter.kind in _POSITIONAL]
    first, later = names[: len(inputs)], names[len(inputs) :]
    known = {word: name for name in inputs for word in (name, *_WORDS.get(name, "").split())}
    meant = [known.get(name) for name in first]
    given = f"{owner} takes ({', '.join(names)}); its first arguments are {', '.join(inputs)}"
    is_twice = any(name and meant.count(name) > 1 for name in meant)
    is_of_another_kind = bool(first) and all(
        name in _WORDS and name not in inputs for name in first
    )
    if is_of_another_kind:
        raise InputError(f"{given}; register it as a loss of its kind, or rename them")
    if is_twice or set(later) & set(inputs):
        raise InputError(f"{given}: name them so, before all others")
    left = iter([name for name in inputs if name not in meant])
    # a function of *arguments gets all of them in mfrec's order
    filled = [name or next(left) for name in meant]
    return tuple(inputs.index(name) for name in (*filled, *left))


def is_named(name: str, inputs: Sequence[str]) -> bool:
    """Return whether an argument of this name is one of the inputs."""
    return any(name == known or name in _WORDS[known].split() for known in inputs)

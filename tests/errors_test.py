"""Words that errors share."""

import pytest

from mfrec import losses, models
from mfrec.aliases import ALIASES
from mfrec.cli import evaluate, export, recommend, train
from mfrec.config.settings import settings
from mfrec.data import datasets, splitters
from mfrec.errors import InputError, did_you_mean, first_line
from mfrec.evaluation import metrics
from mfrec.training import optimizers, samplers


def test_did_you_mean_names_what_is_similar_or_all():
    assert did_you_mean("cosin", ("constant", "cosine")) == "; did you mean cosine?"
    assert did_you_mean("xyz", ("constant", "cosine")) == "; there are: constant, cosine"
    assert did_you_mean("xyz", ("constant", "cosine"), "; see --help") == "; see --help"


def test_the_first_line_of_an_error_without_tensorflows_own_marks():
    error = ValueError("{{node a/b}} not a number [Op:Cast]\nmore")
    assert first_line(error) == "not a number"
    assert first_line(KeyError()) == "KeyError"
    in_keras = ValueError(
        "Exception encountered when calling M.call().\n\n\x1b[1mno\x1b[0m\n\nmore"
    )
    assert first_line(in_keras) == "no"
    in_graph = ValueError('in user code:\n\n    File "a.py", line 3, in f\n\n    NameError: no x\n')
    assert first_line(in_graph) == "no x"


@pytest.mark.parametrize(
    "typed, names, meant",
    [
        ("Movielens_100K", ("movielens-100k", "toy"), "movielens-100k"),
        ("rmse", ("mse", "mae"), "mse"),
        ("BCE", ("mse", "logistic", "sampled_logistic"), "logistic or sampled_logistic"),
        ("SVD++", ("matrix_factorization", "svdpp"), "svdpp"),
        ("hit@20", ("ndcg@20", "hr@20"), "hr@20"),
        ("lr", ("learning_rate", "learning_rate_decay"), "learning_rate"),
        ("weight-decay", ("regularization", "weight_column"), "regularization"),
    ],
)
def test_names_that_others_use_are_understood(typed, names, meant):
    assert did_you_mean(typed, names) == f"; did you mean {meant}?"


def test_every_alias_names_something_that_exists():
    commands = (train, evaluate, recommend, export)
    flags = {name for command in commands for name in command.COMMAND._values}
    choices = {c for _, setting in settings() for c in setting.metadata.get("choices", ())}
    formats = ("savedmodel", "npy", "text", "faiss")
    registries = (losses.REGISTRY, models.REGISTRY, samplers.REGISTRY, splitters.REGISTRY)
    there_are = flags.union(choices, formats, *registries, optimizers.NAMES, datasets.NAMES)
    there_are |= metrics.REGISTRY.keys()
    assert {name for names in ALIASES.values() for name in names} <= there_are


def test_an_error_is_one_line_whatever_it_names():
    assert str(InputError("--ratings=a\nb\x1b[2J: no such file")) == (
        "--ratings=a\\nb\\u001b[2J: no such file"
    )

"""The object of results.json."""

import pytest

from mfrec.runs.results import Results, Timing

CONTENT = {
    "dataset": "toy",
    "split": "u1",
    "model": "mse d=2",
    "protocol": {"test": "errors"},
    "epochs": 3,
    "steps": 9,
    "parameters": 12,
    "metrics": {"test": {"rmse": 0.5}},
    "baselines": {},
    "counts": {"train": 5, "ranked": {}},
    "timing": {"train_seconds": 2.5},
}


def test_what_is_there_comes_back_and_what_is_not_is_empty():
    results = Results.from_dict(CONTENT)
    assert results.timing == Timing(train_seconds=2.5)
    again = results.as_dict()
    assert {name: again[name] for name in CONTENT if name != "timing"} == {
        name: value for name, value in CONTENT.items() if name != "timing"
    }
    assert again["timing"]["train_seconds"] == 2.5 and again["timing"]["load_seconds"] == 0
    assert (again["warnings"], again["intervals"], again["held_out"]) == ([], {}, {})
    assert not {"stopped", "std", "folds"} & set(again)
    assert Results.from_dict(again) == results


def test_the_order_of_the_file():
    assert list(Results.from_dict(CONTENT | {"stopped": "in epoch 1 of 2"}).as_dict()) == [
        *("dataset", "split", "model", "protocol", "epochs", "steps", "parameters", "metrics"),
        *("intervals", "baselines", "warnings", "held_out", "counts", "timing", "versions"),
        "stopped",
    ]


def test_names_of_another_version_are_ignored():
    other = CONTENT | {"mood": "good", "timing": {"tea_seconds": 180.0}}
    assert Results.from_dict(other) == Results.from_dict(CONTENT | {"timing": {}})


@pytest.mark.parametrize("name", CONTENT)
def test_what_every_run_has_is_required(name):
    with pytest.raises(KeyError, match=name):
        Results.from_dict({key: value for key, value in CONTENT.items() if key != name})

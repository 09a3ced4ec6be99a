"""What would be found out by the first evaluation is found before the first step."""

import dataclasses

import pytest

from mfrec.config.settings import Config
from mfrec.data import loading, splitting
from mfrec.errors import InputError
from mfrec.experiment.folds import cross_validate
from mfrec.experiment.preparation import prepare

ROWS = [(f"u{user}", f"i{item}", 1 + (user + item) % 5) for user in range(8) for item in range(6)]


@pytest.fixture
def made(tmp_path):
    """Prepares a training on files of these parts; the train part is all rows but the last 8."""

    def prepare_parts(test=ROWS[40:], validation=None, **settings):
        parts = {"train": ROWS[:40], "test": test, "validation": validation}
        for name, rows in parts.items():
            if rows is None:
                continue
            path = tmp_path / f"{name}.csv"
            path.write_text("user,item,rating\n" + "".join(f"{u},{i},{r}\n" for u, i, r in rows))
            settings[f"{name}_ratings"] = str(path)
        config = Config().replace({"data_dir": "/nowhere", "loss": "bpr"} | settings)
        config = splitting.complete(loading.complete(config))
        return prepare(config, loading.load(config.data))

    return prepare_parts


STRANGERS = [(f"U{user}", item, rating) for user, item, rating in ROWS[40:]]


def test_held_out_users_that_training_does_not_know(made):
    assert made().split.counts["test"] == 8
    for part in ("test", "validation"):
        with pytest.raises(InputError) as raised:
            made(**{part: STRANGERS})
        message = str(raised.value)
        assert message.startswith(f"none of the 8 {part} rows has a user that training knows")
        assert "nothing to rank: there is 'Uu6', and in training 'u0'" in message
    with pytest.raises(InputError, match="there is 'U1', and in training 'u1'"):
        made([("U1", "i4", 3), ("U2", "i5", 3)])
    # errors can be measured, by fallback, and that is warned of
    setup = made(STRANGERS, loss="mse")
    assert "8 of 8 test rows have users or items unknown" in setup.split.warnings[0]
    with pytest.raises(InputError, match="nothing to rank"):
        made(STRANGERS, loss="mse", cutoffs="5")


def test_test_users_without_fixed_negatives(made, tmp_path):
    path = tmp_path / "negatives.tsv"
    path.write_text("(u6,i4)\ti0\ti1\n(u7,i0)\ti2\ti3\n")
    assert made(candidates=str(path)).split.candidates is not None
    path.write_text("(u7,i4)\ti0\ti1\n(U6,i4)\ti2\ti3\n")
    with pytest.raises(InputError, match="1 of 1 users with test rows have no negatives, such as"):
        made(candidates=str(path))


def test_every_fold_is_looked_at_before_the_first_is_trained(tmp_path, monkeypatch):
    path = tmp_path / "ratings.csv"
    path.write_text("user,item,rating\n" + "".join(f"{u},{i},{r}\n" for u, i, r in ROWS))
    config = Config().replace({"ratings": str(path), "cross_validate": True, "loss": "bpr"})
    config = splitting.complete(loading.complete(config))
    seen = []

    def refuse_the_last(config, *_):
        seen.append(config.split.fold)
        if config.split.fold == 4:
            raise InputError("nothing to rank")

    monkeypatch.setattr("mfrec.experiment.folds.prepare", refuse_the_last)
    with pytest.raises(InputError, match="nothing to rank"):
        cross_validate(config, loading.load(config.data), tmp_path / "run", 0.0)
    assert seen == [0, 1, 2, 3, 4] and not (tmp_path / "run").exists()


def test_an_earlier_run_on_other_ids_is_warned_of(made):
    recipe = made().split.recipe
    other = dataclasses.replace(recipe, train=made().split.recipe.train)
    assert other.after(recipe.train).warnings == ()
    upper = made(STRANGERS, loss="mse").split.recipe
    moved = dataclasses.replace(upper, train=upper.test, test=None).after(recipe.train)
    assert moved.warnings == ()  # new users of known items are what runs are continued for
    items = [(f"x {user}", f"x {item}", rating) for user, item, rating in ROWS[40:]]
    new = made(items, loss="mse").split.recipe
    moved = dataclasses.replace(new, train=new.test, test=None).after(recipe.train)
    assert moved.warnings == (
        "2 of 2 users are not in the earlier run, such as 'x u6' (there is 'u0')",
        "6 of 6 items are not in the earlier run, such as 'x i4' (there is 'i0')",
    )
    everything = dataclasses.replace(recipe, test=recipe.train).after(recipe.train)
    assert everything.warnings[-1].startswith("nothing is left to test: the earlier run was")

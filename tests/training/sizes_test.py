"""Sizes that memory cannot hold are refused with their size, before anything is allocated."""

import pytest

from helpers import planted
from mfrec import losses, memory
from mfrec.config.settings import Config
from mfrec.errors import InputError
from mfrec.training import sizes
from mfrec.training.trainer import Trainer

TRAIN = planted(30, 20, 300)
BPR = losses.get("bpr")


@pytest.mark.parametrize(
    "settings, needed",
    [
        # 30 users of at most 20 items are 30 rows; ids, ratings and weights
        ({"positives_per_row": 1000}, 30 * 1000 * 12),
        # ids, log-probabilities and scores of 32 rows
        ({"num_negatives": 1000, "batch_size": 32}, 32 * 1000 * 12),
        ({"num_negatives": 100, "hard_negatives": 10, "batch_size": 32}, 32 * 1000 * 12),
        # a batch is not larger than the training part
        ({"num_negatives": 1000, "batch_size": 10**9}, 300 * 1000 * 12),
        # drawn once, scored for every row
        ({"num_negatives": 1000, "batch_size": 32, "shared_negatives": True}, 1000 * (8 + 32 * 4)),
        # no list is longer than the catalogue
        ({"cutoffs": "1,1000000"}, 30 * 20 * 4),
    ],
)
def test_what_does_not_fit_is_refused(settings, needed, monkeypatch):
    config = Config().replace(settings)
    monkeypatch.setattr(memory, "free_bytes", lambda: needed)
    sizes.check(config, BPR, TRAIN)
    monkeypatch.setattr(memory, "free_bytes", lambda: needed - 1)
    name, value = next(iter(settings.items()))
    with pytest.raises(InputError, match=f"^--{name}={value}.* need .* MB, .* MB are free; lower"):
        sizes.check(config, BPR, TRAIN)


@pytest.mark.parametrize(
    "settings",
    [{"positives_per_row": 10**9}, {"num_negatives": 10**9}, {"embedding_dim": 2 * 10**9}],
)
def test_absurd_sizes_are_refused_in_a_notebook_too(settings):
    (name,) = settings
    with pytest.raises(InputError, match=f"^--{name}="):
        Trainer(loss="bpr", epochs=1, **settings).fit(TRAIN)


def test_large_batches_and_loops_are_those_of_the_training_part():
    trainer = Trainer(epochs=1, embedding_dim=2, batch_size=10**9, steps_per_loop=10**9)
    trainer.fit(TRAIN)
    assert trainer.history.steps == 1

"""Sizes of batches and lists that memory cannot hold, refused before training."""

import numpy as np

from mfrec import memory
from mfrec.config.parsing import parse_cutoffs
from mfrec.config.settings import Config
from mfrec.data.interactions import Interactions
from mfrec.losses import Loss

_BYTES = 4


def check(config: Config, loss: Loss, train: Interactions) -> None:
    """Refuse settings under which more is held than memory has.

    Each size is a lower bound: what is refused would not fit, whatever XLA saves.

    Args:
        config: the settings, resolved.
        loss: is minimised.
        train: the training part.

    Raises:
        InputError: says which setting, what it needs and what is free.
    """
    width = config.training.positives_per_row or 1
    num_rows = len(train)
    if width > 1:
        num_rows = int(np.ceil(train.user_counts / width).sum())
        memory.check(
            f"positives_per_row={width}",
            f"{num_rows:,} rows of {width:,} positives",
            # ids, ratings and weights
            num_rows * width * 3 * _BYTES,
        )
    if loss.draws_negatives:
        sampling = config.sampler
        drawn = (sampling.num_negatives or 0) * sampling.hard_negatives
        rows = min(max((config.training.batch_size or 1) // width, 1), num_rows)
        named = f"num_negatives={sampling.num_negatives}"
        if sampling.hard_negatives > 1:
            named += f" --hard_negatives={sampling.hard_negatives}"
        # ids and log-probabilities once if they are shared; scores for every row
        draws = drawn if sampling.shared_negatives else drawn * rows
        memory.check(
            named,
            f"{drawn:,} draws for batches of {rows:,} rows",
            (2 * draws + drawn * rows) * _BYTES,
        )
    cutoffs = parse_cutoffs(config.evaluation.cutoffs or "")
    if cutoffs:
        longest = min(cutoffs[-1], train.num_items)
        memory.check(
            f"cutoffs={config.evaluation.cutoffs}",
            f"lists of {longest:,} items for {train.num_users:,} users",
            longest * train.num_users * _BYTES,
        )

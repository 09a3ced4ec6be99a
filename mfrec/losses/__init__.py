"""Losses and their registry: the seam that mfrec is for.

A loss is one small pure function, per example and never reduced. A decorator registers it under
the name that --loss takes and says what it reads:

    @losses.rating("mse")                        # ratings [B], predictions [B] -> [B]
    @losses.rating("logistic", link="sigmoid")   # targets and scores live on the link's scale
    @losses.ranking("bpr")       # positive_scores [B], negative_scores [B, N] -> [B]
    @losses.catalogue("softmax")
    # positive_scores [B], user_vectors [B, d], item_vectors [I, d] -> [B]

Keyword arguments with a default are the loss's parameters, set by --loss_args=name=value. A
loss that names one of `BATCH_ARGUMENTS` among its arguments receives it. What a parameter or a
rating may be is the loss's `domain`: @losses.rating("huber", domain={"delta": Range(above=0)}).

Ranking losses compare positives with negatives that a sampler draws. If the rows of a batch hold
P positives of one user each (--positives_per_row=P), positive_scores are [B, P] and everything
that belongs to the user has an axis of length 1 there: negative_scores [B, 1, N], user_vectors
[B, 1, d]. A loss that speaks of the last axis only (`axis=-1`, `positive_scores[..., None]`) is
right for both.

A rating loss of your own needs no registration: --loss=path/to/my_losses.py:my_loss, or in
`Trainer` any function, lambda, partial, callable object or Keras loss. A ranking loss is decorated
as above, wherever it stands. Keras's losses have names too: --loss=log_cosh.
"""

# the built-in losses first: the decorator `catalogue` takes the name of the module
# isort: off
from mfrec.losses.ratings import huber, logistic, mae, mse, poisson
from mfrec.losses.rankings import (
    bpr,
    bsl,
    cosine_contrastive,
    hinge,
    sampled_logistic,
    sampled_softmax,
    ultragcn,
    warp,
)
from mfrec.losses.catalogue import implicit_squared, softmax
from mfrec.losses.keras_losses import NAMES as KERAS_NAMES
from mfrec.losses.links import LINKS, Link
from mfrec.losses.registry import (
    BATCH_ARGUMENTS,
    REGISTRY,
    Loss,
    Traits,
    catalogue,
    check_name,
    configured,
    get,
    ranking,
    rating,
)

# isort: on
from mfrec.ranges import Range

__all__ = [
    "BATCH_ARGUMENTS",
    "KERAS_NAMES",
    "LINKS",
    "REGISTRY",
    "Link",
    "Loss",
    "Range",
    "Traits",
    "bpr",
    "bsl",
    "catalogue",
    "check_name",
    "configured",
    "cosine_contrastive",
    "get",
    "hinge",
    "huber",
    "implicit_squared",
    "logistic",
    "mae",
    "mse",
    "poisson",
    "ranking",
    "rating",
    "sampled_logistic",
    "sampled_softmax",
    "softmax",
    "ultragcn",
    "warp",
]

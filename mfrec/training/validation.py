"""Metrics on a validation part, by which a `Trainer` picks the best epoch."""

from collections.abc import Callable

from mfrec.config.parsing import parse_cutoffs
from mfrec.config.settings import Config
from mfrec.data import suspicions
from mfrec.data.held_out import count_shared_pairs
from mfrec.data.interactions import Interactions
from mfrec.data.unknown import note_on_unknown
from mfrec.data.vocabulary import UNKNOWN
from mfrec.errors import InputError
from mfrec.evaluation import metrics
from mfrec.evaluation.rankings import RankingEvaluator
from mfrec.losses import Loss
from mfrec.models.base import Model
from mfrec.progress import say


def validator(
    model: Model, loss: Loss, config: Config, train: Interactions, validation: Interactions
) -> Callable[[], dict[str, float]]:
    """Return a function that evaluates the model as it is at the time.

    Args:
        model: the model that is trained.
        loss: what it is trained on; one that predicts ratings is measured by errors.
        config: the settings, resolved; its cutoffs are those of the ranking metrics, if any.
        train: the training part, whose items are masked.
        validation: held-out rows in the rows of the training part.

    Raises:
        InputError: nothing of it can be measured.
    """
    rankings = None
    cutoffs = parse_cutoffs(config.evaluation.cutoffs)
    _refuse_strangers(validation, ranks=bool(cutoffs))
    if cutoffs:
        rankings = RankingEvaluator(
            train,
            cutoffs=cutoffs,
            mask_seen=config.evaluation.mask_seen,
            seed=config.training.seed,
            jit_compile=config.training.jit_compile,
        )

    def evaluate() -> dict[str, float]:
        found: dict[str, float] = {}
        if loss.predicts_ratings:
            predictions = model.predict_interactions(validation)
            found |= metrics.rating_errors(validation.ratings, predictions)
        if rankings:
            found |= rankings.evaluate(model.score_catalogue, validation).metrics
        return found

    return evaluate


def check_metrics(loss: Loss, config: Config) -> None:
    """Load the user's own metrics, and refuse an --eval_metric that nothing measures."""
    metrics.load(config.evaluation.metrics or "")
    cutoffs = parse_cutoffs(config.evaluation.cutoffs)
    metrics.check_measured(config.training.eval_metric, loss.predicts_ratings, cutoffs)


def say_what_is_odd(
    loss: Loss, train: Interactions, given: Interactions | None, validation: Interactions | None
) -> None:
    """Say what train.py warns of in ratings that come from files.

    That is ratings that stand for none, a validation part on another scale, how much of it
    training does not know, and how much it learns from.

    Args:
        loss: what is trained on.
        train: the training part.
        given: the validation part as it was given, if there is one.
        validation: the same in the rows of the training part.
    """
    warnings = suspicions.of_training(train, by_flags=False)
    if loss.predicts_ratings:
        warnings += suspicions.of_scales(train, {"validation": validation})
    if given is not None:
        found = suspicions.of_ratings(given, by_flags=False)
        warnings += [f"validation: {warning}" for warning in found]
    for warning in warnings:
        say(f"warning: {warning}")
    if given is None or validation is None:
        return
    note = note_on_unknown(given, validation, "validation rows")
    if note:
        say(note)
    overlap = count_shared_pairs(train, validation)
    if overlap:
        say(
            f"{overlap:,} of {len(validation):,} validation rows are pairs of the training part as "
            "well: what is learnt by heart is measured"
        )


def _refuse_strangers(validation: Interactions, ranks: bool) -> None:
    """Refuse a validation part that says nothing about the model, before anything is trained."""
    if not len(validation):
        raise InputError("the validation part holds no rows; leave it out or hold out some")
    knows_user = (validation.user_ids != UNKNOWN).any()
    if ranks and not knows_user:
        raise InputError("no validation row has a user that training knows; nothing to rank")
    if not knows_user and (validation.item_ids == UNKNOWN).all():
        raise InputError(
            "no validation row has a user or an item that training knows; check how ids are spelt"
        )

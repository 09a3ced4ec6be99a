"""What several workers cannot train, or what means something else when they do."""

from mfrec.config.parsing import parse_arguments
from mfrec.config.settings import Config, TrainingConfig
from mfrec.data.one_process import OneProcess
from mfrec.errors import InputError
from mfrec.losses import Loss
from mfrec.own_code import is_address
from mfrec.progress import say
from mfrec.training import samplers

# Their step for a row depends on whole tables, of which a worker has its users' rows.
_OF_WHOLE_TABLES = ("adafactor", "lamb", "muon")


def check(config: Config, loss: Loss, workers: OneProcess) -> None:
    """Refuse settings that do not go with several workers; say what was assumed of others.

    Args:
        config: the settings as given.
        loss: is minimised.
        workers: who train together.

    Raises:
        InputError: says which and why.
    """
    if workers.number == 1:
        return
    name = f"--distribution={config.training.distribution}"
    for is_wrong, message in _contradictions(config):
        if is_wrong:
            raise InputError(f"{message} with {name}")
    optimizer = config.optimizer.optimizer
    if is_address(optimizer):
        say(f"assumed: {optimizer} changes each row of a table by that row's gradient alone")
    if loss.draws_negatives and samplers.get(config.sampler.negative_sampler).takes_batch_items:
        say("negatives are the items of a worker's own part of the batch")


def check_batch(config: TrainingConfig, workers: OneProcess) -> None:
    """Refuse a batch in which not every worker can have an example; the settings are resolved.

    Raises:
        InputError: says what to raise.
    """
    size, width = config.batch_size or 1, config.positives_per_row or 1
    if size // width < workers.number > 1:
        raise InputError(
            f"--batch_size={size}: fewer rows than the {workers.number} workers; give "
            f"{workers.number * width} or more"
        )


def _contradictions(config: Config) -> list[tuple[bool, str]]:
    """Return pairs: whether these settings contradict several workers, and what to say then."""
    optimizer = config.optimizer.optimizer.lower()
    arguments = parse_arguments(config.optimizer.optimizer_args or "", "optimizer_args")
    return [
        (
            optimizer in _OF_WHOLE_TABLES,
            f"--optimizer={optimizer}: its step for a row depends on the whole table, of which no "
            "worker has all; take adam or sparse_adam",
        ),
        (
            "clipnorm" in arguments,
            "--optimizer_args=clipnorm: the norm of a table that no worker has whole; take "
            "--clip_norm",
        ),
        (
            config.data.user_features is not None,
            "--user_features: the features of users are read by one process only; leave them out",
        ),
        (
            config.split.split == "held_out_users",
            "--split=held_out_users: users are folded in by one process only; take another split",
        ),
        (
            config.split.cross_validate,
            "--cross_validate: start a run for each --fold instead; not",
        ),
        (
            config.training.tensorboard == "full",
            "--tensorboard=full: it looks at all users at once; take basic",
        ),
        (config.training.run_eagerly, "--run_eagerly: for debugging in one process; not"),
    ]

"""What a training needs, and all that can be wrong with it before anything is written."""

from dataclasses import dataclass, replace
from importlib import metadata
from typing import Any

import numpy as np

from mfrec import losses, memory, models
from mfrec.config.settings import Config
from mfrec.data import splitting, suspicions
from mfrec.data.features import Features
from mfrec.data.interactions import require_ratings
from mfrec.data.loading import Source
from mfrec.data.one_process import ONE_PROCESS, OneProcess
from mfrec.data.shards.parts import Converted
from mfrec.data.shards.split import StreamedSplit
from mfrec.data.shares import dealt
from mfrec.data.splits import Split
from mfrec.errors import InputError
from mfrec.experiment import measurable
from mfrec.runs.run_folder import RunFolder
from mfrec.runs.shared_folder import own_part
from mfrec.training import distributable, optimizers, sizes
from mfrec.training import objective as objectives
from mfrec.training.earlier_slots import same_slots
from mfrec.training.history import PreviousTraining
from mfrec.training.statistics import resolve
from mfrec.training.validation import check_metrics


@dataclass(frozen=True, eq=False)
class Setup:
    """What a training needs.

    Attributes:
        config: the settings, resolved.
        loss: the loss.
        split: training, validation and test part.
        features: of the training part's "user" and "item" rows, if they have any.
        earlier: the training to continue from; None to start anew.
        workers: who train together; users are numbered worker by worker.
    """

    config: Config
    loss: losses.Loss
    split: Split
    features: dict[str, Features]
    earlier: PreviousTraining | None
    workers: OneProcess = ONE_PROCESS

    def with_validation_in_training(self, source: Source) -> "Setup":
        """Return the setup of a refit: trained anew on training and validation part."""
        split = self.split.recipe.with_validation_in_training().encode()
        split = dealt(split, self.workers.number)
        return replace(
            self, split=split, features=source.encode_features(split.train), earlier=None
        )


def prepare(config: Config, source: Source, workers: OneProcess = ONE_PROCESS) -> Setup:
    """Make the loss, split the ratings, derive the settings that nobody gave.

    Args:
        config: the settings as given.
        source: the ratings.
        workers: who train together.

    Raises:
        InputError: a setting or the data cannot be used.
    """
    workers.check_agreement(lambda: _facts(config, source))
    loss = losses.configured(config.loss)
    config = models.suit(config)
    objectives.check(loss, config)
    distributable.check(config, loss, workers)
    objectives.check_vectors(loss, config.model.model, models.get(config.model.model).has_vectors)
    if loss.predicts_ratings:
        _check_rated(source, config, loss)
    if source.converted is not None:
        return _of_shards(config, source.converted.dealt(workers.number), loss, workers)
    recipe = splitting.check_parts(splitting.recipe(source, config), config)
    if loss.predicts_ratings:
        parts = {"validation": recipe.validation, "test": recipe.test}
        scales = suspicions.of_scales(recipe.train, parts)
        recipe = replace(recipe, warnings=(*recipe.warnings, *scales))
    earlier, known_features = None, {}
    if config.training.init_from:
        folder = RunFolder(config.training.init_from)
        earlier_config, _ = folder.load_config()
        seen = folder.load_data()
        if seen["train"].is_streamed:
            raise InputError(
                f"--init_from={config.training.init_from}: was trained on a converted folder, and "
                "runs on shards are not continued; train anew"
            )
        earlier = folder.load_trained(earlier_config, loss, seen["train"])
        earlier = own_part(earlier, earlier_config, loss, workers)
        of_model = {"user": earlier.model.user_features, "item": earlier.model.item_features}
        known_features = {role: found for role, found in of_model.items() if found is not None}
        recipe = recipe.after(seen["train"], seen.get("validation"))
    split = dealt(recipe.encode(), workers.number)
    config = resolve(config, loss, split.train)
    if earlier is not None and not same_slots(earlier_config.optimizer, config.optimizer):
        earlier = PreviousTraining(earlier.model)
    measurable.check(split, config)
    sizes.check(config, loss, split.train)
    check_metrics(loss, config)
    features = source.encode_features(split.train, known_features)
    distributable.check_batch(config.training, workers)
    rows = int(np.count_nonzero(workers.owns(split.train.users))) + split.train.num_items
    rows += sum(len(of_rows.names) for of_rows in features.values())
    memory.check_tables(config.model.embedding_dim, rows, optimizers.held(config.optimizer))
    return Setup(config, loss, split, features, earlier, workers)


def _of_shards(
    config: Config, converted: Converted, loss: losses.Loss, workers: OneProcess
) -> Setup:
    """The setup of a training on a converted folder, nothing of which is read whole."""
    split: Any = StreamedSplit.of(converted)
    if loss.predicts_ratings:
        use = f"loss '{loss.name}' learns; take a loss of rankings, such as --loss=bpr"
        require_ratings(split.train, str(converted.path), use)
    config = resolve(config, loss, split.train)
    earlier = None
    if config.training.init_from:
        earlier = _of_same_conversion(config, converted, loss, workers)
    sizes.check(config, loss, split.train)
    check_metrics(loss, config)
    distributable.check_batch(config.training, workers)
    rows = workers.own_rows(split.train).num_users + split.train.num_items
    memory.check_tables(config.model.embedding_dim, rows, optimizers.held(config.optimizer))
    return Setup(config, loss, split, {}, earlier, workers)


def _of_same_conversion(
    config: Config, converted: Converted, loss: losses.Loss, workers: OneProcess
) -> PreviousTraining:
    """The training to continue from, whose tables have the rows of the converted folder.

    Raises:
        InputError: it was trained on something else, or by another number of workers.
    """
    run_dir = str(config.training.init_from)
    folder = RunFolder(run_dir)
    earlier_config, _ = folder.load_config()
    train: Any = folder.load_data()["train"]
    if not train.is_streamed or train.data.manifest.conversion != converted.manifest.conversion:
        raise InputError(
            f"--init_from={run_dir} with the converted folder {converted.path}: that run was "
            "trained on other ratings; name a run on this conversion, or train anew"
        )
    if train.data.num_workers != converted.num_workers:
        raise InputError(
            f"--init_from={run_dir} with a converted folder: that run had "
            f"{train.data.num_workers} workers, not {converted.num_workers}; take as many"
        )
    earlier = folder.load_trained(earlier_config, loss, train)
    earlier = own_part(earlier, earlier_config, loss, workers)
    if not same_slots(earlier_config.optimizer, config.optimizer):
        earlier = PreviousTraining(earlier.model)
    return earlier


def _facts(config: Config, source: Source) -> dict[str, str]:
    """Return what has to be the same on all workers, by name."""
    # where files lie may differ, what they hold may not
    values = {name: value for name, value in config.flat().items() if name not in vars(config.data)}
    facts = {f"--{name}": str(value) for name, value in values.items()}
    names = {"all": "the ratings"}
    for part, rows in source.parts.items():
        facts[names.get(part, f"the {part} ratings")] = rows.digest()
    if source.converted is not None:
        facts["the converted folder"] = source.converted.manifest.conversion
    packages = ("mfrec", "tensorflow", "keras", "numpy")
    return facts | {f"the version of {name}": metadata.version(name) for name in packages}


def _check_rated(source: Source, config: Config, loss: losses.Loss) -> None:
    """Refuse parts without ratings; what to do depends on the part that lacks them."""
    for part, rows in source.parts.items():
        # the file of a ready-made part
        what = getattr(config.data, f"{part}_ratings", None) or source.name
        use = f"loss '{loss.name}' learns; take a loss of rankings, such as --loss=bpr"
        if part not in ("all", "train"):
            use = f"a model of loss '{loss.name}' is measured by; give a {part} part with ratings"
        require_ratings(rows, what, use)

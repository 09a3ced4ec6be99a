"""The notebook's door: `train` and a `Trainer` that saves run folders and answers by raw id.

trainer = mfrec.train(ratings, loss="bpr", embedding_dim=32, epochs=10)
trainer.recommender().recommend("7", k=5)
trainer.save("runs/my-run")       # for eval.py, recommend.py, export.py, --init_from
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from mfrec import losses, models, own_code
from mfrec.config.parsing import format_arguments
from mfrec.config.settings import Config, settings
from mfrec.data.features import Features
from mfrec.data.interactions import Interactions
from mfrec.data.splits import SplitRecipe
from mfrec.errors import InputError
from mfrec.experiment.fit import derived_constants
from mfrec.experiment.run import versions
from mfrec.runs.results import Results, Timing
from mfrec.runs.run_folder import RunFolder
from mfrec.serving.recommender import Recommender
from mfrec.training import optimizers, trainer
from mfrec.training.validation import say_what_is_odd

# The sections of what train.py does around a training, and what does it from Python.
_AROUND = {
    "data": "read files by mfrec.read_ratings",
    "positives": "take the rows that count, as in ratings.take(ratings.ratings >= 4)",
    "split": "cut the parts by mfrec.splitters",
}


class Trainer(trainer.Trainer):
    """A `mfrec.training.trainer.Trainer` whose model goes on to a run folder or a `Recommender`.

    Settings of what train.py does around a training are refused: a Trainer takes its parts as they
    are. What train.py warns of is said on standard error.
    """

    def _check_settings(self, config: Config) -> None:
        _refuse_unapplied(config)

    def _look_at(
        self, train: Interactions, given: Interactions | None, validation: Interactions | None
    ) -> None:
        say_what_is_odd(self.loss, train, given, validation)

    def recommender(self) -> Recommender:
        """Return a recommender of the trained model.

        Raises:
            InputError: nothing was trained yet.
        """
        train, validation = self._trained_parts()
        return Recommender(self.model, self.loss, self.resolved, train, validation)

    def save(self, run_dir: str | Path, overwrite: bool = False) -> None:
        """Write a run folder, as train.py would leave it: for eval.py, recommend.py, export.py.

        Args:
            run_dir: the folder.
            overwrite: whether an earlier run there is replaced.

        Raises:
            InputError: nothing was trained yet, the folder exists, or loss, optimizer or model
                has no name that a run folder could hold.
        """
        train, validation = self._trained_parts()
        config = self._named_config()
        recipe = SplitRecipe(train, validation, earlier=(train.users, train.items))
        split = recipe.encode()
        with RunFolder.create(run_dir, overwrite) as folder:
            folder.save_config(config, derived_constants(train))
            folder.save_data(split, self._features())
            folder.save_model(self.model, self.history.steps, self.optimizer)
            folder.save_results(self._results(split.counts))

    def _trained_parts(self) -> tuple[Interactions, Interactions | None]:
        if self.parts is None or not self.history.steps:
            raise InputError("nothing was trained yet; call fit first")
        return self.parts

    def _features(self) -> dict[str, Features]:
        of_model = {"user": self.model.user_features, "item": self.model.item_features}
        return {role: features for role, features in of_model.items() if features is not None}

    def _named_config(self) -> Config:
        """The settings that name loss, optimizer and model, so that a run folder brings them back.

        Raises:
            InputError: one of them has none.
        """
        changes = dict(vars(self.loss.settings()))
        if self._own_optimizer is not None:
            # what it is stands in the settings already, unless nothing names it
            optimizers.settings_of(self._own_optimizer)
        if self._given_model is not None:
            changes |= _named_model(self.model)
        # the folder holds the features themselves
        changes |= {f"{role}_features": f"{role}_features.npz" for role in self._features()}
        return self.resolved.replace(changes)

    def _results(self, counts: dict[str, int]) -> Results:
        history = self.history
        names = ("compile_seconds", "train_seconds", "evaluation_seconds")
        seconds = {name: getattr(history, name) for name in names}
        return Results(
            dataset="notebook",
            split="parts as given",
            model=f"{self.loss.name} d={self.resolved.model.embedding_dim}",
            protocol={},
            epochs=history.best_epoch,
            steps=history.steps,
            parameters=sum(int(np.prod(v.shape)) for v in self.model.trainable_variables),
            metrics={"validation": history.best_validation} if history.best_validation else {},
            baselines={},
            counts=counts,
            timing=Timing(
                **seconds,
                seconds_to_best=history.seconds_to_best,
                examples_per_second=history.examples_per_second,
                total_seconds=sum(seconds.values()),
            ),
            versions=versions(),
        )


def train(
    train: Interactions,
    validation: Interactions | None = None,
    loss: "str | Callable | losses.Loss" = "mse",
    **settings: Any,
) -> Trainer:
    """Train a model as train.py does, and return its trainer.

    Args:
        train: ratings to learn from.
        validation: ratings that stop training and pick the epoch.
        loss: as for `Trainer`.
        settings: named as the flags of train.py: embedding_dim=32, epochs=10, ...

    Raises:
        InputError: as `Trainer` and `Trainer.fit`.
    """
    trainer = Trainer(loss=loss, **settings)
    trainer.fit(train, validation)
    return trainer


def _refuse_unapplied(config: Config) -> None:
    """Refuse settings that a Trainer would not apply.

    Raises:
        InputError: names them, and says what to do instead.
    """
    default = Config().flat()
    unapplied = [
        (section, setting.name)
        for section, setting in settings()
        if section in _AROUND or setting.metadata.get("around_training")
        if config.flat()[setting.name] not in (default[setting.name], setting.metadata.get("off"))
    ]
    if not unapplied:
        return
    names = ", ".join(name for _, name in unapplied)
    them = "it" if len(unapplied) == 1 else "them"
    remedies = (_AROUND.get(section, "run train.py for it") for section, _ in unapplied)
    raise InputError(
        f"{names}: train.py applies {them} around the training, a Trainer takes its Interactions "
        f"as they are; leave {them} out, and {', '.join(dict.fromkeys(remedies))}"
    )


def _named_model(model: models.Model) -> dict[str, str]:
    """The settings that name a model's class and its own arguments."""
    classes = {cls: name for name, cls in models.REGISTRY.items()}
    owner = f"model '{model.name}'"
    name = classes.get(type(model)) or own_code.address_of(type(model))
    if name is None:
        raise own_code.without_address(owner, "model")
    return {"model": name, "model_args": format_arguments(models.own_arguments(model), owner)}

"""What a setting becomes that nobody set: rules from statistics of the training data.

The statistics measure the loss, not the ratings, so that the rules hold for ratings on any
scale and for losses that mfrec has never seen. How their constants were found stands in
BUILD_NOTES.md.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mfrec.config.parsing import parse_cutoffs
from mfrec.config.settings import (
    Config,
    EvaluationConfig,
    ModelConfig,
    OptimizerConfig,
    RegularizerConfig,
    SamplerConfig,
    TrainingConfig,
)

# Learning rates as multiples of Adam's, for optimizers whose steps are of another size.
_RATES = {"sgd": 10, "adagrad": 10, "ftrl": 10, "adadelta": 100, "lion": 0.1}


@dataclass(frozen=True)
class Traits:
    """How a loss is usually trained: what it wants where nobody says otherwise.

    Attributes:
        predicts_ratings: whether it compares predictions with ratings; else it ranks positives.
        draws_negatives: whether it compares positives with negatives that a sampler draws.
        reads_vectors: whether it reads the vectors of users and of all items, beside scores.
        hard_negatives: whether its negatives may be the highest-scoring of several draws.
        normalize: whether it is made for cosines.
        num_negatives: negatives an example, or a batch where it shares them.
        shared_negatives: whether a batch shares its negatives.
        positives_per_row: how many positives of one user share a row.
        frequency_exponent: ν of its regularizer.
    """

    predicts_ratings: bool = True
    draws_negatives: bool = False
    reads_vectors: bool = False
    hard_negatives: bool = True
    normalize: bool = False
    num_negatives: int = 1
    shared_negatives: bool = False
    positives_per_row: int = 1
    frequency_exponent: float = 0.5


@dataclass(frozen=True)
class Statistics:
    """What the defaults are derived from: the size of the data and the scale of the loss.

    Attributes:
        num_ratings: training ratings.
        num_users: users in them.
        num_items: items in them.
        gradient: standard deviation of the loss's gradient by the score, at the best constant
            score; for mse that is twice the ratings' standard deviation.
        spread: standard deviation of the Newton steps from there, gradient / curvature: how far
            scores differ. For mse it is the ratings' standard deviation.
        noise: how much gradients differ within a row as a multiple of how much the means of rows
            differ, both as variances: the geometric mean of that of users and that of items.
        traits: of the loss.
    """

    num_ratings: int
    num_users: int
    num_items: int
    gradient: float
    spread: float
    noise: float
    traits: Traits = Traits()

    @property
    def row_ratings(self) -> float:
        """Ratings of a typical row: geometric mean of those a user and those an item."""
        return self.num_ratings / math.sqrt(self.num_users * self.num_items)


def adapt(config: Config, data: Statistics, takes_batch_items: bool = False) -> Config:
    """The settings with every None filled in.

    Args:
        config: the settings.
        data: what the rules start from.
        takes_batch_items: whether the negative sampler takes the batch's own items.
    """
    evaluation = adapt_evaluation(config.evaluation, data)
    training = adapt_training(config.training, data, evaluation.cutoffs)
    model = adapt_model(config.model, data)
    return dataclasses.replace(
        config,
        evaluation=evaluation,
        model=model,
        regularizer=adapt_regularizer(config.regularizer, data, bool(model.normalize)),
        sampler=adapt_sampler(config.sampler, data, takes_batch_items),
        optimizer=adapt_optimizer(config.optimizer, data, training.batch_size),
        training=training,
    )


def adapt_evaluation(config: EvaluationConfig, data: Statistics) -> EvaluationConfig:
    """Losses of rankings are measured by rankings, of 10 items; others by errors alone."""
    return _filled(config, {"cutoffs": "" if data.traits.predicts_ratings else "10"})


def adapt_training(config: TrainingConfig, data: Statistics, cutoffs: str = "10") -> TrainingConfig:
    """Batches of about 1/160 of an epoch, a power of two from 32 to 65,536; 20 epochs.

    Data too small for 1,000 steps in 20 epochs get up to 100.
    """
    power = round(math.log2(max(data.num_ratings / 160, 1)))
    batch_size = config.batch_size or 2 ** min(max(power, 5), 16)
    steps = math.ceil(data.num_ratings / batch_size)
    epochs = config.epochs or min(max(20, math.ceil(1000 / steps)), 100)
    derived = {
        "batch_size": batch_size,
        "epochs": epochs,
        "positives_per_row": data.traits.positives_per_row,
        "eval_metric": "rmse",
    }
    if not data.traits.predicts_ratings:
        derived["eval_metric"] = f"ndcg@{parse_cutoffs(cutoffs)[0]}"
    return _filled(config, derived)


def adapt_sampler(
    config: SamplerConfig, data: Statistics, takes_batch_items: bool = False
) -> SamplerConfig:
    """As many negatives as a ranking loss usually has, each batch its own or each example.

    A sampler that takes the batch's own items has as many as there are, shared by the batch.
    """
    if not data.traits.draws_negatives or takes_batch_items:
        return config
    derived = {
        "num_negatives": data.traits.num_negatives,
        "shared_negatives": data.traits.shared_negatives,
    }
    return _filled(config, derived)


def adapt_model(config: ModelConfig, data: Statistics) -> ModelConfig:
    """Embeddings from 0.1 · √spread; biases and cosines as the loss wants them.

    Ranking losses have no biases.
    """
    traits = data.traits
    return _filled(
        config,
        {
            "use_bias": traits.predicts_ratings,
            "normalize": traits.normalize,
            "init_stddev": 0.1 * math.sqrt(data.spread),
        },
    )


def adapt_regularizer(
    config: RegularizerConfig, data: Statistics, normalize: bool
) -> RegularizerConfig:
    """λ = 0.57 · gradient / row_ratings^0.6, λ_b = noise^1.5 / 4 ratings' worth; ν by the loss.

    Below a certain λ embeddings begin to fit noise. A matrix of nothing but noise has singular
    values that grow with its standard deviation times the square root of the ratings a row, and
    λ · row_ratings is the threshold that singular values must pass, hence the form of the rule;
    constant and exponent, near that root, were chosen on validation parts. λ_b shrinks a bias
    as that number of ratings at the mean would, more of them where rows differ little beside their
    noise: in a model of biases alone the best number would be the noise ratio itself.

    With ranking losses λ is 0.003, or 0 where they compare cosines, which have no scale to charge.

    Args:
        config: the settings.
        data: what they follow from.
        normalize: whether scores are cosines.
    """
    traits, curvature = data.traits, data.gradient / data.spread
    derived = {
        "frequency_exponent": traits.frequency_exponent,
        "regularization": 0.57 * data.gradient / data.row_ratings**0.6,
        "bias_regularization": data.noise**1.5 / 8 * curvature / data.row_ratings,
    }
    if not traits.predicts_ratings:
        charge = 0.0 if normalize else 0.003
        derived |= {"regularization": charge, "bias_regularization": charge}
    return _filled(config, derived)


def adapt_optimizer(config: OptimizerConfig, data: Statistics, batch_size: int) -> OptimizerConfig:
    """Adam's learning rate 0.0045 · spread^0.75, and an ε of the size of a row's gradients.

    A row that few batches hold gets a small gradient, which Adam would blow up to a full step;
    with ε at 0.09 · gradient · √spread / √(batch_size · √(users · items)), near the root mean
    square of a row's gradient, it does not. β2 = 0.99 for the few hundred steps of an epoch.

    Ranking losses: learning rate 0.01, Adam as Keras has it.
    """
    rows = math.sqrt(data.num_users * data.num_items)
    epsilon = 0.09 * data.gradient * math.sqrt(data.spread) / math.sqrt(batch_size * rows)
    optimizer = config.optimizer.lower()
    is_adam = optimizer in ("adam", "adamw", "nadam")
    is_rating = data.traits.predicts_ratings
    rate = 0.0045 * data.spread**0.75 if is_rating else 0.01
    derived = {
        "learning_rate": rate * _RATES.get(optimizer, 1),
        "optimizer_args": f"beta_2=0.99,epsilon={epsilon:.2g}" if is_adam and is_rating else "",
    }
    return _filled(config, derived)


def _filled(config: Any, derived: Mapping[str, Any]) -> Any:
    """The settings with these values where there is None."""
    missing = {
        name: float(f"{value:.3g}") if isinstance(value, float) else value
        for name, value in derived.items()
        if getattr(config, name) is None
    }
    return dataclasses.replace(config, **missing)

"""Defaults of the settings that nobody gave: rules from statistics of the training data.

The statistics measure the loss, not the ratings, so the rules hold for ratings on any scale and for
losses that mfrec has never seen. BUILD_NOTES.md tells how their constants were found.
"""

import dataclasses
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mfrec.config.optimizer_choice import AUTO
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
_RATES = {
    "sgd": 10,
    "sparse_sgd": 10,
    "adagrad": 10,
    "sparse_adagrad": 10,
    "rowwise_adagrad": 10,
    "ftrl": 10,
    "adadelta": 100,
    "lion": 0.1,
}


@dataclass(frozen=True)
class Traits:
    """What a loss reads, and the settings it is trained with by default.

    Attributes:
        predicts_ratings: whether it compares predictions with ratings; else it ranks positives.
        draws_negatives: whether it compares positives with negatives that a sampler draws.
        reads_vectors: whether it reads the vectors of users and of all items besides scores.
        hard_negatives: whether its negatives may be the highest-scoring of several draws.
        normalize: whether it is made for cosine scores.
        num_negatives: negatives per example, or per batch if the batch shares them.
        shared_negatives: whether a batch shares its negatives.
        positives_per_row: number of positives of one user in a row of the batch.
        frequency_exponent: ν of the regularizer.
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
    """Size of the training data and scale of the loss, from which the defaults are derived.

    Attributes:
        num_ratings: training ratings.
        num_users: users with training ratings.
        num_items: items with training ratings.
        gradient: standard deviation of the loss's gradient with respect to the score, at the best
            constant score; twice the ratings' standard deviation for mse.
        spread: standard deviation of the Newton steps (gradient / curvature) from there, an
            estimate of the scores' own; the ratings' standard deviation for mse.
        noise: variance of gradients within a row / variance of the rows' means, the geometric mean
            of the ratio for users and that for items.
        traits: those of the loss.
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
        """Geometric mean of the ratings per user and the ratings per item."""
        return self.num_ratings / math.sqrt(self.num_users * self.num_items)


def adapt(config: Config, data: Statistics, takes_batch_items: bool = False) -> Config:
    """Return the settings with every None filled in.

    Args:
        config: the settings; None stands for what is to be derived.
        data: statistics of the training part.
        takes_batch_items: whether the negative sampler takes the batch's own items.
    """
    evaluation = _adapt_evaluation(config.evaluation, data)
    training = _adapt_training(config.training, data, evaluation.cutoffs)
    model = _adapt_model(config.model, data)
    return dataclasses.replace(
        config,
        evaluation=evaluation,
        model=model,
        regularizer=_adapt_regularizer(config.regularizer, data, bool(model.normalize)),
        sampler=_adapt_sampler(config.sampler, data, takes_batch_items),
        optimizer=_adapt_optimizer(config.optimizer, data, training.batch_size),
        training=training,
    )


def _adapt_evaluation(config: EvaluationConfig, data: Statistics) -> EvaluationConfig:
    """Ranking losses are evaluated at cutoff 10, rating losses by errors alone."""
    return _filled(config, {"cutoffs": "" if data.traits.predicts_ratings else "10"})


def _adapt_training(
    config: TrainingConfig, data: Statistics, cutoffs: str = "10"
) -> TrainingConfig:
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


def _adapt_sampler(
    config: SamplerConfig, data: Statistics, takes_batch_items: bool = False
) -> SamplerConfig:
    """The loss's own number of negatives, for each example or shared by the batch.

    A sampler that takes the batch's own items leaves nothing to choose.
    """
    if not data.traits.draws_negatives or takes_batch_items:
        return config
    derived = {
        "num_negatives": data.traits.num_negatives,
        "shared_negatives": data.traits.shared_negatives,
    }
    return _filled(config, derived)


def _adapt_model(config: ModelConfig, data: Statistics) -> ModelConfig:
    """init_stddev = 0.1 · √spread; biases for rating losses only; cosine scores if the loss is made
    for them.
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


def _adapt_regularizer(
    config: RegularizerConfig, data: Statistics, normalize: bool
) -> RegularizerConfig:
    """λ = 0.57 · gradient / row_ratings^0.6; λ_b as if every row had noise^1.5 / 4 ratings at the
    mean; ν by the loss.

    Below a certain λ embeddings begin to fit noise. The singular values of a matrix of pure noise
    grow with its standard deviation times the square root of the ratings per row, and λ ·
    row_ratings is the threshold that singular values have to pass, hence the form of the rule; its
    constant and its exponent, near that root, were chosen on validation parts. λ_b shrinks the bias
    of a row with fewer ratings than that towards 0, the more the less rows differ beside their
    noise: in a model of biases alone the best number is the noise ratio itself.

    For ranking losses λ and λ_b are 0.003, or 0 for cosine scores, whose scale is fixed.

    Args:
        config: the settings.
        data: statistics of the training part.
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


def _adapt_optimizer(config: OptimizerConfig, data: Statistics, batch_size: int) -> OptimizerConfig:
    """Adam: learning rate 0.0045 · spread^0.75, ε near the root mean square of a row's gradient.

    A row that is in few batches gets a small gradient, which Adam would scale up to a full step;
    ε = 0.09 · gradient · √spread / √(batch_size · √(users · items)) prevents that. β2 = 0.99, as an
    epoch has only a few hundred steps.

    Ranking losses: learning rate 0.01, Keras's Adam. Other optimizers: a multiple of Adam's rate.
    """
    rows = math.sqrt(data.num_users * data.num_items)
    epsilon = 0.09 * data.gradient * math.sqrt(data.spread) / math.sqrt(batch_size * rows)
    optimizer = config.optimizer.lower()
    is_adam = optimizer in (AUTO, "adam", "sparse_adam", "adamw", "nadam")
    is_rating = data.traits.predicts_ratings
    rate = 0.0045 * data.spread**0.75 if is_rating else 0.01
    derived = {
        "learning_rate": rate * _RATES.get(optimizer, 1),
        "optimizer_args": f"beta_2=0.99,epsilon={epsilon:.2g}" if is_adam and is_rating else "",
    }
    return _filled(config, derived)


def _filled(config: Any, derived: Mapping[str, Any]) -> Any:
    """Return the settings with these values in place of None, floats rounded to three digits."""
    missing = {
        name: float(f"{value:.3g}") if isinstance(value, float) else value
        for name, value in derived.items()
        if getattr(config, name) is None
    }
    return dataclasses.replace(config, **missing)
